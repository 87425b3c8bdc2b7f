/* tenant_open.c: conventions sections 22.1 and 22.2. */
#include "base/ulid.h"
#include "domain/records.h"
#include "domain/tenancy.h"

/* What somebody who signs up does is their own doing, although nobody knew them when the call was made. */
static void act_as(struct transaction *transaction, struct text user_id)
{
    struct call *own = ARENA_NEW(transaction->arena, struct call);

    *own = *transaction->call;
    own->actor_id = user_id;
    transaction->call = own;
}

static void create_user(struct transaction *transaction, struct text id, struct text tenant_id,
                        const struct tenant_founder *founder, struct user *user)
{
    const struct call *call = transaction->call;

    *user = (struct user){
        .id = id,
        .tenant_id = tenant_id,
        .email = founder->email,
        .type = TEXT("user"),
        .roles = TEXT("[\"super_admin\"]"),
        .metadata = founder->metadata,
    };
    RECORD_STAMP_CREATED(user, call);
    user->created_by = user->updated_by = user->id; /* the first user made itself */
    transaction_insert(transaction, NULL, &user_entity, user);
}

const struct failure *tenant_open(struct transaction *transaction, struct text name,
                                  struct tenant_opening *opening)
{
    const struct tenant_founder nobody = {text_none, text_none};

    return tenant_open_for(transaction, name, &nobody, opening);
}

const struct failure *tenant_open_for(struct transaction *transaction, struct text name,
                                      const struct tenant_founder *founder, struct tenant_opening *opening)
{
    int64_t now_us = transaction->call->now_us;
    struct text user_id = ulid_make_id(transaction->arena, user_entity.id_prefix, now_us);

    if (text_is_set(founder->email))
        act_as(transaction, user_id);
    opening->tenant = (struct tenant){
        .id = ulid_make_id(transaction->arena, tenant_entity.id_prefix, now_us),
        .name = name,
        .internal_status = TEXT("trialing"),
        .billing_details = TEXT("{}"),
        .metadata = founder->metadata,
    };
    RECORD_STAMP_CREATED(&opening->tenant, transaction->call);
    transaction_insert(transaction, NULL, &tenant_entity, &opening->tenant);
    create_user(transaction, user_id, opening->tenant.id, founder, &opening->user);
    return environment_create(transaction, opening->tenant.id, TEXT("Sandbox"), TEXT("development"),
                              &opening->environment, &opening->scope);
}
