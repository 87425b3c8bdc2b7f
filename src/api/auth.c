/* auth.c: /v1/auth/signup and /v1/auth/login (conventions section 22.1). Passwords are hashed on threads of
 * their own, before the transaction that writes the hash and after the one that reads it. */
#include "access/password.h"
#include "access/token.h"
#include "api/resources.h"
#include "api/throttle.h"
#include "base/log.h"
#include "domain/auths.h"
#include "model/entity_json.h"
#include "model/format.h"

/* What comes in. */
struct auth_request {
    struct text email;
    struct text password;
    struct text tenant_name;
    struct text metadata;
};

/* What goes out. */
struct auth_reply {
    struct text token;
    struct text user_id;
    struct text tenant_id;
};

static const struct field request_fields[] = {
    {FIELD(struct auth_request, email, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED, .length_max = 255,
     .check = format_email},
    {FIELD(struct auth_request, password, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED,
     .check = password_rule},
};
static const struct field sign_up_options[] = {
    {FIELD(struct auth_request, tenant_name, FIELD_TEXT), .flags = FIELD_INPUT, .length_max = 100},
    {FIELD(struct auth_request, metadata, FIELD_STRING_MAP), .flags = FIELD_INPUT},
};
static const struct field reply_fields[] = {
    {FIELD(struct auth_reply, token, FIELD_TEXT)},
    {FIELD(struct auth_reply, user_id, FIELD_TEXT)},
    {FIELD(struct auth_reply, tenant_id, FIELD_TEXT)},
};
enum {
    REQUEST_FIELD_COUNT = sizeof request_fields / sizeof request_fields[0],
    SIGN_UP_OPTION_COUNT = sizeof sign_up_options / sizeof sign_up_options[0],
};

static const struct entity request_entity = {
    .name = TEXT_LITERAL("auth_request"),
    ENTITY_FIELDS(request_fields),
    .struct_size = sizeof(struct auth_request),
};
static const struct entity reply_entity = {
    .name = TEXT_LITERAL("auth_reply"),
    .schema = TEXT_LITERAL("AuthResponse"),
    ENTITY_FIELDS(reply_fields),
    .struct_size = sizeof(struct auth_reply),
};

/* ---- what both share ---- */

static const struct failure *read_request(struct exchange *exchange, bool is_sign_up)
{
    struct auth_request *request = ARENA_NEW(exchange->arena, struct auth_request);
    struct failure *failure = NULL;

    fields_read_json(request_fields, REQUEST_FIELD_COUNT, exchange->body, request, exchange->arena, &failure);
    if (is_sign_up)
        fields_read_json(sign_up_options, SIGN_UP_OPTION_COUNT, exchange->body, request, exchange->arena,
                         &failure);
    if (!failure)
        request->email = email_lower_case(request->email, exchange->arena);
    exchange->input = request;
    exchange->result = ARENA_NEW(exchange->arena, struct auth_reply);
    return failure;
}

/* A command that stands in for the server has no secrets, and nobody to sign up. */
static const struct failure *check_secrets(struct exchange *exchange)
{
    return exchange->loop->api->secrets.secrets ? NULL
                                                : failure_new(exchange->arena, FAILURE_SERVICE_UNAVAILABLE,
                                                              TEXT("nobody can log in while no server runs"));
}

static const struct failure *out_of_memory(struct exchange *exchange)
{
    return failure_add(failure_new(exchange->arena, FAILURE_SERVICE_UNAVAILABLE,
                                   TEXT("there is not enough memory to look at a password; try again later")),
                       exchange->arena, TEXT("reason"), TEXT("out_of_memory"));
}

static void issue_token(struct exchange *exchange, struct text user_id, struct text tenant_id,
                        int64_t password_set_at_us)
{
    const struct user_token user = {
        .user_id = user_id, .tenant_id = tenant_id, .password_set_at_us = password_set_at_us};
    struct auth_reply *reply = exchange->result;

    *reply = (struct auth_reply){
        .token = token_issue_user(exchange->loop->api->secrets.secrets, &user, exchange->call.now_us,
                                  exchange->arena),
        .user_id = user_id,
        .tenant_id = tenant_id,
    };
}

static void render_reply(struct exchange *exchange, struct json_writer *writer)
{
    json_begin_object(writer);
    entity_write_members(writer, &reply_entity, exchange->result, NULL);
    json_end_object(writer);
}

/* ---- signing up ---- */

static const struct failure *sign_up_is_closed(struct exchange *exchange)
{
    return failure_new(exchange->arena, FAILURE_PERMISSION_DENIED,
                       TEXT("signing up is closed; ask whoever runs this server for an account"));
}

/* An attempt counts whatever comes of it, a reply that was kept included: nobody is to make tenants, find out
 * e-mails, or try Idempotency-Keys, in great numbers. */
static const struct failure *parse_sign_up(struct exchange *exchange)
{
    const struct failure *failure = read_request(exchange, true);

    if (!failure)
        failure = check_secrets(exchange);
    return failure ? failure : throttle_attempt(exchange, text_empty);
}

static const struct failure *look_for_anybody(void *context, struct transaction *transaction)
{
    *(bool *)context = auth_is_any(transaction);
    return NULL;
}

/* As far as is known before the transaction, which decides: a password is not hashed for somebody who is told
 * no in any case. Once it is over it is never open again. */
static bool is_over(struct exchange *exchange)
{
    struct api *api = exchange->loop->api;
    bool is_any = false;

    if (api->config.sign_up != API_SIGN_UP_AUTO)
        return api->config.sign_up == API_SIGN_UP_CLOSED;
    if (atomic_load(&api->is_sign_up_over))
        return true;
    if (!store_read(api->store, exchange->arena, &exchange->call, look_for_anybody, &is_any) && is_any)
        atomic_store(&api->is_sign_up_over, true);
    return is_any;
}

static const struct failure *hash_password(struct exchange *exchange)
{
    const struct api *api = exchange->loop->api;
    const struct auth_request *request = exchange->input;
    struct sign_up *sign_up = ARENA_NEW(exchange->arena, struct sign_up);
    char *hash = arena_allocate_zero(exchange->arena, PASSWORD_HASH_BYTES_MAX);

    if (is_over(exchange)) {
        throttle_forgive(exchange, text_empty); /* who is told no has learned nothing */
        return sign_up_is_closed(exchange);
    }
    if (!password_hash(request->password, hash))
        return out_of_memory(exchange);
    *sign_up = (struct sign_up){
        .email = request->email,
        .password_hash = text_from_string(hash),
        .tenant_name = request->tenant_name.length ? request->tenant_name : api->config.default_tenant_name,
        .metadata = request->metadata,
        .is_first_only = api->config.sign_up == API_SIGN_UP_AUTO,
    };
    exchange->input = sign_up;
    return NULL;
}

static const struct failure *run_sign_up(struct exchange *exchange, struct transaction *transaction)
{
    struct tenant_opening *opening = ARENA_NEW(transaction->arena, struct tenant_opening);
    const struct failure *failure = auth_sign_up(transaction, exchange->input, opening);

    if (!failure)
        issue_token(exchange, opening->user.id, opening->tenant.id, transaction->call->now_us);
    return failure;
}

/* ---- logging in ---- */

/* A password that was looked at, and what is known of whose it is to be. */
struct attempt {
    struct text email, password;
    bool is_known;
    struct login login;
};

static const struct failure *parse_login(struct exchange *exchange)
{
    const struct failure *failure = read_request(exchange, false);

    return failure ? failure : check_secrets(exchange);
}

static const struct failure *run_login(struct exchange *exchange, struct transaction *transaction)
{
    const struct auth_request *request = exchange->input;
    struct attempt *attempt = ARENA_NEW(exchange->arena, struct attempt);

    attempt->email = request->email;
    attempt->password = request->password;
    attempt->is_known = auth_find(transaction, attempt->email, &attempt->login);
    exchange->result = attempt;
    return NULL;
}

struct rehash {
    const struct login *login;
    struct text hash;
};

static const struct failure *keep_rehash(void *context, struct transaction *transaction)
{
    const struct rehash *rehash = context;

    auth_replace_hash(transaction, rehash->login, rehash->hash);
    return NULL;
}

/* Only now the password is here, in plain text, to be hashed as passwords are hashed today. Whoever logs in
 * need not know when that fails: the next time will do. */
static void renew_hash(struct exchange *exchange, const struct attempt *attempt)
{
    char *hash = arena_allocate_zero(exchange->arena, PASSWORD_HASH_BYTES_MAX);
    struct rehash rehash = {&attempt->login, text_none};
    struct call call = exchange->call;

    if (!password_needs_rehash(attempt->login.password_hash) || !password_hash(attempt->password, hash))
        return;
    rehash.hash = text_from_string(hash);
    call.actor_id = attempt->login.user_id;
    const struct failure *failure =
        store_write(exchange->loop->api->store, exchange->arena, &call, keep_rehash, &rehash);

    if (failure)
        LOG_WARNING("a password's hash could not be renewed", LOG_TEXT("user_id", attempt->login.user_id),
                    LOG_TEXT("reason", failure->message));
}

/* The same for an e-mail that nobody has and for a password that is wrong, in words and in time. */
static const struct failure *check_password(struct exchange *exchange)
{
    const struct attempt *attempt = exchange->result;
    const struct failure *failure = throttle_attempt(exchange, attempt->email);
    bool is_right = false, is_out_of_memory;

    if (failure)
        return failure;
    if (attempt->is_known)
        is_right = password_verify(attempt->password, attempt->login.password_hash, &is_out_of_memory);
    else
        password_pretend(attempt->password, &is_out_of_memory);
    if (is_right || is_out_of_memory)
        throttle_forgive(exchange, attempt->email);
    if (is_out_of_memory)
        return out_of_memory(exchange);
    if (!is_right)
        return failure_new(exchange->arena, FAILURE_PERMISSION_DENIED,
                           TEXT("the e-mail or the password is wrong"));
    renew_hash(exchange, attempt);
    exchange->result = ARENA_NEW(exchange->arena, struct auth_reply);
    issue_token(exchange, attempt->login.user_id, attempt->login.tenant_id, attempt->login.password_set_at);
    return NULL;
}

/* ---- the table ---- */

static const size_t sign_up_option_count = SIGN_UP_OPTION_COUNT, login_option_count = 0;

static const struct body_schema sign_up_body = {
    .name = TEXT_LITERAL("SignUpRequest"),
    .entity = &request_entity,
    .options = sign_up_options,
    .option_count = &sign_up_option_count,
};
static const struct body_schema login_body = {
    .name = TEXT_LITERAL("LoginRequest"),
    .entity = &request_entity,
    .options = sign_up_options,
    .option_count = &login_option_count,
};
static const struct reply_schema auth_reply = {.entity = &reply_entity};

static const struct route routes[] = {
    {.method = HTTP_POST,
     .path = TEXT_LITERAL("/v1/auth/signup"),
     .access = ACCESS_PUBLIC,
     .lane = LANE_WRITE,
     .status = 200,
     .has_body = true,
     .parse = parse_sign_up,
     .work_before = hash_password,
     .run = run_sign_up,
     .render = render_reply,
     .operation_id = TEXT_LITERAL("signUp"),
     .summary = TEXT_LITERAL("Open a tenant with a first user, who is logged in"),
     .tag = TEXT_LITERAL("Auth"),
     .body = &sign_up_body,
     .reply = &auth_reply},
    {.method = HTTP_POST,
     .path = TEXT_LITERAL("/v1/auth/login"),
     .access = ACCESS_PUBLIC,
     .ignores_idempotency_key = true,
     .lane = LANE_READ,
     .status = 200,
     .has_body = true,
     .parse = parse_login,
     .run = run_login,
     .work_after = check_password,
     .render = render_reply,
     .operation_id = TEXT_LITERAL("login"),
     .summary = TEXT_LITERAL("Log in with e-mail and password"),
     .tag = TEXT_LITERAL("Auth"),
     .body = &login_body,
     .reply = &auth_reply},
};

const struct route_table auth_routes = ROUTE_TABLE(routes);
