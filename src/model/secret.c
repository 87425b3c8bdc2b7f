#include "model/secret.h"

#include "model/role.h"

const struct text secret_type_private = TEXT_LITERAL("private_key");
const struct text secret_type_publishable = TEXT_LITERAL("publishable_key");

static const struct text secret_types[] = {
    TEXT_LITERAL("private_key"),
    TEXT_LITERAL("publishable_key"),
    {NULL, 0},
};

static const struct field secret_fields[] = {
    {FIELD(struct secret, id, FIELD_TEXT), .length_max = 50},
    {FIELD(struct secret, name, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED, .length_max = 255},
    {FIELD(struct secret, type, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED, .values = secret_types},
    {FIELD(struct secret, provider, FIELD_TEXT), .length_max = 50},
    {FIELD(struct secret, value, FIELD_TEXT), .flags = FIELD_INTERNAL | FIELD_SECRET | FIELD_UNIQUE},
    {FIELD(struct secret, display_id, FIELD_TEXT), .length_max = 50},
    {FIELD(struct secret, roles, FIELD_STRING_LIST), .flags = FIELD_OMIT_EMPTY, .values = role_ids},
    {FIELD(struct secret, user_type, FIELD_TEXT), .length_max = 20},
    {FIELD(struct secret, user_id, FIELD_TEXT), .length_max = 50},
    {FIELD(struct secret, expires_at, FIELD_INSTANT), .flags = FIELD_INPUT | FIELD_OMIT_UNSET},
    {FIELD(struct secret, last_used_at, FIELD_INSTANT), .flags = FIELD_OMIT_UNSET},
    {FIELD_FROM_SCOPE(environment_id, FIELD_ENVIRONMENT_ID), .flags = FIELD_INTERNAL},
    ENTITY_BASE_FIELDS_WITH(struct secret, 0, 0, FIELD_INTERNAL),
};

const struct entity secret_entity = {
    .is_cached = true,
    .name = TEXT_LITERAL("secret"),
    .label = TEXT_LITERAL("API key"),
    .table = TEXT_LITERAL("secrets"),
    .schema = TEXT_LITERAL("SecretResponse"),
    .id_prefix = "secret",
    .scoping = SCOPED_BY_ENVIRONMENT,
    ENTITY_FIELDS(secret_fields),
    .struct_size = sizeof(struct secret),
};
