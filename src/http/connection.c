/* One connection: bytes in, requests to the handler, bytes out, and its end. */
#include "http/internal.h"
#include "http/tls.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* What one step of a connection's work leads to. */
enum step {
    STEP_AGAIN, /* there may be more to do at once */
    STEP_WAIT,  /* nothing more can be done before an event, a reply or a deadline */
};

/* Whoever opens connections and never finishes a handshake must not hold the memory of all. */
static void limit_handshakes(struct http_loop *loop)
{
    if (loop->waits[HTTP_WAIT_HANDSHAKE].count <= HTTP_HANDSHAKES_UNFINISHED_MAX)
        return;
    http_count(&loop->counters.tls_failures, 1);
    http_connection_abort(http_wait_oldest(loop, HTTP_WAIT_HANDSHAKE));
}

void http_connection_open(struct http_loop *loop, const struct http_arrival *arrival)
{
    struct http_connection *connection = http_pool_take(&loop->connections);

    *connection = (struct http_connection){.magic = HTTP_CONNECTION_MAGIC,
                                           .socket = arrival->socket,
                                           .loop = loop,
                                           .phase = arrival->is_tls ? HTTP_HANDSHAKING : HTTP_READING,
                                           .is_writable = true,
                                           .entrance = arrival->entrance,
                                           .peer = arrival->peer,
                                           .counts = arrival->counts,
                                           .counts_for_client = arrival->counts_for_client};
    http_count(&loop->counters.accepted, 1);
    http_count(&loop->counters.open, 1);
    loop->connection_count++;
    http_wait_begin(connection, arrival->is_tls ? HTTP_WAIT_HANDSHAKE : HTTP_WAIT_REQUEST);
    struct epoll_event interest = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                   .data.ptr = connection};

    if ((arrival->is_tls && !http_tls_begin(loop->server->tls, connection)) ||
        epoll_ctl(loop->epoll, EPOLL_CTL_ADD, connection->socket, &interest) < 0)
        http_connection_close(connection);
    limit_handshakes(loop);
}

void http_connection_free(struct http_connection *connection)
{
    struct http_loop *loop = connection->loop;

    if (connection->is_ready)
        http_list_remove(&connection->ready_link);
    http_wait_end(connection);
    http_bytes_release(&connection->input, &loop->buffers);
    http_bytes_release(&connection->output, &loop->buffers);
    if (connection->record)
        http_exchange_release(connection);
    if (connection->counts)
        http_admission_leave(loop->server, &connection->peer, connection->counts_for_client);
    http_count(&loop->counters.open, -1);
    connection->magic = 0;
    http_pool_give(&loop->connections, connection);
}

void http_connection_close(struct http_connection *connection)
{
    if (connection->tls) {
        http_tls_end(connection);
        http_tls_free(connection);
    }
    if (connection->socket >= 0)
        close(connection->socket);
    connection->socket = -1;
    /* While the handler holds the exchange its texts point into the input: http_reply comes back here. */
    if (connection->phase == HTTP_HANDLING)
        http_exchange_abandon(connection);
    if (connection->phase == HTTP_HANDLING || connection->phase == HTTP_CLOSED)
        return;
    connection->phase = HTTP_CLOSED;
    connection->loop->connection_count--;
    http_wait_change(connection, HTTP_WAIT_REAP);
}

void http_connection_abort(struct http_connection *connection)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    if (connection->socket >= 0)
        setsockopt(connection->socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    http_connection_close(connection);
}

ssize_t http_socket_receive(struct http_connection *connection, void *memory, size_t size)
{
    ssize_t count;

    do {
        count = recv(connection->socket, memory, size, 0);
    } while (count < 0 && errno == EINTR);
    /* A short read says that the socket is empty; the end of the input must still be read, though. */
    if (count < (ssize_t)size)
        connection->is_readable = count > 0 && connection->peer_has_ended;
    if (count == 0)
        connection->input_has_ended = true;
    return count;
}

