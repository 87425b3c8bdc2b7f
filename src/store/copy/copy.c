#include "store/copy/run.h"

_Static_assert((int)COPIED_TABLE_COUNT <= (int)STORE_COPY_TABLES_MAX,
               "there is room for what is told of each table");

/* ---- what a source is known by ---- */

/* What tells one source from another, and from itself after it was written to: its tenants, its environments,
 * and the heads of its audit trail. */
static bool identify(struct copy *copy, struct progress *source)
{
    static const struct text tables[] = {TEXT_LITERAL("tenants"), TEXT_LITERAL("scopes"),
                                         TEXT_LITERAL("audit_chains")};
    struct scan all = {0};
    char hex[SHA256_HEX_LENGTH];
    bool is_read = true;

    for (size_t i = 0; i < COPIED_TABLE_COUNT; i++)
        for (size_t j = 0; j < sizeof tables / sizeof tables[0]; j++)
            if (is_read && text_equal(copied_tables[i].name, tables[j]))
                is_read = run_scan(copy, &copy->source, i, &all, NULL, NULL);
    row_hash_hex(&all.hash, hex);
    run_scan_free(&all);
    *source = (struct progress){
        .table = TEXT(NOTE_OF_SOURCE),
        .number = copy->target.engine->schema_version(),
        .id = arena_format(copy->arena, "%s %.*s", copy->source.engine->kind, SHA256_HEX_LENGTH, hex)};
    return is_read || run_cannot_read(copy, &copy->source);
}

/* ---- beginning, or going on ---- */

/* How far the target is; when it has all rows of the source as it once was, it only has to catch up. */
static bool recall(struct copy *copy)
{
    copy->catches_up = true;
    for (size_t i = 0; i < COPIED_TABLE_COUNT; i++) {
        if (!note_recall(copy, copied_tables[i].name, &copy->progress[i]))
            return false;
        copy->catches_up = copy->catches_up && copy->progress[i].is_done;
    }
    return !copy->catches_up || catch_up_prepare(copy);
}

static bool begin_anew(struct copy *copy, const struct progress *source)
{
    struct side *target = &copy->target;

    if (!target->engine->migrate(target->connection, copy->arena, copy->reason))
        return false;
    return (target->engine->begin(target->connection) &&
            target->engine->clear_chains(target->connection, copy->arena) && note_make(copy, source) &&
            target->engine->commit(target->connection)) ||
           run_cannot_write(copy);
}

static bool go_on(struct copy *copy, const struct progress *source)
{
    struct progress begun = {.id = text_empty};

    if (!note_recall(copy, source->table, &begun))
        return false;
    if (begun.number != source->number)
        return run_refuse(copy,
                          arena_format(copy->arena,
                                       "the copy in %.*s was begun by a Farthing of another version; remove "
                                       "it, and copy anew",
                                       TEXT_FORMAT(copy->target.found.name)));
    if (copy->catches_up || text_equal(begun.id, source->id))
        return true;
    /* Places in the file of an embedded database may be others by now; keys are what they were. */
    copy->is_behind = !copy->source.connection->engine->has_row_keys;
    return copy->is_behind ||
           run_refuse(copy, arena_format(copy->arena, IS_ANOTHER, TEXT_FORMAT(copy->target.found.name)));
}

/* ---- the rows ---- */

static bool copy_chunk(struct copy *copy, size_t index)
{
    struct progress *progress = &copy->progress[index];
    struct side *target = &copy->target;
    struct copied_rows rows = {.table = &copied_tables[index], .row = copy->rows[index]};
    bool is_last;

    if (!run_read_chunk(&copy->source, progress, &rows, &is_last))
        return run_cannot_read(copy, &copy->source);
    if (rows.count)
        run_step_to(progress, &copy->source, &rows, copy->arena);
    progress->row_count += (int64_t)rows.count;
    progress->is_done = is_last;
    if (!target->engine->begin(target->connection) ||
        (rows.count && !target->engine->insert(target->connection, &rows, &copy->source.chunk)) ||
        !note_move(copy, progress) || !target->engine->commit(target->connection))
        return run_cannot_write(copy);
    copy->result->copied_rows += (int64_t)rows.count;
    copy->state.done_rows += (int64_t)rows.count;
    return true;
}

