#include "model/integration_mapping.h"

static const struct field integration_mapping_fields[] = {
    {FIELD(struct integration_mapping, id, FIELD_TEXT), .length_max = 50},
    {FIELD(struct integration_mapping, entity_id, FIELD_TEXT), .flags = FIELD_REQUIRED, .length_max = 255},
    {FIELD(struct integration_mapping, entity_type, FIELD_TEXT), .flags = FIELD_REQUIRED, .length_max = 50},
    {FIELD(struct integration_mapping, provider_type, FIELD_TEXT), .flags = FIELD_REQUIRED | FIELD_UNIQUE,
     .length_max = 50},
    {FIELD(struct integration_mapping, provider_entity_id, FIELD_TEXT),
     .flags = FIELD_REQUIRED | FIELD_PERSONAL, .length_max = 255},
    {FIELD_FROM_SCOPE(environment_id, FIELD_ENVIRONMENT_ID)},
    {FIELD_FROM_SCOPE(tenant_id, FIELD_TENANT_ID)},
    {FIELD(struct integration_mapping, metadata, FIELD_JSON_OBJECT),
     .flags = FIELD_OMIT_EMPTY | FIELD_PERSONAL},
    ENTITY_BASE_FIELDS(struct integration_mapping, 0, FIELD_WHOLE_SECONDS),
};

static struct text customer_of(const void *record)
{
    const struct integration_mapping *mapping = record;

    return text_equal(mapping->entity_type, TEXT("customer")) ? mapping->entity_id : text_none;
}

const struct entity integration_mapping_entity = {
    .name = TEXT_LITERAL("entity_integration_mapping"),
    .label = TEXT_LITERAL("integration mapping"),
    .table = TEXT_LITERAL("entity_integration_mappings"),
    .schema = TEXT_LITERAL("EntityIntegrationMappingResponse"),
    .id_prefix = "eim",
    .scoping = SCOPED_BY_ENVIRONMENT,
    .customer_of = customer_of,
    ENTITY_FIELDS(integration_mapping_fields),
    .struct_size = sizeof(struct integration_mapping),
};
