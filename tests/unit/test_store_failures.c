/* What can go wrong below the store: each failure is told for what it is, the process stays up, reads go on,
 * and writing works again when the cause is gone. */
#include "store_fixture.h"

#include "audit_trail.h"
#include "faulty_disk.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* A test that may leave the disk faulty. */
#define FAULTY_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, repair_and_tear_down)

static int repair_and_tear_down(void **state)
{
    struct store_fixture *fixture = *state;

    faulty_disk_repair();
    /* Whatever was not committed, the audit trail is whole. */
    if (fixture->store)
        assert_int_equal(trail_fault_count(fixture->store, &fixture->arena, NULL, NULL), 0);
    return fixture_tear_down(state);
}

/* Reads the customer through `reader`; NULL when it is there. */
static const struct failure *read_customer(struct store_fixture *fixture, struct store_reader *reader,
                                           const char *external_id)
{
    struct transaction transaction;
    struct customer customer;

    store_reader_begin(reader, &transaction, &fixture->arena, &fixture->call);
    const struct failure *failure =
        customer_get_by_external_id(&transaction, text_from_string(external_id), &customer);

    if (transaction.failure)
        failure = transaction.failure;
    store_reader_end(reader);
    return failure;
}

static struct store_reader *open_reader(struct store_fixture *fixture)
{
    struct text reason;
    struct store_reader *reader = store_reader_open(fixture->store, &fixture->arena, &reason);

    if (!reader)
        fail_msg("%.*s", TEXT_FORMAT(reason));
    return reader;
}

/* ---- a disk that fails ---- */

static void check_failing_writes(struct store_fixture *fixture, atomic_int *fault, int code,
                                 const char *reason)
{
    struct store_reader *reader = open_reader(fixture);

    assert_null(fixture_create(fixture, "before", NULL));
    assert_int_equal(store_state(fixture->store), STORE_WELL);
    atomic_store(fault, code);
    fixture_expect_unavailable(fixture_create(fixture, "meanwhile", NULL), reason);
    fixture_expect_unavailable(fixture_create(fixture, "meanwhile", NULL), reason);
    assert_string_equal(store_state_name(store_state(fixture->store)), reason);
    assert_null(read_customer(fixture, reader, "before"));
    assert_non_null(read_customer(fixture, reader, "meanwhile"));
    faulty_disk_repair();
    assert_null(fixture_create(fixture, "meanwhile", NULL));
    assert_int_equal(store_state(fixture->store), STORE_WELL);
    assert_null(read_customer(fixture, reader, "meanwhile"));
    store_reader_close(reader);
    store_close(fixture->store);
    fixture_reopen(fixture);
    assert_text(fixture_select(fixture, "SELECT external_id FROM customers ORDER BY external_id"),
                "before;meanwhile;");
    assert_text(fixture_select(fixture, "PRAGMA integrity_check"), "ok;");
}

static void test_full_disk(void **state)
{
    check_failing_writes(*state, &fault_of_writes, SQLITE_FULL, "disk_full");
}

static void test_failing_writes(void **state)
{
    check_failing_writes(*state, &fault_of_writes, SQLITE_IOERR_WRITE, "io_error");
}

static void test_disk_turned_read_only(void **state)
{
    check_failing_writes(*state, &fault_of_writes, SQLITE_READONLY, "read_only");
}

static void test_failing_syncs(void **state)
{
    check_failing_writes(*state, &fault_of_syncs, SQLITE_IOERR_FSYNC, "io_error");
}

/* The first thing that a new database syncs is that it has a log; without one, SQLite keeps another journal,
 * with which a power cut can undo what was acknowledged. */
static void test_database_that_cannot_be_given_a_log_is_not_opened(void **state)
{
    struct store_fixture *fixture = *state;
    struct text reason;

    store_close(fixture->store);
    unlink(fixture->database);
    atomic_store(&failing_syncs, 1);
    atomic_store(&fault_of_syncs, SQLITE_IOERR_FSYNC);
    fixture->store = fixture_try_open(fixture, &reason);
    assert_int_equal(atomic_load(&fault_of_syncs), SQLITE_OK);
    assert_null(fixture->store);
    assert_true(text_is_set(reason));
    fixture_reopen(fixture);
    assert_text(fixture_select(fixture, "PRAGMA journal_mode"), "wal;");
}

