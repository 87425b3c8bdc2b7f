/* user_password.c: a password for a user, given by the operator. */
#include "domain/auths.h"
#include "domain/records.h"
#include "domain/users.h"

/* An e-mail is one user's among all tenants (conventions section 22.5). */
STORE_QUERY(user_named, &user_entity,
            "SELECT {columns} FROM users WHERE id = $1 AND status = 'published' {lock}");
STORE_QUERY(user_with_email, &user_entity,
            "SELECT {columns} FROM users WHERE email = $1 AND email <> '' AND status = 'published' {lock}");
STORE_QUERY(auth_before, &auth_entity,
            "SELECT {columns} FROM auths WHERE user_id = $1 AND status = 'published' {lock}");

const struct failure *user_find_named(struct transaction *transaction, struct text reference,
                                      struct user *user)
{
    struct text email = email_lower_case(reference, transaction->arena);

    if (query_record(transaction, &user_named, VALUES(value_text(reference)), user) ||
        (email.length > 0 && query_record(transaction, &user_with_email, VALUES(value_text(email)), user)))
        return NULL;
    return failure_new(transaction->arena, FAILURE_NOT_FOUND,
                       arena_format(transaction->arena,
                                    "there is no user \"%.*s\"; `farthing user list` shows them",
                                    TEXT_FORMAT(reference)));
}

static const struct failure *check(struct transaction *transaction, const struct user *user,
                                   struct text email)
{
    if (user_is_service_account(user))
        return failure_new(
            transaction->arena, FAILURE_VALIDATION,
            arena_format(transaction->arena,
                         "%.*s is a service account, which cannot log in; `farthing key create --user %.*s` "
                         "makes a key for it",
                         TEXT_FORMAT(user->id), TEXT_FORMAT(user->id)));
    if (email.length > 0)
        return NULL;
    return failure_new(transaction->arena, FAILURE_VALIDATION,
                       arena_format(transaction->arena,
                                    "%.*s has no e-mail to log in with; give one with --email",
                                    TEXT_FORMAT(user->id)));
}

/* When it was set is also which password a token is of: later than before, whatever the clock says. */
static void replace(struct transaction *transaction, const struct auth *before, struct text password_hash)
{
    struct auth *after = ARENA_NEW(transaction->arena, struct auth);

    *after = *before;
    after->token = password_hash;
    RECORD_STAMP_UPDATED(after, transaction->call);
    if (after->updated_at <= before->updated_at)
        after->updated_at = before->updated_at + 1;
    transaction_update(transaction, NULL, &auth_entity, before, after);
}

const struct failure *auth_set_password(struct transaction *transaction,
                                        const struct password_setting *setting, struct user *user)
{
    struct user *before = ARENA_NEW(transaction->arena, struct user);
    struct auth *auth = ARENA_NEW(transaction->arena, struct auth);
    const struct failure *failure = user_find_named(transaction, setting->user, before);

    if (failure)
        return failure;
    *user = *before;
    if (setting->email.length > 0)
        user->email = email_lower_case(setting->email, transaction->arena);
    failure = check(transaction, user, user->email);
    if (failure)
        return failure;
    if (!text_equal(user->email, before->email)) {
        RECORD_STAMP_UPDATED(user, transaction->call);
        transaction_update(transaction, NULL, &user_entity, before, user);
    }
    if (query_record(transaction, &auth_before, VALUES(value_text(user->id)), auth))
        replace(transaction, auth, setting->password_hash);
    else
        auth_create(transaction, user->id, setting->password_hash);
    return NULL;
}
