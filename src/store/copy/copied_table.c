#include "store/copy/copied_table.h"

#include "base/buffer.h"
#include "model/auth.h"
#include "model/connection.h"
#include "model/customer.h"
#include "model/customer_alias.h"
#include "model/idempotency_record.h"
#include "model/integration_mapping.h"
#include "model/secret.h"
#include "model/tenancy.h"
#include "store/audit.h"
#include "store/customer_key.h"

/* ---- tables that are no entity's, or of which no entity has all columns ---- */

#define COLUMN(column, column_type)                                                                          \
    {                                                                                                        \
        .name = TEXT_LITERAL(#column), .type = (column_type)                                                 \
    }

static const struct field scope_columns[] = {
    COLUMN(scope, FIELD_INTEGER),
    COLUMN(tenant_id, FIELD_TEXT),
    COLUMN(environment_id, FIELD_TEXT),
};
static const struct entity scope_entity = {.name = TEXT_LITERAL("scope"), ENTITY_FIELDS(scope_columns)};

static const struct field event_columns[] = {
    COLUMN(sequence, FIELD_INTEGER),
    COLUMN(scope, FIELD_INTEGER),
    COLUMN(id, FIELD_TEXT),
    COLUMN(event_name, FIELD_TEXT),
    COLUMN(entity_type, FIELD_TEXT),
    COLUMN(entity_id, FIELD_TEXT),
    COLUMN(payload, FIELD_TEXT), /* JSON that is kept to the byte */
    COLUMN(webhook_message_id, FIELD_TEXT),
    COLUMN(published_at, FIELD_INSTANT),
    COLUMN(failure_count, FIELD_INTEGER),
    COLUMN(failure_reason, FIELD_TEXT),
    COLUMN(created_at, FIELD_INSTANT),
    COLUMN(created_by, FIELD_TEXT),
};
static const struct entity event_entity = {.name = TEXT_LITERAL("event"), ENTITY_FIELDS(event_columns)};

/* ---- all of them ---- */

const struct copied_table copied_tables[COPIED_TABLE_COUNT] = {
    {TEXT_LITERAL("tenants"), &tenant_entity, .is_kept = true},
    {TEXT_LITERAL("environments"), &environment_entity, .is_kept = true},
    {TEXT_LITERAL("scopes"), &scope_entity, .is_kept = true},
    {TEXT_LITERAL("users"), &user_entity, .is_kept = true},
    {TEXT_LITERAL("auths"), &auth_entity},
    {TEXT_LITERAL("secrets"), &secret_entity},
    {TEXT_LITERAL("server_secrets"), &server_secret_entity},
    {TEXT_LITERAL("connections"), &connection_entity},
    {TEXT_LITERAL("customers"), &customer_entity},
    {TEXT_LITERAL("customer_keys"), &customer_key_entity},
    {TEXT_LITERAL("customer_aliases"), &customer_alias_entity},
    {TEXT_LITERAL("entity_integration_mappings"), &integration_mapping_entity},
    {TEXT_LITERAL("idempotency_records"), &idempotency_record_entity},
    {TEXT_LITERAL("system_events"), &event_entity},
    {TEXT_LITERAL("audit_chains"), &audit_chain_row_entity, .is_kept = true},
    {TEXT_LITERAL("audit_log"), &audit_row_entity},
};

const struct text uncopied_tables[] = {
    /* the embedded database's: kept by triggers, filled by the housekeeping */
    TEXT_LITERAL("row_counts"),
    TEXT_LITERAL("customers_unindexed"),
    TEXT_LITERAL("customers_search_segments"),
    TEXT_LITERAL("customers_search_documents"),
    TEXT_LITERAL("customers_search_postings"),
    TEXT_LITERAL("customers_search_void"),
    /* PostgreSQL's */
    TEXT_LITERAL("schema_versions"),
    TEXT_LITERAL("commit_records"),
    {NULL, 0},
};

/* ---- rows ---- */

static size_t member_size(const struct field *field)
{
    return field_is_text(field) ? sizeof(struct text) : sizeof(int64_t);
}

static void add_field(struct entity *row, struct field *fields, struct field field)
{
    field.offset = row->struct_size;
    row->struct_size += member_size(&field);
    fields[row->field_count++] = field;
}

const struct entity *copied_row_entity(const struct copied_table *table, struct arena *arena)
{
    const struct entity *entity = table->entity;
    struct entity *row = ARENA_NEW(arena, struct entity);
    struct field *fields = ARENA_ARRAY(arena, struct field, entity->field_count + 2);

    row->name = table->name;
    row->fields = fields;
    add_field(row, fields, (struct field)COLUMN(place, FIELD_INTEGER));
    if (copied_is_scoped(table))
        add_field(row, fields, (struct field)COLUMN(scope, FIELD_INTEGER));
    for (size_t i = 0; i < entity->field_count; i++)
        if (field_is_column(&entity->fields[i]))
            add_field(row, fields, entity->fields[i]);
    return row;
}

bool copied_is_numbered(const struct copied_table *table)
{
    return !copied_is_scoped(table) && table->entity->fields[0].type == FIELD_INTEGER;
}

struct text copied_column_names(const struct entity *row, struct arena *arena)
{
    struct text names = text_none;

    for (size_t i = COPIED_COLUMNS; i < row->field_count; i++)
        names = i == COPIED_COLUMNS
                    ? row->fields[i].name
                    : arena_format(arena, "%.*s, %.*s", TEXT_FORMAT(names), TEXT_FORMAT(row->fields[i].name));
    return names;
}
