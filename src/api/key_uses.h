/* key_uses.h: when API keys were last used, out of the memory of this process into the database (conventions
 * section 3.2). Only for the api room. */
#ifndef FARTHING_API_KEY_USES_H
#define FARTHING_API_KEY_USES_H

#include "api/exchange.h"

enum { KEY_USES_BATCH = 200 /* that are written in one command */ };

struct key_uses;

struct key_uses *key_uses_new(void);
/* NULL does nothing. */
void key_uses_free(struct key_uses *uses);

/* Writes down some of the uses since the last time; each key's once a minute at most
 * (CALLER_TABLE_USE_STEP_US). In the write lane, as a command of its own; run again after a rollback, at the
 * same instant, it writes the same. One thread at a time. Gives how many it was: KEY_USES_BATCH when there
 * may be more. */
size_t key_uses_write(struct key_uses *uses, const struct identities *identities,
                      struct transaction *transaction);

#endif
