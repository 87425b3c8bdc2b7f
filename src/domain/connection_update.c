/* connection_update.c: 10-customers section 14, PUT and DELETE. */
#include "domain/connection_secrets.h"
#include "domain/records.h"
#include "model/entity_json.h"

const struct field connection_change_fields[] = {
    {FIELD(struct connection_change, name, FIELD_TEXT), .flags = FIELD_INPUT, .length_max = 255},
    {FIELD(struct connection_change, metadata, FIELD_JSON_OBJECT), .flags = FIELD_INPUT},
};
const size_t connection_change_field_count =
    sizeof connection_change_fields / sizeof connection_change_fields[0];

const struct failure *connection_read_change(const struct json_value *object, struct arena *arena,
                                             struct connection_change *change)
{
    struct failure *failure = NULL;

    *change = (struct connection_change){.object = object};
    fields_read_json(connection_change_fields, connection_change_field_count, object, change, arena,
                     &failure);
    change->sync_config = connection_sync_read(object, arena, &failure);
    return failure;
}

/* Chargebee knows us by the two together. */
static void check_pair(struct text secrets, const struct provider *provider, struct arena *arena,
                       struct failure **failure)
{
    static const struct text names[] = {TEXT_LITERAL("webhook_username"), TEXT_LITERAL("webhook_password")};
    struct json_error error;
    const struct json_value *object = json_read(arena, secrets, &error);

    if (!provider_find_secret(provider, names[0]) || !object)
        return;
    for (unsigned i = 0; i < 2; i++)
        if (!json_member(object, names[i]) && json_member(object, names[1 - i]))
            failure_add_field(failure, arena,
                              arena_format(arena, "encrypted_secret_data.%.*s", TEXT_FORMAT(names[i])),
                              arena_format(arena, "is required with %.*s", TEXT_FORMAT(names[1 - i])));
}

/* The secrets that are given are put into those of the connection. */
static const struct failure *rotate(struct transaction *transaction, const struct envelope_keys *keys,
                                    const struct connection_change *change, struct connection_record *after)
{
    struct arena *arena = transaction->arena;
    const struct provider *provider = provider_find(after->provider_type);
    struct failure *problem = NULL;
    struct text given, stored;

    connection_secrets_read(change->object, provider, arena, &problem, &given);
    if (problem || !text_is_set(given) || text_equal(given, TEXT("{}")))
        return problem;
    if (provider->secrets)
        check_pair(given, provider, arena, &problem);
    if (problem)
        return problem;
    const struct failure *failure = connection_secrets_open(transaction, keys, after, &stored);

    if (failure)
        return failure;
    struct text merged = connection_secrets_merge(stored, given, arena);

    connection_secrets_check(merged, provider, arena, &problem);
    if (!problem)
        after->encrypted_secret_data = connection_secrets_close(transaction, keys, after->id, merged);
    return problem;
}

/* What a provider needs to know must not be taken away from it. */
static const struct failure *check_sync(struct transaction *transaction,
                                        const struct connection_record *after)
{
    struct failure *failure = NULL;

    connection_sync_check(provider_find(after->provider_type), after->sync_config, transaction->arena,
                          &failure);
    return failure;
}

const struct failure *connection_update(struct transaction *transaction, const struct envelope_keys *keys,
                                        struct text id, const struct connection_change *change,
                                        struct connection_record *updated)
{
    struct connection_record *before = ARENA_NEW(transaction->arena, struct connection_record);
    struct connection_record *after = ARENA_NEW(transaction->arena, struct connection_record);
    const struct failure *failure = connection_get(transaction, id, before);

    if (failure)
        return failure;
    *after = *before;
    if (change->name.length > 0)
        after->name = change->name;
    if (text_is_set(change->metadata))
        after->metadata = change->metadata;
    if (text_is_set(change->sync_config)) {
        after->sync_config = change->sync_config;
        failure = check_sync(transaction, after);
    }
    if (!failure)
        failure = rotate(transaction, keys, change, after);
    if (failure)
        return failure;
    RECORD_STAMP_UPDATED(after, transaction->call);
    transaction_update(transaction, transaction->call->scope, &connection_entity, before, after);
    *updated = *after;
    return NULL;
}

const struct failure *connection_archive(struct transaction *transaction, struct text id)
{
    struct connection_record *before = ARENA_NEW(transaction->arena, struct connection_record);
    struct connection_record *after = ARENA_NEW(transaction->arena, struct connection_record);
    const struct failure *failure = connection_get(transaction, id, before);

    if (failure)
        return failure;
    *after = *before;
    after->status = status_archived;
    after->encrypted_secret_data = text_none;
    RECORD_STAMP_UPDATED(after, transaction->call);
    transaction_update(transaction, transaction->call->scope, &connection_entity, before, after);
    return NULL;
}
