/* query.c: portable query texts into statements, and rows into records. */
#include "store/transaction.h"

#include "base/buffer.h"
#include "store/row_key.h"

#include <assert.h>
#include <string.h>

static void append_columns(struct buffer *buffer, const struct entity *entity)
{
    for (size_t i = 0, written = 0; i < entity->field_count; i++) {
        if (!field_is_column(&entity->fields[i]))
            continue;
        if (written++)
            buffer_append(buffer, TEXT(", "));
        buffer_append(buffer, entity->fields[i].name);
    }
}

/* `scope = $1 AND id = $2`, or `c.id = $2`: the few rows that may have the id are looked at, not the table.
 * The plus keeps the planner, which has no statistics, from believing that an index on the scope is better
 * than the key. */
static void append_row_condition(struct buffer *buffer, struct text condition)
{
    static const struct text scope = TEXT_LITERAL("scope = "), separator = TEXT_LITERAL(" AND ");
    struct text row = condition;

    if (text_starts_with(condition, scope)) {
        const char *found = memmem(condition.data, condition.length, separator.data, separator.length);

        assert(found);
        row = text_from(condition, (size_t)(found - condition.data) + separator.length);
        buffer_append_char(buffer, '+');
        buffer_append(buffer, text_slice(condition, 0, condition.length - row.length));
    }
    struct text alias = text_slice(row, 0, row.data[1] == '.' ? 2 : 0),
                number = text_from(row, text_find(row, '$') + 1);

    assert(number.length > 0);
    buffer_append_format(buffer, "%.*skey BETWEEN %s%.*s AND %s%.*s + %d AND %.*s", TEXT_FORMAT(alias),
                         ROW_KEY_PARAMETER, TEXT_FORMAT(number), ROW_KEY_PARAMETER, TEXT_FORMAT(number),
                         ROW_KEY_PROBES - 1, TEXT_FORMAT(row));
}

static const struct text elements_of = TEXT_LITERAL("elements of ");

/* `match anywhere name $3`: the words of the mark in their order. */
static struct text next_word(struct text *rest)
{
    size_t space = text_find(*rest, ' ');
    struct text word = text_slice(*rest, 0, space);

    *rest = text_from(*rest, space < rest->length ? space + 1 : space);
    return word;
}

static void append_condition(struct buffer *buffer, const struct condition_text *condition,
                             struct text column, struct text parameter)
{
    buffer_append_format(buffer, "%s%.*s%s%.*s%s", condition->before, TEXT_FORMAT(column), condition->between,
                         TEXT_FORMAT(parameter), condition->after);
}

static const struct condition_text *match_of(const struct engine *engine, struct text place)
{
    static const struct text names[CASE_FOLD_PLACES] = {
        [CASE_FOLD_ANYWHERE] = TEXT_LITERAL("anywhere"),
        [CASE_FOLD_START] = TEXT_LITERAL("start"),
        [CASE_FOLD_END] = TEXT_LITERAL("end"),
        [CASE_FOLD_WHOLE] = TEXT_LITERAL("whole"),
    };
    unsigned i = 0;

    while (!text_equal(names[i], place))
        i++;
    return &engine->matches[i];
}

/* The marks of lists (list_query.c). False when it is none of them. */
static bool append_list_mark(struct buffer *buffer, struct text mark, const struct engine *engine)
{
    struct text rest = mark, word = next_word(&rest);

    if (text_equal(word, TEXT("match"))) {
        const struct condition_text *match = match_of(engine, next_word(&rest));
        struct text column = next_word(&rest);

        append_condition(buffer, match, column, rest);
    } else if (text_equal(word, TEXT("entries"))) {
        struct text column = next_word(&rest);

        append_condition(buffer, &engine->entries, column, rest);
    } else if (text_equal(mark, TEXT("row"))) {
        buffer_append(buffer, engine->has_row_keys ? TEXT("key") : TEXT("id"));
    } else if (text_equal(mark, TEXT("whole"))) {
        buffer_append(buffer, engine->reads_whole ? TEXT("NOT INDEXED") : text_empty);
    } else if (text_equal(mark, TEXT("row entity is top"))) {
        buffer_append(buffer, engine->has_row_keys ? TEXT("entity.key = top.matched")
                                                   : TEXT("entity.scope = $1 AND entity.id = top.matched"));
    } else if (text_equal(mark, TEXT("row has id sought"))) {
        if (engine->has_row_keys)
            buffer_append_format(buffer, "key BETWEEN row_key(sought) AND row_key(sought) + %d AND ",
                                 ROW_KEY_PROBES - 1);
        buffer_append(buffer, TEXT("id = sought"));
    } else {
        return false;
    }
    return true;
}

