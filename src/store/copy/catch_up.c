/* catch_up.c: what has changed in the source since it was copied, brought over while nobody writes to it.
 *
 * Before the source is held still, the target is read, and of each of its rows a digest is kept
 * (digest_map.h). Then the source is read: a row whose digest the target has not is one that was made or
 * changed, and a row of the target that the source has not was removed. So nothing has to say what has
 * changed: neither the audit trail, which does not tell of everything, nor a log that only one engine has.
 * The hash of the target follows from what it was, from the rows that were taken out of it, and from those
 * that were put in, which are read again. */
#include "store/copy/run.h"
#include "store/transaction.h"
#include "store/write.h"

#include <string.h>

enum {
    SEEN = 1, /* the bit of a digest that says that the source has the row, too */
    CHANGES_FIRST = 64,
};

/* ---- keys ---- */

/* Of the columns of a row's key: one, or behind the scope the id. */
static size_t key_values(const struct copied_table *table, const struct entity *row, const void *record,
                         struct value values[2])
{
    size_t count = copied_is_scoped(table) ? 2 : 1;

    for (size_t i = 0; i < count; i++)
        values[i] = write_column_value(&row->fields[COPIED_COLUMNS + i], record);
    return count;
}

static uint64_t key_of(const struct copied_table *table, const struct entity *row, const void *record,
                       struct buffer *scratch)
{
    struct value values[2];
    size_t count = key_values(table, row, record, values);
    uint8_t digest[SHA256_BYTES];
    uint64_t key;

    buffer_clear(scratch);
    for (size_t i = 0; i < count; i++)
        if (values[i].type == VALUE_TEXT)
            buffer_append(scratch, values[i].text);
        else
            buffer_append_bytes(scratch, &values[i].integer, sizeof values[i].integer);
    sha256(buffer_text(scratch), digest);
    memcpy(&key, digest, sizeof key);
    return key;
}

static uint64_t part_of(const uint8_t digest[SHA256_BYTES])
{
    uint64_t part;

    memcpy(&part, digest, sizeof part);
    return part & ~(uint64_t)SEEN;
}

/* ---- before ---- */

struct taking {
    const struct copied_table *table;
    struct scan *before;
    struct buffer scratch;
    /* of the source */
    struct change *changes;
    size_t change_count, change_capacity, seen_count;
    struct arena *arena; /* for the changes */
};

/* A row of the source that the target has not, or not so; or one that it only has (`is_gone`). */
struct change {
    const void *record;
    bool is_there, is_gone;
};

static void take_before(void *context, const struct entity *row, const void *record,
                        const uint8_t digest[SHA256_BYTES])
{
    struct taking *taking = context;

    digest_map_add(&taking->before->digests, key_of(taking->table, row, record, &taking->scratch),
                   part_of(digest));
}

bool catch_up_prepare(struct copy *copy)
{
    bool is_read = true;

    copy->state = (struct store_copy_state){.phase = STORE_COPY_COMPARING};
    for (size_t i = 0; is_read && i < COPIED_TABLE_COUNT; i++) {
        struct taking taking = {.table = &copied_tables[i], .before = &copy->before[i]};

        copy->state.what = copied_tables[i].name;
        run_tell(copy);
        is_read = run_scan(copy, &copy->target, i, &copy->before[i], take_before, &taking);
        buffer_free(&taking.scratch);
    }
    return is_read || run_cannot_read(copy, &copy->target);
}

/* ---- what has changed ---- */

static void *kept_record(const struct entity *row, const void *record, struct arena *arena)
{
    void *kept = arena_allocate(arena, row->struct_size);

    memcpy(kept, record, row->struct_size);
    for (size_t i = 0; i < row->field_count; i++)
        if (field_is_text(&row->fields[i]))
            *field_text(&row->fields[i], kept) = arena_copy(arena, field_text_of(&row->fields[i], record));
    return kept;
}

static void add_change(struct taking *taking, const struct entity *row, struct change change)
{
    if (taking->change_count == taking->change_capacity) {
        size_t capacity = taking->change_capacity ? 2 * taking->change_capacity : CHANGES_FIRST;
        struct change *changes = ARENA_ARRAY(taking->arena, struct change, capacity);

        if (taking->change_count)
            memcpy(changes, taking->changes, taking->change_count * sizeof *changes);
        taking->changes = changes;
        taking->change_capacity = capacity;
    }
    change.record = kept_record(row, change.record, taking->arena);
    taking->changes[taking->change_count++] = change;
}

