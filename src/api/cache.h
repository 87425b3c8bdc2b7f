/* cache.h: what the process keeps of the database in memory (keys, and whether their tenants are suspended),
 * kept as the database has it. Only for the api room. */
#ifndef FARTHING_API_CACHE_H
#define FARTHING_API_CACHE_H

#include "api/exchange.h"

/* Fills it, at the start. NULL, or why it could not be read. */
const struct failure *cache_load(struct api *api, struct arena *arena);
/* Has it hear of what other processes change. */
void cache_listen(struct api *api);

/* For routes whose command has changed a key or a tenant's state: reads it anew. Several take turns (the
 * pipeline sees to that), so that the last one has all commits before it in sight. */
void cache_refresh_key(struct api *api, struct transaction *transaction, struct text id);
void cache_refresh_tenant(struct api *api, struct transaction *transaction, struct text id);

#endif
