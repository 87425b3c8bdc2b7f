/* The JSON reader: what it gives, what it refuses and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "json/reader.h"

#include <stdlib.h>
#include <string.h>

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static const struct json_value *read_good(struct text source)
{
    struct json_error error = {0};
    const struct json_value *root = json_read(&arena, source, &error);

    if (!root)
        fail_msg("%.*s: %s at %zu", TEXT_FORMAT(source), error.reason, error.offset);
    return root;
}

static void assert_text(struct text text, struct text expected)
{
    if (!text_equal(text, expected))
        fail_msg("\"%.*s\" instead of \"%.*s\"", TEXT_FORMAT(text), TEXT_FORMAT(expected));
}

static void assert_string(const struct json_value *value, struct text expected)
{
    assert_non_null(value);
    assert_int_equal(value->type, JSON_STRING);
    assert_text(value->text, expected);
}

static void assert_number(const struct json_value *value, struct text expected)
{
    assert_non_null(value);
    assert_int_equal(value->type, JSON_NUMBER);
    assert_text(value->text, expected);
}

/* Reads a copy that ends where its memory ends, so that the sanitizer sees a read beyond it. */
static void assert_refused(struct text source, size_t offset, const char *reason)
{
    char *copy = malloc(source.length ? source.length : 1);
    struct json_error error = {0};

    assert_non_null(copy);
    if (source.length)
        memcpy(copy, source.data, source.length);
    const struct json_value *root = json_read(&arena, (struct text){copy, source.length}, &error);

    free(copy);
    if (root)
        fail_msg("accepted: %.*s", TEXT_FORMAT(source));
    if (error.offset != offset || strcmp(error.reason, reason) != 0)
        fail_msg("%.*s: \"%s\" at %zu instead of \"%s\" at %zu", TEXT_FORMAT(source), error.reason,
                 error.offset, reason, offset);
}

#define REFUSED(literal, offset, reason) assert_refused(TEXT(literal), offset, reason)

/* RFC 8259 section 13, the first example. */
static void reads_the_image_example(void **state)
{
    (void)state;
    const struct json_value *root =
        read_good(TEXT("{\n"
                       "  \"Image\": {\n"
                       "      \"Width\":  800,\n"
                       "      \"Height\": 600,\n"
                       "      \"Title\":  \"View from 15th Floor\",\n"
                       "      \"Thumbnail\": {\n"
                       "          \"Url\": \"http://www.example.com/image/481989943\",\n"
                       "          \"Height\": 125,\n"
                       "          \"Width\":  100\n"
                       "      },\n"
                       "      \"Animated\" : false,\n"
                       "      \"IDs\": [116, 943, 234, 38793]\n"
                       "    }\n"
                       "}\n"));
    const struct json_value *image = json_member(root, TEXT("Image"));

    assert_int_equal(root->type, JSON_OBJECT);
    assert_int_equal(root->count, 1);
    assert_int_equal(image->count, 6);
    assert_number(json_member(image, TEXT("Width")), TEXT("800"));
    assert_string(json_member(image, TEXT("Title")), TEXT("View from 15th Floor"));
    const struct json_value *thumbnail = json_member(image, TEXT("Thumbnail"));

    assert_int_equal(thumbnail->next, 7);
    assert_number(json_member(thumbnail, TEXT("Width")), TEXT("100"));
    assert_int_equal(json_member(image, TEXT("Animated"))->type, JSON_FALSE);
    const struct json_value *ids = json_member(image, TEXT("IDs"));

    assert_int_equal(ids->type, JSON_ARRAY);
    assert_int_equal(ids->count, 4);
    assert_int_equal(ids->next, 5);
    assert_text(ids->text, TEXT("[116, 943, 234, 38793]"));
    assert_number(json_next(json_first(ids)), TEXT("943"));
}