static bool copy_rows(struct copy *copy)
{
    copy->state = (struct store_copy_state){0};
    for (size_t i = 0; i < COPIED_TABLE_COUNT; i++) {
        copy->state.total_rows += copy->result->tables[i].source_rows;
        copy->state.done_rows += copy->progress[i].row_count;
    }
    for (size_t i = 0; i < COPIED_TABLE_COUNT; i++) {
        copy->state.what = copied_tables[i].name;
        while (!copy->progress[i].is_done) {
            if (!copy_chunk(copy, i))
                return false;
            run_tell(copy);
        }
    }
    return true;
}

/* The planner knows nothing of the rows so far. */
static bool make_indexes(struct copy *copy)
{
    struct side *target = &copy->target;
    size_t count;

    if (!note_make_indexes(copy, &count))
        return false;
    return count == 0 || !target->engine->analyse ||
           target->engine->analyse(target->connection, copy->arena) || run_cannot_write(copy);
}

static bool finish(struct copy *copy)
{
    struct side *target = &copy->target;

    return (target->engine->begin(target->connection) &&
            target->engine->settle(target->connection, copy->arena) &&
            target->engine->execute(target->connection, "DROP TABLE " COPY_PROGRESS_TABLE) &&
            target->engine->commit(target->connection)) ||
           run_cannot_write(copy);
}

static bool copy_all(struct copy *copy)
{
    struct progress source;
    bool is_begun = copy->target.found.content == COPY_CONTENT_UNFINISHED, is_bulk = copy->request->is_bulk;

    if (!identify(copy, &source) || !(is_begun ? go_on : begin_anew)(copy, &source) || !copy_rows(copy))
        return false;
    if (copy->is_behind && !catch_up_prepare(copy))
        return false;
    copy->catches_up = copy->catches_up || copy->is_behind;
    /* Before there are indexes again: of rows that were copied at different times, two may claim the same. */
    if (copy->catches_up && !catch_up(copy))
        return false;
    if (copy->catches_up && !copy->result->is_same)
        return true;
    if (!make_indexes(copy) || (!copy->catches_up && !is_bulk && !run_compare(copy)))
        return false;
    return is_bulk || !copy->result->is_same || finish(copy);
}

/* ---- the whole ---- */

static bool open_side(struct copy *copy, struct side *side, struct text database, enum copy_use use)
{
    side->engine = store_is_url(database) ? &postgres_copy_engine : &sqlite_copy_engine;
    side->connection = side->engine->open(database, use, &side->found, copy->arena, copy->reason);
    return side->connection != NULL;
}

static void close_side(struct side *side)
{
    arena_free(&side->chunk);
    if (side->connection)
        side->engine->close(side->connection);
}

static bool check_source(struct copy *copy)
{
    const struct side *source = &copy->source;
    int version = source->engine->schema_version();

    if (source->found.content == COPY_CONTENT_UNFINISHED)
        return run_refuse(copy, arena_format(copy->arena, "%.*s cannot be copied: " COPY_UNFINISHED,
                                             TEXT_FORMAT(source->found.name)));
    if (source->found.content == COPY_CONTENT_NONE)
        return run_refuse(copy, arena_format(copy->arena, "%.*s holds nothing of Farthing's to be copied",
                                             TEXT_FORMAT(source->found.name)));
    if (source->found.schema_version != version)
        return run_refuse(
            copy, arena_format(copy->arena,
                               "%.*s has schema version %d, and this program copies version %d: "
                               "farthing migrate brings it up to date",
                               TEXT_FORMAT(source->found.name), source->found.schema_version, version));
    return true;
}

static bool check_target(struct copy *copy)
{
    const struct side *target = &copy->target;
    bool is_wanted = copy->request->work == STORE_COPY_COMPARE;

    if ((target->found.content == COPY_CONTENT_DATABASE) == is_wanted)
        return !is_wanted || target->found.schema_version == target->engine->schema_version() ||
               run_refuse(copy, arena_format(copy->arena,
                                             "%.*s has schema version %d, and this program compares %d",
                                             TEXT_FORMAT(target->found.name), target->found.schema_version,
                                             target->engine->schema_version()));
    return run_refuse(copy, arena_format(copy->arena,
                                         is_wanted ? "%.*s holds no finished copy"
                                                   : "%.*s holds a database already; name an empty target",
                                         TEXT_FORMAT(target->found.name)));
}

