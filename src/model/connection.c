#include "model/connection.h"

#include "model/provider.h"

static const struct field connection_fields[] = {
    {FIELD(struct connection_record, id, FIELD_TEXT), .length_max = 50},
    {FIELD(struct connection_record, name, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED,
     .length_max = 255},
    {FIELD(struct connection_record, provider_type, FIELD_TEXT),
     .flags = FIELD_INPUT | FIELD_REQUIRED | FIELD_UNIQUE, .length_max = 50, .values = provider_names},
    {FIELD_FROM_SCOPE(environment_id, FIELD_ENVIRONMENT_ID)},
    {FIELD_FROM_SCOPE(tenant_id, FIELD_TENANT_ID)},
    {FIELD(struct connection_record, encrypted_secret_data, FIELD_TEXT),
     .flags = FIELD_INTERNAL | FIELD_SECRET | FIELD_OMIT_UNSET},
    {FIELD(struct connection_record, metadata, FIELD_JSON_OBJECT), .flags = FIELD_INPUT | FIELD_OMIT_EMPTY},
    {FIELD(struct connection_record, sync_config, FIELD_JSON_OBJECT)},
    ENTITY_BASE_FIELDS(struct connection_record, 0, FIELD_WHOLE_SECONDS),
};

const struct entity connection_entity = {
    .name = TEXT_LITERAL("connection"),
    .label = TEXT_LITERAL("connection"),
    .table = TEXT_LITERAL("connections"),
    .schema = TEXT_LITERAL("ConnectionResponse"),
    .id_prefix = "conn",
    .scoping = SCOPED_BY_ENVIRONMENT,
    ENTITY_FIELDS(connection_fields),
    .struct_size = sizeof(struct connection_record),
};
