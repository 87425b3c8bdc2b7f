#include "model/customer.h"

#include "model/format.h"

#define OPTIONAL_TEXT(member, max)                                                                           \
    FIELD(struct customer, member, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_EVENT | FIELD_PERSONAL,         \
                                                .length_max = (max), .fallback = TEXT_LITERAL("")

static const struct field customer_fields[] = {
    {FIELD(struct customer, id, FIELD_TEXT), .flags = FIELD_EVENT_ALWAYS, .length_max = 50},
    {FIELD(struct customer, external_id, FIELD_TEXT),
     .flags =
         FIELD_INPUT | FIELD_REQUIRED | FIELD_UNIQUE | FIELD_EVENT_ALWAYS | FIELD_SEARCHED | FIELD_PERSONAL,
     .length_max = 255},
    {FIELD(struct customer, name, FIELD_TEXT),
     .flags = FIELD_INPUT | FIELD_REQUIRED | FIELD_EVENT_ALWAYS | FIELD_SEARCHED | FIELD_PERSONAL,
     .length_max = 255},
    {FIELD(struct customer, email, FIELD_TEXT),
     .flags = FIELD_INPUT | FIELD_EVENT | FIELD_SEARCHED | FIELD_PERSONAL, .length_max = 255,
     .fallback = TEXT_LITERAL(""), .check = format_email},
    {FIELD(struct customer, contact, FIELD_TEXT),
     .flags = FIELD_INPUT | FIELD_OMIT_UNSET | FIELD_EVENT | FIELD_PERSONAL, .length_max = 20},
    {OPTIONAL_TEXT(address_line1, 255)},
    {OPTIONAL_TEXT(address_line2, 255)},
    {OPTIONAL_TEXT(address_city, 100)},
    {OPTIONAL_TEXT(address_state, 100)},
    {OPTIONAL_TEXT(address_postal_code, 20)},
    /* Where the money is from, and when its days begin, is told of no person. */
    {FIELD(struct customer, address_country, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_EVENT,
     .fallback = TEXT_LITERAL(""), .check = format_country},
    {FIELD(struct customer, timezone, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_EVENT, .length_max = 50,
     .check = format_timezone, .fallback = TEXT_LITERAL("UTC")},
    {FIELD(struct customer, metadata, FIELD_STRING_MAP), .flags = FIELD_INPUT | FIELD_EVENT | FIELD_PERSONAL},
    {FIELD_FROM_SCOPE(environment_id, FIELD_ENVIRONMENT_ID), .flags = FIELD_EVENT_ALWAYS},
    {FIELD_FROM_SCOPE(tenant_id, FIELD_TENANT_ID)},
    ENTITY_BASE_FIELDS(struct customer, FIELD_EVENT_ALWAYS, 0),
};

static struct text customer_of(const void *record)
{
    return ((const struct customer *)record)->id;
}

const struct entity customer_entity = {
    .name = TEXT_LITERAL("customer"),
    .label = TEXT_LITERAL("customer"),
    .table = TEXT_LITERAL("customers"),
    .schema = TEXT_LITERAL("CustomerResponse"),
    .id_prefix = "cust",
    .scoping = SCOPED_BY_ENVIRONMENT,
    ENTITY_FIELDS(customer_fields),
    .struct_size = sizeof(struct customer),
    .is_counted = true,
    .customer_of = customer_of,
    .event_created = TEXT_LITERAL("customer.created"),
    .event_updated = TEXT_LITERAL("customer.updated"),
    .event_archived = TEXT_LITERAL("customer.deleted"),
};
