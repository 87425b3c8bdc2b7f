#include "domain/search.h"

#include "base/case_fold.h"
#include "base/instant.h"
#include "model/entity_json.h"
#include "json/writer.h"

/* However large the rows are: a loop reads and writes a page. */
enum { QUICK_OFFSET_MAX = 500, QUICK_PAGE_MAX = 100, QUICK_KEYS_MAX = 16 };

/* ---- what there is ---- */

/* Of `value`, which is one of these. */
#define VALUE_MEMBERS(ROW)                                                                                   \
    ROW(MEMBER_STRING, string, FIELD_TEXT)                                                                   \
    ROW(MEMBER_NUMBER, number, FIELD_INTEGER)                                                                \
    ROW(MEMBER_BOOLEAN, boolean, FIELD_BOOLEAN)                                                              \
    ROW(MEMBER_DATE, date, FIELD_INSTANT)                                                                    \
    ROW(MEMBER_ARRAY, array, FIELD_STRING_LIST)

#define AS_MEMBER(member, word, type)      member,
#define AS_MEMBER_NAME(member, word, type) TEXT_LITERAL(#word),

enum member { VALUE_MEMBERS(AS_MEMBER) MEMBERS };

static const struct text member_names[] = {VALUE_MEMBERS(AS_MEMBER_NAME){NULL, 0}};

struct comparator {
    enum list_comparison comparison;
    unsigned members; /* that it can be used with, as bits */
};

#define BIT(member) (1U << (member))
#define ORDERED     (BIT(MEMBER_NUMBER) | BIT(MEMBER_DATE))
#define SINGLE      (BIT(MEMBER_STRING) | BIT(MEMBER_NUMBER) | BIT(MEMBER_BOOLEAN) | BIT(MEMBER_DATE))

/* Once as the table, once as the names alone. */
#define OPERATORS(ROW)                                                                                       \
    ROW("eq", LIST_EQUAL, SINGLE)                                                                            \
    ROW("neq", LIST_UNEQUAL, SINGLE)                                                                         \
    ROW("contains", LIST_CONTAINS, BIT(MEMBER_STRING))                                                       \
    ROW("not_contains", LIST_NOT_CONTAINS, BIT(MEMBER_STRING))                                               \
    ROW("starts_with", LIST_STARTS_WITH, BIT(MEMBER_STRING))                                                 \
    ROW("ends_with", LIST_ENDS_WITH, BIT(MEMBER_STRING))                                                     \
    ROW("gt", LIST_GREATER, ORDERED)                                                                         \
    ROW("lt", LIST_LESS, ORDERED)                                                                            \
    ROW("gte", LIST_AT_LEAST, ORDERED)                                                                       \
    ROW("lte", LIST_AT_MOST, ORDERED)                                                                        \
    ROW("in", LIST_ONE_OF, BIT(MEMBER_ARRAY))                                                                \
    ROW("not_in", LIST_NOT_ONE_OF, BIT(MEMBER_ARRAY))                                                        \
    ROW("before", LIST_LESS, BIT(MEMBER_DATE))                                                               \
    ROW("after", LIST_GREATER, BIT(MEMBER_DATE))

#define AS_COMPARATOR(name, comparison, members)    {(comparison), (members)},
#define AS_OPERATOR_NAME(name, comparison, members) TEXT_LITERAL(name),

static const struct comparator operators[] = {OPERATORS(AS_COMPARATOR)};
enum { OPERATOR_COUNT = sizeof operators / sizeof operators[0] };

static const struct text operator_names[] = {OPERATORS(AS_OPERATOR_NAME){NULL, 0}};

/* What a condition looks like. */
struct value_shape {
    struct text string, array;
    int64_t number, date;
    bool boolean;
};
struct condition_shape {
    struct text field, operator, data_type, value;
};

#define AS_VALUE_FIELD(member, word, type) {FIELD(struct value_shape, word, type), .flags = FIELD_INPUT},

