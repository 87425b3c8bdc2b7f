#include "store/list_query.h"

#include "store/engine.h"
#include "store/transaction.h"
#include "json/writer.h"

#include <assert.h>
#include <string.h>

static const struct field *field_of(const struct list_query *list, struct text name)
{
    const struct field *field = entity_field(list->entity, name);

    assert(field && field->type != FIELD_JSON_ARRAY);
    return field;
}

/* The number of the parameter that holds the value. */
static unsigned add_value(struct list_query *list, struct value value)
{
    assert(list->value_count + 3 < STORE_QUERY_PARAMETERS_MAX); /* room for the page and the candidates */
    list->values[list->value_count++] = value;
    return list->value_count;
}

static void add_condition(struct list_query *list, struct text condition)
{
    list->conditions = list->conditions.length
                           ? arena_format(list->transaction->arena, "%.*s AND %.*s",
                                          TEXT_FORMAT(list->conditions), TEXT_FORMAT(condition))
                           : condition;
    list->condition_count++;
}

/* The caller's environment or tenant; the first parameter in every part of the statement. */
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

/* ---- conditions ---- */

/* What stands for the field in the statement. */
static struct text operand(struct list_query *list, const struct field *field)
{
    const struct scope *scope = list->transaction->call->scope;

    if (field_is_column(field))
        return field->name;
    return arena_format(list->transaction->arena, "$%u",
                        add_value(list, value_text(field->type == FIELD_TENANT_ID ? scope->tenant_id
                                                                                  : scope->environment_id)));
}

static bool is_known_status(struct text value)
{
    for (const struct text *status = entity_statuses; status->data; status++)
        if (text_equal(*status, value))
            return true;
    return false;
}

/* Partial indexes are of a status: that one is theirs the engine only sees when it stands in the text. */
static bool add_status(struct list_query *list, const struct field *field, enum list_comparison comparison,
                       const struct value *value)
{
    if (comparison != LIST_EQUAL || !text_equal(field->name, TEXT("status")) || value->type != VALUE_TEXT ||
        !is_known_status(value->text))
        return false;
    add_condition(list, arena_format(list->transaction->arena, "status = '%.*s'", TEXT_FORMAT(value->text)));
    if (!text_is_set(list->status))
        list->status = value->text;
    return true;
}

static struct text matches(struct list_query *list, struct text name, enum case_fold_place place,
                           unsigned number)
{
    static const char *const names[CASE_FOLD_PLACES] = {"anywhere", "start", "end", "whole"};

    return arena_format(list->transaction->arena, "{match %s %.*s $%u}", names[place], TEXT_FORMAT(name),
                        number);
}

/* A text that a searched field must have leads to the rows by their index. */
static void add_needle(struct list_query *list, const struct field *field, enum case_fold_place place,
                       struct text folded)
{
    if (field->flags & FIELD_SEARCHED && list->needle_count < LIST_QUERY_NEEDLES_MAX)
        list->needles[list->needle_count++] = (struct index_condition){field, place, folded};
}

static struct text array_of_one(struct text text, struct arena *arena)
{
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_array(&writer);
    json_string(&writer, text);
    json_end_array(&writer);
    struct text array = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return array;
}

/* Rows of ids are found by those, and rows of several values that only one published row may have. */
static bool add_ids(struct list_query *list, const struct field *field, enum list_comparison comparison,
                    struct text value)
{
    bool is_id = field == list->entity->fields;

    if (text_is_set(list->ids) || !(is_id || field->flags & FIELD_UNIQUE) ||
        !(comparison == LIST_ONE_OF || (is_id && comparison == LIST_EQUAL)))
        return false;
    list->ids_field = field;
    list->ids = comparison == LIST_ONE_OF ? value : array_of_one(value, list->transaction->arena);
    list->ids_number = add_value(list, value_text(list->ids));
    return true;
}

void list_query_where(struct list_query *list, struct text field_name, enum list_comparison comparison,
                      struct value value)
{
    static const char *const operators[] = {"=", "<>", "<", ">", "<=", ">="};
    static const enum case_fold_place places[] = {
        [LIST_CONTAINS] = CASE_FOLD_ANYWHERE,
        [LIST_STARTS_WITH] = CASE_FOLD_START,
        [LIST_ENDS_WITH] = CASE_FOLD_END,
        [LIST_EQUAL_IGNORING_CASE] = CASE_FOLD_WHOLE,
    };
    struct arena *arena = list->transaction->arena;
    const struct field *field = field_of(list, field_name);

