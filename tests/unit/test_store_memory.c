/* SQLite without memory, at the places where that did harm: each test is called after what it was. What every
 * single allocation does is tests/faults'. Linked with --wrap for the functions that fail here. */
#include "store_fixture.h"

#include "audit_trail.h"

/* ---- what fails ---- */

static struct {
    const char *sql;       /* the statement that fails; NULL: none */
    unsigned times;        /* how often it still does */
    bool is_done;          /* it is done all the same, as some are when memory fails them behind that */
    size_t text_bytes_max; /* longer ones cannot be read; 0: all can */
} fault;

static const char *setting; /* of `synchronous`, as it was made last */

/* Whether this statement is to fail now. */
static bool is_failing(const char *sql)
{
    if (!fault.sql || fault.times == 0 || strncmp(sql, fault.sql, strlen(fault.sql)) != 0)
        return false;
    fault.times--;
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
    bool fails = is_failing(sql), is_done = !fails || fault.is_done;
    int code = is_done ? __real_sqlite3_exec(handle, sql, callback, context, message) : SQLITE_NOMEM;

    if (is_done && text_starts_with(text_from_string(sql), TEXT("PRAGMA synchronous=")))
        setting = sql + strlen("PRAGMA synchronous=");
    return fails ? SQLITE_NOMEM : code;
}

const unsigned char *__real_sqlite3_column_text(sqlite3_stmt *statement, int column);
const unsigned char *__wrap_sqlite3_column_text(sqlite3_stmt *statement, int column);
const unsigned char *__wrap_sqlite3_column_text(sqlite3_stmt *statement, int column)
{
    bool fails =
        fault.text_bytes_max > 0 && (size_t)sqlite3_column_bytes(statement, column) > fault.text_bytes_max;

    return fails ? NULL : __real_sqlite3_column_text(statement, column);
}

static int repair_and_tear_down(void **state)
{
    struct store_fixture *fixture = *state;

    fault.times = 0;
    fault.text_bytes_max = 0;
    assert_int_equal(trail_fault_count(fixture->store, &fixture->arena, NULL, NULL), 0);
    return fixture_tear_down(state);
}
#define MEMORY_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, repair_and_tear_down)

/* ---- a batch that runs again ---- */

/* A customer, and then one whose external id is taken: the whole batch is rolled back for it. */
static const struct failure *create_in_vain(struct probe *probe, struct transaction *transaction)
{
    const struct failure *failure = probe_create(probe, transaction);

    if (!failure)
        failure = transaction_apply(transaction);
    return failure ? failure : probe_create(probe, transaction);
}

/* Runs three commands in one batch, of which the second one has to be undone; `sql` fails once meanwhile.
 * Who was acknowledged, by the number of the bit. */
static unsigned run_batch(struct store_fixture *fixture, const char *sql)
{
    struct probe probes[3];
    struct gate gate;
    unsigned acknowledged = 0;

    gate_close(&gate, fixture);
    probe_init(&probes[0], fixture, probe_create, "one");
    probe_init(&probes[1], fixture, create_in_vain, "in vain");
    probe_init(&probes[2], fixture, probe_create, "three");
    for (unsigned i = 0; i < 3; i++)
        assert_true(store_submit(fixture->store, &probes[i].command));
    fault.sql = sql;
    fault.times = 1;
    gate_open(&gate);
    for (unsigned i = 0; i < 3; i++) {
        probe_wait(&probes[i]);
        acknowledged |= (unsigned)!probes[i].command.failure << i;
        probe_free(&probes[i]);
    }
    assert_int_equal(fault.times, 0);
    return acknowledged;
}

/* Its audit rows were undone, but the chain went on behind them: a gap for ever. */
static void test_savepoint_that_is_not_released_leaves_no_gap_in_the_audit_trail(void **state)
{
    struct store_fixture *fixture = *state;

    assert_int_equal(run_batch(fixture, "RELEASE"), 1u << 2);
    assert_text(fixture_select(fixture, "SELECT external_id FROM customers"), "three;");
}

/* The next batch was refused for it, too. */
static void test_rollback_that_fails_is_made_up_for(void **state)
{
    struct store_fixture *fixture = *state;

    assert_int_equal(run_batch(fixture, "ROLLBACK"), 1u << 0 | 1u << 2);
    assert_text(fixture_select(fixture, "SELECT external_id FROM customers ORDER BY external_id"),
                "one;three;");
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
                        const struct failure *(*use)(struct probe *, struct transaction *))
{
    struct probe probe;

    probe_init(&probe, fixture, use, "large");
    assert_true(store_submit(fixture->store, &probe.command));
    probe_wait(&probe);
    assert_null(probe.command.failure);
    probe_free(&probe);
}

/* A command behind the large one finds the checkpoint begun. */
static void commit_around_a_checkpoint(struct store_fixture *fixture)
{
    create_with(fixture, create_large);
    assert_null(fixture_create(fixture, "behind it", NULL));
    assert_int_equal(fault.times, 0);
    assert_string_equal(setting, "FULL");
}

/* The process ended there. */
static void test_commits_wait_for_the_disk_again_when_that_could_not_be_set(void **state)
{
    fault.sql = "PRAGMA synchronous=FULL";
    fault.times = 1;
    fault.is_done = false;
    commit_around_a_checkpoint(*state);
}

/* The store took it for not done, and commits did not wait for the disk any more. */
static void test_commits_wait_for_the_disk_after_a_setting_that_was_made_and_failed(void **state)
{
    fault.sql = "PRAGMA synchronous=OFF";
    fault.times = 1;
    fault.is_done = true;
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

    create_with(fixture, create_large);
    fault.text_bytes_max = 10 * 1000;
    const struct failure *failure =
        store_read(fixture->store, &fixture->arena, &fixture->call, get, &customer);

    assert_non_null(failure);
    assert_int_not_equal(failure->code, FAILURE_NOT_FOUND);
    fault.text_bytes_max = 0;
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
