/* customer_get.c: 10-customers section 5. */
#include "domain/customers.h"
#include "domain/scope_row.h"

STORE_QUERY(customer_by_id, &customer_entity,
            "SELECT {columns} FROM customers WHERE {scope = $1 AND id = $2} {lock}");

STORE_QUERY(
    customer_by_external_id, &customer_entity,
    "SELECT {columns} FROM customers WHERE scope = $1 AND external_id = $2 AND status = 'published' {lock}");

STORE_QUERY(
    scope_of_customer, &scope_row_entity,
    "SELECT s.scope, s.tenant_id, s.environment_id FROM scopes s JOIN customers c ON c.scope = s.scope "
    "WHERE {c.id = $1}");

STORE_QUERY(mappings_of_customer, &integration_mapping_entity,
            "SELECT {columns} FROM entity_integration_mappings "
            "WHERE scope = $1 AND entity_type = 'customer' AND entity_id = $2 AND status = 'published' "
            "ORDER BY created_at DESC, id DESC");

/* Whoever delinks and links again leaves one behind each time: of these, the newest. */
STORE_QUERY(
    mappings_of_customer_of_every_status, &integration_mapping_entity,
    "SELECT {columns} FROM entity_integration_mappings "
    "WHERE scope = $1 AND entity_type = 'customer' AND entity_id = $2 AND (status = 'published' OR id IN "
    "(SELECT id FROM entity_integration_mappings WHERE scope = $1 AND entity_type = 'customer' AND "
    "entity_id = $2 AND status <> 'published' ORDER BY created_at DESC, id DESC LIMIT $3)) "
    "ORDER BY created_at DESC, id DESC");

STORE_QUERY(all_mappings_of_customer, &integration_mapping_entity,
            "SELECT {columns} FROM entity_integration_mappings "
            "WHERE scope = $1 AND entity_type = 'customer' AND entity_id = $2 "
            "ORDER BY created_at DESC, id DESC {lock}");

static const struct failure *not_found(struct transaction *transaction, struct text name, struct text value)
{
    return failure_add(failure_new(transaction->arena, FAILURE_NOT_FOUND, TEXT("there is no such customer")),
                       transaction->arena, name, value);
}

const struct failure *customer_get(struct transaction *transaction, struct text id, struct customer *customer)
{
    if (query_record(transaction, &customer_by_id,
                     VALUES(value_integer(transaction->call->scope->number), value_text(id)), customer))
        return NULL;
    return not_found(transaction, TEXT("customer_id"), id);
}

bool customer_find_scope(struct transaction *transaction, struct text id, struct scope *scope)
{
    struct scope_row row;

    if (!query_record(transaction, &scope_of_customer, VALUES(value_text(id)), &row))
        return false;
    *scope = scope_of_row(&row);
    return true;
}

const struct failure *customer_get_published(struct transaction *transaction, struct text id,
                                             struct customer *customer)
{
    const struct failure *failure = customer_get(transaction, id, customer);

    if (failure || text_equal(customer->status, status_published))
        return failure;
    return failure_add(failure_new(transaction->arena, FAILURE_NOT_FOUND, TEXT("the customer is archived")),
                       transaction->arena, TEXT("customer_id"), id);
}

const struct failure *customer_get_by_external_id(struct transaction *transaction, struct text external_id,
                                                  struct customer *customer)
{
    if (query_record(transaction, &customer_by_external_id,
                     VALUES(value_integer(transaction->call->scope->number), value_text(external_id)),
                     customer))
        return NULL;
    return not_found(transaction, TEXT("lookup_key"), external_id);
}

void customer_get_by_external_id_ahead(struct transaction *transaction, struct text external_id)
{
    query_ahead(transaction, &customer_by_external_id,
                VALUES(value_integer(transaction->call->scope->number), value_text(external_id)));
}

void customer_integrations_ahead(struct transaction *transaction, struct text customer_id)
{
    query_ahead(transaction, &mappings_of_customer,
                VALUES(value_integer(transaction->call->scope->number), value_text(customer_id)));
}

struct record_list customer_integrations(struct transaction *transaction, struct text customer_id)
{
    return query_records(transaction, &mappings_of_customer,
                         VALUES(value_integer(transaction->call->scope->number), value_text(customer_id)));
}

struct record_list customer_integrations_of_every_status(struct transaction *transaction,
                                                         struct text customer_id)
{
    return query_records(transaction, &mappings_of_customer_of_every_status,
                         VALUES(value_integer(transaction->call->scope->number), value_text(customer_id),
                                value_integer(CUSTOMER_DELINKED_SHOWN_MAX)));
}

struct record_list customer_integrations_ever(struct transaction *transaction, struct text customer_id)
{
    return query_records(transaction, &all_mappings_of_customer,
                         VALUES(value_integer(transaction->call->scope->number), value_text(customer_id)));
}
