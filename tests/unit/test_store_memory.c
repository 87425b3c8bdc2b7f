/* SQLite without memory, at the places where that did harm: each test is called after what it was. What every
 * single allocation does is tests/faults'. Linked with --wrap for the functions that fail here. */
#include "store_fixture.h"

#include "audit_trail.h"

#include <stdatomic.h>

/* ---- what fails ---- */

/* Read by the store's threads at any time. */
static _Atomic(const char *) failing_sql; /* the statement that fails, once; NULL: none */
static atomic_bool is_done_all_the_same;  /* as when memory fails it behind that */
static atomic_size_t text_bytes_max;      /* longer texts cannot be read; 0: all can */
static _Atomic(const char *) setting;     /* of `synchronous`, as it was made last */

static void fail_once(const char *sql, bool is_done)
{
    atomic_store(&is_done_all_the_same, is_done);
    atomic_store(&failing_sql, sql);
}

static bool has_failed(void)
{
    return !atomic_load(&failing_sql);
}

/* Whether this statement is to fail now. */
static bool is_failing(const char *sql)
{
    const char *failing = atomic_load(&failing_sql);

    if (!failing || strncmp(sql, failing, strlen(failing)) != 0)
        return false;
    atomic_store(&failing_sql, NULL);
    return true;
}

int __real_sqlite3_prepare_v3(sqlite3 *handle, const char *sql, int length, unsigned flags,
                              sqlite3_stmt **statement, const char **end);
int __wrap_sqlite3_prepare_v3(sqlite3 *handle, const char *sql, int length, unsigned flags,
                              sqlite3_stmt **statement, const char **end);
int __wrap_sqlite3_prepare_v3(sqlite3 *handle, const char *sql, int length, unsigned flags,
                              sqlite3_stmt **statement, const char **end)
{
    return is_failing(sql) ? SQLITE_NOMEM
                           : __real_sqlite3_prepare_v3(handle, sql, length, flags, statement, end);
}

typedef int row_callback(void *context, int count, char **values, char **names);
int __real_sqlite3_exec(sqlite3 *handle, const char *sql, row_callback *callback, void *context,
                        char **message);
int __wrap_sqlite3_exec(sqlite3 *handle, const char *sql, row_callback *callback, void *context,
                        char **message);
int __wrap_sqlite3_exec(sqlite3 *handle, const char *sql, row_callback *callback, void *context,
                        char **message)
{
    bool fails = is_failing(sql), is_done = !fails || atomic_load(&is_done_all_the_same);
    int code = is_done ? __real_sqlite3_exec(handle, sql, callback, context, message) : SQLITE_NOMEM;

    if (is_done && text_starts_with(text_from_string(sql), TEXT("PRAGMA synchronous=")))
        atomic_store(&setting, sql + strlen("PRAGMA synchronous="));
    return fails ? SQLITE_NOMEM : code;
}

const unsigned char *__real_sqlite3_value_text(sqlite3_value *value);
const unsigned char *__wrap_sqlite3_value_text(sqlite3_value *value);
const unsigned char *__wrap_sqlite3_value_text(sqlite3_value *value)
{
    size_t bytes_max = atomic_load(&text_bytes_max);
    bool fails = bytes_max > 0 && (size_t)sqlite3_value_bytes(value) > bytes_max;

    return fails ? NULL : __real_sqlite3_value_text(value);
}

static int repair_and_tear_down(void **state)
{
    struct store_fixture *fixture = *state;

    atomic_store(&failing_sql, NULL);
    atomic_store(&text_bytes_max, 0);
    assert_int_equal(trail_fault_count(fixture->store, &fixture->arena, NULL, NULL), 0);
    return fixture_tear_down(state);
}
#define MEMORY_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, repair_and_tear_down)

/* ---- a batch that runs again ---- */

/* Creates a customer; the first time it is refused behind that, so that the batch is rolled back and run
 * again. */
static const struct failure *create_at_second_run(struct probe *probe, struct transaction *transaction)
{
    const struct failure *failure = probe_create(probe, transaction);

    if (!failure)
        failure = transaction_apply(transaction);
    if (!failure && probe->runs == 1)
        failure = failure_new(transaction->arena, FAILURE_VALIDATION, TEXT("once"));
    return failure;
}

/* Runs the command; `sql` fails once meanwhile. Whether it was acknowledged. */
static bool run_again(struct store_fixture *fixture, const char *sql)
{
    struct probe probe;

    fail_once(sql, false);
    probe_init(&probe, fixture, create_at_second_run, "again");
    assert_true(store_submit(fixture->store, &probe.command));
    probe_wait(&probe);
    bool is_acknowledged = !probe.command.failure;

    probe_free(&probe);
    assert_true(has_failed());
    return is_acknowledged;
}

