/* customer_archive.c: 10-customers section 7. */
#include "domain/customers.h"
#include "domain/records.h"

const struct failure *customer_archive(struct transaction *transaction, struct text id)
{
    struct customer *before = ARENA_NEW(transaction->arena, struct customer);
    struct customer *after = ARENA_NEW(transaction->arena, struct customer);
    const struct failure *failure = customer_get_published(transaction, id, before);

    if (failure)
        return failure;
    *after = *before;
    after->status = status_archived;
    RECORD_STAMP_UPDATED(after, transaction->call);
    transaction_update(transaction, transaction->call->scope, &customer_entity, before, after);
    return NULL;
}
