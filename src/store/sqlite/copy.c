/* copy.c: an embedded database as the source or the target of a copy (store/copy/side.h). */
#include "store/audit.h"
#include "store/copy/side.h"
#include "store/database_files.h"
#include "store/migration.h"
#include "store/row_key.h"
#include "store/sqlite/handle.h"
#include "store/write.h"

#include <stdio.h>
#include <stdlib.h>

/* The largest tables have several indexes, of which each batch changes pages all over. */
#define TARGET_CACHE "PRAGMA cache_size=-131072"

static struct text complaint(struct connection *connection, struct arena *arena)
{
    return arena_copy(arena, text_from_string(sqlite3_errmsg(sqlite_of(connection)->handle)));
}

/* ---- opening ---- */

static bool has_row(struct connection *connection, const char *sql, bool *is_there)
{
    sqlite3_stmt *handle;

    if (sqlite3_prepare_v2(sqlite_of(connection)->handle, sql, -1, &handle, NULL) != SQLITE_OK)
        return false;
    int code = sqlite3_step(handle);

    *is_there = code == SQLITE_ROW;
    return sqlite3_finalize(handle) == SQLITE_OK && (code == SQLITE_ROW || code == SQLITE_DONE);
}

bool sqlite_is_unfinished(struct connection *connection, bool *is_unfinished)
{
    return has_row(connection, "SELECT 1 FROM sqlite_schema WHERE name = '" COPY_PROGRESS_TABLE "'",
                   is_unfinished);
}

/* What of ours is in it. Every database that was ever used has a tenant. */
static bool look(struct connection *connection, struct copy_found *found)
{
    int64_t version;
    bool is_unfinished, is_used = false;

    if (!sqlite_pragma_integer(connection, "user_version", &version) ||
        !sqlite_is_unfinished(connection, &is_unfinished) ||
        (version > 0 && !has_row(connection, "SELECT 1 FROM tenants LIMIT 1", &is_used)))
        return false;
    found->schema_version = (int)version;
    found->content = is_unfinished ? COPY_CONTENT_UNFINISHED
                     : is_used     ? COPY_CONTENT_DATABASE
                                   : COPY_CONTENT_NONE;
    return true;
}

/* What an index is sorted with goes to the disk of the database, and not where there may be little room. */
static void sort_beside(struct text database, struct arena *arena)
{
    size_t length = database.length;

    while (length > 1 && database.data[length - 1] != '/')
        length--;
    setenv("SQLITE_TMPDIR", arena_string(arena, text_slice(database, 0, length)), 0);
}

static struct connection *open_side(struct text database, enum copy_use use, struct copy_found *found,
                                    struct arena *arena, struct text *reason)
{
    static const enum sqlite_mode modes[] = {
        [COPY_READS] = SQLITE_READER,
        [COPY_READS_WHOLE] = SQLITE_AT_REST,
        [COPY_WRITES] = SQLITE_WRITER,
    };

    *reason = text_none;
    found->name = database;
    if (use == COPY_WRITES)
        sort_beside(database, arena);
    if (use != COPY_READS_WHOLE && !database_files_check(database, arena, reason))
        return NULL;
    struct connection *connection = sqlite_connection_open(database, modes[use], arena, reason);

    if (!connection)
        return NULL;
    if (sqlite_recognise(connection, arena, reason) && look(connection, found) &&
        (use != COPY_WRITES || sqlite_execute(connection, TARGET_CACHE)))
        return connection;
    if (!text_is_set(*reason))
        *reason = arena_format(arena, "cannot read the database %.*s: %.*s", TEXT_FORMAT(database),
                               TEXT_FORMAT(complaint(connection, arena)));
    sqlite_connection_close(connection);
    return NULL;
}

static int schema_version(void)
{
    return sqlite_migration_count;
}

/* ---- reading ---- */

/* Its directory is locked, or nothing there changes: only the snapshot is to be taken. */
static bool hold_still(struct connection *connection, bool locks, struct arena *arena)
{
    (void)locks;
    (void)arena;
    return sqlite_begin_read(connection);
}

/* ---- writing ---- */

/* What has gathered in the log goes into the file: nothing else does that here. A disk that has no room for
 * it is full, although the log has taken the commit. */
static bool commit(struct connection *connection)
{
    return sqlite_commit(connection) &&
           (sqlite_wal_pages(connection) < STORE_CHECKPOINT_WAL_PAGES ||
            sqlite3_wal_checkpoint_v2(sqlite_of(connection)->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
                                      NULL) == SQLITE_OK);
}

