#include "api/observe.h"

#include "api/router.h"
#include "api/without_keys.h"
#include "base/instant.h"
#include "base/log.h"

#include <assert.h>
#include <stdlib.h>

/* ---- numbers ---- */

static const struct text method_names[] = {
    [HTTP_GET] = TEXT_LITERAL("GET"),         [HTTP_POST] = TEXT_LITERAL("POST"),
    [HTTP_PUT] = TEXT_LITERAL("PUT"),         [HTTP_DELETE] = TEXT_LITERAL("DELETE"),
    [HTTP_OPTIONS] = TEXT_LITERAL("OPTIONS"), [HTTP_HEAD] = TEXT_LITERAL("HEAD"),
    [HTTP_PATCH] = TEXT_LITERAL("PATCH"),     [HTTP_OTHER] = TEXT_LITERAL("other"),
};

#define UNMATCHED TEXT("unmatched")

_Static_assert((int)METRICS_UNMATCHED_SLOTS == (int)HTTP_OTHER + 1, "a row for each method");
_Static_assert((int)METRICS_LANE_NONE == (int)LANE_NONE && (int)METRICS_LANE_READ == (int)LANE_READ &&
                   (int)METRICS_LANE_WRITE == (int)LANE_WRITE,
               "the lanes have the same numbers");

void observe_routes(struct api *api)
{
    unsigned routes = router_count(api->router);
    struct metrics_route *rows = calloc(METRICS_UNMATCHED_SLOTS + 2 * (size_t)routes, sizeof *rows);

    assert(routes <= METRICS_ROUTES_MAX);
    if (!rows)
        abort();
    api->route_labels = rows;
    api->route_label_count = METRICS_UNMATCHED_SLOTS + 2 * routes;
    for (unsigned method = 0; method < METRICS_UNMATCHED_SLOTS; method++)
        *rows++ = (struct metrics_route){UNMATCHED, method_names[method]};
    for (unsigned i = 0; i < routes; i++) {
        const struct route *route = router_route(api->router, i);

        *rows++ = (struct metrics_route){route->path, method_names[route->method]};
        *rows++ = (struct metrics_route){route->path, method_names[HTTP_HEAD]};
    }
}

/* What could not be read has no method that one could trust. */
static enum http_method method_of(const struct exchange *exchange)
{
    const struct http_exchange *http = exchange->http;

    return http->refusal == HTTP_REFUSAL_NONE ? http->request.method : HTTP_OTHER;
}

static unsigned row_of(const struct exchange *exchange)
{
    if (!exchange->route)
        return method_of(exchange);
    return METRICS_UNMATCHED_SLOTS + 2 * router_number(exchange->loop->api->router, exchange->route) +
           (exchange->http->request.method == HTTP_HEAD);
}

/* A switch, so that the compiler asks for whatever is added. */
static enum metrics_rejection rejection_of(enum http_refusal refusal)
{
    switch (refusal) {
    case HTTP_REFUSAL_NONE:
        break;
    case HTTP_REFUSAL_MALFORMED:
        return METRICS_REJECTED_MALFORMED;
    case HTTP_REFUSAL_TIMEOUT:
        return METRICS_REJECTED_TIMEOUT;
    case HTTP_REFUSAL_BODY_TOO_LARGE:
        return METRICS_REJECTED_BODY_TOO_LARGE;
    case HTTP_REFUSAL_URL_TOO_LONG:
        return METRICS_REJECTED_URL_TOO_LONG;
    case HTTP_REFUSAL_HEADER_TOO_LARGE:
        return METRICS_REJECTED_HEADER_TOO_LARGE;
    case HTTP_REFUSAL_NOT_IMPLEMENTED:
        return METRICS_REJECTED_NOT_IMPLEMENTED;
    case HTTP_REFUSAL_OVERLOADED:
        return METRICS_REJECTED_OVERLOADED;
    case HTTP_REFUSAL_VERSION:
        return METRICS_REJECTED_VERSION;
    }
    abort();
}

/* ---- the access log ---- */

enum { METHOD_LENGTH_MAX = 16 };

/* Methods are a client's own choice, too. */
static struct text short_method(struct text name)
{
    return name.length > METHOD_LENGTH_MAX ? text_slice(name, 0, METHOD_LENGTH_MAX) : name;
}

/* By ids alone. Nothing before somebody is known; an environment only when it is one of theirs. */
static void log_caller(struct log_line *line, const struct caller *caller)
{
    if (!text_is_set(caller->scope.tenant_id))
        return;
    if (text_is_set(caller->key_id))
        log_line_text(line, "key_id", caller->key_id);
    if (caller->kind == CALLER_PORTAL)
        log_line_text(line, "customer_id", caller->customer_id);
    else
        log_line_text(line, "user_id", caller->user_id);
    log_line_text(line, "tenant_id", caller->scope.tenant_id);
    if (caller->scope.number != SCOPE_NONE)
        log_line_text(line, "environment_id", caller->scope.environment_id);
}

/* The query is left out: clients put secrets there, under names that nobody can know. The path comes last: it
 * alone can be so long that the line is cut. */
static void log_access(struct exchange *exchange, int status, size_t body_bytes, int64_t duration_us)
{
    struct log_line *line = &exchange->loop->access_line;
    const struct http_request *request = &exchange->http->request;
    struct http_address client = http_exchange_client(exchange->http);
    char client_memory[HTTP_ADDRESS_TEXT_MAX];

    log_line_begin(line, log_format(), exchange->call.now_us);
    log_line_text(line, "request_id", without_keys(exchange->request_id, exchange->arena));
    log_line_text(line, "method", short_method(request->method_name));
    log_line_text(line, "route", exchange->route ? exchange->route->path : UNMATCHED);
    log_line_integer(line, "status", status);
    log_line_integer(line, "bytes", (int64_t)body_bytes);
    log_line_integer(line, "duration_us", duration_us);
    log_line_text(line, "client", http_address_format(&client, client_memory));
    log_caller(line, &exchange->caller);
    log_line_text(line, "path", without_keys(request->path, exchange->arena));
    log_ring_put(exchange->loop->access_log, log_line_end(line));
}

void observe_reply(struct exchange *exchange, int status, size_t body_bytes)
{
    struct metrics_cells *cells = metrics_here();
    const struct route *route = exchange->route;
    int64_t duration_us = monotonic_now_us() - exchange->started_us;

    metrics_add(&cells->http_requests[row_of(exchange)][metrics_status_slot(status)], 1);
    metrics_observe(&cells->http_request_duration_us[route ? route->lane : LANE_NONE], duration_us);
    if (exchange->http->refusal != HTTP_REFUSAL_NONE)
        metrics_add(&cells->http_requests_rejected[rejection_of(exchange->http->refusal)], 1);
    if (exchange->loop->access_log && !(route && route->is_probe))
        log_access(exchange, status, exchange->http->request.method == HTTP_HEAD ? 0 : body_bytes,
                   duration_us);
}
