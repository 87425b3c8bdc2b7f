/* customer_create.c: 10-customers section 4. */
#include "domain/customers.h"

#include "base/ulid.h"
#include "domain/records.h"
#include "domain/tax_metadata.h"
#include "model/entity_json.h"

#define OPTION(member, type) FIELD(struct customer_creation, member, type), .flags = FIELD_INPUT

const struct field customer_creation_options[] = {
    {OPTION(tax_rate_overrides, FIELD_JSON_ARRAY)},
    {OPTION(integration_entity_mapping, FIELD_JSON_ARRAY), .shape = &customer_mapping_shape},
    {OPTION(skip_onboarding_workflow, FIELD_BOOLEAN)},
    {OPTION(onboarding_workflow_name, FIELD_TEXT)},
};
const size_t customer_creation_option_count =
    sizeof customer_creation_options / sizeof customer_creation_options[0];

/* What this version cannot do is refused, so that nobody believes it was done. */
static const struct failure *refuse_unsupported(const struct customer_creation *creation, struct arena *arena)
{
    struct failure *failure = NULL;

    if (creation->tax_rate_overrides && creation->tax_rate_overrides->count > 0)
        failure_add_field(&failure, arena, TEXT("tax_rate_overrides"),
                          TEXT("is not supported yet: leave it out, or send []"));
    else if (creation->onboarding_workflow_name.length > 0)
        failure_add_field(&failure, arena, TEXT("onboarding_workflow_name"),
                          TEXT("is not supported yet: leave it out, or send \"\""));
    return failure;
}

const struct failure *customer_read_creation(const struct json_value *object, struct arena *arena,
                                             struct customer_creation *creation)
{
    struct failure *failure = NULL;

    *creation = (struct customer_creation){0};
    fields_read_json(customer_entity.fields, customer_entity.field_count, object, &creation->customer, arena,
                     &failure);
    fields_read_json(customer_creation_options, customer_creation_option_count, object, creation, arena,
                     &failure);
    if (failure)
        return failure;
    const struct failure *refusal = refuse_unsupported(creation, arena);

    if (!refusal)
        refusal = customer_mappings_read(creation->integration_entity_mapping, arena, &creation->mappings);
    return refusal ? refusal : tax_metadata_check(creation->customer.metadata, arena);
}

const struct failure *customer_create(struct transaction *transaction,
                                      const struct customer_creation *creation, struct customer *created)
{
    const struct call *call = transaction->call;

    *created = creation->customer;
    created->id = ulid_make_id(transaction->arena, customer_entity.id_prefix, call->now_us);
    RECORD_STAMP_CREATED(created, call);
    /* What is refused has changed nothing: an import goes on with the same transaction. */
    const struct failure *failure = customer_mappings_apply(transaction, created->id, &creation->mappings);

    if (!failure)
        transaction_insert(transaction, call->scope, &customer_entity, created);
    return failure;
}
