/* A set of page numbers is what a plain table of booleans says. */
#include "cmocka_all.h"

#include "store/sqlite/page_set.h"

#include <stdlib.h>

enum { NUMBERS = 3000 };

static void test_empty(void **state)
{
    struct page_set set = {.words = NULL};

    (void)state;
    assert_false(page_set_has(&set, 1));
    assert_false(page_set_has(&set, UINT32_MAX));
    assert_int_equal(page_set_next(&set, 1), 0);
    page_set_free(&set);
}

static void test_first_and_last_of_a_word(void **state)
{
    static const uint32_t numbers[] = {1, 64, 65, 128, 129, 100000};
    struct page_set set = {.words = NULL};

    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        page_set_add(&set, numbers[i]);
    page_set_add(&set, 64);
    assert_int_equal(set.count, sizeof numbers / sizeof *numbers);
    uint32_t found = 0;

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        found = page_set_next(&set, found + 1);
        assert_int_equal(found, numbers[i]);
    }
    assert_int_equal(page_set_next(&set, found + 1), 0);
    assert_false(page_set_has(&set, 2));
    page_set_free(&set);
    assert_int_equal(set.count, 0);
    assert_false(page_set_has(&set, 64));
}

static void test_first_ones(void **state)
{
    struct page_set set = {.words = NULL};

    (void)state;
    page_set_add_first(&set, 0);
    assert_int_equal(set.count, 0);
    page_set_add_first(&set, 130);
    assert_int_equal(set.count, 130);
    assert_int_equal(page_set_next(&set, 1), 1);
    assert_int_equal(page_set_next(&set, 130), 130);
    assert_int_equal(page_set_next(&set, 131), 0);
    page_set_free(&set);
}

static void test_random_ones(void **state)
{
    bool is_there[NUMBERS + 1] = {false};
    struct page_set set = {.words = NULL};
    size_t count = 0;

    (void)state;
    srandom(7);
    for (unsigned i = 0; i < NUMBERS / 2; i++) {
        uint32_t number = (uint32_t)(random() % NUMBERS) + 1;

        count += !is_there[number];
        is_there[number] = true;
        page_set_add(&set, number);
    }
    assert_int_equal(set.count, count);
    for (uint32_t from = 1; from <= NUMBERS; from++) {
        uint32_t next = from;

        while (next <= NUMBERS && !is_there[next])
            next++;
        assert_int_equal(page_set_next(&set, from), next > NUMBERS ? 0 : next);
        assert_int_equal(page_set_has(&set, from), is_there[from]);
    }
    page_set_free(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_first_and_last_of_a_word),
        cmocka_unit_test(test_first_ones),
        cmocka_unit_test(test_random_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
