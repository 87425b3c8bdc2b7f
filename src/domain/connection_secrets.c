/* connection_secrets.c: the secrets of connections (10-customers section 14, 70-webhooks section 3.1). */
#include "domain/connection_secrets.h"

#include "base/utf8.h"
#include "model/entity_json.h"

#include <assert.h>
#include <openssl/crypto.h>

static const struct text member_name = TEXT_LITERAL("encrypted_secret_data");

struct reading {
    const struct provider *provider;
    struct arena *arena;
    struct failure **failure;
};

static struct text path_of(struct arena *arena, struct text name)
{
    return arena_format(arena, "%.*s.%.*s", TEXT_FORMAT(member_name), TEXT_FORMAT(name));
}

static void refuse(const struct reading *reading, struct text path, const char *reason)
{
    failure_add_field(reading->failure, reading->arena, path, text_from_string(reason));
}

/* ---- reading ---- */

/* Where the secrets are: in the object itself, or in one of its members that is called after the provider. */
static const struct json_value *innermost(const struct json_value *object, const struct provider *provider)
{
    const struct json_value *nested = json_member(object, provider->name);

    return nested && nested->type == JSON_OBJECT ? nested : object;
}

enum { NAME_LENGTH_MAX = 255 };

static struct text no_secret_reason(const struct reading *reading)
{
    struct text names = text_empty;

    for (const struct provider_secret *secret = reading->provider->secrets; secret->name.data; secret++)
        names = arena_list_add(reading->arena, names, secret->name);
    return arena_format(reading->arena, "is no secret of %.*s, which has %.*s",
                        TEXT_FORMAT(reading->provider->name), TEXT_FORMAT(names));
}

/* Whether the secret is one to be kept. Nothing that is said repeats more than its name. */
static bool is_valid(const struct reading *reading, const struct json_value *key,
                     const struct json_value *value)
{
    const struct provider *provider = reading->provider;
    bool is_name = key->text.length > 0 && utf8_length(key->text) <= NAME_LENGTH_MAX;
    struct text path = is_name ? path_of(reading->arena, key->text) : member_name;
    const struct provider_secret *secret =
        provider->secrets ? provider_find_secret(provider, key->text) : NULL;

    if (!is_name)
        refuse(reading, path, "has a name that is empty or of more than 255 characters");
    else if (provider->secrets && !secret)
        failure_add_field(reading->failure, reading->arena, path, no_secret_reason(reading));
    else if (value->type != JSON_STRING)
        failure_add_field(
            reading->failure, reading->arena, path,
            arena_format(reading->arena, "must be a string, not %s", json_type_name(value->type)));
    else if (value->text.length > CONNECTION_SECRET_BYTES_MAX)
        refuse(reading, path, "must be at most 16384 bytes long");
    else if (value->text.length > 0 && secret && secret->check && secret->check(value->text))
        refuse(reading, path, secret->check(value->text));
    else
        return true;
    return false;
}

/* The dashboard says once more in there which provider it is; null is as good as absent. */
static bool is_passed_over(const struct json_value *key, const struct json_value *value)
{
    return value->type == JSON_NULL || text_equal(key->text, TEXT("provider_type"));
}

void connection_secrets_read(const struct json_value *object, const struct provider *provider,
                             struct arena *arena, struct failure **failure, struct text *secrets)
{
    const struct reading reading = {provider, arena, failure};
    const struct json_value *given = json_member(object, member_name);
    struct buffer buffer = {0};
    struct json_writer writer;

    *secrets = text_none;
    if (!given || given->type == JSON_NULL)
        return;
    if (given->type != JSON_OBJECT) {
        refuse(&reading, member_name, "must be an object of strings");
        return;
    }
    given = innermost(given, provider);
    if (given->count > CONNECTION_SECRETS_MAX) {
        refuse(&reading, member_name, "must have at most 64 members");
        return;
    }
    const struct json_value *key = json_first(given);

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    for (uint32_t i = 0; i < given->count; i++, key = json_next(json_next(key)))
        if (json_member(given, key->text) == json_next(key) && !is_passed_over(key, json_next(key)) &&
            is_valid(&reading, key, json_next(key))) {
            json_put_string(&writer, key->text, json_next(key)->text);
        }
    json_end_object(&writer);
    *secrets = arena_copy(arena, buffer_text(&buffer));
    OPENSSL_cleanse(buffer.data, buffer.capacity);
    buffer_free(&buffer);
}

