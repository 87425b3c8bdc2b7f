/* migrate.c: the schema's version, and bringing it to this program's.
 *
 * The database says which version its schema has and the oldest one that a program must know to work with it:
 * so processes of two versions may run side by side while one is replaced by the other. */
#include "store/postgres/handle.h"

#include "base/log.h"
#include "store/migration.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SQL_BYTES_MAX = 512 };

#define MIGRATION_LOCK "1181905000" /* POSTGRES_LOCKS */

static bool run(struct postgres_connection *connection, const char *sql)
{
    return postgres_send_text(connection, sql) && postgres_finish(connection);
}

/* A row of two integers, as text. False on an error; *count is the rows. */
static bool ask_integers(struct postgres_connection *connection, const char *sql, int *count,
                         int64_t values[2])
{
    struct statement question = {.connection = connection};

    *count = 0;
    if (postgres_send_text(connection, sql)) {
        struct awaited *last = &connection->awaited[connection->awaited_end - 1];

        last->kind = AWAITED_QUERY;
        last->statement = &question;
    }
    bool is_answered = postgres_finish(connection) && question.result;

    if (is_answered)
        *count = libpq.PQntuples(question.result);
    for (int i = 0; i < 2 && *count > 0; i++)
        values[i] = postgres_read_integer(question.result, 0, i);
    libpq.PQclear(question.result);
    return is_answered;
}

static bool tell_error(const struct postgres_connection *connection, struct arena *arena, struct text *reason)
{
    *reason = arena_format(arena, "cannot use the PostgreSQL database: %s", connection->error.message);
    return false;
}

bool postgres_schema_version(struct postgres_connection *connection, int *version, int *oldest_reader,
                             struct arena *arena, struct text *reason)
{
    int64_t values[2] = {0, 0};
    int count;

    *version = *oldest_reader = 0;
    if (!ask_integers(connection,
                      "SELECT count(*), 0::bigint FROM pg_class WHERE oid = to_regclass('schema_versions')",
                      &count, values))
        return tell_error(connection, arena, reason);
    if (values[0] == 0)
        return true;
    if (!ask_integers(connection,
                      "SELECT version::bigint, oldest_reader::bigint FROM schema_versions ORDER BY version "
                      "DESC LIMIT 1",
                      &count, values))
        return tell_error(connection, arena, reason);
    *version = count > 0 ? (int)values[0] : 0;
    *oldest_reader = count > 0 ? (int)values[1] : 0;
    if (*oldest_reader <= postgres_migration_count)
        return true;
    *reason = arena_format(
        arena,
        "the database has schema version %d, which programs that know version %d can use; this one "
        "knows versions up to %d: run a newer Farthing",
        *version, *oldest_reader, postgres_migration_count);
    return false;
}

/* A database of somebody else's: ours begins with nothing. */
static bool is_empty(struct postgres_connection *connection, struct arena *arena, struct text *reason)
{
    int64_t values[2] = {0, 0};
    int count;

    if (!ask_integers(
            connection,
            "SELECT count(*), 0::bigint FROM pg_class WHERE relnamespace = current_schema()::regnamespace "
            "AND relkind = 'r' AND relname IN ('tenants', 'customers', 'secrets', 'users')",
            &count, values))
        return tell_error(connection, arena, reason);
    if (values[0] == 0)
        return true;
    *reason = TEXT("the PostgreSQL database has tables of another program in its first schema; name an empty "
                   "database, or "
                   "an empty schema with ?options=-csearch_path%3DNAME");
    return false;
}

static bool apply(struct postgres_connection *connection, int version, struct arena *arena,
                  struct text *reason)
{
    const struct migration *migration = &postgres_migrations[version - 1];
    char record[SQL_BYTES_MAX];

    snprintf(record, sizeof record, "INSERT INTO schema_versions (version, oldest_reader) VALUES (%d, %d)",
             version, migration->oldest_reader);
    /* Several statements: only the simple protocol takes them, outside of a pipeline. */
    if (postgres_run_script(connection, "BEGIN") && postgres_run_script(connection, migration->sql) &&
        postgres_run_script(connection, record) && postgres_run_script(connection, "COMMIT")) {
        LOG_INFO("schema migrated", LOG_STRING("migration", migration->name));
        return true;
    }
    *reason = arena_format(arena, "migration %s failed and was rolled back: %s", migration->name,
                           connection->error.message);
    postgres_run_script(connection, "ROLLBACK");
    return false;
}

static bool migrate_locked(struct postgres_connection *connection, bool must_exist, struct arena *arena,
                           struct text *reason)
{
    int version, oldest_reader;

    if (!postgres_schema_version(connection, &version, &oldest_reader, arena, reason) ||
        (version == 0 && !is_empty(connection, arena, reason)))
        return false;
    if (version == 0 && must_exist) {
        *reason = TEXT(
            "the PostgreSQL database holds nothing of Farthing's; `farthing init` with a new data directory "
            "makes a new one there");
        return false;
    }
    for (int next = version + 1; next <= postgres_migration_count; next++)
        if (!apply(connection, next, arena, reason))
            return false;
    return true;
}

bool postgres_migrate(struct postgres_connection *connection, bool must_exist, struct arena *arena,
                      struct text *reason)
{
    /* Whoever comes second waits, as long as a migration takes. */
    if (!run(connection,
             "SELECT set_config('lock_timeout', '0', false), set_config('statement_timeout', '0', false)") ||
        !run(connection, "SELECT pg_advisory_lock(" MIGRATION_LOCK ")"))
        return tell_error(connection, arena, reason);
    bool is_done = migrate_locked(connection, must_exist, arena, reason);

    if (!run(connection, "SELECT pg_advisory_unlock(" MIGRATION_LOCK ")"))
        postgres_forget_error(connection); /* the lock goes with the session */
    return is_done;
}
