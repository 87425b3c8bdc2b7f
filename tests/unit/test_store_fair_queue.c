/* The queue of slow commands: owners take turns, each has so many waiting, and nobody's turn is lost. */
#include "cmocka_all.h"

#include "store/fair_queue.h"

enum { COMMANDS = STORE_SLOW_QUEUE_MAX + FAIR_OWNERS_MAX };

static struct fair_queue queue;
static struct store_command commands[COMMANDS];

static int set_up(void **state)
{
    (void)state;
    fair_queue_init(&queue);
    return 0;
}

/* The command number `index`, of that owner. */
static enum store_verdict put(size_t index, uint64_t owner)
{
    commands[index] = (struct store_command){.owner = owner};
    return fair_queue_put(&queue, &commands[index]);
}

static void expect(size_t index)
{
    assert_ptr_equal(fair_queue_take(&queue), &commands[index]);
}

static void test_an_empty_queue_gives_nothing(void **state)
{
    (void)state;
    assert_null(fair_queue_take(&queue));
    assert_int_equal(put(0, 0), STORE_TAKEN); /* 0 is an owner like any other */
    assert_int_equal(queue.count, 1);
    expect(0);
    assert_null(fair_queue_take(&queue));
    assert_int_equal(queue.count, 0);
}

static void test_who_asks_for_much_keeps_nobody_waiting(void **state)
{
    (void)state;
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(put(i, 'a'), STORE_TAKEN);
    expect(0);
    expect(1);
    assert_int_equal(put(6, 'b'), STORE_TAKEN);
    expect(6); /* before all that wait of the other */
    assert_int_equal(put(7, 'b'), STORE_TAKEN);
    assert_int_equal(put(8, 'c'), STORE_TAKEN);
    expect(8);
    expect(2); /* whose last turn is longer ago than that of b */
    expect(7);
    expect(3);
    expect(4);
    expect(5);
}

/* Who asks for one after another does not pass by who waits for its second. */
static void test_turns_are_remembered(void **state)
{
    (void)state;
    assert_int_equal(put(0, 'a'), STORE_TAKEN);
    assert_int_equal(put(1, 'a'), STORE_TAKEN);
    assert_int_equal(put(2, 'b'), STORE_TAKEN);
    expect(0);
    expect(2);
    assert_int_equal(put(3, 'b'), STORE_TAKEN);
    expect(1);
    expect(3);
}

static void test_an_owner_may_have_a_few_waiting(void **state)
{
    (void)state;
    for (size_t i = 0; i < STORE_SLOW_OWNER_MAX; i++)
        assert_int_equal(put(i, 'a'), STORE_TAKEN);
    assert_int_equal(put(STORE_SLOW_OWNER_MAX, 'a'), STORE_OWNER_HAS_ENOUGH);
    assert_int_equal(put(STORE_SLOW_OWNER_MAX, 'b'), STORE_TAKEN);
    expect(0);
    assert_int_equal(put(0, 'a'), STORE_TAKEN);
}

static void test_a_queue_that_some_have_filled_has_room_for_others(void **state)
{
    size_t count = 0;
    uint64_t owner = 0;

    (void)state;
    for (; count < STORE_SLOW_QUEUE_MAX; count++)
        assert_int_equal(put(count, count / (STORE_SLOW_OWNER_MAX / 2)), STORE_TAKEN);
    assert_int_equal(put(count, 0), STORE_QUEUE_FULL);
    for (owner = count / (STORE_SLOW_OWNER_MAX / 2); owner < FAIR_OWNERS_MAX; owner++)
        assert_int_equal(put(count++, owner), STORE_TAKEN);
    assert_int_equal(put(count, owner), STORE_QUEUE_FULL);
    for (size_t left = count; left > 0; left--)
        assert_non_null(fair_queue_take(&queue));
    assert_null(fair_queue_take(&queue));
}

/* However many others come for the first time, who waits for another turn has it. */
static void test_ever_new_owners_do_not_pass_by(void **state)
{
    size_t turns = 0;

    (void)state;
    assert_int_equal(put(0, 1), STORE_TAKEN);
    expect(0);
    assert_int_equal(put(0, 1), STORE_TAKEN);
    for (struct store_command *taken = NULL; taken != &commands[0]; turns++) {
        assert_true(turns <= FAIR_OWNERS_MAX);
        assert_int_equal(put(1, 100 + turns), STORE_TAKEN);
        taken = fair_queue_take(&queue);
    }
}

static void test_what_is_abandoned_makes_room_and_costs_no_turn(void **state)
{
    atomic_bool is_abandoned = true;
    struct command_list abandoned;

    (void)state;
    command_list_init(&abandoned);
    for (size_t i = 0; i < STORE_SLOW_OWNER_MAX; i++) {
        assert_int_equal(put(i, 'a'), STORE_TAKEN);
        commands[i].is_abandoned = i % 2 == 0 ? &is_abandoned : NULL;
    }
    fair_queue_move_abandoned(&queue, &abandoned);
    assert_int_equal(abandoned.count, STORE_SLOW_OWNER_MAX / 2);
    assert_int_equal(queue.count, STORE_SLOW_OWNER_MAX / 2);
    assert_int_equal(put(0, 'a'), STORE_TAKEN);
    for (size_t i = 1; i < STORE_SLOW_OWNER_MAX; i += 2)
        expect(i);
    expect(0);

    assert_int_equal(put(1, 'b'), STORE_TAKEN);
    assert_int_equal(put(2, 'b'), STORE_TAKEN);
    assert_int_equal(put(3, 'a'), STORE_TAKEN);
    commands[1].is_abandoned = &is_abandoned;
    expect(1);
    expect(2);
    expect(3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_an_empty_queue_gives_nothing, set_up),
        cmocka_unit_test_setup(test_who_asks_for_much_keeps_nobody_waiting, set_up),
        cmocka_unit_test_setup(test_turns_are_remembered, set_up),
        cmocka_unit_test_setup(test_an_owner_may_have_a_few_waiting, set_up),
        cmocka_unit_test_setup(test_a_queue_that_some_have_filled_has_room_for_others, set_up),
        cmocka_unit_test_setup(test_ever_new_owners_do_not_pass_by, set_up),
        cmocka_unit_test_setup(test_what_is_abandoned_makes_room_and_costs_no_turn, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
