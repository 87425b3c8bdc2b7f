/* csv_reader.c: one pass over the bytes by a small automaton. Positions are counted from the row's beginning,
 * so that the window may slide under a row that is not complete yet. */
#include "import/csv_reader.h"

#include <stdlib.h>

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
    size_t at;         /* the next byte, from the row's beginning */
    size_t end;        /* of the last field's content, when it is known */
    uint64_t newlines; /* inside the row */
    bool is_dropped;   /* too long to be kept: its beginning is gone */
};

void csv_reader_init(struct csv_reader *reader, struct byte_source *source)
{
    *reader = (struct csv_reader){.spans = calloc(CSV_FIELDS_MAX, sizeof *reader->spans),
                                  .fields = calloc(CSV_FIELDS_MAX, sizeof *reader->fields)};
    if (!reader->spans || !reader->fields)
        abort();
    window_init(&reader->window, source);
}

void csv_reader_free(struct csv_reader *reader)
{
    window_free(&reader->window);
    buffer_free(&reader->unescaped);
    free(reader->spans);
    free(reader->fields);
}

static void refuse(struct scan *scan, const char *reason)
{
    if (!scan->reader->reason)
        scan->reader->reason = reason;
    scan->state = STATE_REFUSED;
}

static void begin_field(struct scan *scan, size_t start)
{
    scan->reader->spans[scan->reader->field_count] = (struct csv_span){.start = (uint32_t)start};
}

static void end_field(struct scan *scan, size_t end)
{
    scan->reader->spans[scan->reader->field_count++].end = (uint32_t)end;
}

/* A comma behind a field that ended at `end`. */
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

/* One byte. True when it was the LF that ends the row; scan->end is then where the last field ended. */
static bool take(struct scan *scan, char byte)
{
    struct csv_span *span = &scan->reader->spans[scan->reader->field_count];

    switch (scan->state) {
    case STATE_FIELD:
        if (byte == '"') {
            span->start = (uint32_t)scan->at + 1;
            scan->state = STATE_QUOTED;
            return false;
        }
        scan->state = STATE_UNQUOTED;
        /* fall through */
    case STATE_UNQUOTED:
        scan->end = scan->at;
        if (byte == ',')
            next_field(scan, scan->at);
        else if (byte == '\r')
            scan->state = STATE_RETURN;
        else if (byte == '"')
            refuse(scan, "has a quote inside a field that does not begin with one");
        return byte == '\n';
    case STATE_QUOTED:
        if (byte == '"')
            scan->state = STATE_QUOTE;
        return false;
    case STATE_QUOTE:
        scan->end = scan->at - 1;
        if (byte == '"') {
            span->has_doubled_quotes = true;
            scan->state = STATE_QUOTED;
        } else if (byte == ',') {
            next_field(scan, scan->end);
        } else if (byte == '\r') {
            scan->state = STATE_RETURN;
        } else if (byte != '\n') {
            refuse(scan, "has something between a closing quote and the next comma");
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
    if (scan->state == STATE_UNQUOTED)
        while (at < end && bytes[at] != ',' && bytes[at] != '\n' && bytes[at] != '\r' && bytes[at] != '"')
            at++;
    else if (scan->state == STATE_QUOTED)
        while (at < end && bytes[at] != '"' && bytes[at] != '\n')
            at++;
    return at;
}

/* A row that is too long to be kept is still read to its end. */
static void drop(struct scan *scan)
{
    struct window *window = &scan->reader->window;

    if (!scan->reader->reason)
        scan->reader->reason = "is longer than 262144 bytes";
    scan->is_dropped = true;
    scan->reader->field_count = 0;
    if (scan->state == STATE_FIELD || scan->state == STATE_UNQUOTED || scan->state == STATE_RETURN)
        scan->state = STATE_REFUSED; /* inside quotes, a line end does not end the row */
    window->start += scan->at;
    scan->at = 0;
    begin_field(scan, 0);
}

/* Up to the end of the row. False when the input ends first. */
static bool scan_row(struct scan *scan)
{
    struct window *window = &scan->reader->window;

    for (;;) {
        const char *bytes = window->data + window->start;
        size_t end = window->end - window->start;

        while ((scan->at = skip_plain(scan, bytes, scan->at, end)) < end) {
            char byte = bytes[scan->at];
            bool is_end = take(scan, byte);

            scan->at++;
            scan->newlines += byte == '\n';
            if (is_end)
                return true;
        }
        if (scan->at > IMPORT_ROW_BYTES_MAX)
            drop(scan);
        if (!window_more(window))
            return false;
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
        refuse(scan, "begins a quoted field that is never closed");
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
    if (!is_whole)
        end_of_input(&scan);
    if (scan.at > IMPORT_ROW_BYTES_MAX)
        drop(&scan);
    const char *row = window->data + window->start;

    reader->raw = scan.is_dropped ? text_empty : without_line_end((struct text){row, scan.at});
    window->start += scan.at;
    window->line += scan.newlines;
    if (reader->reason)
        return ROW_REFUSED;
    end_field(&scan, scan.end);
    make_fields(reader, row);
    return ROW_READ;
}

enum row_status csv_read(struct csv_reader *reader)
{
    enum row_status status;

    if (!reader->is_open) {
        reader->is_open = true;
        reader->reason = window_open(&reader->window);
        if (reader->reason)
            return ROW_FAILED;
    }
    do
        status = read_row(reader);
    while (status == ROW_READ && reader->raw.length == 0);
    return status;
}
