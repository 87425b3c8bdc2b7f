/* csv_reader.c: one pass over the bytes by a small automaton. Positions are counted from the row's beginning,
 * so that the window may slide under a row that is not complete yet. */
#include "import/csv_reader.h"

#include <stdlib.h>
#include <string.h>

struct csv_span {
    uint32_t start, end; /* without the quotes */
    bool has_doubled_quotes;
};

enum state {
    STATE_FIELD,    /* at the beginning of a field */
    STATE_UNQUOTED, /* inside a field without quotes */
    STATE_QUOTED,
    STATE_QUOTE,   /* behind a quote inside a quoted field: its end, or the first of two */
    STATE_RETURN,  /* behind a CR outside of quotes */
    STATE_REFUSED, /* on the way to the end of a row that is refused */
};

struct scan {
    struct csv_reader *reader;
    enum state state;
    size_t at;                  /* the next byte, from the row's beginning */
    size_t end;                 /* of the last field's content, when it is known */
    uint64_t newlines;          /* taken so far */
    uint64_t newlines_at_quote; /* of them, those in front of the last quote that opened a field */
    bool is_dropped;            /* too long to be kept: all but its beginning is gone */
    bool is_lost;
};

void csv_reader_init(struct csv_reader *reader, struct byte_source *source)
{
    *reader = (struct csv_reader){.separator = ',',
                                  .spans = calloc(CSV_FIELDS_MAX, sizeof *reader->spans),
                                  .fields = calloc(CSV_FIELDS_MAX, sizeof *reader->fields)};
    if (!reader->spans || !reader->fields)
        abort();
    window_init(&reader->window, source);
}

void csv_reader_free(struct csv_reader *reader)
{
    window_free(&reader->window);
    buffer_free(&reader->unescaped);
    buffer_free(&reader->beginning);
    free(reader->spans);
    free(reader->fields);
}

static void refuse(struct scan *scan, const char *reason)
{
    if (!scan->reader->reason)
        scan->reader->reason = reason;
    scan->state = STATE_REFUSED;
}

static void lose(struct scan *scan, const char *reason)
{
    scan->reader->reason = reason;
    scan->is_lost = true;
}

static void begin_field(struct scan *scan, size_t start)
{
    scan->reader->spans[scan->reader->field_count] = (struct csv_span){.start = (uint32_t)start};
}

static void end_field(struct scan *scan, size_t end)
{
    scan->reader->spans[scan->reader->field_count++].end = (uint32_t)end;
}

/* A separator behind a field that ended at `end`. */
static void next_field(struct scan *scan, size_t end)
{
    end_field(scan, end);
    if (scan->reader->field_count == CSV_FIELDS_MAX) {
        refuse(scan, "has too many fields");
        return;
    }
    begin_field(scan, scan->at + 1);
    scan->state = STATE_FIELD;
}

/* A line end inside quotes. True when there were too many: what follows is hardly still the field. */
static bool is_beyond_lines(struct scan *scan)
{
    if (scan->newlines - scan->newlines_at_quote < CSV_QUOTED_LINES_MAX)
        return false;
    lose(scan, "opens a quote that is not closed within 1000 lines");
    return true;
}

/* One byte. True when it was the LF that ends the row; scan->end is then where the last field ended. */
static bool take(struct scan *scan, char byte)
{
    struct csv_span *span = &scan->reader->spans[scan->reader->field_count];
    char separator = scan->reader->separator;

    switch (scan->state) {
    case STATE_FIELD:
        if (byte == '"') {
            span->start = (uint32_t)scan->at + 1;
            scan->state = STATE_QUOTED;
            scan->newlines_at_quote = scan->newlines;
            return false;
        }
        scan->state = STATE_UNQUOTED;
        /* fall through */
    case STATE_UNQUOTED:
        scan->end = scan->at;
        if (byte == separator)
            next_field(scan, scan->at);
        else if (byte == '\r')
            scan->state = STATE_RETURN;
        else if (byte == '"')
            refuse(scan, "has a quote inside a field that does not begin with one");
        return byte == '\n';
    case STATE_QUOTED:
        if (byte == '"')
            scan->state = STATE_QUOTE;
        return byte == '\n' && is_beyond_lines(scan);
    case STATE_QUOTE:
        scan->end = scan->at - 1;
        if (byte == '"') {
            span->has_doubled_quotes = true;
            scan->state = STATE_QUOTED;
        } else if (byte == separator) {
            next_field(scan, scan->end);
        } else if (byte == '\r') {
            scan->state = STATE_RETURN;
        } else if (byte != '\n') {
            refuse(scan, "has something between a closing quote and the end of its field");
        }
        return byte == '\n';
    case STATE_RETURN:
        if (byte != '\n')
            refuse(scan, "has a carriage return that does not end the line");
        return byte == '\n';
    case STATE_REFUSED:
        return byte == '\n';
    }
    return false;
}

