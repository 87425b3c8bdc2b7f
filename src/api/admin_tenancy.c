/* admin_tenancy.c: tenants, environments and users for the operator, over the admin socket: what
 * `farthing tenant|environment|user` talk to. A tenant is named by id or name. */
#include "access/password.h"
#include "api/resources.h"
#include "domain/auths.h"
#include "domain/tenancy_operator.h"
#include "domain/users.h"
#include "model/entity_json.h"
#include "model/format.h"

/* ---- what all of them share ---- */

/* The member of a body that names a tenant. */
struct reference {
    struct text tenant;
};

static const struct field reference_fields[] = {
    {FIELD(struct reference, tenant, FIELD_TEXT), .flags = FIELD_INPUT, .length_max = 100},
};

/* An unset text when there is none. */
static struct text read_reference(struct exchange *exchange, struct failure **failure)
{
    struct reference reference = {0};

    fields_read_json(reference_fields, 1, exchange->body, &reference, exchange->arena, failure);
    return reference.tenant;
}

static void render_object(struct json_writer *writer, struct text key, const struct entity *entity,
                          const void *record)
{
    json_key(writer, key);
    json_begin_object(writer);
    entity_write_members(writer, entity, record, NULL);
    json_end_object(writer);
}

static void render_items(struct json_writer *writer, const struct entity *entity,
                         const struct record_list *list)
{
    const char *records = list->records;

    json_begin_object(writer);
    json_key(writer, TEXT("items"));
    json_begin_array(writer);
    for (size_t i = 0; i < list->count; i++) {
        json_begin_object(writer);
        entity_write_members(writer, entity, records + i * entity->struct_size, NULL);
        json_end_object(writer);
    }
    json_end_array(writer);
    json_end_object(writer);
}

/* The tenant that the query of a list names, or an empty text for all of them. */
static const struct failure *read_filter(struct exchange *exchange, struct transaction *transaction,
                                         struct text *tenant_id)
{
    struct text reference;
    struct tenant tenant;
    const struct failure *failure = exchange_query(exchange, TEXT("tenant"), &reference);

    *tenant_id = text_empty;
    if (failure || !text_is_set(reference))
        return failure;
    failure = tenant_find(transaction, reference, &tenant);
    *tenant_id = tenant.id;
    return failure;
}

/* ---- tenants ---- */

static const struct failure *parse_tenant(struct exchange *exchange)
{
    struct tenant *creation = ARENA_NEW(exchange->arena, struct tenant);
    struct failure *failure = NULL;

    exchange->input = creation;
    exchange->result = ARENA_NEW(exchange->arena, struct tenant_opening);
    fields_read_json(entity_field(&tenant_entity, TEXT("name")), 1, exchange->body, creation, exchange->arena,
                     &failure);
    return failure;
}

static const struct failure *run_tenant_create(struct exchange *exchange, struct transaction *transaction)
{
    const struct tenant *creation = exchange->input;

    return tenant_open_named(transaction, creation->name, exchange->result);
}

static void render_opening(struct exchange *exchange, struct json_writer *writer)
{
    const struct tenant_opening *opening = exchange->result;
    struct tenant_listing tenant = tenant_listing_of(&opening->tenant);
    struct user_listing user = user_listing_of(&opening->user);

    json_begin_object(writer);
    render_object(writer, TEXT("tenant"), &tenant_listing_entity, &tenant);
    render_object(writer, TEXT("user"), &user_listing_entity, &user);
    render_object(writer, TEXT("environment"), &environment_entity, &opening->environment);
    json_end_object(writer);
}

static const struct failure *run_tenant_list(struct exchange *exchange, struct transaction *transaction)
{
    struct record_list *list = ARENA_NEW(exchange->arena, struct record_list);

    *list = tenant_list(transaction);
    exchange->result = list;
    return NULL;
}

static void render_tenants(struct exchange *exchange, struct json_writer *writer)
{
    render_items(writer, &tenant_listing_entity, exchange->result);
}

