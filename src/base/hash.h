/* hash.h: SHA-256 (FIPS 180-4) through OpenSSL; the algorithm is fetched once and each thread keeps a
 * context. */
#ifndef FARTHING_BASE_HASH_H
#define FARTHING_BASE_HASH_H

#include "base/text.h"

enum {
    SHA256_BYTES = 32,
    SHA256_HEX_LENGTH = 64,
};

void sha256(struct text input, uint8_t digest[SHA256_BYTES]);
/* The same of what comes in pieces: `sha256_end` gives the digest and frees the stream. One thread at a time.
 */
struct sha256_stream;
struct sha256_stream *sha256_begin(void);
void sha256_add(struct sha256_stream *stream, struct text input);
void sha256_end(struct sha256_stream *stream, uint8_t digest[SHA256_BYTES]);

/* Lower-case hexadecimal; `out` is not terminated. */
void hex_encode(const uint8_t *bytes, size_t length, char *out);
/* False when `text` is not exactly 2 * length hexadecimal digits. */
bool hex_decode(struct text text, uint8_t *bytes, size_t length);

#endif