/* Runs over bytes that cannot change the state: most of a file. */
static size_t skip_plain(const struct scan *scan, const char *bytes, size_t at, size_t end)
{
    char separator = scan->reader->separator;

    if (scan->state == STATE_UNQUOTED)
        while (at < end && bytes[at] != separator && bytes[at] != '\n' && bytes[at] != '\r' &&
               bytes[at] != '"')
            at++;
    else if (scan->state == STATE_QUOTED)
        while (at < end && bytes[at] != '"' && bytes[at] != '\n')
            at++;
    return at;
}

/* A row that is too long to be kept is still read to its end, unless that is the end of a quote. */
static void drop(struct scan *scan)
{
    static const char too_long[] = "is longer than 262144 bytes";
    struct csv_reader *reader = scan->reader;
    struct window *window = &reader->window;

    if (!scan->is_dropped) {
        buffer_clear(&reader->beginning);
        buffer_append_bytes(&reader->beginning, window->data + window->start, IMPORT_ROW_BEGINNING_BYTES);
    }
    scan->is_dropped = true;
    if (scan->state == STATE_QUOTED || scan->state == STATE_QUOTE)
        lose(scan, "opens a quote that is not closed within 262144 bytes");
    else if (reader->is_at_header)
        lose(scan, too_long);
    else
        refuse(scan, too_long);
    reader->field_count = 0;
    window->start += scan->at;
    scan->at = 0;
}

/* Up to the end of the row. False when the input ends first. */
static bool scan_row(struct scan *scan)
{
    struct window *window = &scan->reader->window;

    for (;;) {
        const char *bytes = window->data + window->start;
        size_t end = window->end - window->start;

        /* Not further than a row may reach, so that it does not depend on the pieces read what is dropped. */
        if (end > IMPORT_ROW_BYTES_MAX + 1)
            end = IMPORT_ROW_BYTES_MAX + 1;
        while ((scan->at = skip_plain(scan, bytes, scan->at, end)) < end) {
            char byte = bytes[scan->at];
            bool is_end = take(scan, byte);

            scan->at++;
            scan->newlines += byte == '\n';
            if (is_end)
                return true;
        }
        if (scan->at > IMPORT_ROW_BYTES_MAX) {
            drop(scan);
            if (scan->is_lost)
                return false;
        } else if (!window_more(window)) {
            return false;
        }
    }
}

/* Makes the fields of the spans: slices of the row, or copies without doubled quotes. */
static void make_fields(struct csv_reader *reader, const char *row)
{
    buffer_clear(&reader->unescaped);
    buffer_reserve(&reader->unescaped, reader->raw.length); /* so that it does not move */
    for (size_t i = 0; i < reader->field_count; i++) {
        const struct csv_span *span = &reader->spans[i];
        struct text field = {row + span->start, span->end - span->start};

        if (span->has_doubled_quotes) {
            size_t start = reader->unescaped.length;

            for (size_t at = 0; at < field.length; at++) {
                buffer_append_char(&reader->unescaped, field.data[at]);
                at += field.data[at] == '"';
            }
            field = text_from(buffer_text(&reader->unescaped), start);
        }
        reader->fields[i] = field;
    }
}