static const struct failure *parse_reference(struct exchange *exchange)
{
    struct failure *failure = NULL;
    struct text *reference = ARENA_NEW(exchange->arena, struct text);

    *reference = read_reference(exchange, &failure);
    exchange->input = reference;
    exchange->result = ARENA_NEW(exchange->arena, struct tenant);
    if (!failure && reference->length == 0)
        failure_add_field(&failure, exchange->arena, TEXT("tenant"), TEXT("is required"));
    return failure;
}

static const struct failure *run_suspend(struct exchange *exchange, struct transaction *transaction)
{
    return tenant_suspend(transaction, *(const struct text *)exchange->input, exchange->result);
}

static const struct failure *run_resume(struct exchange *exchange, struct transaction *transaction)
{
    return tenant_resume(transaction, *(const struct text *)exchange->input, exchange->result);
}

static void render_tenant(struct exchange *exchange, struct json_writer *writer)
{
    struct tenant_listing tenant = tenant_listing_of(exchange->result);

    json_begin_object(writer);
    render_object(writer, TEXT("tenant"), &tenant_listing_entity, &tenant);
    json_end_object(writer);
}

/* ---- environments ---- */

struct environment_creation {
    struct text tenant; /* id or name; empty: the only one there is */
    struct environment environment;
};

static const struct failure *parse_environment(struct exchange *exchange)
{
    struct environment_creation *creation = ARENA_NEW(exchange->arena, struct environment_creation);
    struct failure *failure = NULL;

    exchange->input = creation;
    exchange->result = ARENA_NEW(exchange->arena, struct environment_listing);
    creation->tenant = read_reference(exchange, &failure);
    return failure ? failure
                   : environment_read_creation(exchange->body, exchange->arena, &creation->environment);
}

static const struct failure *run_environment_create(struct exchange *exchange,
                                                    struct transaction *transaction)
{
    const struct environment_creation *creation = exchange->input;
    struct environment_listing *listing = exchange->result;
    struct environment *created = ARENA_NEW(transaction->arena, struct environment);
    struct tenant tenant;
    const struct failure *failure = tenant_find(transaction, creation->tenant, &tenant);

    if (!failure)
        failure = environment_create_named(transaction, tenant.id, &creation->environment, created);
    if (!failure)
        *listing = (struct environment_listing){
            created->id, tenant.id, tenant.name, created->name, created->type, created->created_at,
        };
    return failure;
}

static void render_environment(struct exchange *exchange, struct json_writer *writer)
{
    json_begin_object(writer);
    render_object(writer, TEXT("environment"), &environment_listing_entity, exchange->result);
    json_end_object(writer);
}

static const struct failure *run_environment_list(struct exchange *exchange, struct transaction *transaction)
{
    struct record_list *list = ARENA_NEW(exchange->arena, struct record_list);
    struct text tenant_id;
    const struct failure *failure = read_filter(exchange, transaction, &tenant_id);

    if (!failure)
        *list = environment_list(transaction, tenant_id);
    exchange->result = list;
    return failure;
}

static void render_environments(struct exchange *exchange, struct json_writer *writer)
{
    render_items(writer, &environment_listing_entity, exchange->result);
}

/* ---- users ---- */

struct user_creation {
    struct text tenant; /* id or name; empty: the only one there is */
    struct user user;
};

static const struct failure *parse_user(struct exchange *exchange)
{
    struct user_creation *creation = ARENA_NEW(exchange->arena, struct user_creation);
    struct failure *failure = NULL;

    exchange->input = creation;
    exchange->result = ARENA_NEW(exchange->arena, struct user);
    creation->tenant = read_reference(exchange, &failure);
    return failure ? failure : user_read_creation(exchange->body, exchange->arena, &creation->user);
}

static const struct failure *run_user_create(struct exchange *exchange, struct transaction *transaction)
{
    const struct user_creation *creation = exchange->input;
    struct tenant tenant;
    const struct failure *failure = tenant_find(transaction, creation->tenant, &tenant);

    return failure ? failure : user_create(transaction, tenant.id, &creation->user, exchange->result);
}

static void render_user(struct exchange *exchange, struct json_writer *writer)
{
    struct user_listing user = user_listing_of(exchange->result);

    json_begin_object(writer);
    render_object(writer, TEXT("user"), &user_listing_entity, &user);
    json_end_object(writer);
}

