/* admin_routes.c: the list of all routes with what each asks of its callers, over the admin socket: so that a
 * test, or a person, need not read it out of the tables. */
#include "api/resources.h"
#include "api/router.h"

static struct text method_name(enum http_method method)
{
    switch (method) {
    case HTTP_GET:
        return TEXT("GET");
    case HTTP_POST:
        return TEXT("POST");
    case HTTP_PUT:
        return TEXT("PUT");
    default:
        return TEXT("DELETE");
    }
}

static struct text access_name(enum access access)
{
    switch (access) {
    case ACCESS_KEY:
        return TEXT("key");
    case ACCESS_PORTAL:
        return TEXT("portal");
    case ACCESS_PUBLIC:
        return TEXT("public");
    case ACCESS_ADMIN:
        return TEXT("admin");
    case ACCESS_METRICS:
        return TEXT("metrics");
    case ACCESS_NOBODY:
        break;
    }
    return TEXT("nobody");
}

static void write_route(struct json_writer *writer, const struct route *route)
{
    const struct permission *permission = &route->permission;

    json_begin_object(writer);
    json_put_string(writer, TEXT("method"), method_name(route->method));
    json_put_string(writer, TEXT("path"), route->path);
    json_put_string(writer, TEXT("access"), access_name(route->access));
    json_put_string(writer, TEXT("entity"), permission->entity);
    json_put_string(writer, TEXT("action"),
                    permission->action == PERMISSION_WRITE ? TEXT("write") : TEXT("read"));
    json_put_bool(writer, TEXT("super_admins_only"), permission->is_super_admins);
    json_put_bool(writer, TEXT("always_gated"), permission->is_always_read);
    json_put_bool(writer, TEXT("without_environment"), route->without_environment);
    json_put_bool(writer, TEXT("has_body"), route->has_body);
    json_put_bool(writer, TEXT("writes"), route->lane == LANE_WRITE);
    json_put_int64(writer, TEXT("status"), route->status);
    json_put_string(writer, TEXT("operation_id"), route->operation_id);
    json_end_object(writer);
}

static void render_list(struct exchange *exchange, struct json_writer *writer)
{
    const struct router *router = exchange->loop->api->router;

    json_begin_object(writer);
    json_key(writer, TEXT("items"));
    json_begin_array(writer);
    for (unsigned i = 0; i < router_count(router); i++)
        write_route(writer, router_route(router, i));
    json_end_array(writer);
    json_end_object(writer);
}

static const struct route routes[] = {
    {.method = HTTP_GET,
     .path = TEXT_LITERAL("/admin/routes"),
     .access = ACCESS_ADMIN,
     .lane = LANE_NONE,
     .status = 200,
     .render = render_list},
};

const struct route_table admin_route_routes = ROUTE_TABLE(routes);
