/* The write lane: rows with what follows from them, batches and their replay; the snapshots of readers. */
#include "store_fixture.h"

#include "base/hash.h"
#include "domain/records.h"
#include "domain/tenancy.h"
#include "store/sqlite/sqlite.h"

#include <pthread.h>
#include <stdatomic.h>

static int open_fixture(void **state)
{
    struct store_fixture *fixture = calloc(1, sizeof *fixture);

    fixture_open(fixture);
    *state = fixture;
    return 0;
}

static int close_fixture(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

/* The value of a failure's detail; unset when there is none of this name. */
static struct text detail(const struct failure *failure, const char *name)
{
    for (const struct failure_detail *entry = failure->details; entry; entry = entry->next)
        if (text_equal(entry->name, text_from_string(name)))
            return entry->value;
    return text_none;
}

/* ---- rows ---- */

static void test_insert_writes_row_audit_and_event(void **state)
{
    struct store_fixture *fixture = *state;
    struct customer customer;

    assert_null(fixture_create(fixture, "acme", &customer));
    assert_text(fixture_select(fixture,
                               "SELECT scope, external_id, name, email, contact, timezone, metadata, "
                               "status, created_at, updated_at FROM customers"),
                "1|acme|Acme||-|UTC|-|published|1767323045123456|1767323045123456;");
    assert_text(fixture_select(fixture, "SELECT id = entity_id FROM customers, audit_log WHERE entity_type = "
                                        "'customer'"),
                "1;");
    assert_text(fixture_select(fixture,
                               "SELECT a.scope, action, actor_id = u.id, request_id, occurred_at, changes "
                               "FROM audit_log a, users u WHERE entity_type = 'customer'"),
                "1|created|1|request|1767323045123456|{\"after\":{\"external_id\":\"acme\",\"name\":\"Acme\","
                "\"timezone\":\"UTC\",\"status\":\"published\"}};");
    assert_text(fixture_select(fixture, "SELECT e.scope, event_name, e.entity_type, e.entity_id = c.id, "
                                        "e.id LIKE 'sys_event\\___________________________' ESCAPE '\\', "
                                        "json_extract(payload, '$.event_type'), "
                                        "json_extract(payload, '$.customer.external_id'), "
                                        "json_extract(payload, '$.customer.id') = c.id "
                                        "FROM system_events e, customers c"),
                "1|customer.created|customer|1|1|customer.created|acme|1;");
}

struct updating {
    struct text id;
    const char *city;     /* NULL: leave it */
    const char *metadata; /* the same */
    bool touch;           /* stamp it as updated */
};

static const struct failure *run_update(void *context, struct transaction *transaction)
{
    const struct updating *updating = context;
    struct customer *before = ARENA_NEW(transaction->arena, struct customer);
    struct customer *after = ARENA_NEW(transaction->arena, struct customer);
    const struct failure *failure = customer_get(transaction, updating->id, before);

    if (failure)
        return failure;
    *after = *before;
    if (updating->city)
        after->address_city = text_from_string(updating->city);
    if (updating->metadata)
        after->metadata = text_from_string(updating->metadata);
    if (updating->touch)
        RECORD_STAMP_UPDATED(after, transaction->call);
    transaction_update(transaction, transaction->call->scope, &customer_entity, before, after);
    return NULL;
}

static void test_update_writes_only_changed_columns(void **state)
{
    struct store_fixture *fixture = *state;
    struct customer customer;
    struct call later = fixture->call;

    assert_null(fixture_create(fixture, "acme", &customer));
    /* Whatever else is in the row by now must survive an update that does not know of it. */
    store_close(fixture->store);
    fixture_execute(fixture, "CREATE TABLE assigned (name TEXT);"
                             "CREATE TRIGGER name_assigned AFTER UPDATE OF name ON customers BEGIN "
                             "INSERT INTO assigned VALUES ('name'); END;"
                             "CREATE TRIGGER city_assigned AFTER UPDATE OF address_city ON customers BEGIN "
                             "INSERT INTO assigned VALUES ('address_city'); END;"
                             "CREATE TRIGGER metadata_assigned AFTER UPDATE OF metadata ON customers BEGIN "
                             "INSERT INTO assigned VALUES ('metadata'); END;");
    fixture_reopen(fixture);
    later.now_us++;
    struct updating updating = {.id = customer.id, .city = "Pune", .metadata = "{}", .touch = true};

    assert_null(store_write(fixture->store, &fixture->arena, &later, run_update, &updating));
    assert_text(fixture_select(fixture, "SELECT name FROM assigned ORDER BY name"), "address_city;metadata;");
    assert_text(
        fixture_select(fixture, "SELECT address_city, metadata, updated_at - created_at FROM customers"),
        "Pune|{}|1;");
    assert_text(
        fixture_select(fixture, "SELECT action, changes FROM audit_log WHERE entity_type = 'customer' "
                                "AND action <> 'created'"),
        "updated|{\"before\":{\"address_city\":\"\",\"metadata\":null},\"after\":{\"address_city\":\"Pune\","
        "\"metadata\":{}}};");
    assert_text(fixture_select(fixture, "SELECT event_name, json_extract(payload, '$.customer.address_city') "
                                        "FROM system_events ORDER BY sequence"),
                "customer.created|-;customer.updated|Pune;");
}

static void test_update_that_changes_nothing_writes_nothing(void **state)
{
    struct store_fixture *fixture = *state;
    struct customer customer;

    assert_null(fixture_create(fixture, "acme", &customer));
    struct text audit = fixture_select(fixture, "SELECT count(*) FROM audit_log");
    struct updating updating = {.id = customer.id, .city = ""};

    assert_null(store_write(fixture->store, &fixture->arena, &fixture->call, run_update, &updating));
    assert_true(text_equal(fixture_select(fixture, "SELECT count(*) FROM audit_log"), audit));
    assert_text(fixture_select(fixture, "SELECT count(*) FROM system_events"), "1;");
}

static const struct failure *run_archive(void *context, struct transaction *transaction)
{
    return customer_archive(transaction, *(struct text *)context);
}

static void test_archive_frees_the_unique_value(void **state)
{
    struct store_fixture *fixture = *state;
    struct customer customer;

    assert_null(fixture_create(fixture, "acme", &customer));
    assert_null(store_write(fixture->store, &fixture->arena, &fixture->call, run_archive, &customer.id));
    assert_text(fixture_select(fixture,
                               "SELECT action, changes FROM audit_log WHERE entity_type = 'customer' "
                               "ORDER BY sequence DESC LIMIT 1"),
                "archived|{\"before\":{\"status\":\"published\"},\"after\":{\"status\":\"archived\"}};");
    assert_text(fixture_select(fixture, "SELECT event_name FROM system_events ORDER BY sequence"),
                "customer.created;customer.deleted;");
    assert_null(fixture_create(fixture, "acme", NULL));
    const struct failure *failure =
        store_write(fixture->store, &fixture->arena, &fixture->call, run_archive, &customer.id);

    assert_non_null(failure);
    assert_int_equal(failure->code, FAILURE_NOT_FOUND);
}

static void test_taken_value_names_its_field_and_leaves_nothing(void **state)
{
    struct store_fixture *fixture = *state;

    assert_null(fixture_create(fixture, "acme", NULL));
    struct text counts = fixture_select(fixture, "SELECT (SELECT count(*) FROM audit_log), (SELECT count(*) "
                                                 "FROM system_events), (SELECT count(*) FROM customers)");
    const struct failure *failure = fixture_create(fixture, "acme", NULL);

    assert_non_null(failure);
    assert_int_equal(failure->code, FAILURE_ALREADY_EXISTS);
    assert_text(detail(failure, "external_id"), "acme");
    assert_text(failure->message, "there is already a customer with this external_id");
    assert_true(
        text_equal(fixture_select(fixture, "SELECT (SELECT count(*) FROM audit_log), (SELECT count(*) "
                                           "FROM system_events), (SELECT count(*) FROM customers)"),
                   counts));
}

static void test_secret_values_are_not_in_the_audit(void **state)
{
    struct store_fixture *fixture = *state;
    struct text value = fixture->installation.secret.value;

    assert_int_equal(value.length, SHA256_HEX_LENGTH);
    char sql[256];

    snprintf(sql, sizeof sql, "SELECT count(*) FROM audit_log WHERE instr(changes, '%.*s')",
             TEXT_FORMAT(value));
    assert_text(fixture_select(fixture, sql), "0;");
    snprintf(sql, sizeof sql, "SELECT count(*) FROM audit_log WHERE instr(changes, '%.*s')",
             TEXT_FORMAT(fixture->installation.plain_key));
    assert_text(fixture_select(fixture, sql), "0;");
    assert_text(fixture_select(fixture, "SELECT json_extract(changes, '$.after.value') FROM audit_log WHERE "
                                        "entity_type = 'secret'"),
                "(secret);");
}

/* ---- batches ---- */

static void expect_stored(struct store_fixture *fixture, const char *external_id, int expected)
{
    char sql[256], answer[32];

    snprintf(sql, sizeof sql,
             "SELECT (SELECT count(*) FROM customers WHERE external_id = '%s'), "
             "(SELECT count(*) FROM system_events WHERE instr(payload, '\"%s\"')), "
             "(SELECT count(*) FROM audit_log WHERE instr(changes, '\"%s\"'))",
             external_id, external_id, external_id);
    snprintf(answer, sizeof answer, "%d|%d|%d;", expected, expected, expected);
    assert_text(fixture_select(fixture, sql), answer);
}

static void submit(struct probe *probes, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_true(store_submit(probes[i].fixture->store, &probes[i].command));
}

static void wait_for_all(struct probe *probes, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        probe_wait(&probes[i]);
}

static void free_all(struct probe *probes, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        probe_free(&probes[i]);
}

static void see_own_customer(struct probe *probe)
{
    /* The commit is visible elsewhere before the command is answered. */
    expect_stored(probe->fixture, probe->external_id, 1);
}

static void test_done_once_each_in_order_after_the_commit(void **state)
{
    enum { COUNT = 20 };
    struct store_fixture *fixture = *state;
    struct gate gate;
    struct probe probes[COUNT];
    char names[COUNT][16];

    gate_close(&gate, fixture);
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "customer-%u", i);
        probe_init(&probes[i], fixture, probe_create, names[i]);
        probes[i].on_done = see_own_customer;
    }
    submit(probes, COUNT);
    gate_open(&gate);
    wait_for_all(probes, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_null(probes[i].command.failure);
        assert_int_equal(probes[i].dones, 1);
        assert_int_equal(probes[i].runs, 1);
        assert_int_equal(probes[i].done_order, probes[0].done_order + i);
    }
    free_all(probes, COUNT);
}

