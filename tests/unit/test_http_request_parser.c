/* The request head parser: what it takes, what it refuses and why, and that the way the bytes arrive does not
 * matter. */
#include "http/request_parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOST "Host: localhost\r\n"
#define GET  "GET / HTTP/1.1\r\n"

static struct http_header headers[HTTP_HEADER_COUNT_MAX];

static enum http_parse_status parse_whole(struct text input, struct http_request *request,
                                          struct http_parse *parse)
{
    *parse = (struct http_parse){0};
    return http_parse_head(input, headers, request, parse);
}

/* Feeds one byte more at each call, as the slowest sender would. */
static enum http_parse_status parse_by_bytes(struct text input, struct http_request *request,
                                             struct http_parse *parse)
{
    enum http_parse_status status = HTTP_PARSE_INCOMPLETE;

    *parse = (struct http_parse){0};
    for (size_t length = 0; length <= input.length && status == HTTP_PARSE_INCOMPLETE; length++)
        status = http_parse_head(text_slice(input, 0, length), headers, request, parse);
    return status;
}

static void assert_same_text(struct text a, struct text b)
{
    assert_true(a.data == b.data);
    assert_int_equal(a.length, b.length);
}

/* Parses whole and by bytes; the outcome must be the same to the last field. */
static enum http_parse_status parse_both_ways(struct text input, struct http_request *request,
                                              struct http_parse *parse)
{
    struct http_request slow_request;
    struct http_parse slow_parse;
    enum http_parse_status slow = parse_by_bytes(input, &slow_request, &slow_parse);
    enum http_parse_status status = parse_whole(input, request, parse);

    assert_int_equal(slow, status);
    assert_int_equal(slow_parse.refusal, parse->refusal);
    assert_true(slow_parse.reason == parse->reason);
    assert_int_equal(slow_parse.head_length, parse->head_length);
    assert_true(slow_parse.content_length == parse->content_length);
    if (status == HTTP_PARSE_DONE) {
        assert_same_text(slow_request.target, request->target);
        assert_same_text(slow_request.path, request->path);
        assert_int_equal(slow_request.header_count, request->header_count);
        assert_int_equal(slow_request.keep_alive, request->keep_alive);
    }
    return status;
}

static void assert_text(struct text actual, const char *expected)
{
    if (!text_equal(actual, text_from_string(expected)))
        fail_msg("\"%.*s\" instead of \"%s\"", TEXT_FORMAT(actual), expected);
}

static void test_a_usual_request(void **state)
{
    const struct text input = TEXT("GET /v1/customers/cust_1?expand=a&b=%20 HTTP/1.1\r\n"
                                   "Host: api.example.com:8080\r\n"
                                   "x-api-key:   sk_123 \t\r\n"
                                   "Accept: */*\r\n"
                                   "X-Empty:\r\n"
                                   "X-Latin: caf\xe9\r\n"
                                   "\r\n"
                                   "GET /next");
    struct http_request request;
    struct http_parse parse;

    (void)state;
    assert_int_equal(parse_both_ways(input, &request, &parse), HTTP_PARSE_DONE);
    assert_int_equal(parse.head_length, input.length - strlen("GET /next"));
    assert_int_equal(parse.content_length, 0);
    assert_int_equal(request.method, HTTP_GET);
    assert_text(request.method_name, "GET");
    assert_text(request.target, "/v1/customers/cust_1?expand=a&b=%20");
    assert_text(request.path, "/v1/customers/cust_1");
    assert_text(request.query, "expand=a&b=%20");
    assert_text(request.body, "");
    assert_true(request.keep_alive);
    assert_int_equal(request.header_count, 5);
    assert_text(http_request_header(&request, TEXT("X-API-KEY")), "sk_123");
    assert_text(http_request_header(&request, TEXT("x-latin")), "caf\xe9");
    assert_true(text_is_set(http_request_header(&request, TEXT("x-empty"))));
    assert_text(http_request_header(&request, TEXT("x-empty")), "");
    assert_false(text_is_set(http_request_header(&request, TEXT("x-api"))));
}

