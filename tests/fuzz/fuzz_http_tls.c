/* TLS around requests: whatever a client sends, in records and pieces of any size, a connection inside TLS
 * gives the very replies that a plain one gives. When a byte is changed on the way, or no TLS is spoken at
 * all, it ends, and gives no more than the beginning of them.
 *
 * The first bytes of the input say how the rest is sent (struct plan). The client is OpenSSL's own. */
#include "http/internal.h"
#include "http/tls.h"

#include "base/buffer.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argument_count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

enum { REPLIES_BYTES_MAX = 1 << 20, PATH_BYTES = 64, PLAN_BYTES = 5, TURNS_MAX = 100000 };

struct plan {
    bool speaks_tls;
    bool is_tls_1_2;
    size_t record_bytes; /* of what the client writes at a time */
    size_t piece_bytes;  /* of what the server sees at a time */
    size_t changed_at;   /* which byte of the client's is changed; SIZE_MAX: none */
};

static struct http_server server;
static struct http_loop loop;
static SSL_CTX *client_context;

/* ---- a server without threads ---- */

static void *loop_start(void *context, struct http_loop *started, unsigned index)
{
    (void)context, (void)started, (void)index;
    return &loop;
}

static void nothing(void *state)
{
    (void)state;
}

/* Some requests may have less of a body than others, and some none at all, as with the real handler. */
static bool on_head(void *state, struct http_exchange *exchange)
{
    (void)state;
    if (exchange->request.method == HTTP_OPTIONS)
        exchange->body_bytes_max = HTTP_SMALL_BODY_BYTES_MAX;
    if (exchange->request.method != HTTP_DELETE)
        return true;
    http_reply(exchange, &(struct http_reply){.status = 404});
    return false;
}

static void on_request(void *state, struct http_exchange *exchange)
{
    const struct http_request *request = &exchange->request;
    struct http_reply reply = {.status = 200, .content_type = TEXT("text/plain")};

    (void)state;
    if (exchange->refusal) {
        reply.status = 400;
        reply.body = text_from_string(exchange->refusal_reason);
    } else {
        reply.body = arena_format(exchange->arena, "%.*s %.*s %zu", TEXT_FORMAT(request->method_name),
                                  TEXT_FORMAT(request->path), request->body.length);
    }
    http_reply(exchange, &reply);
}

/* A file that holds what is written to it, by a path that can be opened. */
static FILE *memory_file(char path[PATH_BYTES])
{
    int descriptor = memfd_create("pem", 0);

    CHECK(descriptor >= 0);
    snprintf(path, PATH_BYTES, "/proc/self/fd/%d", descriptor);
    return fdopen(descriptor, "w");
}

static void write_certificate(FILE *certificate_file, FILE *key_file)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();

    CHECK(key && certificate);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 1000000);
    X509_set_pubkey(certificate, key);
    CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
    CHECK(PEM_write_X509(certificate_file, certificate) == 1);
    CHECK(PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL) == 1);
    CHECK(fflush(certificate_file) == 0 && fflush(key_file) == 0);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

int LLVMFuzzerInitialize(int *argument_count, char ***arguments)
{
    char certificate_path[PATH_BYTES], key_path[PATH_BYTES];
    FILE *certificate = memory_file(certificate_path), *key = memory_file(key_path);
    struct text reason;

    (void)argument_count, (void)arguments;
    write_certificate(certificate, key);
    server.magic = HTTP_SERVER_MAGIC;
    server.config = http_config_default();
    server.handler = (struct http_handler){.loop_start = loop_start,
                                           .on_head = on_head,
                                           .on_request = on_request,
                                           .on_batch_end = nothing,
                                           .loop_stop = nothing};
    arena_init(&server.arena);
    server.tls =
        http_tls_open(text_from_string(certificate_path), text_from_string(key_path), &server.arena, &reason);
    CHECK(server.tls);
    CHECK(http_loop_init(&loop, &server, 0));
    loop.owner = pthread_self();
    memset(loop.date_line, 'd', HTTP_DATE_LINE_BYTES);
    client_context = SSL_CTX_new(TLS_client_method());
    CHECK(client_context);
    return 0;
}

/* ---- a client ---- */

struct client {
    const struct plan *plan;
    struct http_connection *connection; /* NULL when it is gone */
    int socket;
    SSL *ssl; /* NULL: plain */
    size_t sent;
    struct buffer *replies;
};

static void open_client(struct client *client, const struct plan *plan, bool server_is_tls,
                        struct buffer *replies)
{
    int sockets[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets) == 0);
    *client = (struct client){.plan = plan, .socket = sockets[0], .replies = replies};
    http_connection_open(&loop, &(struct http_arrival){.socket = sockets[1], .is_tls = server_is_tls});
    struct http_wait_list *waits = &loop.waits[server_is_tls ? HTTP_WAIT_HANDSHAKE : HTTP_WAIT_REQUEST];

    client->connection = HTTP_MEMBER(waits->connections.next, struct http_connection, wait_link);
    if (!server_is_tls || !plan->speaks_tls)
        return;
    client->ssl = SSL_new(client_context);
    CHECK(client->ssl);
    if (plan->is_tls_1_2)
        SSL_set_max_proto_version(client->ssl, TLS1_2_VERSION);
    SSL_set_bio(client->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(client->ssl);
}

