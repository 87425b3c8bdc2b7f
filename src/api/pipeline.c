/* pipeline.c: the way of a request (conventions section 2): id, preflight, route, credentials, permission,
 * body, the route's own parsing, its lane, the reply. */
#include "api/pipeline.h"

#include "access/portal.h"
#include "api/idempotency.h"
#include "api/lanes.h"
#include "api/observe.h"
#include "api/rate_limit.h"
#include "api/reply.h"
#include "api/router.h"
#include "api/throttle.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"

/* ---- before the lane ---- */

/* The client's own id when it is fit to be echoed, else a new one (conventions section 19). */
static void set_request_id(struct exchange *exchange)
{
    struct text given = http_request_header(&exchange->http->request, TEXT("x-request-id"));

    if (given.length > 0 && given.length <= REQUEST_ID_LENGTH_MAX && text_is_visible_ascii(given)) {
        exchange->request_id = given;
        return;
    }
    char *id = arena_allocate(exchange->arena, ULID_TEXT_LENGTH);

    ulid_next(&exchange->loop->request_ids, (uint64_t)(exchange->call.now_us / 1000), id);
    exchange->request_id = (struct text){id, ULID_TEXT_LENGTH};
}

/* Whether the route exists where the request came in. */
static bool is_open_here(const struct exchange *exchange, const struct route *route)
{
    enum http_entrance entrance = exchange->http->entrance;

    switch (route->access) {
    case ACCESS_PUBLIC: /* who monitors asks for health, and has nothing to log in for */
        return entrance != HTTP_ENTRANCE_METRICS || route->lane == LANE_NONE;
    case ACCESS_KEY:
    case ACCESS_PORTAL:
        return entrance != HTTP_ENTRANCE_METRICS;
    case ACCESS_ADMIN:
        return entrance == HTTP_ENTRANCE_ADMIN;
    case ACCESS_NOBODY:
        return false;
    case ACCESS_METRICS:
        return entrance != HTTP_ENTRANCE_PUBLIC || exchange->loop->api->has_metrics_token;
    }
    return false;
}

static const struct failure *no_endpoint(struct exchange *exchange, struct text method_name)
{
    char room[UTF8_SHORT_BYTES(REPLY_ECHO_LENGTH_MAX)];
    struct text path = utf8_shorten(exchange->http->request.path, REPLY_ECHO_LENGTH_MAX, room);

    return failure_new(exchange->arena, FAILURE_NOT_FOUND,
                       arena_format(exchange->arena, "there is no endpoint %.*s %.*s",
                                    TEXT_FORMAT(method_name), TEXT_FORMAT(path)));
}

/* NULL: there is none for this request. */
static const struct route *match_route(struct exchange *exchange)
{
    const struct http_request *request = &exchange->http->request;
    /* A HEAD is a GET whose body http leaves out (RFC 9110 section 9.3.2). */
    enum http_method method = request->method == HTTP_HEAD ? HTTP_GET : request->method;
    const struct route *route =
        router_find(exchange->loop->api->router, method, request->path, exchange->parameters);

    return route && is_open_here(exchange, route) ? route : NULL;
}

static const struct failure *find_route(struct exchange *exchange)
{
    const struct http_request *request = &exchange->http->request;
    const struct route *route = match_route(exchange);

    if (!route)
        return no_endpoint(exchange, request->method == HTTP_HEAD ? TEXT("GET") : request->method_name);
    exchange->route = route;
    exchange->status = route->status;
    return NULL;
}

/* Takes a request from a bucket; not again for a request whose head has come by before. */
static const struct failure *check_rate(struct exchange *exchange, struct rate_limit *limit, uint64_t source,
                                        struct text of_whom)
{
    if (exchange->http->is_admitted)
        return NULL;
    exchange->retry_after_seconds =
        rate_limit_take(limit, source, http_loop_monotonic_us(exchange->http->loop));
    if (!exchange->retry_after_seconds)
        return NULL;
    metrics_add(&metrics_here()->http_requests_rejected[METRICS_REJECTED_RATE_LIMITED], 1);
    return failure_new(exchange->arena, FAILURE_TOO_MANY_REQUESTS,
                       arena_format(exchange->arena, "too many requests %.*s; try again in %u s",
                                    TEXT_FORMAT(of_whom), exchange->retry_after_seconds));
}

static const struct failure *check_address_rate(struct exchange *exchange)
{
    struct rate_limit *limit = exchange->loop->api->address_limit;

    if (!limit || exchange->http->entrance != HTTP_ENTRANCE_PUBLIC)
        return NULL;
    struct http_address client = http_exchange_client(exchange->http);

    if (client.kind != HTTP_ADDRESS_IP)
        return NULL;
    return check_rate(exchange, limit, http_address_client_key(&client), TEXT("from this address"));
}

