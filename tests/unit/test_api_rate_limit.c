/* Rate limits: what a bucket gives, how it fills again, and that one source does not spend another's. */
#include "api/rate_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SECOND_US = 1000 * 1000 };

static const int64_t start_us = INT64_C(1000) * SECOND_US;

/* How many of `count` requests at one instant go through. */
static unsigned take_many(struct rate_limit *limit, uint64_t source, int64_t now_us, unsigned count)
{
    unsigned taken = 0;

    for (unsigned i = 0; i < count; i++)
        taken += rate_limit_take(limit, source, now_us) == 0;
    return taken;
}

static void test_a_burst_and_then_the_rate(void **state)
{
    struct rate_limit *limit = rate_limit_new(10, 30);

    (void)state;
    assert_int_equal(take_many(limit, 1, start_us, 100), 30);
    assert_int_equal(take_many(limit, 1, start_us + SECOND_US / 10 - 1, 100), 0);
    assert_int_equal(take_many(limit, 1, start_us + SECOND_US / 10, 100), 1);
    assert_int_equal(take_many(limit, 1, start_us + SECOND_US * 6 / 10, 100), 5);
    assert_int_equal(take_many(limit, 1, start_us + SECOND_US * 100, 100), 30); /* full, and no fuller */
    rate_limit_free(limit);
}

/* Less often than once a second, for as long as a limit can reach. */
static void test_a_slow_rate(void **state)
{
    struct rate_limit *limit = rate_limit_new_slow(INT64_C(60) * SECOND_US, 3);

    (void)state;
    assert_int_equal(take_many(limit, 1, start_us, 10), 3);
    assert_int_equal(rate_limit_take(limit, 1, start_us), 60);
    assert_int_equal(take_many(limit, 1, start_us + INT64_C(60) * SECOND_US, 10), 1);
    assert_int_equal(take_many(limit, 1, start_us + INT64_C(6000) * SECOND_US, 10), 3);
    rate_limit_free(limit);
    limit = rate_limit_new_slow(RATE_LIMIT_INTERVAL_US_MAX, RATE_LIMIT_SLOW_BURST_MAX);
    assert_int_equal(take_many(limit, 1, start_us, RATE_LIMIT_SLOW_BURST_MAX + 10),
                     RATE_LIMIT_SLOW_BURST_MAX);
    rate_limit_free(limit);
}

static void test_what_is_given_back(void **state)
{
    struct rate_limit *limit = rate_limit_new_slow(INT64_C(60) * SECOND_US, 2);

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(take_many(limit, 1, start_us, 1), 1);
        rate_limit_give_back(limit, 1, start_us);
    }
    assert_int_equal(take_many(limit, 1, start_us, 1), 1);
    rate_limit_give_back(limit, 1, start_us);
    rate_limit_give_back(limit, 1, start_us); /* more than was taken: full, and no fuller */
    rate_limit_give_back(limit, 2, start_us); /* one that nobody knows */
    assert_int_equal(take_many(limit, 1, start_us, 10), 2);
    assert_int_equal(take_many(limit, 2, start_us, 10), 2);
    rate_limit_free(limit);
}

static void test_a_refusal_costs_nothing(void **state)
{
    struct rate_limit *limit = rate_limit_new(1, 1);

    (void)state;
    assert_int_equal(take_many(limit, 1, start_us, 1000), 1);
    assert_int_equal(take_many(limit, 1, start_us + SECOND_US, 1000), 1);
    rate_limit_free(limit);
}

/* Who waits as long as he was told is let in, and not a moment before the second before that. */
static void test_the_wait_that_is_told(void **state)
{
    static const struct {
        unsigned per_second, burst, wait_seconds;
    } cases[] = {{1, 1, 1}, {1, 5, 1}, {10, 1, 1}, {1000000, 1, 1}, {1000000, 1000000, 1}};
    struct rate_limit *limit;

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        limit = rate_limit_new(cases[i].per_second, cases[i].burst);
        assert_int_equal(take_many(limit, 7, start_us, cases[i].burst), cases[i].burst);
        assert_int_equal(rate_limit_take(limit, 7, start_us), cases[i].wait_seconds);
        assert_int_equal(rate_limit_take(limit, 7, start_us + cases[i].wait_seconds * SECOND_US), 0);
        rate_limit_free(limit);
    }
}

static void test_a_clock_that_goes_back(void **state)
{
    struct rate_limit *limit = rate_limit_new(10, 10);

    (void)state;
    assert_int_equal(take_many(limit, 1, start_us, 10), 10);
    unsigned wait_seconds = rate_limit_take(limit, 1, start_us - 5 * SECOND_US);

    assert_true(wait_seconds >= 5 && wait_seconds <= 7);
    assert_int_equal(take_many(limit, 1, start_us + SECOND_US, 100), 10);
    rate_limit_free(limit);
}

/* Sources at a fixed distance, as many as a sixteenth of the table, in many tables, each of which draws its
 * own places: next to none is forgotten, and none spends another's. */
static void test_sources_in_a_row_are_apart_in_every_table(void **state)
{
    enum { SOURCES = RATE_LIMIT_SETS * RATE_LIMIT_WAYS / 16, TABLES = 100 };

    (void)state;
    for (unsigned table = 0; table < TABLES; table++) {
        struct rate_limit *limit = rate_limit_new(1, 3);
        unsigned shift = table % 60;
        unsigned taken = 0;

        for (unsigned round = 0; round < 10; round++)
            for (uint64_t source = 0; source < SOURCES; source++)
                taken += take_many(limit, source << shift | source >> 1 >> (63 - shift), start_us, 1);
        assert_true(taken >= 3 * SOURCES && taken < 3 * SOURCES + SOURCES / 5);
        rate_limit_free(limit);
    }
}

/* Many more sources than there is room for: all are let in, and memory does not grow. */
static void test_more_sources_than_room(void **state)
{
    struct rate_limit *limit = rate_limit_new(1, 1);

    (void)state;
    for (uint64_t source = 1; source < 10 * RATE_LIMIT_SETS * RATE_LIMIT_WAYS; source++)
        assert_int_equal(rate_limit_take(limit, source * 0x9E3779B97F4A7C15, start_us), 0);
    rate_limit_free(limit);
}

static void test_sources_of_texts(void **state)
{
    (void)state;
    assert_true(rate_limit_source(TEXT("sk_a")) == rate_limit_source(TEXT("sk_a")));
    assert_true(rate_limit_source(TEXT("sk_a")) != rate_limit_source(TEXT("sk_b")));
    assert_true(rate_limit_source(TEXT("")) != rate_limit_source(TEXT("a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_and_then_the_rate),
        cmocka_unit_test(test_a_refusal_costs_nothing),
        cmocka_unit_test(test_a_slow_rate),
        cmocka_unit_test(test_what_is_given_back),
        cmocka_unit_test(test_the_wait_that_is_told),
        cmocka_unit_test(test_a_clock_that_goes_back),
        cmocka_unit_test(test_sources_in_a_row_are_apart_in_every_table),
        cmocka_unit_test(test_more_sources_than_room),
        cmocka_unit_test(test_sources_of_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
