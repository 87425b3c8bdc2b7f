/* identity_list.c: users, environments and tenants for authentication. */
#include "domain/identities.h"

static const struct field user_fields[] = {
    {FIELD(struct user_identity, id, FIELD_TEXT)},
    {FIELD(struct user_identity, tenant_id, FIELD_TEXT)},
    {FIELD(struct user_identity, type, FIELD_TEXT)},
    {FIELD(struct user_identity, roles, FIELD_STRING_LIST)},
    {FIELD(struct user_identity, password_made_at, FIELD_INSTANT)},
    {FIELD(struct user_identity, password_set_at, FIELD_INSTANT)},
};
static const struct field environment_fields[] = {
    {FIELD(struct environment_identity, scope, FIELD_INTEGER)},
    {FIELD(struct environment_identity, tenant_id, FIELD_TEXT)},
    {FIELD(struct environment_identity, environment_id, FIELD_TEXT)},
};
static const struct field tenant_fields[] = {
    {FIELD(struct tenant_identity, id, FIELD_TEXT)},
    {FIELD(struct tenant_identity, internal_status, FIELD_TEXT)},
};

const struct entity user_identity_entity = {
    .name = TEXT_LITERAL("user"),
    ENTITY_FIELDS(user_fields),
    .struct_size = sizeof(struct user_identity),
};
const struct entity environment_identity_entity = {
    .name = TEXT_LITERAL("environment"),
    ENTITY_FIELDS(environment_fields),
    .struct_size = sizeof(struct environment_identity),
};
const struct entity tenant_identity_entity = {
    .name = TEXT_LITERAL("tenant"),
    ENTITY_FIELDS(tenant_fields),
    .struct_size = sizeof(struct tenant_identity),
};

#define USERS                                                                                                \
    "SELECT u.id, u.tenant_id, u.type, u.roles, a.created_at, a.updated_at FROM users u "                    \
    "JOIN tenants t ON t.id = u.tenant_id "                                                                  \
    "LEFT JOIN auths a ON a.user_id = u.id AND a.status = 'published' "                                      \
    "WHERE u.status = 'published' AND t.status = 'published'"
#define ENVIRONMENTS "SELECT {columns} FROM scopes"
#define TENANTS      "SELECT {columns} FROM tenants WHERE status = 'published'"

STORE_QUERY(all_users, &user_identity_entity, USERS);
STORE_QUERY(one_user, &user_identity_entity, USERS " AND u.id = $1");
STORE_QUERY(user_of_auth, &user_identity_entity, USERS " AND a.id = $1");
STORE_QUERY(all_environments, &environment_identity_entity, ENVIRONMENTS);
STORE_QUERY(one_environment, &environment_identity_entity, ENVIRONMENTS " WHERE environment_id = $1");
STORE_QUERY(all_tenants, &tenant_identity_entity, TENANTS);
STORE_QUERY(one_tenant, &tenant_identity_entity, TENANTS " AND id = $1");

struct record_list user_identity_list(struct transaction *transaction)
{
    return query_records(transaction, &all_users, NULL, 0);
}

struct record_list environment_identity_list(struct transaction *transaction)
{
    return query_records(transaction, &all_environments, NULL, 0);
}

struct record_list tenant_identity_list(struct transaction *transaction)
{
    return query_records(transaction, &all_tenants, NULL, 0);
}

bool user_identity_get(struct transaction *transaction, struct text id, struct user_identity *identity)
{
    return query_record(transaction, &one_user, VALUES(value_text(id)), identity);
}

bool user_identity_of_auth(struct transaction *transaction, struct text auth_id,
                           struct user_identity *identity)
{
    return query_record(transaction, &user_of_auth, VALUES(value_text(auth_id)), identity);
}

bool environment_identity_get(struct transaction *transaction, struct text id,
                              struct environment_identity *identity)
{
    return query_record(transaction, &one_environment, VALUES(value_text(id)), identity);
}

bool tenant_identity_get(struct transaction *transaction, struct text id, struct tenant_identity *identity)
{
    return query_record(transaction, &one_tenant, VALUES(value_text(id)), identity);
}