    if (add_status(list, field, comparison, &value) || add_ids(list, field, comparison, value.text))
        return;
    struct text name = operand(list, field);
    unsigned number = add_value(list, value);
    bool is_of_index = field->flags & FIELD_SEARCHED || text_equal(field->name, TEXT("created_at"));

    switch (comparison) {
    case LIST_ONE_OF:
    case LIST_NOT_ONE_OF:
        list->has_index |= is_of_index && comparison == LIST_ONE_OF;
        add_condition(list, arena_format(arena, "%.*s %s ({elements of $%u})", TEXT_FORMAT(name),
                                         comparison == LIST_ONE_OF ? "IN" : "NOT IN", number));
        return;
    case LIST_CONTAINS:
    case LIST_STARTS_WITH:
    case LIST_ENDS_WITH:
    case LIST_EQUAL_IGNORING_CASE:
        add_condition(list, matches(list, name, places[comparison], number));
        add_needle(list, field, places[comparison], value.text);
        return;
    case LIST_NOT_CONTAINS:
        add_condition(list, arena_format(arena, "NOT %.*s",
                                         TEXT_FORMAT(matches(list, name, CASE_FOLD_ANYWHERE, number))));
        return;
    case LIST_HAS_ENTRIES:
        add_condition(list, arena_format(arena, "{entries %.*s $%u}", TEXT_FORMAT(name), number));
        return;
    default:
        list->has_index |= is_of_index && comparison != LIST_UNEQUAL;
        add_condition(list,
                      arena_format(arena, "%.*s %s $%u", TEXT_FORMAT(name), operators[comparison], number));
        return;
    }
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

    if (sorts_by(list, field) || !field_is_column(field)) /* a tenant's rows are all of that tenant */
        return;
    assert(list->sort_count < LIST_QUERY_SORTS_MAX);
    list->sorts[list->sort_count].field = field;
    list->sorts[list->sort_count++].is_descending = is_descending;
}

/* ---- the text ---- */

/* The engines disagree about where what is unset belongs; where nothing is, saying so would only keep an
 * index from being used. */
static struct text place_of_unset(const struct list_query *list, const struct field *field,
                                  bool is_descending)
{
    if (field == list->entity->fields || field->flags & (FIELD_REQUIRED | FIELD_STAMP))
        return text_empty;
    return is_descending ? TEXT(" NULLS FIRST") : TEXT(" NULLS LAST");
}

/* Columns and their order are most of the text, which every request puts together: without formats. */
static void append_column(struct buffer *sql, struct text alias, const struct field *field)
{
    buffer_append(sql, alias);
    buffer_append(sql, field->name);
}

static void append_direction(struct buffer *sql, bool is_descending)
{
    buffer_append(sql, is_descending ? TEXT(" DESC") : text_empty);
}

static void append_order(struct buffer *sql, const struct list_query *list, struct text alias)
{
    bool is_descending = false;

    buffer_append(sql, TEXT(" ORDER BY "));
    for (unsigned i = 0; i < list->sort_count; i++) {
        const struct field *field = list->sorts[i].field;

        is_descending = list->sorts[i].is_descending;
        append_column(sql, alias, field);
        append_direction(sql, is_descending);
        buffer_append(sql, place_of_unset(list, field, is_descending));
        buffer_append(sql, TEXT(", "));
    }
    append_column(sql, alias, list->entity->fields);
    append_direction(sql, is_descending);
}

static void append_columns(struct buffer *sql, const struct list_query *list, struct text alias)
{
    for (size_t i = 0, written = 0; i < list->entity->field_count; i++) {
        if (!field_is_column(&list->entity->fields[i]))
            continue;
        if (written++)
            buffer_append(sql, TEXT(", "));
        append_column(sql, alias, &list->entity->fields[i]);
    }
}

static void append_page_parameters(struct buffer *sql, const struct list_query *list)
{
    buffer_append_format(sql, " LIMIT $%u OFFSET $%u", list->value_count + 1, list->value_count + 2);
}

/* A list of all rows of a status: their number is kept, or an index has them together. */
static void append_count_of_status(struct buffer *sql, const struct list_query *list)
{
    if (list->transaction->connection->engine->counts_rows)
        buffer_append_format(sql,
                             "SELECT COALESCE(SUM(count), 0) AS total FROM row_counts WHERE scope = $1 AND "
                             "entity_type = '%.*s' AND status = '%.*s'",
                             TEXT_FORMAT(list->entity->name), TEXT_FORMAT(list->status));
    else
        buffer_append_format(sql, "SELECT COUNT(*) AS total FROM %.*s WHERE %.*s",
                             TEXT_FORMAT(list->entity->table), TEXT_FORMAT(list->conditions));
}

