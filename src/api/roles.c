/* roles.c: /v1/rbac/roles (conventions section 22.6): who may do what, which nobody can change while the
 * server runs. */
#include "api/resources.h"
#include "model/role.h"

enum { EVERYBODY = ROLE_OF_USERS | ROLE_OF_SERVICE_ACCOUNTS };

/* ---- how a role looks ---- */

static void write_actions(struct json_writer *writer, const struct role *role, const struct grant *grant)
{
    json_begin_array(writer);
    if (text_equal(role->id, role_super_admin)) {
        json_string(writer, TEXT("*"));
    } else {
        if (grant->reads)
            json_string(writer, TEXT("read"));
        if (grant->writes)
            json_string(writer, TEXT("write"));
    }
    json_end_array(writer);
}

static void write_permissions(struct json_writer *writer, const struct role *role)
{
    json_key(writer, TEXT("permissions"));
    json_begin_object(writer);
    for (unsigned i = 0; i < role->grant_count; i++) {
        json_key(writer, text_is_set(role->grants[i].entity) ? role->grants[i].entity : TEXT("*"));
        write_actions(writer, role, &role->grants[i]);
    }
    json_end_object(writer);
}

static void write_role(struct json_writer *writer, const struct role *role)
{
    json_begin_object(writer);
    json_put_string(writer, TEXT("id"), role->id);
    json_put_string(writer, TEXT("name"), role->name);
    json_put_string(writer, TEXT("description"), role->description);
    write_permissions(writer, role);
    json_end_object(writer);
}

/* ---- all ---- */

static const struct failure *bad_user_type(struct exchange *exchange)
{
    static const char reason[] = "must be user or service_account";

    return failure_add(failure_new(exchange->arena, FAILURE_VALIDATION,
                                   arena_format(exchange->arena, "user_type %s", reason)),
                       exchange->arena, TEXT("user_type"), text_from_string(reason));
}

static const struct failure *parse_list(struct exchange *exchange)
{
    unsigned *holders = ARENA_NEW(exchange->arena, unsigned);
    struct text user_type;
    const struct failure *failure = exchange_query(exchange, TEXT("user_type"), &user_type);

    exchange->input = holders;
    if (failure)
        return failure;
    if (!text_is_set(user_type))
        *holders = EVERYBODY;
    else if (text_equal(user_type, TEXT("user")))
        *holders = ROLE_OF_USERS;
    else if (text_equal(user_type, TEXT("service_account")))
        *holders = ROLE_OF_SERVICE_ACCOUNTS;
    return *holders ? NULL : bad_user_type(exchange);
}

static void render_list(struct exchange *exchange, struct json_writer *writer)
{
    const unsigned *holders = exchange->input;

    json_begin_object(writer);
    json_key(writer, TEXT("roles"));
    json_begin_array(writer);
    for (unsigned i = 0; i < role_count(); i++)
        if (role_at(i)->holders & *holders)
            write_role(writer, role_at(i));
    json_end_array(writer);
    json_end_object(writer);
}

/* ---- one ---- */

static const struct failure *parse_get(struct exchange *exchange)
{
    const struct role **role = ARENA_NEW(exchange->arena, const struct role *);

    exchange->input = role;
    *role = role_find(exchange->parameters[0]);
    if (*role)
        return NULL;
    return failure_add(failure_new(exchange->arena, FAILURE_NOT_FOUND, TEXT("there is no such role")),
                       exchange->arena, TEXT("id"), exchange->parameters[0]);
}

static void render_get(struct exchange *exchange, struct json_writer *writer)
{
    json_begin_object(writer);
    json_key(writer, TEXT("role"));
    write_role(writer, *(const struct role *const *)exchange->input);
    json_end_object(writer);
}

/* ---- the table ---- */

struct role_shape {
    struct text id, name, description, permissions;
};
static const struct field role_fields[] = {
    {FIELD(struct role_shape, id, FIELD_TEXT)},
    {FIELD(struct role_shape, name, FIELD_TEXT)},
    {FIELD(struct role_shape, description, FIELD_TEXT)},
    {FIELD(struct role_shape, permissions, FIELD_JSON_OBJECT)},
};
static const struct entity role_entity = {
    .name = TEXT_LITERAL("role"), .schema = TEXT_LITERAL("Role"), ENTITY_FIELDS(role_fields)};
static const struct entity list_entity = {.name = TEXT_LITERAL("roles"),
                                          .schema = TEXT_LITERAL("ListRolesResponse")};
static const struct entity one_entity = {.name = TEXT_LITERAL("role"),
                                         .schema = TEXT_LITERAL("RoleResponse")};
static const struct reply_schema role_reply = {.entity = &role_entity};
static const struct member_schema list_members[] = {{TEXT_LITERAL("roles"), &role_reply, true},
                                                    {.schema = NULL}},
                                  one_members[] = {{TEXT_LITERAL("role"), &role_reply, false},
                                                   {.schema = NULL}};
static const struct reply_schema list_reply = {.entity = &list_entity, .members = list_members},
                                 one_reply = {.entity = &one_entity, .members = one_members};
static const struct query_parameter list_parameters[] = {
    {TEXT_LITERAL("user_type"), TEXT_LITERAL("Only roles that a `user` or a `service_account` can have.")},
    {{NULL, 0}, {NULL, 0}},
};

static const struct route routes[] = {
    {.method = HTTP_GET,
     .path = TEXT_LITERAL("/v1/rbac/roles"),
     .lane = LANE_NONE,
     .status = 200,
     .parse = parse_list,
     .render = render_list,
     .operation_id = TEXT_LITERAL("listRbacRoles"),
     .summary = TEXT_LITERAL("List the roles"),
     .tag = TEXT_LITERAL("Roles"),
     .reply = &list_reply,
     .query_parameters = list_parameters},
    {.method = HTTP_GET,
     .path = TEXT_LITERAL("/v1/rbac/roles/{id}"),
     .lane = LANE_NONE,
     .status = 200,
     .parse = parse_get,
     .render = render_get,
     .operation_id = TEXT_LITERAL("getRbacRole"),
     .summary = TEXT_LITERAL("Get a role"),
     .tag = TEXT_LITERAL("Roles"),
     .reply = &one_reply},
};

const struct route_table role_routes = ROUTE_TABLE(routes);
