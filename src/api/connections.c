/* connections.c: /v1/connections (10-customers section 14, 70-webhooks section 3). */
#include "domain/connections.h"
#include "api/encryption_keys.h"
#include "api/paging.h"
#include "api/resources.h"
#include "model/entity_json.h"

/* ---- how a connection looks ---- */

static void write_connection(struct json_writer *writer, const struct connection_record *connection,
                             const struct scope *scope)
{
    struct connection_record shown = *connection;

    if (!text_is_set(shown.sync_config))
        shown.sync_config = connection_sync_default;
    json_begin_object(writer);
    entity_write_members(writer, &connection_entity, &shown, scope);
    json_end_object(writer);
}

static void render(struct exchange *exchange, struct json_writer *writer)
{
    write_connection(writer, exchange->result, exchange->call.scope);
}

/* ---- one ---- */

struct creating {
    struct envelope_keys keys;
    struct connection_creation creation;
};

static const struct failure *parse_create(struct exchange *exchange)
{
    struct creating *creating = ARENA_NEW(exchange->arena, struct creating);
    const struct failure *failure =
        connection_read_creation(exchange->body, exchange->arena, &creating->creation);

    exchange->input = creating;
    exchange->result = ARENA_NEW(exchange->arena, struct connection_record);
    return failure ? failure : encryption_keys(exchange->loop->api, exchange->arena, &creating->keys);
}

static const struct failure *run_create(struct exchange *exchange, struct transaction *transaction)
{
    const struct creating *creating = exchange->input;

    return connection_create(transaction, &creating->keys, &creating->creation, exchange->result);
}

static const struct failure *run_get(struct exchange *exchange, struct transaction *transaction)
{
    exchange->result = ARENA_NEW(exchange->arena, struct connection_record);
    return connection_get(transaction, exchange->parameters[0], exchange->result);
}

struct updating {
    struct envelope_keys keys;
    struct connection_change change;
};

static const struct failure *parse_update(struct exchange *exchange)
{
    struct updating *updating = ARENA_NEW(exchange->arena, struct updating);
    const struct failure *failure =
        connection_read_change(exchange->body, exchange->arena, &updating->change);

    exchange->input = updating;
    exchange->result = ARENA_NEW(exchange->arena, struct connection_record);
    return failure ? failure : encryption_keys(exchange->loop->api, exchange->arena, &updating->keys);
}

static const struct failure *run_update(struct exchange *exchange, struct transaction *transaction)
{
    const struct updating *updating = exchange->input;

    return connection_update(transaction, &updating->keys, exchange->parameters[0], &updating->change,
                             exchange->result);
}

static const struct failure *run_archive(struct exchange *exchange, struct transaction *transaction)
{
    return connection_archive(transaction, exchange->parameters[0]);
}

/* ---- lists ---- */

static const struct field filter_fields[] = {
    {FIELD(struct connection_filter, provider_type, FIELD_TEXT), .flags = FIELD_INPUT,
     .values = provider_names},
    {FIELD(struct connection_filter, connection_ids, FIELD_STRING_LIST), .flags = FIELD_INPUT},
};
enum { FILTER_FIELD_COUNT = sizeof filter_fields / sizeof filter_fields[0] };

static void take_options(struct connection_filter *filter, const struct list_options *options)
{
    filter->page = options->page;
    filter->is_ascending = options->is_ascending;
    filter->start_time = options->start_time;
    filter->end_time = options->end_time;
}

static void check_ids(const struct json_value *ids, struct arena *arena, struct failure **failure)
{
    if (ids && ids->type == JSON_ARRAY && ids->count > CONNECTION_IDS_MAX)
        failure_add_field(failure, arena, TEXT("connection_ids"), TEXT("must name at most 1000 connections"));
}

/* `filters`, the conditions of a search, are read here once there is a reader of them. */
static void check_filters(struct exchange *exchange, struct failure **failure)
{
    const struct json_value *filters = json_member(exchange->body, TEXT("filters"));

    if (filters && filters->type != JSON_NULL && (filters->type != JSON_ARRAY || filters->count > 0))
        failure_add_field(failure, exchange->arena, TEXT("filters"),
                          TEXT("is not supported here yet: leave it out, or send []"));
}

