/* connection_get.c: 10-customers section 14, GET and search. */
#include "domain/connections.h"

STORE_QUERY(
    connection_by_id, &connection_entity,
    "SELECT {columns} FROM connections WHERE {scope = $1 AND id = $2} AND status = 'published' {lock}");
STORE_QUERY(
    connection_of_provider, &connection_entity,
    "SELECT {columns} FROM connections WHERE scope = $1 AND provider_type = $2 AND status = 'published' "
    "ORDER BY created_at, id LIMIT 1");
STORE_QUERY(connections_of_environment, &connection_entity,
            "SELECT {columns} FROM connections WHERE scope = $1 AND status = 'published' "
            "ORDER BY created_at DESC, id DESC");

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

struct record_list connections_published(struct transaction *transaction)
{
    return query_records(transaction, &connections_of_environment,
                         VALUES(value_integer(transaction->call->scope->number)));
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
