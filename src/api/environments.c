/* environments.c: /v1/environments (conventions section 22.2, 80-admin section 5). */
#include "domain/environments.h"
#include "access/environment.h"
#include "api/paging.h"
#include "api/resources.h"
#include "model/entity_json.h"

/* ---- who may ---- */

/* Whether the environment that a request names is one that the caller may use (section 6.4). */
static const struct failure *check_allowed(struct exchange *exchange, struct text id)
{
    if (environment_is_allowed(exchange->loop->api->identities, &exchange->caller, id, exchange->arena))
        return NULL;
    return failure_new(exchange->arena, FAILURE_PERMISSION_DENIED,
                       TEXT("the caller may not use this environment"));
}

/* ---- one ---- */

static const struct failure *parse_create(struct exchange *exchange)
{
    exchange->input = ARENA_NEW(exchange->arena, struct environment);
    exchange->result = ARENA_NEW(exchange->arena, struct environment);
    return environment_read(exchange->body, exchange->arena, exchange->input);
}

static const struct failure *run_create(struct exchange *exchange, struct transaction *transaction)
{
    return environment_make(transaction, exchange->input, &exchange->loop->api->config.limits,
                            exchange->result);
}

static const struct failure *parse_get(struct exchange *exchange)
{
    exchange->result = ARENA_NEW(exchange->arena, struct environment);
    return check_allowed(exchange, exchange->parameters[0]);
}

static const struct failure *run_get(struct exchange *exchange, struct transaction *transaction)
{
    return environment_get(transaction, exchange->parameters[0], exchange->result);
}

static const struct failure *parse_update(struct exchange *exchange)
{
    const struct failure *failure = parse_get(exchange);

    exchange->input = ARENA_NEW(exchange->arena, struct environment_change);
    return failure ? failure : environment_read_change(exchange->body, exchange->arena, exchange->input);
}

static const struct failure *run_update(struct exchange *exchange, struct transaction *transaction)
{
    return environment_update(transaction, exchange->parameters[0], exchange->input, exchange->result);
}

static void render(struct exchange *exchange, struct json_writer *writer)
{
    json_begin_object(writer);
    entity_write_members(writer, &environment_entity, exchange->result, NULL);
    json_end_object(writer);
}

/* ---- all ---- */

static const struct failure *parse_list(struct exchange *exchange)
{
    exchange->input = ARENA_NEW(exchange->arena, struct list_options);
    exchange->result = ARENA_NEW(exchange->arena, struct record_list);
    return paging_read_query(exchange, exchange->input);
}

static const struct failure *run_list(struct exchange *exchange, struct transaction *transaction)
{
    const struct list_options *options = exchange->input;
    bool is_limited = exchange->loop->api->identities->has_allow_list;

    struct environment_allowance allowance = exchange_allowance(exchange);

    *(struct record_list *)exchange->result =
        environment_page(transaction, &options->page, is_limited ? environment_allows : NULL, &allowance);
    return NULL;
}

/* The list has a shape of its own: `total` is what this page has. */
static void render_list(struct exchange *exchange, struct json_writer *writer)
{
    const struct list_options *options = exchange->input;
    const struct record_list *list = exchange->result;
    const struct environment *environments = list->records;

    json_begin_object(writer);
    json_key(writer, TEXT("environments"));
    json_begin_array(writer);
    for (size_t i = 0; i < list->count; i++) {
        json_begin_object(writer);
        entity_write_members(writer, &environment_entity, &environments[i], NULL);
        json_end_object(writer);
    }
    json_end_array(writer);
    json_put_int64(writer, TEXT("total"), (int64_t)list->count);
    json_put_int64(writer, TEXT("offset"), options->page.offset);
    json_put_int64(writer, TEXT("limit"), options->page.limit);
    json_end_object(writer);
}

/* ---- cloning ---- */

static const struct failure *parse_clone(struct exchange *exchange)
{
    struct environment_cloning *cloning = ARENA_NEW(exchange->arena, struct environment_cloning);
    const struct failure *failure = check_allowed(exchange, exchange->parameters[0]);

    exchange->input = cloning;
    exchange->result = ARENA_NEW(exchange->arena, struct environment_clone);
    if (!failure)
        failure = environment_read_cloning(exchange->body, exchange->arena, cloning);
    if (!failure && cloning->target_environment_id.length > 0)
        failure = check_allowed(exchange, cloning->target_environment_id);
    return failure;
}

static const struct failure *run_clone(struct exchange *exchange, struct transaction *transaction)
{
    return environment_clone(transaction, exchange->parameters[0], exchange->input,
                             &exchange->loop->api->config.limits, exchange->result);
}

