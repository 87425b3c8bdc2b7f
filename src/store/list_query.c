#include "store/list_query.h"

#include <assert.h>
#include <string.h>

static const struct field *field_of(const struct list_query *list, struct text name)
{
    const struct field *field = entity_field(list->entity, name);

    assert(field && field_is_column(field));
    return field;
}

/* The number of the parameter that holds the value. */
static unsigned add_value(struct list_query *list, struct value value)
{
    assert(list->value_count + 2 < STORE_QUERY_PARAMETERS_MAX); /* room for the page */
    list->values[list->value_count++] = value;
    return list->value_count;
}

static void add_condition(struct list_query *list, struct text condition)
{
    list->conditions = list->conditions.length
                           ? arena_format(list->transaction->arena, "%.*s AND %.*s",
                                          TEXT_FORMAT(list->conditions), TEXT_FORMAT(condition))
                           : condition;
}

void list_query_begin(struct list_query *list, struct transaction *transaction, const struct entity *entity)
{
    const struct scope *scope = transaction->call->scope;

    *list = (struct list_query){.transaction = transaction, .entity = entity, .conditions = text_empty};
    assert(scope && entity->scoping != SCOPED_GLOBALLY);
    if (entity->scoping == SCOPED_BY_ENVIRONMENT) {
        assert(scope->number != SCOPE_NONE);
        add_value(list, value_integer(scope->number));
        add_condition(list, TEXT("scope = $1"));
    } else {
        add_value(list, value_text(scope->tenant_id));
        add_condition(list, TEXT("tenant_id = $1"));
    }
}

void list_query_where(struct list_query *list, struct text field_name, enum list_comparison comparison,
                      struct value value)
{
    static const char *const operators[] = {"=", "<>", "<", ">", "<=", ">="};
    struct arena *arena = list->transaction->arena;
    struct text name = field_of(list, field_name)->name;
    unsigned number = add_value(list, value);

    if (comparison == LIST_ONE_OF)
        add_condition(list, arena_format(arena, "%.*s IN ({elements of $%u})", TEXT_FORMAT(name), number));
    else
        add_condition(list,
                      arena_format(arena, "%.*s %s $%u", TEXT_FORMAT(name), operators[comparison], number));
}

static bool sorts_by(const struct list_query *list, const struct field *field)
{
    for (unsigned i = 0; i < list->sort_count; i++)
        if (list->sorts[i].field == field)
            return true;
    return false;
}

void list_query_sort(struct list_query *list, struct text field_name, bool is_descending)
{
    const struct field *field = field_of(list, field_name);

    if (sorts_by(list, field))
        return;
    assert(list->sort_count < LIST_QUERY_SORTS_MAX);
    list->sorts[list->sort_count].field = field;
    list->sorts[list->sort_count++].is_descending = is_descending;
}

/* ---- the text ---- */

/* The engines disagree about where what is unset belongs; where nothing is, saying so would only keep an
 * index from being used. */
static const char *place_of_unset(const struct list_query *list, const struct field *field,
                                  bool is_descending)
{
    if (field == list->entity->fields || field->flags & (FIELD_REQUIRED | FIELD_STAMP))
        return "";
    return is_descending ? " NULLS FIRST" : " NULLS LAST";
}

static void append_order(struct buffer *sql, const struct list_query *list, const char *alias)
{
    const struct field *id = list->entity->fields;
    bool is_descending = false;

    buffer_append(sql, TEXT(" ORDER BY "));
    for (unsigned i = 0; i < list->sort_count; i++) {
        const struct field *field = list->sorts[i].field;

        is_descending = list->sorts[i].is_descending;
        buffer_append_format(sql, "%s%.*s%s%s, ", alias, TEXT_FORMAT(field->name),
                             is_descending ? " DESC" : "", place_of_unset(list, field, is_descending));
    }
    buffer_append_format(sql, "%s%.*s%s", alias, TEXT_FORMAT(id->name), is_descending ? " DESC" : "");
}

static void append_source(struct buffer *sql, const struct list_query *list)
{
    buffer_append_format(sql, " FROM %.*s WHERE %.*s", TEXT_FORMAT(list->entity->table),
                         TEXT_FORMAT(list->conditions));
}

/* A page without rows is one row without an id, so that the total comes along in any case. */
struct text list_query_text(const struct list_query *list)
{
    struct buffer sql = {0};

    buffer_append(&sql, TEXT("SELECT "));
    for (size_t i = 0; i < list->entity->field_count; i++)
        if (field_is_column(&list->entity->fields[i]))
            buffer_append_format(&sql, "page.%.*s, ", TEXT_FORMAT(list->entity->fields[i].name));
    buffer_append(&sql, TEXT("matching.total FROM (SELECT COUNT(*) AS total"));
    append_source(&sql, list);
    buffer_append(&sql, TEXT(") AS matching LEFT JOIN (SELECT "));
    for (size_t i = 0, written = 0; i < list->entity->field_count; i++)
        if (field_is_column(&list->entity->fields[i]))
            buffer_append_format(&sql, "%s%.*s", written++ ? ", " : "",
                                 TEXT_FORMAT(list->entity->fields[i].name));
    append_source(&sql, list);
    append_order(&sql, list, "");
    buffer_append_format(&sql, " LIMIT $%u OFFSET $%u) AS page ON 1 = 1", list->value_count + 1,
                         list->value_count + 2);
    append_order(&sql, list, "page.");
    struct text text = arena_copy(list->transaction->arena, buffer_text(&sql));

    buffer_free(&sql);
    return text;
}

/* ---- the rows ---- */

/* The entity with the total behind its members. */
static struct entity with_total(const struct list_query *list)
{
    struct entity entity = *list->entity;
    struct field *fields = ARENA_ARRAY(list->transaction->arena, struct field, entity.field_count + 1);

    memcpy(fields, entity.fields, entity.field_count * sizeof *fields);
    fields[entity.field_count] =
        (struct field){.name = TEXT("total"), .type = FIELD_INTEGER, .offset = entity.struct_size};
    entity.fields = fields;
    entity.field_count++;
    entity.struct_size += sizeof(int64_t);
    return entity;
}

/* The records side by side, without their totals. */
static struct record_list without_total(const struct list_query *list, struct record_list rows,
                                        int64_t *total)
{
    size_t size = list->entity->struct_size;
    char *records = rows.records;

    *total = 0;
    if (rows.count == 0) /* a failure, which the transaction has */
        return rows;
    memcpy(total, records + size, sizeof *total);
    if (!text_is_set(entity_id(list->entity, records)))
        return (struct record_list){0};
    for (size_t i = 1; i < rows.count; i++)
        memmove(records + i * size, records + i * (size + sizeof *total), size);
    return rows;
}

struct record_list list_query_run(const struct list_query *list, const struct page *page, int64_t *total)
{
    const struct entity entity = with_total(list);
    const struct query query = {list_query_text(list), &entity, true};
    struct value values[STORE_QUERY_PARAMETERS_MAX];

    memcpy(values, list->values, list->value_count * sizeof *values);
    values[list->value_count] = value_integer(page->limit);
    values[list->value_count + 1] = value_integer(page->offset);
    return without_total(list, query_records(list->transaction, &query, values, list->value_count + 2),
                         total);
}
