/* Session tickets: the server's half of a resumption, sealed and given to the client (RFC 5077, RFC 8446
 * section 4.6.1). */
#include "http/tls.h"

#include "base/instant.h"
#include "base/random.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

enum { IV_BYTES = 16 };

/* What the callback below may answer. */
enum { TICKET_ERROR = -1, TICKET_UNKNOWN = 0, TICKET_GOOD = 1, TICKET_GOOD_BUT_OLD = 2 };

static void make_key(struct http_ticket_key *key)
{
    random_bytes(key, sizeof *key);
}

void http_tickets_init(struct http_tickets *tickets)
{
    pthread_mutex_init(&tickets->lock, NULL);
    make_key(&tickets->current);
    make_key(&tickets->previous);
    tickets->current_since_us = monotonic_now_us();
}

void http_tickets_free(struct http_tickets *tickets)
{
    pthread_mutex_destroy(&tickets->lock);
    OPENSSL_cleanse(tickets, sizeof *tickets);
}

/* With the lock held. After a pause in which nobody came, the key that was current is too old as well. */
static void rotate(struct http_tickets *tickets, int64_t now_us)
{
    const int64_t period_us = HTTP_TLS_TICKET_KEY_SECONDS * (int64_t)MICROSECONDS_PER_SECOND;
    int64_t age_us = now_us - tickets->current_since_us;

    if (age_us < period_us)
        return;
    tickets->previous = tickets->current;
    if (age_us >= 2 * period_us)
        make_key(&tickets->previous);
    make_key(&tickets->current);
    tickets->current_since_us = now_us;
}

void http_tickets_rotate(struct http_tickets *tickets, int64_t now_us)
{
    pthread_mutex_lock(&tickets->lock);
    rotate(tickets, now_us);
    pthread_mutex_unlock(&tickets->lock);
}

/* The key that a ticket was sealed with. */
static int find_key(struct http_tickets *tickets, const uint8_t *name, struct http_ticket_key *key)
{
    int answer = TICKET_UNKNOWN;

    pthread_mutex_lock(&tickets->lock);
    rotate(tickets, monotonic_now_us());
    if (memcmp(name, tickets->current.name, HTTP_TLS_TICKET_NAME_BYTES) == 0) {
        *key = tickets->current;
        answer = TICKET_GOOD;
    } else if (memcmp(name, tickets->previous.name, HTTP_TLS_TICKET_NAME_BYTES) == 0) {
        *key = tickets->previous;
        answer = TICKET_GOOD_BUT_OLD;
    }
    pthread_mutex_unlock(&tickets->lock);
    return answer;
}

static void current_key(struct http_tickets *tickets, struct http_ticket_key *key)
{
    pthread_mutex_lock(&tickets->lock);
    rotate(tickets, monotonic_now_us());
    *key = tickets->current;
    pthread_mutex_unlock(&tickets->lock);
}

static bool use_key(const struct http_ticket_key *key, const uint8_t *iv, EVP_CIPHER_CTX *cipher,
                    EVP_MAC_CTX *mac, int is_sealing)
{
    struct http_ticket_key copy = *key; /* the parameters take no const */
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, copy.mac_key, sizeof copy.mac_key),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
    bool is_set = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, copy.cipher_key, iv, is_sealing) == 1 &&
                  EVP_MAC_CTX_set_params(mac, parameters) == 1;

    OPENSSL_cleanse(&copy, sizeof copy);
    return is_set;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3). */
static int on_ticket(SSL *session, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int is_sealing)
{
    struct http_tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(session));
    struct http_ticket_key key = {0};
    int answer = TICKET_GOOD;

    if (is_sealing) {
        current_key(tickets, &key);
        memcpy(name, key.name, sizeof key.name);
        random_bytes(iv, IV_BYTES);
    } else {
        answer = find_key(tickets, name, &key);
    }
    if (answer != TICKET_UNKNOWN && !use_key(&key, iv, cipher, mac, is_sealing))
        answer = TICKET_ERROR;
    OPENSSL_cleanse(&key, sizeof key);
    return answer;
}

void http_tickets_serve(struct http_tickets *tickets, SSL_CTX *context)
{
    SSL_CTX_set_app_data(context, tickets);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
}
