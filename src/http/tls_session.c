/* TLS on one connection. */
#include "http/internal.h"
#include "http/tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/socket.h>

struct http_tls_session {
    SSL *ssl;
    bool has_begun;        /* the first byte was seen, and is not HTTP's */
    bool is_established;   /* the handshake is over */
    bool has_failed;       /* OpenSSL must not be used any more */
    bool has_ended;        /* our close_notify is out */
    bool read_waits_write; /* reading goes on when the socket can be written */
    bool socket_is_empty;  /* the last look at the socket found nothing */
    unsigned key_updates;  /* that the client has sent */
};

/* ---- OpenSSL's way to the socket ---- */

static int read_socket(BIO *bio, char *memory, int size)
{
    struct http_connection *connection = BIO_get_data(bio);
    ssize_t count = http_socket_receive(connection, memory, (size_t)size);

    BIO_clear_retry_flags(bio);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        connection->tls->socket_is_empty = true;
        BIO_set_retry_read(bio);
    }
    return (int)count;
}

static int write_socket(BIO *bio, const char *bytes, int length)
{
    struct http_connection *connection = BIO_get_data(bio);
    ssize_t count = http_socket_send(connection, bytes, (size_t)length);

    BIO_clear_retry_flags(bio);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        connection->is_writable = false;
        BIO_set_retry_write(bio);
    }
    return (int)count;
}

static long control_socket(BIO *bio, int command, long number, void *pointer)
{
    const struct http_connection *connection = BIO_get_data(bio);

    (void)number, (void)pointer;
    if (command == BIO_CTRL_EOF)
        return connection->input_has_ended;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *http_tls_socket_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");

    if (!method || !BIO_meth_set_read(method, read_socket) || !BIO_meth_set_write(method, write_socket) ||
        !BIO_meth_set_ctrl(method, control_socket))
        abort();
    return method;
}

/* ---- a session's life ---- */

static SSL *new_ssl(struct http_tls *tls)
{
    pthread_mutex_lock(&tls->lock);
    SSL *ssl = SSL_new(tls->context); /* which it holds until it is freed */

    pthread_mutex_unlock(&tls->lock);
    return ssl;
}

/* Counts the client's key updates. */
static void on_message(int is_written, int version, int content_type, const void *message, size_t length,
                       SSL *ssl, void *argument)
{
    struct http_tls_session *session = argument;

    (void)version, (void)ssl;
    if (!is_written && content_type == SSL3_RT_HANDSHAKE && length > 0 &&
        *(const unsigned char *)message == SSL3_MT_KEY_UPDATE)
        session->key_updates++;
}

bool http_tls_begin(struct http_tls *tls, struct http_connection *connection)
{
    struct http_tls_session *session = calloc(1, sizeof *session);
    SSL *ssl = new_ssl(tls);
    BIO *bio = BIO_new(tls->socket_method);

    if (!session || !ssl || !bio) {
        free(session);
        SSL_free(ssl);
        BIO_free(bio);
        return false;
    }
    BIO_set_data(bio, connection);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_accept_state(ssl);
    SSL_set_msg_callback(ssl, on_message);
    SSL_set_msg_callback_arg(ssl, session);
    session->ssl = ssl;
    connection->tls = session;
    return true;
}

void http_tls_free(struct http_connection *connection)
{
    SSL_free(connection->tls->ssl);
    free(connection->tls);
    connection->tls = NULL;
}

static void fail(struct http_connection *connection)
{
    connection->tls->has_failed = true;
    http_count(&connection->loop->counters.tls_failures, 1);
    ERR_clear_error();
}

/* A TLS client's first byte is the type of a handshake record, 22; a request's is a letter. */
static enum http_tls_progress look_at_first_byte(struct http_connection *connection)
{
    char first;
    ssize_t count = recv(connection->socket, &first, 1, MSG_PEEK);

    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        connection->is_readable = errno == EINTR;
        return HTTP_TLS_WAITS;
    }
    if (count <= 0)
        return HTTP_TLS_FAILED;
    if ((first >= 'A' && first <= 'Z') || (first >= 'a' && first <= 'z')) {
        http_tls_free(connection);
        return HTTP_TLS_PLAIN;
    }
    connection->tls->has_begun = true;
    return HTTP_TLS_DONE;
}

enum http_tls_progress http_tls_handshake(struct http_connection *connection)
{
    struct http_tls_session *session = connection->tls;

    if (!session->has_begun) {
        enum http_tls_progress progress = look_at_first_byte(connection);

        if (progress != HTTP_TLS_DONE)
            return progress;
    }
    ERR_clear_error();
    int outcome = SSL_do_handshake(session->ssl);

    if (outcome == 1) {
        session->is_established = true;
        connection->is_readable = true; /* the first request may have come with the client's last record */
        http_count(&connection->loop->counters.tls_handshakes, 1);
        if (SSL_session_reused(session->ssl))
            http_count(&connection->loop->counters.tls_resumptions, 1);
        return HTTP_TLS_DONE;
    }
    int error = SSL_get_error(session->ssl, outcome);

    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return HTTP_TLS_WAITS;
    fail(connection);
    return HTTP_TLS_FAILED;
}

static ssize_t would_block(void)
{
    errno = EAGAIN;
    return -1;
}

static ssize_t broken(struct http_connection *connection)
{
    fail(connection);
    errno = EPROTO;
    return -1;
}

ssize_t http_tls_receive(struct http_connection *connection, void *memory, size_t size)
{
    struct http_tls_session *session = connection->tls;
    int wanted = size > INT_MAX ? INT_MAX : (int)size;

    session->socket_is_empty = false;
    ERR_clear_error();
    int count = SSL_read(session->ssl, memory, wanted);

    if (session->key_updates > HTTP_TLS_KEY_UPDATES_MAX)
        return broken(connection);
    if (count > 0) {
        if (SSL_has_pending(session->ssl)) /* bytes that the socket no longer has */
            connection->is_readable = true;
        return count;
    }
    connection->is_readable = false;
    switch (SSL_get_error(session->ssl, count)) {
    case SSL_ERROR_WANT_WRITE: /* the answer to a change of keys does not fit */
        session->read_waits_write = true;
        return would_block();
    case SSL_ERROR_WANT_READ: /* or what was read had no data, and more may be there */
        connection->is_readable = !session->socket_is_empty;
        return would_block();
    case SSL_ERROR_ZERO_RETURN:
        connection->input_has_ended = true;
        return 0;
    default:
        return broken(connection);
    }
}

ssize_t http_tls_send(struct http_connection *connection, const void *bytes, size_t length)
{
    struct http_tls_session *session = connection->tls;

    ERR_clear_error();
    int count = SSL_write(session->ssl, bytes, length > INT_MAX ? INT_MAX : (int)length);

    if (count > 0)
        return count;
    if (SSL_get_error(session->ssl, count) == SSL_ERROR_WANT_WRITE)
        return would_block();
    return broken(connection);
}

void http_tls_writable(struct http_connection *connection)
{
    struct http_tls_session *session = connection->tls;

    if (session->read_waits_write)
        connection->is_readable = true;
    session->read_waits_write = false;
}

void http_tls_end(struct http_connection *connection)
{
    struct http_tls_session *session = connection->tls;

    if (!session->is_established || session->has_failed || session->has_ended)
        return;
    session->has_ended = true;
    ERR_clear_error();
    SSL_shutdown(session->ssl);
    ERR_clear_error();
}
