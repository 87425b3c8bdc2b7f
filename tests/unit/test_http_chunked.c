/* The chunked transfer coding: what a body is, what is refused and why, and that the way the bytes arrive
 * does not matter. */
#include "http/chunked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BODY_BYTES_MAX = 1000, INPUT_BYTES_MAX = 128 * 1024 };

static char body_memory[INPUT_BYTES_MAX];

struct outcome {
    enum http_parse_status status;
    struct http_chunked decoder;
    char *body;
    size_t taken; /* of all the input */
};

/* Decodes in place, as the connection does: `piece` bytes more at each call. */
static struct outcome decode(struct text input, size_t piece)
{
    struct outcome outcome = {.status = HTTP_PARSE_INCOMPLETE, .body = body_memory};

    assert_true(input.length <= INPUT_BYTES_MAX);
    while (outcome.status == HTTP_PARSE_INCOMPLETE && outcome.taken < input.length) {
        size_t length = input.length - outcome.taken < piece ? input.length - outcome.taken : piece, taken;
        char *raw = outcome.body + outcome.decoder.body_length;

        memcpy(raw, input.data + outcome.taken, length);
        outcome.status = http_chunked_decode(&outcome.decoder, raw, length, raw, BODY_BYTES_MAX, &taken);
        outcome.taken += taken;
    }
    return outcome;
}

static void assert_body(struct text input, struct text body, size_t behind)
{
    for (size_t piece = 1; piece <= input.length; piece++) {
        struct outcome outcome = decode(input, piece);

        if (outcome.status != HTTP_PARSE_DONE)
            fail_msg("%.*s: %s", TEXT_FORMAT(input), outcome.decoder.reason);
        assert_int_equal(outcome.decoder.body_length, body.length);
        assert_memory_equal(outcome.body, body.data, body.length);
        assert_int_equal(outcome.taken, input.length - behind);
    }
}

