/* Lines, column maps and rows as JSON. What the command makes of them is in tests/api/test_import.py. */
#include "cmocka_all.h"

#include "import/line_reader.h"
#include "import/row_json.h"
#include "json/reader.h"

#include <string.h>

static const struct text fields[] = {
    TEXT_LITERAL("external_id"), TEXT_LITERAL("name"), TEXT_LITERAL("email"), {NULL, 0}};

static struct arena arena;

static int empty_arena(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* ---- lines ---- */

struct memory_source {
    struct byte_source bytes;
    const char *rest;
    size_t step;
};

static long read_memory(struct byte_source *source, char *out, size_t capacity)
{
    struct memory_source *memory = (struct memory_source *)source;
    size_t length = strnlen(memory->rest, memory->step < capacity ? memory->step : capacity);

    memcpy(out, memory->rest, length);
    memory->rest += length;
    return (long)length;
}

static void expect_lines(const char *input, const char *expected)
{
    for (size_t step = 1; step <= strlen(input) + 1; step++) {
        struct memory_source memory = {.bytes.read = read_memory, .rest = input, .step = step};
        struct line_reader reader;
        struct buffer dump = {0};

        line_reader_init(&reader, &memory.bytes);
        while (line_read(&reader) == ROW_READ)
            buffer_append_format(&dump, "%llu:%.*s;", (unsigned long long)reader.line,
                                 TEXT_FORMAT(reader.raw));
        buffer_append_char(&dump, '\0');
        assert_string_equal(dump.data, expected);
        buffer_free(&dump);
        line_reader_free(&reader);
    }
}

static void test_lines(void **state)
{
    (void)state;
    expect_lines("", "");
    expect_lines("{}\r\n\n \t\r\n[]", "1:{};4:[];");
    expect_lines("\xef\xbb\xbf{}\n", "1:{};");
    expect_lines("a\n\nb\n", "1:a;3:b;");
}

static void test_a_line_that_is_too_long(void **state)
{
    struct buffer input = {0};

    (void)state;
    buffer_append(&input, TEXT("a\n"));
    for (size_t i = 0; i < 3 * (size_t)IMPORT_ROW_BYTES_MAX; i++)
        buffer_append_char(&input, 'x');
    buffer_append_bytes(&input, "\nb", 3); /* with its NUL */
    struct memory_source memory = {.bytes.read = read_memory, .rest = input.data, .step = 100000};
    struct line_reader reader;

    line_reader_init(&reader, &memory.bytes);
    assert_int_equal(line_read(&reader), ROW_READ);
    assert_int_equal(line_read(&reader), ROW_REFUSED);
    assert_int_equal(reader.line, 2);
    assert_int_equal(reader.raw.length, IMPORT_ROW_BEGINNING_BYTES);
    assert_int_equal(reader.raw.data[0], 'x');
    assert_int_equal(line_read(&reader), ROW_READ);
    assert_int_equal(reader.line, 3);
    assert_int_equal(line_read(&reader), ROW_END);
    line_reader_free(&reader);
    buffer_free(&input);
}

/* ---- maps ---- */

static size_t split(const char *line, struct text *parts)
{
    struct text rest = text_from_string(line);
    size_t count = 0;

    for (;;) {
        size_t end = text_find(rest, ',');

        parts[count++] = text_slice(rest, 0, end);
        if (end == rest.length)
            return count;
        rest = text_from(rest, end + 1);
    }
}

/* The JSON of one row; "refused: FIELD REASON" when it is refused; what is wrong when the map cannot be
 * bound. */
static struct text map_row(const char *rules, const char *header, const char *row, bool keeps_unmapped)
{
    struct text names[16], values[16], reason;
    struct column_map map;
    struct row_refusal refusal;
    struct buffer buffer = {0};

    column_map_init(&map, fields, &arena);
    map.keeps_unmapped = keeps_unmapped;
    if (rules && !column_map_add(&map, text_from_string(rules), &reason))
        return reason;
    if (!column_map_bind(&map, names, split(header, names), &reason))
        return reason;
    if (!row_json_write(&map, values, split(row, values), &buffer, &refusal)) {
        buffer_clear(&buffer);
        buffer_append_format(&buffer, "refused: %.*s %s", TEXT_FORMAT(refusal.field), refusal.reason);
    }
    struct text json = arena_copy(&arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return json;
}

static void expect_text(struct text text, const char *expected)
{
    assert_string_equal(arena_string(&arena, text), expected);
}

static void test_columns_by_their_own_names(void **state)
{
    (void)state;
    expect_text(map_row(NULL, "external_id,Name,metadata.Tier,other", "a,A \"b\",gold,x", false),
                "{\"external_id\":\"a\",\"name\":\"A \\\"b\\\"\",\"metadata\":{\"Tier\":\"gold\"}}");
    expect_text(map_row(NULL, "external_id,name,other", "a,,x", true),
                "{\"external_id\":\"a\",\"metadata\":{\"other\":\"x\"}}");
    expect_text(map_row(NULL, "metadata.a,external_id,metadata.b", "1,x,2", false),
                "{\"external_id\":\"x\",\"metadata\":{\"a\":\"1\",\"b\":\"2\"}}");
    expect_text(map_row(NULL, "external_id,name", "a", false), "refused:  has fewer fields than the header");
    expect_text(map_row(NULL, "external_id,name", "a,\xff", false), "refused: name is not UTF-8");
}

static void test_rules(void **state)
{
    (void)state;
    expect_text(map_row("external_id=id,name=A+B,name=id", "ID,a,b", "1,,x", false),
                "{\"external_id\":\"1\",\"name\":\"x\"}");
    expect_text(map_row("external_id=id,name=A+B,name=id", "ID,a,b", "1,,", false),
                "{\"external_id\":\"1\",\"name\":\"1\"}");
    expect_text(map_row("external_id=id,name=A+B", "id,A+B,A,B", "1,whole,x,y", false),
                "{\"external_id\":\"1\",\"name\":\"whole\"}");
    expect_text(map_row("external_id=ref", "external_id,ref", "1,2", false), "{\"external_id\":\"2\"}");
    expect_text(map_row("metadata.x=external_id,external_id=external_id", "external_id", "1", false),
                "{\"external_id\":\"1\",\"metadata\":{\"x\":\"1\"}}");
    expect_text(map_row("name=x", "external_id", "1", false), "has no column \"x\"; it has external_id");
    expect_text(map_row("status=x", "external_id", "1", false),
                "--map names \"status\", which is not a field of a customer");
}

static struct text rename_row(const char *rules, const char *line)
{
    struct column_map map;
    struct text reason;
    struct row_refusal refusal;
    struct buffer buffer = {0};

    column_map_init(&map, fields, &arena);
    assert_true(column_map_add(&map, text_from_string(rules), &reason));
    column_map_bind_names(&map);
    if (!row_json_rename(&map, text_from_string(line), &arena, &buffer, &refusal)) {
        buffer_clear(&buffer);
        buffer_append(&buffer, text_from_string(refusal.reason));
    }
    struct text json = arena_copy(&arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return json;
}

static void test_json_members_renamed(void **state)
{
    static const char rules[] = "external_id=id,name=a+b,metadata.t=tier";

    (void)state;
    expect_text(
        rename_row(rules, "{\"id\":7,\"a\":\"A\",\"b\":\"B\",\"tier\":\"g\",\"email\":null,\"x\":[1, 2]}"),
        "{\"external_id\":7,\"name\":\"A B\",\"email\":null,\"x\":[1, 2],\"metadata\":{\"t\":\"g\"}}");
    expect_text(
        rename_row(
            rules,
            "{\"id\":\"1\",\"external_id\":\"old\",\"metadata\":{\"own\":\"1\",\"t\":\"0\"},\"tier\":\"g\"}"),
        "{\"external_id\":\"1\",\"metadata\":{\"own\":\"1\",\"t\":\"0\",\"t\":\"g\"}}");
    expect_text(rename_row(rules, "{\"id\":\"1\",\"metadata\":\"no object\"}"),
                "{\"external_id\":\"1\",\"metadata\":\"no object\"}");
    expect_text(rename_row(rules, "{\"id\":\"\"}"), "{}");
    expect_text(rename_row(rules, "[]"), "is not a JSON object");
    expect_text(rename_row(rules, "{"), "is not valid JSON");
}

static struct text rejected_row(const char *line)
{
    struct buffer buffer = {0};

    row_json_write_rejected(text_from_string(line), 7, TEXT("email"), TEXT("is \"bad\""), &arena, &buffer);
    struct text json = arena_copy(&arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return json;
}

static void test_rejected_rows(void **state)
{
#define REJECTED "{\"rejected\":{\"line\":7,\"field\":\"email\",\"reason\":\"is \\\"bad\\\"\""

    (void)state;
    expect_text(rejected_row("{\"a\": 1.50, \"b\": {\"c\": []}, \"d\": \"\\n\"}"),
                REJECTED "},\"a\":1.50,\"b\":{\"c\": []},\"d\":\"\\n\"}\n");
    expect_text(rejected_row("{\"rejected\":{\"line\":1},\"a\":null}"), REJECTED "},\"a\":null}\n");
    expect_text(rejected_row("{}"), REJECTED "}}\n");
    expect_text(rejected_row("[1]"), REJECTED ",\"row\":\"[1]\"}}\n");
    expect_text(rejected_row("{\"a\":\"\xff\xc3\"}"),
                REJECTED ",\"row\":\"{\\\"a\\\":\\\"\xef\xbf\xbd\xef\xbf\xbd\\\"}\"}}\n");
}

static void test_members_that_go_nowhere(void **state)
{
    static const char line[] =
        "{\"id\":1,\"a\":1,\"b\":1,\"x\":1,\"x\":2,\"name\":1,\"rejected\":1,\"y\":{\"z\":1}}";
    struct unknown_members unknown = {.known = fields, .arena = &arena};
    struct column_map map;
    struct json_error error;
    struct text reason;

    (void)state;
    column_map_init(&map, fields, &arena);
    assert_true(column_map_add(&map, TEXT("external_id=id,name=a+b"), &reason));
    column_map_bind_names(&map);
    expect_text(unknown_members_list(&unknown), "");
    for (int i = 0; i < 2; i++)
        unknown_members_note(&unknown, &map, json_read(&arena, text_from_string(line), &error));
    expect_text(unknown_members_list(&unknown), "x, y");
}

static void test_presets(void **state)
{
    struct column_map map;

    (void)state;
    column_map_init(&map, fields, &arena);
    assert_true(column_map_add_preset(&map, TEXT("stripe")));
    assert_true(column_map_add_preset(&map, TEXT("chargebee")));
    assert_false(column_map_add_preset(&map, TEXT("Stripe")));
    expect_text(column_map_presets(&arena), "stripe, chargebee");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_a_line_that_is_too_long),
        cmocka_unit_test_teardown(test_columns_by_their_own_names, empty_arena),
        cmocka_unit_test_teardown(test_rules, empty_arena),
        cmocka_unit_test_teardown(test_json_members_renamed, empty_arena),
        cmocka_unit_test_teardown(test_rejected_rows, empty_arena),
        cmocka_unit_test_teardown(test_members_that_go_nowhere, empty_arena),
        cmocka_unit_test_teardown(test_presets, empty_arena),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
