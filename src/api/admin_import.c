/* admin_import.c: rows of an import, over the admin socket: what `farthing import` talks to.
 *
 * A request has a chunk of rows: customers as POST /v1/customers takes them, one JSON object a line, so that
 * one that cannot be read is refused alone. A chunk is one command of the write lane: its size decides how
 * long the writer is busy with it (measured in bench/import.py). Sending a chunk again is harmless, because
 * external_id decides what is there already. */
#include "api/resources.h"
#include "base/processor.h"
#include "domain/customers.h"
#include "domain/tenancy.h"

enum {
    IMPORT_ROWS_MAX = 1024,         /* of one request; more would hold the writer for too long */
    IMPORT_ROWS_BETWEEN_OFFERS = 4, /* about 100 us of the writer's thread */
};

struct import_row {
    const struct json_value *object;
    const struct failure *refusal;
    enum customer_import_outcome outcome;
};

struct import_chunk {
    struct text tenant, environment;
    struct customer_import_options options;
    struct import_row *rows;
    size_t row_count;
    struct scope scope;
};

/* ---- reading ---- */

static const struct failure *read_flag(struct exchange *exchange, struct text name, bool *is_on)
{
    struct text value;
    const struct failure *failure = exchange_query(exchange, name, &value);

    *is_on = !failure && text_equal(value, TEXT("true"));
    return failure;
}

static const struct failure *read_options(struct exchange *exchange, struct import_chunk *chunk)
{
    const struct failure *failure = exchange_query(exchange, TEXT("tenant"), &chunk->tenant);

    if (!failure)
        failure = exchange_query(exchange, TEXT("environment"), &chunk->environment);
    if (!failure)
        failure = read_flag(exchange, TEXT("update"), &chunk->options.may_update);
    if (!failure)
        failure = read_flag(exchange, TEXT("quiet_events"), &exchange->call.quiet_events);
    return failure;
}

static void read_row(struct exchange *exchange, struct text line, struct import_row *row)
{
    struct json_error error;

    row->object = json_read(exchange->arena, line, &error);
    if (!row->object)
        row->refusal = failure_new(
            exchange->arena, FAILURE_VALIDATION,
            arena_format(exchange->arena, "is not valid JSON: %s at byte %zu", error.reason, error.offset));
    else if (row->object->type != JSON_OBJECT)
        row->refusal = failure_new(exchange->arena, FAILURE_VALIDATION, TEXT("is not a JSON object"));
}

/* Each line is a row, the last one with or without its line end. */
static const struct failure *read_rows(struct exchange *exchange, struct import_chunk *chunk)
{
    struct text rest = exchange->http->request.body;

    chunk->rows = ARENA_ARRAY(exchange->arena, struct import_row, IMPORT_ROWS_MAX);
    while (rest.length > 0) {
        size_t end = text_find(rest, '\n');

        if (chunk->row_count == IMPORT_ROWS_MAX)
            return failure_new(exchange->arena, FAILURE_VALIDATION,
                               TEXT("a request may import at most 1024 rows"));
        read_row(exchange, text_slice(rest, 0, end), &chunk->rows[chunk->row_count++]);
        rest = text_from(rest, end < rest.length ? end + 1 : end);
    }
    return NULL;
}

static const struct failure *parse_import(struct exchange *exchange)
{
    struct import_chunk *chunk = ARENA_NEW(exchange->arena, struct import_chunk);
    const struct failure *failure = read_options(exchange, chunk);

    exchange->result = chunk;
    return failure ? failure : read_rows(exchange, chunk);
}

static const struct failure *parse_check(struct exchange *exchange)
{
    const struct failure *failure = parse_import(exchange);
    struct import_chunk *chunk = exchange->result;

    chunk->options.is_check = true;
    return failure;
}

/* ---- importing ---- */

static const struct failure *import_row(struct transaction *transaction, const struct import_chunk *chunk,
                                        struct import_row *row)
{
    if (!row->object || row->object->type != JSON_OBJECT) {
        row->outcome = IMPORT_REFUSED;
        return NULL;
    }
    return customer_import(transaction, row->object, &chunk->options, &row->outcome, &row->refusal);
}

/* Whom the rows name is asked in one go, where asking takes its time. A row whose external id an earlier one
 * has, too, is asked for again when its turn comes. */