static struct text without_line_end(struct text row)
{
    if (row.length && row.data[row.length - 1] == '\n')
        row.length--;
    if (row.length && row.data[row.length - 1] == '\r')
        row.length--;
    return row;
}

/* The end of the input behind a row without a line end. */
static void end_of_input(struct scan *scan)
{
    switch (scan->state) {
    case STATE_FIELD:
    case STATE_UNQUOTED:
        scan->end = scan->at;
        break;
    case STATE_QUOTE:
        scan->end = scan->at - 1;
        break;
    case STATE_QUOTED:
        lose(scan, "opens a quote that is never closed");
        break;
    case STATE_RETURN: /* as good as CRLF */
    case STATE_REFUSED:
        break;
    }
}

static enum row_status read_row(struct csv_reader *reader)
{
    struct window *window = &reader->window;
    struct scan scan = {.reader = reader, .state = STATE_FIELD};

    reader->field_count = 0;
    reader->reason = NULL;
    reader->line = window->line;
    begin_field(&scan, 0);
    bool is_whole = scan_row(&scan);

    if (!is_whole && window->source->failure) {
        reader->reason = window->source->failure;
        return ROW_FAILED; /* half a row is no row */
    }
    if (!is_whole && scan.at == 0 && !scan.is_dropped)
        return ROW_END;
    if (!is_whole && !scan.is_lost)
        end_of_input(&scan);
    if (scan.at > IMPORT_ROW_BYTES_MAX)
        drop(&scan);
    const char *row = window->data + window->start;

    reader->raw =
        scan.is_dropped ? buffer_text(&reader->beginning) : without_line_end((struct text){row, scan.at});
    reader->last_line = reader->line + scan.newlines - (scan.at > 0 && row[scan.at - 1] == '\n' ? 1 : 0);
    reader->quote_line = reader->line + scan.newlines_at_quote;
    window->start += scan.at;
    window->line += scan.newlines;
    if (scan.is_lost)
        return ROW_LOST;
    if (reader->reason)
        return ROW_REFUSED;
    end_field(&scan, scan.end);
    make_fields(reader, row);
    return ROW_READ;
}

static bool open_window(struct csv_reader *reader)
{
    if (!reader->is_open) {
        reader->is_open = true;
        reader->failure = window_open(&reader->window);
    }
    return !reader->failure;
}

/* Up to the first line end that is not inside quotes, as far as the window reaches. */
static struct text first_line(struct window *window)
{
    bool is_quoted = false;
    size_t at = 0;

    do {
        for (; at < window->end - window->start; at++) {
            char byte = window->data[window->start + at];

            is_quoted ^= byte == '"';
            if (byte == '\n' && !is_quoted)
                return (struct text){window->data + window->start, at};
        }
    } while (window_more(window));
    return (struct text){window->data + window->start, at};
}

static void detect_separator(struct csv_reader *reader)
{
    static const char separators[] = ",;\t";
    size_t counts[sizeof separators - 1] = {0}, most = 0;
    bool is_quoted = false;

    if (!open_window(reader))
        return;
    struct text line = first_line(&reader->window);

    for (size_t i = 0; i < line.length; i++) {
        const char *found = line.data[i] ? strchr(separators, line.data[i]) : NULL;

        is_quoted ^= line.data[i] == '"';
        if (found && !is_quoted)
            counts[found - separators]++;
    }
    for (size_t i = 1; i < sizeof counts / sizeof counts[0]; i++)
        if (counts[i] > counts[most])
            most = i;
    reader->separator = separators[most];
}

enum row_status csv_read(struct csv_reader *reader)
{
    enum row_status status;

    if (!open_window(reader)) {
        reader->reason = reader->failure;
        return ROW_FAILED;
    }
    do
        status = read_row(reader);
    while (status == ROW_READ && reader->raw.length == 0);
    return status;
}

enum row_status csv_read_header(struct csv_reader *reader)
{
    enum row_status status;

    detect_separator(reader);
    reader->is_at_header = true;
    status = csv_read(reader);
    reader->is_at_header = false;
    return status;
}
