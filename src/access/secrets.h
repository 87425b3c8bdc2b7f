/* secrets.h: what the server keeps to itself: the key that signs tokens and the key that encrypts what must
 * not be read from a stolen database (conventions sections 3.4, 3.5, 23, 24). Of each purpose one key is the
 * present one; those before it are honoured for a while.
 *
 * They come from a file `secrets` in the data directory or from settings; reading and writing it is the
 * command's business (cli/secrets_file.h), what stands in it is said here. */
#ifndef FARTHING_ACCESS_SECRETS_H
#define FARTHING_ACCESS_SECRETS_H

#include "base/arena.h"
#include "base/instant.h"
#include "base/text.h"

enum secret_purpose { SECRET_SIGNING, SECRET_ENCRYPTION, SECRET_PURPOSES };

enum {
    SECRET_BYTES = 32,      /* of one that we make */
    SECRET_BYTES_MIN = 32,  /* of one that is given */
    SECRET_BYTES_MAX = 256, /* the same */
    SECRET_ID_LENGTH = 16,
    SECRET_KEYS_MAX = 8, /* of one purpose, the present one included */
    SECRETS_TEXT_BYTES_MAX = 64 * 1024,
};

#define SECRET_WITHOUT_END INT64_MAX

struct secret_key {
    /* Follows from the key, which cannot be guessed from it: two processes with the same id have the same
     * key. Lower-case hexadecimal. */
    char id[SECRET_ID_LENGTH];
    uint8_t bytes[SECRET_BYTES_MAX];
    size_t length;
    int64_t created_at_us; /* INT64_MIN: not known, because it was given */
    /* When a key that is not the present one stops being honoured. It stays on the list: the database may
     * still remember it as the present one, and then this list is the newer. */
    int64_t honoured_until_us;
};

struct secret_ring {
    struct secret_key keys[SECRET_KEYS_MAX]; /* the present one first, then the newest */
    unsigned count;
    bool is_given; /* by settings: only who gave it can change it */
};

/* Plain data; 10 KiB. */
struct secret_set {
    struct secret_ring rings[SECRET_PURPOSES];
};

const char *secret_purpose_name(enum secret_purpose purpose);
/* False when there is no such purpose. */
bool secret_purpose_find(struct text name, enum secret_purpose *purpose);

/* A set of one new random key for each purpose. */
void secret_set_make(struct secret_set *set, int64_t now_us);
/* Adds a key that was given, behind those that are there. False when the ring is full or the key's length is
 * none that a key can have. */
bool secret_ring_add(struct secret_ring *ring, enum secret_purpose purpose, struct text bytes,
                     int64_t created_at_us, int64_t honoured_until_us);
/* Makes a new random key the present one. Those before it are honoured until `grace_until_us`, if they would
 * be for longer. When the ring is full, the oldest one that is not honoured any more makes room. False, and
 * nothing changed, when all of them still are. */
bool secret_ring_rotate(struct secret_ring *ring, enum secret_purpose purpose, int64_t now_us,
                        int64_t grace_until_us);
/* The id of the key that a rotation at that instant would drop from the list to make room; unset when there
 * is room, or none can be made. Borrowed from the ring. */
struct text secret_ring_dropped(const struct secret_ring *ring, int64_t now_us, int64_t grace_until_us);
/* Whether a key of that id is on the list, honoured or not. */
bool secret_ring_has(const struct secret_ring *ring, struct text id);

/* ---- as a text ---- */

/* The file's content, in the arena: comments, and a line for each key that was not given:
 *
 *     signing 4f0c… 2026-01-02T03:04:05Z present 9b1e… (64 hexadecimal digits)
 *     signing 77ab… 2025-01-02T03:04:05Z 2026-02-01T03:04:05Z 55d0…
 *
 * purpose, id, when it was made, until when it is honoured (`present`, `always` or an instant), the key. */
struct text secret_set_write(const struct secret_set *set, struct arena *arena);
/* Reads such a text into the rings that are not given. False with a reason, "line 3: …", in the arena. */
bool secret_set_read(struct text text, struct secret_set *set, struct arena *arena, struct text *reason);

/* ---- in use ---- */

/* A set that all threads share and that can be replaced at any time. */
struct secrets;
struct secrets *secrets_new(const struct secret_set *set);
/* Its keys are wiped. NULL does nothing. */
void secrets_free(struct secrets *secrets);
void secrets_replace(struct secrets *secrets, const struct secret_set *set);
void secrets_copy(struct secrets *secrets, struct secret_set *set);
/* Between these two the keys and what is kept of them on the disk belong to this thread: whoever changes
 * them does it there. */
void secrets_begin_change(struct secrets *secrets);
void secrets_end_change(struct secrets *secrets);
/* Fills `keys` with the ring's keys that are honoured at that instant, the present one first; their bytes are
 * copied into the arena. Gives their number, which is at least 1. */
unsigned secrets_honoured(struct secrets *secrets, enum secret_purpose purpose, int64_t now_us,
                          struct arena *arena, struct text keys[SECRET_KEYS_MAX]);

/* The same for all keys on the list, also those that are not honoured any more, with their ids: what was
 * encrypted is read with them for as long as they are there, so that it can be encrypted anew. */
unsigned secrets_listed(struct secrets *secrets, enum secret_purpose purpose, struct arena *arena,
                        struct text ids[SECRET_KEYS_MAX], struct text keys[SECRET_KEYS_MAX]);

/* A key of its own for one use of a key: HMAC-SHA256 of the use's name; 32 bytes in the arena. */
struct text secret_derive(struct text key, struct text use, struct arena *arena);

#endif
