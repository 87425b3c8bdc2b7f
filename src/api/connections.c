/* connections.c: /v1/connections (10-customers section 14, 70-webhooks section 3). */
#include "domain/connections.h"
#include "api/encryption_keys.h"
#include "api/paging.h"
#include "api/resources.h"
#include "api/search.h"
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
static const size_t filter_field_count = sizeof filter_fields / sizeof filter_fields[0];

static const struct text nothing_expandable[] = {{NULL, 0}};
static const struct text filter_keys[] = {TEXT_LITERAL("connection_ids"), {NULL, 0}};
static const struct search_shape search_shape = {
    .entity = &connection_entity,
    .keys = filter_keys,
    .expandable = nothing_expandable,
    .fields = filter_fields,
    .field_count = sizeof filter_fields / sizeof filter_fields[0],
};

static const struct failure *parse_search(struct exchange *exchange)
{
    struct connection_filter *filter = ARENA_NEW(exchange->arena, struct connection_filter);
    struct searched searched;
    const struct failure *failure = search_read(exchange, &search_shape, &searched, filter);

    exchange->input = filter;
    filter->search = searched.search;
    filter->search.status = text_none;
    return failure;
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
    json_put_int64(writer, TEXT("total"), result->total);
    json_put_int64(writer, TEXT("limit"), filter->search.page.limit);
    json_put_int64(writer, TEXT("offset"), filter->search.page.offset);
    json_end_object(writer);
}

/* ---- the table ---- */

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
    .name = TEXT_LITERAL("ConnectionFilter"),
    .options = filter_fields,
    .option_count = &filter_field_count,
    .is_search = true,
};
static const struct reply_schema reply = {.entity = &connection_entity};
static const struct member_schema page_members[] = {{TEXT_LITERAL("connections"), &reply, true},
                                                    {.schema = NULL}};
static const struct reply_schema page_reply = {.entity = &list_entity, .members = page_members};
static const struct query_parameter list_parameters[] = {
    {TEXT_LITERAL("provider_type"), TEXT_LITERAL("Only those to this provider.")},
    {TEXT_LITERAL("connection_ids"), TEXT_LITERAL("Only these; repeated, or joined by commas.")},
    PAGING_PARAMETERS,
    ORDER_PARAMETERS,
    SORT_PARAMETER,
    FILTERS_PARAMETER,
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
     .parse = parse_search, .run = run_search, .render = render_page, .reply = &page_reply,
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
