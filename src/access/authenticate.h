/* authenticate.h: from a request's credentials to its caller (conventions section 3). */
#ifndef FARTHING_ACCESS_AUTHENTICATE_H
#define FARTHING_ACCESS_AUTHENTICATE_H

#include "access/key_table.h"
#include "domain/api_keys.h"

/* Who is behind the header `x-api-key`. NULL with *caller filled (texts in the arena); otherwise why not
 * (401). */
const struct failure *authenticate(struct key_table *keys, struct text api_key, int64_t now_us,
                                   struct arena *arena, struct caller *caller);

/* Fills the table with every key that authenticates; to be called once, at the start. */
void authenticate_load(struct key_table *keys, struct transaction *transaction);
/* Makes a key known after the command that made it. */
void authenticate_add(struct key_table *keys, const struct active_key *key, struct arena *arena);
/* Makes a key unknown after the command that revoked it; `value` is the hex hash in its record. */
void authenticate_remove(struct key_table *keys, struct text value);

#endif