static void test_absolute_targets(void **state)
{
    static const struct {
        const char *target, *path, *query;
    } cases[] = {
        {"http://h/a/b?x=1", "/a/b", "x=1"}, {"HTTPS://h:443/a", "/a", ""}, {"http://h", "/", ""},
        {"http://h?x=/a", "/", "x=/a"},      {"http://h/", "/", ""},        {"http://h//a", "//a", ""},
        {"/http://h/a", "/http://h/a", ""},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_request request;
        struct http_parse parse;
        char input[128];

        snprintf(input, sizeof input, "GET %s HTTP/1.1\r\n" HOST "\r\n", cases[i].target);
        assert_int_equal(parse_both_ways(text_from_string(input), &request, &parse), HTTP_PARSE_DONE);
        assert_text(request.target, cases[i].target);
        assert_text(request.path, cases[i].path);
        assert_text(request.query, cases[i].query);
    }
}

static void test_http_1_0_is_answered_once(void **state)
{
    static const char *const heads[] = {
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n" HOST "\r\n",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct http_request request;
        struct http_parse parse;

        assert_int_equal(parse_both_ways(text_from_string(heads[i]), &request, &parse), HTTP_PARSE_DONE);
        assert_false(request.keep_alive);
    }
}

static void test_methods(void **state)
{
    static const struct {
        const char *name;
        enum http_method method;
    } cases[] = {
        {"GET", HTTP_GET},    {"POST", HTTP_POST},   {"PUT", HTTP_PUT},         {"DELETE", HTTP_DELETE},
        {"HEAD", HTTP_HEAD},  {"PATCH", HTTP_PATCH}, {"OPTIONS", HTTP_OPTIONS}, {"get", HTTP_OTHER},
        {"BREW", HTTP_OTHER}, {"GETS", HTTP_OTHER},  {"G", HTTP_OTHER},         {"TRACE", HTTP_OTHER},
        {"X!#$", HTTP_OTHER},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_request request;
        struct http_parse parse;
        char input[128];

        snprintf(input, sizeof input, "%s /a HTTP/1.1\r\n" HOST "\r\n", cases[i].name);
        assert_int_equal(parse_both_ways(text_from_string(input), &request, &parse), HTTP_PARSE_DONE);
        assert_int_equal(request.method, cases[i].method);
        assert_text(request.method_name, cases[i].name);
    }
}