/* In the usual order an index has them, too: as many rows are read as the page has. */
static void append_page_of_status(struct buffer *sql, const struct list_query *list)
{
    buffer_append(sql, TEXT("SELECT "));
    append_columns(sql, list, text_empty);
    buffer_append(sql, TEXT(", ("));
    append_count_of_status(sql, list);
    buffer_append_format(sql, ") AS total FROM %.*s WHERE %.*s", TEXT_FORMAT(list->entity->table),
                         TEXT_FORMAT(list->conditions));
    if (list->begins_at)
        buffer_append_format(sql, " AND created_at %s $%u",
                             list->sorts[0].is_descending ? "<=" : ">=", list->begins_at);
    append_order(sql, list, text_empty);
    append_page_parameters(sql, list);
}

static bool has_rows_of_its_own(const struct list_query *list)
{
    return list->entity->scoping == SCOPED_BY_ENVIRONMENT;
}

/* Where rows have keys, a few ids are found by those, and a few other values by their index, which has
 * published rows only: the planner, which has no statistics, would walk all of a status instead. */
static void append_sought(struct buffer *sql, const struct list_query *list)
{
    struct text table = list->entity->table, name = list->ids_field->name;
    const char *ids = "(SELECT DISTINCT sought FROM ids) AS ids CROSS JOIN";

    if (list->ids_field == list->entity->fields)
        buffer_append_format(sql, "%s %.*s %s AND ", ids, TEXT_FORMAT(table),
                             has_rows_of_its_own(list) ? "{whole} WHERE {row has id sought}"
                                                       : "WHERE id = sought");
    else if (text_equal(list->status, status_published))
        buffer_append_format(sql, "%s %.*s WHERE %.*s = sought AND ", ids, TEXT_FORMAT(table),
                             TEXT_FORMAT(name));
    else
        buffer_append_format(sql, "%.*s WHERE %.*s IN (SELECT sought FROM ids) AND ", TEXT_FORMAT(table),
                             TEXT_FORMAT(name));
}

/* The rows among which all that match are, and the conditions. */
static void append_source(struct buffer *sql, const struct list_query *list)
{
    struct text table = list->entity->table;

    if (text_is_set(list->ids))
        append_sought(sql, list);
    else if (list->candidates)
        buffer_append_format(sql,
                             "({elements of $%u}) AS candidates CROSS JOIN %.*s WHERE key = candidates.value "
                             "AND ",
                             list->candidates, TEXT_FORMAT(table));
    else
        buffer_append_format(sql, "%.*s %sWHERE ", TEXT_FORMAT(table), list->reads_whole ? "{whole} " : "");
    buffer_append(sql, list->conditions);
}

/* Which rows match, with what they are sorted by, is found out once: then they are counted, and the page's
 * are read. */
static void append_matching(struct buffer *sql, const struct list_query *list)
{
    buffer_append(sql, TEXT("WITH "));
    if (text_is_set(list->ids))
        buffer_append_format(sql, "ids (sought) AS ({elements of $%u}), ", list->ids_number);
    buffer_append_format(sql, "matching AS MATERIALIZED (SELECT %s AS matched, ",
                         has_rows_of_its_own(list) ? "{row}" : "id");
    for (unsigned i = 0; i < list->sort_count; i++)
        if (list->sorts[i].field != list->entity->fields)
            buffer_append_format(sql, "%.*s, ", TEXT_FORMAT(list->sorts[i].field->name));
    buffer_append_format(sql, "%.*s FROM ", TEXT_FORMAT(list->entity->fields[0].name));
    append_source(sql, list);
    buffer_append(sql, TEXT(") "));
}

/* A page without rows is one row without an id, so that the total comes along in any case. The rows
 * themselves are read last, and no copy of them is made but to put them in order. */
static void append_matched_page(struct buffer *sql, const struct list_query *list)
{
    append_matching(sql, list);
    buffer_append(sql, TEXT("SELECT "));
    append_columns(sql, list, TEXT("entity."));
    buffer_append(sql, TEXT(", counted.total FROM (SELECT COUNT(*) AS total FROM matching) AS counted "
                            "LEFT JOIN (SELECT * FROM matching"));
    append_order(sql, list, text_empty);
    append_page_parameters(sql, list);
    buffer_append_format(sql, ") AS top ON 1 = 1 LEFT JOIN %.*s AS entity ON %s",
                         TEXT_FORMAT(list->entity->table),
                         has_rows_of_its_own(list) ? "{row entity is top}" : "entity.id = top.matched");
    append_order(sql, list, TEXT("top."));
}

