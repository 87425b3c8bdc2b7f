/* admin_backup.c: copies of the database for the operator, over the admin socket: what `farthing backup`
 * talks to. */
#include "api/resources.h"
#include "model/entity_json.h"
#include "store/store.h"

struct backup_order {
    struct text path; /* of the file, absolute */
    int64_t bytes_per_second;
};

static const struct field order_fields[] = {
    {FIELD(struct backup_order, path, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED},
};

static const struct failure *read_order(struct exchange *exchange, struct backup_order *order)
{
    struct failure *failure = NULL;

    fields_read_json(order_fields, sizeof order_fields / sizeof order_fields[0], exchange->body, order,
                     exchange->arena, &failure);
    if (!failure && order->path.data[0] != '/')
        failure_add_field(&failure, exchange->arena, TEXT("path"), TEXT("must be absolute"));
    return failure;
}

static const struct failure *parse_cancel(struct exchange *exchange)
{
    struct backup_order *order = ARENA_NEW(exchange->arena, struct backup_order);
    const struct failure *failure = read_order(exchange, order);

    if (!failure)
        store_backup_cancel(exchange->loop->api->store, order->path);
    return failure;
}

static const struct failure *parse_begin(struct exchange *exchange)
{
    struct backup_order *order = ARENA_NEW(exchange->arena, struct backup_order);
    const struct failure *failure = read_order(exchange, order);
    struct text reason;

    if (failure)
        return failure;
    const struct failure *refusal =
        exchange_query_number(exchange, TEXT("bytes_per_second"), 0, INT64_MAX, 0, &order->bytes_per_second);

    if (refusal)
        return refusal;
    return store_backup_begin(exchange->loop->api->store, order->path, order->bytes_per_second,
                              exchange->arena, &reason)
               ? NULL
               : failure_new(exchange->arena, FAILURE_INVALID_OPERATION, reason);
}

static struct text state_name(enum store_backup_state state)
{
    static const struct text names[] = {
        [STORE_BACKUP_NONE] = TEXT_LITERAL("none"),
        [STORE_BACKUP_RUNNING] = TEXT_LITERAL("running"),
        [STORE_BACKUP_DONE] = TEXT_LITERAL("done"),
        [STORE_BACKUP_FAILED] = TEXT_LITERAL("failed"),
    };

    return names[state];
}

static void render_state(struct exchange *exchange, struct json_writer *writer)
{
    struct store_backup backup;

    store_backup_tell(exchange->loop->api->store, &backup, exchange->arena);
    json_begin_object(writer);
    json_put_string(writer, TEXT("state"), state_name(backup.state));
    json_put_string(writer, TEXT("path"), backup.path);
    json_put_int64(writer, TEXT("bytes_copied"), backup.pages_copied * backup.page_bytes);
    json_put_int64(writer, TEXT("bytes_total"), backup.page_count * backup.page_bytes);
    if (backup.state == STORE_BACKUP_DONE) {
        json_put_string(writer, TEXT("sha256"), backup.sha256);
        json_put_int64(writer, TEXT("finished_at_us"), backup.finished_at);
    }
    if (backup.state == STORE_BACKUP_FAILED)
        json_put_string(writer, TEXT("reason"), backup.reason);
    json_end_object(writer);
}

static const struct route routes[] = {
    {.method = HTTP_POST,
     .path = TEXT_LITERAL("/admin/backup"),
     .access = ACCESS_ADMIN,
     .lane = LANE_NONE,
     .status = 202,
     .has_body = true,
     .ignores_idempotency_key = true, /* one at a time, each into a file that must not exist */
     .parse = parse_begin,
     .render = render_state},
    {.method = HTTP_POST,
     .path = TEXT_LITERAL("/admin/backup/cancel"),
     .access = ACCESS_ADMIN,
     .lane = LANE_NONE,
     .status = 202,
     .has_body = true,
     .ignores_idempotency_key = true,
     .parse = parse_cancel,
     .render = render_state},
    {.method = HTTP_GET,
     .path = TEXT_LITERAL("/admin/backup"),
     .access = ACCESS_ADMIN,
     .lane = LANE_NONE,
     .status = 200,
     .render = render_state},
};

const struct route_table admin_backup_routes = ROUTE_TABLE(routes);
