/* The JSON writer: exact bytes, and everything written reads back the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/json_rewrite.h"
#include "json/reader.h"
#include "json/writer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct buffer buffer;
static struct json_writer writer;

static int set_up(void **state)
{
    (void)state;
    buffer_init(&buffer);
    json_writer_init(&writer, &buffer);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_free(&buffer);
    return 0;
}

static void assert_written(struct text expected)
{
    if (!text_equal(buffer_text(&buffer), expected))
        fail_msg("%.*s instead of %.*s", TEXT_FORMAT(buffer_text(&buffer)), TEXT_FORMAT(expected));
}

static void places_commas(void **state)
{
    (void)state;
    json_begin_object(&writer);
    json_put_string(&writer, TEXT("id"), TEXT("cust_1"));
    json_key(&writer, TEXT("tags"));
    json_begin_array(&writer);
    json_string(&writer, TEXT("a"));
    json_begin_object(&writer);
    json_end_object(&writer);
    json_begin_array(&writer);
    json_end_array(&writer);
    json_int64(&writer, -7);
    json_end_array(&writer);
    json_key(&writer, TEXT("nested"));
    json_begin_object(&writer);
    json_put_bool(&writer, TEXT("yes"), true);
    json_put_bool(&writer, TEXT("no"), false);
    json_end_object(&writer);
    json_key(&writer, TEXT("nothing"));
    json_null(&writer);
    json_key(&writer, TEXT("raw"));
    json_raw(&writer, TEXT("[1.10]"));
    json_put_int64(&writer, TEXT("last"), 1);
    json_end_object(&writer);
    assert_written(TEXT("{\"id\":\"cust_1\",\"tags\":[\"a\",{},[],-7],\"nested\":{\"yes\":true,\"no\":false},"
                        "\"nothing\":null,\"raw\":[1.10],\"last\":1}"));
}

static void writes_behind_what_is_there(void **state)
{
    (void)state;
    buffer_append(&buffer, TEXT("HTTP "));
    json_begin_array(&writer);
    json_null(&writer);
    json_end_array(&writer);
    assert_written(TEXT("HTTP [null]"));
}

static void writes_integers(void **state)
{
    (void)state;
    json_begin_array(&writer);
    json_int64(&writer, 0);
    json_int64(&writer, INT64_MAX);
    json_int64(&writer, INT64_MIN);
    json_end_array(&writer);
    assert_written(TEXT("[0,9223372036854775807,-9223372036854775808]"));
}

static void escapes(void **state)
{
    (void)state;
    json_append_string(&buffer, TEXT("\"\\/\b\f\n\r\t\x01\x1F\x7F<&>\xE2\x80\xA8\xC3\xA9"));
    assert_written(TEXT("\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7F<&>\xE2\x80\xA8\xC3\xA9\""));
    buffer_clear(&buffer);
    json_append_string(&buffer, TEXT("a\0b"));
    assert_written(TEXT("\"a\\u0000b\""));
    buffer_clear(&buffer);
    json_append_string(&buffer, text_none);
    json_append_string(&buffer, text_empty);
    assert_written(TEXT("\"\"\"\""));
}

static void escapes_keys(void **state)
{
    (void)state;
    json_begin_object(&writer);
    json_key(&writer, TEXT("a\"b\n"));
    json_null(&writer);
    json_end_object(&writer);
    assert_written(TEXT("{\"a\\\"b\\n\":null}"));
}

/* Every byte at every position of strings of every length around the blocks in which they are scanned; the
 * text lies in memory of its exact size, so that the sanitizer sees a read beyond it. */
static void escapes_every_byte_anywhere(void **state)
{
    enum { LENGTH_MAX = 50 };

    (void)state;
    for (size_t length = 1; length <= LENGTH_MAX; length++) {
        char *bytes = malloc(length);

        assert_non_null(bytes);
        for (size_t at = 0; at < length; at++)
            for (unsigned byte = 0; byte <= 0xFF; byte++) {
                bool special = byte < 0x20 || byte == '"' || byte == '\\';

                memset(bytes, 'x', length);
                bytes[at] = (char)byte;
                buffer_clear(&buffer);
                json_append_string(&buffer, (struct text){bytes, length});
                assert_int_equal(buffer.data[0], '"');
                assert_memory_equal(buffer.data + 1, bytes, at);
                assert_int_equal(buffer.data[1 + at] == '\\', special);
                size_t rest = length - at - 1;

                assert_memory_equal(buffer.data + buffer.length - 1 - rest, bytes + at + 1, rest);
                assert_int_equal(buffer.data[buffer.length - 1], '"');
                if (!special)
                    assert_int_equal(buffer.length, length + 2);
            }
        free(bytes);
    }
}

