/* Exchanges: their memory, and the call of the handler. */
#include "http/internal.h"

#include "base/memory.h"

#include <stdlib.h>

static struct http_exchange_record *new_record(struct http_server *server)
{
    struct http_exchange_record *record = memory_take(sizeof *record);

    record->magic = HTTP_EXCHANGE_MAGIC;
    arena_init(&record->arena);
    record->arena.account = &server->memory;
    return record;
}

static void free_record(struct http_exchange_record *record)
{
    arena_free(&record->arena);
    record->magic = 0;
    free(record);
}

struct http_exchange_record *http_exchange_take(struct http_connection *connection)
{
    struct http_loop *loop = connection->loop;
    struct http_exchange_record *record = connection->record;

    if (record)
        return record;
    record = loop->exchange_free;
    if (record) {
        loop->exchange_free = record->next_free;
        if (--loop->exchanges_kept < loop->exchanges_spare)
            loop->exchanges_spare = loop->exchanges_kept;
    } else {
        record = new_record(loop->server);
    }
    record->connection = connection;
    record->has_no_body_yet = false;
    record->exchange = (struct http_exchange){.arena = &record->arena,
                                              .loop = loop,
                                              .entrance = connection->entrance,
                                              .peer = connection->peer,
                                              .body_bytes_max = loop->server->config.body_bytes_max};
    connection->record = record;
    return record;
}

/* What a reset gives back to the allocator, about: what the use case took beyond the block that is kept. It
 * may have run on another thread, and the store below it needed as much again for the rows: only the loop
 * knows when the peak is over. */
static size_t arena_bytes_freed(const struct arena *arena)
{
    return arena->total_bytes > HTTP_BUFFER_BYTES ? arena->total_bytes : 0;
}

void http_exchange_release(struct http_connection *connection)
{
    struct http_loop *loop = connection->loop;
    struct http_exchange_record *record = connection->record;

    assert(record->magic == HTTP_EXCHANGE_MAGIC);
    connection->record = NULL;
    record->connection = NULL;
    loop->buffers.freed_bytes += arena_bytes_freed(&record->arena);
    if (!HTTP_POOLS_KEEP_MEMORY || loop->exchanges_kept == HTTP_EXCHANGES_KEPT_MAX) {
        free_record(record);
        loop->buffers.freed_bytes += sizeof *record;
        return;
    }
    arena_reset(&record->arena);
    record->next_free = loop->exchange_free;
    loop->exchange_free = record;
    loop->exchanges_kept++;
}

static void free_kept_record(struct http_loop *loop)
{
    struct http_exchange_record *record = loop->exchange_free;

    loop->exchange_free = record->next_free;
    loop->exchanges_kept--;
    free_record(record);
}

void http_exchanges_shrink(struct http_loop *loop)
{
    for (; loop->exchanges_spare && loop->exchanges_kept > HTTP_KEPT_MIN; loop->exchanges_spare--) {
        free_kept_record(loop);
        loop->buffers.freed_bytes += sizeof(struct http_exchange_record) + HTTP_BUFFER_BYTES;
    }
    loop->exchanges_spare = loop->exchanges_kept;
}

void http_exchanges_free(struct http_loop *loop)
{
    while (loop->exchange_free)
        free_kept_record(loop);
}

static void begin_handling(struct http_connection *connection)
{
    assert(connection->phase == HTTP_READING && !connection->is_dispatching);
    connection->phase = HTTP_HANDLING;
    connection->is_dispatching = true;
    connection->loop->handler_has_run = true;
    connection->record->handled_from_us = connection->loop->now_us;
}

