#include "api/cache.h"

#include "access/authenticate.h"
#include "base/instant.h"
#include "domain/tenancy_operator.h"

void cache_refresh_key(struct api *api, struct transaction *transaction, struct text id)
{
    struct active_key key;

    if (active_key_get(transaction, id, &key))
        authenticate_add(api->keys, &key, transaction->arena);
    else if (!transaction->failure)
        key_table_remove_id(api->keys, id);
}

void cache_refresh_tenant(struct api *api, struct transaction *transaction, struct text id)
{
    struct tenant tenant;

    if (!tenant_find(transaction, id, &tenant) && !transaction->failure)
        key_table_suspend(api->keys, id, text_equal(tenant.internal_status, TEXT("suspended")));
}

/* A new table takes the place of the old one, so that nobody is let in, or kept out, amid the change. */
static void refresh_all(struct api *api, struct transaction *transaction)
{
    struct key_table *fresh = key_table_new();

    authenticate_load(fresh, transaction);
    if (!transaction->failure)
        key_table_swap(api->keys, fresh);
    key_table_free(fresh);
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

    pthread_mutex_lock(&refreshing->api->committed_lock);
    if (text_equal(refreshing->entity_name, TEXT("secret")))
        cache_refresh_key(refreshing->api, transaction, refreshing->id);
    else if (text_equal(refreshing->entity_name, TEXT("tenant")))
        cache_refresh_tenant(refreshing->api, transaction, refreshing->id);
    else
        refresh_all(refreshing->api, transaction);
    pthread_mutex_unlock(&refreshing->api->committed_lock);
    return NULL;
}

static void hear(void *context, struct transaction *transaction, struct text entity_name, struct text id)
{
    struct refreshing refreshing = {context, entity_name, id};

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
