/* seal.h: texts that only the holder of a key can read, and that nobody can alter or put in another's place
 * (XChaCha20-Poly1305 with a random nonce), and keyed hashes (BLAKE2b), through libsodium. Any thread. */
#ifndef FARTHING_BASE_SEAL_H
#define FARTHING_BASE_SEAL_H

#include "base/arena.h"
#include "base/text.h"

enum {
    SEAL_KEY_BYTES = 32,
    SEAL_HASH_BYTES = 32,
    SEAL_PLAIN_BYTES_MAX = 256 * 1024 * 1024,
};

/* A hash over the parts that nobody can tell or forge without the key (NULL: no key). Where one part ends and
 * the next begins counts: ("ab", "c") is not ("a", "bc"). */
void seal_hash(const uint8_t *key, const struct text *parts, size_t part_count,
               uint8_t hash[SEAL_HASH_BYTES]);

/* `plain` encrypted, as text (base64) in the arena. `about` is what it belongs to: not part of it, but
 * opening it takes the same. Each call gives another text. */
struct text seal(struct arena *arena, const uint8_t key[SEAL_KEY_BYTES], struct text about,
                 struct text plain);

/* What was sealed, in the arena. False when it was sealed with another key or about something else, or was
 * altered. */
bool seal_open(struct arena *arena, const uint8_t key[SEAL_KEY_BYTES], struct text about, struct text sealed,
               struct text *plain);

#endif
