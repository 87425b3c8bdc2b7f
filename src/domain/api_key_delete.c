/* api_key_delete.c: conventions section 22.4. */
#include "domain/api_keys.h"
#include "domain/records.h"

STORE_QUERY(key_of_scope, &secret_entity,
            "SELECT {columns} FROM secrets WHERE {scope = $1 AND id = $2} {lock}");

static bool is_api_key(const struct secret *secret)
{
    return text_equal(secret->type, secret_type_private) || text_equal(secret->type, secret_type_publishable);
}

const struct failure *api_key_delete(struct transaction *transaction, const struct actor *actor,
                                     struct text id)
{
    const struct call *call = transaction->call;
    struct secret *before = ARENA_NEW(transaction->arena, struct secret),
                  *after = ARENA_NEW(transaction->arena, struct secret);

    if (!query_record(transaction, &key_of_scope, VALUES(value_integer(call->scope->number), value_text(id)),
                      before) ||
        !is_api_key(before))
        return failure_add(
            failure_new(transaction->arena, FAILURE_NOT_FOUND, TEXT("there is no such API key")),
            transaction->arena, TEXT("id"), id);
    if (!actor->is_super_admin && !text_equal(before->user_id, call->actor_id))
        return failure_new(transaction->arena, FAILURE_PERMISSION_DENIED,
                           TEXT("only a user with the role super_admin may delete somebody else's key"));
    if (!text_equal(before->status, status_published))
        return NULL;
    *after = *before;
    after->status = status_deleted;
    RECORD_STAMP_UPDATED(after, call);
    transaction_update(transaction, call->scope, &secret_entity, before, after);
    return NULL;
}
