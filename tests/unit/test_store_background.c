/* Commands in the background let all others go first, and are not forgotten over it. */
#include "store_fixture.h"

enum { OTHERS = 20, PARTS = 6, ROUNDS = 200 };

STORE_FIXTURE_OF_FILE()

static const struct failure *do_nothing(struct probe *probe, struct transaction *transaction)
{
    (void)probe;
    (void)transaction;
    return NULL;
}

static void test_others_go_first(void **state)
{
    struct probe others[OTHERS], parts[PARTS];
    struct gate gate;

    (void)state;
    gate_close(&gate, &fixture);
    unsigned before = probes_done;

    for (unsigned i = 0; i < PARTS; i++) {
        probe_init(&parts[i], &fixture, do_nothing, NULL);
        parts[i].command.is_background = true;
        assert_true(store_submit(fixture.store, &parts[i].command));
    }
    for (unsigned i = 0; i < OTHERS; i++) {
        probe_init(&others[i], &fixture, do_nothing, NULL);
        assert_true(store_submit(fixture.store, &others[i].command));
    }
    gate_open(&gate);
    for (unsigned i = 0; i < OTHERS; i++) {
        probe_wait(&others[i]);
        assert_int_equal(others[i].done_order, before + 1 + i + 1); /* behind the gate */
        probe_free(&others[i]);
    }
    for (unsigned i = 0; i < PARTS; i++) {
        probe_wait(&parts[i]);
        assert_int_equal(parts[i].done_order, before + 1 + OTHERS + i + 1);
        probe_free(&parts[i]);
    }
}

/* Whoever waits when a batch ends goes ahead of the parts that are left. */
static void test_who_comes_meanwhile_goes_first(void **state)
{
    struct probe parts[PARTS], late;
    struct gate gate, part;

    (void)state;
    gate_close(&gate, &fixture);
    probe_init(&part.probe, &fixture, gate_run, NULL);
    part.probe.command.is_background = true;
    sem_init(&part.entered, 0, 0);
    sem_init(&part.open, 0, 0);
    assert_true(store_submit(fixture.store, &part.probe.command));
    for (unsigned i = 0; i < PARTS; i++) {
        probe_init(&parts[i], &fixture, do_nothing, NULL);
        parts[i].command.is_background = true;
        assert_true(store_submit(fixture.store, &parts[i].command));
    }
    gate_open(&gate);
    while (sem_wait(&part.entered) != 0)
        continue;
    probe_init(&late, &fixture, do_nothing, NULL);
    assert_true(store_submit(fixture.store, &late.command));
    gate_open(&part);
    probe_wait(&late);
    probe_wait(&parts[PARTS - 1]);
    assert_true(late.done_order < parts[STORE_BACKGROUND_BATCH].done_order);
    probe_free(&late);
    for (unsigned i = 0; i < PARTS; i++) {
        if (i + 1 < PARTS)
            probe_wait(&parts[i]);
        probe_free(&parts[i]);
    }
}

/* A stream of others does not hold a part back for ever. */
static void test_parts_are_not_starved(void **state)
{
    struct probe part, other;
    unsigned rounds = 0;

    (void)state;
    probe_init(&part, &fixture, do_nothing, NULL);
    part.command.is_background = true;
    assert_true(store_submit(fixture.store, &part.command));
    while (rounds++ < ROUNDS && sem_trywait(&part.done) != 0) {
        probe_init(&other, &fixture, do_nothing, NULL);
        assert_true(store_submit(fixture.store, &other.command));
        probe_wait(&other);
        probe_free(&other);
    }
    assert_true(rounds < ROUNDS);
    probe_free(&part);
}

#define TEST(function) FIXTURE_TEST(function)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_others_go_first),
        TEST(test_who_comes_meanwhile_goes_first),
        TEST(test_parts_are_not_starved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
