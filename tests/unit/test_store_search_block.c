/* Blocks of the index of searches: what is written is read again, and damaged bytes are never read beyond
 * their end. */
#include "cmocka_all.h"

#include "store/sqlite/search/block.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { POSTINGS_MAX = 20000, BLOCKS_MAX = 512 };

/* ---- numbers at random ---- */

static uint64_t random_state;

static uint64_t random_number(void)
{
    uint64_t number = random_state += UINT64_C(0x9E3779B97F4A7C15);

    number = (number ^ number >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    number = (number ^ number >> 27) * UINT64_C(0x94D049BB133111EB);
    return number ^ number >> 31;
}

static uint64_t below(uint64_t limit)
{
    return random_number() % limit;
}

/* ---- bytes behind which there is nothing to read ---- */

static char *page_end;

static int map_page(void **state)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    if (pages == MAP_FAILED || mprotect(pages + size, size, PROT_NONE) != 0 || size < BLOCK_BYTES_MAX)
        return -1;
    page_end = pages + size;
    return 0;
}

/* The same bytes, right before a page that cannot be read. */
static struct text at_the_end(const char *bytes, size_t length)
{
    memmove(page_end - length, bytes, length);
    return (struct text){page_end - length, length};
}

/* ---- postings, and blocks of them ---- */

static struct posting postings[POSTINGS_MAX];
static size_t posting_count;

struct block {
    struct posting first;
    size_t length;
    char bytes[BLOCK_BYTES_MAX];
};

static struct block blocks[BLOCKS_MAX];
static size_t block_count;

static void finish_block(struct block_writer *writer)
{
    struct text bytes = block_writer_finish(writer);

    assert_true(block_count < BLOCKS_MAX && bytes.length <= BLOCK_BYTES_MAX);
    blocks[block_count].first = writer->first;
    blocks[block_count].length = bytes.length;
    memcpy(blocks[block_count++].bytes, bytes.data, bytes.length);
    block_writer_clear(writer);
    assert_true(block_writer_is_empty(writer));
}

static void write_blocks(void)
{
    struct block_writer writer = {0};

    block_count = 0;
    for (size_t i = 0; i < posting_count; i++)
        if (!block_writer_add(&writer, &postings[i])) {
            finish_block(&writer);
            assert_true(block_writer_add(&writer, &postings[i]));
        }
    if (!block_writer_is_empty(&writer))
        finish_block(&writer);
    block_writer_free(&writer);
}

static void expect_posting(const struct block_reader *reader, size_t index)
{
    if (posting_compare(&reader->posting, &postings[index]) != 0)
        fail_msg("posting %zu is (%lld, %u, %u), expected (%lld, %u, %u)", index,
                 (long long)reader->posting.term, reader->posting.document, reader->posting.position,
                 (long long)postings[index].term, postings[index].document, postings[index].position);
}

static void begin_block(struct block_reader *reader, size_t number)
{
    block_reader_begin(reader, at_the_end(blocks[number].bytes, blocks[number].length));
}

/* Run by run, as searches read it. */
static void expect_runs_read(void)
{
    static uint64_t places[BLOCK_BYTES_MAX];
    struct block_reader reader;
    size_t count = 0;

    for (size_t number = 0; number < block_count; number++) {
        begin_block(&reader, number);
        while (block_reader_next_run(&reader)) {
            int64_t term = reader.posting.term;
            size_t taken = block_reader_take_run(&reader, places);

            for (size_t i = 0; i < taken; i++, count++) {
                assert_true(count < posting_count);
                assert_int_equal(postings[count].term, term);
                assert_int_equal(BLOCK_PLACE(postings[count].document, postings[count].position), places[i]);
            }
            expect_posting(&reader, count - 1);
        }
        assert_false(reader.is_damaged);
    }
    assert_int_equal(count, posting_count);
}

