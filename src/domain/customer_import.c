/* customer_import.c: one row of an import, by the rules of create and update. */
#include "domain/customers.h"
#include "domain/records.h"

/* Empty when the row names none. */
static struct text external_id_of(const struct json_value *object)
{
    const struct json_value *external_id = json_member(object, TEXT("external_id"));

    return external_id && external_id->type == JSON_STRING ? external_id->text : text_empty;
}

void customer_import_ahead(struct transaction *transaction, const struct json_value *object)
{
    struct text external_id = external_id_of(object);

    if (external_id.length > 0)
        customer_get_by_external_id_ahead(transaction, external_id);
}

/* The published customer that the row names. False when it names none or there is none. */
static bool find_existing(struct transaction *transaction, const struct json_value *object,
                          struct customer *customer)
{
    struct text external_id = external_id_of(object);

    return external_id.length > 0 && !customer_get_by_external_id(transaction, external_id, customer);
}

static const struct failure *import_existing(struct transaction *transaction, const struct json_value *object,
                                             const struct customer_import_options *options,
                                             const struct customer *before,
                                             enum customer_import_outcome *outcome)
{
    struct customer *after = ARENA_NEW(transaction->arena, struct customer);
    struct customer_change change;
    const struct failure *refusal = customer_read_change(object, transaction->arena, &change);

    if (refusal)
        return refusal;
    bool differs = customer_change_apply(&change, before, transaction->arena, after);

    if (!differs && !customer_mappings_differ(transaction, before->id, &change.mappings)) {
        *outcome = IMPORT_UNCHANGED;
        return NULL;
    }
    *outcome = options->may_update ? IMPORT_UPDATED : IMPORT_DIFFERENT;
    if (!options->may_update)
        return NULL;
    if (options->is_check)
        return customer_mappings_check(transaction, before->id, &change.mappings);
    refusal = customer_mappings_apply(transaction, before->id, &change.mappings);
    if (refusal)
        return refusal;
    RECORD_STAMP_UPDATED(after, transaction->call);
    transaction_update(transaction, transaction->call->scope, &customer_entity, before, after);
    return NULL;
}

static const struct failure *import_new(struct transaction *transaction, const struct json_value *object,
                                        const struct customer_import_options *options,
                                        enum customer_import_outcome *outcome)
{
    struct customer_creation creation;
    const struct failure *refusal = customer_read_creation(object, transaction->arena, &creation);

    if (refusal)
        return refusal;
    *outcome = IMPORT_CREATED;
    return options->is_check
               ? customer_mappings_check(transaction, text_empty, &creation.mappings)
               : customer_create(transaction, &creation, ARENA_NEW(transaction->arena, struct customer));
}

const struct failure *customer_import(struct transaction *transaction, const struct json_value *object,
                                      const struct customer_import_options *options,
                                      enum customer_import_outcome *outcome, const struct failure **refusal)
{
    struct customer *existing = ARENA_NEW(transaction->arena, struct customer);

    *refusal = find_existing(transaction, object, existing)
                   ? import_existing(transaction, object, options, existing, outcome)
                   : import_new(transaction, object, options, outcome);
    if (transaction->failure)
        return transaction->failure;
    if (*refusal)
        *outcome = IMPORT_REFUSED;
    return options->is_check ? NULL : transaction_apply(transaction);
}
