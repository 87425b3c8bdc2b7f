#include "http/chunked.h"

#include "http/byte_class.h"

#include <assert.h>
#include <string.h>

static bool refuse(struct http_chunked *decoder, enum http_refusal refusal, const char *reason)
{
    decoder->refusal = refusal;
    decoder->reason = reason;
    return false;
}

static bool malformed(struct http_chunked *decoder, const char *reason)
{
    return refuse(decoder, HTTP_REFUSAL_MALFORMED, reason);
}

static bool go_on(struct http_chunked *decoder, enum http_chunked_state state)
{
    decoder->state = state;
    decoder->part_bytes = 0;
    return true;
}

static bool expect(struct http_chunked *decoder, char byte, char expected, enum http_chunked_state next)
{
    if (byte != expected)
        return malformed(decoder, "a line of a chunked body does not end with CR LF");
    return go_on(decoder, next);
}

static bool take_size_digit(struct http_chunked *decoder, unsigned digit)
{
    if (decoder->size_digits == HTTP_CHUNK_SIZE_DIGITS_MAX)
        return malformed(decoder, "the size of a chunk has too many digits");
    decoder->size_digits++;
    decoder->chunk_bytes_left = decoder->chunk_bytes_left * 16 + digit;
    return true;
}

static bool exceeds(const struct http_chunked *decoder, uint64_t body_bytes_max)
{
    return decoder->chunk_bytes_left > body_bytes_max - decoder->body_length;
}

/* What ends the size, or one extension behind it: the end of the line, or another extension. */
static bool take_size_end(struct http_chunked *decoder, char byte, uint64_t body_bytes_max)
{
    if (exceeds(decoder, body_bytes_max))
        return refuse(decoder, HTTP_REFUSAL_BODY_TOO_LARGE, "the body is too large");
    if (byte == ';')
        return go_on(decoder, HTTP_CHUNK_EXTENSION_NAME);
    if (byte == '\r')
        return go_on(decoder, HTTP_CHUNK_SIZE_LF);
    return malformed(decoder, decoder->state == HTTP_CHUNK_SIZE
                                  ? "the size of a chunk is not a hexadecimal number"
                                  : "the extension of a chunk is not `;name` or `;name=value`");
}

static bool take_size(struct http_chunked *decoder, char byte, uint64_t body_bytes_max)
{
    int digit = text_hex_digit(byte);

    if (digit >= 0)
        return take_size_digit(decoder, (unsigned)digit);
    if (decoder->size_digits == 0)
        return malformed(decoder, "the size of a chunk is not a hexadecimal number");
    return take_size_end(decoder, byte, body_bytes_max);
}

static bool bad_extension(struct http_chunked *decoder)
{
    return malformed(decoder, "the extension of a chunk is not `;name` or `;name=value`");
}

/* A name or a value is a token, of one byte at least. */
static bool take_extension_token(struct http_chunked *decoder, char byte, uint64_t body_bytes_max)
{
    bool is_name = decoder->state == HTTP_CHUNK_EXTENSION_NAME;

    if (http_byte_is(byte, HTTP_BYTE_TOKEN)) {
        decoder->part_bytes++;
        return true;
    }
    if (decoder->part_bytes == 0)
        return !is_name && byte == '"' ? go_on(decoder, HTTP_CHUNK_EXTENSION_QUOTED) : bad_extension(decoder);
    if (is_name && byte == '=')
        return go_on(decoder, HTTP_CHUNK_EXTENSION_VALUE);
    return take_size_end(decoder, byte, body_bytes_max);
}

static bool take_quoted(struct http_chunked *decoder, char byte)
{
    if (!http_byte_is(byte, HTTP_BYTE_VALUE))
        return bad_extension(decoder);
    if (decoder->state == HTTP_CHUNK_EXTENSION_ESCAPED)
        return go_on(decoder, HTTP_CHUNK_EXTENSION_QUOTED);
    if (byte == '"')
        return go_on(decoder, HTTP_CHUNK_EXTENSION_UNQUOTED);
    if (byte == '\\')
        return go_on(decoder, HTTP_CHUNK_EXTENSION_ESCAPED);
    return true;
}

static bool take_extension(struct http_chunked *decoder, char byte, uint64_t body_bytes_max)
{
    if (++decoder->extension_bytes > HTTP_CHUNK_EXTENSION_BYTES_MAX)
        return malformed(decoder, "the extensions of the chunks are too long");
    switch (decoder->state) {
    case HTTP_CHUNK_EXTENSION_NAME:
    case HTTP_CHUNK_EXTENSION_VALUE:
        return take_extension_token(decoder, byte, body_bytes_max);
    case HTTP_CHUNK_EXTENSION_QUOTED:
    case HTTP_CHUNK_EXTENSION_ESCAPED:
        return take_quoted(decoder, byte);
    default:
        return take_size_end(decoder, byte, body_bytes_max);
    }
}

static bool bad_trailer(struct http_chunked *decoder)
{
    return malformed(decoder, "a trailer line is not `Name: value`");
}

