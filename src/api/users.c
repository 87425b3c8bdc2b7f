/* users.c: /v1/users (conventions section 22.5, 80-admin section 2). */
#include "domain/users.h"
#include "access/password.h"
#include "access/secrets.h"
#include "api/paging.h"
#include "api/resources.h"
#include "domain/auths.h"
#include "domain/tenants.h"
#include "model/entity_json.h"

/* ---- how a user looks ---- */

struct user_result {
    struct user user;
    struct tenant tenant;
    struct text password; /* that was made for them; unset: none was */
};

static void write_user(struct json_writer *writer, const struct user *user, const struct tenant *tenant,
                       struct arena *arena)
{
    entity_write_members(writer, &user_entity, user, NULL);
    json_key(writer, TEXT("tenant"));
    tenant_write(writer, tenant, arena);
}

static void render(struct exchange *exchange, struct json_writer *writer)
{
    const struct user_result *result = exchange->result;

    json_begin_object(writer);
    write_user(writer, &result->user, &result->tenant, exchange->arena);
    if (text_is_set(result->password)) {
        json_put_string(writer, TEXT("password"), result->password);
    }
    json_end_object(writer);
}

/* The rest of a reply, behind a use case. */
static const struct failure *complete(struct exchange *exchange, struct transaction *transaction,
                                      const struct failure *failure)
{
    struct user_result *result = exchange->result;

    return failure ? failure : tenant_get_own(transaction, &result->tenant);
}

static struct user *prepare_result(struct exchange *exchange)
{
    struct user_result *result = ARENA_NEW(exchange->arena, struct user_result);

    exchange->result = result;
    return &result->user;
}

static struct user *user_of(struct exchange *exchange)
{
    return &((struct user_result *)exchange->result)->user;
}

/* ---- oneself ---- */

static const struct failure *run_get_self(struct exchange *exchange, struct transaction *transaction)
{
    return complete(exchange, transaction, user_get_self(transaction, prepare_result(exchange)));
}

static const struct failure *parse_update_self(struct exchange *exchange)
{
    exchange->input = ARENA_NEW(exchange->arena, struct user_change);
    prepare_result(exchange);
    return user_read_change(exchange->body, exchange->arena, exchange->input);
}

static const struct failure *run_update_self(struct exchange *exchange, struct transaction *transaction)
{
    return complete(exchange, transaction, user_update_self(transaction, exchange->input, user_of(exchange)));
}

/* ---- inviting ---- */

struct invitation {
    struct user user;
    struct text password_hash; /* unset: the user has no password */
};

static const struct failure *parse_invite(struct exchange *exchange)
{
    struct invitation *invitation = ARENA_NEW(exchange->arena, struct invitation);
    const struct actor actor = exchange_actor(exchange);
    const struct failure *failure = user_read_invitation(exchange->body, exchange->arena, &invitation->user);

    exchange->input = invitation;
    prepare_result(exchange);
    return failure ? failure : user_check_invitation(&actor, &invitation->user, exchange->arena);
}

static const struct failure *run_check_room(void *context, struct transaction *transaction)
{
    struct exchange *exchange = context;
    const struct invitation *invitation = exchange->input;

    return user_check_room(transaction, &invitation->user, &exchange->loop->api->config.limits);
}

/* A person gets a password, which is told once. None is made for somebody who cannot be invited: whoever asks
 * for many of them would keep all others from logging in. */
static const struct failure *make_password(struct exchange *exchange)
{
    struct invitation *invitation = exchange->input;
    struct user_result *result = exchange->result;
    char *password = arena_allocate(exchange->arena, PASSWORD_GENERATED_LENGTH),
         *hash = arena_allocate_zero(exchange->arena, PASSWORD_HASH_BYTES_MAX);

    if (user_is_service_account(&invitation->user))
        return NULL;
    const struct failure *failure =
        store_read(exchange->loop->api->store, exchange->arena, &exchange->call, run_check_room, exchange);

    if (failure)
        return failure;
    password_generate(password);
    result->password = (struct text){password, PASSWORD_GENERATED_LENGTH};
    if (!password_hash(result->password, hash))
        return failure_add(
            failure_new(exchange->arena, FAILURE_SERVICE_UNAVAILABLE,
                        TEXT("there is not enough memory to make a password; try again later")),
            exchange->arena, TEXT("reason"), TEXT("out_of_memory"));
    invitation->password_hash = text_from_string(hash);
    return NULL;
}