struct clone_reply {
    struct text message;
    struct text workflow_id;
    struct text run_id;
};
static const struct field clone_reply_fields[] = {
    {FIELD(struct clone_reply, message, FIELD_TEXT)},
    {FIELD(struct clone_reply, workflow_id, FIELD_TEXT)},
    {FIELD(struct clone_reply, run_id, FIELD_TEXT)},
};
static const struct entity clone_reply_entity = {
    .name = TEXT_LITERAL("environment_clone"),
    .schema = TEXT_LITERAL("CloneEnvironmentResponse"),
    ENTITY_FIELDS(clone_reply_fields),
    .struct_size = sizeof(struct clone_reply),
};

static void render_clone(struct exchange *exchange, struct json_writer *writer)
{
    const struct environment_clone *clone = exchange->result;
    const struct clone_reply reply = {
        .message = TEXT("the environment is cloned"),
        .workflow_id = clone->workflow_id,
        .run_id = clone->run_id,
    };

    json_begin_object(writer);
    entity_write_members(writer, &clone_reply_entity, &reply, NULL);
    json_end_object(writer);
}

/* ---- the table ---- */

static const struct body_schema create_body = {.name = TEXT_LITERAL("CreateEnvironmentRequest"),
                                               .entity = &environment_entity};
static const struct body_schema update_body = {.name = TEXT_LITERAL("UpdateEnvironmentRequest"),
                                               .options = environment_change_fields,
                                               .option_count = &environment_change_field_count};
static const struct body_schema clone_body = {.name = TEXT_LITERAL("CloneEnvironmentRequest"),
                                              .options = environment_cloning_fields,
                                              .option_count = &environment_cloning_field_count};

struct list_numbers {
    int64_t total, offset, limit;
};
static const struct field list_fields[] = {
    {FIELD(struct list_numbers, total, FIELD_INTEGER)},
    {FIELD(struct list_numbers, offset, FIELD_INTEGER)},
    {FIELD(struct list_numbers, limit, FIELD_INTEGER)},
};
static const struct entity list_entity = {
    .name = TEXT_LITERAL("environments"),
    .schema = TEXT_LITERAL("ListEnvironmentsResponse"),
    ENTITY_FIELDS(list_fields),
    .struct_size = sizeof(struct list_numbers),
};

static const struct reply_schema reply = {.entity = &environment_entity};
static const struct member_schema list_members[] = {{TEXT_LITERAL("environments"), &reply, true},
                                                    {.schema = NULL}};
static const struct reply_schema list_reply = {.entity = &list_entity, .members = list_members};
static const struct reply_schema clone_reply = {.entity = &clone_reply_entity};
static const struct query_parameter list_parameters[] = {PAGING_PARAMETERS, {{NULL, 0}, {NULL, 0}}};

#define ENVIRONMENT_ROUTE(route_method, route_path, act, route_lane, success)                                \
    .method = (route_method), .path = TEXT_LITERAL(route_path),                                              \
    .permission = {TEXT_LITERAL("environment"), (act), .is_always_read = true}, .without_environment = true, \
    .lane = (route_lane), .status = (success), .tag = TEXT_LITERAL("Environments")

static const struct route routes[] = {
    {ENVIRONMENT_ROUTE(HTTP_POST, "/v1/environments", PERMISSION_WRITE, LANE_WRITE, 201), .has_body = true,
     .parse = parse_create, .run = run_create, .render = render,
     .operation_id = TEXT_LITERAL("createEnvironment"), .summary = TEXT_LITERAL("Create an environment"),
     .body = &create_body, .reply = &reply},
    {ENVIRONMENT_ROUTE(HTTP_GET, "/v1/environments", PERMISSION_READ, LANE_READ, 200), .parse = parse_list,
     .run = run_list, .render = render_list, .operation_id = TEXT_LITERAL("listEnvironments"),
     .summary = TEXT_LITERAL("List the environments"), .reply = &list_reply,
     .query_parameters = list_parameters},
    {ENVIRONMENT_ROUTE(HTTP_GET, "/v1/environments/{id}", PERMISSION_READ, LANE_READ, 200),
     .parse = parse_get, .run = run_get, .render = render, .operation_id = TEXT_LITERAL("getEnvironment"),
     .summary = TEXT_LITERAL("Get an environment"), .reply = &reply},
    {ENVIRONMENT_ROUTE(HTTP_PUT, "/v1/environments/{id}", PERMISSION_WRITE, LANE_WRITE, 200),
     .has_body = true, .parse = parse_update, .run = run_update, .render = render,
     .operation_id = TEXT_LITERAL("updateEnvironment"), .summary = TEXT_LITERAL("Rename an environment"),
     .body = &update_body, .reply = &reply},
    {ENVIRONMENT_ROUTE(HTTP_POST, "/v1/environments/{id}/clone", PERMISSION_WRITE, LANE_WRITE, 202),
     .has_body = true, .parse = parse_clone, .run = run_clone, .render = render_clone,
     .operation_id = TEXT_LITERAL("cloneEnvironment"),
     .summary = TEXT_LITERAL("Copy what an environment has into another one"), .body = &clone_body,
     .reply = &clone_reply},
};

const struct route_table environment_routes = ROUTE_TABLE(routes);
