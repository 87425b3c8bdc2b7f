/* The JSON reader on arbitrary bytes, held against a second parser (support/json_compare.h). */
#include "support/json_compare.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (json_compare((struct text){(const char *)bytes, length}) == JSON_DISAGREE)
        abort();
    return 0;
}
