/* The table of prepared statements: found by key, the oldest varying one gives way. */
#include "cmocka_all.h"

#include "store/statement_table.h"

#include <stdlib.h>

struct statement {
    int number;
};

static unsigned freed;

static void free_statement(struct statement *statement)
{
    free(statement);
    freed++;
}

static struct statement *new_statement(int number)
{
    struct statement *statement = malloc(sizeof *statement);

    assert_non_null(statement);
    statement->number = number;
    return statement;
}

/* As many as make the table grow several times. */
static void test_fixed_statements_stay(void **state)
{
    enum { COUNT = 1000 };
    struct statement_table table = {0};

    (void)state;
    freed = 0;
    assert_null(statement_table_find(&table, 1));
    for (int i = 0; i < COUNT; i++)
        assert_null(statement_table_add(&table, (uint64_t)i * 64, STATEMENT_FIXED, new_statement(i)));
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(statement_table_find(&table, (uint64_t)i * 64)->number, i);
    assert_null(statement_table_find(&table, 1));
    statement_table_clear(&table, free_statement);
    assert_int_equal(freed, COUNT);
    assert_null(statement_table_find(&table, 0));
}

static void test_the_oldest_varying_one_gives_way(void **state)
{
    enum { MORE = 10, FIXED_KEY = 1000000 };
    struct statement_table table = {0};

    (void)state;
    statement_table_add(&table, FIXED_KEY, STATEMENT_FIXED, new_statement(-1));
    for (int i = 0; i < CONNECTION_VARYING_MAX + MORE; i++) {
        struct statement *forgotten =
            statement_table_add(&table, (uint64_t)i + 1, STATEMENT_VARYING, new_statement(i));

        assert_int_equal(forgotten ? forgotten->number : -1,
                         i < CONNECTION_VARYING_MAX ? -1 : i - CONNECTION_VARYING_MAX);
        free(forgotten);
    }
    assert_null(statement_table_find(&table, MORE));
    assert_int_equal(statement_table_find(&table, MORE + 1)->number, MORE);
    assert_int_equal(statement_table_find(&table, FIXED_KEY)->number, -1);
    statement_table_clear(&table, free_statement);
}

/* Thousands of sets of columns that are changed together: the table stays as large as it was, and whoever
 * needs a fixed statement finds it. */
static void test_thousands_of_varying_ones_take_no_room(void **state)
{
    enum { MANY = 20000, FIXED = 40, FIXED_KEYS = 1000000 };
    struct statement_table table = {0};
    size_t slots = 0;

    (void)state;
    freed = 0;
    for (int i = 0; i < FIXED; i++)
        statement_table_add(&table, FIXED_KEYS + (uint64_t)i, STATEMENT_FIXED, new_statement(i));
    for (int i = 0; i < MANY; i++) {
        struct statement *forgotten =
            statement_table_add(&table, (uint64_t)i + 1, STATEMENT_VARYING, new_statement(i));

        if (forgotten)
            free_statement(forgotten);
        assert_true(table.slots_used <= FIXED + CONNECTION_VARYING_MAX);
        if (i == CONNECTION_VARYING_MAX)
            slots = table.slot_count;
    }
    assert_int_equal(table.slot_count, slots);
    assert_int_equal(freed, MANY - CONNECTION_VARYING_MAX);
    for (int i = 0; i < FIXED; i++)
        assert_int_equal(statement_table_find(&table, FIXED_KEYS + (uint64_t)i)->number, i);
    for (int i = 0; i < CONNECTION_VARYING_MAX; i++)
        assert_int_equal(statement_table_find(&table, MANY - (uint64_t)i)->number, MANY - i - 1);
    statement_table_clear(&table, free_statement);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed_statements_stay),
        cmocka_unit_test(test_the_oldest_varying_one_gives_way),
        cmocka_unit_test(test_thousands_of_varying_ones_take_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
