#include "model/tenancy.h"

static const struct text internal_statuses[] = {
    TEXT_LITERAL("trialing"),
    TEXT_LITERAL("active"),
    TEXT_LITERAL("suspended"),
    {NULL, 0},
};
static const struct text environment_types[] = {
    TEXT_LITERAL("development"), TEXT_LITERAL("production"), {NULL, 0}};
static const struct text user_types[] = {TEXT_LITERAL("user"), TEXT_LITERAL("service_account"), {NULL, 0}};

static const struct field tenant_fields[] = {
    {FIELD(struct tenant, id, FIELD_TEXT), .length_max = 50},
    {FIELD(struct tenant, name, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED, .length_max = 100},
    {FIELD(struct tenant, internal_status, FIELD_TEXT), .flags = FIELD_INTERNAL, .length_max = 20,
     .values = internal_statuses},
    {FIELD(struct tenant, billing_details, FIELD_JSON_OBJECT), .flags = FIELD_INTERNAL}, /* written by hand */
    {FIELD(struct tenant, metadata, FIELD_STRING_MAP)},
    ENTITY_BASE_FIELDS_WITH(struct tenant, 0, FIELD_WHOLE_SECONDS, FIELD_INTERNAL),
};

static const struct field environment_fields[] = {
    {FIELD(struct environment, id, FIELD_TEXT), .length_max = 50},
    {FIELD(struct environment, tenant_id, FIELD_TEXT), .flags = FIELD_INTERNAL, .length_max = 50},
    {FIELD(struct environment, name, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED, .length_max = 50},
    {FIELD(struct environment, type, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED, .length_max = 20,
     .values = environment_types},
    ENTITY_BASE_FIELDS_WITH(struct environment, FIELD_INTERNAL, FIELD_WHOLE_SECONDS, FIELD_INTERNAL),
};

static const struct field user_fields[] = {
    {FIELD(struct user, id, FIELD_TEXT), .length_max = 50},
    {FIELD(struct user, tenant_id, FIELD_TEXT), .flags = FIELD_INTERNAL, .length_max = 50},
    {FIELD(struct user, email, FIELD_TEXT), .flags = FIELD_OMIT_EMPTY | FIELD_UNIQUE, .length_max = 255},
    {FIELD(struct user, name, FIELD_TEXT), .flags = FIELD_OMIT_EMPTY, .length_max = 255},
    {FIELD(struct user, type, FIELD_TEXT), .length_max = 20, .values = user_types},
    {FIELD(struct user, roles, FIELD_STRING_LIST), .flags = FIELD_OMIT_EMPTY},
    {FIELD(struct user, metadata, FIELD_STRING_MAP), .flags = FIELD_OMIT_EMPTY},
    ENTITY_BASE_FIELDS_WITH(struct user, FIELD_INTERNAL, FIELD_INTERNAL, FIELD_INTERNAL),
};

const struct entity tenant_entity = {
    .is_cached = true,
    .name = TEXT_LITERAL("tenant"),
    .label = TEXT_LITERAL("tenant"),
    .table = TEXT_LITERAL("tenants"),
    .schema = TEXT_LITERAL("TenantResponse"),
    .id_prefix = "tenant",
    .scoping = SCOPED_GLOBALLY,
    ENTITY_FIELDS(tenant_fields),
    .struct_size = sizeof(struct tenant),
};

const struct entity environment_entity = {
    .is_cached = true,
    .name = TEXT_LITERAL("environment"),
    .label = TEXT_LITERAL("environment"),
    .table = TEXT_LITERAL("environments"),
    .schema = TEXT_LITERAL("EnvironmentResponse"),
    .id_prefix = "env",
    .scoping = SCOPED_BY_TENANT,
    ENTITY_FIELDS(environment_fields),
    .struct_size = sizeof(struct environment),
};

const struct entity user_entity = {
    .is_cached = true,
    .name = TEXT_LITERAL("user"),
    .label = TEXT_LITERAL("user"),
    .table = TEXT_LITERAL("users"),
    .schema = TEXT_LITERAL("UserResponse"),
    .id_prefix = "user",
    .scoping = SCOPED_BY_TENANT,
    ENTITY_FIELDS(user_fields),
    .struct_size = sizeof(struct user),
};
