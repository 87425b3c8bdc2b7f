/* idempotency_record.h: the reply that a request with an Idempotency-Key was given (conventions section 21).
 * What it holds cannot be read without that key, of which there is nothing here. */
#ifndef FARTHING_MODEL_IDEMPOTENCY_RECORD_H
#define FARTHING_MODEL_IDEMPOTENCY_RECORD_H

#include "model/entity.h"

struct idempotency_record {
    struct text id;           /* a hash of whose request it was, its route and its key */
    struct text request_hash; /* of everything in the request that its reply depends on */
    int64_t status_code;
    struct text reply;       /* the body, sealed (base/seal.h); unset: it was too large to be kept */
    struct text customer_id; /* whose key the reply is sealed with besides; unset: it tells of no customer */
    int64_t created_at;
};

extern const struct entity idempotency_record_entity;

#endif
