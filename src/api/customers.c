/* customers.c: /v1/customers (10-customers sections 3 to 8). */
#include "api/customers.h"
#include "api/paging.h"
#include "api/resources.h"
#include "api/search.h"
#include "model/entity_json.h"
#include "model/format.h"

static const struct text expandable[] = {TEXT_LITERAL("integrations"), {NULL, 0}};

/* A customer on its way out, with its mappings. */
struct customer_result {
    struct customer customer;
    bool has_integrations;
    struct record_list integrations;
};

static void write_mappings(struct json_writer *writer, const struct integration_mapping *mappings,
                           size_t count, const struct scope *scope)
{
    json_key_raw(writer, TEXT("\"integrations\":"));
    json_begin_array(writer);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(writer);
        entity_write_members(writer, &integration_mapping_entity, &mappings[i], scope);
        json_end_object(writer);
    }
    json_end_array(writer);
}

static void render_customer(struct exchange *exchange, struct json_writer *writer)
{
    const struct customer_result *result = exchange->result;
    const struct scope *scope = exchange->call.scope;

    json_begin_object(writer);
    entity_write_members(writer, &customer_entity, &result->customer, scope);
    if (result->has_integrations)
        write_mappings(writer, result->integrations.records, result->integrations.count, scope);
    json_end_object(writer);
}

/* ---- create ---- */

static const struct failure *parse_create(struct exchange *exchange)
{
    exchange->input = ARENA_NEW(exchange->arena, struct customer_creation);
    exchange->result = ARENA_NEW(exchange->arena, struct customer_result);
    return customer_read_creation(exchange->body, exchange->arena, exchange->input);
}

/* Whoever gives a customer mappings is shown all that it has now. */
static const struct failure *show_written(struct transaction *transaction,
                                          const struct customer_mappings *mappings,
                                          struct customer_result *result)
{
    result->has_integrations = mappings->count > 0;
    return result->has_integrations
               ? customer_integrations_written(transaction, result->customer.id, &result->integrations)
               : NULL;
}

static const struct failure *run_create(struct exchange *exchange, struct transaction *transaction)
{
    const struct customer_creation *creation = exchange->input;
    struct customer_result *result = exchange->result;
    const struct failure *failure = customer_create(transaction, creation, &result->customer);

    return failure ? failure : show_written(transaction, &creation->mappings, result);
}

/* ---- get ---- */

/* `integration_status` (section 9): what mappings to show. */
static const struct failure *read_integration_status(struct exchange *exchange, bool *is_every)
{
    static const struct text name = TEXT_LITERAL("integration_status");
    struct text status;
    struct failure *problem = NULL;
    const struct failure *failure = exchange_query(exchange, name, &status);

    *is_every = text_equal(status, TEXT("all"));
    if (failure || *is_every || !text_is_set(status) || text_equal(status, status_published))
        return failure;
    failure_add_field(&problem, exchange->arena, name, TEXT("must be published or all"));
    return problem;
}

/* The exchange's input is whether mappings of every status are wanted. */
static const struct failure *parse_get(struct exchange *exchange)
{
    const struct failure *failure = expand_check(exchange, expandable);

    exchange->input = ARENA_NEW(exchange->arena, bool);
    return failure ? failure : read_integration_status(exchange, exchange->input);
}

static bool wants_every_status(const struct exchange *exchange)
{
    return *(const bool *)exchange->input;
}

static const struct failure *run_get(struct exchange *exchange, struct transaction *transaction,
                                     const struct failure *(*get)(struct transaction *transaction,
                                                                  struct text key, struct customer *customer))
{
    struct customer_result *result = ARENA_NEW(exchange->arena, struct customer_result);
    const struct failure *failure = get(transaction, exchange->parameters[0], &result->customer);

    if (failure)
        return failure;
    result->has_integrations = true;
    result->integrations = wants_every_status(exchange)
                               ? customer_integrations_of_every_status(transaction, result->customer.id)
                               : customer_integrations(transaction, result->customer.id);
    exchange->result = result;
    return NULL;
}

static const struct failure *run_get_by_id(struct exchange *exchange, struct transaction *transaction)
{
    if (!wants_every_status(exchange))
        customer_integrations_ahead(transaction, exchange->parameters[0]);
    return run_get(exchange, transaction, customer_get);
}