/* A proxy may have looked at the other one. */
static const struct failure *check_one_key(struct exchange *exchange)
{
    if (!http_request_header_is_ambiguous(&exchange->http->request, TEXT("x-api-key")))
        return NULL;
    return failure_new(exchange->arena, FAILURE_VALIDATION,
                       TEXT("the x-api-key header is given twice, with different keys"));
}

static struct credentials read_credentials(const struct http_request *request)
{
    return (struct credentials){
        .api_key = http_request_header(request, TEXT("x-api-key")),
        .authorization = http_request_header(request, TEXT("authorization")),
        .environment_id = http_request_header(request, TEXT("x-environment-id")),
    };
}

/* A key has a rate of its own. */
static const struct failure *check_key_rate(struct exchange *exchange, const struct credentials *credentials)
{
    struct rate_limit *limit = exchange->loop->api->key_limit;

    if (!limit || exchange->caller.key_id.length == 0)
        return NULL;
    return check_rate(exchange, limit, rate_limit_source(credentials->api_key), TEXT("with this key"));
}

static const struct failure *check_portal(struct exchange *exchange)
{
    const struct api *api = exchange->loop->api;
    struct text token = http_request_header(&exchange->http->request, TEXT("x-session-token"));
    const struct failure *failure =
        portal_authenticate(api->identities, api->secrets.secrets, token, exchange->call.now_us,
                            exchange->arena, &exchange->caller);

    return failure ? failure
                   : permission_check_suspension(&exchange->caller, &exchange->route->permission,
                                                 exchange->arena);
}

static const struct failure *check_key(struct exchange *exchange)
{
    const struct api *api = exchange->loop->api;
    struct credentials credentials = read_credentials(&exchange->http->request);
    const struct requirements requirements = {
        exchange->route->permission, exchange->route->without_environment, api->config.enforces_reads};
    const struct failure *failure = check_one_key(exchange);

    if (!failure)
        failure = authenticate(api->identities, api->secrets.secrets, &credentials, exchange->call.now_us,
                               exchange->arena, &exchange->caller);
    if (!failure)
        failure = check_key_rate(exchange, &credentials);
    if (!failure)
        failure = authorize(api->identities, &credentials, &requirements, exchange->arena, &exchange->caller);
    return failure;
}

static const struct failure *check_access(struct exchange *exchange)
{
    const struct api *api = exchange->loop->api;
    enum access access = exchange->route->access;

    if (access == ACCESS_METRICS)
        return metrics_check_access(exchange);
    if (access != ACCESS_KEY && access != ACCESS_PORTAL)
        return NULL;
    /* Another process may have revoked the key, and we would not have heard of it. */
    if (!store_is_current(api->store))
        return store_away_failure(api->store, exchange->arena);
    const struct failure *failure = access == ACCESS_KEY ? check_key(exchange) : check_portal(exchange);

    if (failure)
        return failure;
    exchange->call.scope = &exchange->caller.scope;
    exchange->call.actor_id = exchange->caller.user_id;
    return NULL;
}

static const struct failure *decode_parameters(struct exchange *exchange)
{
    for (unsigned i = 0; i < ROUTE_PARAMETERS_MAX && text_is_set(exchange->parameters[i]); i++)
        if (!percent_decode(exchange->arena, exchange->parameters[i], false, &exchange->parameters[i]))
            return failure_new(exchange->arena, FAILURE_VALIDATION,
                               TEXT("the path has an escape that is not valid, or is not UTF-8"));
    return NULL;
}

/* Conventions section 7.4. A body of null is as good as {}. */
static const struct failure *read_body(struct exchange *exchange)
{
    static const struct json_value empty_object = {.type = JSON_OBJECT, .next = 1};
    struct text body = exchange->http->request.body;
    struct json_error error;

    if (!exchange->route->has_body)
        return NULL;
    if (body.length == 0 && exchange->route->is_body_optional) {
        exchange->body = &empty_object;
        return NULL;
    }
    if (body.length == 0)
        return failure_new(exchange->arena, FAILURE_VALIDATION,
                           TEXT("the body is empty; a JSON object is expected"));
    exchange->body = json_read(exchange->arena, body, &error);
    if (!exchange->body)
        return failure_new(exchange->arena, FAILURE_VALIDATION,
                           arena_format(exchange->arena, "the body is not valid JSON: %s at byte %zu",
                                        error.reason, error.offset));
    if (exchange->body->type == JSON_NULL)
        exchange->body = &empty_object;
    if (exchange->body->type != JSON_OBJECT)
        return failure_new(exchange->arena, FAILURE_VALIDATION,
                           arena_format(exchange->arena, "the body must be a JSON object, not %s",
                                        json_type_name(exchange->body->type)));
    return NULL;
}

/* What decides before anything of a body is looked at. */
/* Before a write has begun; what has begun comes to its end. */
static const struct failure *out_of_memory(struct arena *arena)
{
    return failure_add(
        failure_new(arena, FAILURE_SERVICE_UNAVAILABLE,
                    TEXT("the server has no memory left; nothing was changed, try again later")),
        arena, TEXT("reason"), TEXT("out_of_memory"));
}

