#include "model/role.h"

#include "json/reader.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const struct text role_super_admin = TEXT_LITERAL("super_admin");

static const struct grant reads_all = {{NULL, 0}, true, false}, does_all = {{NULL, 0}, true, true},
                          sends_events = {TEXT_LITERAL("event"), false, true},
                          reads_events = {TEXT_LITERAL("event"), true, false};

#define BUILT_IN(role_id, role_name, text, role_grant, role_holders)                                         \
    {                                                                                                        \
        TEXT_LITERAL(role_id), TEXT_LITERAL(role_name), TEXT_LITERAL(text), &(role_grant), 1, (role_holders) \
    }

static struct role table[ROLE_COUNT_MAX] = {
    BUILT_IN("all_reader", "Reader", "Sees everything and changes nothing", reads_all, ROLE_OF_USERS),
    BUILT_IN("all_writer", "Writer", "Sees and changes everything but who may do what", does_all,
             ROLE_OF_USERS),
    BUILT_IN("event_ingestor", "Event ingestor", "Sends events", sends_events, ROLE_OF_SERVICE_ACCOUNTS),
    BUILT_IN("event_reader", "Event reader", "Sees events", reads_events, ROLE_OF_SERVICE_ACCOUNTS),
    BUILT_IN("super_admin", "Super admin", "Sees and changes everything, invites users and gives roles",
             does_all, ROLE_OF_USERS | ROLE_OF_SERVICE_ACCOUNTS),
};
static unsigned table_count = ROLE_BUILT_IN_COUNT;

struct text role_ids[ROLE_COUNT_MAX + 1] = {
    TEXT_LITERAL("all_reader"),   TEXT_LITERAL("all_writer"),  TEXT_LITERAL("event_ingestor"),
    TEXT_LITERAL("event_reader"), TEXT_LITERAL("super_admin"), {NULL, 0},
};

unsigned role_count(void)
{
    return table_count;
}

const struct role *role_at(unsigned index)
{
    assert(index < table_count);
    return &table[index];
}

static int by_id(const void *left, const void *right)
{
    const struct role *one = left, *other = right;
    size_t shorter = one->id.length < other->id.length ? one->id.length : other->id.length;
    int order = memcmp(one->id.data, other->id.data, shorter);

    if (order != 0)
        return order;
    return one->id.length < other->id.length ? -1 : one->id.length > other->id.length;
}

void roles_install(const struct role_list *list)
{
    assert(table_count + list->count <= ROLE_COUNT_MAX);
    for (unsigned i = 0; i < list->count; i++)
        table[table_count++] = list->roles[i];
    qsort(table, table_count, sizeof table[0], by_id);
    for (unsigned i = 0; i < table_count; i++)
        role_ids[i] = table[i].id;
}

const struct role *role_find(struct text id)
{
    for (unsigned i = 0; i < table_count; i++)
        if (text_equal(table[i].id, id))
            return &table[i];
    return NULL;
}

struct text roles_of(unsigned holder, struct arena *arena)
{
    struct text ids = text_empty;

    for (unsigned i = 0; i < table_count; i++)
        if (table[i].holders & holder)
            ids = arena_format(arena, "%.*s%s%.*s", TEXT_FORMAT(ids), ids.length ? ", " : "",
                               TEXT_FORMAT(table[i].id));
    return ids;
}

role_set role_bit(const struct role *role)
{
    return role ? (role_set)1 << (role - table) : 0;
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

static bool role_grants(const struct role *role, struct text entity, bool is_write)
{
    for (unsigned i = 0; i < role->grant_count; i++) {
        const struct grant *grant = &role->grants[i];
        bool is_wide_enough =
            !text_is_set(grant->entity) || (text_is_set(entity) && text_equal(grant->entity, entity));

        if (is_wide_enough && (is_write ? grant->writes : grant->reads))
            return true;
    }
    return false;
}

bool roles_grant(role_set held, struct text entity, bool is_write)
{
    for (unsigned i = 0; i < table_count; i++)
        if (held & ((role_set)1 << i) && role_grants(&table[i], entity, is_write))
            return true;
    return false;
}

/* Whether each thing that the role grants is granted by one of `held`. */
static bool is_covered(role_set held, const struct role *role)
{
    for (unsigned i = 0; i < role->grant_count; i++) {
        const struct grant *grant = &role->grants[i];

        if ((grant->reads && !roles_grant(held, grant->entity, false)) ||
            (grant->writes && !roles_grant(held, grant->entity, true)))
            return false;
    }
    return true;
}

bool roles_cover(role_set held, role_set given)
{
    role_set everything = role_bit(role_find(role_super_admin));

    if (held & everything)
        return true;
    if (given & everything)
        return false;
    for (unsigned i = 0; i < table_count; i++)
        if (given & ((role_set)1 << i) && !is_covered(held, &table[i]))
            return false;
    return true;
}