/* A first write that succeeds and a second one that does not: "taken" is there already. */
static const struct failure *create_two(struct probe *probe, struct transaction *transaction)
{
    struct customer_creation first = fixture_creation(probe->external_id);
    struct customer_creation second = fixture_creation("taken");
    struct customer *other = ARENA_NEW(transaction->arena, struct customer);
    const struct failure *failure = customer_create(transaction, &first, &probe->customer);

    return failure ? failure : customer_create(transaction, &second, other);
}

/* Whether commands share a batch is a matter of 5 ms, which a busy machine can take at any point: scenarios
 * are tried until they did, and what must hold is checked every time. */
enum { ATTEMPTS_MAX = 50 };

static void test_command_that_fails_late_makes_the_batch_be_replayed(void **state)
{
    struct store_fixture *fixture = *state;
    bool replayed = false;

    assert_null(fixture_create(fixture, "taken", NULL));
    for (unsigned attempt = 0; attempt < ATTEMPTS_MAX && !replayed; attempt++) {
        struct gate gate;
        struct probe probes[3];
        char names[3][16];

        gate_close(&gate, fixture);
        for (unsigned i = 0; i < 3; i++) {
            snprintf(names[i], sizeof names[i], "replay-%u-%u", attempt, i);
            probe_init(&probes[i], fixture, i == 1 ? create_two : probe_create, names[i]);
        }
        submit(probes, 3);
        gate_open(&gate);
        wait_for_all(probes, 3);
        replayed = probes[0].runs == 2;
        assert_int_equal(probes[1].runs, 2);
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(probes[i].dones, 1);
            assert_true((probes[i].command.failure != NULL) == (i == 1));
            expect_stored(fixture, names[i], i == 1 ? 0 : 1);
        }
        assert_int_equal(probes[1].command.failure->code, FAILURE_ALREADY_EXISTS);
        assert_text(detail(probes[1].command.failure, "external_id"), "taken");
        /* What the command says it made is what the second run made. */
        char sql[128];

        snprintf(sql, sizeof sql, "SELECT count(*) FROM customers WHERE id = '%.*s'",
                 TEXT_FORMAT(probes[0].customer.id));
        assert_text(fixture_select(fixture, sql), "1;");
        free_all(probes, 3);
    }
    assert_true(replayed);
}

