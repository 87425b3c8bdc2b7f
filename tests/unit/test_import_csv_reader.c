/* The CSV reader: RFC 4180's examples, what is refused, limits; generated input against a naive reader. */
#include "cmocka_all.h"

#include "import/csv_reader.h"
#include "support/csv_compare.h"

#include <stdlib.h>
#include <string.h>

struct string_source {
    struct byte_source bytes;
    struct text rest;
};

static long read_string(struct byte_source *bytes, char *out, size_t capacity)
{
    struct string_source *source = (struct string_source *)bytes;

    if (source->rest.length == 0 || capacity == 0)
        return 0;
    *out = source->rest.data[0];
    source->rest = text_from(source->rest, 1);
    return 1;
}

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

/* `expected` with the beginning of the row for its %s: what of the input follows its first line, if any. */
static void expect_dropped(const char *before, char byte, size_t count, const char *after,
                           const char *expected)
{
    static const size_t steps[] = {1, 4096, 65536, 1000003, SIZE_MAX};
    struct buffer input = repeated(before, byte, count, after), filled = {0};
    size_t mark = (size_t)(strstr(expected, "%s") - expected);

    buffer_append_bytes(&filled, expected, mark);
    buffer_append_bytes(&filled, input.data + (before[0] ? strlen("a\n") : 0), IMPORT_ROW_BEGINNING_BYTES);
    buffer_append_bytes(&filled, expected + mark + 2, strlen(expected + mark + 2) + 1);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        expect_step(input.data, input.length, steps[i], filled.data);
    buffer_free(&input);
    buffer_free(&filled);
}

static void test_a_row_that_is_too_long(void **state)
{
    (void)state;
    expect_dropped("a\n", 'x', IMPORT_ROW_BYTES_MAX, "\nb\n", "1 {a} [a]\n2 {%s} refused\n3 {b} [b]\nend\n");
    expect_dropped("a\n", 'x', 3 * IMPORT_ROW_BYTES_MAX, "\nb\n",
                   "1 {a} [a]\n2 {%s} refused\n3 {b} [b]\nend\n");
    expect_dropped("", ',', 3 * IMPORT_ROW_BYTES_MAX, "\nb", "1 {%s} refused\n2 {b} [b]\nend\n");
}

/* Behind a quote that stays open, nothing is a row for certain. */
static void test_a_quote_that_stays_open(void **state)
{
    (void)state;
    expect_dropped("a\n\"", 'x', IMPORT_ROW_BYTES_MAX, "\"\nb\n", "1 {a} [a]\n2 {%s} lost\n");
    expect_dropped("a\n\"", 'x', 3 * IMPORT_ROW_BYTES_MAX, "\n\n\",x\nb\n", "1 {a} [a]\n2 {%s} lost\n");
    for (size_t lines = CSV_QUOTED_LINES_MAX; lines <= CSV_QUOTED_LINES_MAX + 1; lines++) {
        struct buffer input = repeated("\"a\nb\",\"", '\n', lines, "\"\nb\n"), dump = {0};
        bool is_lost = lines > CSV_QUOTED_LINES_MAX;

        assert_true(csv_agree(buffer_text(&input), 1000));
        csv_dump(buffer_text(&input), 1000, &dump);
        assert_int_equal(text_ends_with(buffer_text(&dump), TEXT("} lost\n")), is_lost);
        assert_int_equal(text_ends_with(buffer_text(&dump), TEXT("\n1003 {b} [b]\nend\n")), !is_lost);
        buffer_free(&input);
        buffer_free(&dump);
    }
}

/* ---- the header ---- */

static long read_zeros(struct byte_source *bytes, char *out, size_t capacity)
{
    (void)bytes;
    memset(out, 0, capacity);
    return (long)capacity;
}

static void test_a_header_without_end_is_lost(void **state)
{
    struct byte_source source = {.read = read_zeros};
    struct csv_reader reader;

    (void)state;
    csv_reader_init(&reader, &source);
    assert_int_equal(csv_read_header(&reader), ROW_LOST);
    assert_string_equal(reader.reason, "is longer than 262144 bytes");
    csv_reader_free(&reader);
}

/* ---- separators ---- */

static char separator_of(const char *input)
{
    struct buffer rest = {0};
    struct csv_reader reader;

    buffer_append(&rest, text_from_string(input));
    struct string_source source = {.bytes.read = read_string, .rest = buffer_text(&rest)};

    csv_reader_init(&reader, &source.bytes);
    csv_read_header(&reader);
    char separator = reader.separator;

    csv_reader_free(&reader);
    buffer_free(&rest);
    return separator;
}

static void test_separators(void **state)
{
    (void)state;
    assert_int_equal(separator_of(""), ',');
    assert_int_equal(separator_of("external_id\n1;2\n"), ',');
    assert_int_equal(separator_of("external_id,name\n1;2;3\n"), ',');
    assert_int_equal(separator_of("external_id;name\n1,2,3\n"), ';');
    assert_int_equal(separator_of("external_id\tname"), '\t');
    assert_int_equal(separator_of("\xef\xbb\xbf\"a,b,\n,c\";name\r\n"), ';');
    assert_int_equal(separator_of("a;b,c\n"), ',');
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
        cmocka_unit_test(test_a_quote_that_stays_open),
        cmocka_unit_test(test_a_header_without_end_is_lost),
        cmocka_unit_test(test_separators),
        cmocka_unit_test(test_the_longest_row),
        cmocka_unit_test(test_too_many_fields),
        cmocka_unit_test(test_half_a_row_is_no_row),
        cmocka_unit_test(test_generated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
