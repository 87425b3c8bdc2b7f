/* api.h: HTTP requests into use cases, and their results into replies. Known only to `cli`. */
#ifndef FARTHING_API_API_H
#define FARTHING_API_API_H

#include "base/arena.h"
#include "base/log_sink.h"
#include "http/http.h"
#include "store/store.h"

struct api;

struct api_config {
    /* Which pages a browser lets read our replies: `*` for all, or origins joined by commas
     * ("https://a.example,https://b.example"). The text must live as long as the api. */
    struct text allowed_origins;
    /* Whether reads need a role that grants them (ruling 7). */
    bool enforces_reads;
    /* Keys that work without being in the database, and the environments that users are limited to: JSON as
     * access/identities.h and access/environment.h have it; unset: none. The texts need not live on. */
    struct text static_keys, environment_allow_list;
    /* Requests a second, of one API key and of one client's address (an IPv4 address, an IPv6 /64), and how
     * many may come at once. A rate of 0: no limit; a burst of 0: as many as a second has. Public routes
     * (/health) and the admin entrance are not limited. */
    unsigned rate_limit_per_key, rate_limit_per_key_burst;
    unsigned rate_limit_per_address, rate_limit_per_address_burst;
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

/* After api_configure: does by itself what is to be done now and then (api/housekeeping.h): for a server, not
 * for a command that is one for a moment. Until it is stopped, which must be before the store is closed. */
void api_keep_house(struct api *api);
void api_stop_keeping_house(struct api *api);

/* What the HTTP server calls. */
struct http_handler api_handler(struct api *api);

/* From now on GET /ready answers 503, so that no new traffic is sent here. Any thread. */
void api_set_draining(struct api *api);

#endif
