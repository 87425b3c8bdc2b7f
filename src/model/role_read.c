/* role_read.c: the roles of a configuration. Whatever is not understood is refused: a role that grants less
 * than was meant is found out late, one that grants more never. */
#include "model/role.h"

#include "json/reader.h"

enum { ROLE_ID_BYTES_MAX = 50, ROLE_WORDS_MAX = 255 };

/* Those of the peer, and `activity`, which is ours. */
static const struct text entities[] = {
    TEXT_LITERAL("activity"),
    TEXT_LITERAL("addon"),
    TEXT_LITERAL("ai"),
    TEXT_LITERAL("alert_settings"),
    TEXT_LITERAL("checkoutsession"),
    TEXT_LITERAL("connection"),
    TEXT_LITERAL("costsheet"),
    TEXT_LITERAL("coupon"),
    TEXT_LITERAL("creditgrant"),
    TEXT_LITERAL("creditnote"),
    TEXT_LITERAL("cron"),
    TEXT_LITERAL("customer"),
    TEXT_LITERAL("entitlement"),
    TEXT_LITERAL("environment"),
    TEXT_LITERAL("event"),
    TEXT_LITERAL("feature"),
    TEXT_LITERAL("group"),
    TEXT_LITERAL("integration"),
    TEXT_LITERAL("invoice"),
    TEXT_LITERAL("meter"),
    TEXT_LITERAL("oauth"),
    TEXT_LITERAL("payment"),
    TEXT_LITERAL("plan"),
    TEXT_LITERAL("portal"),
    TEXT_LITERAL("price"),
    TEXT_LITERAL("secret"),
    TEXT_LITERAL("setting"),
    TEXT_LITERAL("subscription"),
    TEXT_LITERAL("task"),
    TEXT_LITERAL("tax"),
    TEXT_LITERAL("tenant"),
    TEXT_LITERAL("user"),
    TEXT_LITERAL("wallet"),
    TEXT_LITERAL("webhook"),
    TEXT_LITERAL("workflow"),
};
enum { ENTITY_COUNT = sizeof entities / sizeof entities[0] };

/* A file on its way to roles. */
struct reading {
    struct text source;
    struct arena *arena;
    struct text *reason;
    unsigned index; /* of the role that is read */
};

/* ---- what is wrong, and where ---- */

/* "3:14", of a byte of the source. */
static struct text position_of(const struct reading *reading, size_t offset)
{
    unsigned line = 1, column = 1;

    for (size_t i = 0; i < offset && i < reading->source.length; i++) {
        bool is_end = reading->source.data[i] == '\n';

        line += is_end;
        column = is_end ? 1 : column + 1;
    }
    return arena_format(reading->arena, "%u:%u", line, column);
}

/* A string that had escapes is not in the source: then where what it stands in begins. */
static size_t offset_of(const struct reading *reading, const struct json_value *value,
                        const struct json_value *around)
{
    const char *begin = reading->source.data, *end = begin + reading->source.length;

    if (value->text.data < begin || value->text.data >= end)
        return around == value ? 0 : offset_of(reading, around, around);
    return (size_t)(value->text.data - begin) - (value->type == JSON_STRING);
}

static bool refuse(const struct reading *reading, const struct json_value *value,
                   const struct json_value *around, struct text what)
{
    *reading->reason = arena_format(reading->arena, "%.*s: roles[%u]%.*s",
                                    TEXT_FORMAT(position_of(reading, offset_of(reading, value, around))),
                                    reading->index, TEXT_FORMAT(what));
    return false;
}

static bool refuse_document(const struct reading *reading, const struct json_value *root, const char *what)
{
    *reading->reason = arena_format(reading->arena, "%.*s: %s",
                                    TEXT_FORMAT(position_of(reading, offset_of(reading, root, root))), what);
    return false;
}

/* ---- the members of a role ---- */

static bool is_id(struct text id)
{
    for (size_t i = 0; i < id.length; i++)
        if (!((id.data[i] >= 'a' && id.data[i] <= 'z') || (id.data[i] >= '0' && id.data[i] <= '9') ||
              id.data[i] == '_'))
            return false;
    return id.length > 0 && id.length <= ROLE_ID_BYTES_MAX;
}

