#include "import/line_reader.h"

#include <string.h>

void line_reader_init(struct line_reader *reader, struct byte_source *source)
{
    *reader = (struct line_reader){0};
    window_init(&reader->window, source);
}

void line_reader_free(struct line_reader *reader)
{
    window_free(&reader->window);
    buffer_free(&reader->beginning);
}

static bool is_blank(struct text line)
{
    for (size_t i = 0; i < line.length; i++)
        if (!strchr(" \t\r\n", line.data[i]) || !line.data[i])
            return false;
    return true;
}

static void keep_beginning(struct line_reader *reader)
{
    const struct window *window = &reader->window;

    buffer_clear(&reader->beginning);
    buffer_append_bytes(&reader->beginning, window->data + window->start, IMPORT_ROW_BEGINNING_BYTES);
}

/* Takes a line. One that is too long is dropped on the way, so that the window does not fill. */
static enum row_status read_line(struct line_reader *reader)
{
    struct window *window = &reader->window;
    bool is_dropped = false;
    size_t at = 0;
    const char *end;

    while (!(end = memchr(window->data + window->start + at, '\n', window->end - window->start - at))) {
        at = window->end - window->start;
        if (at > IMPORT_ROW_BYTES_MAX) {
            if (!is_dropped)
                keep_beginning(reader);
            is_dropped = true;
            window->start = window->end;
            at = 0;
        }
        if (!window_more(window))
            break;
    }
    if (!end && window->source->failure) {
        reader->reason = window->source->failure;
        return ROW_FAILED; /* half a line is no line */
    }
    if (!end && at == 0 && !is_dropped)
        return ROW_END;
    const char *line = window->data + window->start;

    at = end ? (size_t)(end - line) : at;
    window->start += at + (end ? 1 : 0);
    reader->line = window->line;
    window->line += end != NULL;
    reader->raw = (struct text){line, at};
    if (is_dropped) {
        reader->raw = buffer_text(&reader->beginning);
    } else if (at > IMPORT_ROW_BYTES_MAX) {
        is_dropped = true;
        reader->raw = text_slice(reader->raw, 0, IMPORT_ROW_BEGINNING_BYTES);
    }
    reader->reason = is_dropped ? "is longer than 262144 bytes" : NULL;
    return is_dropped ? ROW_REFUSED : ROW_READ;
}

enum row_status line_read(struct line_reader *reader)
{
    enum row_status status;

    if (!reader->is_open) {
        reader->is_open = true;
        reader->reason = window_open(&reader->window);
        if (reader->reason)
            return ROW_FAILED;
    }
    do
        status = read_line(reader);
    while (status == ROW_READ && is_blank(reader->raw));
    if (reader->raw.length && reader->raw.data[reader->raw.length - 1] == '\r')
        reader->raw.length--;
    return status;
}
