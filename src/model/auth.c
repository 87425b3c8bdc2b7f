#include "model/auth.h"

const struct text auth_provider_password = TEXT_LITERAL("flexprice");

static const struct field auth_fields[] = {
    {FIELD(struct auth, id, FIELD_TEXT), .length_max = 50},
    {FIELD(struct auth, user_id, FIELD_TEXT), .flags = FIELD_UNIQUE, .length_max = 50},
    {FIELD(struct auth, provider, FIELD_TEXT), .length_max = 20},
    {FIELD(struct auth, token, FIELD_TEXT), .flags = FIELD_INTERNAL | FIELD_SECRET},
    ENTITY_BASE_FIELDS(struct auth, 0, 0),
};

static const struct field server_secret_fields[] = {
    {FIELD(struct server_secret, id, FIELD_TEXT), .length_max = 50},
    {FIELD(struct server_secret, key_id, FIELD_TEXT), .length_max = 50},
    ENTITY_BASE_FIELDS(struct server_secret, 0, 0),
};

const struct entity auth_entity = {
    .is_cached = true, /* when it was set */
    .name = TEXT_LITERAL("auth"),
    .label = TEXT_LITERAL("password"),
    .table = TEXT_LITERAL("auths"),
    .id_prefix = "auth",
    .scoping = SCOPED_GLOBALLY,
    ENTITY_FIELDS(auth_fields),
    .struct_size = sizeof(struct auth),
};

const struct entity server_secret_entity = {
    .name = TEXT_LITERAL("server_secret"),
    .label = TEXT_LITERAL("secret of the server"),
    .table = TEXT_LITERAL("server_secrets"),
    .scoping = SCOPED_GLOBALLY,
    ENTITY_FIELDS(server_secret_fields),
    .struct_size = sizeof(struct server_secret),
};