static const struct failure *run_user_list(struct exchange *exchange, struct transaction *transaction)
{
    struct record_list *list = ARENA_NEW(exchange->arena, struct record_list);
    struct text tenant_id;
    const struct failure *failure = read_filter(exchange, transaction, &tenant_id);

    if (!failure)
        *list = user_list(transaction, tenant_id);
    exchange->result = list;
    return failure;
}

static void render_users(struct exchange *exchange, struct json_writer *writer)
{
    render_items(writer, &user_listing_entity, exchange->result);
}

/* ---- passwords ---- */

struct password_request {
    struct text user, email, password;
};

static const struct field password_fields[] = {
    {FIELD(struct password_request, user, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED,
     .length_max = 255},
    {FIELD(struct password_request, email, FIELD_TEXT), .flags = FIELD_INPUT, .length_max = 255,
     .check = format_email},
    {FIELD(struct password_request, password, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED,
     .check = password_rule},
};
enum { PASSWORD_FIELD_COUNT = sizeof password_fields / sizeof password_fields[0] };

static const struct failure *parse_password(struct exchange *exchange)
{
    struct failure *failure = NULL;

    exchange->input = ARENA_NEW(exchange->arena, struct password_request);
    exchange->result = ARENA_NEW(exchange->arena, struct user);
    fields_read_json(password_fields, PASSWORD_FIELD_COUNT, exchange->body, exchange->input, exchange->arena,
                     &failure);
    return failure;
}

static const struct failure *hash_password(struct exchange *exchange)
{
    const struct password_request *request = exchange->input;
    struct password_setting *setting = ARENA_NEW(exchange->arena, struct password_setting);
    char *hash = arena_allocate_zero(exchange->arena, PASSWORD_HASH_BYTES_MAX);

    if (!password_hash(request->password, hash))
        return failure_new(exchange->arena, FAILURE_SERVICE_UNAVAILABLE,
                           TEXT("there is not enough memory to hash a password; try again later"));
    *setting = (struct password_setting){request->user, request->email, text_from_string(hash)};
    exchange->input = setting;
    return NULL;
}

static const struct failure *run_password(struct exchange *exchange, struct transaction *transaction)
{
    return auth_set_password(transaction, exchange->input, exchange->result);
}

/* ---- routes ---- */

#define ADMIN_WRITE(route_path, success, parse_it, run_it, render_it)                                        \
    {                                                                                                        \
        .method = HTTP_POST, .path = TEXT_LITERAL(route_path), .access = ACCESS_ADMIN, .lane = LANE_WRITE,   \
        .status = (success), .has_body = true, .parse = (parse_it), .run = (run_it), .render = (render_it)   \
    }
#define ADMIN_LIST(route_path, run_it, render_it)                                                            \
    {                                                                                                        \
        .method = HTTP_GET, .path = TEXT_LITERAL(route_path), .access = ACCESS_ADMIN, .lane = LANE_READ,     \
        .status = 200, .run = (run_it), .render = (render_it)                                                \
    }

static const struct route routes[] = {
    ADMIN_WRITE("/admin/tenants", 201, parse_tenant, run_tenant_create, render_opening),
    ADMIN_LIST("/admin/tenants", run_tenant_list, render_tenants),
    ADMIN_WRITE("/admin/tenants/suspend", 200, parse_reference, run_suspend, render_tenant),
    ADMIN_WRITE("/admin/tenants/resume", 200, parse_reference, run_resume, render_tenant),
    ADMIN_WRITE("/admin/environments", 201, parse_environment, run_environment_create, render_environment),
    ADMIN_LIST("/admin/environments", run_environment_list, render_environments),
    ADMIN_WRITE("/admin/users", 201, parse_user, run_user_create, render_user),
    ADMIN_LIST("/admin/users", run_user_list, render_users),
    {.method = HTTP_POST,
     .path = TEXT_LITERAL("/admin/users/password"),
     .access = ACCESS_ADMIN,
     .ignores_idempotency_key = true,
     .lane = LANE_WRITE,
     .status = 200,
     .has_body = true,
     .parse = parse_password,
     .work_before = hash_password,
     .run = run_password,
     .render = render_user},
};

const struct route_table admin_tenancy_routes = ROUTE_TABLE(routes);