static const struct failure *run_get_by_external_id(struct exchange *exchange,
                                                    struct transaction *transaction)
{
    return run_get(exchange, transaction, customer_get_by_external_id);
}

/* ---- update ---- */

struct customer_updating {
    struct customer_reference reference;
    struct customer_change change;
};

static const struct failure *read_reference(struct exchange *exchange, struct customer_reference *reference)
{
    const struct failure *failure =
        exchange_query(exchange, TEXT("external_customer_id"), &reference->external_id);

    if (text_is_set(exchange->parameters[0])) /* the path's wins */
        reference->id = exchange->parameters[0];
    else if (!failure)
        failure = exchange_query(exchange, TEXT("id"), &reference->id);
    return failure ? failure : customer_reference_check(reference, exchange->arena);
}

static const struct failure *parse_update(struct exchange *exchange)
{
    struct customer_updating *updating = ARENA_NEW(exchange->arena, struct customer_updating);
    const struct failure *failure = customer_read_change(exchange->body, exchange->arena, &updating->change);

    exchange->input = updating;
    exchange->result = ARENA_NEW(exchange->arena, struct customer_result);
    return failure ? failure : read_reference(exchange, &updating->reference);
}

static const struct failure *run_update(struct exchange *exchange, struct transaction *transaction)
{
    const struct customer_updating *updating = exchange->input;
    struct customer_result *result = exchange->result;
    struct text id;
    const struct failure *failure = customer_identify(transaction, &updating->reference, &id);

    if (!failure)
        failure = customer_update(transaction, id, &updating->change, &result->customer);
    return failure ? failure : show_written(transaction, &updating->change.mappings, result);
}

/* ---- delete ---- */

static const struct failure *run_delete(struct exchange *exchange, struct transaction *transaction)
{
    return customer_archive(transaction, exchange->parameters[0]);
}

/* ---- list and search ---- */

static const struct field filter_fields[] = {
    {FIELD(struct customer_filter, customer_ids, FIELD_STRING_LIST), .flags = FIELD_INPUT},
    {FIELD(struct customer_filter, external_ids, FIELD_STRING_LIST), .flags = FIELD_INPUT},
    {FIELD(struct customer_filter, external_id, FIELD_TEXT), .flags = FIELD_INPUT},
    {FIELD(struct customer_filter, email, FIELD_TEXT), .flags = FIELD_INPUT, .check = format_email},
    {FIELD(struct customer_filter, metadata, FIELD_STRING_MAP), .flags = FIELD_INPUT},
};

static const struct text filter_keys[] = {
    TEXT_LITERAL("customer_ids"), TEXT_LITERAL("external_ids"), TEXT_LITERAL("external_id"), {NULL, 0}};

static const struct search_shape search_shape = {
    .entity = &customer_entity,
    .keys = filter_keys,
    .expandable = expandable,
    .fields = filter_fields,
    .field_count = sizeof filter_fields / sizeof filter_fields[0],
};

const struct failure *customers_read_search(struct exchange *exchange, struct customer_search *search)
{
    struct customer_filter *filter = &search->filter;
    struct searched searched;
    const struct failure *failure = search_read(exchange, &search_shape, &searched, filter);

    if (failure)
        return failure;
    filter->search = searched.search;
    search->is_expanded = searched.is_expanded;
    return NULL;
}

static const struct failure *parse_search(struct exchange *exchange)
{
    exchange->input = ARENA_NEW(exchange->arena, struct customer_search);
    exchange->result = ARENA_NEW(exchange->arena, struct customer_page);
    return customers_read_search(exchange, exchange->input);
}

void customers_find(struct transaction *transaction, const struct customer_search *search,
                    struct customer_page *page)
{
    page->customers = customer_search(transaction, &search->filter, &page->total);
    if (search->is_expanded && page->customers.count > 0)
        page->integrations = customers_integrations(transaction, &page->customers);
}

static const struct failure *run_search(struct exchange *exchange, struct transaction *transaction)
{
    customers_find(transaction, exchange->input, exchange->result);
    return NULL;
}

/* Those of one customer stand side by side. */
static void write_mappings_of(struct json_writer *writer, const struct record_list *list,
                              struct text customer_id, const struct scope *scope)
{
    const struct integration_mapping *mappings = list->records;
    size_t first = 0, end;

