#include "domain/installation.h"

#include "base/utf8.h"

STORE_QUERY(any_tenant, &tenant_entity, "SELECT {columns} FROM tenants LIMIT 1");

/* It comes from the command line, where nothing has looked at it yet. */
static const struct failure *check_tenant_name(struct text name, struct arena *arena)
{
    size_t length_max = entity_field(&tenant_entity, TEXT("name"))->length_max;

    if (name.length > 0 && utf8_valid(name) && utf8_length(name) <= length_max)
        return NULL;
    return failure_new(
        arena, FAILURE_VALIDATION,
        arena_format(arena, "the name of the tenant must be 1 to %zu characters of UTF-8", length_max));
}

const struct failure *installation_create(struct transaction *transaction, struct text tenant_name,
                                          struct installation *installation)
{
    const struct secret key = {
        .name = TEXT("first"), .type = secret_type_private, .expires_at = INSTANT_UNSET};
    struct tenant_opening *opening = &installation->opening;

    *installation = (struct installation){0};
    if (query_record(transaction, &any_tenant, NULL, 0, &opening->tenant))
        return NULL;
    const struct failure *failure = check_tenant_name(tenant_name, transaction->arena);

    if (failure)
        return failure;
    installation->is_new = true;
    failure = tenant_open(transaction, tenant_name, opening);
    if (failure)
        return failure;
    return api_key_create(transaction, &opening->scope, &opening->user, &key, &installation->secret,
                          &installation->plain_key);
}
