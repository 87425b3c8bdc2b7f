#include "domain/installation.h"

#include "domain/tenancy_operator.h"

STORE_QUERY(first_tenant, &tenant_entity, "SELECT {columns} FROM tenants ORDER BY created_at, id LIMIT 1");

const struct failure *installation_create(struct transaction *transaction, struct text tenant_name,
                                          struct installation *installation)
{
    const struct secret key = {
        .name = TEXT("first"), .type = secret_type_private, .expires_at = INSTANT_UNSET};
    struct tenant_opening *opening = &installation->opening;

    *installation = (struct installation){0};
    transaction_take_turns(transaction, STORE_TURNS_INSTALLATION);
    if (query_record(transaction, &first_tenant, NULL, 0, &opening->tenant))
        return NULL;
    const struct failure *failure = tenant_name_check(tenant_name, transaction->arena);

    if (failure)
        return failure;
    installation->is_new = true;
    failure = tenant_open(transaction, tenant_name, opening);
    if (failure)
        return failure;
    return api_key_create(transaction, &opening->scope, &opening->user, &key, &installation->secret,
                          &installation->plain_key);
}
