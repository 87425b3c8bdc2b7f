#include "api/cache.h"

#include "base/instant.h"

/* Threads come here in any order, whatever the order of the commits was: so they read what they need anew,
 * one at a time. */
void cache_take_changes(struct api *api, const struct store_change *changes, struct transaction *transaction,
                        struct arena *arena)
{
    pthread_mutex_lock(&api->identities_lock);
    for (const struct store_change *change = changes; change; change = change->next) {
        tenant_billing_hear(api, change->entity->name);
        if (transaction)
            identities_refresh(api->identities, transaction, change->entity->name,
                               entity_id(change->entity, change->record));
        else
            identities_apply(api->identities, change->entity, change->record, arena);
    }
    pthread_mutex_unlock(&api->identities_lock);
}

struct refreshing {
    struct api *api;
    struct text entity_name, id;
};

/* On the thread that reads: whoever waited for it with the lock in hand could wait for one that waits for the
 * lock. */
static const struct failure *refresh(void *context, struct transaction *transaction)
{
    const struct refreshing *refreshing = context;

    pthread_mutex_lock(&refreshing->api->identities_lock);
    identities_refresh(refreshing->api->identities, transaction, refreshing->entity_name, refreshing->id);
    pthread_mutex_unlock(&refreshing->api->identities_lock);
    return NULL;
}

static void hear(void *context, struct transaction *transaction, struct text entity_name, struct text id)
{
    struct refreshing refreshing = {context, entity_name, id};

    tenant_billing_hear(context, entity_name);
    refresh(&refreshing, transaction);
}

const struct failure *cache_load(struct api *api, struct arena *arena)
{
    const struct call call = {.actor_id = text_empty, .request_id = text_empty, .now_us = instant_now_us()};
    struct refreshing refreshing = {api, text_none, text_none};

    return store_read(api->store, arena, &call, refresh, &refreshing);
}

void cache_listen(struct api *api)
{
    store_listen(api->store, hear, api);
}
