/* customer_archive.c: 10-customers section 7. */
#include "domain/customer_blockers.h"
#include "domain/records.h"
#include "store/customer_key.h"

const struct failure *customer_archive_unless(struct transaction *transaction, struct text id,
                                              customer_blocker *const *blockers)
{
    struct customer *before = ARENA_NEW(transaction->arena, struct customer);
    struct customer *after = ARENA_NEW(transaction->arena, struct customer);

    customer_key_ahead(transaction, transaction->call->scope, id);
    const struct failure *failure = customer_get_published(transaction, id, before);

    for (; !failure && *blockers; blockers++)
        failure = (*blockers)(transaction, before);
    if (failure)
        return failure;
    *after = *before;
    after->status = status_archived;
    RECORD_STAMP_UPDATED(after, transaction->call);
    transaction_update(transaction, transaction->call->scope, &customer_entity, before, after);
    return NULL;
}

const struct failure *customer_archive(struct transaction *transaction, struct text id)
{
    return customer_archive_unless(transaction, id, customer_blockers);
}