/* One mark in braces (struct query). */
static void append_mark(struct buffer *buffer, struct text mark, const struct entity *entity,
                        const struct connection *connection)
{
    if (text_equal(mark, TEXT("columns")))
        append_columns(buffer, entity);
    else if (text_equal(mark, TEXT("lock")))
        buffer_append(buffer, connection->locks_rows ? TEXT("FOR NO KEY UPDATE") : text_empty);
    else if (text_starts_with(mark, elements_of))
        buffer_append_format(buffer, "%s%.*s%s", connection->engine->elements_before,
                             TEXT_FORMAT(text_from(mark, elements_of.length)),
                             connection->engine->elements_after);
    else if (append_list_mark(buffer, mark, connection->engine))
        return;
    else if (connection->engine->has_row_keys)
        append_row_condition(buffer, mark);
    else
        buffer_append(buffer, mark);
}

struct text query_expand(const struct query *query, const struct connection *connection, struct arena *arena)
{
    struct buffer buffer = {0};
    struct text rest = query->text;

    for (;;) {
        size_t brace = text_find(rest, '{');

        buffer_append(&buffer, text_slice(rest, 0, brace));
        if (brace == rest.length)
            break;
        rest = text_from(rest, brace + 1);
        struct text mark = text_slice(rest, 0, text_find(rest, '}'));

        append_mark(&buffer, mark, query->entity, connection);
        rest = text_from(rest, mark.length + 1);
    }
    struct text expanded = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return expanded;
}

