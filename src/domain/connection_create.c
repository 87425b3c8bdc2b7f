/* connection_create.c: 10-customers section 14, POST. */
#include "base/ulid.h"
#include "domain/connection_secrets.h"
#include "domain/records.h"
#include "model/entity_json.h"

/* For the description alone: both are read by their own rules. */
struct shape {
    struct text encrypted_secret_data;
    struct text sync_config;
};
const struct field connection_options[] = {
    {FIELD(struct shape, encrypted_secret_data, FIELD_JSON_OBJECT), .flags = FIELD_INPUT},
    {FIELD(struct shape, sync_config, FIELD_JSON_OBJECT), .flags = FIELD_INPUT},
};
const size_t connection_option_count = sizeof connection_options / sizeof connection_options[0];

struct number {
    int64_t count;
};
static const struct field number_fields[] = {{FIELD(struct number, count, FIELD_INTEGER)}};
static const struct entity number_entity = {
    .name = TEXT_LITERAL("connection"),
    ENTITY_FIELDS(number_fields),
    .struct_size = sizeof(struct number),
};

STORE_QUERY(
    connections_of_provider, &number_entity,
    "SELECT COUNT(*) FROM connections WHERE scope = $1 AND provider_type = $2 AND status = 'published'");

/* What a provider needs to be told beside its secrets. */
void connection_sync_check(const struct provider *provider, struct text sync_config, struct arena *arena,
                           struct failure **failure)
{
    struct json_error error;
    struct text name = provider->required_sync;

    if (!text_is_set(name))
        return;
    const struct json_value *config =
        json_read(arena, text_is_set(sync_config) ? sync_config : TEXT("{}"), &error);
    const struct json_value *group = config ? json_member(config, provider->name) : NULL;
    const struct json_value *value = group ? json_member(group, name) : NULL;

    if (!value || value->type != JSON_STRING || value->text.length == 0)
        failure_add_field(
            failure, arena,
            arena_format(arena, "sync_config.%.*s.%.*s", TEXT_FORMAT(provider->name), TEXT_FORMAT(name)),
            TEXT("is required"));
}

const struct failure *connection_read_creation(const struct json_value *object, struct arena *arena,
                                               struct connection_creation *creation)
{
    struct connection_record *connection = &creation->connection;
    struct failure *failure = NULL;

    *creation = (struct connection_creation){0};
    fields_read_json(connection_entity.fields, connection_entity.field_count, object, connection, arena,
                     &failure);
    connection->sync_config = connection_sync_read(object, arena, &failure);
    const struct provider *provider = provider_find(connection->provider_type);

    if (!provider) /* which is said already */
        return failure;
    connection_secrets_read(object, provider, arena, &failure, &creation->secrets);
    connection_secrets_check(creation->secrets, provider, arena, &failure);
    connection_sync_check(provider, connection->sync_config, arena, &failure);
    return failure;
}

static const struct failure *is_there(struct arena *arena, struct text provider_type, struct text id)
{
    struct failure *failure = failure_new(
        arena, FAILURE_ALREADY_EXISTS,
        arena_format(arena, "the environment has a connection to %.*s already; change or delete that one",
                     TEXT_FORMAT(provider_type)));

    failure_add(failure, arena, TEXT("provider_type"), provider_type);
    return failure_add(failure, arena, TEXT("existing_connection_id"), id);
}

/* Two that are made at the same moment may both be let in: it is no more than a guard. */
static const struct failure *check_number(struct transaction *transaction, struct text provider_type)
{
    struct number number = {0};
    struct arena *arena = transaction->arena;

    query_record(transaction, &connections_of_provider,
                 VALUES(value_integer(transaction->call->scope->number), value_text(provider_type)), &number);
    if (number.count < CONNECTIONS_OF_PROVIDER_MAX)
        return NULL;
    return failure_add(
        failure_new(arena, FAILURE_VALIDATION,
                    arena_format(arena,
                                 "an environment may have %d connections to %.*s, and has them "
                                 "already; change or delete one",
                                 CONNECTIONS_OF_PROVIDER_MAX, TEXT_FORMAT(provider_type))),
        arena, TEXT("provider_type"), provider_type);
}

static const struct failure *check_others(struct transaction *transaction, const struct provider *provider)
{
    struct text existing_id;

    if (provider->may_be_many)
        return check_number(transaction, provider->name);
    return connection_find_published(transaction, provider->name, &existing_id)
               ? is_there(transaction->arena, provider->name, existing_id)
               : NULL;
}

const struct failure *connection_create(struct transaction *transaction, const struct envelope_keys *keys,
                                        const struct connection_creation *creation,
                                        struct connection_record *created)
{
    const struct call *call = transaction->call;
    const struct provider *provider = provider_find(creation->connection.provider_type);
    struct connection_record *connection = ARENA_NEW(transaction->arena, struct connection_record);
    const struct failure *failure = check_others(transaction, provider);

    if (failure)
        return failure;
    *connection = creation->connection;
    connection->id = ulid_make_id(transaction->arena, connection_entity.id_prefix, call->now_us);
    connection->encrypted_secret_data =
        connection_secrets_close(transaction, keys, connection->id,
                                 connection_secrets_merge(text_none, creation->secrets, transaction->arena));
    RECORD_STAMP_CREATED(connection, call);
    transaction_insert(transaction, call->scope, &connection_entity, connection);
    *created = *connection;
    return NULL;
}
