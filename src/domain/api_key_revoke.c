/* api_key_revoke.c: conventions section 22.4. */
#include "domain/api_keys.h"
#include "domain/records.h"
#include "domain/scope_row.h"

/* One look-up a scope: the keys' primary key leads with it. */
STORE_QUERY(scope_of_key, &scope_row_entity,
            "SELECT c.scope, c.tenant_id, c.environment_id FROM scopes c JOIN secrets s ON s.scope = c.scope "
            "WHERE {s.id = $1}");
STORE_QUERY(key_by_id, &secret_entity, "SELECT {columns} FROM secrets WHERE {scope = $1 AND id = $2} {lock}");

const struct failure *api_key_revoke(struct transaction *transaction, struct text id, struct secret *revoked)
{
    struct scope_row row;
    struct scope *scope = ARENA_NEW(transaction->arena, struct scope);
    struct secret *after = ARENA_NEW(transaction->arena, struct secret);

    if (!query_record(transaction, &scope_of_key, VALUES(value_text(id)), &row) ||
        !query_record(transaction, &key_by_id, VALUES(value_integer(row.scope), value_text(id)), revoked))
        return failure_add(
            failure_new(transaction->arena, FAILURE_NOT_FOUND, TEXT("there is no such API key")),
            transaction->arena, TEXT("id"), id);
    if (!text_equal(revoked->status, status_published))
        return NULL;
    *scope = scope_of_row(&row);
    *after = *revoked;
    after->status = status_deleted;
    RECORD_STAMP_UPDATED(after, transaction->call);
    transaction_update(transaction, scope, &secret_entity, revoked, after);
    return NULL;
}