static uint64_t mix(uint64_t key, uint64_t word)
{
    key = (key ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return key ^ key >> 32;
}

/* Of a text that was put together, which has no address to go by. */
static uint64_t text_key(struct text text)
{
    uint64_t key = text.length, word = 0;
    size_t at = 0;

    for (; text.length - at >= sizeof word; at += sizeof word) {
        memcpy(&word, text.data + at, sizeof word);
        key = mix(key, word);
    }
    word = 0;
    memcpy(&word, text.data + at, text.length - at);
    return mix(key, word);
}

struct statement *query_statement(struct transaction *transaction, const struct query *query)
{
    uint64_t key = query->is_composed ? text_key(query->text) : (uintptr_t)query;
    struct connection *connection = transaction->connection;
    struct statement *statement = connection->engine->find(connection, key);

    if (!statement)
        statement = connection->engine->prepare(connection, key,
                                                query->is_composed ? STATEMENT_VARYING : STATEMENT_FIXED,
                                                query_expand(query, connection, transaction->arena));
    if (!statement)
        transaction_fail(transaction);
    return statement;
}

void transaction_fail(struct transaction *transaction)
{
    if (!transaction->failure)
        transaction->failure =
            transaction->connection->engine->failure(transaction->connection, transaction->arena);
}

const struct failure transaction_pending = {.code = FAILURE_INTERNAL};

/* What a query that has no rows, or no more, means for the transaction. */
static void take_end(struct transaction *transaction, enum step step)
{
    if (step == STEP_PENDING)
        transaction->failure = &transaction_pending;
    else if (step != STEP_DONE)
        transaction_fail(transaction);
}

bool query_record(struct transaction *transaction, const struct query *query, const struct value *parameters,
                  size_t parameter_count, void *record)
{
    struct statement *statement = transaction->failure ? NULL : query_statement(transaction, query);

    if (!statement)
        return false;
    const struct engine *engine = transaction->connection->engine;
    enum step step = engine->start(statement, parameters, parameter_count);

    if (step == STEP_ROW && !engine->read_row(statement, query->entity, transaction->arena, record))
        step = STEP_FAILED;
    if (step != STEP_ROW)
        take_end(transaction, step);
    engine->end(statement);
    return step == STEP_ROW;
}

void query_ahead(struct transaction *transaction, const struct query *query, const struct value *parameters,
                 size_t parameter_count)
{
    const struct engine *engine = transaction->connection->engine;
    struct statement *statement =
        engine->ask_ahead && !transaction->failure ? query_statement(transaction, query) : NULL;

    if (statement)
        engine->ask_ahead(statement, parameters, parameter_count);
}

enum { RECORD_LIST_FIRST = 8 };

static void *grow(struct arena *arena, void *records, size_t count, size_t capacity, size_t record_size)
{
    char *grown = arena_allocate_zero(arena, capacity * record_size);

    if (count)
        memcpy(grown, records, count * record_size);
    return grown;
}

const struct failure transaction_outgrown = {.code = FAILURE_INTERNAL};

static const struct failure *too_large(struct arena *arena, uint64_t bytes_max)
{
    return failure_add(
        failure_new(
            arena, FAILURE_VALIDATION,
            arena_format(arena,
                         "what is asked for takes more than the %llu bytes that one reply may; ask for "
                         "less with limit",
                         (unsigned long long)bytes_max)),
        arena, TEXT("limit"), TEXT("must be smaller for records as large as these"));
}

/* Looked at between two rows: one row is never too much. */
static bool may_read_more(struct transaction *transaction)
{
    const struct memory_account *account = transaction->arena->account;
    size_t read_bytes = transaction_read_bytes(transaction);

    if (transaction->read_bytes_max && read_bytes > transaction->read_bytes_max) {
        transaction->failure = &transaction_outgrown;
        return false;
    }
    if (!account || read_bytes <= STORE_SMALL_READ_BYTES)
        return true;
    if (read_bytes > account->bytes_max / STORE_READ_PART)
        transaction->failure = too_large(transaction->arena, account->bytes_max / STORE_READ_PART);
    else if (!memory_account_has_room(account, 0))
        transaction->failure = failure_overloaded(transaction->arena);
    return !transaction->failure;
}

struct record_list query_records(struct transaction *transaction, const struct query *query,
                                 const struct value *parameters, size_t parameter_count)
{
    struct record_list list = {0};
    size_t capacity = 0, size = query->entity->struct_size;
    struct statement *statement = transaction->failure ? NULL : query_statement(transaction, query);

    if (!statement)
        return list;
    const struct engine *engine = transaction->connection->engine;
    enum step step = engine->start(statement, parameters, parameter_count);

    for (; step == STEP_ROW && (list.count == 0 || may_read_more(transaction));
         step = engine->next(statement)) {
        if (list.count == capacity) {
            capacity = capacity ? capacity * 2 : RECORD_LIST_FIRST;
            list.records = grow(transaction->arena, list.records, list.count, capacity, size);
        }
        if (!engine->read_row(statement, query->entity, transaction->arena,
                              (char *)list.records + list.count * size)) {
            step = STEP_FAILED;
            break;
        }
        list.count++;
    }
    if (step != STEP_ROW)
        take_end(transaction, step);
    engine->end(statement);
    return list;
}

struct record_list query_records_by_number(struct transaction *transaction, const struct query *query,
                                           const int64_t *numbers, size_t count)
{
    size_t size = query->entity->struct_size;
    struct record_list list = {.records = arena_allocate(transaction->arena, (count + 1) * size)};
    struct statement *statement = transaction->failure ? NULL : query_statement(transaction, query);
    const struct engine *engine = transaction->connection->engine;

    for (size_t i = 0; statement && i < count && (i == 0 || may_read_more(transaction)); i++) {
        const struct value number = value_integer(numbers[i]);
        enum step step = engine->start(statement, &number, 1);

        if (step == STEP_ROW && !engine->read_row(statement, query->entity, transaction->arena,
                                                  (char *)list.records + list.count * size))
            step = STEP_FAILED;
        if (step == STEP_ROW)
            list.count++;
        else
            take_end(transaction, step);
        engine->end(statement);
        if (transaction->failure)
            break;
    }
    return list;
}