static void take_source(void *context, const struct entity *row, const void *record,
                        const uint8_t digest[SHA256_BYTES])
{
    struct taking *taking = context;
    struct digest_slot *slot =
        digest_map_find(&taking->before->digests, key_of(taking->table, row, record, &taking->scratch));
    bool is_same = slot && slot->digest == part_of(digest);

    if (!is_same)
        add_change(taking, row, (struct change){.record = record, .is_there = slot != NULL});
    if (slot)
        slot->digest |= SEEN;
    taking->seen_count += slot != NULL;
}

static void take_gone(void *context, const struct entity *row, const void *record,
                      const uint8_t digest[SHA256_BYTES])
{
    struct taking *taking = context;
    const struct digest_slot *slot =
        digest_map_find(&taking->before->digests, key_of(taking->table, row, record, &taking->scratch));

    (void)digest;
    if (slot && !(slot->digest & SEEN))
        add_change(taking, row, (struct change){.record = record, .is_there = true, .is_gone = true});
}

/* ---- one row of the target ---- */

enum work { WORK_READ = 1, WORK_DELETE, WORK_UPDATE }; /* statements of a table */

static struct text where(const struct copied_table *table, const struct entity *row, struct arena *arena)
{
    return copied_is_scoped(table)
               ? TEXT("{scope = $1 AND id = $2}")
               : arena_format(arena, "%.*s = $1", TEXT_FORMAT(row->fields[COPIED_COLUMNS].name));
}

static struct text assignments(const struct entity *row, struct arena *arena)
{
    struct text list = text_none;

    for (size_t i = COPIED_COLUMNS + 1; i < row->field_count; i++)
        list = arena_format(arena, "%.*s%s%.*s = $%zu", TEXT_FORMAT(list), text_is_set(list) ? ", " : "",
                            TEXT_FORMAT(row->fields[i].name), i);
    return list;
}

static struct text sql_of(enum work work, const struct side *side, const struct copied_table *table,
                          const struct entity *row, struct arena *arena)
{
    struct text condition = where(table, row, arena);

    switch (work) {
    case WORK_READ:
        return arena_format(arena, "SELECT %s, %.*s FROM %.*s WHERE %.*s",
                            side->connection->engine->has_row_keys ? "rowid" : "0::bigint",
                            TEXT_FORMAT(copied_column_names(row, arena)), TEXT_FORMAT(table->name),
                            TEXT_FORMAT(condition));
    case WORK_DELETE:
        return arena_format(arena, "DELETE FROM %.*s WHERE %.*s", TEXT_FORMAT(table->name),
                            TEXT_FORMAT(condition));
    case WORK_UPDATE:
        return arena_format(arena, "UPDATE %.*s SET %.*s WHERE %.*s", TEXT_FORMAT(table->name),
                            TEXT_FORMAT(assignments(row, arena)), TEXT_FORMAT(condition));
    }
    return text_none;
}

static struct statement *statement_of(struct copy *copy, enum work work, size_t index)
{
    struct connection *connection = copy->target.connection;
    uint64_t key = (uintptr_t)&copied_tables[index] + (uintptr_t)work;
    struct statement *statement = connection->engine->find(connection, key);

    if (statement)
        return statement;
    const struct query query = {
        .text = sql_of(work, &copy->target, &copied_tables[index], copy->rows[index], copy->arena)};

    return connection->engine->prepare(connection, key, STATEMENT_FIXED,
                                       query_expand(&query, connection, copy->arena));
}

/* The row as the target has it, in *record. */
static bool read_back(struct copy *copy, size_t index, const struct change *change, void *record)
{
    const struct engine *engine = copy->target.connection->engine;
    struct statement *statement = statement_of(copy, WORK_READ, index);
    struct value values[2];
    size_t count = key_values(&copied_tables[index], copy->rows[index], change->record, values);
    bool is_read = statement && engine->start(statement, values, count) == STEP_ROW &&
                   engine->read_row(statement, copy->rows[index], &copy->target.chunk, record);

    if (statement)
        engine->end(statement);
    return is_read;
}

static bool run_on(struct copy *copy, enum work work, size_t index, const struct value *values, size_t count)
{
    struct statement *statement = statement_of(copy, work, index);

    return statement && copy->target.connection->engine->change(statement, values, count, NULL) == STEP_DONE;
}