/* What a full disk or a failing read does to SQLite's transaction. */
static const struct failure *end_transaction(struct transaction *transaction)
{
    assert_true(sqlite_execute(transaction->connection, "ROLLBACK"));
    return failure_new(transaction->arena, FAILURE_SERVICE_UNAVAILABLE, TEXT("the disk is full"));
}

static const struct failure *end_every_run(struct probe *probe, struct transaction *transaction)
{
    (void)probe;
    return end_transaction(transaction);
}

/* Every command must have been told the truth about itself. */
static void expect_truth(struct store_fixture *fixture, struct probe *probes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(probes[i].dones, 1);
        expect_stored(fixture, probes[i].external_id, probes[i].command.failure ? 0 : 1);
    }
}

static void test_nothing_runs_behind_an_error_that_ended_the_transaction(void **state)
{
    struct store_fixture *fixture = *state;
    bool shared = false;

    assert_null(fixture_create(fixture, "warm", NULL));
    for (unsigned attempt = 0; attempt < ATTEMPTS_MAX && !shared; attempt++) {
        struct gate gate;
        struct probe probes[3];
        char names[3][16];

        gate_close(&gate, fixture);
        for (unsigned i = 0; i < 3; i++) {
            snprintf(names[i], sizeof names[i], "ended-%u-%u", attempt, i);
            probe_init(&probes[i], fixture, i == 1 ? end_every_run : probe_create, names[i]);
        }
        submit(probes, 3);
        gate_open(&gate);
        wait_for_all(probes, 3);
        expect_truth(fixture, probes, 3);
        assert_non_null(probes[1].command.failure);
        assert_null(probes[2].command.failure); /* it came in the next batch */
        shared = probes[0].runs == 2;
        assert_true((probes[0].command.failure != NULL) == shared);
        free_all(probes, 3);
    }
    assert_true(shared);
    assert_null(fixture_create(fixture, "afterwards", NULL));
}

