/* The configuration file on arbitrary bytes: read with the program's own settings, it is taken or refused
 * with a line that says where. */
#include "cli/settings.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct settings settings;
    struct arena arena = {0};
    struct text reason = text_none;

    settings_init(&settings, &arena);
    bool is_taken =
        settings_read_file(&settings, TEXT("f"), (struct text){(const char *)bytes, length}, &reason);

    if (!is_taken && !text_starts_with(reason, TEXT("f:")))
        abort();
    if (is_taken && settings.states[settings_find(TEXT("loops"))].count &&
        settings_number(&settings, "loops") > 1024)
        abort();
    arena_free(&arena);
    return 0;
}
