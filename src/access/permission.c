#include "access/permission.h"

#include "json/reader.h"

struct role {
    struct text id;
    struct text entity; /* unset: every entity */
    bool reads, writes;
};

static const struct role roles[] = {
    {TEXT_LITERAL("super_admin"), {NULL, 0}, true, true},
    {TEXT_LITERAL("all_reader"), {NULL, 0}, true, false},
    {TEXT_LITERAL("all_writer"), {NULL, 0}, true, true},
    {TEXT_LITERAL("event_ingestor"), TEXT_LITERAL("event"), false, true},
    {TEXT_LITERAL("event_reader"), TEXT_LITERAL("event"), true, false},
};
enum { ROLE_COUNT = sizeof roles / sizeof roles[0] };

static role_set role_bit(struct text id)
{
    for (unsigned i = 0; i < ROLE_COUNT; i++)
        if (text_equal(roles[i].id, id))
            return (role_set)1 << i;
    return 0;
}

role_set roles_from_json(struct text json, struct arena *arena)
{
    struct json_error error;
    const struct json_value *list = json.length ? json_read(arena, json, &error) : NULL;
    role_set set = 0;

    if (!list || list->type != JSON_ARRAY)
        return 0;
    const struct json_value *element = json_first(list);

    for (uint32_t i = 0; i < list->count; i++, element = json_next(element))
        if (element->type == JSON_STRING)
            set |= role_bit(element->text);
    return set;
}

static bool grants(const struct role *role, const struct permission *permission)
{
    if (text_is_set(role->entity) && !text_equal(role->entity, permission->entity))
        return false;
    return permission->action == PERMISSION_READ ? role->reads : role->writes;
}

const struct failure *permission_check(const struct caller *caller, const struct permission *permission,
                                       struct arena *arena)
{
    const char *action = permission->action == PERMISSION_READ ? "read" : "write";

    if (!text_is_set(permission->entity))
        return NULL;
    if (permission->action == PERMISSION_WRITE && caller->is_tenant_suspended)
        return failure_new(arena, FAILURE_PERMISSION_DENIED,
                           TEXT("the tenant is suspended: it can be read, not changed"));
    for (unsigned i = 0; i < ROLE_COUNT; i++)
        if (caller->roles & (role_set)1 << i && grants(&roles[i], permission))
            return NULL;
    return failure_new(arena, FAILURE_PERMISSION_DENIED,
                       arena_format(arena, "none of the caller's roles grants %.*s:%s",
                                    TEXT_FORMAT(permission->entity), action));
}
