#include "cmocka_all.h"

static void test_text_from_string(void **state)
{
    (void)state;
    assert_false(text_is_set(text_from_string(NULL)));
    assert_true(text_is_set(text_from_string("")));
    assert_int_equal(text_from_string("").length, 0);
    assert_int_equal(text_from_string("abc").length, 3);
    assert_false(text_is_set(text_none));
    assert_true(text_is_set(text_empty));
}

static void test_equality(void **state)
{
    (void)state;
    assert_true(text_equal(TEXT("abc"), TEXT("abc")));
    assert_true(text_equal(text_none, text_empty));
    assert_true(text_equal(TEXT("a\0b"), TEXT("a\0b")));
    assert_false(text_equal(TEXT("a\0b"), TEXT("a\0c")));
    assert_false(text_equal(TEXT("abc"), TEXT("abd")));
    assert_false(text_equal(TEXT("abc"), TEXT("ab")));
    assert_false(text_equal(TEXT("abc"), TEXT("ABC")));
}

static void test_equality_ignoring_case(void **state)
{
    (void)state;
    assert_true(text_equal_ignoring_case(TEXT("Content-Length"), TEXT("cONTENT-lENGTH")));
    assert_true(text_equal_ignoring_case(text_none, text_empty));
    assert_false(text_equal_ignoring_case(TEXT("abc"), TEXT("abcd")));
    /* Only letters have a case: '@' and '`', '[' and '{' differ by the same bit. */
    assert_false(text_equal_ignoring_case(TEXT("@"), TEXT("`")));
    assert_false(text_equal_ignoring_case(TEXT("["), TEXT("{")));
    assert_false(text_equal_ignoring_case(TEXT("\xc3\x84"), TEXT("\xc3\xa4")));
}

static void test_order(void **state)
{
    (void)state;
    assert_int_equal(text_compare(TEXT("abc"), TEXT("abc")), 0);
    assert_int_equal(text_compare(text_none, text_empty), 0);
    assert_true(text_compare(TEXT("ab"), TEXT("abc")) < 0);
    assert_true(text_compare(TEXT("abc"), TEXT("ab")) > 0);
    assert_true(text_compare(TEXT("b"), TEXT("abc")) > 0);
    assert_true(text_compare(text_empty, TEXT("a")) < 0);
    assert_true(text_compare(TEXT("\x7f"), TEXT("\x80")) < 0); /* bytes are unsigned */
}

static void test_start_and_end(void **state)
{
    (void)state;
    assert_true(text_starts_with(TEXT("cust_1"), TEXT("cust_")));
    assert_true(text_starts_with(TEXT("cust_1"), text_empty));
    assert_true(text_starts_with(text_none, text_empty));
    assert_false(text_starts_with(TEXT("cust"), TEXT("cust_")));
    assert_false(text_starts_with(TEXT("xcust_"), TEXT("cust_")));
    assert_true(text_ends_with(TEXT("a.json"), TEXT(".json")));
    assert_true(text_ends_with(TEXT("a"), text_empty));
    assert_false(text_ends_with(TEXT("json"), TEXT(".json")));
    assert_false(text_ends_with(TEXT("a.jsonx"), TEXT(".json")));
}

static void test_parts(void **state)
{
    (void)state;
    assert_text(text_from(TEXT("abc"), 0), "abc");
    assert_text(text_from(TEXT("abc"), 2), "c");
    assert_text(text_from(TEXT("abc"), 3), "");
    assert_text(text_from(TEXT("abc"), 4), "");
    assert_false(text_is_set(text_from(text_none, 5)));
    assert_text(text_slice(TEXT("abcdef"), 2, 3), "cde");
    assert_text(text_slice(TEXT("abc"), 3, 0), "");
    assert_false(text_is_set(text_slice(text_none, 0, 0)));
}

static void test_find(void **state)
{
    (void)state;
    assert_int_equal(text_find(TEXT("a=b=c"), '='), 1);
    assert_int_equal(text_find(TEXT("abc"), '='), 3);
    assert_int_equal(text_find(text_empty, '='), 0);
    assert_int_equal(text_find(text_none, '='), 0);
    /* The terminator of the string is not part of the text. */
    assert_int_equal(text_find(TEXT("abc"), '\0'), 3);
}

static void test_trim(void **state)
{
    (void)state;
    assert_text(text_trim(TEXT("  \t a b \t")), "a b");
    assert_text(text_trim(TEXT("a")), "a");
    assert_text(text_trim(TEXT(" \t ")), "");
    assert_text(text_trim(text_empty), "");
    assert_text(text_trim(TEXT("\na\r")), "\na\r");
    assert_false(text_is_set(text_trim(text_none)));
}

static void test_to_uint64(void **state)
{
    static const char *const wrong[] = {"",
                                        "-1",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "1.0",
                                        "0x1",
                                        "a",
                                        "1e3",
                                        "18446744073709551616",
                                        "18446744073709551620",
                                        "99999999999999999999",
                                        "184467440737095516150"};
    uint64_t value = 7;

    (void)state;
    assert_true(text_to_uint64(TEXT("0"), &value));
    assert_true(value == 0);
    assert_true(text_to_uint64(TEXT("00042"), &value));
    assert_true(value == 42);
    assert_true(text_to_uint64(TEXT("18446744073709551615"), &value));
    assert_true(value == UINT64_MAX);
    value = 7;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(text_to_uint64(text_from_string(wrong[i]), &value));
    assert_false(text_to_uint64(text_none, &value));
    assert_true(value == 7); /* untouched by a refusal */
}

static void test_to_int64(void **state)
{
    static const char *const wrong[] = {
        "", "-", "--1", "+1", "1.0", "-9223372036854775808", "9223372036854775808"};
    int64_t value;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(text_to_int64(text_from_string(wrong[i]), &value));
    assert_true(text_to_int64(TEXT("-0"), &value) && value == 0);
    assert_true(text_to_int64(TEXT("-42"), &value) && value == -42);
    assert_true(text_to_int64(TEXT("9223372036854775807"), &value) && value == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_from_string),
        cmocka_unit_test(test_equality),
        cmocka_unit_test(test_equality_ignoring_case),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_start_and_end),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_to_uint64),
        cmocka_unit_test(test_to_int64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