static const struct failure *read_search(struct exchange *exchange, struct connection_filter *filter)
{
    struct list_options options;
    struct failure *failure = NULL;

    fields_read_json(filter_fields, FILTER_FIELD_COUNT, exchange->body, filter, exchange->arena, &failure);
    check_ids(json_member(exchange->body, TEXT("connection_ids")), exchange->arena, &failure);
    check_filters(exchange, &failure);
    paging_read_body(exchange, &options, &failure);
    if (failure)
        return failure;
    take_options(filter, &options);
    return paging_read_sorts(exchange, options.sorts, connection_sort_fields, &filter->sorts,
                             &filter->sort_count);
}

static const struct failure *parse_search(struct exchange *exchange)
{
    exchange->input = ARENA_NEW(exchange->arena, struct connection_filter);
    return read_search(exchange, exchange->input);
}

static const struct failure *read_query(struct exchange *exchange, struct connection_filter *filter)
{
    struct list_options options;
    struct json_error error;
    struct failure *problem = NULL;
    const struct failure *failure = paging_read_query(exchange, &options);

    if (!failure)
        failure = exchange_query(exchange, TEXT("provider_type"), &filter->provider_type);
    if (!failure)
        failure = exchange_query_list(exchange, TEXT("connection_ids"), &filter->connection_ids);
    if (failure)
        return failure;
    take_options(filter, &options);
    if (text_is_set(filter->provider_type) && !provider_find(filter->provider_type))
        failure_add_field(&problem, exchange->arena, TEXT("provider_type"), TEXT("must be a known provider"));
    if (text_is_set(filter->connection_ids))
        check_ids(json_read(exchange->arena, filter->connection_ids, &error), exchange->arena, &problem);
    return problem;
}

static const struct failure *parse_list(struct exchange *exchange)
{
    exchange->input = ARENA_NEW(exchange->arena, struct connection_filter);
    return read_query(exchange, exchange->input);
}

struct page_result {
    struct record_list connections;
    int64_t total;
};

static const struct failure *run_search(struct exchange *exchange, struct transaction *transaction)
{
    struct page_result *result = ARENA_NEW(exchange->arena, struct page_result);

    exchange->result = result;
    result->connections = connection_search(transaction, exchange->input, &result->total);
    return NULL;
}

/* The list has a shape of its own, and the offset is the one that was asked for. */
static void render_page(struct exchange *exchange, struct json_writer *writer)
{
    const struct connection_filter *filter = exchange->input;
    const struct page_result *result = exchange->result;
    const struct connection_record *connections = result->connections.records;

    json_begin_object(writer);
    json_key(writer, TEXT("connections"));
    json_begin_array(writer);
    for (size_t i = 0; i < result->connections.count; i++)
        write_connection(writer, &connections[i], exchange->call.scope);
    json_end_array(writer);
    json_key(writer, TEXT("total"));
    json_int64(writer, result->total);
    json_key(writer, TEXT("limit"));
    json_int64(writer, filter->page.limit);
    json_key(writer, TEXT("offset"));
    json_int64(writer, filter->page.offset);
    json_end_object(writer);
}

/* ---- the table ---- */

/* For the description alone. */
struct search_shape {
    int64_t limit, offset;
    struct text order;
    int64_t start_time, end_time;
    const struct json_value *filters, *sort;
};
static const struct field search_fields[] = {
    {FIELD(struct connection_filter, provider_type, FIELD_TEXT), .flags = FIELD_INPUT,
     .values = provider_names},
    {FIELD(struct connection_filter, connection_ids, FIELD_STRING_LIST), .flags = FIELD_INPUT},
    {FIELD(struct search_shape, limit, FIELD_INTEGER), .flags = FIELD_INPUT},
    {FIELD(struct search_shape, offset, FIELD_INTEGER), .flags = FIELD_INPUT},
    {FIELD(struct search_shape, order, FIELD_TEXT), .flags = FIELD_INPUT},
    {FIELD(struct search_shape, start_time, FIELD_INSTANT), .flags = FIELD_INPUT},
    {FIELD(struct search_shape, end_time, FIELD_INSTANT), .flags = FIELD_INPUT},
    {FIELD(struct search_shape, filters, FIELD_JSON_ARRAY), .flags = FIELD_INPUT},
    {FIELD(struct search_shape, sort, FIELD_JSON_ARRAY), .flags = FIELD_INPUT},
};
static const size_t search_field_count = sizeof search_fields / sizeof search_fields[0];

/* What a change may give, `sync_config` and the secrets included. */
struct change_shape {
    struct text name, metadata, encrypted_secret_data, sync_config;
};
static const struct field change_fields[] = {
    {FIELD(struct change_shape, name, FIELD_TEXT), .flags = FIELD_INPUT, .length_max = 255},
    {FIELD(struct change_shape, metadata, FIELD_JSON_OBJECT), .flags = FIELD_INPUT},
    {FIELD(struct change_shape, encrypted_secret_data, FIELD_JSON_OBJECT), .flags = FIELD_INPUT},
    {FIELD(struct change_shape, sync_config, FIELD_JSON_OBJECT), .flags = FIELD_INPUT},
};
static const size_t change_field_count = sizeof change_fields / sizeof change_fields[0];

