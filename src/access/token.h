/* token.h: the two kinds of token that we issue, each with a signing key of its own, so that neither can pass
 * for the other (conventions sections 3.4 and 3.5). */
#ifndef FARTHING_ACCESS_TOKEN_H
#define FARTHING_ACCESS_TOKEN_H

#include "access/jwt.h"
#include "access/secrets.h"

enum {
    TOKEN_USER_SECONDS = 30 * 24 * 60 * 60, /* section 3.4 */
    TOKEN_PORTAL_SECONDS_DEFAULT = 60 * 60, /* 10-customers section 12 */
};

/* Who has logged in. The signing key itself signs it, so that tokens that an operator makes with the
 * configured secret work. */
struct user_token {
    struct text user_id, tenant_id;
    struct text environment_id; /* unset: none; only in tokens that an operator makes */
    int64_t password_set_at_us; /* which password it was given for; INSTANT_UNSET: an operator has made it */
    int64_t issued_at_us;       /* only of one that was read; INT64_MIN: it does not say */
};

/* Whose portal it is. */
struct portal_token {
    struct text customer_id, external_customer_id, tenant_id, environment_id;
};

/* A token that is valid from now on, TOKEN_USER_SECONDS or `lifetime_seconds` long; in the arena. */
struct text token_issue_user(struct secrets *secrets, const struct user_token *user, int64_t now_us,
                             struct arena *arena);
struct text token_issue_portal(struct secrets *secrets, const struct portal_token *portal, int64_t now_us,
                               int64_t lifetime_seconds, struct arena *arena);

/* Reads a token of the kind, signed with any key that is honoured now. JWT_VALID with all texts filled (those
 * of a portal token and the first two of a user token are not empty), in the arena or borrowed from `token`;
 * else what is wrong with it. Whether the user, the tenant or the customer is still there is not looked at.
 */
enum jwt_verdict token_read_user(struct secrets *secrets, struct text token, int64_t now_us,
                                 struct arena *arena, struct user_token *user);
enum jwt_verdict token_read_portal(struct secrets *secrets, struct text token, int64_t now_us,
                                   struct arena *arena, struct portal_token *portal);

#endif
