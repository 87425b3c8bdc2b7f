/* permission.h: roles and what they grant (conventions section 6.1). */
#ifndef FARTHING_ACCESS_PERMISSION_H
#define FARTHING_ACCESS_PERMISSION_H

#include "access/caller.h"
#include "model/failure.h"

enum permission_action { PERMISSION_READ, PERMISSION_WRITE };

/* What a route needs: `customer:read`. Without an entity any caller will do. */
struct permission {
    struct text entity;
    enum permission_action action;
};

/* The set of roles in a JSON array of role ids; ids that are unknown grant nothing. */
role_set roles_from_json(struct text json, struct arena *arena);

/* NULL when the caller may; otherwise the first of: the tenant is suspended (writes only), no role grants it
 * (conventions section 6.2). */
const struct failure *permission_check(const struct caller *caller, const struct permission *permission,
                                       struct arena *arena);

#endif
