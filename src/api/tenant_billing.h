/* tenant_billing.h: the server's own part in billing tenants (domain/tenant_billing.h): which environment's
 * customers they are, and that each becomes one soon after it was opened. Signing up does not wait for that,
 * and does not fail with it: the housekeeping looks for those who are not, until there are none. Only for the
 * api room. */
#ifndef FARTHING_API_TENANT_BILLING_H
#define FARTHING_API_TENANT_BILLING_H

#include "model/failure.h"
#include "model/scope.h"
#include "store/store.h"

#include <stdatomic.h>

struct api;
struct housekeeping_step;

enum { TENANT_ID_BYTES_MAX = 200 }; /* 50 characters (model/tenancy.c) */

struct tenant_billing {
    struct scope scope;  /* number 0: nobody bills the tenants */
    atomic_uint changes; /* of tenants, here or elsewhere, that were heard of */
    /* The rest is the housekeeping's. */
    unsigned seen;        /* of these, before a whole round began that is done */
    int64_t looked_at_us; /* and when it was, monotonic */
    unsigned round_seen;  /* the same of the round under way */
    struct text round_at; /* the id that it has come to, in `round_id`; unset: it begins */
    char round_id[TENANT_ID_BYTES_MAX];
};

/* Told of a change to an entity that is kept in memory, by its name; empty or unset: to any. Any thread. */
void tenant_billing_hear(struct api *api, struct text entity_name);

/* The housekeeping's job: when something was heard of tenants, and else once a minute. */
bool tenant_billing_is_wanted(const struct api *api);
const struct failure *tenant_billing_run(struct housekeeping_step *step, struct transaction *transaction);

#endif
