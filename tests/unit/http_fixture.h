/* http_fixture.h: a server with a tiny handler, and a client that speaks raw bytes, for the tests of http.
 *
 * Paths of the handler:
 *   /echo   200, "METHOD TARGET\nBODY"          /big/N    200, N bytes
 *   /empty  204                                 /close    200, and closes
 *   /defer  as /echo, but given by another      /hold     as /echo, once the test calls release_held
 *           thread through a task
 *   /count  200, the number of requests so far  /sleep    204, after keeping the loop busy
 *   /forbidden  403 as soon as on_head is asked, 200 when it is not
 *   /small  as /echo, but takes no large body
 * A refusal is answered with its status and its reason as the body. */
#ifndef FARTHING_TESTS_HTTP_FIXTURE_H
#define FARTHING_TESTS_HTTP_FIXTURE_H

#include "http/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CLIENT_TIMEOUT_S = 20, PATIENCE_MS = 20000, SLEEP_MS = 100 };

/* An exchange that waits for its reply outside of the loop. */
struct pending {
    struct http_task task;
    struct http_exchange *exchange;
    struct fixture *fixture;
};

struct pending_list {
    struct http_task *first, *last;
};

struct fixture {
    struct http_server *server;
    struct arena arena;
    int port;
    atomic_uint heads, requests, replies, batch_ends, loops_running;
    atomic_int last_refusal;
    atomic_bool last_was_admin;
    bool loop_start_fails;

    pthread_t worker;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct pending_list deferred, held; /* under the lock */
    unsigned held_count;
    bool worker_must_end;
};

/* What a loop holds open between on_request and on_batch_end, as the product does a read transaction. */
struct loop_state {
    struct fixture *fixture;
    struct http_loop *loop;
    bool batch_is_open;
};

static inline void sleep_ms(long milliseconds)
{
    const struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};

    nanosleep(&time, NULL);
}

static inline int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

