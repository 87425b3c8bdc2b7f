/* The threads for reads that may take long, of the embedded database: what ends a read before its time. */
#include "store_fixture.h"

enum { THREADS = 2, WAITING = STORE_SLOW_OWNER_MAX };

struct number {
    int64_t number;
};
static const struct field number_fields[] = {{FIELD(struct number, number, FIELD_INTEGER)}};
static const struct entity number_entity = {ENTITY_FIELDS(number_fields),
                                            .struct_size = sizeof(struct number)};

STORE_QUERY(endless_numbers, &number_entity,
            "WITH RECURSIVE n (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM n) "
            "SELECT max(number) AS number FROM n");
STORE_QUERY(one_number, &number_entity, "SELECT 1 AS number");

/* A slow read. Each has an end of its own, because two threads run them. */
struct slow_read {
    struct store_command command;
    struct arena arena;
    const struct query *query;
    sem_t begun, done;
    unsigned runs;
};

static const struct failure *run(struct store_command *command, struct transaction *transaction)
{
    struct slow_read *slow_read = (struct slow_read *)command;
    struct number number;

    slow_read->runs++;
    sem_post(&slow_read->begun);
    query_record(transaction, slow_read->query, NULL, 0, &number);
    return NULL;
}

static void done(struct store_command *command)
{
    sem_post(&((struct slow_read *)command)->done);
}

static void await(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        continue;
}

static enum store_verdict submit(struct store_fixture *fixture, struct slow_read *slow_read,
                                 const struct query *query, const atomic_bool *is_abandoned)
{
    *slow_read = (struct slow_read){.query = query};
    slow_read->command = (struct store_command){.arena = &slow_read->arena,
                                                .call = &fixture->call,
                                                .run = run,
                                                .done = done,
                                                .owner = 1,
                                                .is_abandoned = is_abandoned};
    sem_init(&slow_read->begun, 0, 0);
    sem_init(&slow_read->done, 0, 0);
    return store_submit_slow_read(fixture->store, &slow_read->command);
}

static void expect_failure(struct slow_read *slow_read, const char *reason, unsigned runs)
{
    await(&slow_read->done);
    assert_int_equal(slow_read->runs, runs);
    assert_non_null(slow_read->command.failure);
    assert_text(failure_detail_value(slow_read->command.failure, "reason"), reason);
    arena_free(&slow_read->arena);
}

static void test_what_nobody_waits_for_ends_and_gives_its_thread_back(void **state)
{
    struct store_fixture *fixture = *state;
    struct slow_read running[THREADS], waiting[WAITING], other;
    atomic_bool are_abandoned = false;

    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(submit(fixture, &running[i], &endless_numbers, &are_abandoned), STORE_TAKEN);
        await(&running[i].begun);
    }
    for (unsigned i = 0; i < WAITING; i++)
        assert_int_equal(submit(fixture, &waiting[i], &endless_numbers, &are_abandoned), STORE_TAKEN);
    assert_int_equal(submit(fixture, &other, &one_number, NULL), STORE_OWNER_HAS_ENOUGH);
    atomic_store(&are_abandoned, true);
    assert_int_equal(submit(fixture, &other, &one_number, NULL), STORE_TAKEN);
    for (unsigned i = 0; i < THREADS; i++)
        expect_failure(&running[i], "connection_ended", 1);
    for (unsigned i = 0; i < WAITING; i++)
        expect_failure(&waiting[i], "connection_ended", 0);
    await(&other.done);
    assert_null(other.command.failure);
    arena_free(&other.arena);
}

static void test_slow_reads_do_not_keep_the_store_from_closing(void **state)
{
    struct store_fixture *fixture = *state;
    struct slow_read running[THREADS], waiting[WAITING];
    struct text reason;

    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(submit(fixture, &running[i], &endless_numbers, NULL), STORE_TAKEN);
        await(&running[i].begun);
    }
    for (unsigned i = 0; i < WAITING; i++)
        assert_int_equal(submit(fixture, &waiting[i], &endless_numbers, NULL), STORE_TAKEN);
    store_close(fixture->store);
    for (unsigned i = 0; i < THREADS; i++)
        expect_failure(&running[i], "stopping", 1);
    for (unsigned i = 0; i < WAITING; i++)
        expect_failure(&waiting[i], "stopping", 0);
    fixture->store = fixture_try_open(fixture, &reason);
    assert_non_null(fixture->store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_what_nobody_waits_for_ends_and_gives_its_thread_back),
        STORE_TEST(test_slow_reads_do_not_keep_the_store_from_closing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
