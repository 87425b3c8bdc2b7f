/* user_search.c: conventions sections 17.6 and 22.5. */
#include "domain/users.h"
#include "store/list_query.h"

const struct text user_sort_fields[] = {
    TEXT_LITERAL("created_at"),
    TEXT_LITERAL("email"),
    TEXT_LITERAL("type"),
    {NULL, 0},
};

struct record_list user_search(struct transaction *transaction, const struct user_filter *filter,
                               int64_t *total)
{
    struct list_query list;
    bool has_ids = filter->user_ids.length > 0 && !text_equal(filter->user_ids, TEXT("[]"));

    list_query_begin(&list, transaction, &user_entity);
    list_query_where(&list, TEXT("status"), LIST_EQUAL, value_text(status_published));
    list_query_where(&list, TEXT("type"), LIST_EQUAL, value_text(filter->type));
    if (has_ids)
        list_query_where(&list, TEXT("id"), LIST_ONE_OF, value_text(filter->user_ids));
    for (size_t i = 0; i < filter->sort_count; i++)
        list_query_sort(&list, filter->sorts[i].field, filter->sorts[i].is_descending);
    list_query_sort(&list, TEXT("created_at"), !filter->is_ascending);
    return list_query_run(&list, &filter->page, total);
}
