/* The CSV reader: RFC 4180's examples, what is refused, limits; generated input against a naive reader. */
#include "cmocka_all.h"

#include "import/csv_reader.h"
#include "support/csv_compare.h"

#include <stdlib.h>
#include <string.h>

static void expect_step(const char *input, size_t length, size_t step, const char *expected)
{
    struct buffer dump = {0};

    csv_dump((struct text){input, length}, step, &dump);
    buffer_append_char(&dump, '\0');
    assert_string_equal(dump.data, expected);
    buffer_free(&dump);
}

/* The same whatever the size of the pieces in which the input comes. */
static void expect_rows(const char *input, const char *expected)
{
    for (size_t step = 1; step <= strlen(input) + 1; step++)
        expect_step(input, strlen(input), step, expected);
}

/* RFC 4180, section 2, in the order of its rules. */
static void test_rfc_4180(void **state)
{
    (void)state;
    expect_rows("aaa,bbb,ccc\r\nzzz,yyy,xxx\r\n",
                "1 {aaa,bbb,ccc} [aaa] [bbb] [ccc]\n2 {zzz,yyy,xxx} [zzz] [yyy] [xxx]\nend\n");
    expect_rows("aaa,bbb,ccc\r\nzzz,yyy,xxx",
                "1 {aaa,bbb,ccc} [aaa] [bbb] [ccc]\n2 {zzz,yyy,xxx} [zzz] [yyy] [xxx]\nend\n");
    expect_rows("\"aaa\",\"bbb\",\"ccc\"\r\nzzz,yyy,xxx",
                "1 {\"aaa\",\"bbb\",\"ccc\"} [aaa] [bbb] [ccc]\n2 {zzz,yyy,xxx} [zzz] [yyy] [xxx]\nend\n");
    expect_rows(
        "\"aaa\",\"b\r\nbb\",\"ccc\"\r\nzzz,yyy,xxx",
        "1 {\"aaa\",\"b\r\nbb\",\"ccc\"} [aaa] [b\r\nbb] [ccc]\n3 {zzz,yyy,xxx} [zzz] [yyy] [xxx]\nend\n");
    expect_rows("\"aaa\",\"b\"\"bb\",\"ccc\"", "1 {\"aaa\",\"b\"\"bb\",\"ccc\"} [aaa] [b\"bb] [ccc]\nend\n");
}

static void test_edges(void **state)
{
    (void)state;
    expect_rows("", "end\n");
    expect_rows("\n\r\n\n", "end\n");
    expect_rows("\xef\xbb\xbf", "end\n");
    expect_rows("\xef\xbb\xbf"
                "a\n",
                "1 {a} [a]\nend\n");
    expect_rows("a\n\n\nb\n", "1 {a} [a]\n4 {b} [b]\nend\n");
    expect_rows(",\n", "1 {,} [] []\nend\n");
    expect_rows("\"\"", "1 {\"\"} []\nend\n");
    expect_rows("\"\"\"\"", "1 {\"\"\"\"} [\"]\nend\n");
    expect_rows("\"a\r\n", "1 {\"a} lost\n");
    expect_rows("a\r", "1 {a} [a]\nend\n");
    expect_rows(" a , b \n", "1 { a , b } [ a ] [ b ]\nend\n");
    expect_rows("\xff\xfe", "failed\n");
    expect_step("a\0b,\0\n", 6, 1, "1 {a"); /* ends at the first NUL: the text is compared as a string */
}

static void test_refused_rows(void **state)
{
    (void)state;
    expect_rows("a\"b,c\nd\n", "1 {a\"b,c} refused\n2 {d} [d]\nend\n");
    expect_rows("\"a\"b,c\nd\n", "1 {\"a\"b,c} refused\n2 {d} [d]\nend\n");
    expect_rows("\"a\" ,c\nd\n", "1 {\"a\" ,c} refused\n2 {d} [d]\nend\n");
    expect_rows("a\rb\nd\n", "1 {a\rb} refused\n2 {d} [d]\nend\n");
    expect_rows("a\r\r\nd\n", "1 {a\r} refused\n2 {d} [d]\nend\n");
    expect_rows("d\n\"a\nb", "1 {d} [d]\n2 {\"a\nb} lost\n");
}

/* ---- limits ---- */

static struct buffer repeated(const char *before, char byte, size_t count, const char *after)
{
    struct buffer buffer = {0};

