/* user_list.c: users for an operator's eyes, and one of them. */
#include "domain/users.h"

static const struct field listing_fields[] = {
    {FIELD(struct user_listing, id, FIELD_TEXT)},
    {FIELD(struct user_listing, tenant_id, FIELD_TEXT)},
    {FIELD(struct user_listing, email, FIELD_TEXT)},
    {FIELD(struct user_listing, name, FIELD_TEXT)},
    {FIELD(struct user_listing, type, FIELD_TEXT)},
    {FIELD(struct user_listing, roles, FIELD_STRING_LIST)},
    {FIELD(struct user_listing, created_at, FIELD_INSTANT)},
};

const struct entity user_listing_entity = {
    .name = TEXT_LITERAL("user"),
    ENTITY_FIELDS(listing_fields),
    .struct_size = sizeof(struct user_listing),
};

STORE_QUERY(all_users, &user_listing_entity,
            "SELECT {columns} FROM users WHERE status = 'published' ORDER BY created_at, id");
STORE_QUERY(
    users_of_tenant, &user_listing_entity,
    "SELECT {columns} FROM users WHERE tenant_id = $1 AND status = 'published' ORDER BY created_at, id");
STORE_QUERY(user_by_id, &user_entity,
            "SELECT {columns} FROM users WHERE id = $1 AND tenant_id = $2 AND status = 'published'");

struct record_list user_list(struct transaction *transaction, struct text tenant_id)
{
    if (tenant_id.length == 0)
        return query_records(transaction, &all_users, NULL, 0);
    return query_records(transaction, &users_of_tenant, VALUES(value_text(tenant_id)));
}

struct user_listing user_listing_of(const struct user *user)
{
    return (struct user_listing){
        .id = user->id,
        .tenant_id = user->tenant_id,
        .email = user->email,
        .name = user->name,
        .type = user->type,
        .roles = user->roles,
        .created_at = user->created_at,
    };
}

const struct failure *user_find(struct transaction *transaction, struct text tenant_id, struct text id,
                                struct user *user)
{
    if (query_record(transaction, &user_by_id, VALUES(value_text(id), value_text(tenant_id)), user))
        return NULL;
    return failure_add(
        failure_new(transaction->arena, FAILURE_NOT_FOUND, TEXT("the tenant has no such user")),
        transaction->arena, TEXT("user_id"), id);
}