/* It writes nothing, and so proves nothing. */
static void test_refused_command_does_not_end_the_trouble(void **state)
{
    struct store_fixture *fixture = *state;

    assert_null(fixture_create(fixture, "before", NULL));
    atomic_store(&fault_of_writes, SQLITE_FULL);
    fixture_expect_unavailable(fixture_create(fixture, "meanwhile", NULL), "disk_full");
    const struct failure *failure = fixture_create(fixture, "before", NULL);

    assert_non_null(failure);
    assert_int_equal(failure->code, FAILURE_ALREADY_EXISTS);
    assert_int_equal(store_state(fixture->store), STORE_DISK_FULL);
}

/* Whoever asks whether writes are taken sends none while they are not. */
static void test_trouble_ends_without_a_write(void **state)
{
    struct store_fixture *fixture = *state;

    atomic_store(&fault_of_writes, SQLITE_FULL);
    fixture_expect_unavailable(fixture_create(fixture, "meanwhile", NULL), "disk_full");
    fixture_sleep_ms(2 * STORE_IDLE_CHECKPOINT_MS + 200); /* in which it has tried, and failed */
    assert_int_equal(store_state(fixture->store), STORE_DISK_FULL);
    faulty_disk_repair();
    fixture_wait_for_state(fixture, STORE_WELL);
    assert_null(fixture_create(fixture, "meanwhile", NULL));
    assert_text(fixture_select(fixture, "SELECT external_id FROM customers"), "meanwhile;");
    char expected[16];

    snprintf(expected, sizeof expected, "%d;", store_schema_version(text_none));
    assert_text(fixture_select(fixture, "PRAGMA user_version"), expected);
}

/* So much that the page cache overflows, and the error comes in the midst of the transaction. */
static const struct failure *create_too_many(struct probe *probe, struct transaction *transaction)
{
    enum { VALUE_BYTES = 60 * 1000, COUNT = 500 };
    struct customer_creation creation = fixture_creation(probe->external_id);
    char *metadata = arena_allocate(transaction->arena, VALUE_BYTES);

    memset(metadata, 'x', VALUE_BYTES);
    memcpy(metadata, "{\"a\":\"", 6);
    memcpy(metadata + VALUE_BYTES - 2, "\"}", 2);
    creation.customer.metadata = (struct text){metadata, VALUE_BYTES};
    for (unsigned i = 0; i < COUNT; i++) {
        struct customer *customer = ARENA_NEW(transaction->arena, struct customer);

        creation.customer.external_id = arena_format(transaction->arena, "%s-%u", probe->external_id, i);
        customer_create(transaction, &creation, customer);
    }
    return NULL;
}

static void test_disk_that_fills_within_a_transaction(void **state)
{
    struct store_fixture *fixture = *state;
    struct gate gate;
    struct probe probes[3];

    assert_null(fixture_create(fixture, "before", NULL));
    gate_close(&gate, fixture);
    probe_init(&probes[0], fixture, probe_create, "first");
    probe_init(&probes[1], fixture, create_too_many, "many");
    probe_init(&probes[2], fixture, probe_create, "last");
    for (unsigned i = 0; i < 3; i++)
        assert_true(store_submit(fixture->store, &probes[i].command));
    atomic_store(&fault_of_writes, SQLITE_FULL);
    gate_open(&gate);
    for (unsigned i = 0; i < 3; i++) {
        probe_wait(&probes[i]);
        fixture_expect_unavailable(probes[i].command.failure, "disk_full");
        probe_free(&probes[i]);
    }
    assert_text(fixture_select(fixture, "SELECT external_id FROM customers"), "before;");
    faulty_disk_repair();
    assert_null(fixture_create(fixture, "first", NULL));
    assert_text(fixture_select(fixture, "PRAGMA integrity_check"), "ok;");
}

static void test_failing_reads(void **state)
{
    struct store_fixture *fixture = *state;

    assert_null(fixture_create(fixture, "acme", NULL));
    store_close(fixture->store);
    fixture_reopen(fixture); /* with empty page caches */
    struct store_reader *reader = open_reader(fixture);

    atomic_store(&fault_of_reads, SQLITE_IOERR_READ);
    fixture_expect_unavailable(read_customer(fixture, reader, "acme"), "io_error");
    faulty_disk_repair();
    assert_null(read_customer(fixture, reader, "acme"));
    store_reader_close(reader);
}