static void expect_all_read(void)
{
    struct block_reader reader;
    size_t count = 0;

    for (size_t number = 0; number < block_count; number++) {
        assert_int_equal(posting_compare(&blocks[number].first, &postings[count]), 0);
        begin_block(&reader, number);
        while (block_reader_next(&reader)) {
            assert_true(count < posting_count);
            expect_posting(&reader, count++);
        }
        assert_false(reader.is_damaged);
        assert_false(block_reader_next(&reader));
        assert_false(block_reader_next_run(&reader));
    }
    assert_int_equal(count, posting_count);
    expect_runs_read();
}

static void add(int64_t term, uint32_t document, uint32_t position)
{
    assert_true(posting_count < POSTINGS_MAX);
    postings[posting_count++] = (struct posting){term, document, position};
    assert_true(posting_count == 1 ||
                posting_compare(&postings[posting_count - 2], &postings[posting_count - 1]) < 0);
}

/* How far apart numbers are: mostly near, seldom at the other end. */
static uint64_t step(unsigned bits_max)
{
    return random_number() >> (64 - below(bits_max) - 1);
}

/* The next posting, or false when there is no room for it. */
static bool advance(struct posting *posting, unsigned term_chance, unsigned document_bits,
                    unsigned position_bits)
{
    uint64_t term = (uint64_t)posting->term, document = posting->document, position = posting->position;

    if (below(1000) < term_chance) {
        term += 1 + step(below(4) ? 20 : 62);
        document = step(document_bits);
        position = step(position_bits);
    } else if (below(4) == 0) {
        position += 1 + step(position_bits);
    } else {
        document += 1 + step(document_bits);
        if (below(2))
            position = step(position_bits);
    }
    if (term > INT64_MAX || document > UINT32_MAX || position > UINT32_MAX)
        return false;
    *posting = (struct posting){(int64_t)term, (uint32_t)document, (uint32_t)position};
    return true;
}

static void make_random(size_t count, unsigned term_chance, unsigned document_bits, unsigned position_bits)
{
    struct posting posting = {0};

    posting_count = 0;
    add(0, 0, 0);
    for (size_t i = 0; i < 10 * count && posting_count < count; i++)
        if (advance(&posting, term_chance, document_bits, position_bits))
            add(posting.term, posting.document, posting.position);
        else if (posting.term < INT64_MAX - 1)
            posting = (struct posting){.term = posting.term + 1};
}

/* ---- writing and reading ---- */

static void test_one_posting(void **state)
{
    static const uint32_t numbers[] = {0, 1, 0x7F, 0x80, 0x3FFF, 0x4000, UINT32_MAX - 1, UINT32_MAX};
    static const int64_t terms[] = {0, 1, 0x7F, 0x80, INT64_C(1) << 40, INT64_MAX - 1, INT64_MAX};
    enum { NUMBERS = sizeof numbers / sizeof numbers[0], TERMS = sizeof terms / sizeof terms[0] };

    (void)state;
    for (unsigned i = 0; i < TERMS * NUMBERS * NUMBERS; i++) {
        posting_count = 0;
        add(terms[i / NUMBERS / NUMBERS], numbers[i / NUMBERS % NUMBERS], numbers[i % NUMBERS]);
        write_blocks();
        expect_all_read();
    }
}

static void test_steps_of_all_lengths(void **state)
{
    (void)state;
    posting_count = 0;
    for (unsigned bits = 0; bits < 32; bits++) {
        uint32_t far = (uint32_t)1 << bits;

        add(2 * bits, 0, far);   /* at the same position, */
        add(2 * bits, far, far); /* and at others */
        add(2 * bits + 1, 0, far - 1);
        add(2 * bits + 1, far, far);
        add(2 * bits + 1, far, UINT32_MAX);
        add(2 * bits + 1, UINT32_MAX, 0);
    }
    write_blocks();
    expect_all_read();
}

static void test_postings_at_random(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 300; seed++) {
        random_state = seed;
        make_random(1 + below(4000), (unsigned)below(3) ? (unsigned)below(1000) : 2, 1 + (unsigned)below(32),
                    1 + (unsigned)below(32));
        write_blocks();
        expect_all_read();
    }
}