static void ask_ahead(struct transaction *transaction, const struct import_chunk *chunk)
{
    for (size_t i = 0; i < chunk->row_count; i++)
        if (chunk->rows[i].object && chunk->rows[i].object->type == JSON_OBJECT)
            customer_import_ahead(transaction, chunk->rows[i].object);
}

static const struct failure *run_import(struct exchange *exchange, struct transaction *transaction)
{
    struct import_chunk *chunk = exchange->result;
    const struct failure *failure =
        environment_find_named(transaction, chunk->tenant, chunk->environment, &chunk->scope);

    exchange->call.scope = &chunk->scope; /* the transaction's call is this one */
    if (!failure)
        ask_ahead(transaction, chunk);
    for (size_t i = 0; i < chunk->row_count && !failure; i++) {
        failure = import_row(transaction, chunk, &chunk->rows[i]);
        if (i % IMPORT_ROWS_BETWEEN_OFFERS == 0)
            processor_offer();
    }
    return failure;
}

/* ---- the reply ---- */

/* A detail that is about a field, unlike the others that go along with a reason. */
static bool is_about_field(struct text name)
{
    struct text root = text_slice(name, 0, text_find(name, '.'));

    root = text_slice(root, 0, text_find(root, '['));
    if (entity_field(&customer_entity, root))
        return true;
    for (size_t i = 0; i < customer_creation_option_count; i++)
        if (text_equal(customer_creation_options[i].name, root))
            return true;
    return false;
}

/* "email, name": the fields, and "email must be …; name is required": what is wrong with them. */
static void render_refusal(struct arena *arena, struct json_writer *writer, size_t index,
                           const struct failure *refusal)
{
    struct text fields = text_empty, reason = text_empty;

    for (const struct failure_detail *detail = refusal->details; detail; detail = detail->next) {
        if (!is_about_field(detail->name))
            continue;
        reason = arena_format(arena, "%.*s%s%.*s %.*s", TEXT_FORMAT(reason), reason.length ? "; " : "",
                              TEXT_FORMAT(detail->name), TEXT_FORMAT(detail->value));
        fields = arena_format(arena, "%.*s%s%.*s", TEXT_FORMAT(fields), fields.length ? ", " : "",
                              TEXT_FORMAT(detail->name));
    }
    json_begin_object(writer);
    json_put_int64(writer, TEXT("row"), (int64_t)index);
    json_put_string(writer, TEXT("field"), fields);
    json_put_string(writer, TEXT("reason"), reason.length ? reason : refusal->message);
    json_end_object(writer);
}

static void render_import(struct exchange *exchange, struct json_writer *writer)
{
    static const struct text names[] = {
        [IMPORT_CREATED] = TEXT_LITERAL("created"),
        [IMPORT_UPDATED] = TEXT_LITERAL("updated"),
        [IMPORT_UNCHANGED] = TEXT_LITERAL("unchanged"),
        [IMPORT_DIFFERENT] = TEXT_LITERAL("different"),
    };
    const struct import_chunk *chunk = exchange->result;
    int64_t counts[IMPORT_OUTCOMES] = {0};

    for (size_t i = 0; i < chunk->row_count; i++)
        counts[chunk->rows[i].outcome]++;
    json_begin_object(writer);
    json_put_string(writer, TEXT("environment_id"), chunk->scope.environment_id);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        json_key(writer, names[i]);
        json_int64(writer, counts[i]);
    }
    json_key(writer, TEXT("refused"));
    json_begin_array(writer);
    for (size_t i = 0; i < chunk->row_count; i++)
        if (chunk->rows[i].outcome == IMPORT_REFUSED)
            render_refusal(exchange->arena, writer, i, chunk->rows[i].refusal);
    json_end_array(writer);
    json_end_object(writer);
}

static const struct route routes[] = {
    {.method = HTTP_POST,
     .path = TEXT_LITERAL("/admin/import/customers"),
     .access = ACCESS_ADMIN,
     .lane = LANE_WRITE,
     .is_background = true,
     .looks_first = true,
     .status = 200,
     .has_raw_body = true,
     .parse = parse_import,
     .run = run_import,
     .render = render_import},
    {.method = HTTP_POST,
     .path = TEXT_LITERAL("/admin/import/customers/check"),
     .access = ACCESS_ADMIN,
     .ignores_idempotency_key = true,
     .lane = LANE_READ,
     .status = 200,
     .has_raw_body = true,
     .parse = parse_check,
     .run = run_import,
     .render = render_import},
};

const struct route_table admin_import_routes = ROUTE_TABLE(routes);
