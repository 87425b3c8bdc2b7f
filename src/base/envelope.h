/* envelope.h: texts encrypted at rest under one of several keys: AES-256-GCM with a random nonce, and in
 * front the id of the key, so that keys can be changed while old texts stay readable (conventions section
 * 23). Any thread.
 *
 *     <key id>:<base64 of nonce, ciphertext and tag>
 *
 * What is kept under a key that only the request knows is sealed instead (base/seal.h). */
#ifndef FARTHING_BASE_ENVELOPE_H
#define FARTHING_BASE_ENVELOPE_H

#include "base/arena.h"
#include "base/text.h"

enum {
    ENVELOPE_KEY_BYTES = 32,
    ENVELOPE_KEYS_MAX = 8,
    ENVELOPE_PLAIN_BYTES_MAX = 16 * 1024 * 1024, /* far more than a change of any row comes to */
};

struct envelope_key {
    struct text id; /* without a colon */
    uint8_t bytes[ENVELOPE_KEY_BYTES];
};

/* The keys that texts may be encrypted under. The first one is the present one, under which new texts are. */
struct envelope_keys {
    struct envelope_key keys[ENVELOPE_KEYS_MAX];
    unsigned count;
};

/* `plain` encrypted under the present key, in the arena. `about` is what it belongs to: not part of it, but
 * opening it takes the same. Each call gives another text. */
struct text envelope_close(struct arena *arena, const struct envelope_keys *keys, struct text about,
                           struct text plain);

enum envelope_state {
    ENVELOPE_OPENED,
    ENVELOPE_KEY_UNKNOWN, /* it names a key that is not among them */
    ENVELOPE_ALTERED,     /* it is no such text, or not what was encrypted, or about something else */
};

/* What was encrypted, in the arena. */
enum envelope_state envelope_open(struct arena *arena, const struct envelope_keys *keys, struct text about,
                                  struct text closed, struct text *plain);

/* The id of the key that a text names; unset when it names none. */
struct text envelope_key_id(struct text closed);

#endif
