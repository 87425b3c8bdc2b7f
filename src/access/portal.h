/* portal.h: customers who look after themselves, by a token that somebody made for them (conventions section
 * 3.5, 10-customers section 12). */
#ifndef FARTHING_ACCESS_PORTAL_H
#define FARTHING_ACCESS_PORTAL_H

#include "access/identities.h"
#include "access/token.h"

/* Who is behind the header X-Session-Token; a token of another kind is none. NULL with *caller filled, scope
 * included (texts in the arena); otherwise why not (401, or 403 for an environment that the tenant does not
 * have). Without secrets nobody is known. */
const struct failure *portal_authenticate(const struct identities *identities, struct secrets *secrets,
                                          struct text session_token, int64_t now_us, struct arena *arena,
                                          struct caller *caller);

#endif