static const struct failure *end_second_run(struct probe *probe, struct transaction *transaction)
{
    return probe->runs == 2 ? end_transaction(transaction) : probe_create(probe, transaction);
}

static void test_replay_stops_at_an_error_that_ended_the_transaction(void **state)
{
    struct store_fixture *fixture = *state;
    bool shared = false;

    assert_null(fixture_create(fixture, "taken", NULL));
    for (unsigned attempt = 0; attempt < ATTEMPTS_MAX && !shared; attempt++) {
        struct gate gate;
        struct probe probes[3];
        char names[3][16];

        gate_close(&gate, fixture);
        for (unsigned i = 0; i < 3; i++)
            snprintf(names[i], sizeof names[i], "stopped-%u-%u", attempt, i);
        probe_init(&probes[0], fixture, end_second_run, names[0]);
        probe_init(&probes[1], fixture, probe_create, names[1]);
        probe_init(&probes[2], fixture, create_two, names[2]);
        submit(probes, 3);
        gate_open(&gate);
        wait_for_all(probes, 3);
        expect_truth(fixture, probes, 3);
        shared = probes[0].runs == 2 && probes[1].runs == 1 && probes[2].runs == 1;
        if (shared)
            for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(probes[i].command.failure->code, FAILURE_SERVICE_UNAVAILABLE);
                assert_text(probes[i].command.failure->message, "the disk is full");
            }
        free_all(probes, 3);
    }
    assert_true(shared);
}

/* Makes the commit fail: a scope of a tenant that does not exist. */
static const struct failure *create_and_spoil(struct probe *probe, struct transaction *transaction)
{
    transaction_intern_scope(transaction, TEXT("nobody"), TEXT("nowhere"));
    return probe_create(probe, transaction);
}

static void test_failed_commit_is_told_to_commands_that_saw_rows_of_the_batch(void **state)
{
    struct store_fixture *fixture = *state;
    bool shared = false;

    assert_null(fixture_create(fixture, "warm", NULL));
    for (unsigned attempt = 0; attempt < ATTEMPTS_MAX && !shared; attempt++) {
        struct gate gate;
        struct probe probes[2];
        char name[16];

        snprintf(name, sizeof name, "unseen-%u", attempt);
        gate_close(&gate, fixture);
        probe_init(&probes[0], fixture, create_and_spoil, name);
        probe_init(&probes[1], fixture, probe_create, name);
        submit(probes, 2);
        gate_open(&gate);
        wait_for_all(probes, 2);
        assert_int_equal(probes[0].command.failure->code, FAILURE_DATABASE);
        shared = probes[1].command.failure != NULL;
        if (shared)
            assert_int_equal(probes[1].command.failure->code, FAILURE_DATABASE);
        expect_stored(fixture, name, shared ? 0 : 1);
        free_all(probes, 2);
    }
    assert_true(shared);
}

