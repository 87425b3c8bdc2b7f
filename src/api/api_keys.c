/* api_keys.c: /v1/secrets/api/keys (conventions section 22.4). */
#include "domain/api_keys.h"
#include "api/paging.h"
#include "api/resources.h"
#include "domain/users.h"
#include "model/entity_json.h"

/* ---- create ---- */

struct creation_result {
    struct secret secret;
    struct text plain_key;
};

static const struct failure *parse_create(struct exchange *exchange)
{
    exchange->input = ARENA_NEW(exchange->arena, struct api_key_minting);
    exchange->result = ARENA_NEW(exchange->arena, struct creation_result);
    return api_key_read_minting(exchange->body, exchange->call.now_us, exchange->arena, exchange->input);
}

static const struct failure *run_create(struct exchange *exchange, struct transaction *transaction)
{
    struct creation_result *result = exchange->result;
    const struct actor actor = exchange_actor(exchange);

    return api_key_mint(transaction, &actor, exchange->input, &result->secret, &result->plain_key);
}

static void render_create(struct exchange *exchange, struct json_writer *writer)
{
    const struct creation_result *result = exchange->result;

    json_begin_object(writer);
    json_key(writer, TEXT("secret"));
    json_begin_object(writer);
    entity_write_members(writer, &secret_entity, &result->secret, exchange->call.scope);
    json_end_object(writer);
    json_put_string(writer, TEXT("api_key"), result->plain_key);
    json_end_object(writer);
}

/* ---- list ---- */

static const struct failure *parse_list(struct exchange *exchange)
{
    struct api_key_filter *filter = ARENA_NEW(exchange->arena, struct api_key_filter);
    struct list_options options;
    const struct failure *failure = paging_read_query(exchange, &options);

    exchange->input = filter;
    exchange->result = ARENA_NEW(exchange->arena, struct api_key_page);
    if (failure)
        return failure;
    *filter = (struct api_key_filter){
        .start_time = options.start_time,
        .end_time = options.end_time,
        .is_ascending = options.is_ascending,
        .page = options.page,
    };
    return exchange_query(exchange, TEXT("user_id"), &filter->user_id);
}

static const struct failure *run_list(struct exchange *exchange, struct transaction *transaction)
{
    const struct actor actor = exchange_actor(exchange);

    return api_key_search(transaction, &actor, exchange->input, exchange->result);
}

static void write_owner_name(struct json_writer *writer, const struct secret *secret,
                             const struct record_list *service_accounts)
{
    const struct user *users = service_accounts->records;

    for (size_t i = 0; i < service_accounts->count; i++)
        if (text_equal(users[i].id, secret->user_id) && users[i].name.length > 0) {
            json_put_string(writer, TEXT("service_account_name"), users[i].name);
            return;
        }
}

static void render_list(struct exchange *exchange, struct json_writer *writer)
{
    const struct api_key_filter *filter = exchange->input;
    const struct api_key_page *page = exchange->result;
    const struct secret *secrets = page->secrets.records;

    json_begin_object(writer);
    json_key(writer, TEXT("items"));
    json_begin_array(writer);
    for (size_t i = 0; i < page->secrets.count; i++) {
        json_begin_object(writer);
        entity_write_members(writer, &secret_entity, &secrets[i], exchange->call.scope);
        write_owner_name(writer, &secrets[i], &page->service_accounts);
        json_end_object(writer);
    }
    json_end_array(writer);
    paging_write(writer, &filter->page, page->total);
    json_end_object(writer);
}

/* ---- delete ---- */

static const struct failure *run_delete(struct exchange *exchange, struct transaction *transaction)
{
    const struct actor actor = exchange_actor(exchange);

    return api_key_delete(transaction, &actor, exchange->parameters[0]);
}

/* ---- the table ---- */

static const struct body_schema create_body = {
    .name = TEXT_LITERAL("CreateAPIKeyRequest"),
    .entity = &secret_entity,
    .options = api_key_minting_fields,
    .option_count = &api_key_minting_field_count,
};

struct creation_shape {
    struct text api_key;
};
static const struct field creation_fields[] = {{FIELD(struct creation_shape, api_key, FIELD_TEXT)}};
static const struct entity creation_entity = {.name = TEXT_LITERAL("api_key"),
                                              .schema = TEXT_LITERAL("CreateAPIKeyResponse"),
                                              ENTITY_FIELDS(creation_fields)};
struct owner_shape {
    struct text service_account_name;
};
static const struct field owner_fields[] = {
    {FIELD(struct owner_shape, service_account_name, FIELD_TEXT), .flags = FIELD_OMIT_UNSET}};
static const struct reply_schema secret_reply = {
    .entity = &secret_entity,
    .page_name = TEXT_LITERAL("ListSecretsResponse"),
    .fields = owner_fields,
    .field_count = 1,
};
static const struct member_schema creation_members[] = {{TEXT_LITERAL("secret"), &secret_reply, false},
                                                        {.schema = NULL}};
static const struct reply_schema creation_reply = {.entity = &creation_entity, .members = creation_members};
static const struct query_parameter list_parameters[] = {
    PAGING_PARAMETERS,
    ORDER_PARAMETERS,
    {TEXT_LITERAL("user_id"), TEXT_LITERAL("Only this user's keys; for a super admin.")},
    {{NULL, 0}, {NULL, 0}},
};

static const struct route routes[] = {
    {.method = HTTP_POST,
     .path = TEXT_LITERAL("/v1/secrets/api/keys"),
     .permission = {TEXT_LITERAL("secret"), PERMISSION_WRITE},
     .lane = LANE_WRITE,
     .status = 201,
     .has_body = true,
     .parse = parse_create,
     .run = run_create,
     .render = render_create,
     .operation_id = TEXT_LITERAL("createApiKey"),
     .summary = TEXT_LITERAL("Make an API key"),
     .tag = TEXT_LITERAL("API keys"),
     .body = &create_body,
     .reply = &creation_reply},
    {.method = HTTP_GET,
     .path = TEXT_LITERAL("/v1/secrets/api/keys"),
     .permission = {TEXT_LITERAL("secret"), PERMISSION_READ, .is_always_read = true},
     .lane = LANE_READ,
     .status = 200,
     .parse = parse_list,
     .run = run_list,
     .render = render_list,
     .operation_id = TEXT_LITERAL("listApiKeys"),
     .summary = TEXT_LITERAL("List API keys"),
     .tag = TEXT_LITERAL("API keys"),
     .reply = &secret_reply,
     .query_parameters = list_parameters},
    {.method = HTTP_DELETE,
     .path = TEXT_LITERAL("/v1/secrets/api/keys/{id}"),
     .permission = {TEXT_LITERAL("secret"), PERMISSION_WRITE},
     .lane = LANE_WRITE,
     .status = 204,
     .run = run_delete,
     .operation_id = TEXT_LITERAL("deleteApiKey"),
     .summary = TEXT_LITERAL("Delete an API key"),
     .tag = TEXT_LITERAL("API keys")},
};

const struct route_table api_key_routes = ROUTE_TABLE(routes);