struct list_numbers {
    int64_t total, limit, offset;
};
static const struct field list_fields[] = {
    {FIELD(struct list_numbers, total, FIELD_INTEGER)},
    {FIELD(struct list_numbers, limit, FIELD_INTEGER)},
    {FIELD(struct list_numbers, offset, FIELD_INTEGER)},
};
static const struct entity list_entity = {
    .name = TEXT_LITERAL("connections"),
    .schema = TEXT_LITERAL("ListConnectionsResponse"),
    ENTITY_FIELDS(list_fields),
    .struct_size = sizeof(struct list_numbers),
};

static const struct body_schema create_body = {.name = TEXT_LITERAL("CreateConnectionRequest"),
                                               .entity = &connection_entity,
                                               .options = connection_options,
                                               .option_count = &connection_option_count};
static const struct body_schema update_body = {.name = TEXT_LITERAL("UpdateConnectionRequest"),
                                               .options = change_fields,
                                               .option_count = &change_field_count};
static const struct body_schema search_body = {
    .name = TEXT_LITERAL("ConnectionFilter"), .options = search_fields, .option_count = &search_field_count};
static const struct reply_schema reply = {.entity = &connection_entity};
static const struct member_schema page_members[] = {{TEXT_LITERAL("connections"), &reply, true},
                                                    {.schema = NULL}};
static const struct reply_schema page_reply = {.entity = &list_entity, .members = page_members};
static const struct query_parameter list_parameters[] = {
    {TEXT_LITERAL("provider_type"), TEXT_LITERAL("Only those to this provider.")},
    {TEXT_LITERAL("connection_ids"), TEXT_LITERAL("Only these; repeated, or joined by commas.")},
    PAGING_PARAMETERS,
    ORDER_PARAMETERS,
    {{NULL, 0}, {NULL, 0}},
};

#define CONNECTION_ROUTE(route_method, route_path, act, route_lane, success, id, text)                       \
    .method = (route_method), .path = TEXT_LITERAL(route_path),                                              \
    .permission = {TEXT_LITERAL("connection"), (act)}, .lane = (route_lane), .status = (success),            \
    .operation_id = TEXT_LITERAL(id), .summary = TEXT_LITERAL(text), .tag = TEXT_LITERAL("Connections")

static const struct route routes[] = {
    {CONNECTION_ROUTE(HTTP_POST, "/v1/connections", PERMISSION_WRITE, LANE_WRITE, 201, "createConnection",
                      "Connect the environment to a provider"),
     .has_body = true, .looks_first = true, .parse = parse_create, .run = run_create, .render = render,
     .body = &create_body, .reply = &reply},
    {CONNECTION_ROUTE(HTTP_GET, "/v1/connections", PERMISSION_READ, LANE_READ, 200, "listConnections",
                      "List the connections"),
     .parse = parse_list, .run = run_search, .render = render_page, .reply = &page_reply,
     .query_parameters = list_parameters},
    {CONNECTION_ROUTE(HTTP_POST, "/v1/connections/search", PERMISSION_READ, LANE_READ, 200, "queryConnection",
                      "Search connections"),
     .has_body = true, .ignores_idempotency_key = true, .parse = parse_search, .run = run_search,
     .render = render_page, .body = &search_body, .reply = &page_reply},
    {CONNECTION_ROUTE(HTTP_GET, "/v1/connections/{id}", PERMISSION_READ, LANE_READ, 200, "getConnection",
                      "Get a connection"),
     .run = run_get, .render = render, .reply = &reply},
    {CONNECTION_ROUTE(HTTP_PUT, "/v1/connections/{id}", PERMISSION_WRITE, LANE_WRITE, 200, "updateConnection",
                      "Change a connection or its secrets"),
     .has_body = true, .parse = parse_update, .run = run_update, .render = render, .body = &update_body,
     .reply = &reply},
    {CONNECTION_ROUTE(HTTP_DELETE, "/v1/connections/{id}", PERMISSION_WRITE, LANE_WRITE, 204,
                      "deleteConnection", "Archive a connection and forget its secrets"),
     .run = run_archive},
};

const struct route_table connection_routes = ROUTE_TABLE(routes);
