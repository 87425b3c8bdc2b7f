/* api_key_list.c: keys for an operator's eyes, and keys for authentication. */
#include "domain/api_keys.h"

static const struct field listing_fields[] = {
    {FIELD(struct api_key_listing, id, FIELD_TEXT)},
    {FIELD(struct api_key_listing, name, FIELD_TEXT)},
    {FIELD(struct api_key_listing, type, FIELD_TEXT)},
    {FIELD(struct api_key_listing, display_id, FIELD_TEXT)},
    {FIELD(struct api_key_listing, roles, FIELD_STRING_LIST)},
    {FIELD(struct api_key_listing, environment_id, FIELD_TEXT)},
    {FIELD(struct api_key_listing, user_id, FIELD_TEXT)},
    {FIELD(struct api_key_listing, user_name, FIELD_TEXT)},
    {FIELD(struct api_key_listing, expires_at, FIELD_INSTANT), .flags = FIELD_OMIT_UNSET},
    {FIELD(struct api_key_listing, created_at, FIELD_INSTANT)},
};

const struct entity api_key_listing_entity = {
    .name = TEXT_LITERAL("secret"),
    ENTITY_FIELDS(listing_fields),
    .struct_size = sizeof(struct api_key_listing),
};

STORE_QUERY(list_keys, &api_key_listing_entity,
            "SELECT s.id, s.name, s.type, s.display_id, s.roles, c.environment_id, s.user_id, "
            "COALESCE(NULLIF(u.name, ''), NULLIF(u.email, ''), s.user_id), s.expires_at, s.created_at "
            "FROM secrets s JOIN scopes c ON c.scope = s.scope LEFT JOIN users u ON u.id = s.user_id WHERE "
            "s.status = 'published' "
            "ORDER BY s.created_at DESC, s.id DESC");

struct record_list api_key_list(struct transaction *transaction)
{
    return query_records(transaction, &list_keys, NULL, 0);
}

static const struct field active_key_fields[] = {
    {FIELD(struct active_key, value, FIELD_TEXT)},
    {FIELD(struct active_key, id, FIELD_TEXT)},
    {FIELD(struct active_key, roles, FIELD_STRING_LIST)},
    {FIELD(struct active_key, user_type, FIELD_TEXT)},
    {FIELD(struct active_key, user_id, FIELD_TEXT)},
    {FIELD(struct active_key, expires_at, FIELD_INSTANT)},
    {FIELD(struct active_key, scope, FIELD_INTEGER)},
    {FIELD(struct active_key, tenant_id, FIELD_TEXT)},
    {FIELD(struct active_key, environment_id, FIELD_TEXT)},
};

static const struct entity active_key_entity = {
    .name = TEXT_LITERAL("secret"),
    ENTITY_FIELDS(active_key_fields),
    .struct_size = sizeof(struct active_key),
};

#define SELECT_ACTIVE_KEYS                                                                                   \
    "SELECT s.value, s.id, s.roles, s.user_type, s.user_id, s.expires_at, s.scope, c.tenant_id, "            \
    "c.environment_id FROM scopes c JOIN secrets s ON s.scope = c.scope JOIN tenants t ON t.id = "           \
    "c.tenant_id "                                                                                           \
    "WHERE s.status = 'published' AND s.type = 'private_key' AND t.status = 'published'"

STORE_QUERY(all_active_keys, &active_key_entity, SELECT_ACTIVE_KEYS);
STORE_QUERY(one_active_key, &active_key_entity, SELECT_ACTIVE_KEYS " AND {s.id = $1}");

static const struct field owned_key_fields[] = {
    {FIELD(struct owned_key, id, FIELD_TEXT)},
    {FIELD(struct owned_key, name, FIELD_TEXT)},
    {FIELD(struct owned_key, environment_id, FIELD_TEXT)},
    {FIELD(struct owned_key, environment_name, FIELD_TEXT)},
};

static const struct entity owned_key_entity = {
    .name = TEXT_LITERAL("secret"),
    ENTITY_FIELDS(owned_key_fields),
    .struct_size = sizeof(struct owned_key),
};

STORE_QUERY(keys_of_user, &owned_key_entity,
            "SELECT s.id, s.name, e.id, e.name FROM secrets s JOIN scopes c ON c.scope = s.scope "
            "JOIN environments e ON e.id = c.environment_id WHERE s.user_id = $1 AND s.status = 'published' "
            "AND s.type IN ('private_key', 'publishable_key') "
            "AND (s.expires_at IS NULL OR s.expires_at > $2) ORDER BY e.id, s.created_at, s.id");

struct record_list api_keys_of_user(struct transaction *transaction, struct text user_id)
{
    return query_records(transaction, &keys_of_user,
                         VALUES(value_text(user_id), value_instant(transaction->call->now_us)));
}

struct record_list active_key_list(struct transaction *transaction)
{
    return query_records(transaction, &all_active_keys, NULL, 0);
}

bool active_key_get(struct transaction *transaction, struct text id, struct active_key *key)
{
    return query_record(transaction, &one_active_key, VALUES(value_text(id)), key);
}
