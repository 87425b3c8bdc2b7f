/* connection_get.c: 10-customers section 14, GET and search, and what section 13.5 shows. */
#include "domain/connections.h"
#include "json/writer.h"

STORE_QUERY(
    connection_by_id, &connection_entity,
    "SELECT {columns} FROM connections WHERE {scope = $1 AND id = $2} AND status = 'published' {lock}");
STORE_QUERY(
    connection_of_provider, &connection_entity,
    "SELECT {columns} FROM connections WHERE scope = $1 AND provider_type = $2 AND status = 'published' "
    "ORDER BY created_at, id LIMIT 1");

static const struct field sync_fields[] = {
    {FIELD(struct connection_sync, provider_type, FIELD_TEXT)},
    {FIELD(struct connection_sync, sync_config, FIELD_JSON_OBJECT)},
};
static const struct entity sync_entity = {
    .name = TEXT_LITERAL("connection"),
    ENTITY_FIELDS(sync_fields),
    .struct_size = sizeof(struct connection_sync),
};

/* The index of providers that there is one connection to leads there. */
STORE_QUERY(connections_of_providers, &sync_entity,
            "SELECT {columns} FROM connections WHERE scope = $1 AND provider_type IN ({elements of $2}) AND "
            "provider_type <> 's3' AND status = 'published' ORDER BY created_at DESC, id DESC");

const struct failure *connection_get(struct transaction *transaction, struct text id,
                                     struct connection_record *connection)
{
    if (query_record(transaction, &connection_by_id,
                     VALUES(value_integer(transaction->call->scope->number), value_text(id)), connection))
        return NULL;
    return failure_add(
        failure_new(transaction->arena, FAILURE_NOT_FOUND, TEXT("there is no such connection")),
        transaction->arena, TEXT("connection_id"), id);
}

bool connection_find_published(struct transaction *transaction, struct text provider_type, struct text *id)
{
    struct connection_record connection;

    if (!query_record(transaction, &connection_of_provider,
                      VALUES(value_integer(transaction->call->scope->number), value_text(provider_type)),
                      &connection))
        return false;
    *id = connection.id;
    return true;
}

/* Their names, as a JSON array. */
static struct text providers_that_synchronize(struct arena *arena)
{
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_array(&writer);
    for (const struct provider *provider = providers; provider->name.data; provider++)
        if (provider->has_capabilities)
            json_string(&writer, provider->name);
    json_end_array(&writer);
    struct text names = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return names;
}

struct record_list connections_synchronized(struct transaction *transaction)
{
    return query_records(transaction, &connections_of_providers,
                         VALUES(value_integer(transaction->call->scope->number),
                                value_text(providers_that_synchronize(transaction->arena))));
}

struct record_list connection_search(struct transaction *transaction, const struct connection_filter *filter,
                                     int64_t *total)
{
    struct list_query list;
    bool has_ids = filter->connection_ids.length > 0 && !text_equal(filter->connection_ids, TEXT("[]"));

    list_query_begin(&list, transaction, &connection_entity);
    if (filter->provider_type.length > 0)
        list_query_where(&list, TEXT("provider_type"), LIST_EQUAL, value_text(filter->provider_type));
    if (has_ids)
        list_query_where(&list, TEXT("id"), LIST_ONE_OF, value_text(filter->connection_ids));
    search_apply(&filter->search, &list);
    return list_query_run(&list, &filter->search.page, total);
}
