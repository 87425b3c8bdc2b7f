#include "store/sqlite/search/block.h"

#include <assert.h>
#include <endian.h>

enum {
    VARINT_BYTES_MAX = 10,
    LENGTH_BYTES = 2,
    POSTING_BYTES_MAX = 2 * 5 + 1,                                           /* of an entry */
    RUN_BYTES_MAX = VARINT_BYTES_MAX + LENGTH_BYTES + POSTING_BYTES_MAX + 1, /* of a run with one posting */
};

/* ---- writing ---- */

void block_writer_free(struct block_writer *writer)
{
    buffer_free(&writer->bytes);
    *writer = (struct block_writer){0};
}

void block_writer_clear(struct block_writer *writer)
{
    buffer_clear(&writer->bytes);
}

static void append_varint(struct buffer *buffer, uint64_t value)
{
    buffer_reserve(buffer, VARINT_BYTES_MAX);
    for (; value >= 0x80; value >>= 7)
        buffer->data[buffer->length++] = (char)(value | 0x80);
    buffer->data[buffer->length++] = (char)value;
}

static void end_run(struct block_writer *writer)
{
    size_t length = writer->bytes.length - writer->run_start;
    unsigned char *place = (unsigned char *)writer->bytes.data + writer->run_start - LENGTH_BYTES;

    place[0] = (unsigned char)length;
    place[1] = (unsigned char)(length >> 8);
}

static void begin_run(struct block_writer *writer, const struct posting *posting)
{
    bool is_first = block_writer_is_empty(writer);

    if (!is_first)
        end_run(writer);
    append_varint(&writer->bytes, (uint64_t)posting->term - (is_first ? 0 : (uint64_t)writer->last.term));
    buffer_append_bytes(&writer->bytes, "\0", LENGTH_BYTES);
    writer->run_start = writer->bytes.length;
    append_varint(&writer->bytes, posting->document);
    append_varint(&writer->bytes, posting->position);
    if (is_first)
        writer->first = *posting;
}

static void append_entry(struct block_writer *writer, const struct posting *posting)
{
    bool is_same = posting->position == writer->last.position && posting->document > writer->last.document;

    append_varint(&writer->bytes, (uint64_t)(posting->document - writer->last.document) << 1 | is_same);
    if (!is_same)
        append_varint(&writer->bytes, posting->position);
}

bool block_writer_add(struct block_writer *writer, const struct posting *posting)
{
    bool is_of_run = !block_writer_is_empty(writer) && posting->term == writer->last.term;

    assert(block_writer_is_empty(writer) || posting_compare(&writer->last, posting) < 0);
    if (writer->bytes.length + (is_of_run ? POSTING_BYTES_MAX : RUN_BYTES_MAX) > BLOCK_BYTES_MAX)
        return false;
    if (is_of_run)
        append_entry(writer, posting);
    else
        begin_run(writer, posting);
    writer->last = *posting;
    return true;
}

struct text block_writer_finish(struct block_writer *writer)
{
    assert(!block_writer_is_empty(writer));
    end_run(writer);
    return buffer_text(&writer->bytes);
}

/* ---- reading ---- */

void block_reader_begin(struct block_reader *reader, struct text bytes)
{
    const unsigned char *data = (const unsigned char *)bytes.data;

    *reader = (struct block_reader){.next = data, .run_end = data, .end = data + bytes.length};
}

static bool damaged(struct block_reader *reader)
{
    reader->is_damaged = true;
    reader->next = reader->run_end = reader->end;
    return false;
}

static inline bool read_varint(struct block_reader *reader, const unsigned char *end, uint64_t *value)
{
    if (__builtin_expect(reader->next < end && *reader->next < 0x80, 1)) {
        *value = *reader->next++;
        return true;
    }
    *value = 0;
    for (unsigned shift = 0; reader->next < end && shift < 64; shift += 7) {
        unsigned char byte = *reader->next++;

        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

bool block_reader_next_run(struct block_reader *reader)
{
    uint64_t term, document, position;

    reader->next = reader->run_end;
    if (reader->next == reader->end)
        return false;
    if (!read_varint(reader, reader->end, &term) || reader->end - reader->next < LENGTH_BYTES)
        return damaged(reader);
    size_t length = reader->next[0] | (size_t)reader->next[1] << 8;

    reader->next += LENGTH_BYTES;
    if (length > (size_t)(reader->end - reader->next) || term > (uint64_t)(INT64_MAX - reader->posting.term))
        return damaged(reader);
    reader->run_end = reader->next + length;
    if (!read_varint(reader, reader->run_end, &document) ||
        !read_varint(reader, reader->run_end, &position) || document > UINT32_MAX || position > UINT32_MAX)
        return damaged(reader);
    reader->posting = (struct posting){.term = reader->posting.term + (int64_t)term,
                                       .document = (uint32_t)document,
                                       .position = (uint32_t)position};
    return true;
}

bool block_reader_seek_term(struct block_reader *reader, int64_t term)
{
    while (block_reader_next_run(reader))
        if (reader->posting.term >= term)
            return true;
    return false;
}

bool block_reader_next_of_run(struct block_reader *reader)
{
    uint64_t step, position = reader->posting.position;

    if (reader->next == reader->run_end)
        return false;
    if (!read_varint(reader, reader->run_end, &step) ||
        (!(step & 1) && !read_varint(reader, reader->run_end, &position)) || position > UINT32_MAX ||
        step >> 1 > UINT32_MAX - reader->posting.document)
        return damaged(reader);
    reader->posting.document += (uint32_t)(step >> 1);
    reader->posting.position = (uint32_t)position;
    return true;
}

/* Entries of at most three bytes, without a branch that depends on them: most of a search is this. Stops at
 * one that is longer, and before the end. */
static size_t take_short(struct block_reader *reader, uint64_t *places)
{
    const unsigned char *next = reader->next, *end = reader->run_end;
    uint64_t document = reader->posting.document, position = reader->posting.position;
    size_t count = 0;

    for (; end - next >= 4; count++) {
        uint32_t bytes;

        memcpy(&bytes, next, sizeof bytes);
        bytes = le32toh(bytes);
        uint32_t is_long = bytes >> 7 & 1, is_same = bytes & 1; /* the length is known from the first byte */
        uint32_t step = (bytes & 0x7F) | (bytes >> 1 & 0x3F80 & -is_long);
        uint32_t given = bytes >> (8 + 8 * is_long) & 0xFF;

        if ((is_long & bytes >> 15) | (given >> 7 & ~is_same & 1))
            break;
        document += step >> 1;
        position = (position & -(uint64_t)is_same) | (given & ((uint64_t)is_same - 1));
        next += 2 + is_long - is_same;
        places[count] = BLOCK_PLACE(document, position);
    }
    reader->next = next;
    reader->posting.position = (uint32_t)position;
    if (document > UINT32_MAX)
        damaged(reader);
    else
        reader->posting.document = (uint32_t)document;
    return count;
}

size_t block_reader_take_run(struct block_reader *reader, uint64_t *places)
{
    size_t count = 1;

    places[0] = BLOCK_PLACE(reader->posting.document, reader->posting.position);
    for (;;) {
        count += take_short(reader, places + count);
        if (!block_reader_next_of_run(reader))
            return count;
        places[count++] = BLOCK_PLACE(reader->posting.document, reader->posting.position);
    }
}

bool block_reader_next(struct block_reader *reader)
{
    return block_reader_next_of_run(reader) || block_reader_next_run(reader);
}
