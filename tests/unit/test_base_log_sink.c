/* Lines from rings to a file: all of them in order, or counted as dropped; never a writer that waits. */
#include "cmocka_all.h"

#include "base/instant.h"
#include "base/log.h"
#include "base/log_sink.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, LINE_BYTES = 256 };

struct fixture {
    char directory[64], path[96], other_path[96];
    struct arena arena;
    struct log_sink *sink;
};

static int make_fixture(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    strcpy(fixture->directory, "/tmp/farthing-test-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->path, sizeof fixture->path, "%s/access.log", fixture->directory);
    snprintf(fixture->other_path, sizeof fixture->other_path, "%s/access.log.1", fixture->directory);
    log_configure(LOG_FORMAT_LOGFMT, LOG_LEVEL_ERROR);
    *state = fixture;
    return 0;
}

static int free_fixture(void **state)
{
    struct fixture *fixture = *state;

    unlink(fixture->path);
    unlink(fixture->other_path);
    rmdir(fixture->directory);
    arena_free(&fixture->arena);
    free(fixture);
    return 0;
}

static void open_sink(struct fixture *fixture, const char *destination)
{
    struct text reason = text_empty;

    fixture->sink = log_sink_open(text_from_string(destination), &fixture->arena, &reason);
    if (!fixture->sink)
        fail_msg("%.*s", TEXT_FORMAT(reason));
}

static void sleep_ms(long milliseconds)
{
    nanosleep(&(struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000}, NULL);
}

static void put(struct log_ring *ring, const char *who, unsigned number, bool must_fit)
{
    char line[LINE_BYTES];
    /* Lines of many lengths, so that the end of the ring falls everywhere. */
    int length =
        snprintf(line, sizeof line, "%s %u %.*s\n", who, number, (int)(number % 200),
                 "..................................................................................."
                 "..................................................................................."
                 "..................................");

    while (!log_ring_put(ring, (struct text){line, (size_t)length}) && must_fit)
        sleep_ms(1);
}

struct writer {
    struct log_sink *sink;
    const char *who;
    unsigned count;
};

static void *write_lines(void *context)
{
    const struct writer *writer = context;
    struct log_ring *ring = log_sink_ring(writer->sink);

    for (unsigned i = 0; i < writer->count; i++)
        put(ring, writer->who, i, true);
    return NULL;
}

/* Reads the file's lines; those of each writer must be consecutive from `next` on. Returns their number. */
static unsigned read_lines(const char *path, unsigned next[2])
{
    FILE *file = fopen(path, "r");
    char line[LINE_BYTES];
    unsigned lines = 0, number;

    assert_non_null(file);
    for (; fgets(line, sizeof line, file); lines++) {
        char who;

        assert_int_equal(sscanf(line, "%c %u ", &who, &number), 2);
        assert_in_range(who, 'a', 'b');
        assert_int_equal(number, next[who - 'a']);
        next[who - 'a']++;
        assert_int_equal(line[strlen(line) - 1], '\n');
    }
    fclose(file);
    return lines;
}

/* Many times what a ring holds, from two threads. */
static void test_all_lines_in_order(void **state)
{
    enum { LINES = 60000 };
    struct fixture *fixture = *state;
    unsigned next[2] = {0};
    pthread_t thread;

    open_sink(fixture, fixture->path);
    struct writer first = {fixture->sink, "a", LINES}, second = {fixture->sink, "b", LINES};

    assert_int_equal(pthread_create(&thread, NULL, write_lines, &first), 0);
    write_lines(&second);
    pthread_join(thread, NULL);
    log_sink_close(fixture->sink);
    assert_int_equal(read_lines(fixture->path, next), 2 * LINES);
    struct stat status;

    assert_int_equal(stat(fixture->path, &status), 0);
    assert_true(status.st_size > 6 * LOG_RING_BYTES);
    assert_int_equal(status.st_mode & 07777, 0600);
}

static long long file_bytes(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? (long long)status.st_size : -1;
}

static void wait_for_bytes(const char *path, long long bytes)
{
    for (int waited = 0; file_bytes(path) < bytes; waited++) {
        assert_true(waited < PATIENCE_MS);
        sleep_ms(1);
    }
}

/* A line does not wait for the next one, also after the thread has gone to sleep. */
static void test_lines_come_soon(void **state)
{
    struct fixture *fixture = *state;

    open_sink(fixture, fixture->path);
    struct log_ring *ring = log_sink_ring(fixture->sink);

    for (long long i = 1; i <= 3; i++) {
        log_ring_put(ring, TEXT("12345678\n"));
        wait_for_bytes(fixture->path, 9 * i);
        sleep_ms(3 * LOG_SINK_PAUSE_MS);
    }
    log_sink_close(fixture->sink);
}

static void test_reopening(void **state)
{
    struct fixture *fixture = *state;
    unsigned next[2] = {0};

    open_sink(fixture, fixture->path);
    struct log_ring *ring = log_sink_ring(fixture->sink);

    put(ring, "a", 0, true);
    wait_for_bytes(fixture->path, 1);
    assert_int_equal(rename(fixture->path, fixture->other_path), 0);
    log_sink_reopen(fixture->sink);
    wait_for_bytes(fixture->path, 0);
    put(ring, "a", 1, true);
    log_sink_close(fixture->sink);
    assert_int_equal(read_lines(fixture->other_path, next), 1);
    assert_int_equal(read_lines(fixture->path, next), 1);
}

static void test_a_file_that_cannot_be_opened_again(void **state)
{
    struct fixture *fixture = *state;
    unsigned next[2] = {0};

    open_sink(fixture, fixture->path);
    struct log_ring *ring = log_sink_ring(fixture->sink);

    put(ring, "a", 0, true);
    wait_for_bytes(fixture->path, 1);
    assert_int_equal(rename(fixture->path, fixture->other_path), 0);
    assert_int_equal(mkdir(fixture->path, 0700), 0);
    log_sink_reopen(fixture->sink);
    sleep_ms(50);
    put(ring, "a", 1, true);
    log_sink_close(fixture->sink);
    assert_int_equal(read_lines(fixture->other_path, next), 2);
    assert_int_equal(rmdir(fixture->path), 0);
}

/* What nobody reads: writers never wait, lines are counted, and the end waits for a moment only. */
static void test_full_pipe(void **state)
{
    enum { LINES = 40000 };
    struct fixture *fixture = *state;
    unsigned next[2] = {0};
    int taken = 0;

    assert_int_equal(mkfifo(fixture->path, 0600), 0);
    int reader = open(fixture->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    open_sink(fixture, fixture->path);
    struct log_ring *ring = log_sink_ring(fixture->sink);
    int64_t started_us = monotonic_now_us();

    for (unsigned i = 0; i < LINES; i++)
        put(ring, "a", i, false);
    assert_true(monotonic_now_us() - started_us < 10 * MICROSECONDS_PER_SECOND);
    taken = LINES - (int)log_sink_dropped(fixture->sink);
    assert_in_range(taken, 1000, LINES / 2);
    started_us = monotonic_now_us();
    log_sink_close(fixture->sink);
    assert_true(monotonic_now_us() - started_us < 10 * LOG_SINK_CLOSE_MS * INT64_C(1000));
    /* What the pipe holds is whole lines from the first one on. */
    FILE *file = fdopen(reader, "r");
    char line[LINE_BYTES];
    unsigned number;

    while (fgets(line, sizeof line, file)) {
        assert_int_equal(sscanf(line, "a %u ", &number), 1);
        assert_int_equal(number, next[0]++);
        assert_int_equal(line[strlen(line) - 1], '\n');
    }
    assert_true(next[0] > 100);
    fclose(file);
}

static void test_full_disk(void **state)
{
    struct fixture *fixture = *state;

    open_sink(fixture, "/dev/full");
    struct log_ring *ring = log_sink_ring(fixture->sink);

    for (unsigned i = 0; i < 10; i++)
        put(ring, "a", i, true);
    for (int waited = 0; log_sink_dropped(fixture->sink) < 10; waited++) {
        assert_true(waited < PATIENCE_MS);
        sleep_ms(1);
    }
    assert_int_equal(log_sink_dropped(fixture->sink), 10);
    log_sink_close(fixture->sink);
}

static void test_a_bad_destination(void **state)
{
    struct fixture *fixture = *state;
    struct text reason;

    assert_null(log_sink_open(TEXT("/nowhere/access.log"), &fixture->arena, &reason));
    assert_text(reason, "cannot open the access log /nowhere/access.log: No such file or directory");
}

#define SINK_TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SINK_TEST(test_all_lines_in_order), SINK_TEST(test_lines_come_soon),
        SINK_TEST(test_reopening),          SINK_TEST(test_a_file_that_cannot_be_opened_again),
        SINK_TEST(test_full_pipe),          SINK_TEST(test_full_disk),
        SINK_TEST(test_a_bad_destination),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