#define WAIT_UNTIL(condition)                                                                                \
    do {                                                                                                     \
        int64_t give_up_ms = clock_ms() + PATIENCE_MS;                                                       \
        while (!(condition)) {                                                                               \
            if (clock_ms() > give_up_ms)                                                                     \
                fail_msg("waited in vain for %s", #condition);                                               \
            sleep_ms(1);                                                                                     \
        }                                                                                                    \
    } while (0)

/* ---- the handler ---- */

static inline void *fixture_loop_start(void *context, struct http_loop *loop, unsigned index)
{
    struct fixture *fixture = context;
    struct loop_state *state = calloc(1, sizeof *state);

    (void)index;
    *state = (struct loop_state){fixture, loop, false};
    if (!fixture->loop_start_fails) {
        fixture->loops_running++;
        return state;
    }
    free(state);
    return NULL;
}

static inline void fixture_batch_end(void *loop_state)
{
    struct loop_state *state = loop_state;

    if (http_loop_state(state->loop) != state || !state->batch_is_open)
        abort(); /* cmocka cannot fail a test from another thread */
    state->batch_is_open = false;
    state->fixture->batch_ends++;
}

static inline void fixture_loop_stop(void *loop_state)
{
    struct loop_state *state = loop_state;

    if (state->batch_is_open)
        abort();
    state->fixture->loops_running--;
    free(state);
}

static inline void reply_echo(struct http_exchange *exchange, struct fixture *fixture)
{
    const struct http_request *request = &exchange->request;
    const struct http_reply reply = {
        .status = 200,
        .content_type = TEXT("text/plain"),
        .headers = {TEXT("X-One: 1\r\n"), TEXT("X-Two: 2\r\nX-Three: 3\r\n")},
        .body = arena_format(exchange->arena, "%.*s %.*s\n%.*s", TEXT_FORMAT(request->method_name),
                             TEXT_FORMAT(request->target), TEXT_FORMAT(request->body)),
    };

    fixture->replies++;
    http_reply(exchange, &reply);
}

static inline void pending_run(struct http_task *task)
{
    struct pending *pending = (struct pending *)(void *)task;
    struct loop_state *state = http_loop_state(pending->exchange->loop);

    state->batch_is_open = true;
    reply_echo(pending->exchange, pending->fixture);
    free(pending);
}

static inline void pending_append(struct pending_list *list, struct pending *pending)
{
    if (list->first)
        list->last->next = &pending->task;
    else
        list->first = &pending->task;
    list->last = &pending->task;
}

static inline void make_pending(struct fixture *fixture, struct http_exchange *exchange, bool is_held)
{
    struct pending *pending = calloc(1, sizeof *pending);

    *pending = (struct pending){{NULL, pending_run}, exchange, fixture};
    pthread_mutex_lock(&fixture->lock);
    pending_append(is_held ? &fixture->held : &fixture->deferred, pending);
    fixture->held_count += is_held;
    pthread_cond_signal(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
}

/* Posts each run of tasks of one loop as one chain. */
static inline void post_all(struct http_task *task)
{
    while (task) {
        struct http_loop *loop = ((struct pending *)(void *)task)->exchange->loop;
        struct http_task *first = task, *last = task;

        for (task = task->next; task && ((struct pending *)(void *)task)->exchange->loop == loop;
             task = task->next)
            last = task;
        http_loop_post(loop, first, last);
    }
}

static inline void *worker_main(void *context)
{
    struct fixture *fixture = context;

    pthread_mutex_lock(&fixture->lock);
    while (!fixture->worker_must_end) {
        struct http_task *tasks = fixture->deferred.first;

        fixture->deferred = (struct pending_list){0};
        if (tasks) {
            pthread_mutex_unlock(&fixture->lock);
            post_all(tasks);
            pthread_mutex_lock(&fixture->lock);
        } else {
            pthread_cond_wait(&fixture->changed, &fixture->lock);
        }
    }
    pthread_mutex_unlock(&fixture->lock);
    return NULL;
}

static inline unsigned held_count(struct fixture *fixture)
{
    pthread_mutex_lock(&fixture->lock);
    unsigned count = fixture->held_count;

    pthread_mutex_unlock(&fixture->lock);
    return count;
}

/* How many of them nobody waits for. */
static inline unsigned abandoned_count(struct fixture *fixture)
{
    unsigned count = 0;

    pthread_mutex_lock(&fixture->lock);
    for (struct http_task *task = fixture->held.first; task; task = task->next)
        count += atomic_load(&((struct pending *)(void *)task)->exchange->is_abandoned);
    pthread_mutex_unlock(&fixture->lock);
    return count;
}

static inline void release_held(struct fixture *fixture)
{
    pthread_mutex_lock(&fixture->lock);
    struct http_task *tasks = fixture->held.first;

    fixture->held = (struct pending_list){0};
    fixture->held_count = 0;
    pthread_mutex_unlock(&fixture->lock);
    post_all(tasks);
}

static inline void reply_refusal(struct http_exchange *exchange)
{
    static const int statuses[] = {
        [HTTP_REFUSAL_MALFORMED] = 400,        [HTTP_REFUSAL_TIMEOUT] = 408,
        [HTTP_REFUSAL_BODY_TOO_LARGE] = 413,   [HTTP_REFUSAL_URL_TOO_LONG] = 414,
        [HTTP_REFUSAL_HEADER_TOO_LARGE] = 431, [HTTP_REFUSAL_NOT_IMPLEMENTED] = 501,
        [HTTP_REFUSAL_OVERLOADED] = 503,       [HTTP_REFUSAL_VERSION] = 505,
    };
    const struct http_reply reply = {.status = statuses[exchange->refusal],
                                     .content_type = TEXT("text/plain"),
                                     .body = text_from_string(exchange->refusal_reason)};

    http_reply(exchange, &reply);
}

static inline void reply_big(struct http_exchange *exchange, struct text size)
{
    struct http_reply reply = {.status = 200, .content_type = TEXT("text/plain")};
    uint64_t length = 0;

    text_to_uint64(size, &length);
    char *body = malloc(length + 1);

    for (uint64_t i = 0; i < length; i++)
        body[i] = (char)('a' + i % 23);
    reply.body = (struct text){body, length};
    http_reply(exchange, &reply);
    free(body); /* the reply was copied */
}

static inline void reply_count(struct http_exchange *exchange, struct fixture *fixture)
{
    const struct http_reply reply = {
        .status = 200, .body = arena_format(exchange->arena, "%u", (unsigned)fixture->requests)};

    http_reply(exchange, &reply);
}

static inline void fixture_on_request(void *loop_state, struct http_exchange *exchange)
{
    struct loop_state *state = loop_state;
    struct fixture *fixture = state->fixture;
    struct text path = exchange->request.path;

    state->batch_is_open = true;
    fixture->requests++;
    fixture->last_refusal = (int)exchange->refusal;
    fixture->last_was_admin = exchange->entrance == HTTP_ENTRANCE_ADMIN;
    if (exchange->refusal)
        reply_refusal(exchange);
    else if (text_starts_with(path, TEXT("/big/")))
        reply_big(exchange, text_from(path, 5));
    else if (text_equal(path, TEXT("/defer")))
        make_pending(fixture, exchange, false);
    else if (text_equal(path, TEXT("/hold")))
        make_pending(fixture, exchange, true);
    else if (text_equal(path, TEXT("/empty")))
        http_reply(exchange, &(struct http_reply){.status = 204});
    else if (text_equal(path, TEXT("/close")))
        http_reply(exchange, &(struct http_reply){.status = 200, .body = TEXT("bye"), .close = true});
    else if (text_equal(path, TEXT("/count")))
        reply_count(exchange, fixture);
    else if (text_equal(path, TEXT("/sleep"))) {
        sleep_ms(SLEEP_MS);
        http_reply(exchange, &(struct http_reply){.status = 204});
    } else
        reply_echo(exchange, fixture);
}

static inline bool fixture_on_head(void *loop_state, struct http_exchange *exchange)
{
    struct loop_state *state = loop_state;

    state->batch_is_open = true;
    state->fixture->heads++;
    if (text_equal(exchange->request.path, TEXT("/small")))
        exchange->body_bytes_max = HTTP_SMALL_BODY_BYTES_MAX;
    if (!text_equal(exchange->request.path, TEXT("/forbidden")))
        return true;
    http_reply(exchange, &(struct http_reply){.status = 403, .body = TEXT("no")});
    return false;
}

/* ---- start and stop ---- */

static inline struct http_server *try_start(struct fixture *fixture, const struct http_config *config,
                                            struct text *reason)
{
    const struct http_handler handler = {.context = fixture,
                                         .loop_start = fixture_loop_start,
                                         .on_head = fixture_on_head,
                                         .on_request = fixture_on_request,
                                         .on_batch_end = fixture_batch_end,
                                         .loop_stop = fixture_loop_stop};

    return http_server_start(config, &handler, &fixture->arena, reason);
}

static inline struct http_config test_config(void)
{
    struct http_config config = http_config_default();

    http_config_listen(&config, TEXT("127.0.0.1:0"), HTTP_ENTRANCE_PUBLIC);
    config.loop_count = 1;
    return config;
}

static inline struct fixture *fixture_new(void)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    arena_init(&fixture->arena);
    pthread_mutex_init(&fixture->lock, NULL);
    pthread_cond_init(&fixture->changed, NULL);
    return fixture;
}

static inline struct fixture *fixture_start(const struct http_config *config)
{
    struct fixture *fixture = fixture_new();
    struct text reason = text_empty;

    fixture->server = try_start(fixture, config, &reason);
    if (!fixture->server)
        fail_msg("%.*s", TEXT_FORMAT(reason));
    struct text address = http_server_address(fixture->server, 0);
    uint64_t port;

    assert_true(text_to_uint64(text_from(address, address.length - 5), &port) ||
                text_to_uint64(text_from(address, address.length - 4), &port));
    fixture->port = (int)port;
    pthread_create(&fixture->worker, NULL, worker_main, fixture);
    return fixture;
}

static inline void fixture_free(struct fixture *fixture)
{
    pthread_cond_destroy(&fixture->changed);
    pthread_mutex_destroy(&fixture->lock);
    arena_free(&fixture->arena);
    free(fixture);
}

static inline void fixture_stop(struct fixture *fixture)
{
    http_server_drain(fixture->server);
    pthread_mutex_lock(&fixture->lock);
    fixture->worker_must_end = true;
    pthread_cond_signal(&fixture->changed);
    pthread_mutex_unlock(&fixture->lock);
    pthread_join(fixture->worker, NULL);
    http_server_free(fixture->server);
    assert_int_equal(fixture->loops_running, 0);
    fixture_free(fixture);
}

/* ---- the client ---- */

struct client {
    int socket;
    char *bytes; /* received and not yet looked at */
    size_t length;
};

struct client_reply {
    int status;
    char head[1024]; /* with its empty line */
    char *body;
    size_t body_length;
};

static inline struct client client_connect(const struct fixture *fixture)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)fixture->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval timeout = {.tv_sec = CLIENT_TIMEOUT_S};
    const int one = 1;
    struct client client = {.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};

    assert_true(client.socket >= 0);
    setsockopt(client.socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(client.socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    setsockopt(client.socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    assert_int_equal(connect(client.socket, (const struct sockaddr *)&address, sizeof address), 0);
    return client;
}

static inline void client_close(struct client *client)
{
    close(client->socket);
    free(client->bytes);
    *client = (struct client){.socket = -1};
}

static inline void client_send(struct client *client, const void *bytes, size_t length)
{
    for (size_t sent = 0; sent < length;) {
        ssize_t count = send(client->socket, (const char *)bytes + sent, length - sent, MSG_NOSIGNAL);

        assert_true(count > 0);
        sent += (size_t)count;
    }
}

static inline void client_say(struct client *client, const char *string)
{
    client_send(client, string, strlen(string));
}

static inline void client_get(struct client *client, const char *target)
{
    char request[256];

    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: t\r\n\r\n", target);
    client_say(client, request);
}

/* Receives some bytes. 0 at the end, -1 at a reset. */
static inline ssize_t client_receive(struct client *client)
{
    enum { PIECE = 64 * 1024 };

    client->bytes = realloc(client->bytes, client->length + PIECE + 1);
    ssize_t count = recv(client->socket, client->bytes + client->length, PIECE, 0);

    if (count < 0 && errno != ECONNRESET)
        fail_msg("receive: %s", strerror(errno));
    if (count > 0)
        client->length += (size_t)count;
    client->bytes[client->length] = '\0';
    return count;
}

static inline void client_drop(struct client *client, size_t count)
{
    memmove(client->bytes, client->bytes + count, client->length - count + 1);
    client->length -= count;
}

/* Reads one reply; its body is to be freed. `has_body` is false for the answer to a HEAD. */
static inline struct client_reply client_read(struct client *client, bool has_body)
{
    struct client_reply reply = {0};
    const char *end;

    while (!client->bytes || !(end = strstr(client->bytes, "\r\n\r\n")))
        if (client_receive(client) <= 0)
            fail_msg("the connection ended before a reply");
    size_t head_length = (size_t)(end - client->bytes) + 4;

    assert_true(head_length < sizeof reply.head);
    memcpy(reply.head, client->bytes, head_length);
    assert_int_equal(sscanf(reply.head, "HTTP/1.1 %d ", &reply.status), 1);
    const char *length = strstr(reply.head, "Content-Length: ");

    reply.body_length = length && has_body ? strtoul(length + 16, NULL, 10) : 0;
    client_drop(client, head_length);
    while (client->length < reply.body_length)
        if (client_receive(client) <= 0)
            fail_msg("the connection ended inside a reply");
    reply.body = calloc(1, reply.body_length + 1);
    memcpy(reply.body, client->bytes, reply.body_length);
    client_drop(client, reply.body_length);
    return reply;
}

static inline void client_expect(struct client *client, int status, const char *body)
{
    struct client_reply reply = client_read(client, true);

    if (reply.status != status || strcmp(reply.body, body) != 0)
        fail_msg("%d \"%s\" instead of %d \"%s\"", reply.status, reply.body, status, body);
    free(reply.body);
}

/* The connection must have ended in good order, without another byte. */
static inline void client_expect_end(struct client *client)
{
    ssize_t count = client_receive(client);

    if (count != 0 || client->length)
        fail_msg("%zd instead of the end; unread: %s", count, client->bytes);
}

#endif