static const struct failure *refuse(struct probe *probe, struct transaction *transaction)
{
    (void)probe;
    return failure_new(transaction->arena, FAILURE_NOT_FOUND, TEXT("there is no such thing"));
}

static void test_full_queue_refuses(void **state)
{
    struct store_fixture *fixture = *state;
    struct gate gate;
    struct probe *probes = calloc(STORE_WRITE_QUEUE_MAX + 1, sizeof *probes);

    gate_close(&gate, fixture);
    for (unsigned i = 0; i <= STORE_WRITE_QUEUE_MAX; i++)
        probe_init(&probes[i], fixture, i ? refuse : probe_create, "first");
    submit(probes, STORE_WRITE_QUEUE_MAX);
    assert_false(store_submit(fixture->store, &probes[STORE_WRITE_QUEUE_MAX].command));
    gate_open(&gate);
    wait_for_all(probes, STORE_WRITE_QUEUE_MAX);
    assert_null(probes[0].command.failure);
    assert_non_null(probes[1].command.failure);
    assert_int_equal(probes[STORE_WRITE_QUEUE_MAX].runs, 0);
    assert_int_equal(probes[STORE_WRITE_QUEUE_MAX].dones, 0);
    assert_null(fixture_create(fixture, "room again", NULL));
    free_all(probes, STORE_WRITE_QUEUE_MAX + 1);
    free(probes);
}

static void test_close_runs_what_waits(void **state)
{
    enum { COUNT = 50 };
    struct store_fixture *fixture = *state;
    struct probe probes[COUNT];
    char names[COUNT][16];

    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "late-%u", i);
        probe_init(&probes[i], fixture, probe_create, names[i]);
    }
    submit(probes, COUNT);
    store_close(fixture->store);
    fixture->store = NULL;
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(probes[i].dones, 1);
        assert_null(probes[i].command.failure);
        expect_stored(fixture, names[i], 1);
    }
    free_all(probes, COUNT);
}

static void *write_many(void *context)
{
    enum { COUNT = 50 };
    struct store_fixture *fixture = context;
    static atomic_uint number;
    struct arena arena;

    arena_init(&arena);
    for (unsigned i = 0; i < COUNT; i++) {
        struct fixture_creating creating;
        char name[16];

        snprintf(name, sizeof name, "thread-%u", atomic_fetch_add(&number, 1));
        creating.creation = fixture_creation(name);
        if (store_write(fixture->store, &arena, &fixture->call, fixture_run_create, &creating))
            return context;
        arena_reset(&arena);
    }
    arena_free(&arena);
    return NULL;
}

static void test_threads_write_at_once(void **state)
{
    enum { THREADS = 8 };
    struct store_fixture *fixture = *state;
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, fixture), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        void *failed;

        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_text(fixture_select(fixture, "SELECT count(*), count(DISTINCT external_id) FROM customers"),
                "400|400;");
}

/* ---- readers ---- */

static bool reads(struct store_fixture *fixture, struct store_reader *reader, const char *external_id)
{
    struct transaction transaction;
    struct customer customer;
    struct arena arena;

    arena_init(&arena);
    store_reader_begin(reader, &transaction, &arena, &fixture->call);
    bool found = !customer_get_by_external_id(&transaction, text_from_string(external_id), &customer);

    assert_null(transaction.failure);
    arena_free(&arena);
    return found;
}

static void test_reader_sees_what_was_acknowledged(void **state)
{
    struct store_fixture *fixture = *state;
    struct text reason;
    struct store_reader *reader = store_reader_open(fixture->store, &fixture->arena, &reason);

    assert_non_null(reader);
    assert_false(reads(fixture, reader, "acme"));
    assert_null(fixture_create(fixture, "acme", NULL));
    assert_true(reads(fixture, reader, "acme")); /* the batch is not over, but the snapshot was renewed */
    store_reader_end(reader);
    store_reader_end(reader); /* twice is harmless */
    assert_true(reads(fixture, reader, "acme"));
    store_reader_close(reader);
}