static const struct failure *prepare_head(struct exchange *exchange)
{
    const struct failure *failure = find_route(exchange);
    /* What costs next to nothing, and is asked by what watches the server. */
    bool is_public =
        !failure && exchange->route->access == ACCESS_PUBLIC && exchange->route->lane == LANE_NONE;
    /* Before anything that costs more, and for what does not exist as well. */
    const struct failure *too_often = is_public ? NULL : check_address_rate(exchange);

    if (too_often || failure)
        return too_often ? too_often : failure;
    failure = check_access(exchange);
    if (failure)
        return failure->code == FAILURE_UNAUTHENTICATED ? throttle_credentials(exchange, failure) : failure;
    return exchange->route->lane == LANE_WRITE && memory_is_short() ? out_of_memory(exchange->arena) : NULL;
}

static const struct failure *prepare(struct exchange *exchange)
{
    const struct failure *failure = prepare_head(exchange);

    if (!failure)
        failure = decode_parameters(exchange);
    if (!failure && route_is_idempotent(exchange->route))
        failure = idempotency_begin(exchange);
    if (!failure)
        failure = read_body(exchange);
    if (!failure && exchange->route->parse)
        failure = exchange->route->parse(exchange);
    return failure;
}

/* ---- refusals of the http room ---- */

struct refusal {
    int status;
    enum failure_code code;
};

static const struct refusal refusals[] = {
    [HTTP_REFUSAL_MALFORMED] = {400, FAILURE_VALIDATION},
    [HTTP_REFUSAL_TIMEOUT] = {408, FAILURE_VALIDATION},
    [HTTP_REFUSAL_BODY_TOO_LARGE] = {413, FAILURE_VALIDATION},
    [HTTP_REFUSAL_URL_TOO_LONG] = {414, FAILURE_VALIDATION},
    [HTTP_REFUSAL_HEADER_TOO_LARGE] = {431, FAILURE_VALIDATION},
    [HTTP_REFUSAL_NOT_IMPLEMENTED] = {501, FAILURE_NOT_IMPLEMENTED},
    [HTTP_REFUSAL_OVERLOADED] = {503, FAILURE_SERVICE_UNAVAILABLE},
    [HTTP_REFUSAL_VERSION] = {505, FAILURE_NOT_IMPLEMENTED},
};

/* The http room does not know what its limits are called. A request that has no use for a body is not told of
 * the setting, which would not help it. */
static const char *refusal_reason(const struct http_exchange *http)
{
    if (http->refusal != HTTP_REFUSAL_BODY_TOO_LARGE)
        return http->refusal_reason;
    struct text reason = arena_format(
        http->arena, "%s: at most %zu bytes are taken%s", http->refusal_reason, http->body_bytes_max,
        http->body_bytes_max == HTTP_SMALL_BODY_BYTES_MAX ? "" : " (the server's setting body-bytes-max)");

    return arena_string(http->arena, reason);
}

static struct exchange *new_exchange(struct api_loop *loop, struct http_exchange *http)
{
    struct exchange *exchange = ARENA_NEW(http->arena, struct exchange);

    exchange->http = http;
    exchange->arena = http->arena;
    exchange->loop = loop;
    exchange->started_us = http_loop_monotonic_us(http->loop);
    exchange->call.now_us = instant_now_us();
    set_request_id(exchange);
    exchange->call.request_id = exchange->request_id;
    exchange->call.actor_id = text_empty;
    return exchange;
}

/* Nobody sends us much whom we do not know, and nobody what we do not read. The checks are made again when
 * the body is there: a key may be revoked in between. */
bool pipeline_on_head(void *loop_state, struct http_exchange *http)
{
    struct exchange *exchange = new_exchange(loop_state, http);
    bool is_preflight = http->request.method == HTTP_OPTIONS;
    const struct failure *failure = is_preflight ? NULL : prepare_head(exchange);

    if (failure)
        reply_failure(exchange, failure);
    else if (is_preflight || !(exchange->route->has_body || exchange->route->has_raw_body))
        http->body_bytes_max = HTTP_SMALL_BODY_BYTES_MAX;
    return !failure;
}

void pipeline_on_request(void *loop_state, struct http_exchange *http)
{
    struct exchange *exchange = new_exchange(loop_state, http);

    if (http->refusal != HTTP_REFUSAL_NONE) {
        struct refusal refusal = refusals[http->refusal];

        LOG_DEBUG("request refused", LOG_INTEGER("status", refusal.status),
                  LOG_STRING("reason", http->refusal_reason));
        if (http->has_head)
            exchange->route = match_route(exchange); /* for the access log and the numbers */
        reply_refusal(exchange, refusal.status, refusal.code, refusal_reason(http));
        return;
    }
    if (http->request.method == HTTP_OPTIONS) {
        reply_preflight(exchange);
        return;
    }
    const struct failure *failure = prepare(exchange);

    if (failure)
        reply_failure(exchange, failure);
    else
        lanes_run(exchange);
}