static void test_bodies(void **state)
{
    static const struct {
        const char *input, *body;
    } cases[] = {
        {"0\r\n\r\n", ""},
        {"3\r\nabc\r\n0\r\n\r\n", "abc"},
        {"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n", "abc"},
        {"a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", "01234567890123456789a"},
        {"0000000000000003\r\nabc\r\n0000\r\n\r\n", "abc"},
        {"6\r\na\r\nb\r\n\r\n0\r\n\r\n", "a\r\nb\r\n"}, /* what looks like an end is data */
        {"5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n"},
        {"3;a\r\nabc\r\n0;b\r\n\r\n", "abc"},
        {"3;a=b;c;d=\"e\\\"; \\\\\xc3\xa9\t\"\r\nabc\r\n0\r\n\r\n", "abc"},
        {"3;a=\"\";b=\"x\"\r\nabc\r\n0\r\n\r\n", "abc"},
        {"3\r\nabc\r\n0\r\nX: y\r\n\r\n", "abc"},
        {"3\r\nabc\r\n0\r\nX:\r\nContent-Length: 7\r\nZ: \xff\t z\r\n\r\n", "abc"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char with_next[256];

        snprintf(with_next, sizeof with_next, "%sGET /", cases[i].input);
        assert_body(text_from_string(cases[i].input), text_from_string(cases[i].body), 0);
        assert_body(text_from_string(with_next), text_from_string(cases[i].body), 5);
    }
}

static void assert_refused(struct text input, enum http_refusal refusal, const char *reason)
{
    for (size_t piece = 1; piece <= input.length; piece++) {
        struct outcome outcome = decode(input, piece);

        if (outcome.status != HTTP_PARSE_REFUSED || outcome.decoder.refusal != refusal ||
            strcmp(outcome.decoder.reason, reason) != 0)
            fail_msg("%.*s: status %d, %s", TEXT_FORMAT(input), outcome.status,
                     outcome.decoder.reason ? outcome.decoder.reason : "no reason");
    }
}

static void test_refusals(void **state)
{
    static const char size[] = "the size of a chunk is not a hexadecimal number";
    static const char extension[] = "the extension of a chunk is not `;name` or `;name=value`";
    static const char line[] = "a line of a chunked body does not end with CR LF";
    static const char trailer[] = "a trailer line is not `Name: value`";
    static const struct {
        struct text input;
        const char *reason;
    } cases[] = {
        {TEXT_LITERAL("\r\n"), size},
        {TEXT_LITERAL("g\r\n"), size},
        {TEXT_LITERAL("-1\r\n"), size},
        {TEXT_LITERAL("+1\r\n"), size},
        {TEXT_LITERAL(" 1\r\n"), size},
        {TEXT_LITERAL("1 \r\n"), size},
        {TEXT_LITERAL("1\t;a\r\n"), size},
        {TEXT_LITERAL("0x1\r\n"), size},
        {TEXT_LITERAL("1\n"), size},
        {TEXT_LITERAL("1\0\r\n"), size},
        {TEXT_LITERAL(";a\r\n"), size},
        {TEXT_LITERAL("1\r\na\r\n\r\n"), size},
        {TEXT_LITERAL("00000000000000001\r\n"), "the size of a chunk has too many digits"},
        {TEXT_LITERAL("10000000000000001\r\n"), "the size of a chunk has too many digits"},
        {TEXT_LITERAL("1\rX"), line},
        {TEXT_LITERAL("1\r\r\n"), line},
        {TEXT_LITERAL("1\r\nab"), line},
        {TEXT_LITERAL("1\r\na\n"), line},
        {TEXT_LITERAL("1\r\na\rb"), line},
        {TEXT_LITERAL("1\r\na0\r\n"), line},
        {TEXT_LITERAL("1;\r\n"), extension},
        {TEXT_LITERAL("1;=b\r\n"), extension},
        {TEXT_LITERAL("1;a=\r\n"), extension},
        {TEXT_LITERAL("1;a b\r\n"), extension},
        {TEXT_LITERAL("1; a\r\n"), extension},
        {TEXT_LITERAL("1;a\n"), extension},
        {TEXT_LITERAL("1;a=\"b\r\n"), extension},
        {TEXT_LITERAL("1;a=\"b\n\"\r\n"), extension},
        {TEXT_LITERAL("1;a=\"\0\"\r\n"), extension},
        {TEXT_LITERAL("1;a=\"b\"c\r\n"), extension},
        {TEXT_LITERAL("1;a=b\"c\"\r\n"), extension},
        {TEXT_LITERAL("1;\"a\"\r\n"), extension},
        {TEXT_LITERAL("0\r\n\n"), trailer},
        {TEXT_LITERAL("0\r\n\rX"), line},
        {TEXT_LITERAL("0\r\nX\r\n"), trailer},
        {TEXT_LITERAL("0\r\n: x\r\n"), trailer},
        {TEXT_LITERAL("0\r\nX : x\r\n"), trailer},
        {TEXT_LITERAL("0\r\nX: y\r\n z\r\n"), trailer},
        {TEXT_LITERAL("0\r\nX: y\n"), trailer},
        {TEXT_LITERAL("0\r\nX: y\rz"), line},
        {TEXT_LITERAL("0\r\nX: \0\r\n"), trailer},
        {TEXT_LITERAL("0\r\nX\xc3: y\r\n"), trailer},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(cases[i].input, HTTP_REFUSAL_MALFORMED, cases[i].reason);
}

/* As soon as the size is read, whatever is behind it; and no sum of sizes gets around. */
static void test_body_limit(void **state)
{
    static const char reason[] = "the body is too large";

    (void)state;
    assert_refused(TEXT("3e9\r"), HTTP_REFUSAL_BODY_TOO_LARGE, reason);
    assert_refused(TEXT("3e9;"), HTTP_REFUSAL_BODY_TOO_LARGE, reason);
    assert_refused(TEXT("ffffffffffffffff\r\n"), HTTP_REFUSAL_BODY_TOO_LARGE, reason);
    assert_refused(TEXT("1\r\na\r\nffffffffffffffff\r\n"), HTTP_REFUSAL_BODY_TOO_LARGE, reason);
    assert_refused(TEXT("1\r\na\r\n3e8\r\n"), HTTP_REFUSAL_BODY_TOO_LARGE, reason);
    assert_int_equal(decode(TEXT("3e8\r\n"), 1).status, HTTP_PARSE_INCOMPLETE);
}

/* What was promised under a higher limit is not kept under a lower one. */
static void test_a_limit_that_is_lowered(void **state)
{
    static const char input[] = "64\r\nabc";
    struct http_chunked decoder = {0};
    char body[64];
    size_t taken;

    (void)state;
    assert_int_equal(http_chunked_decode(&decoder, input, 7, body, 1000, &taken), HTTP_PARSE_INCOMPLETE);
    assert_int_equal(http_chunked_decode(&decoder, "d", 1, body, 100, &taken), HTTP_PARSE_INCOMPLETE);
    assert_int_equal(http_chunked_decode(&decoder, "e", 1, body, 99, &taken), HTTP_PARSE_REFUSED);
    assert_int_equal(decoder.refusal, HTTP_REFUSAL_BODY_TOO_LARGE);
}

/* `count` times `unit` between two texts. */
static struct text repeated(const char *prefix, const char *unit, size_t count, const char *suffix)
{
    size_t unit_length = strlen(unit), length = strlen(prefix);
    char *memory = malloc(length + unit_length * count + strlen(suffix) + 1);

    strcpy(memory, prefix);
    for (size_t i = 0; i < count; i++, length += unit_length)
        strcpy(memory + length, unit);
    strcpy(memory + length, suffix);
    return text_from_string(memory);
}

static void assert_outcome(struct text input, enum http_parse_status status, enum http_refusal refusal)
{
    const size_t pieces[] = {1, 7, input.length};

    for (unsigned i = 0; i < 3; i++) {
        struct outcome outcome = decode(input, pieces[i]);

        assert_int_equal(outcome.status, status);
        assert_int_equal(outcome.decoder.refusal, refusal);
    }
    free((void *)(uintptr_t)input.data);
}

/* Extensions count over all chunks of a body: many short ones are as endless as a long one. */
static void test_what_nobody_reads_is_bounded(void **state)
{
    const size_t extension_max = HTTP_CHUNK_EXTENSION_BYTES_MAX, trailer_max = HTTP_TRAILER_BYTES_MAX;

    (void)state;
    assert_outcome(repeated("0;", "a", extension_max - 1, "\r\n\r\n"), HTTP_PARSE_DONE, HTTP_REFUSAL_NONE);
    assert_outcome(repeated("0;", "a", extension_max + 1, ""), HTTP_PARSE_REFUSED, HTTP_REFUSAL_MALFORMED);
    assert_outcome(repeated("0;a=\"", "a", extension_max, ""), HTTP_PARSE_REFUSED, HTTP_REFUSAL_MALFORMED);
    assert_outcome(repeated("", "1;abc\r\nx\r\n", extension_max / 4, "0\r\n\r\n"), HTTP_PARSE_REFUSED,
                   HTTP_REFUSAL_BODY_TOO_LARGE);
    assert_outcome(repeated("", "1;abcdefgh\r\nx\r\n", extension_max / 8, "0\r\n\r\n"), HTTP_PARSE_REFUSED,
                   HTTP_REFUSAL_MALFORMED);
    assert_outcome(repeated("0\r\nX: ", "a", trailer_max - 7, "\r\n\r\n"), HTTP_PARSE_DONE,
                   HTTP_REFUSAL_NONE);
    assert_outcome(repeated("0\r\nX: ", "a", trailer_max, ""), HTTP_PARSE_REFUSED,
                   HTTP_REFUSAL_HEADER_TOO_LARGE);
    assert_outcome(repeated("0\r\n", "X: y\r\n", trailer_max / 6 + 1, ""), HTTP_PARSE_REFUSED,
                   HTTP_REFUSAL_HEADER_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_body_limit),
        cmocka_unit_test(test_a_limit_that_is_lowered),
        cmocka_unit_test(test_what_nobody_reads_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