static void test_many_positions_in_a_document(void **state)
{
    (void)state;
    posting_count = 0;
    for (uint32_t document = 0; document < 3; document++)
        for (uint32_t position = 0; position < 5000; position++)
            add(7, document, position);
    write_blocks();
    assert_true(block_count > 5);
    expect_all_read();
}

static void test_a_run_goes_over_blocks(void **state)
{
    (void)state;
    posting_count = 0;
    add(41, 5, 5);
    for (uint32_t i = 0; i < 15000; i++)
        add(42, i * 300, i % 200);
    add(43, 0, 0);
    write_blocks();
    assert_true(block_count > 10);
    expect_all_read();
    for (size_t number = 1; number < block_count; number++)
        assert_int_equal(blocks[number].first.term, 42);
}

static void test_a_full_block_stays_as_it_is(void **state)
{
    struct block_writer writer = {0};
    struct posting posting = {.term = 1};
    struct block_reader reader;
    uint32_t count = 0;

    (void)state;
    for (; block_writer_add(&writer, &posting); count++)
        posting.document++;
    assert_false(block_writer_add(&writer, &posting));
    posting.term++;
    assert_false(block_writer_add(&writer, &posting));
    struct text bytes = block_writer_finish(&writer);

    assert_true(bytes.length <= BLOCK_BYTES_MAX && bytes.length > BLOCK_BYTES_MAX - 40);
    block_reader_begin(&reader, bytes);
    for (uint32_t document = 0; document < count; document++) {
        assert_true(block_reader_next(&reader));
        assert_int_equal(reader.posting.document, document);
    }
    assert_false(block_reader_next(&reader));
    assert_false(reader.is_damaged);
    block_writer_clear(&writer);
    assert_true(block_writer_add(&writer, &posting));
    assert_int_equal(posting_compare(&writer.first, &posting), 0);
    block_writer_free(&writer);
}

static void test_order(void **state)
{
    static const struct posting ordered[] = {{0, 0, 0},          {0, 0, 1}, {0, 0, UINT32_MAX}, {0, 1, 0},
                                             {0, UINT32_MAX, 0}, {1, 0, 0}, {INT64_MAX, 0, 0}};
    enum { COUNT = sizeof ordered / sizeof ordered[0] };

    (void)state;
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < COUNT; j++) {
            int order = posting_compare(&ordered[i], &ordered[j]);

            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
}

/* ---- looking for a term ---- */

/* The first posting of the block's, from `from` on, whose term is at least that; `end` when there is none. */
static size_t first_of_term(size_t from, size_t end, int64_t term)
{
    while (from < end && postings[from].term < term)
        from++;
    return from;
}

static void seek_in_block(size_t number, size_t start, size_t end)
{
    struct block_reader reader;

    begin_block(&reader, number);
    for (size_t next = start; next < end;) {
        int64_t term = postings[next].term + (int64_t)below(3) - 1 + (below(3) ? 0 : (int64_t)step(20));
        size_t expected = first_of_term(next, end, term);

        if (!block_reader_seek_term(&reader, term)) {
            assert_int_equal(expected, end);
            break;
        }
        expect_posting(&reader, expected);
        /* On in its run, perhaps; what is left of it is not looked at again. */
        for (next = expected + 1; next < end && postings[next].term == postings[expected].term; next++)
            if (below(2) && block_reader_next_of_run(&reader))
                assert_int_equal(reader.posting.term, postings[expected].term);
    }
    assert_false(reader.is_damaged);
}

static void test_a_term_is_sought(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 200; seed++) {
        random_state = seed;
        make_random(2000, (unsigned)below(700), 1 + (unsigned)below(20), 1 + (unsigned)below(8));
        write_blocks();
        for (size_t number = 0, start = 0; number < block_count; number++) {
            size_t end = start;

            while (end < posting_count && (number + 1 == block_count ||
                                           posting_compare(&postings[end], &blocks[number + 1].first) < 0))
                end++;
            seek_in_block(number, start, end);
            start = end;
        }
    }
}

