/* api_key_search.c: conventions section 22.4. */
#include "domain/api_keys.h"
#include "domain/users.h"
#include "store/list_query.h"
#include "json/writer.h"

static void choose(struct list_query *list, const struct api_key_filter *filter, struct text user_id)
{
    list_query_where(list, TEXT("type"), LIST_EQUAL, value_text(secret_type_private));
    list_query_where(list, TEXT("status"), LIST_EQUAL, value_text(status_published));
    if (user_id.length > 0)
        list_query_where(list, TEXT("user_id"), LIST_EQUAL, value_text(user_id));
    if (filter->start_time != INSTANT_UNSET)
        list_query_where(list, TEXT("created_at"), LIST_AT_LEAST, value_instant(filter->start_time));
    if (filter->end_time != INSTANT_UNSET)
        list_query_where(list, TEXT("created_at"), LIST_AT_MOST, value_instant(filter->end_time));
    list_query_sort(list, TEXT("created_at"), !filter->is_ascending);
}

/* A JSON array of the service accounts that own the keys; an unset text when none does. */
static struct text owners_of(const struct record_list *secrets, struct arena *arena)
{
    const struct secret *secret = secrets->records;
    struct buffer buffer = {0};
    struct json_writer writer;
    size_t count = 0;

    json_writer_init(&writer, &buffer);
    json_begin_array(&writer);
    for (size_t i = 0; i < secrets->count; i++)
        if (text_equal(secret[i].user_type, user_type_service_account)) {
            json_string(&writer, secret[i].user_id);
            count++;
        }
    json_end_array(&writer);
    struct text owners = count ? arena_copy(arena, buffer_text(&buffer)) : text_none;

    buffer_free(&buffer);
    return owners;
}

/* As many as the page has keys, at most. */
static struct record_list find_owners(struct transaction *transaction, const struct record_list *secrets)
{
    struct text owners = owners_of(secrets, transaction->arena);
    const struct page page = {.limit = PAGE_LIMIT_MAX};
    struct list_query list;
    int64_t total;

    if (!text_is_set(owners))
        return (struct record_list){0};
    list_query_begin(&list, transaction, &user_entity);
    list_query_where(&list, TEXT("id"), LIST_ONE_OF, value_text(owners));
    return list_query_run(&list, &page, &total);
}

const struct failure *api_key_search(struct transaction *transaction, const struct actor *actor,
                                     const struct api_key_filter *filter, struct api_key_page *page)
{
    struct list_query list;
    struct text user_id = actor->is_super_admin ? filter->user_id : transaction->call->actor_id;

    list_query_begin(&list, transaction, &secret_entity);
    choose(&list, filter, user_id);
    page->secrets = list_query_run(&list, &filter->page, &page->total);
    page->service_accounts = find_owners(transaction, &page->secrets);
    return NULL;
}
