/* tenancy_list.c: tenants and environments for an operator's eyes. */
#include "domain/tenancy_operator.h"

static const struct field tenant_fields[] = {
    {FIELD(struct tenant_listing, id, FIELD_TEXT)},
    {FIELD(struct tenant_listing, name, FIELD_TEXT)},
    {FIELD(struct tenant_listing, internal_status, FIELD_TEXT)},
    {FIELD(struct tenant_listing, created_at, FIELD_INSTANT), .flags = FIELD_WHOLE_SECONDS},
};

static const struct field environment_fields[] = {
    {FIELD(struct environment_listing, id, FIELD_TEXT)},
    {FIELD(struct environment_listing, tenant_id, FIELD_TEXT)},
    {FIELD(struct environment_listing, tenant_name, FIELD_TEXT)},
    {FIELD(struct environment_listing, name, FIELD_TEXT)},
    {FIELD(struct environment_listing, type, FIELD_TEXT)},
    {FIELD(struct environment_listing, created_at, FIELD_INSTANT), .flags = FIELD_WHOLE_SECONDS},
};

const struct entity tenant_listing_entity = {
    .name = TEXT_LITERAL("tenant"),
    ENTITY_FIELDS(tenant_fields),
    .struct_size = sizeof(struct tenant_listing),
};

const struct entity environment_listing_entity = {
    .name = TEXT_LITERAL("environment"),
    ENTITY_FIELDS(environment_fields),
    .struct_size = sizeof(struct environment_listing),
};

STORE_QUERY(all_tenants, &tenant_listing_entity,
            "SELECT {columns} FROM tenants WHERE status = 'published' ORDER BY created_at, id");

#define SELECT_ENVIRONMENTS                                                                                  \
    "SELECT e.id, e.tenant_id, t.name, e.name, e.type, e.created_at FROM environments e "                    \
    "JOIN tenants t ON t.id = e.tenant_id WHERE e.status = 'published'"

STORE_QUERY(all_environments, &environment_listing_entity,
            SELECT_ENVIRONMENTS " ORDER BY e.created_at, e.id");
STORE_QUERY(environments_of_tenant, &environment_listing_entity,
            SELECT_ENVIRONMENTS " AND e.tenant_id = $1 ORDER BY e.created_at, e.id");

struct record_list tenant_list(struct transaction *transaction)
{
    return query_records(transaction, &all_tenants, NULL, 0);
}

struct tenant_listing tenant_listing_of(const struct tenant *tenant)
{
    return (struct tenant_listing){tenant->id, tenant->name, tenant->internal_status, tenant->created_at};
}

struct record_list environment_list(struct transaction *transaction, struct text tenant_id)
{
    if (tenant_id.length == 0)
        return query_records(transaction, &all_environments, NULL, 0);
    return query_records(transaction, &environments_of_tenant, VALUES(value_text(tenant_id)));
}