static bool take_trailer_value(struct http_chunked *decoder, char byte)
{
    if (byte == '\r')
        return go_on(decoder, HTTP_CHUNK_TRAILER_LF);
    return http_byte_is(byte, HTTP_BYTE_VALUE) || bad_trailer(decoder);
}

static bool take_trailer_name(struct http_chunked *decoder, char byte)
{
    if (byte == ':' && decoder->part_bytes)
        return go_on(decoder, HTTP_CHUNK_TRAILER_VALUE);
    decoder->part_bytes++;
    return http_byte_is(byte, HTTP_BYTE_TOKEN) || bad_trailer(decoder);
}

static bool take_trailer(struct http_chunked *decoder, char byte)
{
    if (++decoder->trailer_bytes > HTTP_TRAILER_BYTES_MAX)
        return refuse(decoder, HTTP_REFUSAL_HEADER_TOO_LARGE, "the trailer of the body is too large");
    switch (decoder->state) {
    case HTTP_CHUNK_TRAILER:
        if (byte == '\r')
            return go_on(decoder, HTTP_CHUNK_END_LF);
        go_on(decoder, HTTP_CHUNK_TRAILER_NAME);
        return take_trailer_name(decoder, byte);
    case HTTP_CHUNK_TRAILER_NAME:
        return take_trailer_name(decoder, byte);
    case HTTP_CHUNK_TRAILER_VALUE:
        return take_trailer_value(decoder, byte);
    default:
        return expect(decoder, byte, '\n', HTTP_CHUNK_TRAILER);
    }
}

/* The size is read; what follows is data, or, after a size of zero, the trailer. */
static bool begin_chunk(struct http_chunked *decoder, char byte)
{
    bool is_last = decoder->chunk_bytes_left == 0;

    decoder->size_digits = 0;
    return expect(decoder, byte, '\n', is_last ? HTTP_CHUNK_TRAILER : HTTP_CHUNK_DATA);
}

/* Takes one byte that is not data. False when it is refused. */
static bool take_byte(struct http_chunked *decoder, char byte, uint64_t body_bytes_max)
{
    switch (decoder->state) {
    case HTTP_CHUNK_SIZE:
        return take_size(decoder, byte, body_bytes_max);
    case HTTP_CHUNK_EXTENSION_NAME ... HTTP_CHUNK_EXTENSION_UNQUOTED:
        return take_extension(decoder, byte, body_bytes_max);
    case HTTP_CHUNK_SIZE_LF:
        return begin_chunk(decoder, byte);
    case HTTP_CHUNK_DATA_CR:
        return expect(decoder, byte, '\r', HTTP_CHUNK_DATA_LF);
    case HTTP_CHUNK_DATA_LF:
        return expect(decoder, byte, '\n', HTTP_CHUNK_SIZE);
    case HTTP_CHUNK_TRAILER ... HTTP_CHUNK_TRAILER_LF:
        return take_trailer(decoder, byte);
    case HTTP_CHUNK_END_LF:
        return expect(decoder, byte, '\n', HTTP_CHUNK_DONE);
    case HTTP_CHUNK_DATA:
    case HTTP_CHUNK_DONE:
        break;
    }
    assert(false);
    return false;
}

/* Takes what is there of the chunk's data. Returns how many bytes that were. */
static size_t take_data(struct http_chunked *decoder, const char *input, size_t length, char *output)
{
    size_t count = decoder->chunk_bytes_left < length ? (size_t)decoder->chunk_bytes_left : length;

    memmove(output, input, count);
    decoder->body_length += count;
    decoder->chunk_bytes_left -= count;
    if (decoder->chunk_bytes_left == 0)
        go_on(decoder, HTTP_CHUNK_DATA_CR);
    return count;
}

enum http_parse_status http_chunked_decode(struct http_chunked *decoder, const char *input, size_t length,
                                           char *output, uint64_t body_bytes_max, size_t *taken)
{
    size_t at = 0;

    assert(decoder->state != HTTP_CHUNK_DONE && !decoder->refusal);
    assert(decoder->body_length <= body_bytes_max);
    *taken = 0;
    if (decoder->state == HTTP_CHUNK_DATA && exceeds(decoder, body_bytes_max)) {
        refuse(decoder, HTTP_REFUSAL_BODY_TOO_LARGE, "the body is too large");
        return HTTP_PARSE_REFUSED;
    }
    while (at < length && decoder->state != HTTP_CHUNK_DONE) {
        if (decoder->state == HTTP_CHUNK_DATA) {
            size_t count = take_data(decoder, input + at, length - at, output);

            output += count;
            at += count;
        } else if (!take_byte(decoder, input[at++], body_bytes_max)) {
            *taken = at;
            return HTTP_PARSE_REFUSED;
        }
    }
    *taken = at;
    return decoder->state == HTTP_CHUNK_DONE ? HTTP_PARSE_DONE : HTTP_PARSE_INCOMPLETE;
}
