/* exchange.h: one request on its way through the api room. Only for the api room. */
#ifndef FARTHING_API_EXCHANGE_H
#define FARTHING_API_EXCHANGE_H

#include "access/authenticate.h"
#include "access/environment.h"
#include "api/api.h"
#include "api/encryption_keys.h"
#include "api/route.h"
#include "api/slow_pool.h"
#include "api/tenant_billing.h"
#include "base/log_sink.h"
#include "base/settled_clock.h"
#include "base/ulid.h"
#include "domain/actor.h"
#include "metrics/metrics.h"
#include "json/reader.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    ROUTE_PARAMETERS_MAX = 4,
    REQUEST_ID_LENGTH_MAX = 128,
};

struct housekeeping;
struct idempotency;
struct key_uses;
struct router;

struct api {
    struct api_config config;
    struct rate_limit *key_limit, *address_limit;                                   /* NULL: none */
    struct rate_limit *login_address_limit, *login_email_limit, *key_failure_limit; /* throttle.h */
    struct api_secrets secrets;
    struct reencryption reencryption; /* the housekeeping's */
    struct tenant_billing tenant_billing;
    atomic_bool is_sign_up_over; /* somebody has a password, and signing up was for the first only */
    struct store *store;
    struct key_uses *key_uses;
    struct housekeeping *housekeeping; /* NULL: none */
    struct settled_clock clock; /* what is removed for its age goes by it; the housekeeping starts it */
    struct identities *identities;
    pthread_mutex_t identities_lock; /* one change is taken in at a time (cache.h) */
    struct slow_pool *slow_pool;
    struct router *router;
    struct text description; /* GET /openapi.json */
    struct buffer description_buffer;
    atomic_bool draining;
    struct metrics_route *route_labels; /* of the rows of the request counters */
    unsigned route_label_count;
    bool has_metrics_token;
    uint8_t metrics_token_digest[SHA256_BYTES];
};

/* What a loop keeps for its requests. */
struct api_loop {
    struct api *api;
    struct http_loop *loop;
    struct store_reader *reader; /* NULL where reads are commands (store_has_readers) */
    struct buffer body;          /* of the reply that is being written */
    struct ulid_generator request_ids;
    struct log_ring *access_log; /* NULL: none */
    struct log_line access_line; /* that is being written */
};

/* Lives in the exchange's arena, from the request to the reply. */
struct exchange {
    struct store_command command; /* for the write lane; first, so that one is found from the other */
    struct http_task task;        /* the way back to the loop */
    struct slow_job slow_job;     /* for work_before and work_after */
    const struct failure *slow_failure;
    /* What it reads may take long: on a thread of its own, in turn with others like it. Said by `parse`, or
     * by `run` when it has found that out, which is then called again there. */
    bool is_slow;
    struct http_exchange *http;
    struct api_loop *loop;
    struct arena *arena;
    const struct route *route;
    struct text parameters[ROUTE_PARAMETERS_MAX]; /* of the path, decoded, in order */
    struct text request_id;
    struct caller caller;
    struct call call;
    int64_t started_us;            /* monotonic: when the loop woke and found the request whole */
    const struct json_value *body; /* an object */
    int status;
    unsigned retry_after_seconds;       /* of a 429 */
    void *input;                        /* what `parse` made of the request */
    void *result;                       /* what `run` found or did, for `render` */
    const struct store_change *changes; /* of a command that is done, for what is kept in memory */
    struct text rendered;               /* the body of a slow read's reply; unset: it is rendered when sent */
    struct idempotency *idempotency;    /* NULL: there is no Idempotency-Key, or it does not matter */
};

/* What a use case must know of the caller. */
struct actor exchange_actor(const struct exchange *exchange);
/* Which environments the caller may know of (conventions section 6.4); for environment_allows. */
struct environment_allowance exchange_allowance(const struct exchange *exchange);

/* The decoded value of a query parameter; unset when it is absent or empty. The first one wins. A bad escape
 * is a failure. */
const struct failure *exchange_query(struct exchange *exchange, struct text name, struct text *value);

/* All values of a parameter that may be repeated, and whose values may be joined by commas (ruling 11), as a
 * JSON array of texts; empty ones do not count. Unset when there is none. */
const struct failure *exchange_query_list(struct exchange *exchange, struct text name, struct text *list);
/* The first of that name from *position on, which is moved behind it: of the whole query at first. Unset when
 * there is none any more. */
const struct failure *exchange_query_next(struct exchange *exchange, struct text name, struct text *position,
                                          struct text *value);

/* The same for a whole number from `minimum` to `maximum`; `fallback` when it is absent. Another value is a
 * failure that names the parameter. */
const struct failure *exchange_query_number(struct exchange *exchange, struct text name, int64_t minimum,
                                            int64_t maximum, int64_t fallback, int64_t *number);

/* Percent-decodes `text` into the arena; `+` becomes a space when `is_query`. False for a bad escape, a NUL,
 * or bytes that are not UTF-8. */
bool percent_decode(struct arena *arena, struct text text, bool is_query, struct text *decoded);

#endif
