/* customer_search.c: 10-customers section 8. */
#include "base/case_fold.h"
#include "domain/customers.h"
#include "domain/search.h"

#include "json/writer.h"

static bool has_members(struct text list)
{
    return list.length > 0 && !text_equal(list, TEXT("[]")) && !text_equal(list, TEXT("{}"));
}

struct record_list customer_search(struct transaction *transaction, const struct customer_filter *filter,
                                   int64_t *total)
{
    struct list_query list;

    list_query_begin(&list, transaction, &customer_entity);
    if (has_members(filter->customer_ids))
        list_query_where(&list, TEXT("id"), LIST_ONE_OF, value_text(filter->customer_ids));
    if (has_members(filter->external_ids))
        list_query_where(&list, TEXT("external_id"), LIST_ONE_OF, value_text(filter->external_ids));
    if (filter->external_id.length > 0)
        list_query_where(&list, TEXT("external_id"), LIST_EQUAL, value_text(filter->external_id));
    if (filter->email.length > 0)
        list_query_where(&list, TEXT("email"), LIST_EQUAL_IGNORING_CASE,
                         value_text(case_fold(transaction->arena, filter->email)));
    if (has_members(filter->metadata))
        list_query_where(&list, TEXT("metadata"), LIST_HAS_ENTRIES, value_text(filter->metadata));
    search_apply(&filter->search, &list);
    return list_query_run(&list, &filter->search.page, total);
}

/* ---- their mappings ---- */

STORE_QUERY(mappings_of_customers, &integration_mapping_entity,
            "WITH ids (sought) AS ({elements of $2}) SELECT {columns} FROM (SELECT DISTINCT sought FROM ids) "
            "AS ids CROSS JOIN entity_integration_mappings WHERE scope = $1 AND entity_type = 'customer' AND "
            "entity_id = sought AND status = 'published' ORDER BY entity_id, created_at DESC, id DESC");

struct record_list customers_integrations(struct transaction *transaction,
                                          const struct record_list *customers)
{
    const struct customer *customer = customers->records;
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_array(&writer);
    for (size_t i = 0; i < customers->count; i++)
        json_string(&writer, customer[i].id);
    json_end_array(&writer);
    struct text ids = arena_copy(transaction->arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return query_records(transaction, &mappings_of_customers,
                         VALUES(value_integer(transaction->call->scope->number), value_text(ids)));
}
