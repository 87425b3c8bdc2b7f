#include "domain/tenancy_operator.h"

#include "base/utf8.h"
#include "model/entity_json.h"

STORE_QUERY(tenant_by_id, &tenant_entity,
            "SELECT {columns} FROM tenants WHERE id = $1 AND status = 'published' {lock}");
STORE_QUERY(tenants_by_name, &tenant_entity,
            "SELECT {columns} FROM tenants WHERE name = $1 AND status = 'published' ORDER BY created_at, id");
STORE_QUERY(first_tenants, &tenant_entity,
            "SELECT {columns} FROM tenants WHERE status = 'published' ORDER BY created_at, id LIMIT 2");
STORE_QUERY(environment_by_name, &environment_entity,
            "SELECT {columns} FROM environments WHERE tenant_id = $1 AND name = $2 AND status = 'published'");

/* ---- finding ---- */

static const struct failure *only_tenant(struct transaction *transaction, struct tenant *tenant)
{
    struct record_list tenants = query_records(transaction, &first_tenants, NULL, 0);

    if (tenants.count == 1) {
        *tenant = *(const struct tenant *)tenants.records;
        return NULL;
    }
    return failure_new(transaction->arena, FAILURE_VALIDATION,
                       tenants.count == 0 ? TEXT("there is no tenant yet; run `farthing init` first")
                                          : TEXT("there are several tenants; name one with --tenant"));
}

static const struct failure *ambiguous(struct arena *arena, struct text name, struct record_list list)
{
    const struct tenant *tenants = list.records;
    struct text ids = tenants[0].id;

    for (size_t i = 1; i < list.count; i++)
        ids = arena_list_add(arena, ids, tenants[i].id);
    return failure_new(arena, FAILURE_VALIDATION,
                       arena_format(arena, "several tenants are called \"%.*s\": %.*s; name one by its id",
                                    TEXT_FORMAT(name), TEXT_FORMAT(ids)));
}

const struct failure *tenant_find(struct transaction *transaction, struct text reference,
                                  struct tenant *tenant)
{
    if (reference.length == 0)
        return only_tenant(transaction, tenant);
    if (query_record(transaction, &tenant_by_id, VALUES(value_text(reference)), tenant))
        return NULL;
    struct record_list named = query_records(transaction, &tenants_by_name, VALUES(value_text(reference)));

    if (named.count > 1)
        return ambiguous(transaction->arena, reference, named);
    if (named.count == 0)
        return failure_new(transaction->arena, FAILURE_NOT_FOUND,
                           arena_format(transaction->arena,
                                        "there is no tenant \"%.*s\"; `farthing tenant list` shows them",
                                        TEXT_FORMAT(reference)));
    *tenant = *(const struct tenant *)named.records;
    return NULL;
}

/* ---- tenants ---- */

const struct failure *tenant_name_check(struct text name, struct arena *arena)
{
    size_t length_max = entity_field(&tenant_entity, TEXT("name"))->length_max;

    if (name.length > 0 && utf8_valid(name) && utf8_length(name) <= length_max)
        return NULL;
    return failure_new(
        arena, FAILURE_VALIDATION,
        arena_format(arena, "the name of the tenant must be 1 to %zu characters of UTF-8", length_max));
}

const struct failure *tenant_open_named(struct transaction *transaction, struct text name,
                                        struct tenant_opening *opening)
{
    transaction_take_turns(transaction, STORE_TURNS_TENANTS);
    struct record_list named = query_records(transaction, &tenants_by_name, VALUES(value_text(name)));

    if (named.count > 0)
        return failure_new(transaction->arena, FAILURE_ALREADY_EXISTS,
                           arena_format(transaction->arena, "there is a tenant called \"%.*s\" already: %.*s",
                                        TEXT_FORMAT(name),
                                        TEXT_FORMAT(((struct tenant *)named.records)->id)));
    return tenant_open(transaction, name, opening);
}

static const struct failure *set_status(struct transaction *transaction, struct text reference,
                                        struct text internal_status, struct tenant *tenant)
{
    const struct failure *failure = tenant_find(transaction, reference, tenant);

    if (failure || text_equal(tenant->internal_status, internal_status))
        return failure;
    failure = tenant_set_internal_status(transaction, tenant->id, internal_status);
    tenant->internal_status = internal_status;
    return failure;
}

const struct failure *tenant_suspend(struct transaction *transaction, struct text reference,
                                     struct tenant *tenant)
{
    return set_status(transaction, reference, TEXT("suspended"), tenant);
}

const struct failure *tenant_resume(struct transaction *transaction, struct text reference,
                                    struct tenant *tenant)
{
    const struct failure *failure = tenant_find(transaction, reference, tenant);

    if (failure || !text_equal(tenant->internal_status, TEXT("suspended")))
        return failure;
    return set_status(transaction, tenant->id, TEXT("active"), tenant);
}

/* ---- environments ---- */

const struct failure *environment_read_creation(const struct json_value *object, struct arena *arena,
                                                struct environment *creation)
{
    struct field type = *entity_field(&environment_entity, TEXT("type"));
    struct failure *failure = NULL;

    *creation = (struct environment){0};
    type.flags &= ~(unsigned)FIELD_REQUIRED;
    type.fallback = TEXT("development");
    fields_read_json(entity_field(&environment_entity, TEXT("name")), 1, object, creation, arena, &failure);
    fields_read_json(&type, 1, object, creation, arena, &failure);
    return failure;
}

const struct failure *environment_create_named(struct transaction *transaction, struct text tenant_id,
                                               const struct environment *creation,
                                               struct environment *created)
{
    struct environment other;
    struct scope scope;

    transaction_take_turns(transaction, STORE_TURNS_ENVIRONMENTS);
    if (query_record(transaction, &environment_by_name,
                     VALUES(value_text(tenant_id), value_text(creation->name)), &other))
        return failure_new(transaction->arena, FAILURE_ALREADY_EXISTS,
                           arena_format(transaction->arena,
                                        "the tenant has an environment called \"%.*s\" already: %.*s",
                                        TEXT_FORMAT(creation->name), TEXT_FORMAT(other.id)));
    return environment_create(transaction, tenant_id, creation->name, creation->type, created, &scope);
}
