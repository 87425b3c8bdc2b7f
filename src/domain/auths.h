/* auths.h: signing up and what logging in needs (conventions section 22.1). Passwords are hashed elsewhere
 * (access/password.h): only hashes come here. */
#ifndef FARTHING_DOMAIN_AUTHS_H
#define FARTHING_DOMAIN_AUTHS_H

#include "domain/tenancy.h"
#include "model/auth.h"

/* An e-mail as it is stored and compared: ASCII letters in lower case, since the case of others is not ours
 * to judge. In the arena. */
struct text email_lower_case(struct text email, struct arena *arena);

struct sign_up {
    struct text email; /* in lower case */
    struct text password_hash;
    struct text tenant_name;
    struct text metadata; /* of the tenant and of the user; unset: none */
    bool is_first_only;   /* refused once anybody has a password */
};

/* Opens a tenant whose first user has an e-mail and a password. FAILURE_PERMISSION_DENIED when it is too late
 * for is_first_only; an e-mail that any published user has fails the command. */
const struct failure *auth_sign_up(struct transaction *transaction, const struct sign_up *sign_up,
                                   struct tenant_opening *opening);

/* Whether any user has a password. */
bool auth_is_any(struct transaction *transaction);

/* Gives a user a password. */
void auth_create(struct transaction *transaction, struct text user_id, struct text password_hash);

/* What an operator sets. */
struct password_setting {
    struct text user;  /* id or e-mail */
    struct text email; /* the user's from now on; empty: the one that it has */
    struct text password_hash;
};
/* Gives a published user another password, or a first one, which ends all tokens of before; *user is what it
 * is then. A failure when there is none, for a service account, and without an e-mail, which is what people
 * log in with; an e-mail that any other published user has fails the command. */
const struct failure *auth_set_password(struct transaction *transaction,
                                        const struct password_setting *setting, struct user *user);

/* What is known of a published user with a password. */
struct login {
    struct text user_id;
    struct text tenant_id;
    struct text password_hash;
    int64_t password_set_at;
};

/* The one with this e-mail (in lower case). False when there is none. */
bool auth_find(struct transaction *transaction, struct text email, struct login *login);

/* Keeps another hash of the same password, which ends no token; does nothing when the password is not
 * `login`'s any more. */
void auth_replace_hash(struct transaction *transaction, const struct login *login, struct text password_hash);

#endif
