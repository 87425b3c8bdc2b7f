/* ulid.h: sortable 128-bit ids as 26 characters of Crockford base32 (conventions section 9): 48 bits of Unix
 * milliseconds, 80 random bits. */
#ifndef FARTHING_BASE_ULID_H
#define FARTHING_BASE_ULID_H

#include "base/arena.h"
#include "base/text.h"

enum {
    ULID_TEXT_LENGTH = 26,
    ULID_RANDOM_BYTES = 10,
};

/* A generator: within one millisecond the random part is incremented, never redrawn; when the clock steps
 * back the last timestamp is kept. Ids of one generator are strictly increasing. Not shared between threads.
 */
struct ulid_generator {
    uint64_t timestamp_ms;
    uint8_t random[ULID_RANDOM_BYTES]; /* big-endian */
};

/* Encodes a timestamp (below 2^48) and random bytes into `out`, which is not terminated. */
void ulid_encode(uint64_t timestamp_ms, const uint8_t random[ULID_RANDOM_BYTES], char out[ULID_TEXT_LENGTH]);

/* The generator's next id. */
void ulid_next(struct ulid_generator *generator, uint64_t now_ms, char out[ULID_TEXT_LENGTH]);

/* `<prefix>_<ULID>` from the generator that the whole process shares (thread-safe), in the arena. */
struct text ulid_make_id(struct arena *arena, const char *prefix, int64_t now_us);

/* `length` characters of Crockford base32 straight from the system's generator: 5 unguessable bits each. */
void ulid_random_text(char *out, size_t length);

#endif
