/* Accepting connections. */
#include "http/internal.h"

#include "base/log.h"
#include "metrics/metrics.h"

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

/* Out of descriptors or memory: a listener that stays readable would make the loop spin. */
static void pause_accepting(struct http_loop *loop, struct http_listener *listener, int error)
{
    int64_t last_us = atomic_load(&loop->server->accept_complaint_us);

    listener->paused_until_us = loop->now_us + HTTP_ACCEPT_PAUSE_MS * INT64_C(1000);
    loop->paused_count++;
    metrics_add(&metrics_here()->http_connections_refused[METRICS_CONNECTION_NO_DESCRIPTORS], 1);
    unwatch(loop, listener);
    if (last_us && loop->now_us - last_us < HTTP_ACCEPT_LOG_SECONDS * INT64_C(1000000))
        return;
    if (atomic_compare_exchange_strong(&loop->server->accept_complaint_us, &last_us, loop->now_us))
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

/* Takes one connection. False when there is none to take now. */
static bool accept_one(struct http_loop *loop, struct http_listener *listener)
{
    int socket = accept4(listener->socket, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (socket >= 0) {
        http_connection_open(loop, socket, listener);
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
