/* environment_get.c: conventions section 22.2. */
#include "domain/environments.h"
#include "store/list_query.h"

#include <string.h>

STORE_QUERY(environment_by_id, &environment_entity,
            "SELECT {columns} FROM environments WHERE id = $1 AND tenant_id = $2 AND status = 'published' "
            "{lock}");
STORE_QUERY(environments_of_tenant, &environment_entity,
            "SELECT {columns} FROM environments WHERE tenant_id = $1 AND status = 'published' "
            "ORDER BY created_at DESC, id DESC");

const struct failure *environment_get(struct transaction *transaction, struct text id,
                                      struct environment *environment)
{
    if (query_record(transaction, &environment_by_id,
                     VALUES(value_text(id), value_text(transaction->call->scope->tenant_id)), environment))
        return NULL;
    return failure_add(
        failure_new(transaction->arena, FAILURE_NOT_FOUND, TEXT("the tenant has no such environment")),
        transaction->arena, TEXT("environment_id"), id);
}

/* For users whom the configuration limits to a few of them. */
static struct record_list allowed_page(struct transaction *transaction, const struct page *page,
                                       bool (*is_allowed)(void *context, struct text id), void *context)
{
    struct record_list all = query_records(transaction, &environments_of_tenant,
                                           VALUES(value_text(transaction->call->scope->tenant_id)));
    struct environment *environments = all.records;
    int64_t found = 0;
    size_t count = 0;

    for (size_t i = 0; i < all.count && (int64_t)count < page->limit; i++)
        if (is_allowed(context, environments[i].id) && found++ >= page->offset)
            environments[count++] = environments[i];
    return (struct record_list){environments, count};
}

struct record_list environment_page(struct transaction *transaction, const struct page *page,
                                    bool (*is_allowed)(void *context, struct text id), void *context)
{
    struct list_query list;
    int64_t total;

    if (is_allowed)
        return allowed_page(transaction, page, is_allowed, context);
    list_query_begin(&list, transaction, &environment_entity);
    list_query_where(&list, TEXT("status"), LIST_EQUAL, value_text(status_published));
    list_query_sort(&list, TEXT("created_at"), true);
    return list_query_run(&list, page, &total);
}
