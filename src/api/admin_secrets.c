/* admin_secrets.c: the server's secrets for the operator, over the admin socket: what `farthing secret` talks
 * to. No key is ever in a reply. */
#include "access/secrets.h"
#include "access/token.h"
#include "api/resources.h"
#include "domain/connections.h"
#include "domain/server_secrets.h"
#include "model/entity_json.h"

#include <openssl/crypto.h>

enum { GRACE_HOURS_MAX = 10 * 365 * 24, SECONDS_PER_HOUR = 60 * 60 };

static const struct failure *check_secrets(struct exchange *exchange)
{
    return exchange->loop->api->secrets.secrets
               ? NULL
               : failure_new(exchange->arena, FAILURE_INVALID_OPERATION,
                             TEXT("the secrets cannot be used; `farthing doctor` says why"));
}

/* ---- list ---- */

static void write_instant(struct json_writer *writer, struct text key, int64_t instant_us)
{
    struct buffer buffer = {0};

    if (instant_us == INT64_MIN || instant_us == SECRET_WITHOUT_END)
        return;
    instant_append_seconds(&buffer, instant_us);
    json_put_string(writer, key, buffer_text(&buffer));
    buffer_free(&buffer);
}

static struct text state_of(const struct secret_ring *ring, unsigned index, int64_t now_us)
{
    if (index == 0)
        return TEXT("present");
    return now_us < ring->keys[index].honoured_until_us ? TEXT("honoured") : TEXT("ended");
}

/* How many connections are under each encryption key. */
struct key_uses_found {
    unsigned count;
    struct text ids[SECRET_KEYS_MAX];
    int64_t connections[SECRET_KEYS_MAX];
};

static const struct failure *run_list(struct exchange *exchange, struct transaction *transaction)
{
    struct key_uses_found *found = ARENA_NEW(exchange->arena, struct key_uses_found);
    struct text keys[SECRET_KEYS_MAX];

    found->count = secrets_listed(exchange->loop->api->secrets.secrets, SECRET_ENCRYPTION, exchange->arena,
                                  found->ids, keys);
    for (unsigned i = 0; i < found->count; i++)
        found->connections[i] = connections_count_under(transaction, found->ids[i]);
    exchange->result = found;
    return NULL;
}

static void write_connections(struct json_writer *writer, struct text id, const struct key_uses_found *found)
{
    for (unsigned i = 0; i < found->count; i++)
        if (text_equal(found->ids[i], id)) {
            json_put_int64(writer, TEXT("connections"), found->connections[i]);
        }
}

/* The object is left open. */
static void write_key(struct json_writer *writer, const struct secret_set *set, enum secret_purpose purpose,
                      unsigned index, int64_t now_us)
{
    const struct secret_ring *ring = &set->rings[purpose];
    const struct secret_key *key = &ring->keys[index];

    json_begin_object(writer);
    json_put_string(writer, TEXT("id"), (struct text){key->id, SECRET_ID_LENGTH});
    json_put_string(writer, TEXT("purpose"), text_from_string(secret_purpose_name(purpose)));
    json_put_string(writer, TEXT("state"), state_of(ring, index, now_us));
    json_put_string(writer, TEXT("source"), ring->is_given ? TEXT("setting") : TEXT("file"));
    write_instant(writer, TEXT("created_at"), key->created_at_us);
    if (index > 0)
        write_instant(writer, TEXT("honoured_until"), key->honoured_until_us);
}

static void write_keys(struct json_writer *writer, struct exchange *exchange, const struct secret_set *set,
                       enum secret_purpose purpose)
{
    const struct secret_ring *ring = &set->rings[purpose];

    for (unsigned i = 0; i < ring->count; i++) {
        write_key(writer, set, purpose, i, exchange->call.now_us);
        if (purpose == SECRET_ENCRYPTION)
            write_connections(writer, (struct text){ring->keys[i].id, SECRET_ID_LENGTH}, exchange->result);
        json_end_object(writer);
    }
}

