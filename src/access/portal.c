#include "access/portal.h"

#include "access/environment.h"

static const struct failure *unauthenticated(struct arena *arena, struct text message)
{
    return failure_new(arena, FAILURE_UNAUTHENTICATED, message);
}

static const struct failure *explain(struct arena *arena, enum jwt_verdict verdict)
{
    return unauthenticated(arena, verdict == JWT_EXPIRED
                                      ? TEXT("the session has expired; ask for a new link to the portal")
                                      : TEXT("the session token is not valid"));
}

static const struct failure *check_tenant(const struct identities *identities, struct arena *arena,
                                          struct caller *caller)
{
    struct caller tenant;

    if (!caller_table_find(identities->tenants, caller->scope.tenant_id, arena, &tenant))
        return unauthenticated(arena, TEXT("the session's tenant does not exist"));
    caller->is_tenant_suspended = tenant.is_tenant_suspended;
    return NULL;
}

const struct failure *portal_authenticate(const struct identities *identities, struct secrets *secrets,
                                          struct text session_token, int64_t now_us, struct arena *arena,
                                          struct caller *caller)
{
    struct portal_token token;

    if (session_token.length == 0 || !secrets)
        return unauthenticated(arena, TEXT("no session: send its token in the header X-Session-Token"));
    enum jwt_verdict verdict = token_read_portal(secrets, session_token, now_us, arena, &token);

    if (verdict != JWT_VALID)
        return explain(arena, verdict);
    *caller = (struct caller){
        .scope = {.number = SCOPE_NONE, .tenant_id = token.tenant_id, .environment_id = token.environment_id},
        .user_id = token.customer_id,
        .customer_id = token.customer_id,
        .kind = CALLER_PORTAL,
        .expires_at_us = INSTANT_UNSET,
    };
    const struct failure *failure = environment_resolve(identities, text_none, false, arena, caller);

    return failure ? failure : check_tenant(identities, arena, caller);
}
