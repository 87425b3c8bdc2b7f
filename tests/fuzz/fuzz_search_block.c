/* Blocks of the index of searches. When the first byte is even, the rest is read as a block, in all ways: its
 * end is the end, and what is in order can be written again. Else the rest says which postings to write, and
 * those are read again. */
#include "store/sqlite/search/block.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum { POSTINGS_MAX = 1 << 13 };

static struct posting postings[POSTINGS_MAX];
static size_t posting_count;

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void add(const struct posting *posting)
{
    if (posting_count < POSTINGS_MAX &&
        (posting_count == 0 || posting_compare(&postings[posting_count - 1], posting) < 0))
        postings[posting_count++] = *posting;
}

/* ---- writing ---- */

/* Reads what was written of `postings` from `start` on; how many it was. */
static size_t read_again(struct block_writer *writer, size_t start)
{
    struct text written = block_writer_finish(writer);
    char *copy = malloc(written.length);
    struct block_reader reader;
    size_t next = start;

    require(copy && written.length <= BLOCK_BYTES_MAX);
    memcpy(copy, written.data, written.length);
    require(posting_compare(&writer->first, &postings[start]) == 0);
    block_reader_begin(&reader, (struct text){copy, written.length});
    while (block_reader_next(&reader))
        require(next < posting_count && posting_compare(&reader.posting, &postings[next++]) == 0);
    require(!reader.is_damaged);
    block_reader_begin(&reader, (struct text){copy, written.length});
    for (size_t i = start; i < next; i++)
        if (i == start || postings[i].term != postings[i - 1].term)
            require(block_reader_seek_term(&reader, postings[i].term) &&
                    posting_compare(&reader.posting, &postings[i]) == 0);
    free(copy);
    block_writer_clear(writer);
    return next - start;
}

static void write_and_read(void)
{
    struct block_writer writer = {0};
    size_t start = 0;

    for (size_t i = 0; i < posting_count; i++)
        if (!block_writer_add(&writer, &postings[i])) {
            start += read_again(&writer, start);
            require(start == i && block_writer_add(&writer, &postings[i]));
        }
    if (posting_count > 0)
        require(start + read_again(&writer, start) == posting_count);
    block_writer_free(&writer);
}

/* ---- postings that the bytes ask for ---- */

/* A number of up to eight bytes, of which the first one tells how many. */
static uint64_t take_number(const uint8_t **bytes, const uint8_t *end)
{
    uint64_t number = 0;

    if (*bytes == end)
        return 0;
    uint8_t first = *(*bytes)++;

    if (first < 0xF8)
        return first;
    for (unsigned count = first - 0xF8 + 1; count > 0 && *bytes < end; count--)
        number = number << 8 | *(*bytes)++;
    return number;
}

static void make_postings(const uint8_t *bytes, const uint8_t *end)
{
    struct posting posting = {0};

    posting_count = 0;
    while (bytes < end) {
        unsigned what = *bytes++;
        unsigned times = what >> 3;

        switch (what % 8) {
        case 0:
            posting.term = (int64_t)((uint64_t)posting.term + take_number(&bytes, end)) & INT64_MAX;
            break;
        case 1:
            posting.document = (uint32_t)take_number(&bytes, end);
            break;
        case 2:
            posting.position = (uint32_t)take_number(&bytes, end);
            break;
        case 3: /* many side by side */
            for (unsigned i = 0; i < 16 * times; i++, posting.document += times)
                add(&posting);
            break;
        case 4:
            for (unsigned i = 0; i < 16 * times; i++, posting.position += times)
                add(&posting);
            break;
        case 5:
            for (unsigned i = 0; i < 4 * times && posting.term < INT64_MAX - times;
                 i++, posting.term += times)
                add(&posting);
            break;
        case 6:
            posting.document += (uint32_t)take_number(&bytes, end);
            break;
        default:
            posting.position += (uint32_t)take_number(&bytes, end);
        }
        add(&posting);
    }
}

/* ---- any bytes ---- */

static bool go_on(struct block_reader *reader, unsigned way)
{
    switch (way) {
    case 0:
        return block_reader_next(reader);
    case 1:
        return block_reader_next_run(reader);
    default:
        return block_reader_seek_term(reader, reader->posting.term + (reader->posting.term < INT64_MAX));
    }
}

/* Run by run, as searches read it: the same, unless it is damaged. */
static void take_any(const uint8_t *bytes, size_t length)
{
    uint64_t *places = malloc((length + 1) * sizeof *places);
    struct block_reader one, other;

    require(places != NULL);
    block_reader_begin(&one, (struct text){(const char *)bytes, length});
    other = one;
    while (block_reader_next_run(&one)) {
        size_t count = block_reader_take_run(&one, places);

        for (size_t i = 0; i < count && !one.is_damaged; i++)
            require(block_reader_next(&other) &&
                    places[i] == BLOCK_PLACE(other.posting.document, other.posting.position));
    }
    require(one.next == one.end);
    free(places);
}

static void read_any(const uint8_t *bytes, size_t length)
{
    take_any(bytes, length);
    for (unsigned way = 0; way < 3; way++) {
        struct block_reader reader;
        size_t count = 0;

        posting_count = 0;
        block_reader_begin(&reader, (struct text){(const char *)bytes, length});
        while (go_on(&reader, way)) {
            require(++count <= length && reader.posting.term >= 0);
            add(&reader.posting);
        }
        require(reader.next == reader.end && !block_reader_next(&reader));
        write_and_read();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length == 0)
        return 0;
    if (bytes[0] % 2 == 0) {
        /* A copy of its own, so that its end is seen. */
        uint8_t *copy = malloc(length - 1);

        require(copy || length == 1);
        if (length > 1)
            memcpy(copy, bytes + 1, length - 1);
        read_any(copy, length - 1);
        free(copy);
    } else {
        make_postings(bytes + 1, bytes + length);
        write_and_read();
    }
    return 0;
}