/* The second example and the three texts that are a single value. */
static void reads_the_other_examples(void **state)
{
    (void)state;
    const struct json_value *root =
        read_good(TEXT("[{\"precision\": \"zip\", \"Latitude\":  37.7668, \"Longitude\": -122.3959,"
                       "\"Address\": \"\", \"City\": \"SAN FRANCISCO\", \"Country\": \"US\"},\r\n"
                       "{\"precision\": \"zip\", \"Latitude\":  37.371991, \"Longitude\": -122.026020}]"));
    const struct json_value *first = json_first(root), *second = json_next(first);

    assert_int_equal(root->count, 2);
    assert_number(json_member(first, TEXT("Longitude")), TEXT("-122.3959"));
    assert_string(json_member(first, TEXT("Address")), text_empty);
    assert_number(json_member(second, TEXT("Longitude")), TEXT("-122.026020"));
    assert_string(read_good(TEXT("\"Hello world!\"")), TEXT("Hello world!"));
    assert_number(read_good(TEXT("42")), TEXT("42"));
    assert_int_equal(read_good(TEXT(" \t\r\ntrue\t\n\r "))->type, JSON_TRUE);
    assert_text(read_good(TEXT(" null "))->text, TEXT("null"));
}

static void numbers_keep_their_digits(void **state)
{
    static const struct text numbers[] = {
        TEXT_LITERAL("0"),
        TEXT_LITERAL("-0"),
        TEXT_LITERAL("1.10"),
        TEXT_LITERAL("1e3"),
        TEXT_LITERAL("1E+3"),
        TEXT_LITERAL("-12.50e-07"),
        TEXT_LITERAL("0.1"),
        TEXT_LITERAL("0e0"),
        TEXT_LITERAL("123456789012345678901234567890"),
        TEXT_LITERAL("0.000000000000000000000000000001"),
        TEXT_LITERAL("1e999999999"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        assert_number(read_good(numbers[i]), numbers[i]);
        assert_number(json_first(read_good(arena_format(&arena, "[%s ]", numbers[i].data))), numbers[i]);
    }
}

static void empty_containers(void **state)
{
    (void)state;
    const struct json_value *root = read_good(TEXT("{\"a\":[],\"b\":{ },\"c\":[[],[ ]]}"));
    const struct json_value *array = json_member(root, TEXT("a")), *object = json_member(root, TEXT("b"));

    assert_int_equal(array->type, JSON_ARRAY);
    assert_int_equal(array->count, 0);
    assert_int_equal(array->next, 1);
    assert_int_equal(object->type, JSON_OBJECT);
    assert_int_equal(object->count, 0);
    assert_int_equal(object->next, 1);
    assert_int_equal(json_member(root, TEXT("c"))->next, 3);
    assert_int_equal(root->next, 9);
    assert_null(json_member(object, TEXT("a")));
}

static void the_last_of_equal_keys_wins(void **state)
{
    (void)state;
    const struct json_value *root = read_good(TEXT("{\"a\":1,\"b\":2,\"\\u0061\":{\"a\":4},\"A\":5}"));

    assert_int_equal(root->count, 4);
    assert_text(json_member(root, TEXT("a"))->text, TEXT("{\"a\":4}"));
    assert_string(json_first(root), TEXT("a"));
    assert_number(json_next(json_first(root)), TEXT("1"));
    assert_null(json_member(root, TEXT("c")));
    assert_null(json_member(root, text_empty));
    assert_null(json_member(json_next(json_first(root)), TEXT("a"))); /* no object */
    assert_number(json_member(read_good(TEXT("{\"\":7}")), text_empty), TEXT("7"));
}

static void unescapes(void **state)
{
    (void)state;
    assert_string(read_good(TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"")), TEXT("\"\\/\b\f\n\r\t"));
    assert_string(read_good(TEXT("\"a\\u0041\\u00e9\\u20AC\\uFFFFz\"")),
                  TEXT("aA\xC3\xA9\xE2\x82\xAC\xEF\xBF\xBFz"));
    assert_string(read_good(TEXT("\"\\u0001\\u001f\\u007f\x7F\"")), TEXT("\x01\x1F\x7F\x7F"));
    /* U+1D11E, the example of RFC 8259 section 7, and both ends of what surrogate pairs can say */
    assert_string(read_good(TEXT("\"\\uD834\\uDD1E\"")), TEXT("\xF0\x9D\x84\x9E"));
    assert_string(read_good(TEXT("\"\\ud800\\udc00\"")), TEXT("\xF0\x90\x80\x80"));
    assert_string(read_good(TEXT("\"\\uDBFF\\uDFFF\"")), TEXT("\xF4\x8F\xBF\xBF"));
    /* the neighbours of the surrogates are plain code points */
    assert_string(read_good(TEXT("\"\\uD7FF\\uE000\"")), TEXT("\xED\x9F\xBF\xEE\x80\x80"));
    assert_string(read_good(TEXT("\"Z\xC3\xBCrich \\ud83d\\ude00 \xF0\x9F\x98\x80\"")),
                  TEXT("Z\xC3\xBCrich \xF0\x9F\x98\x80 \xF0\x9F\x98\x80"));
}