static void render_list(struct exchange *exchange, struct json_writer *writer)
{
    struct secret_set set;

    secrets_copy(exchange->loop->api->secrets.secrets, &set);
    json_begin_object(writer);
    json_key(writer, TEXT("items"));
    json_begin_array(writer);
    for (unsigned i = 0; i < SECRET_PURPOSES; i++)
        write_keys(writer, exchange, &set, (enum secret_purpose)i);
    json_end_array(writer);
    json_end_object(writer);
    OPENSSL_cleanse(&set, sizeof set);
}

/* ---- rotate ---- */

struct rotation {
    enum secret_purpose purpose;
    int64_t grace_until_us;
};

/* Tokens are given the time that they have left; what a key has encrypted may be read for as long as it is
 * there. */
static const struct failure *read_grace(struct exchange *exchange, struct rotation *rotation)
{
    const struct json_value *value = json_member(exchange->body, TEXT("grace_hours"));
    int64_t now_us = exchange->call.now_us;
    struct failure *failure = NULL;
    uint64_t hours = 0;

    rotation->grace_until_us = rotation->purpose == SECRET_SIGNING
                                   ? now_us + TOKEN_USER_SECONDS * MICROSECONDS_PER_SECOND
                                   : SECRET_WITHOUT_END;
    if (!value || value->type == JSON_NULL)
        return NULL;
    if (value->type != JSON_NUMBER || !text_to_uint64(value->text, &hours) || hours > GRACE_HOURS_MAX)
        failure_add_field(
            &failure, exchange->arena, TEXT("grace_hours"),
            arena_format(exchange->arena, "must be a whole number from 0 to %d", GRACE_HOURS_MAX));
    rotation->grace_until_us = now_us + (int64_t)hours * SECONDS_PER_HOUR * MICROSECONDS_PER_SECOND;
    return failure;
}

static const struct failure *parse_rotate(struct exchange *exchange)
{
    struct rotation *rotation = ARENA_NEW(exchange->arena, struct rotation);

    exchange->input = rotation;
    if (!secret_purpose_find(exchange->parameters[0], &rotation->purpose))
        return failure_new(exchange->arena, FAILURE_NOT_FOUND,
                           arena_format(exchange->arena,
                                        "there is no secret \"%.*s\"; there are signing and encryption",
                                        TEXT_FORMAT(exchange->parameters[0])));
    const struct failure *failure = read_grace(exchange, rotation);

    return failure ? failure : check_secrets(exchange);
}

static const struct failure *given_by_setting(struct exchange *exchange, enum secret_purpose purpose)
{
    return failure_new(
        exchange->arena, FAILURE_INVALID_OPERATION,
        purpose == SECRET_SIGNING
            ? TEXT("the signing key is given by the setting auth-secret: put its value into "
                   "auth-secret-previous, a new one into auth-secret, and restart")
            : TEXT("the encryption key is given by the setting encryption-key: put its value into "
                   "encryption-key-previous, a new one into encryption-key, and restart"));
}

struct looking {
    struct text key_id;
    bool is_used;
};

static const struct failure *look_for_use(void *context, struct transaction *transaction)
{
    struct looking *looking = context;

    looking->is_used = connections_use_key(transaction, looking->key_id);
    return transaction->failure;
}

/* A key that goes from the list is lost, so nothing may be encrypted with it any more. */
static const struct failure *check_dropped(struct exchange *exchange, const struct secret_ring *ring)
{
    const struct rotation *rotation = exchange->input;
    struct looking looking = {.key_id =
                                  secret_ring_dropped(ring, exchange->call.now_us, rotation->grace_until_us)};

    if (rotation->purpose != SECRET_ENCRYPTION || !text_is_set(looking.key_id))
        return NULL;
    const struct failure *failure =
        store_read(exchange->loop->api->store, exchange->arena, &exchange->call, look_for_use, &looking);

    if (failure || !looking.is_used)
        return failure;
    return failure_new(
        exchange->arena, FAILURE_INVALID_OPERATION,
        arena_format(exchange->arena,
                     "there is no room for another key: the secrets of connections are still "
                     "encrypted with the oldest one, %.*s; a running server encrypts them anew "
                     "within a minute, try again then",
                     TEXT_FORMAT(looking.key_id)));
}

