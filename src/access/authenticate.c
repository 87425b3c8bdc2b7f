#include "access/authenticate.h"

#include "access/environment.h"
#include "access/token.h"

static const struct failure *unauthenticated(struct arena *arena, struct text message)
{
    return failure_new(arena, FAILURE_UNAUTHENTICATED, message);
}

/* Its form alone: whether it is a valid one is not told here. */
static bool is_api_key(struct text value)
{
    return text_starts_with(value, TEXT("sk_"));
}

/* A key of the configuration is looked for first (section 3.3). */
static const struct failure *authenticate_key(const struct identities *identities, struct text api_key,
                                              int64_t now_us, struct arena *arena, struct caller *caller)
{
    uint8_t digest[SHA256_BYTES];
    const struct text key = {(const char *)digest, sizeof digest};

    sha256(api_key, digest);
    if (identities->has_static_keys && caller_table_find(identities->static_keys, key, arena, caller))
        return NULL;
    if (!caller_table_use(identities->keys, key, now_us, arena, caller))
        return unauthenticated(arena, TEXT("the API key is not valid"));
    if (caller->expires_at_us != INSTANT_UNSET && now_us >= caller->expires_at_us)
        return unauthenticated(arena, TEXT("the API key has expired"));
    return NULL;
}

/* A new password ends the tokens of those before it. Ours say which one they are of: one of a later password
 * than this process has heard of stays valid. Others were issued before the change unless they say otherwise.
 */
static bool is_ended(const struct user_token *token, const struct caller *user)
{
    if (token->password_set_at_us != INSTANT_UNSET)
        return token->password_set_at_us < user->password_set_at_us;
    return !user->is_first_password && token->issued_at_us < user->password_set_at_us;
}

/* Roles are those of the user's row as it is now, not those of the day on which the token was made (section
 * 3.4). */
static const struct failure *authenticate_token(const struct identities *identities, struct secrets *secrets,
                                                struct text authorization, int64_t now_us,
                                                struct arena *arena, struct caller *caller)
{
    static const struct text scheme = TEXT_LITERAL("Bearer ");
    struct user_token token;

    if (!text_starts_with(authorization, scheme))
        return unauthenticated(arena, TEXT("the header Authorization must be `Bearer ` and a token"));
    if (is_api_key(text_from(authorization, scheme.length)))
        return unauthenticated(arena,
                               TEXT("this is an API key, not a token: send it in the header x-api-key"));
    enum jwt_verdict verdict =
        secrets ? token_read_user(secrets, text_from(authorization, scheme.length), now_us, arena, &token)
                : JWT_WRONG_SIGNATURE;

    if (verdict != JWT_VALID)
        return unauthenticated(arena, arena_format(arena, "the token %s", jwt_verdict_text(verdict)));
    if (!caller_table_find(identities->users, token.user_id, arena, caller) ||
        !text_equal(caller->scope.tenant_id, token.tenant_id))
        return unauthenticated(arena, TEXT("the token's user does not exist in its tenant any more"));
    if (is_ended(&token, caller))
        return unauthenticated(
            arena, TEXT("the token was given for a password that is not the user's any more; log in again"));
    if (text_is_set(token.environment_id))
        caller->scope.environment_id = token.environment_id;
    return NULL;
}

const struct failure *authenticate(const struct identities *identities, struct secrets *secrets,
                                   const struct credentials *credentials, int64_t now_us, struct arena *arena,
                                   struct caller *caller)
{
    const struct failure *failure;

    if (credentials->api_key.length == 0 && credentials->authorization.length == 0)
        return unauthenticated(arena, TEXT("no credentials: send an API key in the header x-api-key, or a "
                                           "token in the header Authorization"));
    if (credentials->api_key.length > 0) {
        failure = authenticate_key(identities, credentials->api_key, now_us, arena, caller);
        if (!failure || credentials->authorization.length == 0)
            return failure;
    }
    *caller = (struct caller){0};
    return authenticate_token(identities, secrets, credentials->authorization, now_us, arena, caller);
}

/* A key's tenant was there when the key was taken in, and what is read is open to a suspended one, too: so
 * most requests need not look. */
static const struct failure *check_tenant(const struct identities *identities, bool is_write,
                                          struct arena *arena, struct caller *caller)
{
    struct caller tenant;

    if (caller->key_id.length > 0 && !is_write)
        return NULL;
    if (!caller_table_find(identities->tenants, caller->scope.tenant_id, arena, &tenant))
        return unauthenticated(arena, TEXT("the caller's tenant does not exist"));
    caller->is_tenant_suspended = tenant.is_tenant_suspended;
    return NULL;
}

const struct failure *authorize(const struct identities *identities, const struct credentials *credentials,
                                const struct requirements *requirements, struct arena *arena,
                                struct caller *caller)
{
    bool is_write = requirements->permission.action == PERMISSION_WRITE;
    const struct failure *failure = environment_resolve(identities, credentials->environment_id,
                                                        requirements->without_environment, arena, caller);

    if (!failure)
        failure = check_tenant(identities, is_write, arena, caller);
    if (!failure && !environment_is_allowed(identities, caller, caller->scope.environment_id, arena))
        failure =
            failure_new(arena, FAILURE_PERMISSION_DENIED, TEXT("the caller may not use this environment"));
    return failure ? failure
                   : permission_check(caller, &requirements->permission, requirements->enforces_reads, arena);
}
