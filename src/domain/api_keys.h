/* api_keys.h: API keys (conventions sections 3.2 and 22.4). Only a key's hash is stored. */
#ifndef FARTHING_DOMAIN_API_KEYS_H
#define FARTHING_DOMAIN_API_KEYS_H

#include "domain/actor.h"
#include "model/page.h"
#include "model/secret.h"
#include "model/tenancy.h"
#include "store/store.h"
#include "json/reader.h"

enum { API_KEY_LENGTH = 29 }; /* sk_ and 26 characters of 5 random bits each */

/* Reads and validates a key to be made: name, type, expires_at (which must lie in the future). It has no
 * roles of its own. */
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
    struct text user_name; /* its name, else its e-mail, else its id */
    int64_t expires_at;
    int64_t created_at;
};
extern const struct entity api_key_listing_entity;
struct record_list api_key_list(struct transaction *transaction);

/* What a caller asks for (section 22.4): a key, and whose it shall be; unset: the caller's. */
struct api_key_minting {
    struct secret secret;
    struct text service_account_id;
    struct text roles; /* JSON array: what the caller takes to be the owner's; unset: says nothing of them */
};
/* The field of it that the key does not have. */
extern const struct field api_key_minting_fields[];
extern const size_t api_key_minting_field_count;
const struct failure *api_key_read_minting(const struct json_value *object, int64_t now_us,
                                           struct arena *arena, struct api_key_minting *minting);
/* Makes a key in the caller's environment, with its owner's roles as they are now: whoever asks for others is
 * told so, lest the key could do more than they think. Whoever has fewer roles
 * than the owner, with a key that was made so, cannot make one that has them all. */
const struct failure *api_key_mint(struct transaction *transaction, const struct actor *actor,
                                   const struct api_key_minting *minting, struct secret *created,
                                   struct text *plain_key);

/* Which of an environment's keys are wanted. */
struct api_key_filter {
    struct text user_id; /* empty: anybody's, for a super admin; others only see their own */
    int64_t start_time, end_time;
    bool is_ascending;
    struct page page;
};
struct api_key_page {
    struct record_list secrets;          /* struct secret */
    struct record_list service_accounts; /* struct user: those that own some of them */
    int64_t total;
};
/* The published private keys of the caller's environment, expired ones included. */
const struct failure *api_key_search(struct transaction *transaction, const struct actor *actor,
                                     const struct api_key_filter *filter, struct api_key_page *page);

/* Marks a key of the caller's environment as deleted: their own, or for a super admin anybody's. Doing it
 * again changes nothing. */
const struct failure *api_key_delete(struct transaction *transaction, const struct actor *actor,
                                     struct text id);

/* The keys of a user that still count, environment by environment: struct owned_key. */
struct owned_key {
    struct text id;
    struct text name;
    struct text environment_id;
    struct text environment_name;
};
struct record_list api_keys_of_user(struct transaction *transaction, struct text user_id);

/* Notes when keys were last used; a key that was used later already stays as it is. Leaves nothing in the
 * audit trail. */
struct api_key_use {
    struct text id;
    int64_t scope;
    int64_t used_at;
};
void api_key_note_uses(struct transaction *transaction, const struct api_key_use *uses, size_t count);

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
