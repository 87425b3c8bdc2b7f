#include "api/search.h"

#include "api/paging.h"
#include "api/resources.h"
#include "model/entity_json.h"

struct common {
    struct text status, expand;
    const struct json_value *filters;
};

const struct field search_fields[SEARCH_FIELDS] = {
    {FIELD(struct common, status, FIELD_TEXT), .flags = FIELD_INPUT},
    {FIELD(struct common, expand, FIELD_TEXT), .flags = FIELD_INPUT},
    {FIELD(struct common, filters, FIELD_JSON_ARRAY), .flags = FIELD_INPUT, .shape = &search_condition_shape},
};

static void read_common(struct exchange *exchange, const struct json_value *object,
                        const struct search_shape *shape, struct searched *searched, struct common *common,
                        struct failure **failure)
{
    fields_read_json(search_fields, SEARCH_FIELDS, object, common, exchange->arena, failure);
    search_read_conditions(shape->entity, common->filters, exchange->arena, &searched->search, failure);
    if (text_is_set(common->status))
        searched->search.status = common->status;
    searched->is_expanded = text_is_set(common->expand);
}

/* Each element is looked up while others wait. */
static void count_elements(struct exchange *exchange, const struct json_value *object,
                           const struct search_shape *shape, struct searched *searched,
                           struct failure **failure)
{
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct json_value *list = json_member(object, shape->fields[i].name);

        if (shape->fields[i].type != FIELD_STRING_LIST || !list || list->type != JSON_ARRAY)
            continue;
        searched->list_count += list->count;
        if (list->count > SEARCH_MEMBERS_MAX)
            failure_add_field(failure, exchange->arena, shape->fields[i].name,
                              TEXT("must have at most 1000 elements"));
    }
}

static const struct failure *read_object(struct exchange *exchange, const struct json_value *object,
                                         const struct search_shape *shape, struct searched *searched,
                                         void *filter)
{
    struct list_options options;
    struct common common = {0};
    struct failure *failure = NULL;
    struct search *search = &searched->search;

    paging_read_object(exchange, object, &options, &failure);
    read_common(exchange, object, shape, searched, &common, &failure);
    fields_read_json(shape->fields, shape->field_count, object, filter, exchange->arena, &failure);
    count_elements(exchange, object, shape, searched, &failure);
    if (failure)
        return failure;
    search->page = options.page;
    search->is_ascending = options.is_ascending;
    search->start_time = options.start_time;
    search->end_time = options.end_time;
    const struct failure *problem =
        paging_read_entity_sorts(exchange, options.sorts, shape->entity, &search->sorts, &search->sort_count);

    return problem ? problem : expand_check_text(exchange, common.expand, shape->expandable);
}

/* The fields that a query string can have, side by side. */
static const struct field *query_fields(struct exchange *exchange, const struct search_shape *shape,
                                        size_t *count)
{
    struct field *fields = ARENA_ARRAY(exchange->arena, struct field, SEARCH_FIELDS + shape->field_count);

    *count = 0;
    for (size_t i = 0; i < SEARCH_FIELDS; i++)
        fields[(*count)++] = search_fields[i];
    for (size_t i = 0; i < shape->field_count; i++)
        fields[(*count)++] = shape->fields[i];
    return fields;
}

const struct failure *search_read(struct exchange *exchange, const struct search_shape *shape,
                                  struct searched *searched, void *filter)
{
    const struct json_value *object = exchange->body;
    const struct failure *failure = NULL;

    *searched = (struct searched){.is_expanded = false};
    if (!exchange->route->has_body) {
        size_t count;
        const struct field *fields = query_fields(exchange, shape, &count);

        failure = paging_query_object(exchange, fields, count, &object);
    }
    return failure ? failure : read_object(exchange, object, shape, searched, filter);
}