/* Long text that needs many escapes, into a buffer of the exact size that each step asked for. */
static void grows_the_buffer(void **state)
{
    enum { LENGTH = 100000 };
    char *bytes = malloc(LENGTH);
    struct arena arena;
    struct json_error error;

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < LENGTH; i++)
        bytes[i] = (char)(1 + i % 127);
    json_append_string(&buffer, (struct text){bytes, LENGTH});
    arena_init(&arena);
    const struct json_value *value = json_read(&arena, buffer_text(&buffer), &error);

    assert_non_null(value);
    assert_true(text_equal(value->text, (struct text){bytes, LENGTH}));
    arena_free(&arena);
    free(bytes);
}

static void reads_back_what_was_written(void **state)
{
    struct text source = TEXT(" { \"\" : [ ] , \"a\\u0041\" : { \"b\" : [ 1.10 , -0 , 1e3 ,"
                              "123456789012345678901234567890 , true , false , null ] } ,"
                              "\"a\" : 1 , \"a\" : \"\\ud83d\\ude00 \\\" \\\\ \\/ \\u0007 \xE2\x82\xAC\" } ");
    struct text expected =
        TEXT("{\"\":[],\"aA\":{\"b\":[1.10,-0,1e3,123456789012345678901234567890,true,false,"
             "null]},\"a\":1,\"a\":\"\xF0\x9F\x98\x80 \\\" \\\\ / \\u0007 \xE2\x82\xAC\"}");
    struct arena arena;
    struct json_error error;

    (void)state;
    arena_init(&arena);
    const struct json_value *root = json_read(&arena, source, &error);

    assert_non_null(root);
    json_rewrite(&buffer, root);
    assert_written(expected);
    const struct json_value *again = json_read(&arena, buffer_text(&buffer), &error);

    assert_non_null(again);
    assert_true(json_same(root, again));
    assert_false(json_same(root, json_next(json_first(root))));
    arena_free(&arena);
}

static void key_outside_an_object(void)
{
    json_key(&writer, TEXT("a"));
}

static void key_in_an_array(void)
{
    json_begin_object(&writer);
    json_key(&writer, TEXT("a"));
    json_begin_array(&writer);
    json_key(&writer, TEXT("b"));
}

static void two_keys(void)
{
    json_begin_object(&writer);
    json_key(&writer, TEXT("a"));
    json_key(&writer, TEXT("b"));
}

static void value_without_key(void)
{
    json_begin_object(&writer);
    json_null(&writer);
}

static void key_without_value(void)
{
    json_begin_object(&writer);
    json_key(&writer, TEXT("a"));
    json_end_object(&writer);
}

static void crossed_ends(void)
{
    json_begin_array(&writer);
    json_end_object(&writer);
}

static void end_without_begin(void)
{
    json_end_array(&writer);
}

static void two_values(void)
{
    json_null(&writer);
    json_null(&writer);
}

static void too_deep(void)
{
    for (unsigned i = 0; i <= JSON_WRITER_DEPTH_MAX; i++)
        json_begin_array(&writer);
}

/* Runs a mistake in a process of its own and tells whether an assertion ended it. */
static bool is_caught(void (*mistake)(void))
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGABRT, SIG_DFL);
        if (!freopen("/dev/null", "w", stderr))
            _exit(2);
        mistake();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void catches_mistakes(void **state)
{
    (void)state;
    assert_true(is_caught(key_outside_an_object));
    assert_true(is_caught(key_in_an_array));
    assert_true(is_caught(two_keys));
    assert_true(is_caught(value_without_key));
    assert_true(is_caught(key_without_value));
    assert_true(is_caught(crossed_ends));
    assert_true(is_caught(end_without_begin));
    assert_true(is_caught(two_values));
    assert_true(is_caught(too_deep));
}

static void writes_as_deep_as_can_be_read(void **state)
{
    struct arena arena;
    struct json_error error;

    (void)state;
    for (unsigned i = 0; i < JSON_WRITER_DEPTH_MAX; i++) {
        json_begin_object(&writer);
        json_key(&writer, TEXT("k"));
        if (i + 1 == JSON_WRITER_DEPTH_MAX)
            json_null(&writer);
    }
    for (unsigned i = 0; i < JSON_WRITER_DEPTH_MAX; i++)
        json_end_object(&writer);
    arena_init(&arena);
    assert_non_null(json_read(&arena, buffer_text(&buffer), &error));
    arena_free(&arena);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(places_commas),    TEST(writes_behind_what_is_there),
        TEST(writes_integers),  TEST(escapes),
        TEST(escapes_keys),     TEST(escapes_every_byte_anywhere),
        TEST(grows_the_buffer), TEST(reads_back_what_was_written),
        TEST(catches_mistakes), TEST(writes_as_deep_as_can_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