static bool read_id(const struct reading *reading, const struct json_value *object,
                    const struct role_list *list, struct role *role)
{
    const struct json_value *id = json_member(object, TEXT("id"));

    if (!id)
        return refuse(reading, object, object, TEXT(" has no id"));
    if (id->type != JSON_STRING || !is_id(id->text))
        return refuse(reading, id, object, TEXT(".id must be 1 to 50 of a-z, 0-9 and _"));
    role->id = id->text;
    if (role_find(role->id))
        return refuse(reading, id, object,
                      arena_format(reading->arena,
                                   ".id \"%.*s\" is a role that every server has; it stays as it is",
                                   TEXT_FORMAT(role->id)));
    for (unsigned i = 0; i < list->count; i++)
        if (text_equal(list->roles[i].id, role->id))
            return refuse(reading, id, object,
                          arena_format(reading->arena, ".id \"%.*s\" is the id of roles[%u] already",
                                       TEXT_FORMAT(role->id), i));
    return true;
}

static bool read_words(const struct reading *reading, const struct json_value *object, const char *member,
                       struct text *words)
{
    const struct json_value *value = json_member(object, text_from_string(member));

    if (!value || value->type == JSON_NULL)
        return true;
    *words = value->text;
    return (value->type == JSON_STRING && words->length <= ROLE_WORDS_MAX) ||
           refuse(reading, value, object,
                  arena_format(reading->arena, ".%s must be a text of at most %d bytes", member,
                               ROLE_WORDS_MAX));
}

static bool add_holder(const struct json_value *element, struct role *role)
{
    if (element->type != JSON_STRING)
        return false;
    if (text_equal(element->text, TEXT("user")))
        role->holders |= ROLE_OF_USERS;
    else if (text_equal(element->text, TEXT("service_account")))
        role->holders |= ROLE_OF_SERVICE_ACCOUNTS;
    else
        return false;
    return true;
}

static bool read_holders(const struct reading *reading, const struct json_value *object, struct role *role)
{
    const struct json_value *list = json_member(object, TEXT("user_types"));
    bool is_right = list && list->type == JSON_ARRAY && list->count > 0;

    if (!list || list->type == JSON_NULL) {
        role->holders = ROLE_OF_USERS | ROLE_OF_SERVICE_ACCOUNTS;
        return true;
    }
    const struct json_value *element = is_right ? json_first(list) : list;

    for (uint32_t i = 0; is_right && i < list->count; i++, element = json_next(element))
        is_right = add_holder(element, role);
    return is_right || refuse(reading, list, object,
                              TEXT(".user_types must be a list of \"user\", \"service_account\" or both"));
}

/* ---- what it grants ---- */

static const struct text *entity_of(struct text name)
{
    for (unsigned i = 0; i < ENTITY_COUNT; i++)
        if (text_equal(entities[i], name))
            return &entities[i];
    return NULL;
}

static bool refuse_entity(const struct reading *reading, const struct json_value *key,
                          const struct json_value *around)
{
    struct text names = entities[0];

    for (unsigned i = 1; i < ENTITY_COUNT; i++)
        names = arena_list_add(reading->arena, names, entities[i]);
    return refuse(
        reading, key, around,
        arena_format(reading->arena,
                     ".permissions: \"%.*s\" is nothing that can be granted; that are * (all) and %.*s",
                     TEXT_FORMAT(key->text), TEXT_FORMAT(names)));
}

static bool add_action(const struct json_value *element, struct grant *grant)
{
    struct text action = element->type == JSON_STRING ? element->text : text_empty;
    bool is_both = text_equal(action, TEXT("*")), reads = is_both || text_equal(action, TEXT("read")),
         writes = is_both || text_equal(action, TEXT("write"));

    grant->reads |= reads;
    grant->writes |= writes;
    return reads || writes;
}

