/* metrics.c: GET /metrics, and who may ask for it. */
#include "api/observe.h"
#include "api/resources.h"
#include "base/log.h"

#include <openssl/crypto.h>

/* The token of `Authorization: Bearer TOKEN`, or an unset text. */
static struct text bearer_token(const struct exchange *exchange)
{
    struct text value = http_request_header(&exchange->http->request, TEXT("authorization"));
    const struct text scheme = TEXT("bearer ");

    if (value.length < scheme.length ||
        !text_equal_ignoring_case(text_slice(value, 0, scheme.length), scheme))
        return text_none;
    return text_trim(text_from(value, scheme.length));
}

/* Hashes are compared, in constant time, so that neither the token's bytes nor its length can be told from
 * how long an answer takes. */
const struct failure *metrics_check_access(struct exchange *exchange)
{
    const struct api *api = exchange->loop->api;
    uint8_t digest[SHA256_BYTES];

    if (exchange->http->entrance != HTTP_ENTRANCE_PUBLIC)
        return NULL;
    struct text token = bearer_token(exchange);

    sha256(text_is_set(token) ? token : text_empty, digest);
    if (text_is_set(token) && CRYPTO_memcmp(digest, api->metrics_token_digest, sizeof digest) == 0)
        return NULL;
    return failure_new(exchange->arena, FAILURE_UNAUTHENTICATED,
                       TEXT("the metrics need their token, as `Authorization: Bearer TOKEN`"));
}

static void sample_http(const struct http_loop *loop, struct metrics_samples *samples)
{
    struct http_counters counters;

    http_loop_counters(loop, &counters);
    samples->http_connections_open = (int64_t)counters.connections_open;
    samples->http_connections_accepted = (int64_t)counters.connections_accepted;
    samples->http_connections_refused[METRICS_CONNECTION_LIMIT] = (int64_t)counters.connections_refused_total;
    samples->http_connections_refused[METRICS_CONNECTION_CLIENT_LIMIT] =
        (int64_t)counters.connections_refused_client;
    samples->http_connections_refused[METRICS_CONNECTION_NO_DESCRIPTORS] = (int64_t)counters.accept_pauses;
    samples->http_buffered_bytes = (int64_t)counters.buffered_bytes;
    samples->tls_handshakes = (int64_t)counters.tls_handshakes;
    samples->tls_resumptions = (int64_t)counters.tls_resumptions;
    samples->tls_failures = (int64_t)counters.tls_failures;
}

static void render(struct exchange *exchange, struct json_writer *writer)
{
    const struct api *api = exchange->loop->api;
    struct metrics_samples samples = {.version = FARTHING_VERSION, .sqlite_version = store_engine_version()};

    store_file_bytes(api->store, &samples.database_bytes, &samples.wal_bytes);
    samples.oldest_snapshot_us = store_oldest_snapshot_us(api->store);
    samples.database_up =
        store_state(api->store) == STORE_WELL || store_state(api->store) == STORE_SYNC_FAILED;
    samples.database_sync_failed = store_state(api->store) == STORE_SYNC_FAILED;
    samples.log_lines_dropped[METRICS_LOG_PROCESS] = log_lines_dropped();
    samples.log_lines_dropped[METRICS_LOG_ACCESS] =
        api->config.access_log ? log_sink_dropped(api->config.access_log) : 0;
    sample_http(exchange->http->loop, &samples);
    metrics_sample_process(&samples);
    metrics_write(writer->buffer, &samples, api->route_labels, api->route_label_count);
}

static const struct route routes[] = {
    {.method = HTTP_GET,
     .path = TEXT_LITERAL("/metrics"),
     .access = ACCESS_METRICS,
     .lane = LANE_NONE,
     .status = 200,
     .render = render,
     .media_type = TEXT_LITERAL(METRICS_MEDIA_TYPE)},
};

const struct route_table metrics_routes = ROUTE_TABLE(routes);
