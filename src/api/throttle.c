#include "api/throttle.h"

#include "api/rate_limit.h"

static struct rate_limit *new_limit(unsigned failures, int64_t memory_us)
{
    return failures ? rate_limit_new_slow(memory_us, failures) : NULL;
}

void throttle_configure(struct api *api, const struct api_config *config)
{
    api->login_address_limit = new_limit(config->login_failures_per_address, config->login_failure_memory_us);
    api->login_email_limit = new_limit(config->login_failures_per_email, config->login_failure_memory_us);
    api->key_failure_limit = new_limit(config->key_failures_per_address, config->key_failure_memory_us);
}

void throttle_free(struct api *api)
{
    rate_limit_free(api->login_address_limit);
    rate_limit_free(api->login_email_limit);
    rate_limit_free(api->key_failure_limit);
}

/* False for a client without an address: on the admin socket, or on a Unix socket behind a proxy that is not
 * trusted, where all clients would be one. */
static bool address_of(const struct exchange *exchange, uint64_t *source)
{
    if (exchange->http->entrance != HTTP_ENTRANCE_PUBLIC)
        return false;
    struct http_address client = http_exchange_client(exchange->http);

    *source = client.kind == HTTP_ADDRESS_IP ? http_address_client_key(&client) : 0;
    return client.kind == HTTP_ADDRESS_IP;
}

static const struct failure *refuse(struct exchange *exchange, unsigned wait_seconds, const char *what)
{
    exchange->retry_after_seconds = wait_seconds;
    metrics_add(&metrics_here()->http_requests_rejected[METRICS_REJECTED_RATE_LIMITED], 1);
    return failure_new(
        exchange->arena, FAILURE_TOO_MANY_REQUESTS,
        arena_format(exchange->arena, "too many failed %s; try again in %u s", what, wait_seconds));
}

/* 0 when there is no limit, or the attempt is within it. */
static unsigned take(struct rate_limit *limit, uint64_t source, const struct exchange *exchange)
{
    return limit ? rate_limit_take(limit, source, exchange->started_us) : 0;
}

const struct failure *throttle_attempt(struct exchange *exchange, struct text email)
{
    const struct api *api = exchange->loop->api;
    uint64_t source;
    unsigned wait_seconds =
        address_of(exchange, &source) ? take(api->login_address_limit, source, exchange) : 0;

    if (!wait_seconds && email.length > 0)
        wait_seconds = take(api->login_email_limit, rate_limit_source(email), exchange);
    return wait_seconds ? refuse(exchange, wait_seconds, "attempts to log in") : NULL;
}

void throttle_forgive(struct exchange *exchange, struct text email)
{
    const struct api *api = exchange->loop->api;
    uint64_t source;

    if (api->login_address_limit && address_of(exchange, &source))
        rate_limit_give_back(api->login_address_limit, source, exchange->started_us);
    if (api->login_email_limit && email.length > 0)
        rate_limit_give_back(api->login_email_limit, rate_limit_source(email), exchange->started_us);
}

static bool has_credentials(const struct exchange *exchange)
{
    static const struct text names[] = {TEXT_LITERAL("x-api-key"), TEXT_LITERAL("authorization"),
                                        TEXT_LITERAL("x-session-token")};
    bool has_any = false;

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        has_any |= http_request_header(&exchange->http->request, names[i]).length > 0;
    return has_any;
}

const struct failure *throttle_credentials(struct exchange *exchange, const struct failure *failure)
{
    struct rate_limit *limit = exchange->loop->api->key_failure_limit;
    uint64_t source;

    if (!limit || !has_credentials(exchange) || !address_of(exchange, &source))
        return failure;
    unsigned wait_seconds = take(limit, source, exchange);

    return wait_seconds ? refuse(exchange, wait_seconds, "credentials from this address") : failure;
}