static void test_what_is_not_there_is_not_found(void **state)
{
    struct block_reader reader;

    (void)state;
    posting_count = 0;
    for (uint32_t i = 0; i < 100; i++)
        add(10 + 10 * (i / 10), i, i);
    write_blocks();
    begin_block(&reader, 0);
    assert_true(block_reader_seek_term(&reader, 0));
    expect_posting(&reader, 0);
    begin_block(&reader, 0);
    assert_true(block_reader_seek_term(&reader, 95));
    expect_posting(&reader, 90);
    begin_block(&reader, 0);
    assert_false(block_reader_seek_term(&reader, 101));
    assert_false(reader.is_damaged);
    block_reader_begin(&reader, text_empty);
    assert_false(block_reader_seek_term(&reader, 0));
    assert_false(block_reader_next(&reader));
    assert_false(reader.is_damaged);
}

/* ---- damage ---- */

/* Reads to the end, in whatever way; how many postings there were. */
static size_t read_to_the_end(struct text bytes, unsigned way, bool *is_damaged)
{
    struct block_reader reader;
    size_t count = 0;

    block_reader_begin(&reader, bytes);
    while (way == 0 ? block_reader_next(&reader)
           : way == 1
               ? block_reader_next_run(&reader)
               : block_reader_seek_term(&reader, reader.posting.term + (reader.posting.term < INT64_MAX)))
        assert_true(++count <= bytes.length);
    assert_false(block_reader_next(&reader));
    assert_false(block_reader_next_of_run(&reader));
    assert_ptr_equal(reader.next, reader.end);
    *is_damaged = reader.is_damaged;
    return count;
}

/* How many postings there are until the end, or until there is damage. */
static size_t take_to_the_end(struct text bytes, bool *is_damaged)
{
    static uint64_t places[BLOCK_BYTES_MAX];
    struct block_reader reader;
    size_t count = 0;

    block_reader_begin(&reader, bytes);
    while (block_reader_next_run(&reader))
        count += block_reader_take_run(&reader, places);
    assert_ptr_equal(reader.next, reader.end);
    *is_damaged = reader.is_damaged;
    return count;
}

static void read_in_all_ways(const char *bytes, size_t length)
{
    bool is_damaged, is_damaged_by_runs;
    size_t count = read_to_the_end(at_the_end(bytes, length), 0, &is_damaged);
    size_t taken = take_to_the_end(at_the_end(bytes, length), &is_damaged_by_runs);

    assert_int_equal(is_damaged, is_damaged_by_runs);
    if (!is_damaged)
        assert_int_equal(count, taken);

    for (unsigned way = 0; way < 3; way++)
        read_to_the_end(at_the_end(bytes, length), way, &is_damaged);
}

static void test_blocks_that_are_cut_short(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 3; seed++) {
        random_state = seed;
        make_random(700, 300, 10 + 10 * seed, 4 + 10 * seed);
        write_blocks();
        for (size_t length = 0; length < blocks[0].length; length++) {
            struct block_reader reader;
            size_t count = 0;

            read_in_all_ways(blocks[0].bytes, length);
            block_reader_begin(&reader, at_the_end(blocks[0].bytes, length));
            while (block_reader_next(&reader))
                expect_posting(&reader, count++);
            /* At a run's end nothing tells. */
            if (!reader.is_damaged)
                assert_true(postings[count].term != (count ? postings[count - 1].term : -1));
        }
    }
}

static void test_bytes_that_are_changed(void **state)
{
    static const unsigned char masks[] = {0x01, 0x80, 0xFF, 0x7F, 0x40};

    (void)state;
    for (unsigned seed = 0; seed < 3; seed++) {
        random_state = seed;
        make_random(600, 200, 5 + 10 * seed, 4 + 10 * seed);
        write_blocks();
        for (size_t i = 0; i < blocks[0].length; i++)
            for (unsigned j = 0; j < sizeof masks; j++) {
                char bytes[BLOCK_BYTES_MAX];

                memcpy(bytes, blocks[0].bytes, blocks[0].length);
                bytes[i] = (char)(bytes[i] ^ masks[j]);
                read_in_all_ways(bytes, blocks[0].length);
            }
    }
}