static void test_good_heads(void **state)
{
    static const struct {
        const char *input;
        uint64_t content_length;
        bool keep_alive, expects_continue;
    } cases[] = {
        {GET HOST "\r\n", 0, true, false},
        {"\r\n" GET HOST "\r\n", 0, true, false}, /* one empty line before the request */
        {"GET / HTTP/1.2\r\n" HOST "\r\n", 0, true, false},
        {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 0, true, false},
        {"GET /a?b?c HTTP/1.1\r\n" HOST "\r\n", 0, true, false},
        {GET "Host:\r\n\r\n", 0, true, false},
        {GET "hOST: [::1]:80\r\n\r\n", 0, true, false},
        {GET HOST "Connection: close\r\n\r\n", 0, false, false},
        {GET HOST "Connection: keep-alive, CLOSE ,x\r\n\r\n", 0, false, false},
        {GET HOST "Connection: closed\r\n\r\n", 0, true, false},
        {GET HOST "Connection: keep-alive\r\nConnection: close\r\n\r\n", 0, false, false},
        {GET HOST "Connection:\r\n\r\n", 0, true, false},
        {GET HOST "Content-Length: 0\r\n\r\n", 0, true, false},
        {GET HOST "CONTENT-length:12\r\n\r\n", 12, true, false},
        {GET HOST "Content-Length: 007\r\n\r\n", 7, true, false},
        {GET HOST "Transfer-Encoding: Chunked\r\n\r\n", 0, true, false},
        {GET "Host: a_b.example:65535\r\n\r\n", 0, true, false},
        {GET "Host: a:\r\n\r\n", 0, true, false},
        {"GET /%41%c3%a9%F0%9f%98%80%0A?%e2%82%ac=%25 HTTP/1.1\r\n" HOST "\r\n", 0, true, false},
        {GET HOST "Content-Length: 18446744073709551615\r\n\r\n", UINT64_MAX, true, false},
        {GET HOST "Content-Length: 18446744073709551616\r\n\r\n", UINT64_MAX, true, false},
        {GET HOST "Content-Length: 99999999999999999999999999\r\n\r\n", UINT64_MAX, true, false},
        {GET HOST "Content-Length: 3\r\nExpect: 100-Continue\r\n\r\n", 3, true, true},
        {GET HOST "Expect: something\r\n\r\n", 0, true, false},
        {GET HOST "X: a\tb\x80\xff with spaces\r\n\r\n", 0, true, false},
        {GET HOST "!#$%&'*+-.^_`|~1: x\r\n\r\n", 0, true, false},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_request request;
        struct http_parse parse;
        enum http_parse_status status = parse_both_ways(text_from_string(cases[i].input), &request, &parse);

        if (status != HTTP_PARSE_DONE)
            fail_msg("good head %u: %s", i, parse.reason);
        assert_true(parse.content_length == cases[i].content_length);
        assert_int_equal(parse.head_length, strlen(cases[i].input));
        assert_int_equal(request.keep_alive, cases[i].keep_alive);
        assert_int_equal(parse.expects_continue, cases[i].expects_continue);
    }
}

