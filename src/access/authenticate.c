#include "access/authenticate.h"

#include "access/permission.h"

const struct failure *authenticate(struct key_table *keys, struct text api_key, int64_t now_us,
                                   struct arena *arena, struct caller *caller)
{
    uint8_t digest[SHA256_BYTES];

    if (api_key.length == 0)
        return failure_new(arena, FAILURE_UNAUTHENTICATED,
                           TEXT("no credentials: send an API key in the header x-api-key"));
    sha256(api_key, digest);
    if (!key_table_find(keys, digest, arena, caller))
        return failure_new(arena, FAILURE_UNAUTHENTICATED, TEXT("the API key is not valid"));
    if (caller->expires_at_us != INSTANT_UNSET && now_us >= caller->expires_at_us)
        return failure_new(arena, FAILURE_UNAUTHENTICATED, TEXT("the API key has expired"));
    return NULL;
}

void authenticate_add(struct key_table *keys, const struct active_key *key, struct arena *arena)
{
    uint8_t digest[SHA256_BYTES];
    struct caller caller = {
        .scope = {.number = key->scope, .tenant_id = key->tenant_id, .environment_id = key->environment_id},
        .user_id = key->user_id,
        .key_id = key->id,
        .roles = roles_from_json(key->roles, arena),
        .is_service_account = text_equal(key->user_type, TEXT("service_account")),
        .is_tenant_suspended = text_equal(key->internal_status, TEXT("suspended")),
        .expires_at_us = key->expires_at,
    };

    if (hex_decode(key->value, digest, sizeof digest))
        key_table_put(keys, digest, &caller);
}

void authenticate_load(struct key_table *keys, struct transaction *transaction)
{
    struct record_list list = active_key_list(transaction);
    const struct active_key *all = list.records;

    for (size_t i = 0; i < list.count; i++)
        authenticate_add(keys, &all[i], transaction->arena);
}

void authenticate_remove(struct key_table *keys, struct text value)
{
    uint8_t digest[SHA256_BYTES];

    if (hex_decode(value, digest, sizeof digest))
        key_table_remove(keys, digest);
}
