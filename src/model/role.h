/* role.h: the roles and what they grant (conventions section 6.1). */
#ifndef FARTHING_MODEL_ROLE_H
#define FARTHING_MODEL_ROLE_H

#include "base/arena.h"
#include "base/text.h"

/* Who a role can be given to. */
enum role_holder { ROLE_OF_USERS = 1 << 0, ROLE_OF_SERVICE_ACCOUNTS = 1 << 1 };

struct role {
    struct text id;
    struct text name;        /* for a person */
    struct text description; /* for a person */
    struct text entity;      /* unset: every entity */
    bool reads, writes;
    unsigned holders; /* enum role_holder */
};

/* All roles, in the order of their ids. */
enum { ROLE_COUNT = 5 };
extern const struct role role_table[ROLE_COUNT];
/* Their ids, ended by an unset text: the values that a list of roles may have. */
extern const struct text role_ids[ROLE_COUNT + 1];

extern const struct text role_super_admin;

/* Roles as a set of bits, in the order of role_table. */
typedef uint32_t role_set;

/* The role with this id, or NULL. */
const struct role *role_find(struct text id);
/* The bit of a role of role_table; 0 for NULL. */
role_set role_bit(const struct role *role);
/* The set of roles in a JSON array of role ids; ids that are unknown grant nothing. */
role_set roles_from_json(struct text json, struct arena *arena);

static inline bool role_grants(const struct role *role, struct text entity, bool is_write)
{
    return (!text_is_set(role->entity) || text_equal(role->entity, entity)) &&
           (is_write ? role->writes : role->reads);
}

/* Whether whoever has `held` may give somebody `given`: each thing that `given` grants, one of `held` must
 * grant (80-admin section 2). */
bool roles_cover(role_set held, role_set given);

#endif
