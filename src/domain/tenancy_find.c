/* tenancy_find.c: look-ups that operators' commands start from, and the operational status of a tenant. */
#include "domain/records.h"
#include "domain/scope_row.h"
#include "domain/tenancy.h"

STORE_QUERY(scope_by_environment, &scope_row_entity,
            "SELECT {columns} FROM scopes WHERE environment_id = $1");
STORE_QUERY(first_scopes, &scope_row_entity, "SELECT {columns} FROM scopes ORDER BY scope LIMIT 2");
STORE_QUERY(first_user, &user_entity,
            "SELECT {columns} FROM users WHERE tenant_id = $1 AND type = 'user' AND status = 'published' "
            "ORDER BY created_at, id LIMIT 1");
STORE_QUERY(tenant_by_id, &tenant_entity, "SELECT {columns} FROM tenants WHERE id = $1");

static const struct field scope_row_fields[] = {
    {FIELD(struct scope_row, scope, FIELD_INTEGER)},
    {FIELD(struct scope_row, tenant_id, FIELD_TEXT)},
    {FIELD(struct scope_row, environment_id, FIELD_TEXT)},
};
const struct entity scope_row_entity = {
    .name = TEXT_LITERAL("scope"),
    ENTITY_FIELDS(scope_row_fields),
    .struct_size = sizeof(struct scope_row),
};

struct scope scope_of_row(const struct scope_row *row)
{
    return (struct scope){
        .number = row->scope, .tenant_id = row->tenant_id, .environment_id = row->environment_id};
}

static const struct failure *only_environment(struct transaction *transaction, struct scope *scope)
{
    struct record_list rows = query_records(transaction, &first_scopes, NULL, 0);

    if (rows.count == 1) {
        *scope = scope_of_row(rows.records);
        return NULL;
    }
    return failure_new(transaction->arena, FAILURE_VALIDATION,
                       rows.count == 0 ? TEXT("there is no environment yet; run `farthing init` first")
                                       : TEXT("there are several environments; name one with --environment"));
}

const struct failure *environment_find(struct transaction *transaction, struct text environment_id,
                                       struct scope *scope)
{
    struct scope_row row;

    if (environment_id.length == 0)
        return only_environment(transaction, scope);
    if (!query_record(transaction, &scope_by_environment, VALUES(value_text(environment_id)), &row))
        return failure_add(
            failure_new(transaction->arena, FAILURE_NOT_FOUND, TEXT("there is no such environment")),
            transaction->arena, TEXT("environment_id"), environment_id);
    *scope = scope_of_row(&row);
    return NULL;
}

const struct failure *tenant_first_user(struct transaction *transaction, struct text tenant_id,
                                        struct user *user)
{
    if (query_record(transaction, &first_user, VALUES(value_text(tenant_id)), user))
        return NULL;
    return failure_new(transaction->arena, FAILURE_NOT_FOUND, TEXT("the tenant has no user"));
}

const struct failure *tenant_set_internal_status(struct transaction *transaction, struct text tenant_id,
                                                 struct text internal_status)
{
    struct tenant *before = ARENA_NEW(transaction->arena, struct tenant);
    struct tenant *after = ARENA_NEW(transaction->arena, struct tenant);

    if (!query_record(transaction, &tenant_by_id, VALUES(value_text(tenant_id)), before))
        return failure_add(
            failure_new(transaction->arena, FAILURE_NOT_FOUND, TEXT("there is no such tenant")),
            transaction->arena, TEXT("tenant_id"), tenant_id);
    *after = *before;
    after->internal_status = internal_status;
    RECORD_STAMP_UPDATED(after, transaction->call);
    transaction_update(transaction, NULL, &tenant_entity, before, after);
    return NULL;
}
