#include "model/customer_alias.h"

static const struct field customer_alias_fields[] = {
    {FIELD(struct customer_alias, id, FIELD_TEXT), .length_max = 50},
    {FIELD(struct customer_alias, customer_id, FIELD_TEXT), .flags = FIELD_REQUIRED, .length_max = 50},
    {FIELD(struct customer_alias, external_id, FIELD_TEXT), .flags = FIELD_REQUIRED, .length_max = 255},
    {FIELD(struct customer_alias, valid_from, FIELD_INSTANT), .flags = FIELD_STAMP},
    {FIELD(struct customer_alias, valid_to, FIELD_INSTANT), .flags = FIELD_STAMP},
};

/* Its trail is the customer's own: the change that the row follows from. */
const struct entity customer_alias_entity = {
    .name = TEXT_LITERAL("customer_alias"),
    .label = TEXT_LITERAL("former external id"),
    .table = TEXT_LITERAL("customer_aliases"),
    .id_prefix = "alias",
    .scoping = SCOPED_BY_ENVIRONMENT,
    .has_no_trail = true,
    ENTITY_FIELDS(customer_alias_fields),
    .struct_size = sizeof(struct customer_alias),
};