/* A row that others refer to is changed in its place; all others make room. */
static bool make_room(struct copy *copy, size_t index, const struct change *change)
{
    const struct entity *row = copy->rows[index];
    struct value values[STORE_QUERY_PARAMETERS_MAX];
    size_t count = 0;

    if (!copied_tables[index].is_kept)
        return run_on(copy, WORK_DELETE, index, values,
                      key_values(&copied_tables[index], row, change->record, values));
    for (size_t i = COPIED_COLUMNS; i < row->field_count; i++)
        values[count++] = write_column_value(&row->fields[i], change->record);
    return run_on(copy, WORK_UPDATE, index, values, count);
}

/* ---- a table ---- */

/* Takes out what the target has of these rows. */
static bool take_out(struct copy *copy, size_t index, const struct taking *taking)
{
    struct scan *target = &copy->before[index];

    for (size_t i = 0; i < taking->change_count; i++) {
        const struct change *change = &taking->changes[i];

        if (!change->is_there)
            continue;
        arena_reset(&copy->target.chunk);
        void *record = arena_allocate(&copy->target.chunk, copy->rows[index]->struct_size);

        if (!read_back(copy, index, change, record))
            return false;
        row_hash_subtract(&target->hash, copy->rows[index], record);
        target->row_count--;
        if (!make_room(copy, index, change))
            return false;
    }
    return true;
}

static bool put_in(struct copy *copy, size_t index, const struct taking *taking)
{
    struct copied_rows rows = {.table = &copied_tables[index], .row = copy->rows[index]};
    size_t size = rows.row->struct_size;

    rows.records = arena_allocate(taking->arena, taking->change_count * size + 1);
    for (size_t i = 0; i < taking->change_count; i++)
        if (!taking->changes[i].is_gone && !(rows.table->is_kept && taking->changes[i].is_there))
            memcpy(copied_record(&rows, rows.count++), taking->changes[i].record, size);
    return rows.count == 0 || copy->target.engine->insert(copy->target.connection, &rows, taking->arena);
}

static bool add_back(struct copy *copy, size_t index, const struct taking *taking)
{
    struct scan *target = &copy->before[index];

    for (size_t i = 0; i < taking->change_count; i++) {
        if (taking->changes[i].is_gone)
            continue;
        arena_reset(&copy->target.chunk);
        void *record = arena_allocate(&copy->target.chunk, copy->rows[index]->struct_size);

        if (!read_back(copy, index, &taking->changes[i], record))
            return false;
        row_hash_add(&target->hash, copy->rows[index], record);
        target->row_count++;
        copy->result->copied_rows++;
    }
    return true;
}

static bool find_changes(struct copy *copy, size_t index, struct taking *taking, struct scan *source)
{
    struct scan again = {0};

    if (!run_scan(copy, &copy->source, index, source, take_source, taking))
        return run_cannot_read(copy, &copy->source);
    if (taking->seen_count == taking->before->digests.count)
        return true;
    if (taking->table->is_kept) /* which the same source would still have */
        return run_refuse(copy, arena_format(copy->arena, IS_ANOTHER, TEXT_FORMAT(copy->target.found.name)));
    bool is_read = run_scan(copy, &copy->target, index, &again, take_gone, taking);

    run_scan_free(&again);
    return is_read || run_cannot_read(copy, &copy->target);
}

static bool catch_up_table(struct copy *copy, size_t index)
{
    struct arena arena;
    struct taking taking = {.table = &copied_tables[index], .before = &copy->before[index], .arena = &arena};
    struct scan source = {0};

    arena_init(&arena);
    bool is_done = find_changes(copy, index, &taking, &source);

    if (is_done &&
        !(take_out(copy, index, &taking) && put_in(copy, index, &taking) && add_back(copy, index, &taking)))
        is_done = run_cannot_write(copy);
    run_take_scans(&copy->result->tables[index], &source, &copy->before[index]);
    run_scan_free(&source);
    run_scan_free(&copy->before[index]);
    buffer_free(&taking.scratch);
    arena_free(&arena);
    return is_done;
}

bool catch_up(struct copy *copy)
{
    struct side *target = &copy->target;

    run_begin_comparing(copy);
    if (!target->engine->begin(target->connection))
        return run_cannot_write(copy);
    for (size_t i = 0; i < COPIED_TABLE_COUNT; i++) {
        copy->state.what = copied_tables[i].name;
        if (!catch_up_table(copy, i))
            return false;
        copy->result->is_same = copy->result->is_same && copy->result->tables[i].is_same;
    }
    copy->result->is_compared = true;
    return !copy->result->is_same || target->engine->commit(target->connection) || run_cannot_write(copy);
}
