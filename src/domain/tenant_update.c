/* tenant_update.c: conventions section 22.3. */
#include "domain/records.h"
#include "domain/tenants.h"
#include "model/entity_json.h"

STORE_QUERY(own_tenant, &tenant_entity,
            "SELECT {columns} FROM tenants WHERE id = $1 AND status = 'published' {lock}");

const struct field tenant_change_fields[] = {
    {FIELD(struct tenant_change, name, FIELD_TEXT), .flags = FIELD_INPUT, .length_max = 100},
    {FIELD(struct tenant_change, metadata, FIELD_STRING_MAP), .flags = FIELD_INPUT},
};
const size_t tenant_change_field_count = sizeof tenant_change_fields / sizeof tenant_change_fields[0];

const struct failure *tenant_read_change(const struct json_value *object, struct arena *arena,
                                         struct tenant_change *change)
{
    struct failure *failure = NULL;

    *change = (struct tenant_change){0};
    fields_read_json(tenant_change_fields, tenant_change_field_count, object, change, arena, &failure);
    change->has_billing_details = json_member(object, TEXT("billing_details")) != NULL;
    billing_details_read(object, &change->billing_details, arena, &failure);
    return failure;
}

const struct failure *tenant_get_own(struct transaction *transaction, struct tenant *tenant)
{
    struct text id = transaction->call->scope->tenant_id;

    if (query_record(transaction, &own_tenant, VALUES(value_text(id)), tenant))
        return NULL;
    return failure_add(failure_new(transaction->arena, FAILURE_NOT_FOUND, TEXT("there is no such tenant")),
                       transaction->arena, TEXT("tenant_id"), id);
}

const struct failure *tenant_update(struct transaction *transaction, const struct tenant_change *change,
                                    struct tenant *updated)
{
    struct tenant *before = ARENA_NEW(transaction->arena, struct tenant),
                  *after = ARENA_NEW(transaction->arena, struct tenant);
    const struct failure *failure = tenant_get_own(transaction, before);

    if (failure)
        return failure;
    *after = *before;
    if (change->name.length > 0)
        after->name = change->name;
    if (text_is_set(change->metadata))
        after->metadata = change->metadata;
    if (change->has_billing_details)
        after->billing_details = billing_details_store(&change->billing_details, transaction->arena);
    RECORD_STAMP_UPDATED(after, transaction->call);
    transaction_update(transaction, NULL, &tenant_entity, before, after);
    *updated = *after;
    return NULL;
}
