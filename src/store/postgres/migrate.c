/* migrate.c: the schema's version, and bringing it to this program's.
 *
 * The database says which version its schema has and the oldest one that a program must know to work with it:
 * so processes of two versions may run side by side while one is replaced by the other. */
#include "store/postgres/handle.h"

#include "base/log.h"
#include "store/copy/side.h"
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

/* The answer, to be cleared; NULL on an error. */
static PGresult *ask(struct postgres_connection *connection, const char *sql)
{
    struct statement question = {.connection = connection};

    if (postgres_send_text(connection, sql)) {
        struct awaited *last = &connection->awaited[connection->awaited_end - 1];

        last->kind = AWAITED_QUERY;
        last->statement = &question;
    }
    if (postgres_finish(connection))
        return question.result;
    libpq.PQclear(question.result);
    return NULL;
}

/* A row of two integers. False on an error; *count is the rows. */
static bool ask_integers(struct postgres_connection *connection, const char *sql, int *count,
                         int64_t values[2])
{
    PGresult *result = ask(connection, sql);

    *count = result ? libpq.PQntuples(result) : 0;
    for (int i = 0; i < 2 && *count > 0; i++)
        values[i] = postgres_read_integer(result, 0, i);
    libpq.PQclear(result);
    return result != NULL;
}

static bool tell_error(const struct postgres_connection *connection, struct arena *arena, struct text *reason)
{
    *reason = postgres_cannot_use(&connection->error, arena);
    return false;
}

/* Texts of ours are UTF-8, whatever the server would make of them. */
static bool is_in_utf8(const struct postgres_connection *connection, struct arena *arena, struct text *reason)
{
    struct text encoding = text_from_string(libpq.PQparameterStatus(connection->handle, "server_encoding"));

    if (text_equal(encoding, TEXT("UTF8")))
        return true;
    *reason = arena_format(
        arena,
        "the PostgreSQL database %.*s has the encoding %.*s, and UTF8 is needed, which cannot be changed "
        "later: CREATE DATABASE another_name OWNER %s ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0",
        TEXT_FORMAT(postgres_name_of(connection, arena)), TEXT_FORMAT(encoding),
        libpq.PQuser(connection->handle));
    return false;
}

bool postgres_schema_version(struct postgres_connection *connection, int *version, int *oldest_reader,
                             struct arena *arena, struct text *reason)
{
    int64_t values[2] = {0, 0};
    int count;

