/* admin_keys.c: API keys for the operator, over the admin socket: what `farthing key` talks to. */
#include "api/resources.h"
#include "domain/api_keys.h"
#include "domain/tenancy_operator.h"
#include "domain/users.h"
#include "model/entity_json.h"

/* ---- create ---- */

struct key_creation {
    struct secret secret;
    struct text tenant, environment; /* id or name; both empty: the only environment there is */
    struct text user;                /* id or e-mail; empty: the tenant's first */
};

struct key_result {
    struct secret secret;
    struct scope scope;
    struct text plain_key;
};

static const struct field creation_options[] = {
    {FIELD(struct key_creation, tenant, FIELD_TEXT), .flags = FIELD_INPUT, .length_max = 100},
    {FIELD(struct key_creation, environment, FIELD_TEXT), .flags = FIELD_INPUT, .length_max = 50},
    {FIELD(struct key_creation, user, FIELD_TEXT), .flags = FIELD_INPUT, .length_max = 255},
};
/* Only the operator gives a key other roles than its owner's. */
static const struct field roles_field = {FIELD(struct secret, roles, FIELD_STRING_LIST), .flags = FIELD_INPUT,
                                         .values = role_ids};

static const struct failure *parse_create(struct exchange *exchange)
{
    struct key_creation *creation = ARENA_NEW(exchange->arena, struct key_creation);
    struct failure *failure = NULL;

    exchange->input = creation;
    exchange->result = ARENA_NEW(exchange->arena, struct key_result);
    fields_read_json(creation_options, sizeof creation_options / sizeof creation_options[0], exchange->body,
                     creation, exchange->arena, &failure);
    if (failure)
        return failure;
    const struct failure *refusal =
        api_key_read_creation(exchange->body, exchange->call.now_us, exchange->arena, &creation->secret);

    if (!refusal)
        fields_read_json(&roles_field, 1, exchange->body, &creation->secret, exchange->arena, &failure);
    return refusal ? refusal : failure;
}

/* An environment of the user's tenant. */
static const struct failure *find_scope_for(struct transaction *transaction, const struct user *user,
                                            struct text environment, struct scope *scope)
{
    const struct failure *failure = environment_find_named(transaction, user->tenant_id, environment, scope);

    if (!failure || failure->code != FAILURE_NOT_FOUND)
        return failure;
    return failure_new(transaction->arena, FAILURE_NOT_FOUND,
                       arena_format(transaction->arena, "the user is one of tenant \"%.*s\": %.*s",
                                    TEXT_FORMAT(user->tenant_id), TEXT_FORMAT(failure->message)));
}

/* Whom the key acts as, and where. A user who is named says which tenant is meant, unless one is named too.
 */
static const struct failure *find_place(struct transaction *transaction, const struct key_creation *creation,
                                        struct user *user, struct scope *scope)
{
    bool names_user = creation->user.length > 0;
    const struct failure *failure = names_user ? user_find_named(transaction, creation->user, user) : NULL;

    if (failure)
        return failure;
    if (names_user && creation->tenant.length == 0)
        return find_scope_for(transaction, user, creation->environment, scope);
    failure = environment_find_named(transaction, creation->tenant, creation->environment, scope);
    if (failure)
        return failure;
    return names_user ? user_find(transaction, scope->tenant_id, user->id, user)
                      : tenant_first_user(transaction, scope->tenant_id, user);
}

static const struct failure *check_roles(const struct key_creation *creation, const struct user *user,
                                         struct arena *arena)
{
    struct failure *failure = NULL;

    if (user_is_service_account(user) && text_is_set(creation->secret.roles))
        user_check_roles(user, creation->secret.roles, arena, &failure);
    return failure;
}

static const struct failure *run_create(struct exchange *exchange, struct transaction *transaction)
{
    const struct key_creation *creation = exchange->input;
    struct key_result *result = exchange->result;
    struct user user;
    const struct failure *failure = find_place(transaction, creation, &user, &result->scope);

    if (!failure)
        failure = check_roles(creation, &user, transaction->arena);
    if (!failure)
        failure = api_key_create(transaction, &result->scope, &user, &creation->secret, &result->secret,
                                 &result->plain_key);
    return failure;
}

static void render_create(struct exchange *exchange, struct json_writer *writer)
{
    const struct key_result *result = exchange->result;

    json_begin_object(writer);
    json_key(writer, TEXT("secret"));
    json_begin_object(writer);
    entity_write_members(writer, &secret_entity, &result->secret, &result->scope);
    json_end_object(writer);
    json_put_string(writer, TEXT("api_key"), result->plain_key);
    json_end_object(writer);
}

/* ---- list ---- */

struct key_listing {
    struct record_list keys;         /* struct api_key_listing */
    struct record_list environments; /* struct environment_listing */
};

static const struct failure *run_list(struct exchange *exchange, struct transaction *transaction)
{
    struct key_listing *listing = ARENA_NEW(exchange->arena, struct key_listing);

    listing->keys = api_key_list(transaction);
    listing->environments = environment_list(transaction, text_empty);
    exchange->result = listing;
    return NULL;
}

/* The names of a key's environment and of its tenant, which say more to a person than the id. */
static void write_names(struct json_writer *writer, const struct api_key_listing *key,
                        const struct record_list *list)
{
    const struct environment_listing *environments = list->records;

    for (size_t i = 0; i < list->count; i++)
        if (text_equal(environments[i].id, key->environment_id)) {
            json_put_string(writer, TEXT("environment_name"), environments[i].name);
            json_put_string(writer, TEXT("tenant_name"), environments[i].tenant_name);
            return;
        }
}

static void render_list(struct exchange *exchange, struct json_writer *writer)
{
    const struct key_listing *listing = exchange->result;
    const struct api_key_listing *keys = listing->keys.records;

    json_begin_object(writer);
    json_key(writer, TEXT("items"));
    json_begin_array(writer);
    for (size_t i = 0; i < listing->keys.count; i++) {
        json_begin_object(writer);
        entity_write_members(writer, &api_key_listing_entity, &keys[i], NULL);
        write_names(writer, &keys[i], &listing->environments);
        json_end_object(writer);
    }
    json_end_array(writer);
    json_end_object(writer);
}

/* ---- revoke ---- */

static const struct failure *run_revoke(struct exchange *exchange, struct transaction *transaction)
{
    exchange->result = ARENA_NEW(exchange->arena, struct secret);
    return api_key_revoke(transaction, exchange->parameters[0], exchange->result);
}

static const struct route routes[] = {
    {.method = HTTP_POST,
     .path = TEXT_LITERAL("/admin/keys"),
     .access = ACCESS_ADMIN,
     .lane = LANE_WRITE,
     .status = 201,
     .has_body = true,
     .parse = parse_create,
     .run = run_create,
     .render = render_create},
    {.method = HTTP_GET,
     .path = TEXT_LITERAL("/admin/keys"),
     .access = ACCESS_ADMIN,
     .lane = LANE_READ,
     .status = 200,
     .run = run_list,
     .render = render_list},
    {.method = HTTP_DELETE,
     .path = TEXT_LITERAL("/admin/keys/{id}"),
     .access = ACCESS_ADMIN,
     .lane = LANE_WRITE,
     .status = 204,
     .run = run_revoke},
};

const struct route_table admin_key_routes = ROUTE_TABLE(routes);