static bool is_counted(const struct list_query *list)
{
    return list->entity->is_counted && text_is_set(list->status) && list->condition_count == 2 &&
           !text_is_set(list->ids);
}

static struct text take_text(const struct list_query *list, struct buffer *sql)
{
    struct text text = arena_copy(list->transaction->arena, buffer_text(sql));

    buffer_free(sql);
    return text;
}

struct text list_query_text(const struct list_query *list)
{
    struct buffer sql = {0};

    if (is_counted(list))
        append_page_of_status(&sql, list);
    else
        append_matched_page(&sql, list);
    return take_text(list, &sql);
}

static struct text count_text(const struct list_query *list)
{
    struct buffer sql = {0};

    append_count_of_status(&sql, list);
    return take_text(list, &sql);
}

/* ---- the rows ---- */

#define TOTAL_FIELD .name = TEXT_LITERAL("total"), .type = FIELD_INTEGER

/* The entity with the total behind its members. */
static struct entity with_total(const struct list_query *list)
{
    struct entity entity = *list->entity;
    struct field *fields = ARENA_ARRAY(list->transaction->arena, struct field, entity.field_count + 1);

    memcpy(fields, entity.fields, entity.field_count * sizeof *fields);
    fields[entity.field_count] = (struct field){TOTAL_FIELD, .offset = entity.struct_size};
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

    memcpy(total, records + size, sizeof *total);
    if (!text_is_set(entity_id(list->entity, records)))
        return (struct record_list){0};
    for (size_t i = 1; i < rows.count; i++)
        memmove(records + i * size, records + i * (size + sizeof *total), size);
    return rows;
}

/* The number of all rows when a page at `offset` had none and no total either. They may be counted a moment
 * later than that, and never are so many that the page should have had some. */
static int64_t count_before(struct list_query *list, int64_t offset)
{
    static const struct field count_fields[] = {{TOTAL_FIELD}};
    static const struct entity count_entity = {ENTITY_FIELDS(count_fields), .struct_size = sizeof(int64_t)};
    int64_t count = 0;

    if (offset > 0)
        query_record(list->transaction, &(struct query){count_text(list), &count_entity, true}, list->values,
                     list->value_count, &count);
    return count < offset ? count : offset;
}

/* ---- by the index ---- */

enum {
    /* From here on an index of creation takes longer to walk than the index of searches to be asked. */
    FAR_OFFSET = 1000,
    CANDIDATES_MAX = 100000,
};

static bool is_by_creation(const struct list_query *list)
{
    return list->sort_count == 1 && text_equal(list->sorts[0].field->name, TEXT("created_at"));
}

/* Whether nothing is asked for but the texts and the status. */
static bool is_of_texts_alone(const struct list_query *list)
{
    return text_is_set(list->status) && list->condition_count == 2 + list->needle_count &&
           !text_is_set(list->ids) && !list->has_index;
}

static bool has_index_of_texts(const struct list_query *list)
{
    for (size_t i = 0; i < list->entity->field_count; i++)
        if (list->entity->fields[i].flags & FIELD_SEARCHED)
            return list->transaction->connection->engine->ask_index && has_rows_of_its_own(list);
    return false;
}

static int compare_rows(const struct list_query *list, const char *a, const char *b)
{
    const struct field *created = list->sorts[0].field;
    int64_t one, other;

    memcpy(&one, a + created->offset, sizeof one);
    memcpy(&other, b + created->offset, sizeof other);
    int order = one != other ? (one < other ? -1 : 1)
                             : text_compare(entity_id(list->entity, a), entity_id(list->entity, b));

    return list->sorts[0].is_descending ? -order : order;
}

/* They are nearly in order. */
static void sort_rows(const struct list_query *list, struct record_list rows)
{
    size_t size = list->entity->struct_size;
    char *records = rows.records, *row = arena_allocate(list->transaction->arena, size);

    for (size_t i = 1; i < rows.count; i++) {
        size_t place = i;

        memcpy(row, records + i * size, size);
        while (place > 0 && compare_rows(list, row, records + (place - 1) * size) < 0)
            place--;
        memmove(records + (place + 1) * size, records + place * size, (i - place) * size);
        memcpy(records + place * size, row, size);
    }
}

static struct text row_text(const struct list_query *list)
{
    struct buffer sql = {0};

    buffer_append(&sql, TEXT("SELECT "));
    append_columns(&sql, list, text_empty);
    buffer_append_format(&sql, " FROM %.*s WHERE key = $1", TEXT_FORMAT(list->entity->table));
    struct text text = arena_copy(list->transaction->arena, buffer_text(&sql));

