/* connection_reencrypt.c: secrets of connections under a key of the server's that is not the present one. */
#include "base/log.h"
#include "domain/connection_secrets.h"
#include "domain/scope_row.h"

/* The part of a connection that the server's key changes. */
struct secret_row {
    struct text id;
    struct text encrypted_secret_data;
};
static const struct field secret_fields[] = {
    {FIELD(struct secret_row, id, FIELD_TEXT)},
    {FIELD(struct secret_row, encrypted_secret_data, FIELD_TEXT), .flags = FIELD_SECRET},
};
static const struct entity secret_row_entity = {
    .name = TEXT_LITERAL("connection"),
    .label = TEXT_LITERAL("connection"),
    .table = TEXT_LITERAL("connections"),
    .scoping = SCOPED_BY_ENVIRONMENT,
    .has_no_trail = true,
    ENTITY_FIELDS(secret_fields),
    .struct_size = sizeof(struct secret_row),
};

/* Where one is. */
struct place_row {
    struct text id;
    int64_t scope;
};
static const struct field place_fields[] = {
    {FIELD(struct place_row, id, FIELD_TEXT)},
    {FIELD(struct place_row, scope, FIELD_INTEGER)},
};
static const struct entity place_entity = {
    .name = TEXT_LITERAL("connection"),
    ENTITY_FIELDS(place_fields),
    .struct_size = sizeof(struct place_row),
};

static const struct field unreadable_fields[] = {
    {FIELD(struct connections_unreadable, count, FIELD_INTEGER)},
    {FIELD(struct connections_unreadable, key_id, FIELD_TEXT)},
};
static const struct entity unreadable_entity = {
    .name = TEXT_LITERAL("connection"),
    ENTITY_FIELDS(unreadable_fields),
    .struct_size = sizeof(struct connections_unreadable),
};

STORE_QUERY(
    connections_under_keys, &place_entity,
    "SELECT {columns} FROM connections WHERE substr(encrypted_secret_data, 1, 16) IN ({elements of $1}) "
    "LIMIT $2");
STORE_QUERY(secrets_of_connection, &secret_row_entity,
            "SELECT {columns} FROM connections WHERE {scope = $1 AND id = $2} {lock}");
STORE_QUERY(scope_of_connection, &scope_row_entity, "SELECT {columns} FROM scopes WHERE scope = $1");
STORE_QUERY(connections_under_other_keys, &unreadable_entity,
            "SELECT count(*) AS count, min(substr(encrypted_secret_data, 1, 16)) AS key_id FROM connections "
            "WHERE substr(encrypted_secret_data, 1, 16) > '' AND "
            "substr(encrypted_secret_data, 1, 16) NOT IN ({elements of $1})");

STORE_QUERY(count_under_key, &unreadable_entity,
            "SELECT count(*) AS count, min(substr(encrypted_secret_data, 1, 16)) AS key_id FROM connections "
            "WHERE substr(encrypted_secret_data, 1, 16) IN ({elements of $1})");

static struct text key_ids_json(struct arena *arena, const struct envelope_keys *keys, unsigned first)
{
    struct text ids = TEXT("[");

    for (unsigned i = first; i < keys->count; i++)
        ids = arena_format(arena, "%.*s%s\"%.*s\"", TEXT_FORMAT(ids), i > first ? "," : "",
                           TEXT_FORMAT(keys->keys[i].id));
    return arena_format(arena, "%.*s]", TEXT_FORMAT(ids));
}

/* False when the secrets cannot be read. */
static bool reencrypt(struct transaction *transaction, const struct envelope_keys *keys,
                      const struct scope *scope, const struct secret_row *before)
{
    struct arena *arena = transaction->arena;
    struct text about = connection_secrets_about(arena, scope->tenant_id, before->id), plain;
    struct secret_row *after = ARENA_NEW(arena, struct secret_row);

    if (envelope_open(arena, keys, about, before->encrypted_secret_data, &plain) != ENVELOPE_OPENED)
        return false;
    *after = (struct secret_row){before->id, envelope_close(arena, keys, about, plain)};
    transaction_update(transaction, scope, &secret_row_entity, before, after);
    return true;
}

static bool reencrypt_at(struct transaction *transaction, const struct envelope_keys *keys,
                         const struct place_row *place)
{
    struct secret_row *before = ARENA_NEW(transaction->arena, struct secret_row);
    struct scope *scope = ARENA_NEW(transaction->arena, struct scope);
    struct scope_row row;

    if (!query_record(transaction, &scope_of_connection, VALUES(value_integer(place->scope)), &row) ||
        !query_record(transaction, &secrets_of_connection,
                      VALUES(value_integer(place->scope), value_text(place->id)), before) ||
        !text_is_set(before->encrypted_secret_data) ||
        text_equal(envelope_key_id(before->encrypted_secret_data), keys->keys[0].id))
        return false; /* changed since it was found */
    *scope = scope_of_row(&row);
    if (reencrypt(transaction, keys, scope, before))
        return true;
    LOG_ERROR("the secrets of a connection were altered in the database and cannot be read",
              LOG_TEXT("connection_id", before->id));
    return false;
}

const struct failure *connections_reencrypt(struct transaction *transaction, const struct envelope_keys *keys,
                                            struct connection_reencryption *done)
{
    struct text others = key_ids_json(transaction->arena, keys, 1);
    struct record_list list =
        query_records(transaction, &connections_under_keys,
                      VALUES(value_text(others), value_integer(CONNECTIONS_REENCRYPTED_MAX)));
    const struct place_row *places = list.records;

    *done = (struct connection_reencryption){.found = list.count};
    for (size_t i = 0; i < list.count && !transaction->failure; i++)
        done->reencrypted += reencrypt_at(transaction, keys, &places[i]);
    return transaction->failure;
}

void connections_count_unreadable(struct transaction *transaction, struct text key_ids,
                                  struct connections_unreadable *unreadable)
{
    *unreadable = (struct connections_unreadable){0};
    query_record(transaction, &connections_under_other_keys, VALUES(value_text(key_ids)), unreadable);
}

static struct text list_of_one(struct arena *arena, struct text key_id)
{
    return arena_format(arena, "[\"%.*s\"]", TEXT_FORMAT(key_id));
}

int64_t connections_count_under(struct transaction *transaction, struct text key_id)
{
    struct connections_unreadable under = {0};

    query_record(transaction, &count_under_key, VALUES(value_text(list_of_one(transaction->arena, key_id))),
                 &under);
    return under.count;
}

bool connections_use_key(struct transaction *transaction, struct text key_id)
{
    struct text ids = list_of_one(transaction->arena, key_id);
    struct place_row place;

    return query_record(transaction, &connections_under_keys, VALUES(value_text(ids), value_integer(1)),
                        &place);
}
