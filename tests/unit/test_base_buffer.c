#include "cmocka_all.h"

#include "base/buffer.h"

static void test_empty_buffer(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer);
    assert_true(text_is_set(buffer_text(&buffer)));
    assert_text(buffer_text(&buffer), "");
    buffer_append(&buffer, text_none);
    buffer_append(&buffer, text_empty);
    assert_text(buffer_text(&buffer), "");
    buffer_free(&buffer);
    assert_null(buffer.data);
}

static void test_growth_keeps_what_is_there(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer);
    for (int i = 0; i < 100000; i++)
        buffer_append_char(&buffer, (char)('a' + i % 26));
    assert_int_equal(buffer.length, 100000);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(buffer.data[i], 'a' + i % 26);
    buffer_free(&buffer);
}

static void test_reserve(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer);
    buffer_reserve(&buffer, 5000);
    assert_true(buffer.capacity >= 5000);
    const char *data = buffer.data;
    for (int i = 0; i < 500; i++)
        buffer_append(&buffer, TEXT("0123456789"));
    assert_ptr_equal(buffer.data, data);
    buffer_clear(&buffer);
    assert_text(buffer_text(&buffer), "");
    assert_true(buffer.capacity >= 5000);
    buffer_append_bytes(&buffer, "a\0b", 3);
    assert_true(text_equal(buffer_text(&buffer), TEXT("a\0b")));
    buffer_free(&buffer);
}

static void test_format(void **state)
{
    struct buffer buffer;
    char long_string[2000];

    (void)state;
    memset(long_string, 'y', sizeof long_string - 1);
    long_string[sizeof long_string - 1] = '\0';
    buffer_init(&buffer);
    buffer_append(&buffer, TEXT("x="));
    buffer_append_format(&buffer, "%d,%s", -5, "z");
    assert_text(buffer_text(&buffer), "x=-5,z");
    buffer_clear(&buffer);
    buffer_append_format(&buffer, "%s", long_string); /* longer than the first capacity */
    assert_text(buffer_text(&buffer), long_string);
    buffer_free(&buffer);
}

/* What is formatted is ended by a zero byte, for which there may be no room. */
static void test_format_fits_or_the_buffer_grows(void **state)
{
    struct buffer buffer;
    char expected[601] = "";

    (void)state;
    buffer_init(&buffer);
    for (unsigned i = 0; i < sizeof expected - 1; i++) {
        expected[i] = (char)('0' + i % 10);
        buffer_append_format(&buffer, "%u", i % 10);
        assert_text(buffer_text(&buffer), expected);
    }
    buffer_free(&buffer);
}

static void test_numbers(void **state)
{
    static const struct {
        int64_t value;
        const char *text;
    } examples[] = {
        {0, "0"},
        {9, "9"},
        {10, "10"},
        {-1, "-1"},
        {1234567890, "1234567890"},
        {INT64_MAX, "9223372036854775807"},
        {-10, "-10"},
        {INT64_MIN, "-9223372036854775808"},
    };
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer);
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        buffer_clear(&buffer);
        buffer_append_int64(&buffer, examples[i].value);
        assert_text(buffer_text(&buffer), examples[i].text);
    }
    buffer_clear(&buffer);
    buffer_append_uint64(&buffer, UINT64_MAX);
    assert_text(buffer_text(&buffer), "18446744073709551615");
    buffer_free(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_buffer),
        cmocka_unit_test(test_growth_keeps_what_is_there),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_format_fits_or_the_buffer_grows),
        cmocka_unit_test(test_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
