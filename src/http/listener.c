/* Accepting connections. */
#include "http/internal.h"

#include "base/log.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A socket that the loops share wakes one of them: the one that has waited longest in the socket's queue. */
static bool watch(struct http_loop *loop, struct http_listener *listener)
{
    struct epoll_event interest = {.events = listener->is_shared ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLIN,
                                   .data.ptr = listener};

    return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, listener->socket, &interest) == 0;
}

static void unwatch(struct http_loop *loop, struct http_listener *listener)
{
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, listener->socket, NULL);
}

bool http_listener_open(struct http_loop *loop, struct http_listener *listener)
{
    return watch(loop, listener);
}

/* True for one thread each minute. */
static bool may_complain(const struct http_loop *loop, _Atomic int64_t *complaint_us)
{
    int64_t last_us = atomic_load(complaint_us);

    if (last_us && loop->now_us - last_us < HTTP_ACCEPT_LOG_SECONDS * INT64_C(1000000))
        return false;
    return atomic_compare_exchange_strong(complaint_us, &last_us, loop->now_us);
}

/* Out of descriptors or memory: a listener that stays readable would make the loop spin. */
static void pause_accepting(struct http_loop *loop, struct http_listener *listener, int error)
{
    listener->paused_until_us = loop->now_us + HTTP_ACCEPT_PAUSE_MS * INT64_C(1000);
    loop->paused_count++;
    http_count(&loop->counters.accept_pauses, 1);
    unwatch(loop, listener);
    if (may_complain(loop, &loop->server->accept_complaint_us))
        LOG_WARNING("connections must wait", LOG_STRING("reason", http_bind_advice(error)));
}

void http_listeners_resume(struct http_loop *loop)
{
    for (unsigned i = 0; i < loop->listener_count; i++) {
        struct http_listener *listener = &loop->listeners[i];

        if (!listener->paused_until_us || loop->now_us < listener->paused_until_us)
            continue;
        if (!watch(loop, listener)) { /* no memory in the kernel: later */
            listener->paused_until_us = loop->now_us + HTTP_ACCEPT_PAUSE_MS * INT64_C(1000);
            continue;
        }
        listener->paused_until_us = 0;
        loop->paused_count--;
    }
}

int64_t http_listeners_next_us(const struct http_loop *loop)
{
    int64_t next_us = INT64_MAX;

    for (unsigned i = 0; i < loop->listener_count; i++) {
        int64_t until_us = loop->listeners[i].paused_until_us;

        if (until_us && until_us < next_us)
            next_us = until_us;
    }
    return next_us;
}

static void complain_of_refusal(struct http_loop *loop, const struct http_arrival *arrival,
                                enum http_admittance admittance)
{
    const struct http_config *config = &loop->server->config;
    bool is_total = admittance == HTTP_REFUSED_TOTAL;
    char memory[HTTP_ADDRESS_TEXT_MAX];

    http_count(is_total ? &loop->counters.refused_total : &loop->counters.refused_client, 1);
    if (may_complain(loop, &loop->server->refusal_complaint_us))
        LOG_WARNING(
            "connections are refused",
            LOG_STRING("reason", is_total ? "connections_max" : "connections_per_client_max"),
            LOG_INTEGER("limit", is_total ? config->connections_max : config->connections_per_client_max),
            LOG_TEXT("client", http_address_format(&arrival->peer, memory)));
}

/* Says so as far as the socket takes it at once, and closes: a refused client costs nothing for longer than
 * this. Before a handshake there is no way to say anything to a TLS client. */
static void refuse(struct http_loop *loop, const struct http_arrival *arrival,
                   enum http_admittance admittance)
{
    const struct http_handler *handler = &loop->server->handler;
    const struct http_reply *reply =
        admittance == HTTP_REFUSED_TOTAL ? handler->refused_total : handler->refused_client;
    struct http_connection speaker = {.loop = loop};

    complain_of_refusal(loop, arrival, admittance);
    if (reply && !arrival->is_tls) {
        http_reply_append(&speaker, reply, HTTP_GET, true);
        send(arrival->socket, speaker.output.data, speaker.output.end, MSG_NOSIGNAL);
        shutdown(arrival->socket, SHUT_WR);
        /* A request that is there and was not read would turn the end into a reset. */
        recv(arrival->socket, speaker.output.data, speaker.output.capacity, 0);
        http_bytes_release(&speaker.output, &loop->buffers);
    }
    close(arrival->socket);
}

static void admit(struct http_loop *loop, struct http_arrival *arrival)
{
    enum http_admittance admittance = HTTP_ADMITTED;

    arrival->counts = arrival->entrance == HTTP_ENTRANCE_PUBLIC;
    if (arrival->counts)
        admittance = http_admission_enter(loop->server, &arrival->peer, &arrival->counts_for_client);
    if (admittance == HTTP_ADMITTED)
        http_connection_open(loop, arrival);
    else
        refuse(loop, arrival, admittance);
}

/* Takes one connection. False when there is none to take now. */
static bool accept_one(struct http_loop *loop, struct http_listener *listener)
{
    struct sockaddr_storage peer = {0};
    socklen_t length = sizeof peer;
    int socket = accept4(listener->socket, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (socket >= 0) {
        admit(loop, &(struct http_arrival){.socket = socket,
                                           .entrance = listener->entrance,
                                           .is_tls = listener->is_tls,
                                           .peer = http_address_of((struct sockaddr *)&peer)});
        return true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        pause_accepting(loop, listener, errno);
    /* Other errors are those of one connection that went away before it was accepted. */
    return errno != EAGAIN && errno != EWOULDBLOCK && !listener->paused_until_us;
}

/* Takes one connection and goes to the end of the socket's queue of loops: the next one is another loop's, as
 * far as that one is not busy. */
static void accept_in_turn(struct http_loop *loop, struct http_listener *listener)
{
    if (!accept_one(loop, listener))
        return;
    unwatch(loop, listener);
    if (!watch(loop, listener))
        pause_accepting(loop, listener, errno);
}

void http_listener_accept(struct http_loop *loop, struct http_listener *listener)
{
    if (listener->socket < 0 || listener->paused_until_us)
        return;
    if (listener->is_shared) {
        accept_in_turn(loop, listener);
        return;
    }
    for (unsigned i = 0; i < HTTP_ACCEPTS_PER_WAKE; i++)
        if (!accept_one(loop, listener))
            return;
}

void http_listeners_close(struct http_loop *loop)
{
    for (unsigned i = 0; i < loop->listener_count; i++) {
        struct http_listener *listener = &loop->listeners[i];

        if (listener->socket < 0)
            continue;
        /* Closing the descriptor would not be enough for a socket that other loops hold open. */
        unwatch(loop, listener);
        close(listener->socket);
        listener->socket = -1;
        listener->paused_until_us = 0;
    }
    loop->paused_count = 0;
}
