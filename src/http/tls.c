/* The server's certificate and what it speaks. */
#include "http/tls.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char ciphers_of_tls_1_2[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                         "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                         "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char ciphers_of_tls_1_3[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
/* Only sessions of the same context are resumed; it has no other meaning. */
static const unsigned char session_id_context[] = "farthing";

/* ALPN (RFC 7301): HTTP/1.1, or nothing when the client does not ask. A client that can only do something
 * else is told so at once. */
static int choose_protocol(SSL *session, const unsigned char **chosen, unsigned char *chosen_length,
                           const unsigned char *offered, unsigned offered_length, void *unused)
{
    static const unsigned char protocols[] = "\x08http/1.1\x08http/1.0";
    unsigned char *found;

    (void)session, (void)unused;
    if (SSL_select_next_proto(&found, chosen_length, protocols, sizeof protocols - 1, offered,
                              offered_length) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

/* A server has nobody to ask for the passphrase of a key. */
static int no_passphrase(char *memory, int size, int is_writing, void *unused)
{
    (void)is_writing, (void)unused;
    if (size > 0)
        memory[0] = 0;
    return -1;
}

static SSL_CTX *new_context(struct http_tickets *tickets)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    char groups[] = "X25519:P-256:P-384"; /* OpenSSL's macro takes no const */

    if (!context)
        abort();
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context, ciphers_of_tls_1_2) != 1 ||
        SSL_CTX_set_ciphersuites(context, ciphers_of_tls_1_3) != 1 ||
        SSL_CTX_set1_groups_list(context, groups) != 1 ||
        SSL_CTX_set_session_id_context(context, session_id_context, sizeof session_id_context - 1) != 1)
        abort();
    /* A client that closes without a close_notify cuts nothing off: requests say how long they are. */
    SSL_CTX_set_options(context,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    /* A reading ends with what one look at the socket brought, data or not: else who only sends new keys
     * would keep the loop in there. */
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(context, 1); /* a record's head and body in one system call */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* clients keep their sessions themselves */
    SSL_CTX_set_timeout(context, HTTP_TLS_SESSION_SECONDS);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    http_tickets_serve(tickets, context);
    return context;
}

/* ---- the files ---- */

/* What OpenSSL complained of last, apart from "PEM lib" and the like, which only say whose complaint was
 * passed on. Empties its queue. */
static const char *complaint(void)
{
    const char *text = NULL;

    for (unsigned long error; (error = ERR_get_error()) != 0;)
        if (!text || !ERR_COMMON_ERROR(error))
            text = ERR_reason_error_string(error);
    return text ? text : "no reason given";
}

/* OpenSSL would wait for whoever writes to a pipe, and be waited for by the server's start or end. */
static bool can_be_read(const char *what, const char *path, struct arena *arena, struct text *reason)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;

    if (file < 0 || fstat(file, &status) != 0)
        *reason = arena_format(arena, "cannot read the TLS %s %s: %s", what, path, strerror(errno));
    else if (!S_ISREG(status.st_mode))
        *reason = arena_format(arena, "the TLS %s %s cannot be used: it is not a regular file", what, path);
    else
        *reason = text_none;
    if (file >= 0)
        close(file);
    return !text_is_set(*reason);
}

/* The context has a place for each type of key; "no certificate" is said of the key's place. */
static bool is_other_key(unsigned long error)
{
    int library = ERR_GET_LIB(error), reason = ERR_GET_REASON(error);

    return (library == ERR_LIB_X509 &&
            (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH)) ||
           (library == ERR_LIB_SSL && reason == SSL_R_NO_CERTIFICATE_ASSIGNED);
}

static bool read_files(SSL_CTX *context, const char *certificate, const char *key, struct arena *arena,
                       struct text *reason)
{
    if (!can_be_read("certificate", certificate, arena, reason) || !can_be_read("key", key, arena, reason))
        return false;
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1) {
        *reason =
            arena_format(arena, "the TLS certificate %s cannot be used: %s; a chain in PEM form is expected",
                         certificate, complaint());
        return false;
    }
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_check_private_key(context) == 1)
        return true;
    if (is_other_key(ERR_peek_last_error()))
        *reason =
            arena_format(arena, "the TLS key %s does not belong to the certificate %s", key, certificate);
    else
        *reason = arena_format(
            arena,
            "the TLS key %s cannot be used: %s; a private key in PEM form without passphrase is expected",
            key, complaint());
    ERR_clear_error();
    return false;
}

/* ---- what is warned about ---- */

static void warn_of_permissions(const char *path)
{
    struct stat status;

    if (stat(path, &status) == 0 && (status.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)))
        LOG_WARNING("the TLS key is open to others; chmod 600 it", LOG_STRING("path", path));
}

/* How many days the certificate is still good for; negative when it is not good now. */
static int days_left(SSL_CTX *context)
{
    const X509 *certificate = SSL_CTX_get0_certificate(context);
    int days = 0, seconds = 0;

    if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0 ||
        ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)) != 1 || days < 0 ||
        seconds < 0)
        return -1;
    return days;
}

void http_tls_warn(struct http_tls *tls, struct text certificate_path, struct text key_path,
                   struct arena *arena)
{
    int days = days_left(tls->context);

    if (days < 0)
        LOG_WARNING("the TLS certificate has expired or is not valid yet; clients will refuse it",
                    LOG_TEXT("path", certificate_path));
    else if (days < HTTP_TLS_EXPIRY_WARNING_DAYS)
        LOG_WARNING("the TLS certificate expires soon", LOG_TEXT("path", certificate_path),
                    LOG_INTEGER("days", days));
    warn_of_permissions(arena_string(arena, key_path));
}

/* NULL with a reason. */
static SSL_CTX *load(struct http_tls *tls, struct text certificate_path, struct text key_path,
                     struct arena *arena, struct text *reason)
{
    SSL_CTX *context = new_context(&tls->tickets);

    if (read_files(context, arena_string(arena, certificate_path), arena_string(arena, key_path), arena,
                   reason))
        return context;
    SSL_CTX_free(context);
    return NULL;
}

struct http_tls *http_tls_open(struct text certificate_path, struct text key_path, struct arena *arena,
                               struct text *reason)
{
    struct http_tls *tls = calloc(1, sizeof *tls);

    if (!tls)
        abort();
    tls->socket_method = http_tls_socket_method();
    pthread_mutex_init(&tls->lock, NULL);
    http_tickets_init(&tls->tickets);
    tls->context = load(tls, certificate_path, key_path, arena, reason);
    if (tls->context)
        return tls;
    http_tls_close(tls);
    return NULL;
}

bool http_tls_reload(struct http_tls *tls, struct text certificate_path, struct text key_path,
                     struct arena *arena, struct text *reason)
{
    SSL_CTX *context = load(tls, certificate_path, key_path, arena, reason), *before;

    if (!context)
        return false;
    if (days_left(context) < 0) {
        *reason = arena_format(arena, "the TLS certificate %.*s has expired or is not valid yet",
                               TEXT_FORMAT(certificate_path));
        SSL_CTX_free(context);
        return false;
    }
    pthread_mutex_lock(&tls->lock);
    before = tls->context;
    tls->context = context;
    pthread_mutex_unlock(&tls->lock);
    SSL_CTX_free(before); /* sessions that came of it hold it themselves */
    http_tls_warn(tls, certificate_path, key_path, arena);
    return true;
}

void http_tls_close(struct http_tls *tls)
{
    SSL_CTX_free(tls->context);
    BIO_meth_free(tls->socket_method);
    http_tickets_free(&tls->tickets);
    pthread_mutex_destroy(&tls->lock);
    free(tls);
}
