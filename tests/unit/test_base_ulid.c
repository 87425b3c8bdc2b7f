#include "cmocka_all.h"

#include "base/instant.h"
#include "base/random.h"
#include "base/ulid.h"

#include <pthread.h>
#include <stdlib.h>

static const uint8_t random_zero[ULID_RANDOM_BYTES];
static const uint8_t random_one[ULID_RANDOM_BYTES] = {[ULID_RANDOM_BYTES - 1] = 1};
static const uint8_t random_all[ULID_RANDOM_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff,
                                                      0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t random_counting[ULID_RANDOM_BYTES] = {0x01, 0x23, 0x45, 0x67, 0x89,
                                                           0xab, 0xcd, 0xef, 0x01, 0x23};

/* The worked examples of conventions section 25, and one whose bits are all different. */
static void test_encode(void **state)
{
    static const struct {
        uint64_t timestamp_ms;
        const uint8_t *random;
        const char *text;
    } examples[] = {
        {0, random_zero, "00000000000000000000000000"},
        {UINT64_C(1767225600000), random_zero, "01KDVDNA000000000000000000"},
        {UINT64_C(1767225600000), random_all, "01KDVDNA00ZZZZZZZZZZZZZZZZ"},
        {UINT64_C(1767225600001), random_zero, "01KDVDNA010000000000000000"},
        {UINT64_C(1709251199999), random_one, "01HQVMZ0ZZ0000000000000001"},
        {(UINT64_C(1) << 48) - 1, random_all, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"},
        {0, random_counting, "000000000004HMASW9NF6YY093"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        char out[ULID_TEXT_LENGTH + 1] = {[ULID_TEXT_LENGTH] = '!'};

        ulid_encode(examples[i].timestamp_ms, examples[i].random, out);
        assert_text(((struct text){out, ULID_TEXT_LENGTH}), examples[i].text);
        assert_int_equal(out[ULID_TEXT_LENGTH], '!');
    }
}

static struct ulid_generator generator_at(uint64_t timestamp_ms, const uint8_t random[ULID_RANDOM_BYTES])
{
    struct ulid_generator generator = {.timestamp_ms = timestamp_ms};

    memcpy(generator.random, random, ULID_RANDOM_BYTES);
    return generator;
}

static void test_same_millisecond_increments(void **state)
{
    struct ulid_generator generator = generator_at(UINT64_C(1767225600000), random_zero);
    char out[ULID_TEXT_LENGTH];

    (void)state;
    ulid_next(&generator, UINT64_C(1767225600000), out);
    assert_text(((struct text){out, sizeof out}), "01KDVDNA000000000000000001");
    ulid_next(&generator, UINT64_C(1767225600000), out);
    assert_text(((struct text){out, sizeof out}), "01KDVDNA000000000000000002");
}

static void test_increment_carries(void **state)
{
    static const uint8_t before[ULID_RANDOM_BYTES] = {0,    0x12, 0xff, 0xff, 0xff,
                                                      0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t after[ULID_RANDOM_BYTES] = {0, 0x13};
    struct ulid_generator generator = generator_at(5, before);
    char out[ULID_TEXT_LENGTH];

    (void)state;
    ulid_next(&generator, 5, out);
    assert_memory_equal(generator.random, after, ULID_RANDOM_BYTES);
}

static void test_clock_that_steps_back(void **state)
{
    struct ulid_generator generator = generator_at(UINT64_C(1767225600000), random_zero);
    char out[ULID_TEXT_LENGTH];

    (void)state;
    ulid_next(&generator, UINT64_C(1767225500000), out);
    assert_text(((struct text){out, sizeof out}), "01KDVDNA000000000000000001");
    ulid_next(&generator, 0, out);
    assert_text(((struct text){out, sizeof out}), "01KDVDNA000000000000000002");
}

static void test_used_up_millisecond_borrows_the_next(void **state)
{
    struct ulid_generator generator = generator_at(UINT64_C(1767225600000), random_all);
    char first[ULID_TEXT_LENGTH], second[ULID_TEXT_LENGTH];

    (void)state;
    ulid_next(&generator, UINT64_C(1767225600000), first);
    assert_memory_equal(first, "01KDVDNA01", 10);
    assert_memory_not_equal(generator.random, random_zero, ULID_RANDOM_BYTES); /* drawn anew */
    ulid_next(&generator, UINT64_C(1767225600000), second);
    assert_true(memcmp(first, second, ULID_TEXT_LENGTH) < 0);
    assert_true(generator.timestamp_ms == UINT64_C(1767225600001));
}

static void test_new_millisecond_draws(void **state)
{
    struct ulid_generator generator = {0};
    char out[ULID_TEXT_LENGTH];
    uint8_t before[ULID_RANDOM_BYTES];

    (void)state;
    ulid_next(&generator, 1000, out);
    memcpy(before, generator.random, sizeof before);
    ulid_next(&generator, 1001, out);
    /* A drawn value shares its first 8 bytes with the one before once in 2^64 runs. */
    assert_memory_not_equal(generator.random, before, 8);
    assert_true(generator.timestamp_ms == 1001);
}

static void test_new_generator_draws_at_any_time(void **state)
{
    struct ulid_generator first = {0}, second = {0};
    char out[ULID_TEXT_LENGTH];

    (void)state;
    ulid_next(&first, 0, out);
    ulid_next(&second, 0, out);
    assert_memory_not_equal(first.random, second.random, 8);
}

static void test_order_over_a_wild_clock(void **state)
{
    struct ulid_generator generator = {0};
    char previous[ULID_TEXT_LENGTH] = {0}, next[ULID_TEXT_LENGTH];
    uint64_t clock_ms = UINT64_C(1767225600000), number = 1;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        number = number * UINT64_C(6364136223846793005) + 1;
        clock_ms += number >> 62; /* 0 to 3 */
        clock_ms -= number >> 61 & 1;
        ulid_next(&generator, clock_ms, next);
        assert_true(memcmp(previous, next, ULID_TEXT_LENGTH) < 0);
        memcpy(previous, next, ULID_TEXT_LENGTH);
    }
}

static void test_make_id(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena);
    /* Long after now, so that the shared generator takes this time up. */
    struct text first = ulid_make_id(&arena, "subs_line", INT64_C(4102444800000999));
    struct text second = ulid_make_id(&arena, "subs_line", INT64_C(4102444800000999));
    struct text earlier = ulid_make_id(&arena, "subs_line", -1);

    assert_int_equal(first.length, strlen("subs_line_") + ULID_TEXT_LENGTH);
    assert_text(text_slice(first, 0, 20), "subs_line_03QCPC7P00");
    assert_true(text_compare(first, second) < 0);
    assert_true(text_compare(second, earlier) < 0);
    arena_free(&arena);
}

enum { THREADS = 4, IDS_PER_THREAD = 5000 };

static void *make_ids(void *argument)
{
    struct arena *arena = argument;
    struct text *ids = ARENA_ARRAY(arena, struct text, IDS_PER_THREAD);

    for (int i = 0; i < IDS_PER_THREAD; i++)
        ids[i] = ulid_make_id(arena, "cust", instant_now_us());
    return ids;
}

static int compare_ids(const void *a, const void *b)
{
    return text_compare(*(const struct text *)a, *(const struct text *)b);
}

static void test_threads_share_one_generator(void **state)
{
    static struct text all[THREADS][IDS_PER_THREAD];
    struct arena arenas[THREADS];
    pthread_t threads[THREADS];
    void *ids;

    (void)state;
    for (int t = 0; t < THREADS; t++) {
        arena_init(&arenas[t]);
        assert_int_equal(pthread_create(&threads[t], NULL, make_ids, &arenas[t]), 0);
    }
    for (int t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_join(threads[t], &ids), 0);
        memcpy(all[t], ids, sizeof all[t]);
        for (int i = 1; i < IDS_PER_THREAD; i++)
            assert_true(compare_ids((struct text *)ids + i - 1, (struct text *)ids + i) < 0);
    }
    const struct text *sorted = all[0];

    qsort(all, sizeof all / sizeof *sorted, sizeof *sorted, compare_ids);
    for (size_t i = 1; i < sizeof all / sizeof *sorted; i++)
        assert_true(compare_ids(&sorted[i - 1], &sorted[i]) < 0); /* no two are equal */
    for (int t = 0; t < THREADS; t++)
        arena_free(&arenas[t]);
}

static void test_random_text(void **state)
{
    static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    enum { LENGTH = 32 * 1000 };
    static char out[LENGTH + 1];
    int counts[256] = {0};

    (void)state;
    out[LENGTH] = '!';
    ulid_random_text(out, LENGTH);
    assert_int_equal(out[LENGTH], '!');
    for (int i = 0; i < LENGTH; i++)
        counts[(unsigned char)out[i]]++;
    for (int i = 0; i < 256; i++) {
        if (i == 0 || !strchr(alphabet, i)) {
            assert_int_equal(counts[i], 0);
            continue;
        }
        /* 1000 expected, with a standard deviation of 31: ten of those are never seen by chance. */
        assert_in_range(counts[i], 690, 1310);
    }
}

static void test_random_bytes(void **state)
{
    enum { LENGTH = 100 * 1000 };
    static uint8_t bytes[LENGTH + 1];
    int64_t ones = 0;

    (void)state;
    bytes[LENGTH] = 0x5a;
    random_bytes(bytes, 0);
    assert_int_equal(bytes[0], 0);
    random_bytes(bytes, LENGTH); /* longer than getrandom(2) need give at once */
    assert_int_equal(bytes[LENGTH], 0x5a);
    for (int i = 0; i < LENGTH; i++)
        ones += __builtin_popcount(bytes[i]);
    /* 400,000 expected, with a standard deviation of 447. */
    assert_in_range(ones, 395000, 405000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_same_millisecond_increments),
        cmocka_unit_test(test_increment_carries),
        cmocka_unit_test(test_clock_that_steps_back),
        cmocka_unit_test(test_used_up_millisecond_borrows_the_next),
        cmocka_unit_test(test_new_millisecond_draws),
        cmocka_unit_test(test_new_generator_draws_at_any_time),
        cmocka_unit_test(test_order_over_a_wild_clock),
        cmocka_unit_test(test_threads_share_one_generator),
        cmocka_unit_test(test_make_id),
        cmocka_unit_test(test_random_text),
        cmocka_unit_test(test_random_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
