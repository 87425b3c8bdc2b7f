#include "api/idempotency.h"

#include "base/hash.h"
#include "base/instant.h"
#include "domain/idempotency.h"
#include "store/customer_key.h"

#include <assert.h>
#include <string.h>

#define HOUR_US (INT64_C(60) * 60 * 1000 * 1000)

enum { FIRST_STATUS_OF_OURS = 500 }; /* a failure that is the server's, not the request's */

#define COUNT_OF(parts) (sizeof(parts) / sizeof(parts)[0])

static const struct text header_name = TEXT_LITERAL("Idempotency-Key");

/* ---- the request ---- */

static struct text hex_of(struct arena *arena, const uint8_t hash[SEAL_HASH_BYTES])
{
    const size_t length = (size_t)2 * SEAL_HASH_BYTES;
    char *out = arena_allocate(arena, length);

    hex_encode(hash, SEAL_HASH_BYTES, out);
    return (struct text){out, length};
}

/* The hash of the request, which may hold a password, and the reply's key. `pepper` is what the server adds
 * to the Idempotency-Key, which may be easy to guess; NULL: nothing. */
static void derive_sealing(struct exchange *exchange, const uint8_t root[SEAL_KEY_BYTES],
                           const uint8_t *pepper, struct idempotency_sealing *sealing)
{
    const struct http_request *request = &exchange->http->request;
    const struct text sent[] = {TEXT("request"), request->method_name,    request->path,
                                request->query,  exchange->call.actor_id, exchange->caller.customer_id,
                                request->body};
    const struct text of_root = {(const char *)root, SEAL_KEY_BYTES}, reply = TEXT("reply");
    uint8_t peppered[SEAL_KEY_BYTES], hash[SEAL_HASH_BYTES];

    seal_hash(pepper, &of_root, 1, peppered);
    seal_hash(peppered, sent, COUNT_OF(sent), hash);
    sealing->request_hash = hex_of(exchange->arena, hash);
    seal_hash(peppered, &reply, 1, sealing->key);
}

static void derive_sealings(struct exchange *exchange, const uint8_t root[SEAL_KEY_BYTES])
{
    struct idempotency *idempotency = exchange->idempotency;
    struct secrets *secrets = exchange->loop->api->secrets.secrets;
    struct text keys[SECRET_KEYS_MAX];

    idempotency->sealing_count = 1;
    if (!secrets) { /* a command that stands in for the server */
        derive_sealing(exchange, root, NULL, &idempotency->sealings[0]);
        return;
    }
    idempotency->sealing_count =
        secrets_honoured(secrets, SECRET_ENCRYPTION, exchange->call.now_us, exchange->arena, keys);
    for (unsigned i = 0; i < idempotency->sealing_count; i++) {
        struct text pepper = secret_derive(keys[i], TEXT("idempotency"), exchange->arena);

        derive_sealing(exchange, root, (const uint8_t *)pepper.data, &idempotency->sealings[i]);
    }
}

/* The record's id follows from the Idempotency-Key alone, so that every server finds it, whichever encryption
 * key is its present one. */
static void derive(struct exchange *exchange, struct text given)
{
    static const struct scope nowhere = {SCOPE_NONE, TEXT_LITERAL(""), TEXT_LITERAL("")};
    const struct scope *scope = exchange->call.scope ? exchange->call.scope : &nowhere;
    /* A route that needs no environment does the same whichever is named. */
    struct text environment_id = exchange->route->without_environment ? text_empty : scope->environment_id;
    const struct text place[] = {TEXT("farthing idempotency"), scope->tenant_id, environment_id,
                                 exchange->route->path, given};
    const struct text id = TEXT("id");
    uint8_t root[SEAL_KEY_BYTES], hash[SEAL_HASH_BYTES];

    static_assert((int)SEAL_HASH_BYTES == (int)SEAL_KEY_BYTES, "a hash is a key");
    seal_hash(NULL, place, COUNT_OF(place), root);
    seal_hash(root, &id, 1, hash);
    exchange->idempotency->id = hex_of(exchange->arena, hash);
    derive_sealings(exchange, root);
}

const struct failure *idempotency_begin(struct exchange *exchange)
{
    struct text given = http_request_header(&exchange->http->request, header_name);

    if (given.length == 0)
        return NULL;
    if (given.length > IDEMPOTENCY_KEY_LENGTH_MAX || !text_is_visible_ascii(given))
        return failure_add(
            failure_new(exchange->arena, FAILURE_VALIDATION,
                        TEXT("the header Idempotency-Key is not valid: 1 to 255 visible ASCII characters, "
                             "without spaces")),
            exchange->arena, header_name, TEXT("must be 1 to 255 visible ASCII characters"));
    exchange->idempotency = ARENA_NEW(exchange->arena, struct idempotency);
    derive(exchange, given);
    return NULL;
}

/* ---- records ---- */

