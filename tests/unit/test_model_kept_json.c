#include "cmocka_all.h"

#include "base/arena.h"
#include "model/kept_json.h"

#include <string.h>

static void test_bytes_of_a_number_without_its_exponent(void **state)
{
    (void)state;
    static const struct {
        const char *number;
        size_t bytes;
    } cases[] = {
        {"0", 1},
        {"-1", 2},
        {"1.5", 3},
        {"1e3", 4},
        {"1E+3", 4},
        {"-1.25e1", 5},
        {"1.25e2", 3},
        {"1.25e5", 6},
        {"1e-3", 5},
        {"12.5e-3", 6},
        {"1e308", 309},
        {"5e-324", 326},
        {"1e131071", 131072},
        {"1e-20000", 20002},
        {"0e999999999999999999999999", 1000000001},
        {"1e-99999999999999999999", 1000000002},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t bytes = kept_json_number_bytes(text_from_string(cases[i].number));

        if (bytes != cases[i].bytes)
            fail_msg("%s: %zu bytes, not %zu", cases[i].number, bytes, cases[i].bytes);
    }
}

static const char *reason_of(const char *json)
{
    struct arena arena;
    struct json_error error;

    arena_init(&arena);
    const struct json_value *value = json_read(&arena, text_from_string(json), &error);

    assert_non_null(value);
    const char *reason = kept_json_reason(value, strlen(json));

    arena_free(&arena);
    return reason;
}

static void test_what_can_be_kept(void **state)
{
    (void)state;
    assert_null(reason_of("{}"));
    assert_null(reason_of("{\"n\":[1,-2.5e3,1e308,5e-324,{\"m\":0.1}],\"s\":\"1e131071\"}"));
    assert_string_equal(reason_of("{\"n\":1e1000}"),
                        "has a number of more than 1000 digits, its exponent written out");
    assert_string_equal(reason_of("{\"n\":[{\"m\":1e-2000}]}"),
                        "has a number of more than 1000 digits, its exponent written out");
}

/* What is short as it was sent. */
static void test_numbers_count_as_if_they_were_written_out(void **state)
{
    (void)state;
    enum { NUMBERS = 300 };
    static const char number[] = "1e300,";
    char json[sizeof number * NUMBERS + 4] = "[";

    for (unsigned i = 0; i < 200; i++)
        strcat(json, number);
    strcat(json, "1]");
    assert_null(reason_of(json));
    json[strlen(json) - 2] = '\0';
    for (unsigned i = 200; i < NUMBERS; i++)
        strcat(json, number);
    strcat(json, "1]");
    assert_string_equal(reason_of(json),
                        "must be at most 65536 bytes long in all, its numbers without exponents");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_of_a_number_without_its_exponent),
        cmocka_unit_test(test_what_can_be_kept),
        cmocka_unit_test(test_numbers_count_as_if_they_were_written_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
