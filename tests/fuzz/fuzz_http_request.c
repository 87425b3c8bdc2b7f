/* The request head parser on any bytes: nothing is read or pointed to outside of the input, a whole head is
 * as long as it says, and how the bytes arrive changes nothing.
 *
 * The first byte of the input says in what pieces the rest arrives. */
#include "http/request_parser.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

struct outcome {
    enum http_parse_status status;
    struct http_request request;
    struct http_parse parse;
    struct http_header headers[HTTP_HEADER_COUNT_MAX];
};

static void check_inside(struct text part, struct text whole)
{
    if (part.length)
        CHECK(part.data >= whole.data && part.data + part.length <= whole.data + whole.length);
}

/* What `request` holds is part of the input, also when the rest was refused. */
static void check_texts(const struct outcome *outcome, struct text input)
{
    const struct http_request *request = &outcome->request;

    CHECK(request->header_count <= HTTP_HEADER_COUNT_MAX);
    check_inside(request->method_name, input);
    check_inside(request->target, input);
    check_inside(request->path, input);
    check_inside(request->query, input);
    for (unsigned i = 0; i < request->header_count; i++) {
        check_inside(request->headers[i].name, input);
        check_inside(request->headers[i].value, input);
        CHECK(request->headers[i].name.length > 0);
        CHECK(memchr(request->headers[i].value.data, '\n', request->headers[i].value.length) == NULL);
    }
}

static void check_outcome(const struct outcome *outcome, struct text input)
{
    const struct http_parse *parse = &outcome->parse;

    check_texts(outcome, input);
    CHECK((outcome->status == HTTP_PARSE_REFUSED) == (parse->refusal != HTTP_REFUSAL_NONE));
    CHECK((outcome->status == HTTP_PARSE_REFUSED) == (parse->reason != NULL));
    if (outcome->status != HTTP_PARSE_DONE)
        return;
    CHECK(parse->head_length <= input.length && parse->head_length <= HTTP_HEADER_BYTES_MAX);
    CHECK(parse->head_length >= 4 && memcmp(input.data + parse->head_length - 4, "\r\n\r\n", 4) == 0);
    CHECK(outcome->request.target.length > 0 && outcome->request.target.length <= HTTP_URL_BYTES_MAX);
    CHECK(parse->is_http_1_0 || text_is_set(http_request_header(&outcome->request, TEXT("host"))));
}

static void parse_whole(struct text input, struct outcome *outcome)
{
    memset(&outcome->parse, 0, sizeof outcome->parse);
    outcome->status = http_parse_head(input, outcome->headers, &outcome->request, &outcome->parse);
}

/* Each call sees the bytes up to its piece alone: a copy of just that size would move, so the parser is held
 * to its promise by the length only. Stops, as a connection does, when the outcome is there. */
static size_t parse_in_pieces(struct text input, size_t piece, struct outcome *outcome)
{
    size_t seen = 0;

    memset(&outcome->parse, 0, sizeof outcome->parse);
    do {
        seen = input.length - seen < piece ? input.length : seen + piece;
        outcome->status =
            http_parse_head(text_slice(input, 0, seen), outcome->headers, &outcome->request, &outcome->parse);
    } while (outcome->status == HTTP_PARSE_INCOMPLETE && seen < input.length);
    return seen;
}

static void check_same(const struct outcome *a, const struct outcome *b)
{
    CHECK(a->status == b->status);
    CHECK(a->parse.refusal == b->parse.refusal && a->parse.reason == b->parse.reason);
    CHECK(a->parse.head_length == b->parse.head_length);
    if (a->status != HTTP_PARSE_DONE)
        return;
    CHECK(a->parse.content_length == b->parse.content_length);
    CHECK(a->parse.expects_continue == b->parse.expects_continue);
    CHECK(a->request.method == b->request.method && a->request.keep_alive == b->request.keep_alive);
    CHECK(a->request.target.data == b->request.target.data);
    CHECK(a->request.target.length == b->request.target.length);
    CHECK(a->request.header_count == b->request.header_count);
    for (unsigned i = 0; i < a->request.header_count; i++) {
        CHECK(a->headers[i].name.data == b->headers[i].name.data);
        CHECK(a->headers[i].name.length == b->headers[i].name.length);
        CHECK(a->headers[i].value.data == b->headers[i].value.data);
        CHECK(a->headers[i].value.length == b->headers[i].value.length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome whole, pieces, again;

    if (size == 0)
        return 0;
    /* An allocation of its own, so that a read behind the end is seen. */
    char *bytes = malloc(size);
    struct text input = {bytes, size - 1};

    memcpy(bytes, data + 1, size - 1);
    bytes = realloc(bytes, size - 1 ? size - 1 : 1);
    input.data = bytes;
    parse_whole(input, &whole);
    check_outcome(&whole, input);
    size_t seen = parse_in_pieces(input, (size_t)data[0] + 1, &pieces);

    check_outcome(&pieces, text_slice(input, 0, seen));
    check_same(&whole, &pieces);
    if (whole.status ==
        HTTP_PARSE_DONE) { /* the head alone is the same, and without its last byte it is none */
        parse_whole(text_slice(input, 0, whole.parse.head_length), &again);
        check_same(&whole, &again);
        parse_whole(text_slice(input, 0, whole.parse.head_length - 1), &again);
        CHECK(again.status == HTTP_PARSE_INCOMPLETE);
    }
    free(bytes);
    return 0;
}
