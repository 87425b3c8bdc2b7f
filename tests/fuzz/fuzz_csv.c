/* The CSV reader on arbitrary bytes, held against a naive second one (support/csv_compare.h). The first byte
 * says how many bytes come at a time. */
#include "support/csv_compare.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length == 0)
        return 0;
    if (!csv_agree((struct text){(const char *)bytes + 1, length - 1}, 1U + bytes[0]))
        abort();
    return 0;
}