static const struct failure *run_invite(struct exchange *exchange, struct transaction *transaction)
{
    const struct invitation *invitation = exchange->input;
    struct user *created = user_of(exchange);
    const struct failure *failure =
        user_invite(transaction, &invitation->user, &exchange->loop->api->config.limits, created);

    if (!failure && text_is_set(invitation->password_hash))
        auth_create(transaction, created->id, invitation->password_hash);
    return complete(exchange, transaction, failure);
}

/* ---- others ---- */

static const struct failure *parse_update(struct exchange *exchange)
{
    exchange->input = ARENA_NEW(exchange->arena, struct user);
    prepare_result(exchange);
    return service_account_read_change(exchange->body, exchange->arena, exchange->input);
}

static const struct failure *run_update(struct exchange *exchange, struct transaction *transaction)
{
    const struct user *change = exchange->input;

    return complete(
        exchange, transaction,
        service_account_update(transaction, exchange->parameters[0], change->name, user_of(exchange)));
}

static const struct failure *parse_roles(struct exchange *exchange)
{
    exchange->input = ARENA_NEW(exchange->arena, struct user);
    prepare_result(exchange);
    return user_read_roles(exchange->body, exchange->arena, exchange->input);
}

static const struct failure *run_roles(struct exchange *exchange, struct transaction *transaction)
{
    const struct user *change = exchange->input;

    return complete(exchange, transaction,
                    user_set_roles(transaction, exchange->parameters[0], change->roles, user_of(exchange)));
}

static const struct failure *run_archive(struct exchange *exchange, struct transaction *transaction)
{
    return service_account_archive(transaction, exchange->parameters[0]);
}

/* ---- searching ---- */

enum { USER_IDS_MAX = 1000 }; /* of one search, as of every list in a filter (conventions section 17.2) */

struct search_result {
    struct record_list users;
    int64_t total;
    struct tenant tenant;
};

static const struct text user_types[] = {TEXT_LITERAL("user"), TEXT_LITERAL("service_account"), {NULL, 0}};

static const struct field search_fields[] = {
    {FIELD(struct user_filter, type, FIELD_TEXT), .flags = FIELD_INPUT,
     .fallback = TEXT_LITERAL("service_account"), .values = user_types},
    {FIELD(struct user_filter, user_ids, FIELD_STRING_LIST), .flags = FIELD_INPUT},
};
static const size_t search_field_count = sizeof search_fields / sizeof search_fields[0];

/* An index is looked into for each of them, while others wait. */
static void check_ids(struct exchange *exchange, struct failure **failure)
{
    const struct json_value *ids = json_member(exchange->body, TEXT("user_ids"));

    if (ids && ids->type == JSON_ARRAY && ids->count > USER_IDS_MAX)
        failure_add_field(failure, exchange->arena, TEXT("user_ids"), TEXT("must name at most 1000 users"));
}

/* All that is wrong with the fields is told at once; then what `sort` names is looked at. */
static const struct failure *read_filter(struct exchange *exchange, struct user_filter *filter)
{
    struct list_options options;
    struct failure *failure = NULL;

    fields_read_json(search_fields, search_field_count, exchange->body, filter, exchange->arena, &failure);
    check_ids(exchange, &failure);
    paging_read_body(exchange, &options, &failure);
    if (failure)
        return failure;
    filter->page = options.page;
    filter->is_ascending = options.is_ascending;
    return paging_read_sorts(exchange, options.sorts, user_sort_fields, &filter->sorts, &filter->sort_count);
}

static const struct failure *parse_search(struct exchange *exchange)
{
    exchange->input = ARENA_NEW(exchange->arena, struct user_filter);
    return read_filter(exchange, exchange->input);
}

static const struct failure *run_search(struct exchange *exchange, struct transaction *transaction)
{
    struct search_result *result = ARENA_NEW(exchange->arena, struct search_result);

    exchange->result = result;
    result->users = user_search(transaction, exchange->input, &result->total);
    return tenant_get_own(transaction, &result->tenant);
}

