/* api_keys.h: API keys (conventions sections 3.2 and 22.4). Only a key's hash is stored. */
#ifndef FARTHING_DOMAIN_API_KEYS_H
#define FARTHING_DOMAIN_API_KEYS_H

#include "model/secret.h"
#include "model/tenancy.h"
#include "store/store.h"
#include "json/reader.h"

enum { API_KEY_LENGTH = 29 }; /* sk_ and 26 characters of 5 random bits each */

/* Reads and validates a key to be made: name, type, roles, expires_at (which must lie in the future). */
const struct failure *api_key_read_creation(const struct json_value *object, int64_t now_us,
                                            struct arena *arena, struct secret *creation);

/* Makes a key that acts as `user` in `scope`. Without roles of its own it has the user's. `plain_key` is the
 * only place where the key itself ever is. */
const struct failure *api_key_create(struct transaction *transaction, const struct scope *scope,
                                     const struct user *user, const struct secret *creation,
                                     struct secret *created, struct text *plain_key);

/* The published keys of all environments, newest first: struct api_key_listing. */
struct api_key_listing {
    struct text id;
    struct text name;
    struct text type;
    struct text display_id;
    struct text roles;
    struct text environment_id;
    struct text user_id;
    int64_t expires_at;
    int64_t created_at;
};
extern const struct entity api_key_listing_entity;
struct record_list api_key_list(struct transaction *transaction);

/* Marks a key as deleted, whatever its environment, and gives it as it was. Revoking it again changes
 * nothing. */
const struct failure *api_key_revoke(struct transaction *transaction, struct text id, struct secret *revoked);

/* A private key that authenticates, with all that a request needs to know of its owner. */
struct active_key {
    struct text value; /* hex SHA-256 */
    struct text id;
    struct text roles;
    struct text user_type;
    struct text user_id;
    int64_t expires_at;
    int64_t scope;
    struct text tenant_id;
    struct text environment_id;
};

/* All of them: struct active_key. */
struct record_list active_key_list(struct transaction *transaction);
/* The one with this record id; false when it does not authenticate (any more). */
bool active_key_get(struct transaction *transaction, struct text id, struct active_key *key);

#endif
