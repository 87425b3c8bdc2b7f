/* The chunked decoder on any bytes: nothing is read or written outside of what it was given, the body is what
 * a plain second reading of the accepted bytes makes of it, and how the bytes arrive changes nothing.
 *
 * The first byte of the input says in what pieces the rest arrives. */
#include "http/chunked.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

enum { BODY_BYTES_MAX = 4096 };

struct outcome {
    enum http_parse_status status;
    struct http_chunked decoder;
    char *body;
    size_t taken;
};

/* Decodes in place, each piece in an allocation that ends where the piece ends. */
static struct outcome decode(const uint8_t *input, size_t length, size_t piece)
{
    struct outcome outcome = {.status = HTTP_PARSE_INCOMPLETE, .body = malloc(1)};

    while (outcome.status == HTTP_PARSE_INCOMPLETE && outcome.taken < length) {
        size_t more = length - outcome.taken < piece ? length - outcome.taken : piece, taken = 0;
        size_t body_length = (size_t)outcome.decoder.body_length;

        outcome.body = realloc(outcome.body, body_length + more);
        memcpy(outcome.body + body_length, input + outcome.taken, more);
        outcome.status = http_chunked_decode(&outcome.decoder, outcome.body + body_length, more,
                                             outcome.body + body_length, BODY_BYTES_MAX, &taken);
        CHECK(taken <= more && (taken == more || outcome.status != HTTP_PARSE_INCOMPLETE));
        outcome.taken += taken;
        CHECK(outcome.decoder.body_length <= BODY_BYTES_MAX);
        CHECK(outcome.decoder.body_length <= outcome.taken);
        CHECK((outcome.status == HTTP_PARSE_REFUSED) == (outcome.decoder.reason != NULL));
    }
    return outcome;
}

/* An accepted body once more, without a state: strtoul, strchr and memcmp. */
static void check_plainly(const char *input, size_t taken, const struct outcome *outcome)
{
    char *text = malloc(taken + 1), *at = text, *digits_end;
    const char *body = outcome->body;

    memcpy(text, input, taken);
    text[taken] = 0;
    for (unsigned long length; (length = strtoul(at, &digits_end, 16)) != 0;) {
        at = memmem(digits_end, taken - (size_t)(digits_end - text), "\r\n", 2);
        CHECK(at != NULL && memcmp(body, at + 2, length) == 0);
        body += length;
        at += 2 + length;
        CHECK(memcmp(at, "\r\n", 2) == 0);
        at += 2;
    }
    CHECK(body == outcome->body + outcome->decoder.body_length);
    CHECK(taken >= 5 && memcmp(text + taken - 4, "\r\n\r\n", 4) == 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct outcome whole = decode(data + 1, size - 1, size),
                   pieces = decode(data + 1, size - 1, data[0] + 1U);

    CHECK(whole.status == pieces.status && whole.decoder.reason == pieces.decoder.reason);
    CHECK(whole.decoder.body_length == pieces.decoder.body_length && whole.taken == pieces.taken);
    CHECK(memcmp(whole.body, pieces.body, (size_t)whole.decoder.body_length) == 0);
    if (whole.status == HTTP_PARSE_DONE)
        check_plainly((const char *)data + 1, whole.taken, &whole);
    free(whole.body);
    free(pieces.body);
    return 0;
}
