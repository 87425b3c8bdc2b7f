#include "api/encryption_keys.h"

#include "api/housekeeping.h"
#include "base/instant.h"
#include "base/log.h"
#include "domain/connections.h"

#include <openssl/crypto.h>

#include <string.h>

_Static_assert((int)ENVELOPE_KEYS_MAX >= (int)SECRET_KEYS_MAX, "room for all of them");
_Static_assert((int)ENVELOPE_KEY_BYTES == (int)SHA256_BYTES, "what secret_derive gives");

const struct failure *encryption_keys(const struct api *api, struct arena *arena, struct envelope_keys *keys)
{
    struct text ids[SECRET_KEYS_MAX], roots[SECRET_KEYS_MAX];

    *keys = (struct envelope_keys){0};
    if (!api->secrets.secrets)
        return failure_new(arena, FAILURE_INTERNAL,
                           TEXT("the server's secrets cannot be used; `farthing doctor` says why"));
    keys->count = secrets_listed(api->secrets.secrets, SECRET_ENCRYPTION, arena, ids, roots);
    for (unsigned i = 0; i < keys->count; i++) {
        struct text derived = secret_derive(roots[i], TEXT("connections"), arena);

        keys->keys[i].id = ids[i];
        memcpy(keys->keys[i].bytes, derived.data, ENVELOPE_KEY_BYTES);
    }
    return NULL;
}

/* ---- the job ---- */

enum { CHECK_INTERVAL_SECONDS = 60 };

bool reencryption_is_wanted(const struct api *api)
{
    const struct reencryption *last = &api->reencryption;
    struct secret_set set;

    if (!api->secrets.secrets)
        return false;
    secrets_copy(api->secrets.secrets, &set);
    const struct secret_ring *ring = &set.rings[SECRET_ENCRYPTION];
    bool is_new = memcmp(last->key_id, ring->keys[0].id, SECRET_ID_LENGTH) != 0;
    bool is_wanted = ring->count > 1 && (is_new || monotonic_now_us() - last->checked_us >=
                                                       CHECK_INTERVAL_SECONDS * MICROSECONDS_PER_SECOND);

    OPENSSL_cleanse(&set, sizeof set);
    return is_wanted;
}

/* Once after each change: whoever waits to take an older key away must know. What is there and cannot be read
 * is told elsewhere (domain/connection_reencrypt.c). */
static void finish(struct reencryption *last, struct text key_id, const struct connection_reencryption *done)
{
    bool is_new = memcmp(last->key_id, key_id.data, SECRET_ID_LENGTH) != 0;

    if (done->found == 0 && (is_new || last->has_reencrypted))
        LOG_INFO("no connection has secrets under an older encryption key any more",
                 LOG_TEXT("present_key", key_id));
    memcpy(last->key_id, key_id.data, SECRET_ID_LENGTH);
    last->checked_us = monotonic_now_us();
    last->has_reencrypted = false;
}

const struct failure *reencryption_run(struct housekeeping_step *step, struct transaction *transaction)
{
    struct reencryption *last = &step->api->reencryption;
    struct connection_reencryption done = {0};
    struct envelope_keys keys;
    const struct failure *failure = encryption_keys(step->api, transaction->arena, &keys);

    if (!failure)
        failure = connections_reencrypt(transaction, &keys, &done);
    if (failure)
        return failure;
    step->row_count = (int64_t)done.reencrypted;
    step->is_more = done.found == CONNECTIONS_REENCRYPTED_MAX && done.reencrypted > 0;
    last->has_reencrypted |= done.reencrypted > 0;
    if (done.reencrypted == 0)
        finish(last, keys.keys[0].id, &done);
    return NULL;
}