static int64_t kept_since(const struct api *api, int64_t now_us)
{
    return now_us - (int64_t)api->config.idempotency_retention_hours * HOUR_US;
}

/* What a kept reply belongs to, so that it cannot be put in another's place. */
static struct text about(const struct idempotency_record *record, struct arena *arena)
{
    return arena_format(arena, "%.*s %.*s %d", TEXT_FORMAT(record->id), TEXT_FORMAT(record->request_hash),
                        (int)record->status_code);
}

/* The key of a reply: the request's, and where the reply tells of a customer, that customer's besides, so
 * that it cannot be read any more when the customer is erased. */
static void reply_key(const struct idempotency_sealing *sealing, const struct envelope_key *customer_key,
                      uint8_t key[SEAL_KEY_BYTES])
{
    const struct text part = {(const char *)(customer_key ? customer_key->bytes : NULL),
                              sizeof customer_key->bytes};

    static_assert((int)SEAL_HASH_BYTES == (int)SEAL_KEY_BYTES, "a hash is a key");
    if (customer_key)
        seal_hash(sealing->key, &part, 1, key);
    else
        memcpy(key, sealing->key, SEAL_KEY_BYTES);
}

/* The key of the customer whom the request's changes tell of, who is named in the record; NULL: of none. */
static const struct envelope_key *customer_key_of(struct transaction *transaction,
                                                  struct idempotency_record *record)
{
    const struct envelope_keys *keys;

    if (!transaction->call->scope)
        return NULL; /* an operator's, who has no environment to find the key in again */
    record->customer_id = customer_key_take_last(transaction, &keys);
    return text_is_set(record->customer_id) ? &keys->keys[0] : NULL;
}

/* Writes the record of `reply` with the transaction's other changes. */
static void keep(struct exchange *exchange, struct transaction *transaction,
                 const struct idempotency_record *previous)
{
    struct idempotency *idempotency = exchange->idempotency;
    const struct idempotency_sealing *sealing = &idempotency->sealings[0];
    const struct kept_reply *reply = &idempotency->reply;
    struct idempotency_record *record = ARENA_NEW(exchange->arena, struct idempotency_record);
    uint8_t key[SEAL_KEY_BYTES];

    record->id = idempotency->id;
    record->request_hash = sealing->request_hash;
    record->status_code = reply->status;
    reply_key(sealing, customer_key_of(transaction, record), key);
    if (reply->body.length <= IDEMPOTENCY_REPLY_BYTES_MAX)
        record->reply = seal(exchange->arena, key, about(record, exchange->arena), reply->body);
    idempotency_keep(transaction, record, previous);
}

static const struct failure *was_misused(struct exchange *exchange)
{
    exchange->idempotency->is_about_key = true;
    return failure_add(
        failure_new(exchange->arena, FAILURE_ALREADY_EXISTS,
                    TEXT("the Idempotency-Key was used for another request; a new request needs a new key")),
        exchange->arena, header_name, TEXT("was used for another request"));
}

static const struct failure *was_too_large(struct exchange *exchange)
{
    exchange->idempotency->is_about_key = true;
    return failure_add(
        failure_new(
            exchange->arena, FAILURE_ALREADY_EXISTS,
            TEXT("the request with this Idempotency-Key was done before; its reply was too large to be "
                 "kept, and nothing was done again")),
        exchange->arena, header_name, TEXT("was used for this request"));
}

static const struct failure *was_erased(struct exchange *exchange, struct text customer_id)
{
    exchange->idempotency->is_about_key = true;
    return failure_add(
        failure_new(
            exchange->arena, FAILURE_ALREADY_EXISTS,
            TEXT("the request with this Idempotency-Key was done before, and the customer whom its reply "
                 "told of was erased since; nothing was done again")),
        exchange->arena, TEXT("customer_id"), customer_id);
}

/* The sealing that the request's record was made with; NULL when it was made for another request. */
static const struct idempotency_sealing *sealing_of(const struct idempotency *idempotency,
                                                    const struct idempotency_record *record)
{
    for (unsigned i = 0; i < idempotency->sealing_count; i++)
        if (text_equal(record->request_hash, idempotency->sealings[i].request_hash))
            return &idempotency->sealings[i];
    return NULL;
}

/* Makes a record the reply. */
static const struct failure *replay(struct exchange *exchange, struct transaction *transaction,
                                    const struct idempotency_record *record)
{
    struct idempotency *idempotency = exchange->idempotency;
    const struct idempotency_sealing *sealing = sealing_of(idempotency, record);
    bool is_of_customer = text_is_set(record->customer_id) && transaction->call->scope;
    struct envelope_key customer_key;
    uint8_t key[SEAL_KEY_BYTES];
    struct text body;

    if (!sealing)
        return was_misused(exchange);
    if (!text_is_set(record->reply))
        return was_too_large(exchange);
    if (is_of_customer &&
        !customer_key_find(transaction, transaction->call->scope, record->customer_id, &customer_key))
        return transaction->failure ? transaction->failure : was_erased(exchange, record->customer_id);
    reply_key(sealing, is_of_customer ? &customer_key : NULL, key);
    if (!seal_open(exchange->arena, key, about(record, exchange->arena), record->reply, &body))
        return failure_new(
            exchange->arena, FAILURE_INTERNAL,
            TEXT("the reply that was kept for this Idempotency-Key was altered in the database "
                 "and cannot be read; nothing was done again"));
    idempotency->reply =
        (struct kept_reply){.status = (int)record->status_code, .body = body, .is_replayed = true};
    return NULL;
}

