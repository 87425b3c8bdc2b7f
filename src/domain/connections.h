/* connections.h: connections to providers (10-customers section 14, 70-webhooks section 3). Everything is
 * about the caller's environment.
 *
 * The secrets of a connection are one JSON object of texts, encrypted whole under a key of the server's
 * (base/envelope.h) and bound to the tenant and the connection, so that a row's secrets are of no use in
 * another row. They are never read out: what needs them opens them where it needs them. */
#ifndef FARTHING_DOMAIN_CONNECTIONS_H
#define FARTHING_DOMAIN_CONNECTIONS_H

#include "base/envelope.h"
#include "domain/search.h"
#include "model/connection.h"
#include "model/provider.h"
#include "json/reader.h"

/* Limits. */
enum {
    CONNECTIONS_OF_PROVIDER_MAX = 100, /* published ones of an environment, where there may be many */
    CONNECTION_SECRETS_MAX = 64,
    CONNECTION_SECRET_BYTES_MAX = 16 * 1024,
    CONNECTION_SECRETS_BYTES_MAX = 128 * 1024, /* all of them, as JSON */
};

/* ---- what is synchronized (section 3.2 of 70-webhooks) ---- */

/* What a connection shows that says nothing of it: all false. */
extern const struct text connection_sync_default;

/* Reads and validates the member `sync_config` of an object into the text that is stored: for each subject
 * that is given both directions, and the groups of a provider as they were given. Unset when there is none.
 */
struct text connection_sync_read(const struct json_value *object, struct arena *arena,
                                 struct failure **failure);

/* ---- secrets ---- */

/* Reads the member `encrypted_secret_data` of a request: plain texts by name, flat or in an object that is
 * called after the provider. Names that the provider does not have are refused, because nothing would come of
 * them. *secrets is an object of texts; unset when there is none. No reason repeats a value. */
void connection_secrets_read(const struct json_value *object, const struct provider *provider,
                             struct arena *arena, struct failure **failure, struct text *secrets);
/* Names what `provider` needs and `secrets` (unset: nothing) lacks. */
void connection_secrets_check(struct text secrets, const struct provider *provider, struct arena *arena,
                              struct failure **failure);

/* The secrets of a stored connection, as an object of texts; an empty one when it has none. FAILURE_INTERNAL,
 * saying which key is missing, when this server cannot read them. */
const struct failure *connection_secrets_open(struct transaction *transaction,
                                              const struct envelope_keys *keys,
                                              const struct connection_record *connection,
                                              struct text *secrets);

/* ---- making and changing ---- */

/* What a request has beside the fields of the entity, for the API description. */
extern const struct field connection_options[];
extern const size_t connection_option_count;

struct connection_creation {
    struct connection_record connection; /* without its secrets */
    struct text secrets;                 /* plain; unset: none */
};

/* Reads and validates a connection to be made; needs no transaction. */
const struct failure *connection_read_creation(const struct json_value *object, struct arena *arena,
                                               struct connection_creation *creation);
/* Makes it. One that is published already for a provider that there can be one of fails the command, and so
 * do CONNECTIONS_OF_PROVIDER_MAX of another. */
const struct failure *connection_create(struct transaction *transaction, const struct envelope_keys *keys,
                                        const struct connection_creation *creation,
                                        struct connection_record *created);

/* A request to change one. What its secrets may be depends on the provider, so they are read when it is
 * known. */
struct connection_change {
    struct text name;        /* empty: unchanged */
    struct text metadata;    /* unset: unchanged; else it takes the place of all that was there */
    struct text sync_config; /* the same */
    const struct json_value *object;
};
extern const struct field connection_change_fields[];
extern const size_t connection_change_field_count;
const struct failure *connection_read_change(const struct json_value *object, struct arena *arena,
                                             struct connection_change *change);
/* Changes a published connection. Secrets that are given take the place of those of the same name; "" removes
 * one that the provider can do without. */
const struct failure *connection_update(struct transaction *transaction, const struct envelope_keys *keys,
                                        struct text id, const struct connection_change *change,
                                        struct connection_record *updated);

/* Archives a published connection, and forgets its secrets, which nothing could need any more. */
const struct failure *connection_archive(struct transaction *transaction, struct text id);

/* ---- finding ---- */

/* A published connection. */
const struct failure *connection_get(struct transaction *transaction, struct text id,
                                     struct connection_record *connection);
/* The id of the first published connection to a provider. False when there is none. */
bool connection_find_published(struct transaction *transaction, struct text provider_type, struct text *id);
/* How a published connection is synchronized. */
struct connection_sync {
    struct text provider_type;
    struct text sync_config; /* unset: nothing was said of it */
};
/* Of all published connections to providers that synchronize something, newest first: struct connection_sync.
 */
struct record_list connections_synchronized(struct transaction *transaction);

struct connection_filter {
    struct search search;       /* its status does not count: only published ones are shown */
    struct text provider_type;  /* unset: any */
    struct text connection_ids; /* a JSON array; unset or empty: any */
};
/* The published connections that match: struct connection_record; *total is their number regardless of the
 * page. */
struct record_list connection_search(struct transaction *transaction, const struct connection_filter *filter,
                                     int64_t *total);

/* ---- when the server's key changes ---- */

enum { CONNECTIONS_REENCRYPTED_MAX = 50 };

/* What a step of encrypting anew came to. */
struct connection_reencryption {
    size_t found;       /* under another key than the present one that this server has */
    size_t reencrypted; /* of these */
};
/* Encrypts the secrets of some connections, of all tenants, under the present key; at most
 * CONNECTIONS_REENCRYPTED_MAX. What cannot be read is left as it is. Not a change of the connections: they
 * are not announced, nor audited, nor updated in the eyes of a client. */
const struct failure *connections_reencrypt(struct transaction *transaction, const struct envelope_keys *keys,
                                            struct connection_reencryption *done);

/* How many connections, of all tenants, have secrets under a key that is none of `key_ids` (a JSON array),
 * and the id of one of those keys. */
struct connections_unreadable {
    int64_t count;
    struct text key_id;
};
void connections_count_unreadable(struct transaction *transaction, struct text key_ids,
                                  struct connections_unreadable *unreadable);
/* How many connections, of all tenants, have their secrets under the key of that id. */
int64_t connections_count_under(struct transaction *transaction, struct text key_id);
/* Whether any connection, of all tenants, has its secrets under the key of that id. */
bool connections_use_key(struct transaction *transaction, struct text key_id);

#endif
