#include "support/csv_compare.h"

#include "import/csv_reader.h"

#include <string.h>

/* ---- the reader ---- */

struct memory_source {
    struct byte_source bytes;
    struct text rest;
    size_t step;
};

static long read_memory(struct byte_source *source, char *out, size_t capacity)
{
    struct memory_source *memory = (struct memory_source *)source;
    size_t length = memory->rest.length < memory->step ? memory->rest.length : memory->step;

    length = length < capacity ? length : capacity;
    if (length)
        memcpy(out, memory->rest.data, length);
    memory->rest = text_from(memory->rest, length);
    return (long)length;
}

static void dump_row(struct buffer *dump, uint64_t line, struct text raw, const struct text *fields,
                     size_t count)
{
    buffer_append_format(dump, "%llu {", (unsigned long long)line);
    buffer_append(dump, raw);
    buffer_append(dump, TEXT("}"));
    for (size_t i = 0; i < count; i++) {
        buffer_append(dump, TEXT(" ["));
        buffer_append(dump, fields[i]);
        buffer_append(dump, TEXT("]"));
    }
    buffer_append(dump, TEXT("\n"));
}

static void dump_refusal(struct buffer *dump, uint64_t line, struct text raw)
{
    buffer_append_format(dump, "%llu {", (unsigned long long)line);
    buffer_append(dump, raw);
    buffer_append(dump, TEXT("} refused\n"));
}

static void dump_lost(struct buffer *dump, uint64_t line, struct text raw)
{
    buffer_append_format(dump, "%llu {", (unsigned long long)line);
    buffer_append(dump, raw);
    buffer_append(dump, TEXT("} lost\n"));
}

void csv_dump(struct text input, size_t step, struct buffer *dump)
{
    struct memory_source memory = {.bytes.read = read_memory, .rest = input, .step = step};
    struct csv_reader reader;
    enum row_status status;

    csv_reader_init(&reader, &memory.bytes);
    while ((status = csv_read(&reader)) == ROW_READ || status == ROW_REFUSED)
        if (status == ROW_READ)
            dump_row(dump, reader.line, reader.raw, reader.fields, reader.field_count);
        else
            dump_refusal(dump, reader.line, reader.raw);
    if (status == ROW_LOST)
        dump_lost(dump, reader.line, reader.raw);
    else
        buffer_append(dump, status == ROW_END ? TEXT("end\n") : TEXT("failed\n"));
    csv_reader_free(&reader);
}

/* ---- the naive one ---- */

struct naive {
    struct text input;
    size_t at;
    struct buffer copies; /* never moves: it is made as long as the input */
    struct text fields[CSV_FIELDS_MAX];
    size_t count;
    bool is_lost; /* a quote is not closed within reason */
};

static bool is_at(const struct naive *naive, const char *bytes)
{
    size_t length = strlen(bytes);

    return naive->input.length - naive->at >= length &&
           memcmp(naive->input.data + naive->at, bytes, length) == 0;
}

static bool is_row_end(const struct naive *naive)
{
    return naive->at == naive->input.length || is_at(naive, "\n") || is_at(naive, "\r\n") ||
           (is_at(naive, "\r") && naive->at + 1 == naive->input.length);
}

static void keep(struct naive *naive, char byte)
{
    buffer_append_char(&naive->copies, byte);
    naive->at++;
}

/* Copies the content of a quoted field, up to the quote that ends it. False when it is not closed within
 * reason. */
static bool copy_quoted(struct naive *naive)
{
    unsigned lines = 0;

    naive->at++;
    while (is_at(naive, "\"\"") || (naive->at < naive->input.length && !is_at(naive, "\""))) {
        lines += is_at(naive, "\n");
        naive->at += is_at(naive, "\"\"");
        keep(naive, naive->input.data[naive->at]);
        if (lines > CSV_QUOTED_LINES_MAX)
            return false;
    }
    return naive->at < naive->input.length;
}

/* Copies one field. False at what is not in the RFC. */
static bool copy_field(struct naive *naive)
{
    size_t start = naive->copies.length;

    if (is_at(naive, "\"")) {
        naive->is_lost = !copy_quoted(naive);
        if (naive->is_lost)
            return false;
        naive->at++;
    } else {
        while (!is_row_end(naive) && !is_at(naive, ",") && !is_at(naive, "\"") && !is_at(naive, "\r"))
            keep(naive, naive->input.data[naive->at]);
    }
    if (naive->count == CSV_FIELDS_MAX)
        return false;
    naive->fields[naive->count++] = text_from(buffer_text(&naive->copies), start);
    return is_row_end(naive) || (is_at(naive, ",") && naive->count < CSV_FIELDS_MAX);
}

static bool copy_row(struct naive *naive)
{
    naive->count = 0;
    if (!copy_field(naive))
        return false;
    while (is_at(naive, ",")) {
        naive->at++;
        if (!copy_field(naive))
            return false;
    }
    return true;
}

static uint64_t count_lines(struct text text)
{
    uint64_t lines = 0;

    for (size_t i = 0; i < text.length; i++)
        lines += text.data[i] == '\n';
    return lines;
}

static struct text without_line_end(struct text row)
{
    row.length -= row.length && row.data[row.length - 1] == '\n';
    row.length -= row.length && row.data[row.length - 1] == '\r';
    return row;
}

void csv_dump_naive(struct text input, struct buffer *dump)
{
    static struct naive naive; /* too large for a stack */

    naive = (struct naive){.input = input};
    buffer_reserve(&naive.copies, input.length + 1);
    if (is_at(&naive, "\xff\xfe") || is_at(&naive, "\xfe\xff")) {
        buffer_append(dump, TEXT("failed\n"));
        buffer_free(&naive.copies);
        return;
    }
    naive.at = is_at(&naive, "\xef\xbb\xbf") ? 3 : 0;
    size_t first = naive.at;

    while (naive.at < input.length) {
        size_t start = naive.at;
        bool is_good = copy_row(&naive);

        while (!naive.is_lost && naive.at < input.length && input.data[naive.at] != '\n')
            naive.at++;
        naive.at += !naive.is_lost && naive.at < input.length;
        struct text raw = without_line_end(text_slice(input, start, naive.at - start));
        uint64_t line = 1 + count_lines(text_slice(input, first, start - first));

        if (naive.is_lost) {
            dump_lost(dump, line, raw);
            buffer_free(&naive.copies);
            return;
        }
        if (!is_good)
            dump_refusal(dump, line, raw);
        else if (raw.length > 0)
            dump_row(dump, line, raw, naive.fields, naive.count);
    }
    buffer_append(dump, TEXT("end\n"));
    buffer_free(&naive.copies);
}

bool csv_agree(struct text input, size_t step)
{
    struct buffer ours = {0}, theirs = {0};

    csv_dump(input, step, &ours);
    csv_dump_naive(input, &theirs);
    bool agree = text_equal(buffer_text(&ours), buffer_text(&theirs));

    buffer_free(&ours);
    buffer_free(&theirs);
    return agree;
}
