#include "domain/integration_mapping.h"

#include "base/ulid.h"
#include "domain/records.h"

STORE_QUERY(mapping_by_id, &integration_mapping_entity,
            "SELECT {columns} FROM entity_integration_mappings WHERE {scope = $1 AND id = $2} AND status = "
            "'published' {lock}");

const struct failure *integration_mapping_create(struct transaction *transaction,
                                                 const struct integration_mapping *creation,
                                                 struct integration_mapping *created)
{
    const struct call *call = transaction->call;

    *created = *creation;
    created->id = ulid_make_id(transaction->arena, integration_mapping_entity.id_prefix, call->now_us);
    RECORD_STAMP_CREATED(created, call);
    transaction_insert(transaction, call->scope, &integration_mapping_entity, created);
    return NULL;
}

const struct failure *integration_mapping_archive(struct transaction *transaction, struct text id)
{
    const struct call *call = transaction->call;
    struct integration_mapping *before = ARENA_NEW(transaction->arena, struct integration_mapping);
    struct integration_mapping *after = ARENA_NEW(transaction->arena, struct integration_mapping);

    if (!query_record(transaction, &mapping_by_id, VALUES(value_integer(call->scope->number), value_text(id)),
                      before))
        return failure_add(
            failure_new(transaction->arena, FAILURE_NOT_FOUND, TEXT("there is no such mapping")),
            transaction->arena, TEXT("id"), id);
    *after = *before;
    after->status = status_archived;
    RECORD_STAMP_UPDATED(after, call);
    transaction_update(transaction, call->scope, &integration_mapping_entity, before, after);
    return NULL;
}