/* Has the server do all that it can, and forget the connection when that has ended. */
static void run_server(struct client *client, uint32_t events)
{
    struct http_link *reaped = &loop.waits[HTTP_WAIT_REAP].connections;

    loop.handshake_count = 0;
    if (client->connection)
        http_connection_event(client->connection, events);
    for (unsigned turns = 0; !http_list_is_empty(&loop.ready); turns++) {
        struct http_connection *ready = HTTP_MEMBER(loop.ready.next, struct http_connection, ready_link);

        CHECK(turns < TURNS_MAX);
        http_list_remove(&ready->ready_link);
        ready->is_ready = false;
        loop.handshake_count = 0;
        http_connection_run(ready);
    }
    if (http_list_is_empty(reaped))
        return;
    http_connection_free(client->connection);
    client->connection = NULL;
    CHECK(http_list_is_empty(reaped));
}

/* Takes what the server has sent. */
static void receive(struct client *client)
{
    char bytes[4096];
    ssize_t count;

    while ((count = recv(client->socket, bytes, sizeof bytes, 0)) > 0) {
        if (client->ssl)
            BIO_write(SSL_get_rbio(client->ssl), bytes, (int)count);
        else
            buffer_append_bytes(client->replies, bytes, (size_t)count);
        run_server(client, EPOLLOUT);
    }
    while (client->ssl && (count = SSL_read(client->ssl, bytes, sizeof bytes)) > 0)
        buffer_append_bytes(client->replies, bytes, (size_t)count);
    CHECK(client->replies->length < REPLIES_BYTES_MAX);
}

/* Sends bytes as they go over the wire, in pieces. */
static void send_pieces(struct client *client, const char *bytes, size_t length)
{
    const struct plan *plan = client->plan;
    bool may_change = client->ssl != NULL;

    for (size_t at = 0; at < length;) {
        size_t piece = length - at < plan->piece_bytes ? length - at : plan->piece_bytes;
        char copy[256];

        piece = piece < sizeof copy ? piece : sizeof copy;
        memcpy(copy, bytes + at, piece);
        if (may_change && plan->changed_at >= client->sent && plan->changed_at - client->sent < piece)
            copy[plan->changed_at - client->sent] ^= 0x55;
        ssize_t sent = send(client->socket, copy, piece, MSG_NOSIGNAL);

        if (sent < 0 && errno != EAGAIN)
            return; /* the server has closed */
        if (sent > 0) {
            at += (size_t)sent;
            client->sent += (size_t)sent;
        }
        run_server(client, EPOLLIN);
        receive(client);
    }
}

/* Sends what the client's side of TLS wants to send. */
static void send_records(struct client *client)
{
    char bytes[4096];
    int count;

    while ((count = BIO_read(SSL_get_wbio(client->ssl), bytes, sizeof bytes)) > 0)
        send_pieces(client, bytes, (size_t)count);
}

static bool shake_hands(struct client *client)
{
    for (unsigned turns = 0; turns < 10; turns++) {
        int outcome = SSL_do_handshake(client->ssl);

        send_records(client);
        if (outcome == 1)
            return true;
        if (SSL_get_error(client->ssl, outcome) != SSL_ERROR_WANT_READ)
            return false;
        /* SSL_read in receive() goes on with the handshake as well. */
        receive(client);
    }
    return SSL_is_init_finished(client->ssl);
}

static void send_all(struct client *client, struct text bytes)
{
    if (!client->ssl) {
        send_pieces(client, bytes.data, bytes.length);
        return;
    }
    if (!shake_hands(client))
        return;
    while (bytes.length) {
        size_t record = bytes.length < client->plan->record_bytes ? bytes.length : client->plan->record_bytes;

        if (SSL_write(client->ssl, bytes.data, (int)record) <= 0)
            return;
        send_records(client);
        bytes = text_from(bytes, record);
    }
}

/* The client says that it is done, and then the connection must end. */
static void close_client(struct client *client)
{
    if (client->ssl && SSL_is_init_finished(client->ssl)) {
        SSL_shutdown(client->ssl);
        send_records(client);
    }
    shutdown(client->socket, SHUT_WR);
    run_server(client, EPOLLIN | EPOLLRDHUP);
    receive(client);
    CHECK(!client->connection);
    close(client->socket);
    SSL_free(client->ssl);
}

static void converse(const struct plan *plan, bool server_is_tls, struct text bytes, struct buffer *replies)
{
    struct client client;

    open_client(&client, plan, server_is_tls, replies);
    send_all(&client, bytes);
    close_client(&client);
}

static bool read_plan(const uint8_t **data, size_t *size, struct plan *plan)
{
    const uint8_t *bytes = *data;

    if (*size < PLAN_BYTES)
        return false;
    *plan = (struct plan){
        .speaks_tls = bytes[0] & 1,
        .is_tls_1_2 = bytes[0] & 2,
        .changed_at = bytes[0] & 4 ? bytes[3] | (size_t)bytes[4] << 8 : SIZE_MAX,
        .record_bytes = 1 + bytes[1] * (size_t)(bytes[0] & 8 ? 64 : 1),
        .piece_bytes = 1 + bytes[2],
    };
    *data += PLAN_BYTES;
    *size -= PLAN_BYTES;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer plain = {0}, wrapped = {0};
    struct plan plan;

    if (!read_plan(&data, &size, &plan))
        return 0;
    struct text bytes = {(const char *)data, size};

    converse(&plan, true, bytes, &wrapped);
    if (plan.speaks_tls) {
        converse(&plan, false, bytes, &plain);
        bool is_whole = plan.changed_at == SIZE_MAX;

        CHECK(is_whole ? wrapped.length == plain.length : wrapped.length <= plain.length);
        CHECK(wrapped.length == 0 || memcmp(wrapped.data, plain.data, wrapped.length) == 0);
    }
    CHECK(loop.connection_count == 0);
    buffer_free(&plain);
    buffer_free(&wrapped);
    return 0;
}
