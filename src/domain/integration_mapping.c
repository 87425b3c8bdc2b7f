#include "domain/integration_mapping.h"

#include "base/ulid.h"
#include "domain/customers.h"
#include "domain/records.h"

STORE_QUERY(mapping_by_id, &integration_mapping_entity,
            "SELECT {columns} FROM entity_integration_mappings WHERE {scope = $1 AND id = $2} AND status = "
            "'published' {lock}");
STORE_QUERY(mapping_of_entity, &integration_mapping_entity,
            "SELECT {columns} FROM entity_integration_mappings WHERE scope = $1 AND entity_type = $2 AND "
            "entity_id = $3 AND provider_type = $4 AND status = 'published' {lock}");
STORE_QUERY(customer_mapping_of_provider, &integration_mapping_entity,
            "SELECT {columns} FROM entity_integration_mappings WHERE scope = $1 AND provider_type = $2 AND "
            "provider_entity_id = $3 AND entity_type = 'customer' AND status = 'published' {lock}");

static const struct text customer_type = TEXT_LITERAL("customer");

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

static void archive(struct transaction *transaction, const struct integration_mapping *before)
{
    const struct call *call = transaction->call;
    struct integration_mapping *after = ARENA_NEW(transaction->arena, struct integration_mapping);

    *after = *before;
    after->status = status_archived;
    RECORD_STAMP_UPDATED(after, call);
    transaction_update(transaction, call->scope, &integration_mapping_entity, before, after);
}

const struct failure *integration_mapping_archive(struct transaction *transaction, struct text id)
{
    struct integration_mapping *before = ARENA_NEW(transaction->arena, struct integration_mapping);

    if (!query_record(transaction, &mapping_by_id,
                      VALUES(value_integer(transaction->call->scope->number), value_text(id)), before))
        return failure_add(
            failure_new(transaction->arena, FAILURE_NOT_FOUND, TEXT("there is no such mapping")),
            transaction->arena, TEXT("id"), id);
    archive(transaction, before);
    return NULL;
}

bool integration_mapping_find(struct transaction *transaction, const struct integration_mapping *wanted,
                              struct integration_mapping *mapping)
{
    return query_record(transaction, &mapping_of_entity,
                        VALUES(value_integer(transaction->call->scope->number),
                               value_text(wanted->entity_type), value_text(wanted->entity_id),
                               value_text(wanted->provider_type)),
                        mapping);
}

/* ---- who has the provider's id ---- */

static const struct failure *is_taken(struct arena *arena, const struct integration_mapping *given,
                                      struct text entity_id)
{
    struct failure *failure = failure_new(
        arena, FAILURE_ALREADY_EXISTS,
        arena_format(arena, "another customer is mapped to this provider_entity_id of %.*s; delink it first",
                     TEXT_FORMAT(given->provider_type)));

    failure_add(failure, arena, TEXT("provider_type"), given->provider_type);
    failure_add(failure, arena, TEXT("provider_entity_id"), given->provider_entity_id);
    return failure_add(failure, arena, TEXT("entity_id"), entity_id);
}

/* The published mapping that another customer has to what is given; in *failure why it cannot be had. */
static bool find_other(struct transaction *transaction, const struct integration_mapping *given,
                       struct integration_mapping *other, const struct failure **failure)
{
    struct customer customer;

    *failure = NULL;
    if (!text_equal(given->entity_type, customer_type) ||
        !query_record(transaction, &customer_mapping_of_provider,
                      VALUES(value_integer(transaction->call->scope->number),
                             value_text(given->provider_type), value_text(given->provider_entity_id)),
                      other) ||
        text_equal(other->entity_id, given->entity_id))
        return false;
    if (!customer_get_published(transaction, other->entity_id, &customer))
        *failure = is_taken(transaction->arena, given, other->entity_id);
    return true;
}

const struct failure *integration_mapping_check(struct transaction *transaction,
                                                const struct integration_mapping *given)
{
    struct integration_mapping other;
    const struct failure *failure;

    find_other(transaction, given, &other, &failure);
    return failure;
}

static const struct failure *claim(struct transaction *transaction, const struct integration_mapping *given)
{
    struct integration_mapping *other = ARENA_NEW(transaction->arena, struct integration_mapping);
    const struct failure *failure;

    if (find_other(transaction, given, other, &failure) && !failure)
        archive(transaction, other);
    return failure;
}

const struct failure *integration_mapping_put(struct transaction *transaction,
                                              const struct integration_mapping *given,
                                              struct integration_mapping *written)
{
    struct integration_mapping *before = ARENA_NEW(transaction->arena, struct integration_mapping);
    struct integration_mapping *after = ARENA_NEW(transaction->arena, struct integration_mapping);
    const struct failure *failure = claim(transaction, given);

    if (failure)
        return failure;
    if (integration_mapping_find(transaction, given, before)) {
        *after = *before;
        after->provider_entity_id = given->provider_entity_id;
        after->metadata = given->metadata;
        RECORD_STAMP_UPDATED(after, transaction->call);
        transaction_update(transaction, transaction->call->scope, &integration_mapping_entity, before, after);
    } else {
        failure = integration_mapping_create(transaction, given, after);
    }
    *written = *after;
    return failure;
}
