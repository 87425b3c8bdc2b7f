#include "domain/tenant_billing.h"

#include "domain/customers.h"
#include "domain/tenancy.h"
#include "json/writer.h"

/* A tenant that may have to become a customer. */
struct candidate {
    struct text id;
    struct text name;
    struct text email; /* unset: nobody in it has one */
    bool is_newcomer;
};
static const struct field candidate_fields[] = {
    {FIELD(struct candidate, id, FIELD_TEXT)},
    {FIELD(struct candidate, name, FIELD_TEXT)},
    {FIELD(struct candidate, email, FIELD_TEXT)},
    {FIELD(struct candidate, is_newcomer, FIELD_BOOLEAN)},
};
static const struct entity candidate_entity = {
    .name = TEXT_LITERAL("tenant"),
    ENTITY_FIELDS(candidate_fields),
    .struct_size = sizeof(struct candidate),
};

static const struct text above_all = TEXT_LITERAL("\xf4\x8f\xbf\xbf"); /* the last character there is */

/* Whoever has archived the customer, or given it another external_id, wants no second one. No index finds
 * archived customers by that: they are asked for last, when nothing else has told. */
STORE_QUERY(
    candidates, &candidate_entity,
    "SELECT t.id, t.name, (SELECT u.email FROM users u WHERE u.tenant_id = t.id AND u.type = 'user' AND "
    "u.status = 'published' AND u.email <> '' ORDER BY u.created_at, u.id LIMIT 1) AS email, "
    "(t.status = 'published' AND t.internal_status <> 'suspended' AND t.id <> $2 AND "
    "NOT EXISTS (SELECT 1 FROM customers c WHERE c.scope = $1 AND c.external_id = t.id AND "
    "c.status = 'published') AND "
    "NOT EXISTS (SELECT 1 FROM customer_aliases a WHERE a.scope = $1 AND a.external_id = t.id) AND "
    "t.id NOT IN (SELECT external_id FROM customers WHERE scope = $1 AND status = 'archived')) "
    "AS is_newcomer FROM tenants t WHERE t.id < $3 ORDER BY t.id DESC LIMIT $4");

const struct failure *tenant_billing_find(struct transaction *transaction, struct text tenant_id,
                                          struct text environment_id, struct scope *scope)
{
    const struct failure *failure = environment_find(transaction, environment_id, scope);

    if (failure || text_equal(scope->tenant_id, tenant_id))
        return failure;
    return failure_new(transaction->arena, FAILURE_NOT_FOUND, TEXT("the environment is another tenant's"));
}

/* From here on the transaction is about the customers of the billing scope. */
static void turn_to(struct transaction *transaction, const struct scope *billing)
{
    struct call *own = ARENA_NEW(transaction->arena, struct call);

    *own = *transaction->call;
    own->scope = billing;
    transaction->call = own;
}

/* As a request to create the customer would have it, so that the same rules hold. */
static const struct json_value *creation_of(const struct candidate *newcomer, struct arena *arena)
{
    struct buffer buffer = {0};
    struct json_writer writer;
    struct json_error error;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    json_put_string(&writer, TEXT("external_id"), newcomer->id);
    json_put_string(&writer, TEXT("name"), newcomer->name);
    json_put_string(&writer, TEXT("email"), newcomer->email);
    json_end_object(&writer);
    const struct json_value *object = json_read(arena, arena_copy(arena, buffer_text(&buffer)), &error);

    buffer_free(&buffer);
    return object;
}

static const struct failure *become_customer(struct transaction *transaction,
                                             const struct candidate *newcomer)
{
    struct customer *customer = ARENA_NEW(transaction->arena, struct customer);
    struct customer_creation creation;
    const struct failure *failure =
        customer_read_creation(creation_of(newcomer, transaction->arena), transaction->arena, &creation);

    return failure ? failure : customer_create(transaction, &creation, customer);
}

const struct failure *tenants_become_customers(struct transaction *transaction, const struct scope *billing,
                                               struct tenant_step *step)
{
    const struct failure *failure = NULL;

    transaction_take_turns(transaction, STORE_TURNS_TENANT_CUSTOMERS);
    turn_to(transaction, billing);
    struct record_list list =
        query_records(transaction, &candidates,
                      VALUES(value_integer(billing->number), value_text(billing->tenant_id),
                             value_text(text_is_set(step->below) ? step->below : above_all),
                             value_integer(TENANTS_LOOKED_AT_MAX)));
    const struct candidate *tenants = list.records;

    step->made = 0;
    step->last_id = list.count == TENANTS_LOOKED_AT_MAX ? tenants[list.count - 1].id : text_none;
    for (size_t i = 0; i < list.count && !failure; i++)
        if (tenants[i].is_newcomer) {
            failure = become_customer(transaction, &tenants[i]);
            step->made++;
        }
    return failure;
}

bool tenant_billing_customer(struct transaction *transaction, const struct scope *billing,
                             struct text tenant_id, struct customer *customer)
{
    turn_to(transaction, billing);
    return !customer_resolve_external_id(transaction, tenant_id, customer);
}
