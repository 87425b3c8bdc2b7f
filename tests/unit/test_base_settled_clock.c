/* What is removed for its age goes by a clock that does not believe a jump ahead before it has lasted. */
#include "cmocka_all.h"

#include "base/instant.h"
#include "base/settled_clock.h"

#define MINUTE_US (INT64_C(60) * MICROSECONDS_PER_SECOND)
#define HOUR_US   (60 * MINUTE_US)
#define DAY_US    (24 * HOUR_US)

enum { START_US = 1000 };
static const int64_t noon_us = INT64_C(1767268800) * MICROSECONDS_PER_SECOND;

/* Reads the clock `after_us` of real time behind the start, when it is `ahead_us` ahead. Returns by how much
 * the instant to go by is ahead. */
static int64_t read_ahead(struct settled_clock *clock, int64_t after_us, int64_t ahead_us)
{
    int64_t right_us = noon_us + after_us;

    return settled_clock_read(clock, right_us + ahead_us, START_US + after_us) - right_us;
}

static void test_a_clock_that_goes_right_is_believed(void **state)
{
    struct settled_clock clock;

    (void)state;
    settled_clock_start(&clock, noon_us, START_US);
    for (int64_t after_us = 0; after_us < 10 * DAY_US; after_us += HOUR_US)
        assert_int_equal(read_ahead(&clock, after_us, 0), 0);
    /* A little fast, hour after hour. */
    for (int64_t i = 1; i < 100; i++)
        assert_int_equal(read_ahead(&clock, 10 * DAY_US + i * HOUR_US, i * MINUTE_US), i * MINUTE_US);
}

static void test_a_jump_ahead_is_believed_when_it_has_lasted(void **state)
{
    struct settled_clock clock;

    (void)state;
    settled_clock_start(&clock, noon_us, START_US);
    assert_int_equal(read_ahead(&clock, 0, 400 * DAY_US), 0);
    assert_int_equal(read_ahead(&clock, HOUR_US - 1, 400 * DAY_US), 0);
    assert_int_equal(read_ahead(&clock, HOUR_US, 400 * DAY_US), 400 * DAY_US);
    assert_int_equal(read_ahead(&clock, HOUR_US + 1, 400 * DAY_US), 400 * DAY_US);
}

static void test_each_jump_has_to_last(void **state)
{
    struct settled_clock clock;

    (void)state;
    settled_clock_start(&clock, noon_us, START_US);
    assert_int_equal(read_ahead(&clock, 0, 2 * DAY_US), 0);
    assert_int_equal(read_ahead(&clock, HOUR_US - 1, 3 * DAY_US), 0); /* another one */
    assert_int_equal(read_ahead(&clock, HOUR_US + 1, 3 * DAY_US), 0);
    assert_int_equal(read_ahead(&clock, HOUR_US + 2, 0), 0); /* gone */
    assert_int_equal(read_ahead(&clock, HOUR_US + 3, 3 * DAY_US), 0);
    assert_int_equal(read_ahead(&clock, 2 * HOUR_US + 2, 3 * DAY_US), 0);
    assert_int_equal(read_ahead(&clock, 2 * HOUR_US + 3, 3 * DAY_US), 3 * DAY_US);
}

static void test_a_step_back_is_believed_at_once(void **state)
{
    struct settled_clock clock;

    (void)state;
    settled_clock_start(&clock, noon_us, START_US);
    assert_int_equal(read_ahead(&clock, 0, -DAY_US), -DAY_US);
    assert_int_equal(read_ahead(&clock, 1, 0), -DAY_US); /* and what follows is a jump ahead */
    assert_int_equal(read_ahead(&clock, 1 + HOUR_US, 0), 0);
}

static void test_one_that_was_not_started_believes_all(void **state)
{
    struct settled_clock clock = {.is_started = false};

    (void)state;
    assert_int_equal(read_ahead(&clock, 0, 0), 0);
    assert_int_equal(read_ahead(&clock, 1, 400 * DAY_US), 400 * DAY_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_clock_that_goes_right_is_believed),
        cmocka_unit_test(test_a_jump_ahead_is_believed_when_it_has_lasted),
        cmocka_unit_test(test_each_jump_has_to_last),
        cmocka_unit_test(test_a_step_back_is_believed_at_once),
        cmocka_unit_test(test_one_that_was_not_started_believes_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
