#include "store/copy/run.h"

#include <string.h>

enum { SLOTS_FIRST = 256, READ_VALUES_MAX = 3 };

/* Behind what went wrong on the way: everything until then is kept. */
#define GOES_ON "; run the same command again, which goes on where this one stopped"

/* ---- what goes wrong ---- */

bool run_refuse(struct copy *copy, struct text reason)
{
    *copy->reason = reason;
    return false;
}

static bool refuse_side(struct copy *copy, const struct side *side, const char *what, const char *advice)
{
    return run_refuse(
        copy, arena_format(copy->arena, "cannot %s %.*s: %.*s%s", what, TEXT_FORMAT(side->found.name),
                           TEXT_FORMAT(side->engine->complaint(side->connection, copy->arena)), advice));
}

bool run_cannot_read(struct copy *copy, const struct side *side)
{
    return refuse_side(copy, side, "read", copy->request->work == STORE_COPY_ROWS ? GOES_ON : "");
}

bool run_cannot_write(struct copy *copy)
{
    return refuse_side(copy, &copy->target, "write to", GOES_ON);
}

void run_tell(struct copy *copy)
{
    copy->request->tell(copy->request->context, &copy->state);
}

/* ---- reading rows ---- */

/* The rows behind a place, in the order in which the engine has them at hand. */
static struct text read_sql(const struct side *side, const struct copied_table *table,
                            const struct entity *row, struct arena *arena)
{
    struct text columns = copied_column_names(row, arena), key = row->fields[COPIED_COLUMNS].name;

    if (side->connection->engine->has_row_keys)
        return arena_format(arena, "SELECT rowid, %.*s FROM %.*s WHERE rowid > $1 ORDER BY rowid LIMIT $2",
                            TEXT_FORMAT(columns), TEXT_FORMAT(table->name));
    if (copied_is_scoped(table))
        return arena_format(
            arena,
            "SELECT 0::bigint, %.*s FROM %.*s WHERE (scope, id) > ($1, $2) ORDER BY scope, id "
            "LIMIT $3",
            TEXT_FORMAT(columns), TEXT_FORMAT(table->name));
    return arena_format(arena, "SELECT 0::bigint, %.*s FROM %.*s WHERE %.*s > $1 ORDER BY %.*s LIMIT $2",
                        TEXT_FORMAT(columns), TEXT_FORMAT(table->name), TEXT_FORMAT(key), TEXT_FORMAT(key));
}

static size_t read_values(const struct side *side, const struct copied_table *table,
                          const struct progress *after, struct value values[READ_VALUES_MAX])
{
    size_t count = 0;

    if (side->connection->engine->has_row_keys || copied_is_scoped(table) || copied_is_numbered(table))
        values[count++] = value_integer(after->number);
    if (!side->connection->engine->has_row_keys && !copied_is_numbered(table))
        values[count++] = value_text(after->id);
    values[count++] = value_integer(CHUNK_ROWS_MAX);
    return count;
}

static struct statement *read_statement(const struct side *side, const struct copied_table *table,
                                        const struct entity *row, struct arena *arena)
{
    const struct engine *engine = side->connection->engine;
    uint64_t key = (uintptr_t)&table->entity;
    struct statement *statement = engine->find(side->connection, key);

    return statement
               ? statement
               : engine->prepare(side->connection, key, STATEMENT_FIXED, read_sql(side, table, row, arena));
}

static void grow(struct copied_rows *rows, size_t *capacity, struct arena *arena)
{
    size_t size = rows->row->struct_size;
    char *records;

    if (rows->count < *capacity)
        return;
    *capacity = *capacity ? 2 * *capacity : SLOTS_FIRST;
    records = arena_allocate(arena, *capacity * size);
    if (rows->count)
        memcpy(records, rows->records, rows->count * size);
    rows->records = records;
}

/* The next chunk of the table `rows` is of, in the side's arena. *is_last: there are no more behind it. */
bool run_read_chunk(struct side *side, const struct progress *after, struct copied_rows *rows, bool *is_last)
{
    const struct engine *engine = side->connection->engine;
    struct value values[READ_VALUES_MAX];
    size_t capacity = 0;
    bool is_read = true;

    arena_reset(&side->chunk);
    rows->count = 0;
    struct statement *statement = read_statement(side, rows->table, rows->row, &side->chunk);

    if (!statement)
        return false;
    enum step step = engine->start(statement, values, read_values(side, rows->table, after, values));

    for (; step == STEP_ROW && is_read && side->chunk.total_bytes < CHUNK_BYTES_MAX;
         step = engine->next(statement)) {
        grow(rows, &capacity, &side->chunk);
        is_read = engine->read_row(statement, rows->row, &side->chunk, copied_record(rows, rows->count));
        rows->count += is_read;
    }
    *is_last = step == STEP_DONE && rows->count < CHUNK_ROWS_MAX;
    engine->end(statement);
    return is_read && step != STEP_FAILED;
}

/* Where the last row of a chunk is. */
void run_step_to(struct progress *progress, const struct side *side, const struct copied_rows *rows,
                 struct arena *arena)
{
    const void *record = copied_record(rows, rows->count - 1);
    const struct field *place = &rows->row->fields[COPIED_PLACE], *first = place + 1;

    if (side->connection->engine->has_row_keys)
        progress->number = field_integer_of(place, record);
    else if (first->type == FIELD_INTEGER)
        progress->number = field_integer_of(first, record);
    if (!side->connection->engine->has_row_keys && !copied_is_numbered(rows->table))
        progress->id = arena_copy(arena, field_text_of(entity_field(rows->row, TEXT("id")), record));
}

struct progress run_beginning(size_t index)
{
    return (struct progress){.table = copied_tables[index].name, .number = INT64_MIN, .id = text_empty};
}

struct statement *run_kept(struct connection *connection, const char *sql)
{
    struct statement *statement = connection->engine->find(connection, (uintptr_t)sql);

    return statement ? statement
                     : connection->engine->prepare(connection, (uintptr_t)sql, STATEMENT_FIXED,
                                                   text_from_string(sql));
}
