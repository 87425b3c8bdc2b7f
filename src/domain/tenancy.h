/* tenancy.h: tenants, environments and users, as far as an installation needs them. */
#ifndef FARTHING_DOMAIN_TENANCY_H
#define FARTHING_DOMAIN_TENANCY_H

#include "model/tenancy.h"
#include "store/store.h"

/* A new tenant with what it cannot do without: a first user who may do everything, and an environment. */
struct tenant_opening {
    struct tenant tenant;
    struct user user;
    struct environment environment;
    struct scope scope; /* of the environment */
};

/* Opens a tenant (conventions section 22.1) with an environment `Sandbox` of type development. */
const struct failure *tenant_open(struct transaction *transaction, struct text name,
                                  struct tenant_opening *opening);

/* The same for somebody who is known, and who is the one that does all that follows in the transaction: an
 * e-mail in lower case (which must be no other published user's), and metadata for both the tenant and the
 * user (unset: none). */
struct tenant_founder {
    struct text email, metadata;
};
const struct failure *tenant_open_for(struct transaction *transaction, struct text name,
                                      const struct tenant_founder *founder, struct tenant_opening *opening);

/* A new environment of a tenant. */
const struct failure *environment_create(struct transaction *transaction, struct text tenant_id,
                                         struct text name, struct text type, struct environment *environment,
                                         struct scope *scope);

/* Changes the operational status (conventions section 6.3): trialing, active or suspended. */
const struct failure *tenant_set_internal_status(struct transaction *transaction, struct text tenant_id,
                                                 struct text internal_status);

/* An environment with its scope. Without an id: the only one there is; a failure when there are several. */
const struct failure *environment_find(struct transaction *transaction, struct text environment_id,
                                       struct scope *scope);

/* The same by id or name, and perhaps by the id or name of its tenant; either may be unset. A failure when
 * there is none or when there are several. */
const struct failure *environment_find_named(struct transaction *transaction, struct text tenant,
                                             struct text environment, struct scope *scope);

/* The user that an operator's key acts as when none is named: the tenant's oldest published user of type
 * `user`. */
const struct failure *tenant_first_user(struct transaction *transaction, struct text tenant_id,
                                        struct user *user);

#endif