static struct text insert_sql(const struct copied_rows *rows, struct arena *arena)
{
    struct buffer sql = {0};
    size_t count = rows->row->field_count - COPIED_COLUMNS + copied_is_scoped(rows->table);

    buffer_append_format(&sql, "INSERT INTO %.*s (%s%.*s) VALUES (", TEXT_FORMAT(rows->table->name),
                         copied_is_scoped(rows->table) ? "key, " : "",
                         TEXT_FORMAT(copied_column_names(rows->row, arena)));
    for (size_t i = 1; i <= count; i++)
        buffer_append_format(&sql, "%s$%zu", i > 1 ? ", " : "", i);
    buffer_append_char(&sql, ')');
    struct text text = arena_copy(arena, buffer_text(&sql));

    buffer_free(&sql);
    return text;
}

static struct statement *insert_statement(struct connection *connection, const struct copied_rows *rows,
                                          struct arena *arena)
{
    uint64_t key = (uintptr_t)rows->table;
    struct statement *statement = sqlite_find(connection, key);

    return statement ? statement : sqlite_prepare(connection, key, STATEMENT_FIXED, insert_sql(rows, arena));
}

/* A row whose key another one has takes the next (row_key.h). */
static bool insert_row(struct connection *connection, struct statement *statement, struct value *values,
                       size_t count, bool has_key, struct arena *arena)
{
    for (int probe = 0; probe < ROW_KEY_PROBES; probe++) {
        enum step step = sqlite_change(statement, values, count, NULL);

        if (step != STEP_CONFLICT || !has_key ||
            !text_equal(sqlite_engine.conflict_column(connection, arena), TEXT("key")))
            return step == STEP_DONE;
        values[0].integer++;
    }
    return false;
}

static bool insert(struct connection *connection, const struct copied_rows *rows, struct arena *arena)
{
    struct statement *statement = insert_statement(connection, rows, arena);
    bool has_key = copied_is_scoped(rows->table);
    struct value values[STORE_QUERY_PARAMETERS_MAX];
    const struct field *id = entity_field(rows->row, TEXT("id"));

    for (size_t i = 0; statement && i < rows->count; i++) {
        const void *record = copied_record(rows, i);
        size_t count = 0;

        if (has_key)
            values[count++] = value_integer(row_key(field_text_of(id, record)));
        for (size_t j = COPIED_COLUMNS; j < rows->row->field_count; j++)
            values[count++] = write_column_value(&rows->row->fields[j], record);
        if (!insert_row(connection, statement, values, count, has_key, arena))
            return false;
    }
    return statement != NULL;
}

/* A trigger keeps chains; it is away for this moment, in the same transaction. */
static bool clear_chains(struct connection *connection, struct arena *arena)
{
    sqlite3_stmt *handle;
    struct text trigger = text_none;

    if (sqlite3_prepare_v2(sqlite_of(connection)->handle,
                           "SELECT sql FROM sqlite_schema WHERE name = 'audit_chains_are_kept'", -1, &handle,
                           NULL) != SQLITE_OK)
        return false;
    if (sqlite3_step(handle) == SQLITE_ROW)
        trigger = arena_copy(arena, text_from_string((const char *)sqlite3_column_text(handle, 0)));
    sqlite3_finalize(handle);
    return text_is_set(trigger) &&
           sqlite_execute(connection, "DROP TRIGGER audit_chains_are_kept; DELETE FROM audit_chains") &&
           sqlite_execute(connection, arena_string(arena, trigger));
}

/* The chain of the one writer (store/audit.h), which a source may lack that nobody has written to for long.
 */
static bool settle(struct connection *connection, struct arena *arena)
{
    char sql[128];

    (void)arena;
    snprintf(sql, sizeof sql, "INSERT OR IGNORE INTO audit_chains (chain, position, hash) VALUES (%d, 0, '')",
             AUDIT_CHAIN_EMBEDDED);
    return sqlite_execute(connection, sql);
}

const struct copy_engine sqlite_copy_engine = {
    .kind = "sqlite",
    .indexes_sql =
        "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name",
    .open = open_side,
    .close = sqlite_connection_close,
    .schema_version = schema_version,
    .migrate = sqlite_migrate,
    .execute = sqlite_execute,
    .hold_still = hold_still,
    .begin = sqlite_begin_write,
    .commit = commit,
    .insert = insert,
    .clear_chains = clear_chains,
    .settle = settle,
    .complaint = complaint,
};
