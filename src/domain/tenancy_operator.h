/* tenancy_operator.h: tenants and environments as an operator deals with them: by id or by name. A name that
 * is taken is refused here, although the wire allows it, so that a name goes on to mean one tenant. */
#ifndef FARTHING_DOMAIN_TENANCY_OPERATOR_H
#define FARTHING_DOMAIN_TENANCY_OPERATOR_H

#include "domain/tenancy.h"
#include "json/reader.h"

/* The published tenant with this id, else the one with this name; without either the only one there is. A
 * name that several have is a failure that lists their ids. */
const struct failure *tenant_find(struct transaction *transaction, struct text reference,
                                  struct tenant *tenant);

/* NULL when a tenant can be called so (text from a command line, which nothing has looked at yet). */
const struct failure *tenant_name_check(struct text name, struct arena *arena);

/* Opens a tenant (domain/tenancy.h) under a name that none has. */
const struct failure *tenant_open_named(struct transaction *transaction, struct text name,
                                        struct tenant_opening *opening);

/* Suspends a tenant, or lets it go on: it is `active` then, since what it was before is not kept. Gives it
 * back as it is now. Nothing is written when it is so already. */
const struct failure *tenant_suspend(struct transaction *transaction, struct text reference,
                                     struct tenant *tenant);
const struct failure *tenant_resume(struct transaction *transaction, struct text reference,
                                    struct tenant *tenant);

/* Reads and validates an environment to be made: name, and type (default `development`). */
const struct failure *environment_read_creation(const struct json_value *object, struct arena *arena,
                                                struct environment *creation);
/* Makes it in a tenant, under a name that none of its environments has. */
const struct failure *environment_create_named(struct transaction *transaction, struct text tenant_id,
                                               const struct environment *creation,
                                               struct environment *created);

/* All published tenants, oldest first: struct tenant_listing. */
struct tenant_listing {
    struct text id;
    struct text name;
    struct text internal_status;
    int64_t created_at;
};
extern const struct entity tenant_listing_entity;
struct record_list tenant_list(struct transaction *transaction);
struct tenant_listing tenant_listing_of(const struct tenant *tenant);

/* The published environments of a tenant, of all of them without an id; oldest first: struct
 * environment_listing. */
struct environment_listing {
    struct text id;
    struct text tenant_id;
    struct text tenant_name;
    struct text name;
    struct text type;
    int64_t created_at;
};
extern const struct entity environment_listing_entity;
struct record_list environment_list(struct transaction *transaction, struct text tenant_id);

#endif
