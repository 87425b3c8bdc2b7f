/* connection_secrets.h: what the files of connections share about their secrets. Only for the domain. */
#ifndef FARTHING_DOMAIN_CONNECTION_SECRETS_H
#define FARTHING_DOMAIN_CONNECTION_SECRETS_H

#include "domain/connections.h"

/* The members of `base` and of `changes`, which count more; an empty text removes one. In the arena. */
struct text connection_secrets_merge(struct text base, struct text changes, struct arena *arena);

/* What the secrets of a connection are bound to. */
struct text connection_secrets_about(struct arena *arena, struct text tenant_id, struct text id);

/* The secrets of a connection of the caller's tenant, encrypted; unset when there are none. */
struct text connection_secrets_close(struct transaction *transaction, const struct envelope_keys *keys,
                                     struct text id, struct text secrets);

/* Names what `provider` needs of sync_config (unset: nothing) and does not find there. */
void connection_sync_check(const struct provider *provider, struct text sync_config, struct arena *arena,
                           struct failure **failure);

#endif
