/* copy.c: a PostgreSQL database as the source or the target of a copy (store/copy/side.h). */
#include "store/copy/side.h"
#include "store/migration.h"
#include "store/postgres/handle.h"

#include <time.h>

enum { LOCK_ATTEMPTS = 50, LOCK_PAUSE_MS = 200 }; /* ten seconds */

/* Whoever copies into a database has it to the end of the session; "Frth" and more than any turn's number. */
#define COPY_LOCK "1181905100"

/* What may take long is waited for, and a lock as long as a write may last. When the command is killed, its
 * session ends within a second, whatever it is at, so that the next one can go on. */
static const char session_sql[] =
    "SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', '30000', false), "
    "set_config('idle_in_transaction_session_timeout', '0', false), "
    "set_config('maintenance_work_mem', '256MB', false), "
    "set_config('client_connection_check_interval', '1000', false)";

static struct text complaint(struct connection *connection, struct arena *arena)
{
    return arena_copy(arena, text_from_string(postgres_of(connection)->error.message));
}

static bool execute(struct connection *connection, const char *sql)
{
    return postgres_finish(postgres_of(connection)) && postgres_run_script(postgres_of(connection), sql);
}

static bool execute_text(struct connection *connection, const struct buffer *sql, struct arena *arena)
{
    return execute(connection, arena_string(arena, buffer_text(sql)));
}

static bool ask_number(struct postgres_connection *connection, const char *sql, int64_t *number)
{
    struct statement *statement = postgres_kept_statement(connection, sql);
    bool is_told = postgres_engine.start(statement, NULL, 0) == STEP_ROW;

    *number = is_told ? postgres_read_integer(statement->result, 0, 0) : 0;
    postgres_engine.end(statement);
    return postgres_finish(connection) && is_told;
}

/* ---- opening ---- */

static const char lock_sql[] = "SELECT pg_try_advisory_lock(" COPY_LOCK ")::integer";
/* Every database that was ever used has a tenant. */
static const char used_sql[] = "SELECT count(*) FROM (SELECT 1 FROM tenants LIMIT 1) AS t";