    while (first < list->count && !text_equal(mappings[first].entity_id, customer_id))
        first++;
    for (end = first; end < list->count && text_equal(mappings[end].entity_id, customer_id);)
        end++;
    if (end > first)
        write_mappings(writer, &mappings[first], end - first, scope);
}

void customers_write_page(struct json_writer *writer, const struct customer_search *search,
                          const struct customer_page *page, const struct scope *scope)
{
    const struct customer *customers = page->customers.records;

    json_begin_object(writer);
    json_key(writer, TEXT("items"));
    json_begin_array(writer);
    for (size_t i = 0; i < page->customers.count; i++) {
        json_begin_object(writer);
        entity_write_members(writer, &customer_entity, &customers[i], scope);
        write_mappings_of(writer, &page->integrations, customers[i].id, scope);
        json_end_object(writer);
    }
    json_end_array(writer);
    paging_write(writer, &search->filter.search.page, page->total);
    json_end_object(writer);
}

static void render_search(struct exchange *exchange, struct json_writer *writer)
{
    customers_write_page(writer, exchange->input, exchange->result, exchange->call.scope);
}

/* ---- the table ---- */

static const struct body_schema create_body = {
    .name = TEXT_LITERAL("CreateCustomerRequest"),
    .entity = &customer_entity,
    .options = customer_creation_options,
    .option_count = &customer_creation_option_count,
};
static const struct body_schema update_body = {
    .name = TEXT_LITERAL("UpdateCustomerRequest"),
    .entity = &customer_entity,
    .is_change = true,
    .options = customer_change_options,
    .option_count = &customer_change_option_count,
};
static const struct reply_schema customer_reply = {
    .entity = &customer_entity,
    .list_name = TEXT_LITERAL("integrations"),
    .list_entity = &integration_mapping_entity,
};
static const struct query_parameter expand_parameter[] = {
    {TEXT_LITERAL("expand"), TEXT_LITERAL("Only `integrations`, which a customer always has.")},
    {TEXT_LITERAL("integration_status"),
     TEXT_LITERAL(
         "`published` (unless said) or `all`: whether `integrations` has those that were delinked, the "
         "newest 100 of them.")},
    {{NULL, 0}, {NULL, 0}},
};

static const size_t filter_field_count = sizeof filter_fields / sizeof filter_fields[0];
static const struct body_schema search_body = {
    .name = TEXT_LITERAL("CustomerFilter"),
    .options = filter_fields,
    .option_count = &filter_field_count,
    .is_search = true,
};
static const struct reply_schema page_reply = {
    .entity = &customer_entity,
    .page_name = TEXT_LITERAL("ListCustomersResponse"),
    .list_name = TEXT_LITERAL("integrations"),
    .list_entity = &integration_mapping_entity,
};
static const struct query_parameter list_parameters[] = {
    PAGING_PARAMETERS,
    ORDER_PARAMETERS,
    SORT_PARAMETER,
    {TEXT_LITERAL("status"), TEXT_LITERAL("`published` unless said.")},
    {TEXT_LITERAL("expand"), TEXT_LITERAL("Only `integrations`.")},
    {TEXT_LITERAL("customer_ids"), TEXT_LITERAL("Any of these, joined by commas or repeated.")},
    {TEXT_LITERAL("external_ids"), TEXT_LITERAL("Any of these, joined by commas or repeated.")},
    {TEXT_LITERAL("external_id"), TEXT_LITERAL("This one.")},
    {TEXT_LITERAL("email"), TEXT_LITERAL("This one, without regard to case.")},
    {TEXT_LITERAL("metadata"), TEXT_LITERAL("JSON: the entries that the metadata must have.")},
    FILTERS_PARAMETER,
    {{NULL, 0}, {NULL, 0}},
};

static const struct query_parameter update_parameters[] = {
    {TEXT_LITERAL("id"), TEXT_LITERAL("The id of the customer, unless the path has it.")},
    {TEXT_LITERAL("external_customer_id"),
     TEXT_LITERAL("The external id of the customer. With an id as well, both must be of the same customer.")},
    {{NULL, 0}, {NULL, 0}},
};