    buffer_free(&sql);
    return text;
}

static enum index_result ask_index(const struct list_query *list, const struct page *page,
                                   enum index_wish wish, struct index_answer *answer)
{
    struct transaction *transaction = list->transaction;
    const struct index_question question = {
        .entity = list->entity,
        .scope = transaction->call->scope->number,
        .status = list->status,
        .conditions = list->needles,
        .condition_count = list->needle_count,
        .wish = wish,
        .keys_max = CANDIDATES_MAX,
        .offset = page->offset,
        .limit = page->limit,
        .is_descending = list->sorts[0].is_descending,
    };
    enum index_result result = transaction->connection->engine->ask_index(transaction->connection, &question,
                                                                          transaction->arena, answer);

    if (result == INDEX_FAILED)
        transaction_fail(transaction);
    return result;
}

/* True when the index knows the page: then *rows and *total are that. */
static bool find_page(const struct list_query *list, const struct page *page, struct record_list *rows,
                      int64_t *total)
{
    struct index_answer answer;

    if (list->needle_count == 0 || !is_by_creation(list) || !is_of_texts_alone(list) ||
        !has_index_of_texts(list) || ask_index(list, page, INDEX_PAGE, &answer) != INDEX_ANSWERED)
        return false;
    const struct query query = {row_text(list), list->entity, true};

    *rows = query_records_by_number(list->transaction, &query, answer.keys, answer.key_count);
    sort_rows(list, *rows);
    *total = answer.total;
    return true;
}

/* Has a list of all rows of a status, from a far offset on, begin where the index says that the page does.
 * True when there is no such row: then *total is their number. */
static bool is_beyond(struct list_query *list, struct page *page, int64_t *total)
{
    struct index_answer answer;

    if (page->offset < FAR_OFFSET || !is_counted(list) || !is_by_creation(list) ||
        !has_index_of_texts(list) || ask_index(list, page, INDEX_PLACE, &answer) != INDEX_ANSWERED)
        return false;
    *total = answer.total;
    if (answer.created_at_us == INSTANT_UNSET)
        return true;
    page->offset = answer.skip;
    list->begins_at = add_value(list, value_instant(answer.created_at_us));
    return false;
}

static struct text array_of(const struct index_answer *answer, struct arena *arena)
{
    struct buffer buffer = {0};

    buffer_append_char(&buffer, '[');
    for (size_t i = 0; i < answer->key_count; i++) {
        if (i)
            buffer_append_char(&buffer, ',');
        buffer_append_int64(&buffer, answer->keys[i]);
    }
    buffer_append_char(&buffer, ']');
    struct text array = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return array;
}

static bool has_candidates(struct list_query *list, const struct page *page)
{
    struct index_answer answer;

    if (list->needle_count == 0 || !has_index_of_texts(list))
        return false;
    enum index_result result = ask_index(list, page, INDEX_KEYS, &answer);

    if (result == INDEX_ANSWERED)
        list->candidates = add_value(list, value_text(array_of(&answer, list->transaction->arena)));
    return result != INDEX_NO_HELP;
}

/* ---- running it ---- */

/* An engine that does not find an index for a condition by itself is asked where to look. */
static void find_way(struct list_query *list, const struct page *page)
{
    const struct transaction *transaction = list->transaction;
    struct connection *connection = transaction->connection;

    if (list->has_index || text_is_set(list->ids) || is_counted(list) || has_candidates(list, page) ||
        !has_rows_of_its_own(list) || !connection->engine->reads_whole)
        return;
    list->reads_whole =
        connection->engine->reads_whole(connection, list->entity, transaction->call->scope, list->status);
}

struct record_list list_query_run(struct list_query *list, const struct page *page, int64_t *total)
{
    struct page way = *page;
    struct record_list rows = {0};

    assert(page->limit > 0);
    if (find_page(list, page, &rows, total) || is_beyond(list, &way, total))
        return rows;
    find_way(list, &way);
    const struct entity entity = with_total(list);
    const struct query query = {list_query_text(list), &entity, true};
    struct value values[STORE_QUERY_PARAMETERS_MAX];

    memcpy(values, list->values, list->value_count * sizeof *values);
    values[list->value_count] = value_integer(way.limit);
    values[list->value_count + 1] = value_integer(way.offset);
    rows = query_records(list->transaction, &query, values, list->value_count + 2);
    if (rows.count > 0)
        return without_total(list, rows, total);
    *total = is_counted(list) ? count_before(list, page->offset) : 0; /* 0: a failure */
    return rows;
}