/* Every position of an escape, a quote, a control character and a bad byte in strings of every length around
 * the words and blocks in which they are scanned. */
static void strings_of_every_length(void **state)
{
    enum { LENGTH_MAX = 70 };

    (void)state;
    for (size_t length = 1; length <= LENGTH_MAX; length++)
        for (size_t at = 0; at < length; at++) {
            char source[LENGTH_MAX + 2];
            struct text document = {source, length + 2};

            source[0] = source[length + 1] = '"';
            memset(source + 1, 'x', length);
            assert_string(read_good(document), (struct text){source + 1, length});
            source[1 + at] = '\x1F';
            assert_refused(document, 1 + at, "control character in a string");
            source[1 + at] = '\0';
            assert_refused(document, 1 + at, "U+0000 in a string");
            source[1 + at] = '\xFF';
            assert_refused(document, 1 + at, "invalid UTF-8");
            source[1 + at] = '"';
            assert_refused(document, 2 + at, "bytes after the value");
            source[1 + at] = '\\';
            if (at + 1 < length)
                assert_refused(document, 1 + at, "invalid escape");
            else
                assert_refused(document, length + 2, "unexpected end");
            arena_reset(&arena);
        }
}

static void long_strings(void **state)
{
    enum { LENGTH = 3 * 1024 * 1024 };
    struct buffer plain, escaped, expected;

    (void)state;
    buffer_init(&plain);
    buffer_init(&escaped);
    buffer_init(&expected);
    buffer_append_char(&plain, '"');
    buffer_append_char(&escaped, '"');
    for (size_t i = 0; i < LENGTH; i++) {
        buffer_append(&plain, i % 5 ? TEXT("a") : TEXT("\xE2\x82\xAC"));
        buffer_append(&expected, i % 5 ? TEXT("a") : TEXT("\xE2\x82\xAC"));
        buffer_append(&escaped, i % 5 ? TEXT("a") : TEXT("\\u20ac"));
    }
    buffer_append_char(&plain, '"');
    buffer_append_char(&escaped, '"');
    const struct json_value *value = read_good(buffer_text(&plain));

    assert_true(text_equal(value->text, buffer_text(&expected)));
    assert_ptr_equal(value->text.data, plain.data + 1); /* not copied */
    assert_true(text_equal(read_good(buffer_text(&escaped))->text, buffer_text(&expected)));
    buffer_free(&plain);
    buffer_free(&escaped);
    buffer_free(&expected);
}

/* `depth` arrays and objects inside one another, around a number. */
static void append_nested(struct buffer *source, unsigned depth)
{
    buffer_clear(source);
    for (unsigned i = 0; i < depth; i++)
        buffer_append(source, i % 2 ? TEXT("{\"k\":") : TEXT("["));
    buffer_append(source, TEXT("7"));
    for (unsigned i = depth; i-- > 0;)
        buffer_append_char(source, i % 2 ? '}' : ']');
}