static const struct field value_fields[] = {VALUE_MEMBERS(AS_VALUE_FIELD)};
static const struct object_shape value_shape = {TEXT_LITERAL("FilterValue"), ENTITY_FIELDS(value_fields)};
static const struct field condition_fields[] = {
    {FIELD(struct condition_shape, field, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED},
    {FIELD(struct condition_shape, operator, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED,
     .values = operator_names},
    {FIELD(struct condition_shape, data_type, FIELD_TEXT), .flags = FIELD_INPUT, .values = member_names},
    {FIELD(struct condition_shape, value, FIELD_JSON_OBJECT), .flags = FIELD_INPUT | FIELD_REQUIRED,
     .shape = &value_shape},
};
const struct object_shape search_condition_shape = {TEXT_LITERAL("FilterCondition"),
                                                    ENTITY_FIELDS(condition_fields)};

/* The members that say something about such a field. */
static unsigned members_of(const struct field *field)
{
    switch (field->type) {
    case FIELD_TEXT:
    case FIELD_TENANT_ID:
    case FIELD_ENVIRONMENT_ID:
        return BIT(MEMBER_STRING) | BIT(MEMBER_ARRAY);
    case FIELD_INSTANT:
        return BIT(MEMBER_DATE);
    case FIELD_INTEGER:
        return BIT(MEMBER_NUMBER);
    case FIELD_BOOLEAN:
        return BIT(MEMBER_BOOLEAN);
    default:
        return 0;
    }
}

static bool is_searchable(const struct field *field)
{
    return !(field->flags & (FIELD_SECRET | FIELD_INTERNAL)) && members_of(field);
}

static const struct field *find_field(const struct entity *entity, struct text name)
{
    const struct field *field = entity_field(entity, name);

    return field && is_searchable(field) ? field : NULL;
}

bool search_knows(const struct entity *entity, struct text field)
{
    return find_field(entity, field) != NULL;
}

struct text search_field_names(const struct entity *entity, struct arena *arena)
{
    struct text names = text_empty;

    for (size_t i = 0; i < entity->field_count; i++)
        if (is_searchable(&entity->fields[i]))
            names = arena_list_add(arena, names, entity->fields[i].name);
    return names;
}

/* ---- reading a condition ---- */

struct reading {
    const struct entity *entity;
    struct arena *arena;
    struct failure **failure;
    unsigned index; /* of the condition */
};

static bool refuse(const struct reading *reading, const char *member, struct text reason)
{
    failure_add_field(reading->failure, reading->arena,
                      arena_format(reading->arena, "filters[%u]%s", reading->index, member), reason);
    return false;
}

/* "must be one of a, b": the names that `has` has a bit for. */
static struct text one_of(const struct reading *reading, const char *beginning, const struct text *names,
                          unsigned has)
{
    struct text list = text_empty;

    for (size_t i = 0; names[i].data; i++)
        if (has & 1U << i)
            list = arena_list_add(reading->arena, list, names[i]);
    return arena_format(reading->arena, "%s %.*s", beginning, TEXT_FORMAT(list));
}

/* Metadata, or an entry of it, of an entity that is searched by its entries otherwise. */
static bool is_of_metadata(const struct entity *entity, struct text name)
{
    static const struct text metadata = TEXT_LITERAL("metadata");
    const struct field *field = entity_field(entity, metadata);

    return field && field->type == FIELD_STRING_MAP &&
           (text_equal(name, metadata) || text_starts_with(name, TEXT("metadata.")));
}

static void refuse_field(const struct reading *reading, struct text name)
{
    if (is_of_metadata(reading->entity, name))
        refuse(
            reading, ".field",
            TEXT("must not be metadata, which is searched by the request's own member `metadata`: {\"key\": "
                 "\"value\"}"));
    else
        refuse(reading, ".field",
               arena_format(reading->arena, "must be one of %.*s",
                            TEXT_FORMAT(search_field_names(reading->entity, reading->arena))));
    failure_add(*reading->failure, reading->arena, TEXT("field"), name);
}

static const struct field *read_field(const struct reading *reading, const struct json_value *condition)
{
    const struct json_value *name = json_member(condition, TEXT("field"));

    if (!name || name->type != JSON_STRING) {
        refuse(reading, ".field", TEXT("must be the name of a field"));
        return NULL;
    }
    const struct field *field = find_field(reading->entity, name->text);

    if (!field)
        refuse_field(reading, name->text);
    return field;
}

/* The operators that say something about a field with those members. */
static unsigned operators_for(unsigned members)
{
    unsigned fitting = 0;

    for (unsigned i = 0; i < OPERATOR_COUNT; i++)
        if (operators[i].members & members)
            fitting |= 1U << i;
    return fitting;
}

static const struct comparator *read_operator(const struct reading *reading,
                                              const struct json_value *condition, const struct field *field)
{
    const struct json_value *name = json_member(condition, TEXT("operator"));
    unsigned fitting = operators_for(members_of(field));

    for (unsigned i = 0; name && name->type == JSON_STRING && i < OPERATOR_COUNT; i++)
        if (text_equal(operator_names[i], name->text) && fitting & 1U << i)
            return &operators[i];
    refuse(reading, ".operator", one_of(reading, "must be one of", operator_names, fitting));
    return NULL;
}

static bool is_given(const struct json_value *value)
{
    return value && value->type != JSON_NULL;
}

/* The member that `data_type` names, as a bit; all when it is absent; 0 when it is wrong, and refused. */
static unsigned read_data_type(const struct reading *reading, const struct json_value *condition)
{
    const struct json_value *data_type = json_member(condition, TEXT("data_type"));
    const unsigned all = BIT(MEMBERS) - 1;

    if (!is_given(data_type) || (data_type->type == JSON_STRING && data_type->text.length == 0))
        return all;
    for (unsigned i = 0; i < MEMBERS; i++)
        if (data_type->type == JSON_STRING && text_equal(data_type->text, member_names[i]))
            return BIT(i);
    refuse(reading, ".data_type",
           one_of(reading, "must be one of", member_names, all & ~BIT(MEMBER_BOOLEAN)));
    return 0;
}

/* The first member of `value` that counts. False when there is none, which is refused. */
static bool read_member(const struct reading *reading, const struct json_value *condition, unsigned fitting,
                        enum member *member, const struct json_value **content)
{
    const struct json_value *value = json_member(condition, TEXT("value"));

    if (!value || value->type != JSON_OBJECT)
        return refuse(reading, ".value", TEXT("must be an object, as {\"string\": \"text\"}"));
    for (unsigned i = 0; i < MEMBERS; i++) {
        *content = json_member(value, member_names[i]);
        *member = (enum member)i;
        if (fitting & BIT(i) && is_given(*content))
            return true;
        if (fitting & BIT(i) && i == MEMBER_ARRAY && *content) /* null is a cleared picker */
            return true;
    }
    return refuse(reading, ".value",
                  one_of(reading, "must have the member that the field and the operator go with:",
                         member_names, fitting));
}

/* ---- reading a value ---- */

static bool read_string(const struct reading *reading, const struct json_value *content,
                        enum list_comparison comparison, struct value *value)
{
    bool is_folded = comparison == LIST_CONTAINS || comparison == LIST_NOT_CONTAINS ||
                     comparison == LIST_STARTS_WITH || comparison == LIST_ENDS_WITH;

    if (content->type != JSON_STRING)
        return refuse(reading, ".value.string", TEXT("must be a string"));
    *value = value_text(is_folded ? case_fold(reading->arena, content->text) : content->text);
    return true;
}

/* Also as a string, as some clients send what is no binary number. */
static bool read_number(const struct reading *reading, const struct json_value *content, struct value *value)
{
    int64_t number;

    if ((content->type != JSON_NUMBER && content->type != JSON_STRING) ||
        !text_to_int64(content->text, &number))
        return refuse(reading, ".value.number", TEXT("must be a whole number"));
    *value = value_integer(number);
    return true;
}

static bool read_boolean(const struct reading *reading, const struct json_value *content, struct value *value)
{
    if (content->type != JSON_TRUE && content->type != JSON_FALSE)
        return refuse(reading, ".value.boolean", TEXT("must be true or false"));
    *value = value_boolean(content->type == JSON_TRUE);
    return true;
}

static bool read_date(const struct reading *reading, const struct json_value *content, struct value *value)
{
    int64_t instant_us;

    if (content->type != JSON_STRING || !instant_parse(content->text, &instant_us))
        return refuse(reading, ".value.date", TEXT("must be an instant like 2026-01-31T00:00:00Z"));
    *value = value_instant(instant_us);
    return true;
}

static bool are_strings(const struct json_value *array)
{
    const struct json_value *element = json_first(array);

    for (uint32_t i = 0; i < array->count; i++, element = json_next(element))
        if (element->type != JSON_STRING)
            return false;
    return true;
}

static struct text compact_strings(const struct json_value *array, struct arena *arena)
{
    struct buffer buffer = {0};
    struct json_writer writer;
    const struct json_value *element = json_first(array);

    json_writer_init(&writer, &buffer);
    json_begin_array(&writer);
    for (uint32_t i = 0; i < array->count; i++, element = json_next(element))
        json_string(&writer, element->text);
    json_end_array(&writer);
    struct text text = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return text;
}

static bool read_array(const struct reading *reading, const struct json_value *content, struct value *value)
{
    if (content->type != JSON_ARRAY || !are_strings(content))
        return refuse(reading, ".value.array", TEXT("must be an array of strings"));
    if (content->count > SEARCH_MEMBERS_MAX)
        return refuse(reading, ".value.array", TEXT("must have at most 1000 elements"));
    *value = value_text(compact_strings(content, reading->arena));
    return true;
}

static bool read_value(const struct reading *reading, enum member member, const struct json_value *content,
                       struct search_condition *condition)
{
    switch (member) {
    case MEMBER_STRING:
        return read_string(reading, content, condition->comparison, &condition->value);
    case MEMBER_NUMBER:
        return read_number(reading, content, &condition->value);
    case MEMBER_BOOLEAN:
        return read_boolean(reading, content, &condition->value);
    case MEMBER_DATE:
        return read_date(reading, content, &condition->value);
    default:
        return read_array(reading, content, &condition->value);
    }
}

/* False when there is no condition: it was refused, or it is a picker that was cleared. */
static bool read_condition(const struct reading *reading, const struct json_value *given,
                           struct search_condition *condition)
{
    const struct json_value *content;
    enum member member;

    if (given->type != JSON_OBJECT)
        return refuse(reading, "", TEXT("must be an object with field, operator and value"));
    const struct field *field = read_field(reading, given);
    const struct comparator *comparator = field ? read_operator(reading, given, field) : NULL;
    unsigned data_type = comparator ? read_data_type(reading, given) : 0;

    if (!data_type)
        return false;
    unsigned fitting = members_of(field) & comparator->members;

    if (!(data_type & fitting))
        return refuse(reading, ".data_type", TEXT("does not fit the field and the operator"));
    if (!read_member(reading, given, data_type & fitting, &member, &content))
        return false;
    if (member == MEMBER_ARRAY &&
        (!is_given(content) || (content->type == JSON_ARRAY && content->count == 0)))
        return false;
    *condition = (struct search_condition){.field = field->name, .comparison = comparator->comparison};
    return read_value(reading, member, content, condition);
}

void search_read_conditions(const struct entity *entity, const struct json_value *filters,
                            struct arena *arena, struct search *search, struct failure **failure)
{
    struct reading reading = {.entity = entity, .arena = arena, .failure = failure};

    search->condition_count = 0;
    if (!filters || filters->count == 0)
        return;
    if (filters->count > SEARCH_CONDITIONS_MAX) {
        failure_add_field(failure, arena, TEXT("filters"), TEXT("must have at most 50 conditions"));
        return;
    }
    struct search_condition *conditions = ARENA_ARRAY(arena, struct search_condition, filters->count);
    const struct json_value *given = json_first(filters);

    for (; reading.index < filters->count; reading.index++, given = json_next(given))
        search->condition_count += read_condition(&reading, given, &conditions[search->condition_count]);
    search->conditions = conditions;
}

/* ---- as a list ---- */

void search_apply(const struct search *search, struct list_query *list)
{
    list_query_where(list, TEXT("status"), LIST_EQUAL,
                     value_text(text_is_set(search->status) ? search->status : status_published));
    if (search->start_time != INSTANT_UNSET)
        list_query_where(list, TEXT("created_at"), LIST_AT_LEAST, value_instant(search->start_time));
    if (search->end_time != INSTANT_UNSET)
        list_query_where(list, TEXT("created_at"), LIST_AT_MOST, value_instant(search->end_time));
    for (size_t i = 0; i < search->condition_count; i++)
        list_query_where(list, search->conditions[i].field, search->conditions[i].comparison,
                         search->conditions[i].value);
    for (size_t i = 0; i < search->sort_count; i++)
        list_query_sort(list, search->sorts[i].field, search->sorts[i].is_descending);
    list_query_sort(list, TEXT("created_at"), !search->is_ascending);
}

bool search_is_quick(const struct search *search, size_t key_count)
{
    bool is_published = !text_is_set(search->status) || text_equal(search->status, status_published);

    return is_published && key_count <= QUICK_KEYS_MAX && search->condition_count == 0 &&
           search->sort_count == 0 && search->start_time == INSTANT_UNSET &&
           search->end_time == INSTANT_UNSET && search->page.offset <= QUICK_OFFSET_MAX &&
           search->page.limit <= QUICK_PAGE_MAX;
}
