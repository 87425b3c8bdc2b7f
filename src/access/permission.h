/* permission.h: whether a caller may use a route (conventions sections 6.1 and 6.2). */
#ifndef FARTHING_ACCESS_PERMISSION_H
#define FARTHING_ACCESS_PERMISSION_H

#include "access/caller.h"
#include "model/failure.h"

enum permission_action { PERMISSION_READ, PERMISSION_WRITE };

/* What a route needs: `customer:read`. Without an entity any caller will do. */
struct permission {
    struct text entity;
    enum permission_action action;
    bool is_super_admins; /* besides: a super admin, and a person */
    bool is_always_read;  /* a read that is also checked where reads are open (rbac-enforce-reads) */
};

/* The role super_admin, and no service account. */
bool caller_is_super_admin(const struct caller *caller);

/* NULL unless the route writes and the tenant is suspended: the first part of permission_check, for callers
 * without roles. */
const struct failure *permission_check_suspension(const struct caller *caller,
                                                  const struct permission *permission, struct arena *arena);

/* NULL when the caller may; otherwise the first of: the tenant is suspended (writes only), the route is for
 * super admins, no role grants it (section 6.2). `enforces_reads`: whether reads need a role (ruling 7). */
const struct failure *permission_check(const struct caller *caller, const struct permission *permission,
                                       bool enforces_reads, struct arena *arena);

#endif