    buffer_append(&buffer, text_from_string(before));
    for (size_t i = 0; i < count; i++)
        buffer_append_char(&buffer, byte);
    buffer_append(&buffer, text_from_string(after));
    return buffer;
}

static void expect_dropped(struct buffer input, const char *expected)
{
    static const size_t steps[] = {1, 4096, 65536, 1000003, SIZE_MAX};

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        expect_step(input.data, input.length, steps[i], expected);
    buffer_free(&input);
}

static void test_a_row_that_is_too_long(void **state)
{
    (void)state;
    expect_dropped(repeated("a\n", 'x', IMPORT_ROW_BYTES_MAX, "\nb\n"),
                   "1 {a} [a]\n2 {} refused\n3 {b} [b]\nend\n");
    expect_dropped(repeated("a\n", 'x', 3 * IMPORT_ROW_BYTES_MAX, "\nb\n"),
                   "1 {a} [a]\n2 {} refused\n3 {b} [b]\nend\n");
    expect_dropped(repeated("a\n\"", 'x', 3 * IMPORT_ROW_BYTES_MAX, "\n\n\",x\nb\n"),
                   "1 {a} [a]\n2 {} refused\n5 {b} [b]\nend\n");
    expect_dropped(repeated("a\n\"", '\n', 3 * IMPORT_ROW_BYTES_MAX, ""), "1 {a} [a]\n2 {} refused\nend\n");
    expect_dropped(repeated("", ',', 3 * IMPORT_ROW_BYTES_MAX, "\nb"), "1 {} refused\n2 {b} [b]\nend\n");
}

static void test_the_longest_row(void **state)
{
    struct buffer input = repeated("", 'x', IMPORT_ROW_BYTES_MAX - 1, "\nb\n"), dump = {0};

    (void)state;
    csv_dump(buffer_text(&input), 100000, &dump);
    assert_int_equal(dump.length, 2 * (IMPORT_ROW_BYTES_MAX - 1) + strlen("1 {} []\n2 {b} [b]\nend\n"));
    buffer_free(&input);
    buffer_free(&dump);
}

static void test_too_many_fields(void **state)
{
    struct buffer input = repeated("", ',', CSV_FIELDS_MAX - 1, "\nb"), dump = {0};

    (void)state;
    csv_dump(buffer_text(&input), 1000, &dump);
    assert_null(memmem(dump.data, dump.length, "refused", 7));
    buffer_free(&input);
    buffer_clear(&dump);
    input = repeated("", ',', CSV_FIELDS_MAX, "\nb");
    csv_dump(buffer_text(&input), 1000, &dump);
    assert_non_null(memmem(dump.data, dump.length, "refused\n2 {b} [b]\n", 18));
    buffer_free(&input);
    buffer_free(&dump);
}

static long fail_later(struct byte_source *source, char *out, size_t capacity)
{
    static const char bytes[] = "a,b\n1,2\n3";

    if (source->failure || capacity < sizeof bytes)
        return -1;
    source->failure = "has broken";
    memcpy(out, bytes, sizeof bytes - 1);
    return sizeof bytes - 1;
}

static void test_half_a_row_is_no_row(void **state)
{
    struct byte_source source = {.read = fail_later};
    struct csv_reader reader;

    (void)state;
    csv_reader_init(&reader, &source);
    assert_int_equal(csv_read(&reader), ROW_FAILED);
    csv_reader_free(&reader);
}

/* ---- generated input ---- */

static void test_generated(void **state)
{
    static const char bytes[] = "\"\"\",,\n\n\rab\"\n,";
    char input[64];

    (void)state;
    srandom(20260102);
    for (unsigned round = 0; round < 20000; round++) {
        size_t length = (size_t)random() % sizeof input;

        for (size_t i = 0; i < length; i++)
            input[i] = bytes[(size_t)random() % (sizeof bytes - 1)];
        if (!csv_agree((struct text){input, length}, 1 + (size_t)random() % sizeof input))
            fail_msg("round %u: %.*s", round, (int)length, input);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc_4180),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_refused_rows),
        cmocka_unit_test(test_a_row_that_is_too_long),
        cmocka_unit_test(test_the_longest_row),
        cmocka_unit_test(test_too_many_fields),
        cmocka_unit_test(test_half_a_row_is_no_row),
        cmocka_unit_test(test_generated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
