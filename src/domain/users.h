/* users.h: people and service accounts of a tenant (conventions section 22.5). */
#ifndef FARTHING_DOMAIN_USERS_H
#define FARTHING_DOMAIN_USERS_H

#include "model/tenancy.h"
#include "store/store.h"
#include "json/reader.h"

/* Reads and validates a user to be made: type (default `user`), email, name, roles. A user needs an email,
 * which is kept in lower case, and may do everything unless roles say otherwise; a service account has roles
 * and no email. super_admin stands alone. */
const struct failure *user_read_creation(const struct json_value *object, struct arena *arena,
                                         struct user *creation);

/* Makes a user of a tenant. An email that any published user has fails the command. */
const struct failure *user_create(struct transaction *transaction, struct text tenant_id,
                                  const struct user *creation, struct user *created);

/* A published user of a tenant. */
const struct failure *user_find(struct transaction *transaction, struct text tenant_id, struct text id,
                                struct user *user);

/* The published users of a tenant, of all of them without an id; oldest first: struct user_listing. */
struct user_listing {
    struct text id;
    struct text tenant_id;
    struct text email;
    struct text name;
    struct text type;
    struct text roles;
    int64_t created_at;
};
extern const struct entity user_listing_entity;
struct record_list user_list(struct transaction *transaction, struct text tenant_id);
struct user_listing user_listing_of(const struct user *user);

#endif