/* Waits for the session of a command that was killed to end. */
static bool take_target(struct postgres_connection *connection, int64_t *has_lock)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * INT64_C(1000000)};

    for (int attempt = 1; ask_number(connection, lock_sql, has_lock); attempt++) {
        if (*has_lock || attempt == LOCK_ATTEMPTS)
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

/* False with a reason, or without one when the connection has it. */
static bool look(struct postgres_connection *connection, enum copy_use use, struct copy_found *found,
                 struct arena *arena, struct text *reason)
{
    int oldest_reader;
    int64_t has_lock = 1, used = 0;
    bool is_unfinished;

    found->name = postgres_name_of(connection, arena);
    if (!postgres_run_script(connection, session_sql) ||
        !postgres_schema_version(connection, &found->schema_version, &oldest_reader, arena, reason) ||
        !postgres_is_unfinished(connection, &is_unfinished) ||
        (found->schema_version > 0 && !ask_number(connection, used_sql, &used)) ||
        (use == COPY_WRITES && !take_target(connection, &has_lock)))
        return false;
    if (!has_lock)
        *reason = arena_format(arena, "somebody else is copying into the PostgreSQL database %.*s",
                               TEXT_FORMAT(found->name));
    found->content = is_unfinished ? COPY_CONTENT_UNFINISHED
                     : used        ? COPY_CONTENT_DATABASE
                                   : COPY_CONTENT_NONE;
    return has_lock;
}

static struct connection *open_side(struct text database, enum copy_use use, struct copy_found *found,
                                    struct arena *arena, struct text *reason)
{
    *reason = text_none;
    if (!postgres_check_url(database, arena, reason))
        return NULL;
    struct postgres_connection *connection = postgres_connection_new(arena_string(arena, database), false);

    connection->is_quiet = connection->waits_forever = true;
    if (postgres_connect(connection) && look(connection, use, found, arena, reason))
        return &connection->base;
    if (!text_is_set(*reason))
        *reason = postgres_cannot_use(&connection->error, arena);
    postgres_connection_free(connection);
    return NULL;
}

static void close_side(struct connection *connection)
{
    postgres_connection_free(postgres_of(connection));
}

static int schema_version(void)
{
    return postgres_migration_count;
}

static bool migrate(struct connection *connection, struct arena *arena, struct text *reason)
{
    return postgres_migrate(postgres_of(connection), false, arena, reason) &&
           postgres_run_script(postgres_of(connection), session_sql);
}

/* ---- reading ---- */

static void append_tables(struct buffer *sql)
{
    for (size_t i = 0; i < COPIED_TABLE_COUNT; i++)
        buffer_append_format(sql, "%s%.*s", i ? ", " : "", TEXT_FORMAT(copied_tables[i].name));
}

/* Servers go on to read, and wait with what they want to write. */
static bool hold_still(struct connection *connection, bool locks, struct arena *arena)
{
    struct buffer sql = {0};

    buffer_append(&sql, TEXT("BEGIN ISOLATION LEVEL REPEATABLE READ"));
    if (locks) {
        buffer_append(&sql, TEXT("; LOCK TABLE "));
        append_tables(&sql);
        buffer_append(&sql, TEXT(" IN SHARE MODE"));
    }
    bool is_held = execute_text(connection, &sql, arena);

    buffer_free(&sql);
    return is_held;
}

/* ---- writing ---- */

static bool begin(struct connection *connection)
{
    return execute(connection, "BEGIN");
}

static bool commit(struct connection *connection)
{
    return execute(connection, "COMMIT");
}

static bool insert(struct connection *connection, const struct copied_rows *rows, struct arena *arena)
{
    return postgres_copy_in(postgres_of(connection), rows, arena);
}

static bool clear_chains(struct connection *connection, struct arena *arena)
{
    (void)arena;
    return execute(connection, "ALTER TABLE audit_chains DISABLE TRIGGER audit_chains_are_kept; "
                               "DELETE FROM audit_chains; "
                               "ALTER TABLE audit_chains ENABLE TRIGGER audit_chains_are_kept");
}

/* The next row's number follows the greatest one that is there. */
static bool settle(struct connection *connection, struct arena *arena)
{
    struct buffer sql = {0};

    for (size_t i = 0; i < COPIED_TABLE_COUNT; i++) {
        struct text table = copied_tables[i].name, column = copied_tables[i].entity->fields[0].name;

        if (copied_is_numbered(&copied_tables[i]))
            buffer_append_format(&sql,
                                 "SELECT setval(pg_get_serial_sequence('%.*s', '%.*s'), "
                                 "greatest(max(%.*s), 1), coalesce(max(%.*s), 0) > 0) FROM %.*s; ",
                                 TEXT_FORMAT(table), TEXT_FORMAT(column), TEXT_FORMAT(column),
                                 TEXT_FORMAT(column), TEXT_FORMAT(table));
    }
    bool is_done = execute_text(connection, &sql, arena);

    buffer_free(&sql);
    return is_done;
}

static bool analyse(struct connection *connection, struct arena *arena)
{
    struct buffer sql = {0};

    buffer_append(&sql, TEXT("ANALYZE "));
    append_tables(&sql);
    bool is_done = execute_text(connection, &sql, arena);

    buffer_free(&sql);
    return is_done;
}

const struct copy_engine postgres_copy_engine = {
    .kind = "postgres",
    .indexes_sql =
        "SELECT indexname::text, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND NOT EXISTS "
        "(SELECT 1 FROM pg_constraint WHERE conindid = format('%I.%I', schemaname, indexname)::regclass) "
        "ORDER BY indexname",
    .open = open_side,
    .close = close_side,
    .schema_version = schema_version,
    .migrate = migrate,
    .execute = execute,
    .hold_still = hold_still,
    .begin = begin,
    .commit = commit,
    .insert = insert,
    .clear_chains = clear_chains,
    .settle = settle,
    .analyse = analyse,
    .complaint = complaint,
};