ssize_t http_socket_send(struct http_connection *connection, const void *bytes, size_t length)
{
    ssize_t count;

    do {
        count = send(connection->socket, bytes, length, MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    return count;
}

static ssize_t receive_bytes(struct http_connection *connection, void *memory, size_t size)
{
    return __builtin_expect(connection->tls != NULL, 0) ? http_tls_receive(connection, memory, size)
                                                        : http_socket_receive(connection, memory, size);
}

static ssize_t send_bytes(struct http_connection *connection, const void *bytes, size_t length)
{
    return __builtin_expect(connection->tls != NULL, 0) ? http_tls_send(connection, bytes, length)
                                                        : http_socket_send(connection, bytes, length);
}

/* Sends the output. False when some is left (the client does not read) or the connection is gone. */
static bool flush(struct http_connection *connection)
{
    struct http_bytes *output = &connection->output;

    while (http_bytes_length(output)) {
        if (!connection->is_writable)
            return false;
        ssize_t count = send_bytes(connection, output->data + output->start, http_bytes_length(output));

        if (count > 0) {
            connection->has_made_progress = true;
            http_bytes_consume(output, &connection->loop->buffers, (size_t)count);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            connection->is_writable = false;
        } else {
            http_connection_close(connection);
            return false;
        }
    }
    return true;
}

char *http_connection_reserve(struct http_connection *connection, size_t size)
{
    struct http_bytes *output = &connection->output;
    size_t gathered = http_bytes_length(output);

    if (output->capacity - output->end < size)
        http_bytes_reserve(output, &connection->loop->buffers, size > gathered ? size : gathered);
    return output->data + output->end;
}

static void receive(struct http_connection *connection)
{
    struct http_bytes *input = &connection->input;

    if (!http_intake_reserve(connection))
        return;
    ssize_t count = receive_bytes(connection, input->data + input->end, input->capacity - input->end);

    if (count > 0)
        input->end += (size_t)count;
    else if (http_bytes_length(input) == 0)
        http_bytes_release(input, &connection->loop->buffers);
    if (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        http_connection_close(connection);
}

/* The handshakes of many new clients take turns with the requests of the others. */
static enum step step_handshaking(struct http_connection *connection)
{
    struct http_loop *loop = connection->loop;

    if (loop->is_draining) {
        http_connection_close(connection);
        return STEP_WAIT;
    }
    if (loop->handshake_count == HTTP_HANDSHAKES_PER_TURN) {
        http_loop_make_ready(connection);
        return STEP_WAIT;
    }
    loop->handshake_count++;
    switch (http_tls_handshake(connection)) {
    case HTTP_TLS_WAITS:
        return STEP_WAIT;
    case HTTP_TLS_DONE:
        connection->phase = HTTP_READING;
        return STEP_AGAIN;
    case HTTP_TLS_PLAIN:
        connection->phase = HTTP_READING;
        http_exchange_dispatch(connection, HTTP_REFUSAL_MALFORMED,
                               "this port speaks HTTPS; begin the address with https://");
        return STEP_AGAIN;
    case HTTP_TLS_FAILED:
        break;
    }
    http_connection_close(connection);
    return STEP_WAIT;
}

/* Whether what was said must leave before more is. */
static bool must_flush(const struct http_connection *connection)
{
    size_t gathered = http_bytes_length(&connection->output);

    if (gathered && !connection->is_writable)
        return true;
    return gathered >= HTTP_OUTPUT_GATHER_BYTES ||
           (gathered >= HTTP_BUFFER_BYTES &&
            !http_server_may_buffer(connection->loop->server, gathered, false));
}

static enum step step_reading(struct http_connection *connection)
{
    if (must_flush(connection))
        return flush(connection) ? STEP_AGAIN : STEP_WAIT;
    if (http_bytes_length(&connection->input) && http_intake_take(connection))
        return STEP_AGAIN;
    if (!flush(connection))
        return STEP_WAIT;
    bool is_idle = http_bytes_length(&connection->input) == 0;

    if (connection->input_has_ended || (is_idle && connection->loop->is_draining)) {
        http_connection_close(connection);
        return STEP_WAIT;
    }
    if (!connection->is_readable)
        return STEP_WAIT;
    receive(connection);
    return STEP_AGAIN;
}

/* All is said. Closing at once is safe only when the client sends nothing more: bytes that arrive at a closed
 * socket are answered by a reset, which can overtake the reply. */
static enum step step_closing(struct http_connection *connection)
{
    if (!flush(connection))
        return STEP_WAIT;
    if (connection->input_has_ended || (!connection->must_linger && !connection->is_readable)) {
        http_connection_close(connection);
        return STEP_WAIT;
    }
    if (connection->tls)
        http_tls_end(connection);
    shutdown(connection->socket, SHUT_WR);
    connection->phase = HTTP_LINGERING;
    return STEP_AGAIN;
}

static enum step step_lingering(struct http_connection *connection)
{
    struct http_pool *buffers = &connection->loop->buffers;

    if (!connection->is_readable)
        return STEP_WAIT;
    void *memory = http_pool_take(buffers);
    ssize_t count = http_socket_receive(connection, memory, buffers->block_bytes);

    http_pool_give(buffers, memory);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return STEP_WAIT;
    if (count > 0)
        connection->lingered_bytes += (size_t)count;
    if (count > 0 && connection->lingered_bytes < HTTP_LINGER_BYTES_MAX)
        return STEP_AGAIN;
    http_connection_close(connection);
    return STEP_WAIT;
}

static enum step take_step(struct http_connection *connection)
{
    switch (connection->phase) {
    case HTTP_HANDSHAKING:
        return step_handshaking(connection);
    case HTTP_READING:
        return step_reading(connection);
    case HTTP_HANDLING: /* the replies before this one need not wait for it */
        if (connection->socket >= 0)
            flush(connection);
        return STEP_WAIT;
    case HTTP_CLOSING:
        return step_closing(connection);
    case HTTP_LINGERING:
        return step_lingering(connection);
    case HTTP_CLOSED:
        break;
    }
    return STEP_WAIT;
}

static enum http_wait wait_of(const struct http_connection *connection)
{
    if (connection->phase == HTTP_CLOSED)
        return HTTP_WAIT_REAP;
    if (connection->phase == HTTP_HANDLING)
        return HTTP_WAIT_REPLY;
    if (connection->phase == HTTP_HANDSHAKING)
        return HTTP_WAIT_HANDSHAKE;
    if (http_bytes_length(&connection->output))
        return HTTP_WAIT_WRITE;
    if (connection->phase == HTTP_LINGERING)
        return HTTP_WAIT_LINGER;
    if (http_bytes_length(&connection->input) == 0)
        return HTTP_WAIT_REQUEST;
    return connection->body_is_awaited ? HTTP_WAIT_BODY : HTTP_WAIT_HEAD;
}

/* The bytes that were sent but have not reached the client. */
static int unacknowledged_bytes(const struct http_connection *connection)
{
    int bytes = 0;

    return ioctl(connection->socket, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

static void wait_for_client_to_read(struct http_connection *connection)
{
    connection->unacknowledged_bytes = unacknowledged_bytes(connection);
    http_wait_change(connection, HTTP_WAIT_WRITE);
}

/* Only a reply sent or bytes read by the client put a deadline off; a request that trickles in does not. */
static void settle_wait(struct http_connection *connection)
{
    enum http_wait wait = wait_of(connection);

    if (wait == HTTP_WAIT_WRITE) {
        if (wait != connection->wait || connection->has_made_progress)
            wait_for_client_to_read(connection);
    } else if (wait != connection->wait) {
        http_wait_change(connection, wait);
    } else if (wait == HTTP_WAIT_REQUEST && connection->has_made_progress) {
        http_wait_renew(connection, wait);
    }
    connection->has_made_progress = false;
}

void http_connection_run(struct http_connection *connection)
{
    unsigned steps = 0;

    assert(connection->magic == HTTP_CONNECTION_MAGIC);
    assert(!connection->is_dispatching);
    while (take_step(connection) == STEP_AGAIN)
        if (++steps == HTTP_STEPS_PER_TURN) {
            http_loop_make_ready(connection);
            break;
        }
    settle_wait(connection);
}

/* Whether the client does not wait for the reply any more. That it sends nothing more need not mean that,
 * when it says so as soon as it has sent. */
static bool has_left(const struct http_connection *connection, uint32_t events)
{
    int64_t handled_us = connection->loop->now_us - connection->record->handled_from_us;

    return (events & (EPOLLHUP | EPOLLERR)) || ((events & EPOLLRDHUP) && !connection->peer_has_ended &&
                                                handled_us > HTTP_HALF_CLOSE_MS * INT64_C(1000));
}

void http_connection_event(struct http_connection *connection, uint32_t events)
{
    if (connection->phase == HTTP_CLOSED || connection->socket < 0)
        return;
    if (connection->phase == HTTP_HANDLING && has_left(connection, events))
        http_exchange_abandon(connection);
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        connection->peer_has_ended = true;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        connection->is_readable = !connection->input_has_ended;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        connection->is_writable = true;
    if (connection->tls && connection->is_writable)
        http_tls_writable(connection);
    http_connection_run(connection);
}

void http_connection_expire(struct http_connection *connection)
{
    switch (connection->wait) {
    case HTTP_WAIT_HEAD:
        http_exchange_dispatch(connection, HTTP_REFUSAL_TIMEOUT, "the request head took too long");
        http_connection_run(connection);
        break;
    case HTTP_WAIT_BODY:
        http_exchange_dispatch(connection, HTTP_REFUSAL_TIMEOUT, "the request body took too long");
        http_connection_run(connection);
        break;
    case HTTP_WAIT_WRITE:
        /* The socket tells of new room only when a good part of its buffer is free, which a slow client may
         * take long for: ask whether it has taken anything at all. */
        if (unacknowledged_bytes(connection) < connection->unacknowledged_bytes)
            wait_for_client_to_read(connection);
        else
            http_connection_abort(connection);
        break;
    default:
        http_connection_close(connection);
    }
}
