#include "access/permission.h"

bool caller_is_super_admin(const struct caller *caller)
{
    return caller->kind == CALLER_PERSON && caller->roles & role_bit(role_find(role_super_admin));
}

const struct failure *permission_check_suspension(const struct caller *caller,
                                                  const struct permission *permission, struct arena *arena)
{
    if (permission->action != PERMISSION_WRITE || !caller->is_tenant_suspended)
        return NULL;
    return failure_new(arena, FAILURE_PERMISSION_DENIED,
                       TEXT("the tenant is suspended: it can be read, not changed"));
}

const struct failure *permission_check(const struct caller *caller, const struct permission *permission,
                                       bool enforces_reads, struct arena *arena)
{
    bool is_write = permission->action == PERMISSION_WRITE;

    if (!text_is_set(permission->entity))
        return NULL;
    const struct failure *suspension = permission_check_suspension(caller, permission, arena);

    if (suspension)
        return suspension;
    if (permission->is_super_admins && !caller_is_super_admin(caller))
        return failure_new(arena, FAILURE_PERMISSION_DENIED,
                           TEXT("only a user with the role super_admin may do this"));
    if (!is_write && !enforces_reads && !permission->is_always_read)
        return NULL;
    if (roles_grant(caller->roles, permission->entity, is_write))
        return NULL;
    return failure_new(arena, FAILURE_PERMISSION_DENIED,
                       arena_format(arena, "none of the caller's roles grants %.*s:%s",
                                    TEXT_FORMAT(permission->entity), is_write ? "write" : "read"));
}