static void depth_64_is_the_last(void **state)
{
    struct buffer source;

    (void)state;
    buffer_init(&source);
    append_nested(&source, 64);
    const struct json_value *root = read_good(buffer_text(&source));

    assert_int_equal(root->next, 64 + 32 + 1); /* containers, keys, the number */
    append_nested(&source, 65);
    assert_refused(buffer_text(&source), 32 * strlen("[{\"k\":"), "nested too deeply");
    buffer_clear(&source);
    for (size_t i = 0; i < 1000000; i++)
        buffer_append_char(&source, '[');
    assert_refused(buffer_text(&source), 64, "nested too deeply");
    /* Depth is what is open, not what was opened. */
    buffer_clear(&source);
    buffer_append_char(&source, '[');
    for (size_t i = 0; i < 1000; i++)
        buffer_append(&source, TEXT("[{}],"));
    buffer_append(&source, TEXT("0]"));
    assert_int_equal(read_good(buffer_text(&source))->count, 1001);
    buffer_free(&source);
}

static void too_many_values(void **state)
{
    struct buffer source;

    (void)state;
    buffer_init(&source);
    buffer_append_char(&source, '[');
    for (size_t i = 1; i < JSON_VALUES_MAX; i++)
        buffer_append(&source, TEXT("1,"));
    source.data[source.length - 1] = ']';
    assert_int_equal(read_good(buffer_text(&source))->count, JSON_VALUES_MAX - 1);
    arena_reset(&arena);
    source.data[source.length - 1] = ',';
    size_t offset = source.length;

    buffer_append(&source, TEXT("1]"));
    assert_refused(buffer_text(&source), offset, "too many values");
    source.length = offset;
    buffer_append(&source, TEXT("{}]"));
    assert_refused(buffer_text(&source), offset, "too many values");
    buffer_free(&source);
}

/* Bytes that look like structure but stand in a string cost tape at most, never an error. */
static void structure_in_strings_is_content(void **state)
{
    (void)state;
    const struct json_value *root = read_good(TEXT("[\"{[,:]}\",\"//\",\"/* */\",\"\\\"\"]"));

    assert_int_equal(root->count, 4);
    assert_string(json_first(root), TEXT("{[,:]}"));
}

static void refuses_what_ends_early(void **state)
{
    static const struct text whole =
        TEXT_LITERAL("{\"a\":[1,-2.5e+3,true,false,null,\"x\\n\\ud83d\\ude00\xE2\x82\xAC\"],\"b\":{}}");

    (void)state;
    REFUSED("", 0, "unexpected end");
    assert_refused(text_none, 0, "unexpected end");
    REFUSED(" \n\t", 3, "unexpected end");
    for (size_t length = 0; length < whole.length; length++) {
        bool cuts_a_code_point = whole.data[length] == '\x82' || whole.data[length] == '\xAC';

        if (cuts_a_code_point)
            assert_refused(text_slice(whole, 0, length), text_find(whole, '\xE2'), "invalid UTF-8");
        else
            assert_refused(text_slice(whole, 0, length), length, "unexpected end");
    }
    read_good(whole);
}

static void refuses_bytes_after_the_value(void **state)
{
    (void)state;
    REFUSED("{} x", 3, "bytes after the value");
    REFUSED("[]]", 2, "bytes after the value");
    REFUSED("1 2", 2, "bytes after the value");
    REFUSED("nulll", 4, "bytes after the value");
    REFUSED("1\0", 1, "bytes after the value");
    REFUSED("\"a\"\xFF", 3, "bytes after the value");
    REFUSED("1\x0B", 1, "bytes after the value"); /* a vertical tab is no white space */
}