static const struct json_value *read_object(struct text object, struct arena *arena)
{
    struct json_error error;
    const struct json_value *value = json_read(arena, text_is_set(object) ? object : TEXT("{}"), &error);

    assert(value && value->type == JSON_OBJECT); /* it was written here */
    return value;
}

void connection_secrets_check(struct text secrets, const struct provider *provider, struct arena *arena,
                              struct failure **failure)
{
    const struct json_value *object = read_object(secrets, arena);

    if (*failure && failure_names(*failure, member_name)) /* there is nothing in it that could be missing */
        return;
    if (secrets.length > CONNECTION_SECRETS_BYTES_MAX)
        failure_add_field(failure, arena, member_name, TEXT("must be at most 131072 bytes long in all"));
    for (const struct provider_secret *secret = provider->secrets; secret && secret->name.data; secret++) {
        const struct json_value *value = json_member(object, secret->name);

        if (secret->is_required && (!value || value->text.length == 0))
            failure_add_field(failure, arena, path_of(arena, secret->name),
                              value ? TEXT("must not be empty") : TEXT("is required"));
    }
}

/* ---- together ---- */

static void write_members(struct json_writer *writer, const struct json_value *object,
                          const struct json_value *others)
{
    const struct json_value *key = json_first(object);

    for (uint32_t i = 0; i < object->count; i++, key = json_next(json_next(key)))
        if (json_next(key)->text.length > 0 && !(others && json_member(others, key->text))) {
            json_put_string(writer, key->text, json_next(key)->text);
        }
}

struct text connection_secrets_merge(struct text base, struct text changes, struct arena *arena)
{
    const struct json_value *old = read_object(base, arena), *new = read_object(changes, arena);
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    write_members(&writer, old, new);
    write_members(&writer, new, NULL);
    json_end_object(&writer);
    struct text merged = arena_copy(arena, buffer_text(&buffer));

    OPENSSL_cleanse(buffer.data, buffer.capacity);
    buffer_free(&buffer);
    return merged;
}

/* ---- at rest ---- */

struct text connection_secrets_about(struct arena *arena, struct text tenant_id, struct text id)
{
    return arena_format(arena, "connection %.*s %.*s", TEXT_FORMAT(tenant_id), TEXT_FORMAT(id));
}

struct text connection_secrets_close(struct transaction *transaction, const struct envelope_keys *keys,
                                     struct text id, struct text secrets)
{
    struct arena *arena = transaction->arena;

    if (!text_is_set(secrets) || text_equal(secrets, TEXT("{}")))
        return text_none;
    return envelope_close(arena, keys,
                          connection_secrets_about(arena, transaction->call->scope->tenant_id, id), secrets);
}

static const struct failure *unreadable(struct transaction *transaction,
                                        const struct connection_record *connection, enum envelope_state state)
{
    struct arena *arena = transaction->arena;
    struct text key_id = envelope_key_id(connection->encrypted_secret_data);
    struct text message =
        state == ENVELOPE_KEY_UNKNOWN
            ? arena_format(
                  arena,
                  "the secrets of the connection are encrypted with the server's key %.*s, which this "
                  "server does not have: the operator must give it that key (the file secrets, or "
                  "encryption-key-previous), or the connection must be deleted and made again",
                  TEXT_FORMAT(key_id))
            : TEXT("the secrets of the connection were altered in the database and cannot be read: delete it "
                   "and make it again");

    return failure_add(failure_new(arena, FAILURE_INTERNAL, message), arena, TEXT("connection_id"),
                       connection->id);
}

const struct failure *connection_secrets_open(struct transaction *transaction,
                                              const struct envelope_keys *keys,
                                              const struct connection_record *connection,
                                              struct text *secrets)
{
    struct arena *arena = transaction->arena;

    *secrets = TEXT("{}");
    if (!text_is_set(connection->encrypted_secret_data))
        return NULL;
    enum envelope_state state = envelope_open(
        arena, keys, connection_secrets_about(arena, transaction->call->scope->tenant_id, connection->id),
        connection->encrypted_secret_data, secrets);

    return state == ENVELOPE_OPENED ? NULL : unreadable(transaction, connection, state);
}