static void test_refused_heads(void **state)
{
    static const char not_method[] = "the request line does not begin with a method";
    static const char not_line[] = "the request line is not `METHOD TARGET HTTP/1.1`";
    static const char not_slash[] = "the request target does not begin with a slash";
    static const char not_escaped[] = "the request target holds a byte that must be percent-encoded";
    static const char not_host[] = "the Host header is not a host name";
    static const char not_header[] = "a header line is not `Name: value`";
    static const char bad_escape[] = "the request target has an escape that is not valid";
    static const char not_utf8[] = "the request target is not UTF-8";
    static const char coding[] = "the only transfer coding that is understood is chunked";
    static const char not_last[] = "a transfer coding comes after chunked";
    static const char not_number[] = "Content-Length is not a number";
    static const char control[] = "a header value holds a control character";
    static const char bare[] = "a line does not end with CR LF";
    static const char version[] = "only HTTP/1.1 and HTTP/1.0 are spoken here";
    static const struct {
        struct text input;
        enum http_refusal refusal;
        const char *reason;
    } cases[] = {
        {TEXT_LITERAL("\x16\x03\x01"), HTTP_REFUSAL_MALFORMED, not_method},
        {TEXT_LITERAL(" GET / HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_method},
        {TEXT_LITERAL("\r\n\r\n" GET HOST "\r\n"), HTTP_REFUSAL_MALFORMED, not_method},
        {TEXT_LITERAL("\rGET / HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_method},
        {TEXT_LITERAL("\n" GET HOST "\r\n"), HTTP_REFUSAL_MALFORMED, not_method},
        {TEXT_LITERAL("G(T / HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_method},
        {TEXT_LITERAL("GET\r\n"), HTTP_REFUSAL_MALFORMED, not_method},
        {TEXT_LITERAL("GET\t/ HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_method},
        {TEXT_LITERAL("GET /\r\n"), HTTP_REFUSAL_MALFORMED, not_line},
        {TEXT_LITERAL("GET / \r\n"), HTTP_REFUSAL_MALFORMED, not_line},
        {TEXT_LITERAL("GET  / HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_line},
        {TEXT_LITERAL("GET /  HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_line},
        {TEXT_LITERAL("GET / HTTP/1.1 \r\n"), HTTP_REFUSAL_MALFORMED, not_line},
        {TEXT_LITERAL("GET / http/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_line},
        {TEXT_LITERAL("GET / HTTP/11\r\n"), HTTP_REFUSAL_MALFORMED, not_line},
        {TEXT_LITERAL("GET / HTTP/1.x\r\n"), HTTP_REFUSAL_MALFORMED, not_line},
        {TEXT_LITERAL("GET /a b HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_line},
        {TEXT_LITERAL("GET / HTTP/0.9\r\n"), HTTP_REFUSAL_VERSION, version},
        {TEXT_LITERAL("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), HTTP_REFUSAL_VERSION, version},
        {TEXT_LITERAL("GET a HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_slash},
        {TEXT_LITERAL("GET * HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_slash},
        {TEXT_LITERAL("OPTIONS ** HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_slash},
        {TEXT_LITERAL("GET http:// HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_slash},
        {TEXT_LITERAL("GET ftp://h/ HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_slash},
        {TEXT_LITERAL("CONNECT h:80 HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_slash},
        {TEXT_LITERAL("GET /\xc3\xa9 HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_escaped},
        {TEXT_LITERAL("GET /a\tb HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_escaped},
        {TEXT_LITERAL("GET /\x7f HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_escaped},
        {TEXT_LITERAL("GET /\0 HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_escaped},
        {TEXT_LITERAL("GET /\r HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_escaped},
        {TEXT_LITERAL("GET /a#b HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_escaped},
        {TEXT_LITERAL("GET / HTTP/1.1\n" HOST "\r\n"), HTTP_REFUSAL_MALFORMED, bare},
        {TEXT_LITERAL(GET "Host: a\n\r\n"), HTTP_REFUSAL_MALFORMED, bare},
        {TEXT_LITERAL(GET HOST "\n"), HTTP_REFUSAL_MALFORMED, bare},
        {TEXT_LITERAL(GET "\r\n"), HTTP_REFUSAL_MALFORMED, "the Host header is missing"},
        {TEXT_LITERAL(GET HOST HOST "\r\n"), HTTP_REFUSAL_MALFORMED, "the Host header is given twice"},
        {TEXT_LITERAL(GET "Host: a b\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_host},
        {TEXT_LITERAL(GET "Host: a/b\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_host},
        {TEXT_LITERAL(GET "Host: a@b\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_host},
        {TEXT_LITERAL(GET HOST "X : a\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_header},
        {TEXT_LITERAL(GET HOST ": a\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_header},
        {TEXT_LITERAL(GET HOST "X\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_header},
        {TEXT_LITERAL(GET HOST "X\xc3: a\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_header},
        {TEXT_LITERAL(GET HOST "X\0: a\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_header},
        {TEXT_LITERAL(GET HOST "X: a\r\n b\r\n\r\n"), HTTP_REFUSAL_MALFORMED,
         "a header is folded over two lines"},
        {TEXT_LITERAL(GET " " HOST "\r\n"), HTTP_REFUSAL_MALFORMED, "a header is folded over two lines"},
        {TEXT_LITERAL(GET HOST "X: a\r\n\tb\r\n\r\n"), HTTP_REFUSAL_MALFORMED,
         "a header is folded over two lines"},
        {TEXT_LITERAL(GET HOST "X: a\0b\r\n\r\n"), HTTP_REFUSAL_MALFORMED, control},
        {TEXT_LITERAL(GET HOST "X: a\rb\r\n\r\n"), HTTP_REFUSAL_MALFORMED, control},
        {TEXT_LITERAL(GET HOST "X: a\r\r\n\r\n"), HTTP_REFUSAL_MALFORMED, control},
        {TEXT_LITERAL(GET HOST "X: a long value with a \x7f\r\n\r\n"), HTTP_REFUSAL_MALFORMED, control},
        {TEXT_LITERAL(GET HOST "X: a long value\x1f with it before its end\r\n\r\n"), HTTP_REFUSAL_MALFORMED,
         control},
        {TEXT_LITERAL(GET HOST "Content-Length:\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_number},
        {TEXT_LITERAL(GET HOST "Content-Length: -1\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_number},
        {TEXT_LITERAL(GET HOST "Content-Length: +1\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_number},
        {TEXT_LITERAL(GET HOST "Content-Length: 1 1\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_number},
        {TEXT_LITERAL(GET HOST "Content-Length: 5, 5\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_number},
        {TEXT_LITERAL(GET HOST "Content-Length: 0x10\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_number},
        {TEXT_LITERAL(GET HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), HTTP_REFUSAL_MALFORMED,
         "the Content-Length header is given twice"},
        {TEXT_LITERAL(GET HOST "Content-Length: 0\r\nContent-Length: 6\r\n\r\n"), HTTP_REFUSAL_MALFORMED,
         "the Content-Length header is given twice"},
        {TEXT_LITERAL(GET HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
         HTTP_REFUSAL_MALFORMED, "Content-Length and Transfer-Encoding exclude each other"},
        {TEXT_LITERAL(GET HOST "Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n"),
         HTTP_REFUSAL_MALFORMED, "Content-Length and Transfer-Encoding exclude each other"},
        {TEXT_LITERAL(GET HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"), HTTP_REFUSAL_MALFORMED,
         "the Content-Length header is given twice"},
        {TEXT_LITERAL(GET HOST "Transfer-Encoding: gzip\r\n\r\n"), HTTP_REFUSAL_NOT_IMPLEMENTED, coding},
        {TEXT_LITERAL(GET HOST "Transfer-Encoding: gzip, chunked\r\n\r\n"), HTTP_REFUSAL_NOT_IMPLEMENTED,
         coding},
        {TEXT_LITERAL(GET HOST "Transfer-Encoding: identity\r\n\r\n"), HTTP_REFUSAL_NOT_IMPLEMENTED, coding},
        {TEXT_LITERAL(GET HOST "Transfer-Encoding: xchunked\r\n\r\n"), HTTP_REFUSAL_NOT_IMPLEMENTED, coding},
        {TEXT_LITERAL(GET HOST "Transfer-Encoding: chunked;q=1\r\n\r\n"), HTTP_REFUSAL_NOT_IMPLEMENTED,
         coding},
        {TEXT_LITERAL(GET HOST "Transfer-Encoding: \"chunked\"\r\n\r\n"), HTTP_REFUSAL_NOT_IMPLEMENTED,
         coding},
        {TEXT_LITERAL(GET HOST "Transfer-Encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n"),
         HTTP_REFUSAL_NOT_IMPLEMENTED, coding},
        {TEXT_LITERAL(GET HOST "Transfer-Encoding: chunked, chunked\r\n\r\n"), HTTP_REFUSAL_MALFORMED,
         not_last},
        {TEXT_LITERAL(GET HOST "Transfer-Encoding: chunked, gzip\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_last},
        {TEXT_LITERAL(GET HOST "Transfer-Encoding: chunked,\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_last},
        {TEXT_LITERAL(GET HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
         HTTP_REFUSAL_MALFORMED, not_last},
        {TEXT_LITERAL(GET HOST "Transfer-Encoding: \r\n\r\n"), HTTP_REFUSAL_MALFORMED,
         "Transfer-Encoding has an empty element"},
        {TEXT_LITERAL(GET HOST "Transfer-Encoding: ,chunked\r\n\r\n"), HTTP_REFUSAL_MALFORMED,
         "Transfer-Encoding has an empty element"},
        {TEXT_LITERAL("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_REFUSAL_MALFORMED,
         "HTTP/1.0 has no Transfer-Encoding"},
        {TEXT_LITERAL(GET "Host: a,b\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_host},
        {TEXT_LITERAL(GET "Host: a:b\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_host},
        {TEXT_LITERAL(GET "Host: a:65536\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_host},
        {TEXT_LITERAL(GET "Host: a:000080\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_host},
        {TEXT_LITERAL(GET "Host: a:-1\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_host},
        {TEXT_LITERAL(GET "Host: :80\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_host},
        {TEXT_LITERAL(GET "Host: [::1\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_host},
        {TEXT_LITERAL(GET "Host: []\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_host},
        {TEXT_LITERAL(GET "Host: [::g]\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_host},
        {TEXT_LITERAL(GET "Host: [::1]x\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_host},
        {TEXT_LITERAL(GET "Host: [::1]:x\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_host},
        {TEXT_LITERAL(GET "Host: a%41\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_host},
        {TEXT_LITERAL(GET "Host: a b\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_host},
        {TEXT_LITERAL(GET "Host: a..b:1:2\r\n\r\n"), HTTP_REFUSAL_MALFORMED, not_host},
        {TEXT_LITERAL("GET /% HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, bad_escape},
        {TEXT_LITERAL("GET /%4 HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, bad_escape},
        {TEXT_LITERAL("GET /%4g HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, bad_escape},
        {TEXT_LITERAL("GET /%g4 HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, bad_escape},
        {TEXT_LITERAL("GET /a%%41 HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, bad_escape},
        {TEXT_LITERAL("GET /a?b=% HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, bad_escape},
        {TEXT_LITERAL("GET /a?%zz HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, bad_escape},
        {TEXT_LITERAL("GET /%00 HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED,
         "the request target has an escaped NUL"},
        {TEXT_LITERAL("GET /a?b=c%00d HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED,
         "the request target has an escaped NUL"},
        {TEXT_LITERAL("GET /%ff HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_utf8},
        {TEXT_LITERAL("GET /%c0%af HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_utf8},
        {TEXT_LITERAL("GET /%e0%80%af HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_utf8},
        {TEXT_LITERAL("GET /%ed%a0%80 HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_utf8},
        {TEXT_LITERAL("GET /%f4%90%80%80 HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_utf8},
        {TEXT_LITERAL("GET /%c3 HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_utf8},
        {TEXT_LITERAL("GET /%c3x%a9 HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_utf8},
        {TEXT_LITERAL("GET /a?b=%80 HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_utf8},
        {TEXT_LITERAL("GET http:///a HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_slash},
        {TEXT_LITERAL("GET http://u@h/ HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_slash},
        {TEXT_LITERAL("GET http://h:x/ HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_slash},
        {TEXT_LITERAL("GET http://a,b/ HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_slash},
        {TEXT_LITERAL("GET http://?a HTTP/1.1\r\n"), HTTP_REFUSAL_MALFORMED, not_slash},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_request request;
        struct http_parse parse;
        enum http_parse_status status = parse_both_ways(cases[i].input, &request, &parse);

        if (status != HTTP_PARSE_REFUSED || parse.refusal != cases[i].refusal ||
            strcmp(parse.reason, cases[i].reason) != 0)
            fail_msg("refused head %u: status %d, refusal %d, %s", i, status, parse.refusal,
                     parse.reason ? parse.reason : "no reason");
    }
}

/* `prefix`, then `count` times `byte`, then `suffix`. */
static struct text padded(char *memory, const char *prefix, char byte, size_t count, const char *suffix)
{
    size_t prefix_length = strlen(prefix), suffix_length = strlen(suffix);

    memcpy(memory, prefix, prefix_length);
    memset(memory + prefix_length, byte, count);
    memcpy(memory + prefix_length + count, suffix, suffix_length);
    return (struct text){memory, prefix_length + count + suffix_length};
}

static void assert_outcome(struct text input, enum http_refusal expected)
{
    struct http_request request;
    struct http_parse parse;
    enum http_parse_status status = parse_both_ways(input, &request, &parse);

    assert_int_equal(parse.refusal, expected);
    assert_int_equal(status, expected ? HTTP_PARSE_REFUSED : HTTP_PARSE_DONE);
}

static void test_url_limit(void **state)
{
    char *memory = malloc(2 * HTTP_HEADER_BYTES_MAX);
    const char *rest = " HTTP/1.1\r\n" HOST "\r\n";

    (void)state;
    assert_outcome(padded(memory, "GET /", 'a', HTTP_URL_BYTES_MAX - 1, rest), HTTP_REFUSAL_NONE);
    assert_outcome(padded(memory, "GET /", 'a', HTTP_URL_BYTES_MAX, rest), HTTP_REFUSAL_URL_TOO_LONG);
    assert_outcome(padded(memory, "GET /", 'a', HTTP_URL_BYTES_MAX + 100, rest), HTTP_REFUSAL_URL_TOO_LONG);
    assert_outcome(padded(memory, "GET /", 'a', HTTP_URL_BYTES_MAX + 100, "\n"), HTTP_REFUSAL_URL_TOO_LONG);
    /* It need not be seen to its end. */
    assert_outcome(padded(memory, "GET /", 'a', HTTP_URL_BYTES_MAX + 100, ""), HTTP_REFUSAL_URL_TOO_LONG);
    free(memory);
}

static void test_header_size_limit(void **state)
{
    char *memory = malloc(2 * HTTP_HEADER_BYTES_MAX);
    const char *prefix = GET HOST "X: ";
    size_t room = HTTP_HEADER_BYTES_MAX - strlen(prefix) - strlen("\r\n\r\n");

    (void)state;
    assert_outcome(padded(memory, prefix, 'a', room, "\r\n\r\n"), HTTP_REFUSAL_NONE);
    assert_outcome(padded(memory, prefix, 'a', room + 1, "\r\n\r\n"), HTTP_REFUSAL_HEADER_TOO_LARGE);
    assert_outcome(padded(memory, prefix, 'a', room + 4, ""), HTTP_REFUSAL_HEADER_TOO_LARGE);
    assert_outcome(padded(memory, prefix, 'a', room + 4, "\n"), HTTP_REFUSAL_HEADER_TOO_LARGE);
    assert_outcome(padded(memory, prefix, 'a', room + 5000, "\r\n\r\n"), HTTP_REFUSAL_HEADER_TOO_LARGE);
    free(memory);
}

static void test_header_count_limit(void **state)
{
    for (unsigned count = HTTP_HEADER_COUNT_MAX - 1; count <= HTTP_HEADER_COUNT_MAX; count++) {
        char input[8 * HTTP_HEADER_COUNT_MAX + 64] = GET HOST;

        for (unsigned i = 0; i < count; i++)
            strcat(input, "X: y\r\n");
        strcat(input, "\r\n");
        assert_outcome(text_from_string(input),
                       count < HTTP_HEADER_COUNT_MAX ? HTTP_REFUSAL_NONE : HTTP_REFUSAL_HEADER_TOO_LARGE);
    }
    (void)state;
}

static void test_incomplete_heads(void **state)
{
    static const char *const cases[] = {"",  "\r",     "\r\n",        "G",    "GET /",
                                        GET, GET HOST, GET HOST "\r", GET "X"};

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_request request;
        struct http_parse parse;

        assert_int_equal(parse_both_ways(text_from_string(cases[i]), &request, &parse),
                         HTTP_PARSE_INCOMPLETE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_usual_request),
        cmocka_unit_test(test_absolute_targets),
        cmocka_unit_test(test_http_1_0_is_answered_once),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_good_heads),
        cmocka_unit_test(test_refused_heads),
        cmocka_unit_test(test_url_limit),
        cmocka_unit_test(test_header_size_limit),
        cmocka_unit_test(test_header_count_limit),
        cmocka_unit_test(test_incomplete_heads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
