/* users.h: people and service accounts of a tenant (conventions section 22.5). */
#ifndef FARTHING_DOMAIN_USERS_H
#define FARTHING_DOMAIN_USERS_H

#include "domain/actor.h"
#include "domain/limits.h"
#include "model/tenancy.h"
#include "store/list_query.h"
#include "json/reader.h"

extern const struct text user_type_user, user_type_service_account;

static inline bool user_is_service_account(const struct user *user)
{
    return text_equal(user->type, user_type_service_account);
}

/* Reads and validates a user to be made: type (default `user`), email, name, roles. A user needs an email,
 * which is kept in lower case, and may do everything unless roles say otherwise; a service account has roles
 * and no email. super_admin stands alone. */
const struct failure *user_read_creation(const struct json_value *object, struct arena *arena,
                                         struct user *creation);

/* Says of a field `roles` what is wrong with those given (a JSON array of ids) for a user of this type. */
void user_check_roles(const struct user *user, struct text given, struct arena *arena,
                      struct failure **failure);

/* Makes a user of a tenant. An email that any published user has fails the command. */
const struct failure *user_create(struct transaction *transaction, struct text tenant_id,
                                  const struct user *creation, struct user *created);

/* A published user of a tenant. */
const struct failure *user_find(struct transaction *transaction, struct text tenant_id, struct text id,
                                struct user *user);

/* A published user of any tenant, by id or e-mail, as an operator names one. */
const struct failure *user_find_named(struct transaction *transaction, struct text reference,
                                      struct user *user);

/* ---- for the tenant itself (conventions section 22.5): all of these are about the caller's tenant ---- */

/* A user, whatever its status; in the write lane it stays as it is until the commit. False when there is none
 * with this id. */
bool user_lock(struct transaction *transaction, struct text id, struct user *user);
const struct failure *user_not_found(struct transaction *transaction, struct text id);
/* The failure that the user owns keys that still count, naming them; NULL when there are none. The user must
 * be locked, so that none is made meanwhile. */
const struct failure *user_keys_check(struct transaction *transaction, const struct user *user);

/* The caller's own user. */
const struct failure *user_get_self(struct transaction *transaction, struct user *user);

/* What users change about themselves. */
struct user_change {
    struct text name;     /* empty: unchanged */
    struct text metadata; /* its members are added to those that are there; unset: unchanged */
};
extern const struct field user_change_fields[];
extern const size_t user_change_field_count;
const struct failure *user_read_change(const struct json_value *object, struct arena *arena,
                                       struct user_change *change);
const struct failure *user_update_self(struct transaction *transaction, const struct user_change *change,
                                       struct user *updated);

/* As user_read_creation; the type must be given. */
extern const struct field user_creation_fields[];
extern const size_t user_creation_field_count;
const struct failure *user_read_invitation(const struct json_value *object, struct arena *arena,
                                           struct user *creation);
/* NULL when the caller may make such a user: a person only a super admin, and none with more permissions than
 * the caller has. */
const struct failure *user_check_invitation(const struct actor *actor, const struct user *creation,
                                            struct arena *arena);
/* NULL when nobody else has the e-mail and the tenant has fewer users than it may: as it is now, before
 * anything costly is done for the user. */
const struct failure *user_check_room(struct transaction *transaction, const struct user *creation,
                                      const struct tenant_limits *limits);
/* Makes it, unless the tenant has as many users as it may. */
const struct failure *user_invite(struct transaction *transaction, const struct user *creation,
                                  const struct tenant_limits *limits, struct user *created);

/* Renames a service account; an archived one cannot be changed any more. */
const struct failure *service_account_read_change(const struct json_value *object, struct arena *arena,
                                                  struct user *change);
const struct failure *service_account_update(struct transaction *transaction, struct text id,
                                             struct text name, struct user *updated);

/* Reads and validates the roles of a user of type `user`: at least one. */
const struct failure *user_read_roles(const struct json_value *object, struct arena *arena,
                                      struct user *change);
/* Gives another user of type `user` these roles, unless keys with the old ones still count. */
const struct failure *user_set_roles(struct transaction *transaction, struct text id, struct text roles,
                                     struct user *updated);

/* Archives a service account that owns no key that still counts. */
const struct failure *service_account_archive(struct transaction *transaction, struct text id);

/* Which users are wanted. */
struct user_filter {
    struct text type;
    struct text user_ids;          /* a JSON array; unset or empty: any */
    bool is_ascending;             /* by created_at, behind the sorts */
    const struct list_sort *sorts; /* by some of user_sort_fields */
    size_t sort_count;
    struct page page;
};
extern const struct text user_sort_fields[]; /* ended by an unset text */
/* Published users: struct user. */
struct record_list user_search(struct transaction *transaction, const struct user_filter *filter,
                               int64_t *total);

/* ---- for the operator ---- */

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
