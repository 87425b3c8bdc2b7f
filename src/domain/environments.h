/* environments.h: environments as their tenant deals with them (conventions section 22.2). All of these are
 * about the caller's tenant. */
#ifndef FARTHING_DOMAIN_ENVIRONMENTS_H
#define FARTHING_DOMAIN_ENVIRONMENTS_H

#include "domain/limits.h"
#include "domain/tenancy.h"
#include "model/page.h"
#include "json/reader.h"

/* A published environment; a failure when the tenant has none with this id. */
const struct failure *environment_get(struct transaction *transaction, struct text id,
                                      struct environment *environment);

/* The published environments, newest first: struct environment. With `is_allowed` only those that it lets
 * through count. */
struct record_list environment_page(struct transaction *transaction, const struct page *page,
                                    bool (*is_allowed)(void *context, struct text id), void *context);

/* Reads and validates an environment to be made: name and type, both required. */
const struct failure *environment_read(const struct json_value *object, struct arena *arena,
                                       struct environment *creation);
/* Makes it, unless the tenant has as many of its type as it may. */
const struct failure *environment_make(struct transaction *transaction, const struct environment *creation,
                                       const struct tenant_limits *limits, struct environment *created);

/* A request to change an environment; what is unset or empty stays as it is. */
struct environment_change {
    struct text name;
    struct text type; /* can only be what it is already */
};
extern const struct field environment_change_fields[];
extern const size_t environment_change_field_count;
const struct failure *environment_read_change(const struct json_value *object, struct arena *arena,
                                              struct environment_change *change);
const struct failure *environment_update(struct transaction *transaction, struct text id,
                                         const struct environment_change *change,
                                         struct environment *updated);

/* A request to copy what an environment has into another one: into one that is there, or into a new one. */
struct environment_cloning {
    struct text target_environment_id; /* unset: make `target` */
    struct environment target;
};
extern const struct field environment_cloning_fields[];
extern const size_t environment_cloning_field_count;
/* `target_environment_id`, or else `name` and `type`; with the former the latter are not looked at. */
const struct failure *environment_read_cloning(const struct json_value *object, struct arena *arena,
                                               struct environment_cloning *cloning);

/* What a clone is known by (80-admin section 10). */
struct environment_clone {
    struct text workflow_id;
    struct text run_id;
    struct environment target;
};
/* Copies all that can be copied (80-admin section 5), after it has made the target if need be. */
const struct failure *environment_clone(struct transaction *transaction, struct text source_id,
                                        const struct environment_cloning *cloning,
                                        const struct tenant_limits *limits, struct environment_clone *clone);

#endif
