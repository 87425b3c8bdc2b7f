/* The write lane: commands that share a transaction, and what happens to them when one fails. */
#include "store_fixture.h"

#include "audit_trail.h"
#include "store/sqlite/sqlite.h"

#include <pthread.h>
#include <stdatomic.h>

/* Whatever was rolled back and run again, the audit trail is whole. */
static int check_trail_and_tear_down(void **state)
{
    struct store_fixture *fixture = *state;

    if (fixture->store)
        assert_int_equal(trail_fault_count(fixture->store, &fixture->arena, NULL, NULL), 0);
    return fixture_tear_down(state);
}
#define BATCH_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, check_trail_and_tear_down)

static void expect_stored(struct store_fixture *fixture, const char *external_id, int expected)
{
    char sql[256], answer[32];

    snprintf(sql, sizeof sql,
             "SELECT (SELECT count(*) FROM customers WHERE external_id = '%s'), "
             "(SELECT count(*) FROM system_events WHERE instr(opened(id, payload), '\"%s\"')), "
             "(SELECT count(*) FROM audit_log WHERE instr(opened(entity_id, changes), '\"%s\"'))",
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
        assert_text(failure_detail_value(probes[1].command.failure, "external_id"), "taken");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        BATCH_TEST(test_done_once_each_in_order_after_the_commit),
        BATCH_TEST(test_command_that_fails_late_makes_the_batch_be_replayed),
        BATCH_TEST(test_nothing_runs_behind_an_error_that_ended_the_transaction),
        BATCH_TEST(test_replay_stops_at_an_error_that_ended_the_transaction),
        BATCH_TEST(test_failed_commit_is_told_to_commands_that_saw_rows_of_the_batch),
        BATCH_TEST(test_full_queue_refuses),
        BATCH_TEST(test_close_runs_what_waits),
        BATCH_TEST(test_threads_write_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
