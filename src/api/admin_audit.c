/* admin_audit.c: the audit trail in slices, for whoever checks it: what `farthing audit verify` talks to. */
#include "api/resources.h"
#include "domain/audit_trail.h"

/* ---- heads ---- */

struct heads {
    struct record_list chains; /* struct audit_chain_row */
    struct audit_extent extent;
};

static const struct failure *run_heads(struct exchange *exchange, struct transaction *transaction)
{
    struct heads *heads = ARENA_NEW(exchange->arena, struct heads);

    heads->chains = audit_heads(transaction, &heads->extent);
    exchange->result = heads;
    return NULL;
}

/* Whatever somebody may have stored in its place. */
static void write_hash(struct json_writer *writer, struct text hash)
{
    uint8_t bytes[SHA256_BYTES];

    json_string(writer,
                hash.length == 0 || hex_decode(hash, bytes, sizeof bytes) ? hash : TEXT("not a hash"));
}

static void render_heads(struct exchange *exchange, struct json_writer *writer)
{
    const struct heads *heads = exchange->result;
    const struct audit_chain_row *chains = heads->chains.records;

    json_begin_object(writer);
    json_put_int64(writer, TEXT("last_sequence"), heads->extent.last_sequence);
    if (heads->extent.since != INSTANT_UNSET)
        json_put_int64(writer, TEXT("since_us"), heads->extent.since);
    json_key(writer, TEXT("chains"));
    json_begin_array(writer);
    for (size_t i = 0; i < heads->chains.count; i++) {
        json_begin_object(writer);
        json_put_int64(writer, TEXT("chain"), chains[i].chain);
        json_put_int64(writer, TEXT("position"), chains[i].position);
        json_key(writer, TEXT("hash"));
        write_hash(writer, chains[i].hash);
        json_put_int64(writer, TEXT("first_position"), chains[i].first_position);
        json_key(writer, TEXT("first_hash"));
        write_hash(writer, chains[i].first_hash);
        json_put_int64(writer, TEXT("last_sequence"), chains[i].last_sequence);
        json_end_object(writer);
    }
    json_end_array(writer);
    json_end_object(writer);
}

/* ---- rows ---- */

struct slice {
    int64_t after, until;
    struct record_list rows; /* struct audit_row */
};

static const struct failure *parse_rows(struct exchange *exchange)
{
    struct slice *slice = ARENA_NEW(exchange->arena, struct slice);
    const struct failure *failure =
        exchange_query_number(exchange, TEXT("after"), 0, INT64_MAX, 0, &slice->after);

    exchange->input = exchange->result = slice;
    return failure ? failure
                   : exchange_query_number(exchange, TEXT("until"), 0, INT64_MAX, INT64_MAX, &slice->until);
}

static const struct failure *run_rows(struct exchange *exchange, struct transaction *transaction)
{
    struct slice *slice = exchange->result;

    slice->rows = audit_rows(transaction, slice->after, slice->until);
    return NULL;
}

/* A row is [sequence, chain, position, digest, hash, microseconds since 1970]. */
static void render_rows(struct exchange *exchange, struct json_writer *writer)
{
    const struct slice *slice = exchange->result;
    const struct audit_row *rows = slice->rows.records;
    struct buffer scratch = {0};

    json_begin_object(writer);
    json_key(writer, TEXT("rows"));
    json_begin_array(writer);
    for (size_t i = 0; i < slice->rows.count; i++) {
        uint8_t digest[SHA256_BYTES];
        char hex[SHA256_HEX_LENGTH];

        audit_digest(&rows[i], &scratch, digest);
        hex_encode(digest, sizeof digest, hex);
        json_begin_array(writer);
        json_int64(writer, rows[i].sequence);
        json_int64(writer, rows[i].chain);
        json_int64(writer, rows[i].position);
        json_string(writer, (struct text){hex, sizeof hex});
        write_hash(writer, rows[i].hash);
        json_int64(writer, rows[i].occurred_at);
        json_end_array(writer);
    }
    json_end_array(writer);
    json_put_bool(writer, TEXT("more"), slice->rows.count == AUDIT_SLICE_ROWS_MAX);
    json_end_object(writer);
    buffer_free(&scratch);
}

static const struct route routes[] = {
    {.method = HTTP_GET,
     .path = TEXT_LITERAL("/admin/audit/heads"),
     .access = ACCESS_ADMIN,
     .lane = LANE_READ,
     .status = 200,
     .run = run_heads,
     .render = render_heads},
    {.method = HTTP_GET,
     .path = TEXT_LITERAL("/admin/audit/rows"),
     .access = ACCESS_ADMIN,
     .lane = LANE_READ,
     .status = 200,
     .parse = parse_rows,
     .run = run_rows,
     .render = render_rows},
};

const struct route_table admin_audit_routes = ROUTE_TABLE(routes);
