/* environment_create.c: conventions section 22.2. */
#include "base/ulid.h"
#include "domain/records.h"
#include "domain/tenancy.h"

const struct failure *environment_create(struct transaction *transaction, struct text tenant_id,
                                         struct text name, struct text type, struct environment *environment,
                                         struct scope *scope)
{
    const struct call *call = transaction->call;

    *environment = (struct environment){
        .id = ulid_make_id(transaction->arena, environment_entity.id_prefix, call->now_us),
        .tenant_id = tenant_id,
        .name = name,
        .type = type,
    };
    RECORD_STAMP_CREATED(environment, call);
    transaction_insert(transaction, NULL, &environment_entity, environment);
    *scope = (struct scope){
        .tenant_id = tenant_id,
        .environment_id = environment->id,
        .number = transaction_intern_scope(transaction, tenant_id, environment->id),
    };
    return NULL;
}
