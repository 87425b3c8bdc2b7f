/* api.c: the api's life, and that of what each loop has of it. The way of a request is pipeline.c. */
#include "api/api.h"

#include "access/environment.h"
#include "api/cache.h"
#include "api/exchange.h"
#include "api/housekeeping.h"
#include "api/key_uses.h"
#include "api/observe.h"
#include "api/openapi.h"
#include "api/pipeline.h"
#include "api/rate_limit.h"
#include "api/reply.h"
#include "api/router.h"
#include "api/throttle.h"
#include "base/log.h"

#include <assert.h>
#include <stdlib.h>

struct api_config api_config_default(void)
{
    return (struct api_config){
        .allowed_origins = TEXT("*"),
        .enforces_reads = true,
        .idempotency_retention_hours = IDEMPOTENCY_RETENTION_HOURS_DEFAULT,
        .limits = {LIMIT_USERS_DEFAULT, LIMIT_ENVIRONMENTS_DEFAULT, LIMIT_ENVIRONMENTS_DEFAULT},
        .portal_url = TEXT("http://localhost:3000"),
        .portal_token_hours = 1,
        .default_tenant_name = TEXT("Farthing")};
}

struct api *api_open(struct store *store, struct arena *arena, struct text *reason)
{
    struct api *api = calloc(1, sizeof *api);

    if (!api)
        abort();
    api->config = api_config_default();
    api->store = store;
    api->identities = identities_new();
    api->key_uses = key_uses_new();
    pthread_mutex_init(&api->identities_lock, NULL);
    api->slow_pool = slow_pool_new();
    api->router = router_new(route_tables);
    observe_routes(api);
    openapi_write(&api->description_buffer, route_tables);
    api->description = buffer_text(&api->description_buffer);

    const struct failure *failure = cache_load(api, arena);

    if (failure) {
        *reason = failure->message;
        api_close(api);
        return NULL;
    }
    cache_listen(api);
    return api;
}

void api_close(struct api *api)
{
    api_end_work(api);
    throttle_free(api);
    rate_limit_free(api->key_limit);
    rate_limit_free(api->address_limit);
    router_free(api->router);
    key_uses_free(api->key_uses);
    identities_free(api->identities);
    pthread_mutex_destroy(&api->identities_lock);
    buffer_free(&api->description_buffer);
    free(api->route_labels);
    free(api);
}

/* Against identities that nobody uses. */
static const char *check_json(const char *(*configure)(struct identities *, struct text, struct arena *),
                              struct text json, struct arena *arena)
{
    struct identities *trial = identities_new();
    const char *complaint = configure(trial, json, arena);

    identities_free(trial);
    return complaint;
}

const char *api_check_static_keys(struct text json, struct arena *arena)
{
    return check_json(identities_configure_keys, json, arena);
}

const char *api_check_environment_allow_list(struct text json, struct arena *arena)
{
    return check_json(environment_configure_allow_list, json, arena);
}

static void configure_identities(struct api *api, const struct api_config *config)
{
    struct arena arena;

    arena_init(&arena);
    if (text_is_set(config->static_keys))
        identities_configure_keys(api->identities, config->static_keys, &arena);
    if (text_is_set(config->environment_allow_list))
        environment_configure_allow_list(api->identities, config->environment_allow_list, &arena);
    arena_free(&arena);
}

static struct rate_limit *new_limit(unsigned per_second, unsigned burst)
{
    return per_second ? rate_limit_new(per_second, burst ? burst : per_second) : NULL;
}

void api_configure(struct api *api, const struct api_config *config)
{
    assert(!api->key_limit && !api->address_limit); /* once, before there are requests */
    api->config = *config;
    api->key_limit = new_limit(config->rate_limit_per_key, config->rate_limit_per_key_burst);
    api->address_limit = new_limit(config->rate_limit_per_address, config->rate_limit_per_address_burst);
    throttle_configure(api, config);
    configure_identities(api, config);
    if (text_is_set(config->metrics_token))
        sha256(config->metrics_token, api->metrics_token_digest);
    api->has_metrics_token = text_is_set(config->metrics_token);
    api->config.metrics_token = api->config.static_keys = api->config.environment_allow_list = text_none;
}

void api_keep_house(struct api *api)
{
    assert(!api->housekeeping);
    api->housekeeping = housekeeping_start(api);
}

void api_use_secrets(struct api *api, const struct api_secrets *secrets)
{
    api->secrets = *secrets;
}

void api_end_work(struct api *api)
{
    if (api->housekeeping)
        housekeeping_stop(api->housekeeping);
    api->housekeeping = NULL;
    slow_pool_free(api->slow_pool);
    api->slow_pool = NULL;
}

void api_set_draining(struct api *api)
{
    atomic_store(&api->draining, true);
}

/* ---- what a loop has ---- */

static void *loop_start(void *context, struct http_loop *loop, unsigned loop_index)
{
    struct api *api = context;
    struct api_loop *state = calloc(1, sizeof *state);
    struct arena arena;
    struct text reason;

    if (!state)
        abort();
    arena_init(&arena);
    state->api = api;
    state->loop = loop;
    if (api->config.access_log)
        state->access_log = log_sink_ring(api->config.access_log);
    if (store_has_readers(api->store))
        state->reader = store_reader_open(api->store, &arena, &reason);
    if (store_has_readers(api->store) && !state->reader) {
        LOG_ERROR("a loop has no database connection", LOG_INTEGER("loop", loop_index),
                  LOG_TEXT("reason", reason));
        free(state);
        state = NULL;
    }
    arena_free(&arena);
    return state;
}

static void on_batch_end(void *loop_state)
{
    struct api_loop *state = loop_state;

    if (state->reader)
        store_reader_end(state->reader);
}

static void loop_stop(void *loop_state)
{
    struct api_loop *state = loop_state;

    if (state->reader)
        store_reader_close(state->reader);
    buffer_free(&state->body);
    buffer_free(&state->access_line.buffer);
    free(state);
}

struct http_handler api_handler(struct api *api)
{
    return (struct http_handler){
        .context = api,
        .loop_start = loop_start,
        .on_head = pipeline_on_head,
        .on_request = pipeline_on_request,
        .on_batch_end = on_batch_end,
        .loop_stop = loop_stop,
        .refused_total = reply_too_many_connections(api),
        .refused_client = reply_too_many_of_client(api),
    };
}