#define CUSTOMER_PUT(route_path, parameters, id, text)                                                       \
    .method = HTTP_PUT, .path = TEXT_LITERAL(route_path),                                                    \
    .permission = {TEXT_LITERAL("customer"), PERMISSION_WRITE}, .lane = LANE_WRITE, .status = 200,           \
    .has_body = true, .parse = parse_update, .run = run_update, .render = render_customer,                   \
    .operation_id = TEXT_LITERAL(id), .summary = TEXT_LITERAL(text), .tag = TEXT_LITERAL("Customers"),       \
    .body = &update_body, .reply = &customer_reply, .query_parameters = (parameters)

#define CUSTOMER_GET(route_path, route_run, id, text)                                                        \
    .method = HTTP_GET, .path = TEXT_LITERAL(route_path),                                                    \
    .permission = {TEXT_LITERAL("customer"), PERMISSION_READ}, .lane = LANE_READ, .status = 200,             \
    .parse = parse_get, .run = (route_run), .render = render_customer, .operation_id = TEXT_LITERAL(id),     \
    .summary = TEXT_LITERAL(text), .tag = TEXT_LITERAL("Customers"), .reply = &customer_reply,               \
    .query_parameters = expand_parameter

static const struct route routes[] = {
    {.method = HTTP_POST,
     .path = TEXT_LITERAL("/v1/customers"),
     .permission = {TEXT_LITERAL("customer"), PERMISSION_WRITE},
     .lane = LANE_WRITE,
     .status = 201,
     .has_body = true,
     .parse = parse_create,
     .run = run_create,
     .render = render_customer,
     .operation_id = TEXT_LITERAL("createCustomer"),
     .summary = TEXT_LITERAL("Create a customer"),
     .tag = TEXT_LITERAL("Customers"),
     .body = &create_body,
     .reply = &customer_reply},
    {CUSTOMER_PUT("/v1/customers", update_parameters, "updateCustomer", "Change a customer"),
     .may_miss = true},
    {CUSTOMER_PUT("/v1/customers/{id}", &update_parameters[1], "updateCustomerById",
                  "Change the customer that has this id")},
    {.method = HTTP_DELETE,
     .path = TEXT_LITERAL("/v1/customers/{id}"),
     .permission = {TEXT_LITERAL("customer"), PERMISSION_WRITE},
     .lane = LANE_WRITE,
     .status = 204,
     .run = run_delete,
     .operation_id = TEXT_LITERAL("deleteCustomer"),
     .summary = TEXT_LITERAL("Delete a customer: it is archived, and its external id is free again"),
     .tag = TEXT_LITERAL("Customers")},
    {CUSTOMER_GET("/v1/customers/{id}", run_get_by_id, "getCustomer", "Get a customer")},
    {CUSTOMER_GET("/v1/customers/external/{external_id}", run_get_by_external_id, "getCustomerByExternalId",
                  "Get a customer by its external id")},
    {CUSTOMER_GET("/v1/customers/lookup/{lookup_key}", run_get_by_external_id, "getCustomerByLookupKey",
                  "Get a customer by its external id (an older name of the path)")},
    {.method = HTTP_GET,
     .path = TEXT_LITERAL("/v1/customers"),
     .permission = {TEXT_LITERAL("customer"), PERMISSION_READ},
     .lane = LANE_READ,
     .status = 200,
     .parse = parse_search,
     .run = run_search,
     .render = render_search,
     .operation_id = TEXT_LITERAL("listCustomers"),
     .summary = TEXT_LITERAL("List customers"),
     .tag = TEXT_LITERAL("Customers"),
     .reply = &page_reply,
     .query_parameters = list_parameters},
    {.method = HTTP_POST,
     .path = TEXT_LITERAL("/v1/customers/search"),
     .permission = {TEXT_LITERAL("customer"), PERMISSION_READ, .is_always_read = true},
     .lane = LANE_READ,
     .status = 200,
     .has_body = true,
     .ignores_idempotency_key = true,
     .parse = parse_search,
     .run = run_search,
     .render = render_search,
     .operation_id = TEXT_LITERAL("queryCustomer"),
     .summary = TEXT_LITERAL("Search customers"),
     .tag = TEXT_LITERAL("Customers"),
     .body = &search_body,
     .reply = &page_reply},
    {.method = HTTP_GET, .path = TEXT_LITERAL("/v1/customers/usage"), .access = ACCESS_NOBODY},
    {.method = HTTP_GET, .path = TEXT_LITERAL("/v1/customers/wallets"), .access = ACCESS_NOBODY},
};

const struct route_table customer_routes = ROUTE_TABLE(routes);