static void render_search(struct exchange *exchange, struct json_writer *writer)
{
    const struct user_filter *filter = exchange->input;
    const struct search_result *result = exchange->result;
    const struct user *users = result->users.records;

    json_begin_object(writer);
    json_key(writer, TEXT("items"));
    json_begin_array(writer);
    for (size_t i = 0; i < result->users.count; i++) {
        json_begin_object(writer);
        write_user(writer, &users[i], &result->tenant, exchange->arena);
        json_end_object(writer);
    }
    json_end_array(writer);
    paging_write(writer, &filter->page, result->total);
    json_end_object(writer);
}

/* ---- who chats with support ---- */

struct chat_identity {
    struct text token;      /* the hex HMAC-SHA256 of the user's e-mail, with the key that support has */
    struct text expires_at; /* always empty: it does not */
};
static const struct field chat_fields[] = {
    {FIELD(struct chat_identity, token, FIELD_TEXT)},
    {FIELD(struct chat_identity, expires_at, FIELD_TEXT)},
};
static const struct entity chat_entity = {
    .name = TEXT_LITERAL("chat_identity"),
    .schema = TEXT_LITERAL("ChatIdentityResponse"),
    ENTITY_FIELDS(chat_fields),
    .struct_size = sizeof(struct chat_identity),
};

static const struct failure *parse_chat(struct exchange *exchange)
{
    if (exchange->loop->api->config.chat_key_length > 0)
        return NULL;
    return failure_new(
        exchange->arena, FAILURE_INTERNAL,
        TEXT("no support chat is configured: the server's setting chat-verify-key is not set"));
}

static struct text hex_of(struct text bytes, struct arena *arena)
{
    char *hex = arena_allocate(arena, 2 * bytes.length);

    hex_encode((const uint8_t *)bytes.data, bytes.length, hex);
    return (struct text){hex, 2 * bytes.length};
}

static const struct failure *run_chat(struct exchange *exchange, struct transaction *transaction)
{
    const struct api_config *config = &exchange->loop->api->config;
    struct chat_identity *identity = ARENA_NEW(exchange->arena, struct chat_identity);
    const struct text key = {(const char *)config->chat_key, config->chat_key_length};
    struct user user;
    const struct failure *failure = user_get_self(transaction, &user);

    exchange->result = identity;
    if (failure)
        return failure;
    if (user.email.length == 0)
        return failure_new(exchange->arena, FAILURE_VALIDATION,
                           TEXT("the caller has no e-mail for the support chat to know them by"));
    identity->token = hex_of(secret_derive(key, user.email, exchange->arena), exchange->arena);
    identity->expires_at = text_empty;
    return NULL;
}

static void render_chat(struct exchange *exchange, struct json_writer *writer)
{
    json_begin_object(writer);
    entity_write_members(writer, &chat_entity, exchange->result, NULL);
    json_end_object(writer);
}

/* ---- the table ---- */

