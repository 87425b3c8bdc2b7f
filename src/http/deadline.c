#include "http/internal.h"

/* A deadline is renewed only when the renewal would move it by more than this part of the timeout, so that a
 * busy connection need not change its place in the list at each request. Deadlines are late by that part, so
 * that none is early. */
enum { SLACK_DIVISOR = 64 };

static int64_t slack_us(const struct http_wait_list *list)
{
    return list->timeout_us / SLACK_DIVISOR;
}

static struct http_connection *member(struct http_link *link)
{
    return HTTP_MEMBER(link, struct http_connection, wait_link);
}

void http_waits_init(struct http_loop *loop, const struct http_config *config)
{
    const int timeouts_ms[HTTP_WAIT_COUNT] = {
        [HTTP_WAIT_REQUEST] = config->idle_timeout_ms,     [HTTP_WAIT_HEAD] = config->header_timeout_ms,
        [HTTP_WAIT_BODY] = config->body_timeout_ms,        [HTTP_WAIT_WRITE] = config->write_timeout_ms,
        [HTTP_WAIT_HANDSHAKE] = config->header_timeout_ms, [HTTP_WAIT_LINGER] = HTTP_LINGER_TIMEOUT_MS,
    };

    for (unsigned wait = 0; wait < HTTP_WAIT_COUNT; wait++) {
        http_list_init(&loop->waits[wait].connections);
        loop->waits[wait].timeout_us = timeouts_ms[wait] * INT64_C(1000);
    }
}

void http_wait_begin(struct http_connection *connection, enum http_wait wait)
{
    struct http_wait_list *list = &connection->loop->waits[wait];

    connection->wait = wait;
    connection->wait_until_us = connection->loop->now_us + list->timeout_us + slack_us(list);
    http_list_append(&list->connections, &connection->wait_link);
    list->count++;
}

void http_wait_end(struct http_connection *connection)
{
    http_list_remove(&connection->wait_link);
    connection->loop->waits[connection->wait].count--;
}

struct http_connection *http_wait_oldest(const struct http_loop *loop, enum http_wait wait)
{
    const struct http_wait_list *list = &loop->waits[wait];

    return list->count ? member(list->connections.next) : NULL;
}

void http_wait_change(struct http_connection *connection, enum http_wait wait)
{
    http_wait_end(connection);
    http_wait_begin(connection, wait);
}

void http_wait_renew(struct http_connection *connection, enum http_wait wait)
{
    const struct http_wait_list *list = &connection->loop->waits[wait];

    if (connection->wait != wait || connection->wait_until_us - connection->loop->now_us < list->timeout_us)
        http_wait_change(connection, wait);
}

int64_t http_waits_next_us(const struct http_loop *loop)
{
    int64_t next_us = INT64_MAX;

    for (unsigned wait = 0; wait < HTTP_WAIT_COUNT; wait++) {
        const struct http_wait_list *list = &loop->waits[wait];

        if (list->timeout_us == 0 || http_list_is_empty(&list->connections))
            continue;
        const struct http_connection *first = member(list->connections.next);

        if (first->wait_until_us < next_us)
            next_us = first->wait_until_us;
    }
    return next_us;
}

static void expire_list(struct http_loop *loop, struct http_wait_list *list)
{
    while (list->timeout_us && !http_list_is_empty(&list->connections)) {
        struct http_connection *first = member(list->connections.next);

        if (first->wait_until_us > loop->now_us)
            return;
        http_connection_expire(first);
        assert(first != member(list->connections.next) || first->wait_until_us > loop->now_us);
    }
}

void http_waits_expire(struct http_loop *loop)
{
    for (unsigned wait = 0; wait < HTTP_WAIT_COUNT; wait++)
        expire_list(loop, &loop->waits[wait]);
}
