#include "import/window.h"

#include <stdlib.h>
#include <string.h>

void window_init(struct window *window, struct byte_source *source)
{
    *window = (struct window){.source = source, .data = malloc(WINDOW_BYTES), .line = 1};
    if (!window->data)
        abort();
}

void window_free(struct window *window)
{
    free(window->data);
    window->data = NULL;
}

bool window_more(struct window *window)
{
    if (window->at_end)
        return false;
    if (window->start > 0) {
        memmove(window->data, window->data + window->start, window->end - window->start);
        window->end -= window->start;
        window->start = 0;
    }
    if (window->end == WINDOW_BYTES)
        return false;
    long length =
        window->source->read(window->source, window->data + window->end, WINDOW_BYTES - window->end);

    window->at_end = length <= 0;
    window->end += window->at_end ? 0 : (size_t)length;
    return !window->at_end;
}

const char *window_open(struct window *window)
{
    static const char mark[] = "\xef\xbb\xbf", little[] = "\xff\xfe", big[] = "\xfe\xff";

    while (window->end < sizeof mark - 1 && window_more(window))
        continue;
    if (window->end >= 2 && (memcmp(window->data, little, 2) == 0 || memcmp(window->data, big, 2) == 0))
        return "is UTF-16; save it as UTF-8";
    if (window->end >= sizeof mark - 1 && memcmp(window->data, mark, sizeof mark - 1) == 0)
        window->start = sizeof mark - 1;
    return window->source->failure;
}