static const struct field name_field[] = {
    {FIELD(struct user, name, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED, .length_max = 255},
};
static const struct field roles_field[] = {
    {FIELD(struct user, roles, FIELD_STRING_LIST), .flags = FIELD_INPUT | FIELD_REQUIRED},
};
/* For the description alone. */
struct search_shape {
    int64_t limit, offset;
    struct text order;
    const struct json_value *sort;
};
static const struct field search_shape_fields[] = {
    {FIELD(struct user_filter, type, FIELD_TEXT), .flags = FIELD_INPUT, .values = user_types},
    {FIELD(struct user_filter, user_ids, FIELD_STRING_LIST), .flags = FIELD_INPUT},
    {FIELD(struct search_shape, limit, FIELD_INTEGER), .flags = FIELD_INPUT},
    {FIELD(struct search_shape, offset, FIELD_INTEGER), .flags = FIELD_INPUT},
    {FIELD(struct search_shape, order, FIELD_TEXT), .flags = FIELD_INPUT},
    {FIELD(struct search_shape, sort, FIELD_JSON_ARRAY), .flags = FIELD_INPUT, .shape = &paging_sort_shape},
};
static const size_t one_field = 1,
                    search_shape_field_count = sizeof search_shape_fields / sizeof search_shape_fields[0];

static const struct body_schema create_body = {.name = TEXT_LITERAL("CreateUserRequest"),
                                               .options = user_creation_fields,
                                               .option_count = &user_creation_field_count};
static const struct body_schema update_self_body = {.name = TEXT_LITERAL("UpdateUserRequest"),
                                                    .options = user_change_fields,
                                                    .option_count = &user_change_field_count};
static const struct body_schema update_body = {
    .name = TEXT_LITERAL("UpdateServiceAccountRequest"), .options = name_field, .option_count = &one_field};
static const struct body_schema roles_body = {
    .name = TEXT_LITERAL("UpdateUserRolesRequest"), .options = roles_field, .option_count = &one_field};
static const struct body_schema search_body = {.name = TEXT_LITERAL("UserFilter"),
                                               .options = search_shape_fields,
                                               .option_count = &search_shape_field_count};

static const struct member_schema user_members[] = {{TEXT_LITERAL("tenant"), &tenant_reply, false},
                                                    {.schema = NULL}};
static const struct field password_field[] = {
    {FIELD(struct user_result, password, FIELD_TEXT), .flags = FIELD_OMIT_UNSET},
};
static const struct reply_schema user_reply = {.entity = &user_entity, .members = user_members};
static const struct reply_schema page_reply = {
    .entity = &user_entity, .page_name = TEXT_LITERAL("ListUsersResponse"), .members = user_members};
static const struct reply_schema creation_reply = {
    .name = TEXT_LITERAL("CreateUserResponse"),
    .entity = &user_entity,
    .fields = password_field,
    .field_count = 1,
    .members = user_members,
};
static const struct reply_schema chat_reply = {.entity = &chat_entity};

#define USER_ROUTE(route_method, route_path, route_lane, success, id, text)                                  \
    .method = (route_method), .path = TEXT_LITERAL(route_path), .without_environment = true,                 \
    .lane = (route_lane), .status = (success), .operation_id = TEXT_LITERAL(id),                             \
    .summary = TEXT_LITERAL(text), .tag = TEXT_LITERAL("Users")
#define WRITES_USERS                                                                                         \
    .permission = {TEXT_LITERAL("user"), PERMISSION_WRITE}, .has_body = true, .render = render

static const struct route routes[] = {
    {USER_ROUTE(HTTP_GET, "/v1/users/me", LANE_READ, 200, "getUserInfo", "Get oneself"), .run = run_get_self,
     .render = render, .reply = &user_reply},
    {USER_ROUTE(HTTP_PUT, "/v1/users/me", LANE_WRITE, 200, "updateUser", "Change oneself"), WRITES_USERS,
     .parse = parse_update_self, .run = run_update_self, .body = &update_self_body, .reply = &user_reply},
    {USER_ROUTE(HTTP_POST, "/v1/users", LANE_WRITE, 201, "createUser",
                "Invite a user, or make a service account"),
     WRITES_USERS, .parse = parse_invite, .work_before = make_password, .run = run_invite,
     .body = &create_body, .reply = &creation_reply},
    {USER_ROUTE(HTTP_PUT, "/v1/users/{id}", LANE_WRITE, 200, "updateServiceAccount",
                "Rename a service account"),
     WRITES_USERS, .parse = parse_update, .run = run_update, .body = &update_body, .reply = &user_reply},
    {USER_ROUTE(HTTP_PUT, "/v1/users/{id}/roles", LANE_WRITE, 200, "updateUserRoles",
                "Give a user other roles"),
     .permission = {TEXT_LITERAL("user"), PERMISSION_WRITE, .is_super_admins = true}, .has_body = true,
     .parse = parse_roles, .run = run_roles, .render = render, .body = &roles_body, .reply = &user_reply},
    {USER_ROUTE(HTTP_DELETE, "/v1/users/{id}", LANE_WRITE, 204, "deleteServiceAccount",
                "Archive a service account"),
     .permission = {TEXT_LITERAL("user"), PERMISSION_WRITE}, .run = run_archive},
    {USER_ROUTE(HTTP_POST, "/v1/users/search", LANE_READ, 200, "queryUser", "Search users"),
     .permission = {TEXT_LITERAL("user"), PERMISSION_READ, .is_always_read = true}, .has_body = true,
     .ignores_idempotency_key = true, .parse = parse_search, .run = run_search, .render = render_search,
     .body = &search_body, .reply = &page_reply},
    {USER_ROUTE(HTTP_POST, "/v1/users/chat/verify", LANE_READ, 200, "verifyChatIdentity",
                "Prove to the support chat who one is"),
     .ignores_idempotency_key = true, .parse = parse_chat, .run = run_chat, .render = render_chat,
     .reply = &chat_reply},
};

const struct route_table user_routes = ROUTE_TABLE(routes);
