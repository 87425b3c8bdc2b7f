/* idempotency.h: a POST that writes may carry an `Idempotency-Key`; whoever sends it again within the
 * retention gets the reply that the first one got, byte for byte, and nothing is done twice (conventions
 * section 21, ruling 8). Only for the api room.
 *
 * Keys are those of an environment (of the tenant, where there is none) and of a route. A request is the same
 * when method, path, query, body and the user it acts as are; any other one with the same key is a 409.
 *
 * The reply is written in the transaction of what it tells of: either both are there, or neither. Twins that
 * come at once take turns in the write lane, so that the second finds what the first has left; on PostgreSQL,
 * where they may run side by side, the record's id is unique: the second waits for the first, is refused, and
 * looks again. A refusal (4xx) has undone what its command did, so it is kept by a second command, which
 * answers with whatever somebody else has kept meanwhile: what refuses the second of two twins is often what
 * the first has done. Not kept: what may succeed when tried again (5xx,
 * 429, version_conflict), what is about the caller (401, 403), and what was refused before it came to the
 * lane, which would be refused again.
 *
 * Replies may hold secrets (a new API key), so all of them are encrypted under a key that follows from the
 * Idempotency-Key, of which only hashes are stored, and from the server's encryption key: whoever has the
 * database alone learns nothing by guessing weak Idempotency-Keys. Where the encryption key that a reply was
 * kept with is unknown, sending the request again is a 409: it is not done twice. */
#ifndef FARTHING_API_IDEMPOTENCY_H
#define FARTHING_API_IDEMPOTENCY_H

#include "access/secrets.h"
#include "api/reply.h"
#include "base/seal.h"

enum {
    IDEMPOTENCY_KEY_LENGTH_MAX = 255,
    /* A larger body is not kept: the request is done once all the same, but whoever sends it again is told
     * only that it was. */
    IDEMPOTENCY_REPLY_BYTES_MAX = 1024 * 1024,
};

/* What follows from the Idempotency-Key together with one of the server's encryption keys. */
struct idempotency_sealing {
    struct text request_hash;    /* struct idempotency_record */
    uint8_t key[SEAL_KEY_BYTES]; /* what the reply is encrypted under */
};

/* Of one request. */
struct idempotency {
    struct text id; /* struct idempotency_record */
    /* With the present encryption key first, with which a reply is kept, and then with those that are still
     * honoured, with which it may have been kept. */
    struct idempotency_sealing sealings[SECRET_KEYS_MAX];
    unsigned sealing_count;
    bool is_about_key; /* the command was refused because of what was kept under the key, not by the use case
                        */
    struct kept_reply reply;       /* what is answered, after a command without failure */
    const struct failure *passing; /* a refusal that is not kept */
};

/* Reads the header, on the loop, before the body is looked at. Nothing happens when there is none, or an
 * empty one. */
const struct failure *idempotency_begin(struct exchange *exchange);

/* Whether there is an answer already: a reply that was kept, which is in `reply` then, or in *failure why
 * there is none to be had. For a route with slow work before its lane, on the thread that does the work;
 * waits for the database. */
bool idempotency_is_answered(struct exchange *exchange, const struct failure **failure);

/* In the write lane, in place of the route's `run`: finds the reply that was kept, or runs the use case and
 * keeps its reply. Either is in `reply` then. */
const struct failure *idempotency_run(struct exchange *exchange, struct transaction *transaction);

/* Whether another command must look at what was refused: to keep the refusal, or to find that a twin was
 * quicker, which is what it was refused for. Without an Idempotency-Key there is none. */
bool idempotency_looks_again(const struct exchange *exchange, const struct failure *failure);
/* Makes the refusal the reply; on the loop. */
void idempotency_prepare_failure(struct exchange *exchange, const struct failure *failure);
/* In the write lane: a reply that was kept meanwhile is the reply; else keeps the refusal, or, if it is none
 * to be kept, returns it. */
const struct failure *idempotency_keep_failure(struct exchange *exchange, struct transaction *transaction);

/* Removes some of the records that are older than the retention; *count is how many. When they were
 * IDEMPOTENCY_DISCARDED_MAX (domain/idempotency.h), there may be more. For a command in the background. */
const struct failure *idempotency_clean_up(const struct api *api, int64_t now_us,
                                           struct transaction *transaction, size_t *count);

#endif
