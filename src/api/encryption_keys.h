/* encryption_keys.h: the server's encryption keys as those of envelopes (base/envelope.h). Only for the api
 * room. */
#ifndef FARTHING_API_ENCRYPTION_KEYS_H
#define FARTHING_API_ENCRYPTION_KEYS_H

#include "access/secrets.h"
#include "api/api.h"
#include "base/envelope.h"
#include "model/failure.h"
#include "store/store.h"

struct api;

/* The keys for secrets of connections: one that follows from each encryption key that the server has, also
 * from those that are not honoured any more, so that nothing becomes unreadable while its key is still there.
 * A failure when the server has no secrets. */
const struct failure *encryption_keys(const struct api *api, struct arena *arena, struct envelope_keys *keys);

/* ---- after a change of the present key: a job of the housekeeping ---- */

struct housekeeping_step;

/* What the job knows of the last time that it found nothing to do. */
struct reencryption {
    char key_id[SECRET_ID_LENGTH]; /* the present key at that time */
    int64_t checked_us;            /* monotonic */
    bool has_reencrypted;          /* something since then */
};

/* Whether connections may be encrypted under another key than the present one: when there is another one, and
 * the present one is new, or it was a minute ago that none was found. */
bool reencryption_is_wanted(const struct api *api);
/* Encrypts some of them under the present key; in the write lane. */
const struct failure *reencryption_run(struct housekeeping_step *step, struct transaction *transaction);

#endif
