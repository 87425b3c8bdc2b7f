/* role.h: the roles and what they grant (conventions section 6.1): those that every server has, and those of
 * the configuration (section 24). */
#ifndef FARTHING_MODEL_ROLE_H
#define FARTHING_MODEL_ROLE_H

#include "base/arena.h"
#include "base/text.h"

/* Who a role can be given to. */
enum role_holder { ROLE_OF_USERS = 1 << 0, ROLE_OF_SERVICE_ACCOUNTS = 1 << 1 };

struct grant {
    struct text entity; /* unset: every entity */
    bool reads, writes;
};

struct role {
    struct text id;
    struct text name;        /* for a person */
    struct text description; /* for a person; may be empty */
    const struct grant *grants;
    unsigned grant_count;
    unsigned holders; /* enum role_holder */
};

enum {
    ROLE_COUNT_MAX = 32, /* a set has a bit for each */
    ROLE_BUILT_IN_COUNT = 5,
};

/* All roles, in the order of their ids. */
unsigned role_count(void);
const struct role *role_at(unsigned index);
/* Their ids, ended by an unset text: the values that a list of roles may have. */
extern struct text role_ids[ROLE_COUNT_MAX + 1];

extern const struct text role_super_admin;

struct role_list {
    struct role *roles;
    unsigned count;
};
/* Reads the roles of a configuration, which come beside those that every server has: the JSON object that
 * GET /v1/rbac/roles answers with, `{"roles": [{"id", "name", "description", "permissions": {entity:
 * [action]}}]}`, each of them with `user_types` (default: both) besides. `*` is every entity, or both
 * actions. False with what is wrong and where: `3:14: roles[0].id …`. The result borrows from the text. */
bool roles_read(struct text json, struct arena *arena, struct role_list *list, struct text *reason);
/* Has these roles beside those that every server has, for the process. Once, before anything else asks for a
 * role: what is a role_set from before means something else afterwards. Their texts are borrowed for good. */
void roles_install(const struct role_list *list);

/* "event_ingestor, event_reader, super_admin": the ids of those that `holder` (enum role_holder) can have; in
 * the arena. */
struct text roles_of(unsigned holder, struct arena *arena);

/* Roles as a set of bits, in the order of role_at. */
typedef uint32_t role_set;

/* The role with this id, or NULL. */
const struct role *role_find(struct text id);
/* The bit of a role of ours; 0 for NULL. */
role_set role_bit(const struct role *role);
/* The set of roles in a JSON array of role ids; ids that are unknown grant nothing. */
role_set roles_from_json(struct text json, struct arena *arena);

/* Whether any of the roles grants reading or writing an entity; an unset one: every entity there is. */
bool roles_grant(role_set held, struct text entity, bool is_write);

/* Whether whoever has `held` may give somebody `given`: each thing that `given` grants, one of `held` must
 * grant (80-admin section 2). */
bool roles_cover(role_set held, role_set given);

#endif
