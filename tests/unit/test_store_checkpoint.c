/* The write-ahead log: bounded under load, copied back when nothing is written, gone after the end. */
#include "store_fixture.h"

#include "metrics/metrics.h"

#include <time.h>

enum { WAL_PAGE_BYTES = 4096 + 24, CHANGE_PAGES_MAX = 1500 };
#define LOG_BYTES_MAX ((STORE_RESTART_WAL_PAGES + CHANGE_PAGES_MAX) * (long long)WAL_PAGE_BYTES)

/* A change of about a megabyte: customers with large metadata. */
static const struct failure *create_megabyte(void *context, struct transaction *transaction)
{
    enum { VALUE_BYTES = 10 * 1000, COUNT = 100 };
    const unsigned *number = context;
    struct customer_creation creation = fixture_creation("");
    char *metadata = arena_allocate(transaction->arena, VALUE_BYTES);

    memset(metadata, 'x', VALUE_BYTES);
    memcpy(metadata, "{\"a\":\"", 6);
    memcpy(metadata + VALUE_BYTES - 2, "\"}", 2);
    creation.customer.metadata = (struct text){metadata, VALUE_BYTES};
    for (unsigned i = 0; i < COUNT; i++) {
        creation.customer.external_id = arena_format(transaction->arena, "%u-%u", *number, i);
        customer_create(transaction, &creation, ARENA_NEW(transaction->arena, struct customer));
    }
    return NULL;
}

static void read_something(struct store_fixture *fixture, struct store_reader *reader, struct arena *arena)
{
    struct transaction transaction;
    struct customer customer;

    store_reader_begin(reader, &transaction, arena, &fixture->call);
    customer_get_by_external_id(&transaction, TEXT("0-0"), &customer);
    assert_null(transaction.failure);
}

/* Each change is its customers' metadata three times over: the row, its audit and its event. */
static void test_log_is_bounded_while_readers_end_their_snapshots(void **state)
{
    enum { CHANGES = 60 };
    struct store_fixture *fixture = *state;
    struct text reason;
    struct store_reader *reader = store_reader_open(fixture->store, &fixture->arena, &reason);
    struct arena arena;
    long long largest = 0;

    arena_init(&arena);
    for (unsigned number = 0; number < CHANGES; number++) {
        assert_null(store_write(fixture->store, &arena, &fixture->call, create_megabyte, &number));
        read_something(fixture, reader, &arena);
        store_reader_end(reader);
        arena_reset(&arena);
        if (fixture_file_bytes(fixture, "-wal") > largest)
            largest = fixture_file_bytes(fixture, "-wal");
    }
    assert_true(fixture_file_bytes(fixture, "") > 150 * 1000 * 1000);
    /* It is copied back from STORE_CHECKPOINT_WAL_PAGES on, in steps during which it grows; one change may
     * lie above. */
    assert_in_range(largest, 1, LOG_BYTES_MAX);
    store_reader_close(reader);
    arena_free(&arena);
}

/* A reader that keeps its snapshot makes the log grow; once it lets go, the log begins anew. */
static void test_log_begins_anew_after_a_long_snapshot(void **state)
{
    enum { CHANGES_MEANWHILE = 12, CHANGES_AFTERWARDS = 40 };
    struct store_fixture *fixture = *state;
    struct text reason;
    struct store_reader *reader = store_reader_open(fixture->store, &fixture->arena, &reason);
    struct arena arena;
    unsigned number = 0;

    arena_init(&arena);
    read_something(fixture, reader, &arena);
    for (; number < CHANGES_MEANWHILE; number++)
        assert_null(store_write(fixture->store, &arena, &fixture->call, create_megabyte, &number));
    long long grown = fixture_file_bytes(fixture, "-wal");

    assert_true(grown > (long long)STORE_CHECKPOINT_WAL_PAGES * WAL_PAGE_BYTES);
    store_reader_end(reader);
    for (; number < CHANGES_MEANWHILE + CHANGES_AFTERWARDS; number++)
        assert_null(store_write(fixture->store, &arena, &fixture->call, create_megabyte, &number));
    /* All changes together would be more than twice that. */
    assert_in_range(fixture_file_bytes(fixture, "-wal"), 1, LOG_BYTES_MAX);
    store_reader_close(reader);
    arena_free(&arena);
}

