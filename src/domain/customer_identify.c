/* customer_identify.c: which customer a change is about (10-customers section 6.1). */
#include "domain/customers.h"

const struct failure *customer_reference_check(const struct customer_reference *reference,
                                               struct arena *arena)
{
    if (reference->id.length > 0 || reference->external_id.length > 0)
        return NULL;
    return failure_new(
        arena, FAILURE_VALIDATION,
        TEXT("say which customer is meant: by its id in the path, or by the query parameter `id` or "
             "`external_customer_id`"));
}

static const struct failure *two_customers(struct arena *arena, const struct customer_reference *reference)
{
    struct failure *failure =
        failure_new(arena, FAILURE_VALIDATION,
                    TEXT("`id` and `external_customer_id` are not of the same customer; send one of them"));

    failure_add(failure, arena, TEXT("id"), reference->id);
    return failure_add(failure, arena, TEXT("external_customer_id"), reference->external_id);
}

const struct failure *customer_identify(struct transaction *transaction,
                                        const struct customer_reference *reference, struct text *id)
{
    struct arena *arena = transaction->arena;
    struct customer customer;

    *id = reference->id;
    if (reference->external_id.length == 0)
        return NULL;
    if (customer_get_by_external_id(transaction, reference->external_id, &customer))
        return failure_add(failure_new(arena, FAILURE_NOT_FOUND, TEXT("there is no such customer")), arena,
                           TEXT("external_customer_id"), reference->external_id);
    if (reference->id.length > 0 && !text_equal(reference->id, customer.id))
        return two_customers(arena, reference);
    *id = customer.id;
    return NULL;
}
