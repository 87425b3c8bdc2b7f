/* admin_customers.c: customers for the operator, over the admin socket: what `farthing customer` talks to. */
#include "api/resources.h"
#include "domain/activity.h"
#include "domain/customers.h"
#include "domain/outbox.h"
#include "domain/tenancy.h"
#include "model/entity_json.h"

enum { FORMER_IDS_SHOWN = 100 };

struct customer_question {
    struct text tenant, environment; /* id or name; both unset: the customer's, if its id is given, or the
                                        only environment there is */
    struct text customer;            /* an id, or an external id of now or of before */
};

struct customer_answer {
    struct scope scope;
    struct customer customer;
    struct record_list integrations; /* struct integration_mapping */
    struct record_list aliases;      /* struct customer_alias */
    struct customer_export export;
    struct customer_erasure erasure;
};

static const struct failure *parse_question(struct exchange *exchange)
{
    struct customer_question *question = ARENA_NEW(exchange->arena, struct customer_question);
    const struct failure *failure = exchange_query(exchange, TEXT("tenant"), &question->tenant);

    if (!failure)
        failure = exchange_query(exchange, TEXT("environment"), &question->environment);
    if (!failure)
        failure = exchange_query(exchange, TEXT("customer"), &question->customer);
    exchange->input = question;
    exchange->result = ARENA_NEW(exchange->arena, struct customer_answer);
    if (failure || text_is_set(question->customer))
        return failure;
    return failure_new(exchange->arena, FAILURE_VALIDATION,
                       TEXT("say which customer, by its id or its external id"));
}

static const struct failure *find_customer(struct transaction *transaction, struct text reference,
                                           struct customer *customer)
{
    if (!customer_get(transaction, reference, customer) ||
        !customer_resolve_external_id(transaction, reference, customer))
        return NULL;
    return failure_add(failure_new(transaction->arena, FAILURE_NOT_FOUND,
                                   TEXT("no customer of this environment has this id or external id")),
                       transaction->arena, TEXT("customer"), reference);
}

/* An id is one customer's in all environments; an external id may be one's in each. */
static const struct failure *find_scope(struct transaction *transaction,
                                        const struct customer_question *question, struct scope *scope)
{
    bool is_open = !text_is_set(question->tenant) && !text_is_set(question->environment);

    if (is_open && customer_find_scope(transaction, question->customer, scope))
        return NULL;
    return environment_find_named(transaction, question->tenant, question->environment, scope);
}

/* The customer that is asked for, of the environment that is from then on the call's. */
static const struct failure *find_asked(struct exchange *exchange, struct transaction *transaction)
{
    const struct customer_question *question = exchange->input;
    struct customer_answer *answer = exchange->result;
    const struct failure *failure = find_scope(transaction, question, &answer->scope);

    if (failure)
        return failure;
    exchange->call.scope = &answer->scope; /* an operator has none of their own */
    return find_customer(transaction, question->customer, &answer->customer);
}

/* ---- get ---- */

static const struct failure *run_get(struct exchange *exchange, struct transaction *transaction)
{
    struct customer_answer *answer = exchange->result;
    const struct failure *failure = find_asked(exchange, transaction);

    if (failure)
        return failure;
    answer->integrations = customer_integrations(transaction, answer->customer.id);
    answer->aliases = customer_aliases(transaction, answer->customer.id, FORMER_IDS_SHOWN);
    return NULL;
}

static void write_list(struct json_writer *writer, struct text key, const struct entity *entity,
                       const struct record_list *list, const struct scope *scope)
{
    const char *records = list->records;

    json_key(writer, key);
    json_begin_array(writer);
    for (size_t i = 0; i < list->count; i++) {
        json_begin_object(writer);
        entity_write_members(writer, entity, records + i * entity->struct_size, scope);
        json_end_object(writer);
    }
    json_end_array(writer);
}

static void render_get(struct exchange *exchange, struct json_writer *writer)
{
    const struct customer_answer *answer = exchange->result;

    json_begin_object(writer);
    entity_write_members(writer, &customer_entity, &answer->customer, &answer->scope);
    write_list(writer, TEXT("integrations"), &integration_mapping_entity, &answer->integrations,
               &answer->scope);
    write_list(writer, TEXT("former_external_ids"), &customer_alias_entity, &answer->aliases, &answer->scope);
    json_end_object(writer);
}

/* ---- export ---- */

/* Whoever was changed thousands of times has a long trail. */
static const struct failure *parse_export(struct exchange *exchange)
{
    exchange->is_slow = true;
    return parse_question(exchange);
}

static const struct failure *run_export(struct exchange *exchange, struct transaction *transaction)
{
    struct customer_answer *answer = exchange->result;
    const struct failure *failure = find_asked(exchange, transaction);

    if (!failure)
        customer_export(transaction, answer->customer.id, &answer->export);
    return failure;
}

static void render_export(struct exchange *exchange, struct json_writer *writer)
{
    const struct customer_answer *answer = exchange->result;
    const struct scope *scope = &answer->scope;

    json_begin_object(writer);
    json_key(writer, TEXT("customer"));
    json_begin_object(writer);
    entity_write_members(writer, &customer_entity, &answer->customer, scope);
    json_end_object(writer);
    write_list(writer, TEXT("former_external_ids"), &customer_alias_entity, &answer->export.aliases, scope);
    write_list(writer, TEXT("integrations"), &integration_mapping_entity, &answer->export.integrations,
               scope);
    write_list(writer, TEXT("activity"), &activity_entity, &answer->export.activity, scope);
    write_list(writer, TEXT("events"), &outbox_event_entity, &answer->export.events, scope);
    json_end_object(writer);
}

/* ---- erase ---- */

static const struct failure *run_erase(struct exchange *exchange, struct transaction *transaction)
{
    struct customer_answer *answer = exchange->result;
    const struct failure *failure = find_asked(exchange, transaction);

    return failure ? failure : customer_erase(transaction, answer->customer.id, &answer->erasure);
}

static void render_erase(struct exchange *exchange, struct json_writer *writer)
{
    const struct customer_answer *answer = exchange->result;

    json_begin_object(writer);
    json_put_string(writer, TEXT("id"), answer->customer.id);
    json_put_bool(writer, TEXT("was_erased_before"), answer->erasure.was_erased);
    json_put_int64(writer, TEXT("integrations"), answer->erasure.integration_count);
    json_put_int64(writer, TEXT("plain_activity"), answer->erasure.plain_activity_count);
    json_end_object(writer);
}

static const struct route routes[] = {
    {.method = HTTP_GET,
     .path = TEXT_LITERAL("/admin/customer"),
     .access = ACCESS_ADMIN,
     .lane = LANE_READ,
     .status = 200,
     .parse = parse_question,
     .run = run_get,
     .render = render_get},
    {.method = HTTP_GET,
     .path = TEXT_LITERAL("/admin/customer/export"),
     .access = ACCESS_ADMIN,
     .lane = LANE_READ,
     .status = 200,
     .parse = parse_export,
     .run = run_export,
     .render = render_export},
    {.method = HTTP_POST,
     .path = TEXT_LITERAL("/admin/customer/erase"),
     .access = ACCESS_ADMIN,
     .lane = LANE_WRITE,
     .status = 200,
     .parse = parse_question,
     .run = run_erase,
     .render = render_erase},
};

const struct route_table admin_customer_routes = ROUTE_TABLE(routes);
