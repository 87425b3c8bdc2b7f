#include "domain/installation.h"

#include "domain/auths.h"
#include "domain/tenancy_operator.h"

STORE_QUERY(first_tenant, &tenant_entity, "SELECT {columns} FROM tenants ORDER BY created_at, id LIMIT 1");

bool installation_find(struct transaction *transaction, struct installation *installation)
{
    *installation = (struct installation){0};
    return query_record(transaction, &first_tenant, NULL, 0, &installation->opening.tenant);
}

const struct failure *installation_create(struct transaction *transaction, const struct founding *founding,
                                          struct installation *installation)
{
    const struct secret key = {
        .name = TEXT("first"), .type = secret_type_private, .expires_at = INSTANT_UNSET};
    const struct tenant_founder founder = {founding->email, text_none};
    struct tenant_opening *opening = &installation->opening;

    transaction_take_turns(transaction, STORE_TURNS_INSTALLATION);
    if (installation_find(transaction, installation))
        return NULL;
    const struct failure *failure = tenant_name_check(founding->tenant_name, transaction->arena);

    if (failure)
        return failure;
    installation->is_new = true;
    failure = tenant_open_for(transaction, founding->tenant_name, &founder, opening);
    if (failure)
        return failure;
    if (text_is_set(founding->password_hash))
        auth_create(transaction, opening->user.id, founding->password_hash);
    if (founding->is_without_key)
        return NULL;
    return api_key_create(transaction, &opening->scope, &opening->user, &key, &installation->secret,
                          &installation->plain_key);
}
