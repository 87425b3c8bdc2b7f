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
static void limit_lists(struct exchange *exchange, const struct json_value *object,
                        const struct search_shape *shape, struct failure **failure)
{
    const struct json_value **values =
        fields_find(shape->fields, shape->field_count, object, exchange->arena);

    for (size_t i = 0; i < shape->field_count; i++) {
        const struct json_value *list = values[i];

        if (shape->fields[i].type != FIELD_STRING_LIST || !list || list->type != JSON_ARRAY)
            continue;
        if (list->count > SEARCH_MEMBERS_MAX)
            failure_add_field(failure, exchange->arena, shape->fields[i].name,
                              TEXT("must have at most 1000 elements"));
    }
}

static bool is_key(const struct search_shape *shape, struct text name)
{
    const struct text *key = shape->keys;

    while (text_is_set(*key) && !text_equal(*key, name))
        key++;
    return text_is_set(*key);
}

/* Whether the value, of a resource's field, asks for nothing. */
static bool is_empty(const struct json_value *value)
{
    switch (value->type) {
    case JSON_NULL:
        return true;
    case JSON_STRING:
        return value->text.length == 0;
    default:
        return (value->type == JSON_ARRAY || value->type == JSON_OBJECT) && value->count == 0;
    }
}

static bool is_quick(const struct json_value *object, const struct search_shape *shape,
                     const struct search *search)
{
    size_t key_count = 0;

    for (size_t i = 0; i < shape->field_count; i++) {
        const struct json_value *value = json_member(object, shape->fields[i].name);

        if (!value || is_empty(value))
            continue;
        if (!is_key(shape, shape->fields[i].name))
            return false;
        key_count += value->type == JSON_ARRAY ? value->count : 1;
    }
    return search_is_quick(search, key_count);
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
    limit_lists(exchange, object, shape, &failure);
    if (failure)
        return failure;
    search->page = options.page;
    search->is_ascending = options.is_ascending;
    search->start_time = options.start_time;
    search->end_time = options.end_time;
    const struct failure *problem =
        paging_read_entity_sorts(exchange, options.sorts, shape->entity, &search->sorts, &search->sort_count);

    exchange->is_slow = !is_quick(object, shape, search);
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
