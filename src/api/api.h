/* api.h: HTTP requests into use cases, and their results into replies. Known only to `cli`. */
#ifndef FARTHING_API_API_H
#define FARTHING_API_API_H

#include "base/arena.h"
#include "base/log_sink.h"
#include "domain/limits.h"
#include "http/http.h"
#include "store/store.h"

struct api;
struct secrets;
struct secret_set;

/* Who may sign up: whoever comes first, until somebody has a password; everybody; nobody. */
enum api_sign_up { API_SIGN_UP_AUTO, API_SIGN_UP_OPEN, API_SIGN_UP_CLOSED };

enum { API_CHAT_KEY_BYTES_MAX = 128, API_PORTAL_TOKEN_HOURS_MAX = 24 * 365 };

enum { IDEMPOTENCY_RETENTION_HOURS_DEFAULT = 24 };

struct api_config {
    /* Which pages a browser lets read our replies: `*` for all, or origins joined by commas
     * ("https://a.example,https://b.example"). The text must live as long as the api. */
    struct text allowed_origins;
    /* Whether reads need a role that grants them (ruling 7). */
    bool enforces_reads;
    /* Keys that work without being in the database, and the environments that users are limited to: JSON as
     * access/identities.h and access/environment.h have it; unset: none. The texts need not live on. */
    struct text static_keys, environment_allow_list;
    struct tenant_limits limits;
    /* What the support chat knows users by (POST /v1/users/chat/verify): the key of a HMAC. Length 0: none.
     */
    uint8_t chat_key[API_CHAT_KEY_BYTES_MAX];
    size_t chat_key_length;
    /* Where the customer portal is, and how long a link to it is good for. The text must live as long as the
     * api. */
    struct text portal_url;
    int64_t portal_token_hours;
    bool is_portal_token_in_fragment; /* `#token=` rather than `?token=`: it does not get into logs */
    /* Requests a second, of one API key and of one client's address (an IPv4 address, an IPv6 /64), and how
     * many may come at once. A rate of 0: no limit; a burst of 0: as many as a second has. Public routes
     * (/health) and the admin entrance are not limited. */
    unsigned rate_limit_per_key, rate_limit_per_key_burst;
    unsigned rate_limit_per_address, rate_limit_per_address_burst;
    enum api_sign_up sign_up;
    /* Of a tenant that is opened without one. The text must live as long as the api. */
    struct text default_tenant_name;
    /* How many attempts to log in may fail before the next one must wait, of one client's address and with
     * one e-mail, and how long it takes until one of them is forgotten; 0: no limit. The same of credentials
     * that are not valid. At most RATE_LIMIT_SLOW_BURST_MAX. */
    unsigned login_failures_per_address, login_failures_per_email, key_failures_per_address;
    int64_t login_failure_memory_us, key_failure_memory_us;
    /* How long a reply to a request with an Idempotency-Key is kept for whoever sends it again. */
    unsigned idempotency_retention_hours;
    /* With one, GET /metrics answers at public entrances too, to whoever sends it as `Authorization: Bearer`.
     * Only its hash is kept. */
    struct text metrics_token;
    /* How long rows of the audit trail are kept; 0: for ever. */
    unsigned audit_retention_days;
    /* One line a request goes there. Borrowed: it must outlive the HTTP server. NULL: none. */
    struct log_sink *access_log;
};

/* Takes the store's keys into memory and builds the routes. The store is borrowed. NULL and a reason (in
 * `arena`) when the database cannot be read. */
struct api *api_open(struct store *store, struct arena *arena, struct text *reason);
/* After the HTTP server is gone. */
void api_close(struct api *api);

struct api_config api_config_default(void);
/* What is wrong with a JSON text of the configuration, for a person ("must be …"), or NULL. */
const char *api_check_static_keys(struct text json, struct arena *arena);
const char *api_check_environment_allow_list(struct text json, struct arena *arena);
/* Before the HTTP server is started. Without it the defaults hold. */
void api_configure(struct api *api, const struct api_config *config);

/* Has each tenant become a customer in that environment of that tenant (api/tenant_billing.h), whose ids must
 * live as long as the api. FAILURE_NOT_FOUND when there is no such environment, or why that cannot be read;
 * it lives in the arena. Before api_keep_house. */
const struct failure *api_bill_tenants(struct api *api, struct text tenant_id, struct text environment_id,
                                       struct arena *arena);

/* After api_configure: does by itself, until api_end_work, what is to be done now and then
 * (api/housekeeping.h): for a server, not for a command that is one for a moment. */
void api_keep_house(struct api *api);

/* The server's secrets, which it cannot change by itself. Without them nobody can log in. */
struct api_secrets {
    struct secrets *secrets; /* borrowed */
    /* Puts a set in the place of the one on the disk, and returns when it is there. False with a one-line
     * reason in the arena. One call at a time. */
    bool (*keep)(void *context, const struct secret_set *set, struct arena *arena, struct text *reason);
    void *context;
};
/* Before the HTTP server is started. */
void api_use_secrets(struct api *api, const struct api_secrets *secrets);

/* Ends the api's own threads. After the HTTP server has drained, and before the store is closed. */
void api_end_work(struct api *api);

/* What the HTTP server calls. */
struct http_handler api_handler(struct api *api);

/* From now on GET /ready answers 503, so that no new traffic is sent here. Any thread. */
void api_set_draining(struct api *api);

#endif