static bool read_grant(const struct reading *reading, const struct json_value *key,
                       const struct json_value *around, struct grant *grant)
{
    const struct json_value *actions = json_next(key);
    const struct text *entity = entity_of(key->text);
    bool is_right = actions->type == JSON_ARRAY && actions->count > 0;

    *grant = (struct grant){.entity = entity ? *entity : text_none};
    if (!entity && !text_equal(key->text, TEXT("*")))
        return refuse_entity(reading, key, around);
    const struct json_value *element = is_right ? json_first(actions) : actions;

    for (uint32_t i = 0; is_right && i < actions->count; i++, element = json_next(element))
        is_right = add_action(element, grant);
    return is_right || refuse(reading, actions, around,
                              arena_format(reading->arena,
                                           ".permissions.%.*s must be a list of \"read\", \"write\" or both",
                                           TEXT_FORMAT(key->text)));
}

static bool read_grants(const struct reading *reading, const struct json_value *object, struct role *role)
{
    const struct json_value *permissions = json_member(object, TEXT("permissions"));

    if (!permissions || permissions->type != JSON_OBJECT || permissions->count == 0)
        return refuse(reading, permissions ? permissions : object, object,
                      TEXT(".permissions must be an object such as {\"customer\": [\"read\", \"write\"]}"));
    /* An entity that is named twice is granted twice. */
    struct grant *grants = arena_allocate_zero(reading->arena, permissions->count * sizeof *grants);
    const struct json_value *key = json_first(permissions);

    role->grants = grants;
    for (uint32_t i = 0; i < permissions->count; i++, key = json_next(json_next(key)))
        if (!read_grant(reading, key, permissions, &grants[role->grant_count++]))
            return false;
    return true;
}

/* ---- all of it ---- */

static bool knows_members(const struct reading *reading, const struct json_value *object)
{
    static const struct text known[] = {TEXT_LITERAL("id"),          TEXT_LITERAL("name"),
                                        TEXT_LITERAL("description"), TEXT_LITERAL("permissions"),
                                        TEXT_LITERAL("user_types"),  {NULL, 0}};
    const struct json_value *key = json_first(object);

    for (uint32_t i = 0; i < object->count; i++, key = json_next(json_next(key))) {
        const struct text *name = known;

        while (text_is_set(*name) && !text_equal(*name, key->text))
            name++;
        if (!text_is_set(*name))
            return refuse(reading, key, object,
                          arena_format(reading->arena,
                                       ": \"%.*s\" is no member of a role; those are id, name, description, "
                                       "permissions and user_types",
                                       TEXT_FORMAT(key->text)));
    }
    return true;
}

static bool read_role(const struct reading *reading, const struct json_value *object,
                      const struct role_list *list, struct role *role)
{
    *role = (struct role){.description = text_empty};
    if (object->type != JSON_OBJECT)
        return refuse(reading, object, object, TEXT(" must be an object"));
    if (!knows_members(reading, object) || !read_id(reading, object, list, role))
        return false;
    role->name = role->id;
    return read_words(reading, object, "name", &role->name) &&
           read_words(reading, object, "description", &role->description) &&
           read_holders(reading, object, role) && read_grants(reading, object, role);
}

bool roles_read(struct text json, struct arena *arena, struct role_list *list, struct text *reason)
{
    struct reading reading = {.source = json, .arena = arena, .reason = reason};
    struct json_error error;
    const struct json_value *root = json_read(arena, json, &error),
                            *roles = root ? json_member(root, TEXT("roles")) : NULL;

    if (!root) {
        *reason =
            arena_format(arena, "%.*s: %s", TEXT_FORMAT(position_of(&reading, error.offset)), error.reason);
        return false;
    }
    if (!roles || roles->type != JSON_ARRAY)
        return refuse_document(&reading, roles ? roles : root,
                               "this must be {\"roles\": [...]}, as GET /v1/rbac/roles shows roles");
    if (roles->count > ROLE_COUNT_MAX - ROLE_BUILT_IN_COUNT)
        return refuse_document(&reading, roles,
                               "there can be at most 27 roles beside the five of every server");
    *list = (struct role_list){.roles = arena_allocate_zero(arena, (roles->count + 1) * sizeof(struct role))};
    const struct json_value *element = json_first(roles);

    for (; reading.index < roles->count; reading.index++, element = json_next(element)) {
        if (!read_role(&reading, element, list, &list->roles[reading.index]))
            return false;
        list->count++;
    }
    return true;
}