static uint64_t times_held(void)
{
    const struct metrics_samples samples = {.version = "", .sqlite_version = ""};
    const char name[] = "\nfarthing_database_log_held_total ";
    struct buffer text = {0};

    metrics_write(&text, &samples, NULL, 0);
    buffer_append_char(&text, '\0');
    const char *line = strstr(buffer_text(&text).data, name);

    assert_non_null(line);
    uint64_t times = strtoull(line + sizeof name - 1, NULL, 10);

    buffer_free(&text);
    return times;
}

/* It is counted, its age is known, and afterwards the file gives back what it had grown by. */
static void test_a_read_that_keeps_the_log_long(void **state)
{
    enum { CHANGES_MAX = 200, CHANGES_AFTERWARDS_MAX = 60 };
    struct store_fixture *fixture = *state;
    struct text reason;
    struct store_reader *reader = store_reader_open(fixture->store, &fixture->arena, &reason);
    struct arena arena;
    unsigned number = 0;
    uint64_t held_before = times_held();

    arena_init(&arena);
    assert_int_equal(store_oldest_snapshot_us(fixture->store), 0);
    read_something(fixture, reader, &arena);
    for (; number < CHANGES_MAX && times_held() == held_before; number++)
        assert_null(store_write(fixture->store, &arena, &fixture->call, create_megabyte, &number));
    assert_true(times_held() > held_before);
    assert_true(store_oldest_snapshot_us(fixture->store) > 0);
    assert_true(fixture_file_bytes(fixture, "-wal") >= (long long)STORE_RESTART_WAL_PAGES * WAL_PAGE_BYTES);
    store_reader_end(reader);
    assert_int_equal(store_oldest_snapshot_us(fixture->store), 0);
    /* As soon as the disk has what is copied. */
    for (unsigned end = number + CHANGES_AFTERWARDS_MAX;
         number < end && fixture_file_bytes(fixture, "-wal") > STORE_LOG_BYTES_KEPT; number++)
        assert_null(store_write(fixture->store, &arena, &fixture->call, create_megabyte, &number));
    assert_in_range(fixture_file_bytes(fixture, "-wal"), 1, STORE_LOG_BYTES_KEPT);
    store_reader_close(reader);
    arena_free(&arena);
}

static void test_log_is_gone_after_the_end(void **state)
{
    struct store_fixture *fixture = *state;

    assert_null(fixture_create(fixture, "acme", NULL));
    assert_true(fixture_file_bytes(fixture, "-wal") > 0);
    store_close(fixture->store);
    fixture->store = NULL;
    assert_int_equal(fixture_file_bytes(fixture, "-wal"), -1);
    assert_text(fixture_select(fixture, "SELECT external_id FROM customers"), "acme;");
}

/* Whether the file itself holds the name, without its log. */
static bool file_holds(struct store_fixture *fixture, const char *name)
{
    FILE *file = fopen(fixture->database, "rb");
    size_t size = (size_t)fixture_file_bytes(fixture, "");
    char *content = malloc(size);

    assert_non_null(file);
    size = fread(content, 1, size, file);
    bool holds = memmem(content, size, name, strlen(name)) != NULL;

    fclose(file);
    free(content);
    return holds;
}

static void test_idle_store_copies_its_log_back(void **state)
{
    enum { WAIT_MS_MAX = 10000, STEP_MS = 50 };
    struct store_fixture *fixture = *state;
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
    int waited_ms = 0;

    assert_null(fixture_create(fixture, "copied-when-idle", NULL));
    assert_false(file_holds(fixture, "copied-when-idle"));
    for (; waited_ms < WAIT_MS_MAX && !file_holds(fixture, "copied-when-idle"); waited_ms += STEP_MS)
        nanosleep(&step, NULL);
    assert_true(waited_ms < WAIT_MS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_log_is_bounded_while_readers_end_their_snapshots),
        STORE_TEST(test_log_begins_anew_after_a_long_snapshot),
        STORE_TEST(test_a_read_that_keeps_the_log_long),
        STORE_TEST(test_log_is_gone_after_the_end),
        STORE_TEST(test_idle_store_copies_its_log_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