static void test_any_bytes(void **state)
{
    char bytes[64];

    (void)state;
    random_state = 1;
    for (unsigned i = 0; i < 200000; i++) {
        size_t length = below(sizeof bytes + 1);

        for (size_t j = 0; j < length; j++)
            bytes[j] = (char)(below(3) == 0 ? below(256) : below(3) == 0 ? 0xFF : below(12));
        read_in_all_ways(bytes, length);
    }
}

static void expect_damaged(size_t count_before, const unsigned char *bytes, size_t length)
{
    bool is_damaged;

    assert_int_equal(read_to_the_end(at_the_end((const char *)bytes, length), 0, &is_damaged), count_before);
    assert_true(is_damaged);
}
#define EXPECT_DAMAGED(count_before, ...)                                                                    \
    expect_damaged((count_before), (const unsigned char[]){__VA_ARGS__},                                     \
                   sizeof((const unsigned char[]){__VA_ARGS__}))

static void test_every_kind_of_damage(void **state)
{
    static const unsigned char zeros[100];

    (void)state;
    /* A run without a posting, as zeroes are; one without a position. */
    expect_damaged(0, zeros, sizeof zeros);
    EXPECT_DAMAGED(0, 5, 1, 0, 3);
    /* A term that does not end, that is longer than a number, or that is too large. */
    EXPECT_DAMAGED(0, 0x80);
    EXPECT_DAMAGED(0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 2, 0, 0, 0);
    EXPECT_DAMAGED(0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 0, 0, 0);
    /* The second one is beyond the largest one. */
    EXPECT_DAMAGED(1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 2, 0, 0, 0, 1, 2, 0, 0, 0);
    /* No length, or one beyond the end. */
    EXPECT_DAMAGED(0, 5);
    EXPECT_DAMAGED(0, 5, 2);
    EXPECT_DAMAGED(0, 5, 3, 0, 0, 0);
    EXPECT_DAMAGED(0, 5, 2, 1, 0, 0);
    /* The first document and position do not end in the run, or are too large. */
    EXPECT_DAMAGED(0, 5, 2, 0, 0x80, 0x80, 0, 0);
    EXPECT_DAMAGED(0, 5, 2, 0, 0, 0x80, 0, 0);
    EXPECT_DAMAGED(0, 5, 6, 0, 0x80, 0x80, 0x80, 0x80, 0x10, 0);
    EXPECT_DAMAGED(0, 5, 6, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x10);
    /* So with a step and its position. */
    EXPECT_DAMAGED(1, 5, 3, 0, 0, 0, 0x80);
    EXPECT_DAMAGED(1, 5, 3, 0, 0, 0, 2);
    EXPECT_DAMAGED(1, 5, 4, 0, 0, 0, 2, 0x80);
    EXPECT_DAMAGED(1, 5, 8, 0, 0, 0, 0x81, 0x80, 0x80, 0x80, 0x80, 0x20);
    EXPECT_DAMAGED(1, 5, 8, 0, 0, 0, 2, 0x80, 0x80, 0x80, 0x80, 0x10);
    /* The sum of steps is too large: of short ones, of a long one. */
    EXPECT_DAMAGED(1, 5, 9, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0, 3, 3, 3);
    EXPECT_DAMAGED(1, 5, 11, 0, 1, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x1F, 3, 3, 3, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_posting),
        cmocka_unit_test(test_steps_of_all_lengths),
        cmocka_unit_test(test_postings_at_random),
        cmocka_unit_test(test_many_positions_in_a_document),
        cmocka_unit_test(test_a_run_goes_over_blocks),
        cmocka_unit_test(test_a_full_block_stays_as_it_is),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_a_term_is_sought),
        cmocka_unit_test(test_what_is_not_there_is_not_found),
        cmocka_unit_test(test_blocks_that_are_cut_short),
        cmocka_unit_test(test_bytes_that_are_changed),
        cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_every_kind_of_damage),
    };

    return cmocka_run_group_tests(tests, map_page, NULL);
}