/* On the disk first: what a key signs that nobody remembers would be lost with the process. */
static const struct failure *rotate(struct exchange *exchange, struct secret_set *set)
{
    const struct rotation *rotation = exchange->input;
    const struct api_secrets *secrets = &exchange->loop->api->secrets;
    struct secret_ring *ring = &set->rings[rotation->purpose];
    struct text reason;

    secrets_copy(secrets->secrets, set);
    if (ring->is_given)
        return given_by_setting(exchange, rotation->purpose);
    const struct failure *failure = check_dropped(exchange, ring);

    if (failure)
        return failure;
    if (!secret_ring_rotate(ring, rotation->purpose, exchange->call.now_us, rotation->grace_until_us))
        return failure_new(exchange->arena, FAILURE_INVALID_OPERATION,
                           TEXT("too many keys are still honoured; give fewer --grace-hours, which end them, "
                                "or wait until one of them has ended"));
    if (!secrets->keep(secrets->context, set, exchange->arena, &reason))
        return failure_new(exchange->arena, FAILURE_SERVICE_UNAVAILABLE, reason);
    secrets_replace(secrets->secrets, set);
    return NULL;
}

static const struct failure *rotate_one_at_a_time(struct exchange *exchange)
{
    struct secrets *secrets = exchange->loop->api->secrets.secrets;
    struct secret_set *set = ARENA_NEW(exchange->arena, struct secret_set);

    secrets_begin_change(secrets);
    const struct failure *failure = rotate(exchange, set);

    secrets_end_change(secrets);
    OPENSSL_cleanse(set, sizeof *set);
    return failure;
}

/* Whatever is the present one by now: another rotation may have come in between. */
static const struct failure *run_rotate(struct exchange *exchange, struct transaction *transaction)
{
    const struct rotation *rotation = exchange->input;
    struct secret_set set;

    secrets_copy(exchange->loop->api->secrets.secrets, &set);
    struct text id = arena_copy(transaction->arena,
                                (struct text){set.rings[rotation->purpose].keys[0].id, SECRET_ID_LENGTH});

    OPENSSL_cleanse(&set, sizeof set);
    server_secret_record(transaction, text_from_string(secret_purpose_name(rotation->purpose)), id);
    return NULL;
}

static void render_rotate(struct exchange *exchange, struct json_writer *writer)
{
    const struct rotation *rotation = exchange->input;
    struct secret_set set;

    secrets_copy(exchange->loop->api->secrets.secrets, &set);
    write_key(writer, &set, rotation->purpose, 0, exchange->call.now_us);
    json_end_object(writer);
    OPENSSL_cleanse(&set, sizeof set);
}

static const struct route routes[] = {
    {.method = HTTP_GET,
     .path = TEXT_LITERAL("/admin/secrets"),
     .access = ACCESS_ADMIN,
     .lane = LANE_READ,
     .status = 200,
     .parse = check_secrets,
     .run = run_list,
     .render = render_list},
    {.method = HTTP_POST,
     .path = TEXT_LITERAL("/admin/secrets/{purpose}/rotate"),
     .access = ACCESS_ADMIN,
     .ignores_idempotency_key = true, /* what it changes is a file, which no transaction holds */
     .lane = LANE_WRITE,
     .status = 200,
     .has_body = true,
     .parse = parse_rotate,
     .work_before = rotate_one_at_a_time,
     .run = run_rotate,
     .render = render_rotate},
};

const struct route_table admin_secret_routes = ROUTE_TABLE(routes);
