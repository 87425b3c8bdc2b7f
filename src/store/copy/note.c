/* note.c: the table in the target that says how far the copy is, and what makes the indexes that are away. */
#include "store/copy/run.h"

static const struct field progress_fields[] = {
    {FIELD(struct progress, table, FIELD_TEXT)},      {FIELD(struct progress, number, FIELD_INTEGER)},
    {FIELD(struct progress, id, FIELD_TEXT)},         {FIELD(struct progress, row_count, FIELD_INTEGER)},
    {FIELD(struct progress, is_done, FIELD_INTEGER)},
};
static const struct entity progress_entity = {
    .name = TEXT_LITERAL("progress"),
    ENTITY_FIELDS(progress_fields),
    .struct_size = sizeof(struct progress),
};

static const char make_progress[] =
    "CREATE TABLE " COPY_PROGRESS_TABLE " (table_name text NOT NULL PRIMARY KEY, place bigint NOT NULL, "
    "id text NOT NULL, row_count bigint NOT NULL, is_done bigint NOT NULL)";
static const char add_progress[] = "INSERT INTO " COPY_PROGRESS_TABLE
                                   " (table_name, place, id, row_count, is_done) VALUES ($1, $2, $3, $4, $5)";
static const char move_progress[] =
    "UPDATE " COPY_PROGRESS_TABLE
    " SET place = $2, id = $3, row_count = $4, is_done = $5 WHERE table_name = $1";
static const char read_progress[] =
    "SELECT table_name, place, id, row_count, is_done FROM " COPY_PROGRESS_TABLE " WHERE table_name = $1";

static bool write_progress(struct copy *copy, const char *sql, const struct progress *progress)
{
    struct connection *connection = copy->target.connection;
    struct statement *statement = run_kept(connection, sql);

    return statement &&
           connection->engine->change(statement,
                                      VALUES(value_text(progress->table), value_integer(progress->number),
                                             value_text(progress->id), value_integer(progress->row_count),
                                             value_integer(progress->is_done)),
                                      NULL) == STEP_DONE;
}

/* False when it cannot be read; a row that is not there leaves what is in *progress. */
bool note_recall(struct copy *copy, struct text table, struct progress *progress)
{
    struct connection *connection = copy->target.connection;
    struct statement *statement = run_kept(connection, read_progress);
    enum step step =
        statement ? connection->engine->start(statement, VALUES(value_text(table))) : STEP_FAILED;
    bool is_read = step == STEP_DONE;

    if (step == STEP_ROW)
        is_read = connection->engine->read_row(statement, &progress_entity, copy->arena, progress);
    if (!is_read)
        run_cannot_read(copy, &copy->target);
    if (statement)
        connection->engine->end(statement);
    return is_read;
}

/* ---- indexes ---- */

/* Of an index the note has the name, behind a mark, and what makes it. */
#define OF_INDEX "index "

struct index {
    struct text name, definition;
};
static const struct field index_fields[] = {
    {FIELD(struct index, name, FIELD_TEXT)},
    {FIELD(struct index, definition, FIELD_TEXT)},
};
static const struct entity index_entity = {
    .name = TEXT_LITERAL("index"),
    ENTITY_FIELDS(index_fields),
    .struct_size = sizeof(struct index),
};

static const char read_indexes[] = "SELECT table_name, id FROM " COPY_PROGRESS_TABLE
                                   " WHERE substr(table_name, 1, 6) = '" OF_INDEX "' ORDER BY table_name";
static const char forget_index[] = "DELETE FROM " COPY_PROGRESS_TABLE " WHERE table_name = $1";

enum { INDEXES_MAX = 256 };

/* False on a failure. */
static bool list_indexes(struct copy *copy, const char *sql, struct index indexes[INDEXES_MAX], size_t *count)
{
    struct connection *connection = copy->target.connection;
    struct statement *statement = run_kept(connection, sql);
    enum step step = statement ? connection->engine->start(statement, NULL, 0) : STEP_FAILED;
    bool is_read = step != STEP_FAILED;

    for (*count = 0; is_read && step == STEP_ROW && *count < INDEXES_MAX;
         step = connection->engine->next(statement))
        is_read = connection->engine->read_row(statement, &index_entity, copy->arena, &indexes[(*count)++]);
    if (statement)
        connection->engine->end(statement);
    return is_read && step == STEP_DONE;
}

/* In the transaction that begins the copy. */
static bool drop_indexes(struct copy *copy)
{
    struct index *indexes = ARENA_ARRAY(copy->arena, struct index, INDEXES_MAX);
    struct side *target = &copy->target;
    size_t count;
    bool is_done = list_indexes(copy, target->engine->indexes_sql, indexes, &count);

    for (size_t i = 0; is_done && i < count; i++) {
        struct text name = indexes[i].name;
        const struct progress note = {.table = arena_format(copy->arena, OF_INDEX "%.*s", TEXT_FORMAT(name)),
                                      .id = indexes[i].definition};

        is_done =
            write_progress(copy, add_progress, &note) &&
            target->engine->execute(
                target->connection,
                arena_string(copy->arena, arena_format(copy->arena, "DROP INDEX %.*s", TEXT_FORMAT(name))));
    }
    return is_done;
}

static bool make_index(struct copy *copy, const struct index *index)
{
    struct side *target = &copy->target;
    struct statement *statement = run_kept(target->connection, forget_index);

    return statement && target->engine->begin(target->connection) &&
           target->engine->execute(target->connection, arena_string(copy->arena, index->definition)) &&
           target->connection->engine->change(statement, VALUES(value_text(index->name)), NULL) ==
               STEP_DONE &&
           target->engine->commit(target->connection);
}

bool note_make_indexes(struct copy *copy, size_t *count)
{
    struct index *indexes = ARENA_ARRAY(copy->arena, struct index, INDEXES_MAX);

    if (!list_indexes(copy, read_indexes, indexes, count))
        return run_cannot_read(copy, &copy->target);
    copy->state = (struct store_copy_state){.phase = STORE_COPY_INDEXING, .total_rows = (int64_t)*count};
    for (size_t i = 0; i < *count; i++) {
        copy->state.what = text_from(indexes[i].name, sizeof OF_INDEX - 1);
        copy->state.done_rows = (int64_t)i;
        run_tell(copy);
        if (!make_index(copy, &indexes[i]))
            return run_cannot_write(copy);
    }
    return true;
}

/* ---- the note ---- */

bool note_make(struct copy *copy, const struct progress *source)
{
    struct side *target = &copy->target;
    bool is_made = target->engine->execute(target->connection, make_progress) &&
                   write_progress(copy, add_progress, source);

    for (size_t i = 0; is_made && i < COPIED_TABLE_COUNT; i++)
        is_made = write_progress(copy, add_progress, &copy->progress[i]);
    return is_made && drop_indexes(copy);
}

bool note_move(struct copy *copy, const struct progress *progress)
{
    return write_progress(copy, move_progress, progress);
}
