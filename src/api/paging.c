#include "api/paging.h"

#include "base/instant.h"
#include "domain/search.h"
#include "model/entity_json.h"

enum { SORTS_MAX = 8 };

static const struct text orders[] = {TEXT_LITERAL("asc"), TEXT_LITERAL("desc"), {NULL, 0}};

struct given {
    struct page page;
    struct text order;
    int64_t start_time, end_time;
    const struct json_value *sort;
};

struct sort_shape {
    struct text field, direction;
};
static const struct field sort_fields[] = {
    {FIELD(struct sort_shape, field, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED},
    {FIELD(struct sort_shape, direction, FIELD_TEXT), .flags = FIELD_INPUT, .values = orders},
};
const struct object_shape paging_sort_shape = {TEXT_LITERAL("SortCondition"), ENTITY_FIELDS(sort_fields)};

const struct field paging_fields[PAGING_FIELDS] = {
    {.name = TEXT_LITERAL("limit"),
     .type = FIELD_INTEGER,
     .flags = FIELD_INPUT,
     .offset = offsetof(struct given, page.limit)},
    {.name = TEXT_LITERAL("offset"),
     .type = FIELD_INTEGER,
     .flags = FIELD_INPUT,
     .offset = offsetof(struct given, page.offset)},
    {FIELD(struct given, order, FIELD_TEXT), .flags = FIELD_INPUT, .fallback = TEXT_LITERAL("desc"),
     .values = orders},
    {FIELD(struct given, start_time, FIELD_INSTANT), .flags = FIELD_INPUT},
    {FIELD(struct given, end_time, FIELD_INSTANT), .flags = FIELD_INPUT},
    {FIELD(struct given, sort, FIELD_JSON_ARRAY), .flags = FIELD_INPUT, .shape = &paging_sort_shape},
};

/* The rules that a query string and a body have in common. */
static void take(const struct given *given, struct arena *arena, struct failure **failure,
                 struct list_options *options)
{
    *options = (struct list_options){
        .page = given->page,
        .is_ascending = text_equal(given->order, TEXT("asc")),
        .start_time = given->start_time,
        .end_time = given->end_time,
        .sorts = given->sort,
    };
    if (options->page.limit == 0)
        options->page.limit = PAGE_LIMIT_DEFAULT;
    if (options->page.limit < 0 || options->page.limit > PAGE_LIMIT_MAX)
        failure_add_field(failure, arena, TEXT("limit"), TEXT("must be from 1 to 1000"));
    if (options->page.offset < 0)
        failure_add_field(failure, arena, TEXT("offset"), TEXT("must not be negative"));
    if (options->page.offset > INT64_MAX - PAGE_LIMIT_MAX) /* the next one would be no number any more */
        failure_add_field(failure, arena, TEXT("offset"), TEXT("is too large"));
    if (given->start_time != INSTANT_UNSET && given->end_time != INSTANT_UNSET &&
        given->end_time < given->start_time)
        failure_add_field(failure, arena, TEXT("end_time"), TEXT("must not be before start_time"));
}

void paging_read_object(struct exchange *exchange, const struct json_value *object,
                        struct list_options *options, struct failure **failure)
{
    struct given given = {0};

    fields_read_json(paging_fields, PAGING_FIELDS, object, &given, exchange->arena, failure);
    take(&given, exchange->arena, failure, options);
}

void paging_read_body(struct exchange *exchange, struct list_options *options, struct failure **failure)
{
    paging_read_object(exchange, exchange->body, options, failure);
}

/* ---- of a query string ---- */

static bool is_json(struct text value, struct arena *arena)
{
    struct json_error error;

    return json_read(arena, value, &error) != NULL;
}

/* A map or a list of objects is JSON text (conventions section 8). What is not right stays a string, which is
 * refused as one. */
static void write_parameter(struct json_writer *writer, const struct field *field, struct text value,
                            struct arena *arena)
{
    bool has_json = field->type == FIELD_STRING_MAP || field->type == FIELD_JSON_ARRAY;

    json_key(writer, field->name);
    if (has_json && is_json(value, arena))
        json_raw(writer, value);
    else
        json_string(writer, value);
}

/* What is no number is refused here, as all that a query string has are strings. */
static const struct failure *write_integer(struct json_writer *writer, const struct field *field,
                                           struct text value, struct arena *arena)
{
    struct failure *failure = NULL;
    int64_t integer;

    if (text_to_int64(value, &integer)) {
        json_put_int64(writer, field->name, integer);
        return NULL;
    }
    failure_add_field(&failure, arena, field->name, TEXT(FIELD_INTEGER_RULE));
    failure_add(failure, arena, TEXT("field"), field->name); /* conventions section 7.3 */
    failure_add(failure, arena, TEXT("expected"), TEXT("number"));
    return failure;
}

static const struct failure *write_list(struct exchange *exchange, struct json_writer *writer,
                                        const struct field *field)
{
    struct text list;
    const struct failure *failure = exchange_query_list(exchange, field->name, &list);

    if (!failure && text_is_set(list)) {
        json_key(writer, field->name);
        json_raw(writer, list);
    }
    return failure;
}

static void write_sort(struct json_writer *writer, struct text part, struct text order)
{
    size_t colon = text_find(part, ':');
    struct text direction = colon < part.length ? text_from(part, colon + 1) : order;

    json_begin_object(writer);
    json_put_string(writer, TEXT("field"), text_slice(part, 0, colon));
    json_put_string(writer, TEXT("direction"), direction);
    json_end_object(writer);
}

static const struct failure *write_sorts(struct exchange *exchange, struct json_writer *writer)
{
    struct text rest, order;
    const struct failure *failure = exchange_query(exchange, TEXT("sort"), &rest);

    if (!failure)
        failure = exchange_query(exchange, TEXT("order"), &order);
    if (failure || !text_is_set(rest))
        return failure;
    json_key(writer, TEXT("sort"));
    json_begin_array(writer);
    for (bool is_end = false; !is_end;) {
        size_t end = text_find(rest, ',');

        write_sort(writer, text_slice(rest, 0, end), text_is_set(order) ? order : TEXT("asc"));
        is_end = end == rest.length;
        rest = text_from(rest, is_end ? end : end + 1);
    }
    json_end_array(writer);
    return NULL;
}

static const struct failure *write_fields(struct exchange *exchange, struct json_writer *writer,
                                          const struct field *fields, size_t field_count)
{
    const struct failure *failure = NULL;

    for (size_t i = 0; i < field_count && !failure; i++) {
        struct text value;

        if (fields[i].type == FIELD_STRING_LIST) {
            failure = write_list(exchange, writer, &fields[i]);
        } else if (!text_equal(fields[i].name, TEXT("sort"))) { /* which has a form of its own */
            failure = exchange_query(exchange, fields[i].name, &value);
            if (failure || !text_is_set(value))
                continue;
            if (fields[i].type == FIELD_INTEGER)
                failure = write_integer(writer, &fields[i], value, exchange->arena);
            else
                write_parameter(writer, &fields[i], value, exchange->arena);
        }
    }
    return failure;
}

const struct failure *paging_query_object(struct exchange *exchange, const struct field *fields,
                                          size_t field_count, const struct json_value **object)
{
    struct buffer buffer = {0};
    struct json_writer writer;
    struct json_error error;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    const struct failure *failure = write_fields(exchange, &writer, paging_fields, PAGING_FIELDS);

    if (!failure)
        failure = write_fields(exchange, &writer, fields, field_count);
    if (!failure)
        failure = write_sorts(exchange, &writer);
    json_end_object(&writer);
    *object = json_read(exchange->arena, arena_copy(exchange->arena, buffer_text(&buffer)), &error);
    buffer_free(&buffer);
    if (!failure && !*object) /* all but one thing has been looked at */
        failure = failure_new(exchange->arena, FAILURE_VALIDATION,
                              TEXT("the query string has JSON that is nested too deeply"));
    return failure;
}

const struct failure *paging_read_query(struct exchange *exchange, struct list_options *options)
{
    struct failure *problem = NULL;
    const struct json_value *object;
    const struct failure *failure = paging_query_object(exchange, NULL, 0, &object);

    if (failure)
        return failure;
    paging_read_object(exchange, object, options, &problem);
    return problem;
}

/* ---- sorting ---- */

static const struct failure *refuse_sort(struct exchange *exchange, unsigned index, struct text field,
                                         struct text reason)
{
    struct failure *failure = NULL;

    failure_add_field(&failure, exchange->arena, arena_format(exchange->arena, "sort[%u]", index), reason);
    return text_is_set(field) ? failure_add(failure, exchange->arena, TEXT("field"), field) : failure;
}

static bool is_one_of(struct text name, const struct text *names)
{
    for (; names->data; names++)
        if (text_equal(*names, name))
            return true;
    return false;
}

/* What can be sorted by: fields by their names, or all that are known of an entity. */
struct sortable {
    const struct text *fields;
    const struct entity *entity;
};

static bool can_sort_by(const struct sortable *sortable, struct text name)
{
    return sortable->fields ? is_one_of(name, sortable->fields) : search_knows(sortable->entity, name);
}

static struct text sortable_names(const struct sortable *sortable, struct arena *arena)
{
    struct text names = text_empty;

    if (!sortable->fields)
        return search_field_names(sortable->entity, arena);
    for (const struct text *name = sortable->fields; name->data; name++)
        names = arena_list_add(arena, names, *name);
    return names;
}

/* What to say instead: `-name`, as elsewhere, is a field and a direction here. */
static struct text advise(struct arena *arena, const struct sortable *sortable, struct text name)
{
    struct text rest = text_starts_with(name, TEXT("-")) ? text_from(name, 1) : text_empty;

    if (can_sort_by(sortable, rest))
        return arena_format(
            arena,
            "must be a field without a sign; the descending order of %.*s is `%.*s:desc` in a "
            "query string, {\"field\": \"%.*s\", \"direction\": \"desc\"} in a body",
            TEXT_FORMAT(rest), TEXT_FORMAT(rest), TEXT_FORMAT(rest));
    return arena_format(arena, "must be one of %.*s", TEXT_FORMAT(sortable_names(sortable, arena)));
}

static const struct failure *read_sort(struct exchange *exchange, unsigned index,
                                       const struct json_value *entry, const struct sortable *sortable,
                                       struct list_sort *sort)
{
    const struct json_value *field = json_member(entry, TEXT("field")),
                            *direction = json_member(entry, TEXT("direction"));

    if (!field || field->type != JSON_STRING)
        return refuse_sort(exchange, index, text_none,
                           TEXT("must be an object with a field and a direction"));
    if (!can_sort_by(sortable, field->text))
        return refuse_sort(exchange, index, field->text, advise(exchange->arena, sortable, field->text));
    sort->field = field->text;
    sort->is_descending =
        direction && direction->type == JSON_STRING && text_equal(direction->text, TEXT("desc"));
    return NULL;
}

static const struct failure *read_sorts(struct exchange *exchange, const struct json_value *sorts,
                                        const struct sortable *sortable, const struct list_sort **result,
                                        size_t *count)
{
    *count = sorts ? sorts->count : 0;
    if (*count > SORTS_MAX)
        return failure_add(
            failure_new(exchange->arena, FAILURE_VALIDATION, TEXT("sort must have at most 8 entries")),
            exchange->arena, TEXT("sort"), TEXT("must have at most 8 entries"));
    struct list_sort *read = ARENA_ARRAY(exchange->arena, struct list_sort, *count);
    const struct json_value *entry = *count ? json_first(sorts) : NULL;
    const struct failure *failure = NULL;

    for (unsigned i = 0; i < *count && !failure; i++, entry = json_next(entry))
        failure = read_sort(exchange, i, entry, sortable, &read[i]);
    *result = read;
    return failure;
}

const struct failure *paging_read_sorts(struct exchange *exchange, const struct json_value *sorts,
                                        const struct text *fields, const struct list_sort **result,
                                        size_t *count)
{
    return read_sorts(exchange, sorts, &(struct sortable){.fields = fields}, result, count);
}

const struct failure *paging_read_entity_sorts(struct exchange *exchange, const struct json_value *sorts,
                                               const struct entity *entity, const struct list_sort **result,
                                               size_t *count)
{
    return read_sorts(exchange, sorts, &(struct sortable){.entity = entity}, result, count);
}

/* ---- the reply ---- */

void paging_write(struct json_writer *writer, const struct page *page, int64_t total)
{
    json_key(writer, TEXT("pagination"));
    json_begin_object(writer);
    json_put_int64(writer, TEXT("total"), total);
    json_put_int64(writer, TEXT("limit"), page->limit);
    json_put_int64(writer, TEXT("offset"), page->offset + page->limit);
    json_end_object(writer);
}
