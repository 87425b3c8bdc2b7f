#include "api/paging.h"

#include "base/instant.h"
#include "model/entity_json.h"

enum { SORTS_MAX = 8 };

static const struct text orders[] = {TEXT_LITERAL("asc"), TEXT_LITERAL("desc"), {NULL, 0}};

struct given {
    struct page page;
    struct text order;
    int64_t start_time, end_time;
    const struct json_value *sort;
};

static const struct field given_fields[] = {
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
    {FIELD(struct given, sort, FIELD_JSON_ARRAY), .flags = FIELD_INPUT},
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

void paging_read_body(struct exchange *exchange, struct list_options *options, struct failure **failure)
{
    struct given given = {0};

    fields_read_json(given_fields, sizeof given_fields / sizeof given_fields[0], exchange->body, &given,
                     exchange->arena, failure);
    take(&given, exchange->arena, failure, options);
}

/* ---- of a query string ---- */

static bool parse_integer(struct text text, int64_t *integer)
{
    bool is_negative = text.length > 0 && text.data[0] == '-';
    uint64_t magnitude;

    if (!text_to_uint64(text_from(text, is_negative), &magnitude) || magnitude > INT64_MAX)
        return false;
    *integer = is_negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

static void write_parameter(struct json_writer *writer, const struct field *field, struct text value)
{
    int64_t integer;

    json_key(writer, field->name);
    if (field->type == FIELD_INTEGER && parse_integer(value, &integer))
        json_int64(writer, integer);
    else
        json_string(writer, value);
}

/* Its parameters as the object that a body would be: so they have the same rules. */
static const struct failure *query_object(struct exchange *exchange, const struct json_value **object)
{
    struct buffer buffer = {0};
    struct json_writer writer;
    struct json_error error;
    const struct failure *failure = NULL;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    for (const struct field *field = given_fields; !failure && field->type != FIELD_JSON_ARRAY; field++) {
        struct text value;

        failure = exchange_query(exchange, field->name, &value);
        if (!failure && text_is_set(value))
            write_parameter(&writer, field, value);
    }
    json_end_object(&writer);
    *object = json_read(exchange->arena, arena_copy(exchange->arena, buffer_text(&buffer)), &error);
    buffer_free(&buffer);
    return failure;
}

const struct failure *paging_read_query(struct exchange *exchange, struct list_options *options)
{
    struct given given = {0};
    struct failure *problem = NULL;
    const struct json_value *object;
    const struct failure *failure = query_object(exchange, &object);

    if (failure)
        return failure;
    fields_read_json(given_fields, sizeof given_fields / sizeof given_fields[0] - 1, object, &given,
                     exchange->arena, &problem);
    take(&given, exchange->arena, &problem, options);
    return problem;
}

/* ---- sorting ---- */

static const struct failure *refuse_sort(struct exchange *exchange, unsigned index, struct text field,
                                         const char *reason)
{
    struct failure *failure = failure_new(exchange->arena, FAILURE_VALIDATION,
                                          arena_format(exchange->arena, "sort[%u] %s", index, reason));

    return text_is_set(field) ? failure_add(failure, exchange->arena, TEXT("field"), field) : failure;
}

static bool is_one_of(struct text name, const struct text *names)
{
    for (; names->data; names++)
        if (text_equal(*names, name))
            return true;
    return false;
}

static const struct failure *read_sort(struct exchange *exchange, unsigned index,
                                       const struct json_value *entry, const struct text *fields,
                                       struct list_sort *sort)
{
    const struct json_value *field = json_member(entry, TEXT("field")),
                            *direction = json_member(entry, TEXT("direction"));

    if (!field || field->type != JSON_STRING)
        return refuse_sort(exchange, index, text_none, "must be an object with a field and a direction");
    if (!is_one_of(field->text, fields))
        return refuse_sort(exchange, index, field->text, "names a field that cannot be sorted by here");
    sort->field = field->text;
    sort->is_descending =
        direction && direction->type == JSON_STRING && text_equal(direction->text, TEXT("desc"));
    return NULL;
}

const struct failure *paging_read_sorts(struct exchange *exchange, const struct json_value *sorts,
                                        const struct text *fields, const struct list_sort **result,
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
        failure = read_sort(exchange, i, entry, fields, &read[i]);
    *result = read;
    return failure;
}

/* ---- the reply ---- */

void paging_write(struct json_writer *writer, const struct page *page, int64_t total)
{
    json_key(writer, TEXT("pagination"));
    json_begin_object(writer);
    json_key(writer, TEXT("total"));
    json_int64(writer, total);
    json_key(writer, TEXT("limit"));
    json_int64(writer, page->limit);
    json_key(writer, TEXT("offset"));
    json_int64(writer, page->offset + page->limit);
    json_end_object(writer);
}
