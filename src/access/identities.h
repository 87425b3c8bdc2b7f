/* identities.h: everybody whom the process knows, in memory, so that no request asks the database who makes
 * it. All of it may be used by any thread. */
#ifndef FARTHING_ACCESS_IDENTITIES_H
#define FARTHING_ACCESS_IDENTITIES_H

#include "access/caller_table.h"
#include "base/hash.h"
#include "domain/api_keys.h"
#include "domain/identities.h"

struct identities {
    struct caller_table *keys;            /* API keys that authenticate, under the SHA-256 of the key */
    struct caller_table *users;           /* published ones, under their ids */
    struct caller_table *environments;    /* under their ids: of a caller only the scope is set */
    struct caller_table *tenants;         /* published ones, under their ids: tenant and suspension are set */
    struct caller_table *static_keys;     /* of the configuration, as `keys` */
    struct caller_table *allowed;         /* of the configuration: environment.h */
    bool has_allow_list, has_static_keys; /* most servers have none, and need not look */
};

struct identities *identities_new(void);
void identities_free(struct identities *identities);

/* Takes in one of each as the database has it. */
void identities_put_key(struct identities *identities, const struct active_key *key, struct arena *arena);
void identities_put_user(struct identities *identities, const struct user_identity *user,
                         struct arena *arena);
void identities_put_environment(struct identities *identities,
                                const struct environment_identity *environment);
void identities_put_tenant(struct identities *identities, const struct tenant_identity *tenant);

/* Reads everybody anew. What is in memory stays as it is when that fails; the transaction keeps the failure.
 */
void identities_load(struct identities *identities, struct transaction *transaction);
/* Reads anew what follows from the row `id` of an entity that is kept in memory (struct entity, is_cached).
 */
void identities_refresh(struct identities *identities, struct transaction *transaction,
                        struct text entity_name, struct text id);
/* Takes in a change that was committed, as far as the record itself tells: whoever may do less from now on
 * does, even when nothing can be read any more. */
void identities_apply(struct identities *identities, const struct entity *entity, const void *record,
                      struct arena *arena);

/* Takes in the keys of the configuration (conventions section 3.3), once, before there are requests: a JSON
 * object from the hex SHA-256 of each key to {tenant_id, user_id, name, is_active}. NULL, or what is wrong
 * with it, for a person: "must be …". */
const char *identities_configure_keys(struct identities *identities, struct text json, struct arena *arena);

#endif