    *version = *oldest_reader = 0;
    if (!is_in_utf8(connection, arena, reason))
        return false;
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

bool postgres_is_unfinished(struct postgres_connection *connection, bool *is_unfinished)
{
    int64_t values[2] = {0, 0};
    int count;
    bool is_known = ask_integers(
        connection,
        "SELECT count(*), 0::bigint FROM pg_class WHERE oid = to_regclass('" COPY_PROGRESS_TABLE "')", &count,
        values);

    *is_unfinished = values[0] > 0;
    return is_known;
}

bool postgres_is_whole(struct postgres_connection *connection, struct arena *arena, struct text *reason)
{
    bool is_unfinished;

    if (!postgres_is_unfinished(connection, &is_unfinished))
        return tell_error(connection, arena, reason);
    if (is_unfinished)
        *reason = arena_format(arena, "the PostgreSQL database %.*s cannot be used: " COPY_UNFINISHED,
                               TEXT_FORMAT(postgres_name_of(connection, arena)));
    return !is_unfinished;
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

bool postgres_may_create(struct postgres_connection *connection, struct arena *arena, struct text *reason)
{
    const char *role = libpq.PQuser(connection->handle), *database = libpq.PQdb(connection->handle);
    int64_t values[2] = {0, 0};
    int count;

    if (!ask_integers(connection,
                      "SELECT count(current_schema()), count(*) FILTER (WHERE "
                      "has_schema_privilege(current_schema(), 'CREATE'))",
                      &count, values))
        return tell_error(connection, arena, reason);
    if (values[0] == 0)
        *reason =
            arena_format(arena,
                         "no schema that the search_path names is there for %s to use in the PostgreSQL "
                         "database %s; make the one that the URL names (options=-csearch_path%%3DNAME) "
                         "in it: CREATE SCHEMA NAME AUTHORIZATION %s",
                         role, database, role);
    else if (values[1] == 0)
        *reason = arena_format(
            arena,
            "the role %s may not make tables in the PostgreSQL database %s; as PostgreSQL's "
            "administrator: ALTER DATABASE %s OWNER TO %s, or give it a schema of its own: CREATE "
            "SCHEMA NAME AUTHORIZATION %s, named by ?options=-csearch_path%%3DNAME in the URL",
            role, database, database, role, role);
    return values[0] > 0 && values[1] > 0;
}

struct text postgres_first_tenant(struct postgres_connection *connection, struct arena *arena)
{
    PGresult *result = ask(connection, "SELECT id FROM tenants ORDER BY created_at, id LIMIT 1");
    struct text id = text_none;

    if (!result)
        postgres_forget_error(connection);
    else if (libpq.PQntuples(result) > 0)
        id = arena_copy(
            arena, (struct text){libpq.PQgetvalue(result, 0, 0), (size_t)libpq.PQgetlength(result, 0, 0)});
    libpq.PQclear(result);
    return id;
}

/* What is to become of the work. */
enum ending { KEEP, KEEP_WHERE_THERE_IS_SOMETHING, ROLL_BACK };

/* Several statements: only the simple protocol takes them, outside of a pipeline. */
static bool run_one(struct postgres_connection *connection, int version)
{
    const struct migration *migration = &postgres_migrations[version - 1];
    char record[SQL_BYTES_MAX];

    snprintf(record, sizeof record, "INSERT INTO schema_versions (version, oldest_reader) VALUES (%d, %d)",
             version, migration->oldest_reader);
    return postgres_run_script(connection, migration->sql) && postgres_run_script(connection, record);
}

static bool fail(struct postgres_connection *connection, int version, struct arena *arena,
                 struct text *reason)
{
    *reason = arena_format(arena, "migration %s failed and was rolled back: %s",
                           postgres_migrations[version - 1].name, connection->error.message);
    postgres_run_script(connection, "ROLLBACK");
    return false;
}

/* All of them in one transaction, so that the database is never of a version that no program was ever of. */
static bool run_all(struct postgres_connection *connection, int version, enum ending ending,
                    struct arena *arena, struct text *reason)
{
    int last = postgres_migration_count;

    if (version >= last)
        return true;
    if (!postgres_run_script(connection, "BEGIN"))
        return fail(connection, version + 1, arena, reason);
    for (int next = version + 1; next <= last; next++)
        if (!run_one(connection, next))
            return fail(connection, next, arena, reason);
    if (!postgres_run_script(connection, ending == ROLL_BACK ? "SET CONSTRAINTS ALL IMMEDIATE" : "COMMIT"))
        return fail(connection, last, arena, reason);
    if (ending == ROLL_BACK)
        return postgres_run_script(connection, "ROLLBACK") || fail(connection, last, arena, reason);
    for (int next = version + 1; next <= last; next++)
        LOG_INFO("schema migrated", LOG_STRING("migration", postgres_migrations[next - 1].name));
    return true;
}

static bool migrate_locked(struct postgres_connection *connection, enum ending ending, struct arena *arena,
                           struct text *reason)
{
    int version, oldest_reader;

    if (!postgres_schema_version(connection, &version, &oldest_reader, arena, reason) ||
        !postgres_is_whole(connection, arena, reason) ||
        (version == 0 && !is_empty(connection, arena, reason)))
        return false;
    if (version == 0 && ending != KEEP) {
        *reason = arena_format(
            arena,
            "the PostgreSQL database %.*s holds nothing of Farthing's (it was emptied, or is not the one "
            "that "
            "was meant); `farthing init` with a new data directory makes a tenant and a key in it",
            TEXT_FORMAT(postgres_name_of(connection, arena)));
        return false;
    }
    if (version == 0 && !postgres_may_create(connection, arena, reason))
        return false;
    return run_all(connection, version, ending, arena, reason);
}

/* Whoever comes second waits, as long as a migration takes; but a rehearsal no longer for a lock than anybody
 * else, because others wait behind it. */
static bool migrate(struct postgres_connection *connection, enum ending ending, struct arena *arena,
                    struct text *reason)
{
    if (!run(connection, "SELECT set_config('statement_timeout', '0', false)") ||
        (ending != ROLL_BACK && !run(connection, "SELECT set_config('lock_timeout', '0', false)")) ||
        !run(connection, "SELECT pg_advisory_lock(" MIGRATION_LOCK ")"))
        return tell_error(connection, arena, reason);
    bool is_done = migrate_locked(connection, ending, arena, reason);

    if (!run(connection, "SELECT pg_advisory_unlock(" MIGRATION_LOCK ")"))
        postgres_forget_error(connection); /* the lock goes with the session */
    return is_done;
}

bool postgres_migrate(struct postgres_connection *connection, bool must_exist, struct arena *arena,
                      struct text *reason)
{
    return migrate(connection, must_exist ? KEEP_WHERE_THERE_IS_SOMETHING : KEEP, arena, reason);
}

bool postgres_migrate_at(struct text url, bool is_rehearsal, struct arena *arena, struct text *reason)
{
    if (!postgres_check_url(url, arena, reason))
        return false;
    struct postgres_connection *connection = postgres_connection_new(arena_string(arena, url), false);

    connection->is_quiet = connection->waits_forever = true;
    bool is_done =
        postgres_connect(connection)
            ? migrate(connection, is_rehearsal ? ROLL_BACK : KEEP_WHERE_THERE_IS_SOMETHING, arena, reason)
            : tell_error(connection, arena, reason);

    postgres_connection_free(connection);
    return is_done;
}