static bool open_target(struct copy *copy)
{
    bool is_written = copy->request->work == STORE_COPY_ROWS;

    if (copy->target.connection)
        return true;
    if (!copy->request->has_target && !is_written) {
        copy->target.found.name = copy->request->to;
        return copy->request->work == STORE_COPY_COUNT || check_target(copy);
    }
    return open_side(copy, &copy->target, copy->request->to, is_written ? COPY_WRITES : COPY_READS) &&
           check_target(copy);
}

/* A target that was begun is looked at before the source is held still, so that this takes no longer than it
 * must. */
static bool open_begun_target(struct copy *copy)
{
    if (copy->request->work != STORE_COPY_ROWS || !copy->request->has_target)
        return true;
    return open_target(copy) && (copy->target.found.content != COPY_CONTENT_UNFINISHED || recall(copy));
}

/* Nothing is made before it is known that there is something to be copied. */
static bool open_both(struct copy *copy)
{
    const struct store_copy_request *request = copy->request;
    enum copy_use use = request->from_rest == STORE_REST_WHOLE ? COPY_READS_WHOLE : COPY_READS;

    return open_begun_target(copy) && request->hold(request->context, copy->catches_up) &&
           open_side(copy, &copy->source, request->from, use) && check_source(copy) && open_target(copy);
}

static bool count_rows(struct copy *copy)
{
    static const struct field count_fields[] = {{.name = TEXT_LITERAL("count"), .type = FIELD_INTEGER}};
    static const struct entity count_entity = {ENTITY_FIELDS(count_fields), .struct_size = sizeof(int64_t)};
    struct connection *connection = copy->source.connection;

    copy->result->table_count = COPIED_TABLE_COUNT;
    for (size_t i = 0; i < COPIED_TABLE_COUNT; i++) {
        struct store_copy_table *table = &copy->result->tables[i];
        struct text sql =
            arena_format(copy->arena, "SELECT count(*) FROM %.*s", TEXT_FORMAT(copied_tables[i].name));
        struct statement *statement =
            connection->engine->prepare(connection, (uintptr_t)table, STATEMENT_FIXED, sql);
        bool is_counted =
            statement && connection->engine->start(statement, NULL, 0) == STEP_ROW &&
            connection->engine->read_row(statement, &count_entity, copy->arena, &table->source_rows);

        if (statement)
            connection->engine->end(statement);
        if (!is_counted)
            return run_cannot_read(copy, &copy->source);
        table->name = copied_tables[i].name;
    }
    return true;
}

static bool work(struct copy *copy)
{
    const struct store_copy_request *request = copy->request;

    if (!open_both(copy))
        return false;
    copy->result->source_name = copy->source.found.name;
    copy->result->target_name = copy->target.found.name;
    copy->result->is_resumed = copy->target.found.content == COPY_CONTENT_UNFINISHED;
    if (request->work != STORE_COPY_COUNT &&
        !copy->source.engine->hold_still(copy->source.connection, !request->is_bulk, copy->arena))
        return run_cannot_read(copy, &copy->source);
    if (!count_rows(copy))
        return false;
    switch (request->work) {
    case STORE_COPY_COUNT:
        return true;
    case STORE_COPY_ROWS:
        return copy_all(copy);
    case STORE_COPY_COMPARE:
        return run_compare(copy);
    }
    return false;
}

bool store_copy(const struct store_copy_request *request, struct store_copy_result *result,
                struct arena *arena, struct text *reason)
{
    struct copy *copy = ARENA_NEW(arena, struct copy);

    *result = (struct store_copy_result){0};
    *copy = (struct copy){.request = request, .result = result, .arena = arena, .reason = reason};
    for (size_t i = 0; i < COPIED_TABLE_COUNT; i++)
        copy->rows[i] = copied_row_entity(&copied_tables[i], arena);
    for (size_t i = 0; i < COPIED_TABLE_COUNT; i++)
        copy->progress[i] = run_beginning(i);
    bool is_done = work(copy);

    close_side(&copy->source);
    close_side(&copy->target);
    for (size_t i = 0; i < COPIED_TABLE_COUNT; i++)
        run_scan_free(&copy->before[i]);
    return is_done;
}