static void refuses_invalid_utf8(void **state)
{
    (void)state;
    REFUSED("\"ab\xFF\"", 3, "invalid UTF-8");
    REFUSED("\"\xC0\x80\"", 1, "invalid UTF-8");         /* overlong U+0000 */
    REFUSED("\"a\xED\xA0\x80\"", 2, "invalid UTF-8");    /* U+D800 */
    REFUSED("\"\xF4\x90\x80\x80\"", 1, "invalid UTF-8"); /* above U+10FFFF */
    REFUSED("\"\xE2\x82\"", 1, "invalid UTF-8");         /* cut short by the quote */
    REFUSED("\"\xE2\\u0082\"", 1, "invalid UTF-8");      /* or by an escape */
    REFUSED("\"\xC3\xA9\\n\x80\"", 5, "invalid UTF-8");  /* behind an escape */
    REFUSED("{\"\x80\":1}", 2, "invalid UTF-8");         /* in a key */
    REFUSED("\"\x80\n\"", 1, "invalid UTF-8");           /* the first error counts */
    REFUSED("\"\n\x80\"", 1, "control character in a string");
    REFUSED("[\xC3\xA9]", 1, "expected a value"); /* well formed, but outside a string */
    REFUSED("\xEF\xBB\xBF{}", 0, "byte order mark");
    REFUSED("\xFF\xFE{\0}\0", 0, "expected a value"); /* UTF-16 */
    REFUSED("[1,\xC2\xA0 2]", 3, "expected a value"); /* a no-break space is no white space */
}

static void refuses_in_strings(void **state)
{
    (void)state;
    REFUSED("\"a\0b\"", 2, "U+0000 in a string");
    REFUSED("\"ab\\u0000\"", 3, "U+0000 in a string");
    REFUSED("{\"\\u0000\":1}", 2, "U+0000 in a string");
    REFUSED("\"a\nb\"", 2, "control character in a string");
    REFUSED("\"\\n\tb\"", 3, "control character in a string");
    REFUSED("\"\\x\"", 1, "invalid escape");
    REFUSED("\"\\N\"", 1, "invalid escape");
    REFUSED("\"\\\n\"", 1, "invalid escape");
    REFUSED("\"\\\0\"", 1, "invalid escape");
    REFUSED("\"a\\u12G4\"", 2, "invalid escape");
    REFUSED("\"\\u\"abcd\"", 1, "invalid escape");
    REFUSED("\"\\u+123\"", 1, "invalid escape");
    REFUSED("\"\\U0041\"", 1, "invalid escape");
    REFUSED("\"\\u00\xC3\xA9\"", 1, "invalid escape");
    REFUSED("'a'", 0, "expected a value");
}

static void refuses_lone_surrogates(void **state)
{
    (void)state;
    REFUSED("\"a\\ud800\"", 2, "lone surrogate escape");
    REFUSED("\"\\uDBFFx\"", 1, "lone surrogate escape");
    REFUSED("\"\\udc00\"", 1, "lone surrogate escape");
    REFUSED("\"\\uDFFF\\uD800\"", 1, "lone surrogate escape");
    REFUSED("\"\\ud800\\n\"", 1, "lone surrogate escape");
    REFUSED("\"\\ud800\\ud800\"", 1, "lone surrogate escape");
    REFUSED("\"\\ud800\\u0041\"", 1, "lone surrogate escape");
    REFUSED("\"\\ud800\\uE000\"", 1, "lone surrogate escape");
    REFUSED("\"\\ud800\\udcg0\"", 7, "invalid escape");
    REFUSED("\"\\ud800\\u", 9, "unexpected end");
    REFUSED("\"\\ud800\\", 8, "unexpected end");
    REFUSED("\"\\ud800", 7, "unexpected end");
}