/* A transaction that was begun stays on its snapshot. */
static void test_reader_is_isolated_within_a_transaction(void **state)
{
    struct store_fixture *fixture = *state;
    struct transaction transaction;
    struct customer customer;
    struct text reason;
    struct store_reader *reader = store_reader_open(fixture->store, &fixture->arena, &reason);

    store_reader_begin(reader, &transaction, &fixture->arena, &fixture->call);
    assert_non_null(customer_get_by_external_id(&transaction, TEXT("acme"), &customer));
    assert_null(fixture_create(fixture, "acme", NULL));
    assert_non_null(customer_get_by_external_id(&transaction, TEXT("acme"), &customer));
    store_reader_begin(reader, &transaction, &fixture->arena, &fixture->call);
    assert_null(customer_get_by_external_id(&transaction, TEXT("acme"), &customer));
    store_reader_close(reader);
}

static void test_reader_takes_a_new_snapshot_after_an_error_ended_it(void **state)
{
    struct store_fixture *fixture = *state;
    struct transaction transaction;
    struct text reason;
    struct store_reader *reader = store_reader_open(fixture->store, &fixture->arena, &reason);

    store_reader_begin(reader, &transaction, &fixture->arena, &fixture->call);
    assert_true(sqlite_execute(transaction.connection, "ROLLBACK"));
    store_reader_begin(reader, &transaction, &fixture->arena, &fixture->call);
    assert_null(transaction.failure);
    assert_true(sqlite_in_transaction(transaction.connection));
    store_reader_close(reader);
}

static void test_reader_cannot_write(void **state)
{
    struct store_fixture *fixture = *state;
    struct transaction transaction;
    struct text reason;
    struct store_reader *reader = store_reader_open(fixture->store, &fixture->arena, &reason);

    store_reader_begin(reader, &transaction, &fixture->arena, &fixture->call);
    assert_int_equal(transaction_intern_scope(&transaction, TEXT("t"), TEXT("e")), SCOPE_NONE);
    assert_non_null(transaction.failure);
    assert_int_equal(transaction.failure->code, FAILURE_SERVICE_UNAVAILABLE);
    assert_text(detail(transaction.failure, "reason"), "read_only");
    store_reader_close(reader);
}

static void test_ended_reader_lets_the_log_be_reset(void **state)
{
    struct store_fixture *fixture = *state;
    struct text reason;
    struct store_reader *reader = store_reader_open(fixture->store, &fixture->arena, &reason);

    assert_false(reads(fixture, reader, "acme"));
    store_reader_end(reader);
    sqlite3 *handle;
    int log_pages = 0, copied_pages = 0;

    /* From outside, as nobody else may: it only works when no reader holds a snapshot. */
    assert_int_equal(sqlite3_open(fixture->database, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, "SELECT 1 FROM customers", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(
        sqlite3_wal_checkpoint_v2(handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, &log_pages, &copied_pages),
        SQLITE_OK);
    sqlite3_close(handle);
    assert_int_equal(fixture_file_bytes(fixture, "-wal"), 0);
    store_reader_close(reader);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_insert_writes_row_audit_and_event),
        STORE_TEST(test_update_writes_only_changed_columns),
        STORE_TEST(test_update_that_changes_nothing_writes_nothing),
        STORE_TEST(test_archive_frees_the_unique_value),
        STORE_TEST(test_taken_value_names_its_field_and_leaves_nothing),
        STORE_TEST(test_secret_values_are_not_in_the_audit),
        STORE_TEST(test_done_once_each_in_order_after_the_commit),
        STORE_TEST(test_command_that_fails_late_makes_the_batch_be_replayed),
        STORE_TEST(test_nothing_runs_behind_an_error_that_ended_the_transaction),
        STORE_TEST(test_replay_stops_at_an_error_that_ended_the_transaction),
        STORE_TEST(test_failed_commit_is_told_to_commands_that_saw_rows_of_the_batch),
        STORE_TEST(test_full_queue_refuses),
        STORE_TEST(test_close_runs_what_waits),
        STORE_TEST(test_threads_write_at_once),
        STORE_TEST(test_reader_sees_what_was_acknowledged),
        STORE_TEST(test_reader_is_isolated_within_a_transaction),
        STORE_TEST(test_reader_takes_a_new_snapshot_after_an_error_ended_it),
        STORE_TEST(test_reader_cannot_write),
        STORE_TEST(test_ended_reader_lets_the_log_be_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
