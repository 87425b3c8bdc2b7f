/* health.c: is the process alive, can it serve, and what does it serve (conventions section 20). */
#include "api/resources.h"
#include "base/memory.h"

#include <string.h>

static void render_alive(struct exchange *exchange, struct json_writer *writer)
{
    (void)exchange;
    json_begin_object(writer);
    json_put_string(writer, TEXT("status"), TEXT("ok"));
    json_end_object(writer);
}

struct health_row {
    int64_t one;
};

static const struct field health_fields[] = {{FIELD(struct health_row, one, FIELD_INTEGER)}};
static const struct entity health_entity = {ENTITY_FIELDS(health_fields),
                                            .struct_size = sizeof(struct health_row)};

STORE_QUERY(read_anything, &health_entity,
            "SELECT count(*) FROM (SELECT 1 FROM tenants LIMIT 1) AS any_tenant");

/* A server's database is asked at short intervals by a thread of the store's. */
static bool can_read(struct exchange *exchange)
{
    struct transaction transaction;
    struct health_row row;

    if (!exchange->loop->reader)
        return store_is_current(exchange->loop->api->store) &&
               store_state(exchange->loop->api->store) != STORE_UNREACHABLE;
    store_reader_begin(exchange->loop->reader, &transaction, exchange->arena, &exchange->call);
    return !transaction.failure && query_record(&transaction, &read_anything, NULL, 0, &row);
}

static void render_ready(struct exchange *exchange, struct json_writer *writer)
{
    bool draining = atomic_load(&exchange->loop->api->draining);
    enum store_state state = store_state(exchange->loop->api->store);
    bool database = can_read(exchange);
    bool is_of_database = state == STORE_DATABASE_REMOVED || state == STORE_UNREACHABLE;

    const char *server = draining ? "draining" : memory_is_short() ? "out_of_memory" : "ok";

    exchange->status = database && strcmp(server, "ok") == 0 && state == STORE_WELL ? 200 : 503;
    json_begin_object(writer);
    json_put_string(writer, TEXT("status"), exchange->status == 200 ? TEXT("ok") : TEXT("unavailable"));
    json_key(writer, TEXT("checks"));
    json_begin_object(writer);
    json_key(writer, TEXT("database"));
    /* Reads from a file that was removed still work, and tell nothing. */
    json_string(writer, text_from_string(is_of_database ? store_state_name(state)
                                         : database     ? "ok"
                                                        : "unavailable"));
    json_put_string(writer, TEXT("disk"),
                    text_from_string(store_state_name(is_of_database ? STORE_WELL : state)));
    json_put_string(writer, TEXT("server"), text_from_string(server));
    json_end_object(writer);
    json_end_object(writer);
}

static void render_description(struct exchange *exchange, struct json_writer *writer)
{
    json_raw(writer, exchange->loop->api->description);
}

#define PUBLIC(the_method, the_path, the_render)                                                             \
    .method = (the_method), .path = TEXT_LITERAL(the_path), .access = ACCESS_PUBLIC, .lane = LANE_NONE,      \
    .status = 200, .render = (the_render)
#define PROBE(the_method, the_path, the_render) PUBLIC(the_method, the_path, the_render), .is_probe = true

static const struct route routes[] = {
    {PROBE(HTTP_GET, "/health", render_alive)},
    {PROBE(HTTP_POST, "/health", render_alive), .ignores_idempotency_key = true},
    {PROBE(HTTP_GET, "/health/ready", render_ready)},
    {PROBE(HTTP_GET, "/ready", render_ready)},
    {PUBLIC(HTTP_GET, "/openapi.json", render_description)},
};

const struct route_table health_routes = ROUTE_TABLE(routes);
