#include "api/tenant_billing.h"

#include "api/housekeeping.h"
#include "base/instant.h"
#include "domain/tenant_billing.h"

#include <assert.h>
#include <string.h>

enum { LOOK_INTERVAL_SECONDS = 60 };

/* ---- which environment ---- */

struct finding {
    struct text tenant_id, environment_id;
    struct scope *scope;
};

static const struct failure *find(void *context, struct transaction *transaction)
{
    const struct finding *finding = context;

    return tenant_billing_find(transaction, finding->tenant_id, finding->environment_id, finding->scope);
}

const struct failure *api_bill_tenants(struct api *api, struct text tenant_id, struct text environment_id,
                                       struct arena *arena)
{
    const struct call call = {.actor_id = text_empty, .request_id = text_empty, .now_us = instant_now_us()};
    struct scope scope;
    struct finding finding = {tenant_id, environment_id, &scope};
    const struct failure *failure = store_read(api->store, arena, &call, find, &finding);

    if (failure)
        return failure;
    api->tenant_billing.scope =
        (struct scope){.number = scope.number, .tenant_id = tenant_id, .environment_id = environment_id};
    tenant_billing_hear(api, tenant_entity.name); /* of all that are there */
    return NULL;
}

/* ---- making customers of tenants ---- */

void tenant_billing_hear(struct api *api, struct text entity_name)
{
    if (entity_name.length == 0 || text_equal(entity_name, tenant_entity.name))
        atomic_fetch_add(&api->tenant_billing.changes, 1);
}

bool tenant_billing_is_wanted(const struct api *api)
{
    const struct tenant_billing *billing = &api->tenant_billing;

    return billing->scope.number &&
           (atomic_load(&billing->changes) != billing->seen ||
            monotonic_now_us() - billing->looked_at_us >= LOOK_INTERVAL_SECONDS * MICROSECONDS_PER_SECOND);
}

/* A round is over when all tenants were looked at. */
static void go_on(struct tenant_billing *billing, struct text last_id)
{
    billing->round_at = text_none;
    if (!text_is_set(last_id)) {
        billing->seen = billing->round_seen;
        billing->looked_at_us = monotonic_now_us();
    } else {
        assert(last_id.length <= sizeof billing->round_id);
        memcpy(billing->round_id, last_id.data, last_id.length);
        billing->round_at = (struct text){billing->round_id, last_id.length};
    }
}

const struct failure *tenant_billing_run(struct housekeeping_step *step, struct transaction *transaction)
{
    struct tenant_billing *billing = &step->api->tenant_billing;
    struct tenant_step tenants = {.below = billing->round_at};

    if (!text_is_set(billing->round_at))
        billing->round_seen = atomic_load(&billing->changes); /* before the look, which may miss later ones */
    const struct failure *failure = tenants_become_customers(transaction, &billing->scope, &tenants);

    if (failure || transaction->failure)
        return failure;
    step->row_count = tenants.made;
    step->is_more = tenants.made > 0 || text_is_set(tenants.last_id);
    /* What was made now is there when it is committed: the next step looks whether it is. */
    if (tenants.made == 0)
        go_on(billing, tenants.last_id);
    return NULL;
}
