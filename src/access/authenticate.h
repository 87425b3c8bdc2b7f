/* authenticate.h: from a request's credentials to its caller, and what the caller may do: the steps 7 to 11
 * of conventions section 2, in this order. */
#ifndef FARTHING_ACCESS_AUTHENTICATE_H
#define FARTHING_ACCESS_AUTHENTICATE_H

#include "access/identities.h"
#include "access/permission.h"
#include "access/secrets.h"

/* Headers of a request; unset or empty: not sent. */
struct credentials {
    struct text api_key;        /* x-api-key */
    struct text authorization;  /* Authorization */
    struct text environment_id; /* X-Environment-ID */
};

/* Who is behind the credentials (section 3.1): a valid API key decides; without one, the bearer token does.
 * `secrets` are what tokens are signed with; NULL: there are none, and so no token is valid. NULL with
 * *caller filled (texts in the arena, or borrowed from the credentials); otherwise why not (401). */
const struct failure *authenticate(const struct identities *identities, struct secrets *secrets,
                                   const struct credentials *credentials, int64_t now_us, struct arena *arena,
                                   struct caller *caller);

/* What a route asks of its callers. */
struct requirements {
    struct permission permission;
    bool without_environment; /* an environment need not be named */
    bool enforces_reads;      /* ruling 7 */
};

/* Completes the caller's scope and says whether it may: environment (403), tenant (401), allow-list (403),
 * permission (403). */
const struct failure *authorize(const struct identities *identities, const struct credentials *credentials,
                                const struct requirements *requirements, struct arena *arena,
                                struct caller *caller);

#endif