/* ---- in the lane ---- */

/* Looks for a reply that was kept. Without one, *previous is the record that is too old, or NULL. */
static bool look(struct exchange *exchange, struct transaction *transaction,
                 struct idempotency_record **previous, const struct failure **failure)
{
    struct idempotency_record *record = ARENA_NEW(exchange->arena, struct idempotency_record);
    struct api *api = exchange->loop->api;

    *previous = NULL;
    if (!idempotency_find(transaction, exchange->idempotency->id, record)) {
        *failure = transaction->failure;
        return *failure != NULL;
    }
    if (record->created_at <
        kept_since(api, settled_clock_read(&api->clock, exchange->call.now_us, monotonic_now_us()))) {
        *previous = record;
        return false;
    }
    *failure = replay(exchange, transaction, record);
    return true;
}

static const struct failure *run_look(void *context, struct transaction *transaction)
{
    struct exchange *exchange = context;
    struct idempotency_record *previous;
    const struct failure *failure = NULL;

    look(exchange, transaction, &previous, &failure);
    return failure;
}

bool idempotency_is_answered(struct exchange *exchange, const struct failure **failure)
{
    if (!exchange->idempotency)
        return false;
    *failure = store_read(exchange->loop->api->store, exchange->arena, &exchange->call, run_look, exchange);
    return *failure || exchange->idempotency->reply.is_replayed;
}

static struct text render(struct exchange *exchange, struct transaction *transaction)
{
    buffer_clear(transaction->scratch);
    reply_write_success(exchange, transaction->scratch);
    return arena_copy(exchange->arena, buffer_text(transaction->scratch));
}

const struct failure *idempotency_run(struct exchange *exchange, struct transaction *transaction)
{
    struct idempotency *idempotency = exchange->idempotency;
    struct idempotency_record *previous;
    const struct failure *failure;

    idempotency->is_about_key = false; /* the command may run again */
    if (look(exchange, transaction, &previous, &failure))
        return failure;
    failure = exchange->route->run(exchange, transaction);
    if (failure || transaction->failure)
        return failure;
    idempotency->reply =
        (struct kept_reply){.status = exchange->status, .body = render(exchange, transaction)};
    keep(exchange, transaction, previous);
    return NULL;
}

/* Whether trying again would change nothing. */
static bool is_kept(enum failure_code code)
{
    switch (code) {
    case FAILURE_VALIDATION:
    case FAILURE_INVALID_OPERATION:
    case FAILURE_NOT_FOUND:
    case FAILURE_ALREADY_EXISTS:
        return true;
    case FAILURE_UNAUTHENTICATED:
    case FAILURE_PERMISSION_DENIED:
    case FAILURE_VERSION_CONFLICT:
    case FAILURE_TOO_MANY_REQUESTS:
    case FAILURE_DATABASE:
    case FAILURE_INTERNAL:
    case FAILURE_NOT_IMPLEMENTED:
    case FAILURE_SERVICE_UNAVAILABLE:
        break;
    }
    return false;
}

bool idempotency_looks_again(const struct exchange *exchange, const struct failure *failure)
{
    return exchange->idempotency && !exchange->idempotency->is_about_key &&
           failure_status(failure->code) < FIRST_STATUS_OF_OURS;
}

void idempotency_prepare_failure(struct exchange *exchange, const struct failure *failure)
{
    struct buffer *body = &exchange->loop->body;

    buffer_clear(body);
    reply_write_failure(failure, body);
    exchange->idempotency->passing = is_kept(failure->code) ? NULL : failure;
    exchange->idempotency->reply = (struct kept_reply){
        .status = failure_status(failure->code), .body = arena_copy(exchange->arena, buffer_text(body))};
}

const struct failure *idempotency_keep_failure(struct exchange *exchange, struct transaction *transaction)
{
    struct idempotency_record *previous;
    const struct failure *failure;

    if (look(exchange, transaction, &previous, &failure))
        return failure;
    if (exchange->idempotency->passing)
        return exchange->idempotency->passing;
    keep(exchange, transaction, previous);
    return NULL;
}

/* ---- cleaning up ---- */

const struct failure *idempotency_clean_up(const struct api *api, int64_t now_us,
                                           struct transaction *transaction, size_t *count)
{
    return idempotency_discard(transaction, kept_since(api, now_us), count);
}
