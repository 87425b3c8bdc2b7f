/* Counting: which bucket a value has, and what threads count together. */
#include "cmocka_all.h"

#include "metrics/internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void test_buckets(void **state)
{
    static const int64_t bounds[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128};

    (void)state;
    for (unsigned i = 0; i < sizeof bounds / sizeof bounds[0]; i++)
        assert_int_equal(metrics_bucket_bound(i), bounds[i]);
    for (unsigned bucket = 1; bucket < METRICS_BUCKETS; bucket++)
        assert_true(metrics_bucket_bound(bucket) > metrics_bucket_bound(bucket - 1));
}

/* A value is at most its bucket's bound and above that of the bucket before. */
static void expect_bucket(int64_t value)
{
    unsigned bucket = metrics_bucket(value);

    assert_in_range(bucket, 0, METRICS_BUCKETS - 1);
    if (bucket + 1 < METRICS_BUCKETS)
        assert_true(value <= metrics_bucket_bound(bucket));
    if (bucket > 0)
        assert_true(value > metrics_bucket_bound(bucket - 1));
}

static void test_values_find_their_bucket(void **state)
{
    (void)state;
    for (int64_t value = -3; value < 100000; value++)
        expect_bucket(value);
    for (unsigned exponent = 1; exponent < 63; exponent++)
        for (int64_t beside = -1; beside <= 1; beside++) {
            expect_bucket((INT64_C(1) << exponent) + beside);
            expect_bucket((INT64_C(3) << (exponent - 1)) + beside);
        }
    expect_bucket(INT64_MAX);
    expect_bucket(INT64_MIN);
    assert_int_equal(metrics_bucket(INT64_MAX), METRICS_BUCKETS - 1);
    assert_int_equal(metrics_bucket(INT64_MIN), 0);
}

static void test_statuses_have_columns(void **state)
{
    static const int statuses[] = {200, 201, 204, 400, 401, 404, 408, 409, 413, 431, 500, 501, 503, 505};

    (void)state;
    for (unsigned i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        char label[4];

        snprintf(label, sizeof label, "%d", statuses[i]);
        assert_string_equal(metrics_status_label(metrics_status_slot(statuses[i])), label);
    }
    assert_string_equal(metrics_status_label(metrics_status_slot(299)), "other");
    assert_string_equal(metrics_status_label(metrics_status_slot(100)), "other");
    assert_string_equal(metrics_status_label(metrics_status_slot(599)), "other");
    assert_null(metrics_status_label(METRICS_STATUS_SLOTS - 1));
}

enum { THREADS = 8, ROUNDS = 10, ADDITIONS = 20000 };

static void *count_up_and_down(void *which)
{
    struct metrics_cells *cells = metrics_here();

    for (int i = 0; i < ADDITIONS; i++) {
        metrics_add(&cells->writer_replays, 1);
        metrics_add(&cells->http_requests[METRICS_ROUTE_SLOTS - 1][1], 1);
        metrics_observe(&cells->writer_batch_commands, 3);
        /* Even threads take back what odd ones have added. */
        if ((intptr_t)which % 2)
            metrics_add(&cells->writer_commands_waiting, 2);
        else
            metrics_subtract(&cells->writer_commands_waiting, 2);
    }
    assert_ptr_equal(metrics_here(), cells);
    return NULL;
}

static uint64_t value(const metrics_cell *cell)
{
    return atomic_load(cell);
}

/* Nothing is lost between threads, nor when they end; and later ones go on with the cells of those. */
static void test_threads_add_up(void **state)
{
    (void)state;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        pthread_t threads[THREADS];

        for (intptr_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, count_up_and_down, (void *)i), 0);
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        struct metrics_cells *sum = metrics_sum(METRICS_ROUTE_SLOTS);

        assert_int_equal(value(&sum->writer_replays), round * THREADS * ADDITIONS);
        assert_int_equal(value(&sum->http_requests[METRICS_ROUTE_SLOTS - 1][1]), round * THREADS * ADDITIONS);
        assert_int_equal(value(&sum->writer_batch_commands.buckets[2]), round * THREADS * ADDITIONS);
        assert_int_equal(value(&sum->writer_batch_commands.sum), 3 * round * THREADS * ADDITIONS);
        assert_int_equal(value(&sum->writer_commands_waiting), 0);
        free(sum);
    }
    assert_in_range(metrics_thread_count(), 1, THREADS);
}

static void test_a_sum_reads_no_more_rows_than_asked(void **state)
{
    struct metrics_cells *sum = metrics_sum(METRICS_ROUTE_SLOTS - 1);

    (void)state;
    assert_int_equal(value(&sum->http_requests[METRICS_ROUTE_SLOTS - 1][1]), 0);
    assert_true(value(&sum->writer_replays) > 0);
    free(sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_values_find_their_bucket),
        cmocka_unit_test(test_statuses_have_columns),
        cmocka_unit_test(test_threads_add_up),
        cmocka_unit_test(test_a_sum_reads_no_more_rows_than_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
