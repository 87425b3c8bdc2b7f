/* environment.h: which environment a request is about (conventions section 4), and who may choose it
 * (section 6.4). */
#ifndef FARTHING_ACCESS_ENVIRONMENT_H
#define FARTHING_ACCESS_ENVIRONMENT_H

#include "access/identities.h"
#include "model/failure.h"

/* Completes the caller's scope. A caller that is bound to an environment (an API key, a claim of its token)
 * keeps it, whatever the header says; a claim must name one of the caller's tenant. For the others it is what
 * the header X-Environment-ID says, which must be an environment of the caller's tenant; without a header it
 * stays open where `may_be_absent`. NULL, or why not (403). */
const struct failure *environment_resolve(const struct identities *identities, struct text header,
                                          bool may_be_absent, struct arena *arena, struct caller *caller);

/* Takes in the allow-list of the configuration, once, before there are requests: a JSON object from tenant
 * to user to a list of environment ids. NULL, or what is wrong with it, for a person: "must be …". */
const char *environment_configure_allow_list(struct identities *identities, struct text json,
                                             struct arena *arena);

/* Whether the allow-list lets the caller into an environment; whom it does not name it does not limit. */
bool environment_is_allowed(const struct identities *identities, const struct caller *caller,
                            struct text environment_id, struct arena *arena);

/* The same as a question that can be handed on to what knows nothing of callers. */
struct environment_allowance {
    const struct identities *identities;
    const struct caller *caller;
    struct arena *arena;
};
/* `allowance` is a struct environment_allowance. */
bool environment_allows(void *allowance, struct text environment_id);

#endif