/* Its audit rows were undone, but the chain went on behind them: a gap for ever. */
static void test_savepoint_that_is_not_released_leaves_no_gap_in_the_audit_trail(void **state)
{
    struct store_fixture *fixture = *state;

    assert_false(run_again(fixture, "RELEASE"));
    assert_null(fixture_create(fixture, "next", NULL));
    assert_text(fixture_select(fixture, "SELECT external_id FROM customers"), "next;");
}

/* It was refused, and so was the next batch. */
static void test_rollback_that_fails_is_made_up_for(void **state)
{
    struct store_fixture *fixture = *state;

    assert_true(run_again(fixture, "ROLLBACK"));
    assert_null(fixture_create(fixture, "next", NULL));
    assert_text(fixture_select(fixture, "SELECT external_id FROM customers ORDER BY external_id"),
                "again;next;");
}

/* ---- waiting for the disk ---- */

/* Enough for a checkpoint that begins without waiting for the disk. */
static const struct failure *create_large(struct probe *probe, struct transaction *transaction)
{
    enum { VALUE_BYTES = 60 * 1000, COUNT = 60 };
    struct customer_creation creation = fixture_creation(probe->external_id);
    char *metadata = arena_allocate(transaction->arena, VALUE_BYTES);

    memset(metadata, 'x', VALUE_BYTES);
    memcpy(metadata, "{\"a\":\"", 6);
    memcpy(metadata + VALUE_BYTES - 2, "\"}", 2);
    creation.customer.metadata = (struct text){metadata, VALUE_BYTES};
    for (unsigned i = 0; i < COUNT; i++) {
        creation.customer.external_id = arena_format(transaction->arena, "%s-%u", probe->external_id, i);
        customer_create(transaction, &creation, ARENA_NEW(transaction->arena, struct customer));
    }
    return NULL;
}

static void create_with(struct store_fixture *fixture,
                        const struct failure *(*use)(struct probe *, struct transaction *),
                        const char *external_id)
{
    struct probe probe;

    probe_init(&probe, fixture, use, external_id);
    assert_true(store_submit(fixture->store, &probe.command));
    probe_wait(&probe);
    assert_null(probe.command.failure);
    probe_free(&probe);
}

static const struct failure *create_synced(struct probe *probe, struct transaction *transaction)
{
    if (!has_failed() || strcmp(atomic_load(&setting), "FULL") != 0) /* in a transaction it stays as it is */
        return failure_new(transaction->arena, FAILURE_INTERNAL, TEXT("it will not wait for the disk"));
    return probe_create(probe, transaction);
}

/* A command behind the large one finds the checkpoint begun. */
static void commit_around_a_checkpoint(struct store_fixture *fixture)
{
    create_with(fixture, create_large, "large");
    create_with(fixture, create_synced, "behind it");
}

/* The process ended there. */
static void test_commits_wait_for_the_disk_again_when_that_could_not_be_set(void **state)
{
    fail_once("PRAGMA synchronous=FULL", false);
    commit_around_a_checkpoint(*state);
}

/* The store took it for not done, and commits did not wait for the disk any more. */
static void test_commits_wait_for_the_disk_after_a_setting_that_was_made_and_failed(void **state)
{
    fail_once("PRAGMA synchronous=OFF", true);
    commit_around_a_checkpoint(*state);
}

/* ---- reading ---- */

static const struct failure *get(void *context, struct transaction *transaction)
{
    return customer_get_by_external_id(transaction, TEXT("large-0"), context);
}

/* It was read as one that is not set. */
static void test_text_that_cannot_be_read_is_a_failure(void **state)
{
    struct store_fixture *fixture = *state;
    struct customer customer;

    create_with(fixture, create_large, "large");
    atomic_store(&text_bytes_max, 10 * 1000);
    const struct failure *failure =
        store_read(fixture->store, &fixture->arena, &fixture->call, get, &customer);

    assert_non_null(failure);
    assert_int_not_equal(failure->code, FAILURE_NOT_FOUND);
    atomic_store(&text_bytes_max, 0);
    assert_null(store_read(fixture->store, &fixture->arena, &fixture->call, get, &customer));
    assert_int_equal(customer.metadata.length, 60 * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMORY_TEST(test_savepoint_that_is_not_released_leaves_no_gap_in_the_audit_trail),
        MEMORY_TEST(test_rollback_that_fails_is_made_up_for),
        MEMORY_TEST(test_commits_wait_for_the_disk_again_when_that_could_not_be_set),
        MEMORY_TEST(test_commits_wait_for_the_disk_after_a_setting_that_was_made_and_failed),
        MEMORY_TEST(test_text_that_cannot_be_read_is_a_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
