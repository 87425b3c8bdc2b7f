/* What is counted and said of a write-ahead log that a read or the disk keeps long. */
#include "cmocka_all.h"

#include "base/log.h"
#include "metrics/metrics.h"
#include "store/sqlite/log_watch.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MILLISECOND_US INT64_C(1000)

enum { SAID_BYTES_MAX = 4096 };

static char said[SAID_BYTES_MAX];

/* Looks at the state, with what is logged meanwhile in `said`. */
static void look(struct log_watch *watch, const struct log_state *state)
{
    FILE *file = tmpfile();
    int standard_error = dup(STDERR_FILENO);

    assert_non_null(file);
    assert_true(standard_error >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
    log_watch_look(watch, state);
    assert_true(dup2(standard_error, STDERR_FILENO) >= 0);
    close(standard_error);
    rewind(file);
    said[fread(said, 1, sizeof said - 1, file)] = '\0';
    fclose(file);
}

static uint64_t stalls(enum metrics_checkpoint_phase phase)
{
    return atomic_load(&metrics_here()->database_checkpoint_stalls[phase]);
}

static uint64_t held(void)
{
    return atomic_load(&metrics_here()->database_log_held);
}

static void test_nothing_is_said_while_all_is_well(void **state)
{
    struct log_watch watch = {0};
    struct log_state seen = {.now_us = 1, .step_us = LOG_WATCH_COPY_MS_MAX * MILLISECOND_US, .pages = 1000};
    uint64_t held_before = held(), stalls_before = stalls(METRICS_CHECKPOINT_COPY);

    (void)state;
    look(&watch, &seen);
    assert_string_equal(said, "");
    assert_int_equal(held(), held_before);
    assert_int_equal(stalls(METRICS_CHECKPOINT_COPY), stalls_before);
}

static void test_a_read_that_holds_the_log(void **state)
{
    struct log_watch watch = {0};
    struct log_state seen = {
        .now_us = 1, .held_count = 1, .pages = 17000, .oldest_snapshot_us = 12345 * MILLISECOND_US};
    uint64_t before = held();

    (void)state;
    look(&watch, &seen);
    assert_non_null(
        strstr(said, "level=warning message=\"a read that has not ended keeps the write-ahead log"));
    assert_non_null(strstr(said, " log_pages=17000 oldest_read_ms=12345\n"));
    look(&watch, &seen); /* it was that one time */
    assert_int_equal(held() - before, 1);
    seen.held_count = 4;
    look(&watch, &seen);
    assert_int_equal(held() - before, 4);
    assert_string_equal(said, ""); /* not over and over */
    seen.held_count = 5;
    seen.now_us += LOG_WATCH_SAY_MS * MILLISECOND_US;
    look(&watch, &seen);
    assert_non_null(strstr(said, "keeps the write-ahead log"));
}

static void test_a_step_that_takes_long(void **state)
{
    struct log_watch watch = {0};
    struct log_state seen = {
        .now_us = 1, .step_us = (LOG_WATCH_COPY_MS_MAX + 1) * MILLISECOND_US, .pages = 2000};
    uint64_t before = stalls(METRICS_CHECKPOINT_COPY);

    (void)state;
    look(&watch, &seen);
    assert_non_null(
        strstr(said, "a step of a checkpoint takes long\" phase=copy duration_ms=501 log_pages=2000\n"));
    look(&watch, &seen);
    assert_string_equal(said, "");
    assert_int_equal(stalls(METRICS_CHECKPOINT_COPY) - before, 2);
}

/* It is told while it lasts, and once. */
static void test_a_disk_that_does_not_answer(void **state)
{
    struct log_watch watch = {0};
    struct log_state seen = {.now_us = MILLISECOND_US, .is_syncing = true, .pages = 3000};
    uint64_t before = stalls(METRICS_CHECKPOINT_SYNC);

    (void)state;
    look(&watch, &seen);
    seen.now_us += LOG_WATCH_SYNC_MS_MAX * MILLISECOND_US;
    look(&watch, &seen);
    assert_int_equal(stalls(METRICS_CHECKPOINT_SYNC), before);
    seen.now_us += MILLISECOND_US;
    look(&watch, &seen);
    assert_non_null(strstr(said, "phase=sync duration_ms=5001 log_pages=3000\n"));
    seen.now_us += LOG_WATCH_SAY_MS * MILLISECOND_US;
    look(&watch, &seen);
    assert_string_equal(said, "");
    assert_int_equal(stalls(METRICS_CHECKPOINT_SYNC) - before, 1);
    seen.is_syncing = false;
    look(&watch, &seen);
    seen.is_syncing = true;
    look(&watch, &seen); /* the next wait begins */
    assert_int_equal(stalls(METRICS_CHECKPOINT_SYNC) - before, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_said_while_all_is_well),
        cmocka_unit_test(test_a_read_that_holds_the_log),
        cmocka_unit_test(test_a_step_that_takes_long),
        cmocka_unit_test(test_a_disk_that_does_not_answer),
    };

    log_configure(LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