static void refuses_numbers(void **state)
{
    (void)state;
    REFUSED("01", 0, "number with a leading zero");
    REFUSED("[-007]", 2, "number with a leading zero");
    REFUSED("00", 0, "number with a leading zero");
    REFUSED("-", 1, "unexpected end");
    REFUSED("-a", 1, "expected a digit");
    REFUSED("--1", 1, "expected a digit");
    REFUSED("-.5", 1, "expected a digit");
    REFUSED("1.", 2, "unexpected end");
    REFUSED("[1.]", 3, "expected a digit");
    REFUSED("1.e3", 2, "expected a digit");
    REFUSED("1e", 2, "unexpected end");
    REFUSED("1e+", 3, "unexpected end");
    REFUSED("[1e+-3]", 4, "expected a digit");
    REFUSED("1.2.3", 3, "bytes after the value");
    REFUSED("0x10", 1, "bytes after the value");
    REFUSED("1e3.5", 3, "bytes after the value");
    REFUSED("1_000", 1, "bytes after the value");
    REFUSED("+1", 0, "expected a value");
    REFUSED(".5", 0, "expected a value");
    REFUSED("NaN", 0, "expected a value");
    REFUSED("[Infinity]", 1, "expected a value");
    REFUSED("-Infinity", 1, "expected a digit");
}

static void refuses_literals(void **state)
{
    (void)state;
    REFUSED("nul", 3, "unexpected end");
    REFUSED("[nul]", 1, "expected a value");
    REFUSED("True", 0, "expected a value");
    REFUSED("[fals,1]", 1, "expected a value");
    REFUSED("nan", 0, "expected a value");
    REFUSED("undefined", 0, "expected a value");
    REFUSED("[truefalse]", 5, "expected ',' or ']'");
}

static void refuses_structure(void **state)
{
    (void)state;
    REFUSED("[1,]", 3, "trailing comma");
    REFUSED("[1, \n]", 5, "trailing comma");
    REFUSED("{\"a\":1,}", 7, "trailing comma");
    REFUSED("[,1]", 1, "expected a value");
    REFUSED("[1,,2]", 3, "expected a value");
    REFUSED("{,}", 1, "expected a key in double quotes");
    REFUSED("{\"a\":1,,}", 7, "expected a key in double quotes");
    REFUSED("{a:1}", 1, "expected a key in double quotes");
    REFUSED("{1:1}", 1, "expected a key in double quotes");
    REFUSED("{\"a\"}", 4, "expected ':'");
    REFUSED("{\"a\" 1}", 5, "expected ':'");
    REFUSED("{\"a\":}", 5, "expected a value");
    REFUSED("{\"a\"::1}", 5, "expected a value");
    REFUSED("{\"a\":1 \"b\":2}", 7, "expected ',' or '}'");
    REFUSED("{\"a\":1]", 6, "expected ',' or '}'");
    REFUSED("[1 2]", 3, "expected ',' or ']'");
    REFUSED("[1}", 2, "expected ',' or ']'");
    REFUSED("]", 0, "expected a value");
    REFUSED("[1,// one\n2]", 3, "expected a value");
    REFUSED("[1/* one */]", 2, "expected ',' or ']'");
    REFUSED("/* one */1", 0, "expected a value");
    REFUSED("1 // one", 2, "bytes after the value");
}

static void names_types(void **state)
{
    (void)state;
    assert_string_equal(json_type_name(JSON_NULL), "null");
    assert_string_equal(json_type_name(JSON_FALSE), "boolean");
    assert_string_equal(json_type_name(JSON_TRUE), "boolean");
    assert_string_equal(json_type_name(JSON_NUMBER), "number");
    assert_string_equal(json_type_name(JSON_STRING), "string");
    assert_string_equal(json_type_name(JSON_ARRAY), "array");
    assert_string_equal(json_type_name(JSON_OBJECT), "object");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_the_image_example),
        TEST(reads_the_other_examples),
        TEST(numbers_keep_their_digits),
        TEST(empty_containers),
        TEST(the_last_of_equal_keys_wins),
        TEST(unescapes),
        TEST(strings_of_every_length),
        TEST(long_strings),
        TEST(depth_64_is_the_last),
        TEST(too_many_values),
        TEST(structure_in_strings_is_content),
        TEST(refuses_what_ends_early),
        TEST(refuses_bytes_after_the_value),
        TEST(refuses_invalid_utf8),
        TEST(refuses_in_strings),
        TEST(refuses_lone_surrogates),
        TEST(refuses_numbers),
        TEST(refuses_literals),
        TEST(refuses_structure),
        TEST(names_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
