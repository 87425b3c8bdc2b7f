/* cache.h: what the process keeps of the database in memory (access/identities.h), kept as the database has
 * it. Only for the api room. */
#ifndef FARTHING_API_CACHE_H
#define FARTHING_API_CACHE_H

#include "api/exchange.h"

/* Fills it, at the start. NULL, or why it could not be read. */
const struct failure *cache_load(struct api *api, struct arena *arena);
/* Has it hear of what other processes change. */
void cache_listen(struct api *api);

/* Takes in what a command of this process has changed, as the database tells. Several take turns, so that the
 * last one has all commits before it in sight. Only when nothing can be read any more, what its records tell
 * (`transaction` NULL): another command may have changed the same since. */
void cache_take_changes(struct api *api, const struct store_change *changes, struct transaction *transaction,
                        struct arena *arena);

#endif
