#include "model/role.h"

#include "json/reader.h"

const struct text role_super_admin = TEXT_LITERAL("super_admin");

#define EVERY_ENTITY                                                                                         \
    {                                                                                                        \
        NULL, 0                                                                                              \
    }

const struct role role_table[ROLE_COUNT] = {
    {TEXT_LITERAL("all_reader"), TEXT_LITERAL("Reader"), TEXT_LITERAL("Sees everything and changes nothing"),
     EVERY_ENTITY, true, false, ROLE_OF_USERS},
    {TEXT_LITERAL("all_writer"), TEXT_LITERAL("Writer"),
     TEXT_LITERAL("Sees and changes everything but who may do what"), EVERY_ENTITY, true, true,
     ROLE_OF_USERS},
    {TEXT_LITERAL("event_ingestor"), TEXT_LITERAL("Event ingestor"), TEXT_LITERAL("Sends events"),
     TEXT_LITERAL("event"), false, true, ROLE_OF_SERVICE_ACCOUNTS},
    {TEXT_LITERAL("event_reader"), TEXT_LITERAL("Event reader"), TEXT_LITERAL("Sees events"),
     TEXT_LITERAL("event"), true, false, ROLE_OF_SERVICE_ACCOUNTS},
    {TEXT_LITERAL("super_admin"), TEXT_LITERAL("Super admin"),
     TEXT_LITERAL("Sees and changes everything, invites users and gives roles"), EVERY_ENTITY, true, true,
     ROLE_OF_USERS | ROLE_OF_SERVICE_ACCOUNTS},
};

const struct text role_ids[ROLE_COUNT + 1] = {
    TEXT_LITERAL("all_reader"),   TEXT_LITERAL("all_writer"),  TEXT_LITERAL("event_ingestor"),
    TEXT_LITERAL("event_reader"), TEXT_LITERAL("super_admin"), {NULL, 0},
};

const struct role *role_find(struct text id)
{
    for (unsigned i = 0; i < ROLE_COUNT; i++)
        if (text_equal(role_table[i].id, id))
            return &role_table[i];
    return NULL;
}

role_set role_bit(const struct role *role)
{
    return role ? (role_set)1 << (role - role_table) : 0;
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
            set |= role_bit(role_find(element->text));
    return set;
}

static bool is_granted(role_set held, const struct role *wanted, bool is_write)
{
    for (unsigned i = 0; i < ROLE_COUNT; i++) {
        const struct role *role = &role_table[i];
        bool is_wide_enough = !text_is_set(role->entity) || text_equal(role->entity, wanted->entity);

        if (held & role_bit(role) && is_wide_enough && (is_write ? role->writes : role->reads))
            return true;
    }
    return false;
}

bool roles_cover(role_set held, role_set given)
{
    role_set everything = role_bit(role_find(role_super_admin));

    if (held & everything)
        return true;
    if (given & everything)
        return false;
    for (unsigned i = 0; i < ROLE_COUNT; i++) {
        const struct role *role = &role_table[i];

        if (given & role_bit(role) && ((role->reads && !is_granted(held, role, false)) ||
                                       (role->writes && !is_granted(held, role, true))))
            return false;
    }
    return true;
}
