/* chunked.h: the chunked transfer coding of a request body (RFC 9112 section 7.1), decoded as it arrives.
 * Pure: no sockets, no clock. Only for the http room and its tests.
 *
 * Strict, because a reader in front of us that is less so could see another end of the body: hexadecimal
 * digits without a sign or a space, CR LF and nothing less, extensions and trailer fields by their grammar.
 * Both are checked and forgotten (RFC 9112 section 7.1.1, 7.1.2). */
#ifndef FARTHING_HTTP_CHUNKED_H
#define FARTHING_HTTP_CHUNKED_H

#include "http/request_parser.h"

enum {
    HTTP_CHUNK_SIZE_DIGITS_MAX = 16,
    /* Of one body, all chunks together: what nobody reads must not cost much. */
    HTTP_CHUNK_EXTENSION_BYTES_MAX = 4 * 1024,
    HTTP_TRAILER_BYTES_MAX = 8 * 1024,
};

enum http_chunked_state {
    HTTP_CHUNK_SIZE, /* first, so that a zeroed decoder begins here */
    HTTP_CHUNK_EXTENSION_NAME,
    HTTP_CHUNK_EXTENSION_VALUE,
    HTTP_CHUNK_EXTENSION_QUOTED,
    HTTP_CHUNK_EXTENSION_ESCAPED,
    HTTP_CHUNK_EXTENSION_UNQUOTED,
    HTTP_CHUNK_SIZE_LF,
    HTTP_CHUNK_DATA,
    HTTP_CHUNK_DATA_CR,
    HTTP_CHUNK_DATA_LF,
    HTTP_CHUNK_TRAILER,
    HTTP_CHUNK_TRAILER_NAME,
    HTTP_CHUNK_TRAILER_VALUE,
    HTTP_CHUNK_TRAILER_LF,
    HTTP_CHUNK_END_LF,
    HTTP_CHUNK_DONE,
};

/* A body on its way, and the outcome. All zero before the first call. */
struct http_chunked {
    uint64_t body_length; /* bytes decoded so far */
    enum http_refusal refusal;
    const char *reason;

    /* For the decoder alone. */
    enum http_chunked_state state;
    uint64_t chunk_bytes_left;
    unsigned size_digits, part_bytes; /* of this size; of this name or value */
    unsigned extension_bytes, trailer_bytes;
};

/* Decodes `length` more bytes at `input` and writes the body's at `output`, which may be the same place or
 * any before it: there are never more of them. `*taken` says how many bytes of the input were read: all of
 * them, except that those behind the end of a whole body are the next request's. A body of more than
 * `body_bytes_max` bytes is refused when the size of the chunk that makes it so is read; the limit
 * may be lowered between two calls, but not below what was decoded. How the bytes were split never changes
 * the outcome. Not to be called again after HTTP_PARSE_DONE or HTTP_PARSE_REFUSED. */
enum http_parse_status http_chunked_decode(struct http_chunked *decoder, const char *input, size_t length,
                                           char *output, uint64_t body_bytes_max, size_t *taken);

#endif
