/* tls.h: TLS 1.2 and 1.3 for connections, with OpenSSL. Only for the http room.
 *
 * OpenSSL's side of a connection reads and writes the socket through the functions that plain connections
 * use, so that the flags of the edge-triggered loop mean the same for both. Protocol versions, cipher suites
 * and groups are those of Mozilla's intermediate configuration (5.7), without finite-field Diffie-Hellman: it
 * is slow, and each client that needs it is older than TLS 1.2 with elliptic curves. */
#ifndef FARTHING_HTTP_TLS_H
#define FARTHING_HTTP_TLS_H

#include "base/arena.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/types.h>

struct http_connection;

enum {
    HTTP_TLS_SESSION_SECONDS = 12 * 60 * 60, /* how long a session may be resumed */
    HTTP_TLS_TICKET_KEY_SECONDS =
        12 * 60 * 60, /* a key seals tickets for so long, and opens them as long again */
    HTTP_TLS_EXPIRY_WARNING_DAYS = 14,
    HTTP_TLS_KEY_UPDATES_MAX = 256, /* of one client: each costs more than a request, and one is due after
                                       some million records */
    HTTP_TLS_TICKET_NAME_BYTES = 16,
    HTTP_TLS_TICKET_KEY_BYTES = 32,
};

/* ---- tls_ticket.c ---- */

struct http_ticket_key {
    uint8_t name[HTTP_TLS_TICKET_NAME_BYTES];
    uint8_t cipher_key[HTTP_TLS_TICKET_KEY_BYTES], mac_key[HTTP_TLS_TICKET_KEY_BYTES];
};

/* The keys of session tickets. They are in memory alone, so that nobody can open a recorded session with what
 * is found on a disk later. Shared by all threads. */
struct http_tickets {
    pthread_mutex_t lock;
    struct http_ticket_key current, previous;
    int64_t current_since_us; /* monotonic */
};

void http_tickets_init(struct http_tickets *tickets);
void http_tickets_free(struct http_tickets *tickets);
/* Puts a new key in place of one that is old at `now_us` (monotonic). */
void http_tickets_rotate(struct http_tickets *tickets, int64_t now_us);
/* Has the context seal and open tickets with these keys. */
void http_tickets_serve(struct http_tickets *tickets, SSL_CTX *context);

/* ---- tls.c: what the server has ---- */

struct http_tls {
    pthread_mutex_t lock; /* of `context` */
    SSL_CTX *context;
    BIO_METHOD *socket_method;
    struct http_tickets tickets;
};

/* Reads certificate chain and key (PEM). NULL with a one-line reason. A certificate that has expired will do:
 * who starts again must not have less than before. */
struct http_tls *http_tls_open(struct text certificate_path, struct text key_path, struct arena *arena,
                               struct text *reason);
/* Logs a certificate that has expired, or soon will, and a key that others may read. Not while another thread
 * reloads. */
void http_tls_warn(struct http_tls *tls, struct text certificate_path, struct text key_path,
                   struct arena *arena);
/* Takes other files, or the same ones again; connections that are there keep what they have. False with a
 * reason, and nothing changed, when they cannot be used or the certificate has expired. One thread at a
 * time. */
bool http_tls_reload(struct http_tls *tls, struct text certificate_path, struct text key_path,
                     struct arena *arena, struct text *reason);
void http_tls_close(struct http_tls *tls);

/* ---- tls_session.c: what a connection has ---- */

enum http_tls_progress {
    HTTP_TLS_WAITS,  /* for the socket */
    HTTP_TLS_DONE,   /* requests can be read */
    HTTP_TLS_FAILED, /* the connection is of no more use */
    HTTP_TLS_PLAIN,  /* the client speaks HTTP without TLS; nothing was read, and the session is gone */
};

/* Gives the connection a session. False when there is no memory. */
bool http_tls_begin(struct http_tls *tls, struct http_connection *connection);
/* Goes on with the handshake. */
enum http_tls_progress http_tls_handshake(struct http_connection *connection);
/* As recv and send on a socket that does not block: -1 with EAGAIN, 0 at the end of the input. */
ssize_t http_tls_receive(struct http_connection *connection, void *memory, size_t size);
ssize_t http_tls_send(struct http_connection *connection, const void *bytes, size_t length);
/* The socket can be written again. */
void http_tls_writable(struct http_connection *connection);
/* Says that nothing more will be sent, once, if that can be said at once. */
void http_tls_end(struct http_connection *connection);
void http_tls_free(struct http_connection *connection);
/* How OpenSSL reaches a connection's socket. */
BIO_METHOD *http_tls_socket_method(void);

#endif