bool http_exchange_admit(struct http_connection *connection)
{
    struct http_exchange_record *record = connection->record;
    struct http_loop *loop = connection->loop;
    const struct http_handler *handler = &loop->server->handler;

    if (!handler->on_head)
        return true;
    begin_handling(connection);
    record->has_no_body_yet = true;
    bool is_admitted = handler->on_head(loop->state, &record->exchange);

    connection->is_dispatching = false;
    assert(is_admitted == (connection->phase == HTTP_HANDLING));
    if (is_admitted) {
        record->has_no_body_yet = false;
        record->exchange.is_admitted = true;
        connection->phase = HTTP_READING;
    }
    return is_admitted;
}

void http_exchange_dispatch(struct http_connection *connection, enum http_refusal refusal, const char *reason)
{
    struct http_exchange_record *record = http_exchange_take(connection);
    struct http_loop *loop = connection->loop;

    record->exchange.refusal = refusal;
    record->exchange.refusal_reason = reason;
    /* The deadline was this request's; the next one begins with its own. */
    if (connection->wait != HTTP_WAIT_REQUEST)
        http_wait_change(connection, HTTP_WAIT_REQUEST);
    begin_handling(connection);
    loop->server->handler.on_request(loop->state, &record->exchange);
    connection->is_dispatching = false;
}

void http_exchange_abandon(struct http_connection *connection)
{
    atomic_store_explicit(&connection->record->exchange.is_abandoned, true, memory_order_relaxed);
}

static struct http_connection *connection_of(struct http_exchange *exchange)
{
    struct http_exchange_record *record = HTTP_MEMBER(exchange, struct http_exchange_record, exchange);

    assert(record->magic == HTTP_EXCHANGE_MAGIC);
    assert(record->connection && record->connection->magic == HTTP_CONNECTION_MAGIC);
    assert(record->connection->phase == HTTP_HANDLING);
    assert(pthread_equal(record->exchange.loop->owner, pthread_self()));
    return record->connection;
}

bool http_may_reply(const struct http_exchange *exchange, size_t body_bytes)
{
    const struct memory_account *memory = &exchange->loop->server->memory;
    uint64_t bytes_max = memory->bytes_max;

    if (body_bytes <= HTTP_SMALL_REPLY_BYTES_MAX)
        return true;
    if (body_bytes <= HTTP_USUAL_REPLY_BYTES_MAX)
        return memory_account_used(memory) + body_bytes <= 2 * bytes_max;
    return memory_account_has_room(memory, body_bytes + bytes_max / 8);
}

struct http_address http_exchange_client(const struct http_exchange *exchange)
{
    return http_forwarded_client(&exchange->request, &exchange->peer, &exchange->loop->server->config.trust);
}

/* Forgets the request that was answered, and its bytes. */
static void end_request(struct http_connection *connection)
{
    struct http_pool *buffers = &connection->loop->buffers;

    if (connection->phase == HTTP_READING)
        http_bytes_consume(&connection->input, buffers, connection->request_bytes);
    else
        http_bytes_release(&connection->input, buffers);
    http_exchange_release(connection);
    connection->parse = (struct http_parse){0};
    connection->chunked = (struct http_chunked){0};
    connection->head_is_parsed = connection->body_is_awaited = connection->body_is_admitted = false;
}

void http_reply(struct http_exchange *exchange, const struct http_reply *reply)
{
    struct http_connection *connection = connection_of(exchange);
    /* Nothing can be read behind a request that was not, or whose body was not. */
    bool is_last = exchange->refusal || connection->record->has_no_body_yet;
    bool client_closes = !is_last && !exchange->request.keep_alive;
    bool close = client_closes || is_last || reply->close || connection->loop->is_draining;
    bool is_connected = connection->socket >= 0;

    if (is_connected)
        http_reply_append(connection, reply, exchange->request.method, close);
    connection->phase = close || !is_connected ? HTTP_CLOSING : HTTP_READING;
    /* A client that keeps the connection may have sent its next request already. */
    connection->must_linger = !client_closes;
    end_request(connection);
    if (!is_connected)
        http_connection_close(connection);
    else if (!connection->is_dispatching)
        http_loop_make_ready(connection);
}