/* A command whose read fails ends the transaction without having changed anything. */
static const struct failure *read_badly(struct probe *probe, struct transaction *transaction)
{
    struct customer customer;

    atomic_store(&fault_of_reads, SQLITE_IOERR_READ);
    customer_get_by_external_id(transaction, TEXT("acme"), &customer);
    faulty_disk_repair();
    return transaction->failure ? transaction->failure : probe_create(probe, transaction);
}

static void test_failing_read_in_a_batch(void **state)
{
    struct store_fixture *fixture = *state;
    struct gate gate;
    struct probe probes[3];

    assert_null(fixture_create(fixture, "acme", NULL));
    store_close(fixture->store);
    fixture_reopen(fixture);
    gate_close(&gate, fixture);
    probe_init(&probes[0], fixture, read_badly, "one");
    probe_init(&probes[1], fixture, probe_create, "two");
    probe_init(&probes[2], fixture, probe_create, "three");
    for (unsigned i = 0; i < 3; i++)
        assert_true(store_submit(fixture->store, &probes[i].command));
    gate_open(&gate);
    for (unsigned i = 0; i < 3; i++) {
        char sql[128];

        probe_wait(&probes[i]);
        snprintf(sql, sizeof sql, "SELECT count(*) FROM customers WHERE external_id = '%s'",
                 probes[i].external_id);
        assert_text(fixture_select(fixture, sql), probes[i].command.failure ? "0;" : "1;");
    }
    assert_true(probes[0].runs > 0);
    assert_null(probes[1].command.failure);
    assert_null(probes[2].command.failure);
    for (unsigned i = 0; i < 3; i++)
        probe_free(&probes[i]);
}

/* Runs `check` in a child; it must return 0. */
static void in_child(struct store_fixture *fixture, int (*check)(struct store_fixture *fixture))
{
    int status;

    fflush(NULL);
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(check(fixture));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* The system's own error: no file may grow any more. Returns the number of the step that went wrong. */
static int fill_the_disk(struct store_fixture *fixture)
{
    struct rlimit limit;
    struct text reason;
    char name[32];
    int written = 0;
    const struct failure *failure = NULL;

    signal(SIGXFSZ, SIG_IGN);
    fixture->store = fixture_try_open(fixture, &reason);
    if (!fixture->store || fixture_create(fixture, "before", NULL))
        return 1;
    getrlimit(RLIMIT_FSIZE, &limit);
    rlim_t unlimited = limit.rlim_cur;

    limit.rlim_cur = (rlim_t)fixture_file_bytes(fixture, "-wal") + 100 * 1000;
    setrlimit(RLIMIT_FSIZE, &limit);
    for (; written < 1000 && !failure; written++) {
        snprintf(name, sizeof name, "many-%d", written);
        failure = fixture_create(fixture, name, NULL);
    }
    if (!failure || failure->code != FAILURE_SERVICE_UNAVAILABLE || !failure->details ||
        (!text_equal(failure->details->value, TEXT("disk_full")) &&
         !text_equal(failure->details->value, TEXT("io_error"))))
        return 2;
    struct store_reader *reader = store_reader_open(fixture->store, &fixture->arena, &reason);

    if (!reader || read_customer(fixture, reader, "before") || !read_customer(fixture, reader, name))
        return 3;
    store_reader_close(reader);
    limit.rlim_cur = unlimited;
    setrlimit(RLIMIT_FSIZE, &limit);
    if (fixture_create(fixture, name, NULL))
        return 4;
    store_close(fixture->store);
    arena_free(&fixture->arena);
    return 0;
}

static void test_files_that_cannot_grow(void **state)
{
    struct store_fixture *fixture = *state;

    store_close(fixture->store);
    fixture->store = NULL;
    in_child(fixture, fill_the_disk);
    assert_text(fixture_select(fixture, "PRAGMA integrity_check"), "ok;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULTY_TEST(test_full_disk),
        FAULTY_TEST(test_failing_writes),
        FAULTY_TEST(test_disk_turned_read_only),
        FAULTY_TEST(test_failing_syncs),
        FAULTY_TEST(test_database_that_cannot_be_given_a_log_is_not_opened),
        FAULTY_TEST(test_refused_command_does_not_end_the_trouble),
        FAULTY_TEST(test_trouble_ends_without_a_write),
        FAULTY_TEST(test_disk_that_fills_within_a_transaction),
        FAULTY_TEST(test_failing_reads),
        FAULTY_TEST(test_failing_read_in_a_batch),
        FAULTY_TEST(test_files_that_cannot_grow),
    };

    faulty_disk_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
