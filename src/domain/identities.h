/* identities.h: what a process keeps in memory to know who its callers are: users, environments and tenants.
 * API keys are in domain/api_keys.h. */
#ifndef FARTHING_DOMAIN_IDENTITIES_H
#define FARTHING_DOMAIN_IDENTITIES_H

#include "store/store.h"

/* A published user, or service account, of a published tenant. */
struct user_identity {
    struct text id;
    struct text tenant_id;
    struct text type;
    struct text roles;        /* JSON array of role ids */
    int64_t password_made_at; /* of the first password; INSTANT_UNSET: it has none */
    int64_t password_set_at;  /* of the present one */
};

/* An environment, whatever its status (conventions section 4). */
struct environment_identity {
    int64_t scope;
    struct text tenant_id;
    struct text environment_id;
};

/* A published tenant. */
struct tenant_identity {
    struct text id;
    struct text internal_status;
};

extern const struct entity user_identity_entity;
extern const struct entity environment_identity_entity;
extern const struct entity tenant_identity_entity;

/* All of them, as arrays of these structs. */
struct record_list user_identity_list(struct transaction *transaction);
struct record_list environment_identity_list(struct transaction *transaction);
struct record_list tenant_identity_list(struct transaction *transaction);

/* One of them by its id; false when there is none (any more), or on a failure, which the transaction keeps.
 */
bool user_identity_get(struct transaction *transaction, struct text id, struct user_identity *identity);
/* The one whose password is the row `auth_id`. */
bool user_identity_of_auth(struct transaction *transaction, struct text auth_id,
                           struct user_identity *identity);
bool environment_identity_get(struct transaction *transaction, struct text id,
                              struct environment_identity *identity);
bool tenant_identity_get(struct transaction *transaction, struct text id, struct tenant_identity *identity);

#endif
