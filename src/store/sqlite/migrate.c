/* migrate.c: brings a database to the schema of this program, in one transaction. */
#include "base/log.h"
#include "store/copy/side.h"
#include "store/migration.h"
#include "store/sqlite/handle.h"

#include <stdio.h>

enum { PRAGMA_BYTES_MAX = 64 };

static bool run(struct connection *connection, int version)
{
    char pragmas[PRAGMA_BYTES_MAX * 2];

    snprintf(pragmas, sizeof pragmas, "PRAGMA application_id=%d; PRAGMA user_version=%d",
             SQLITE_APPLICATION_ID, version);
    return sqlite_execute(connection, sqlite_migrations[version - 1].sql) &&
           sqlite_execute(connection, pragmas);
}

/* Whether a commit would find every row that another one refers to. */
static bool could_commit(struct connection *connection)
{
    int missing = 0, highest;

    return sqlite3_db_status(sqlite_of(connection)->handle, SQLITE_DBSTATUS_DEFERRED_FKS, &missing, &highest,
                             0) == SQLITE_OK &&
           missing == 0;
}

static bool fail(struct connection *connection, int version, struct arena *arena, struct text *reason)
{
    const struct failure *failure = sqlite_failure(connection, arena);

    *reason = arena_format(arena, "migration %s failed and was rolled back: %.*s",
                           sqlite_migrations[version - 1].name, TEXT_FORMAT(failure->message));
    sqlite_rollback(connection);
    return false;
}

/* Runs what the database lacks, all of it in one transaction, so that it is never of a version that no
 * program was ever of. */
static bool run_all(struct connection *connection, bool is_rehearsal, struct arena *arena,
                    struct text *reason)
{
    int64_t version = 0;
    int last = sqlite_migration_count;
    bool is_unfinished;

    if (!sqlite_pragma_integer(connection, "user_version", &version) ||
        !sqlite_is_unfinished(connection, &is_unfinished)) {
        *reason = sqlite_failure(connection, arena)->message;
        return false;
    }
    if (is_unfinished) {
        *reason = TEXT("the database cannot be used: " COPY_UNFINISHED);
        return false;
    }
    if (version >= last)
        return true;
    if (!sqlite_begin_write(connection))
        return fail(connection, (int)version + 1, arena, reason);
    for (int next = (int)version + 1; next <= last; next++)
        if (!run(connection, next))
            return fail(connection, next, arena, reason);
    if (is_rehearsal ? !could_commit(connection) : !sqlite_commit(connection))
        return fail(connection, last, arena, reason);
    sqlite_rollback(connection); /* of a rehearsal */
    for (int next = (int)version + 1; next <= last && !is_rehearsal; next++)
        LOG_INFO("schema migrated", LOG_STRING("migration", sqlite_migrations[next - 1].name));
    return true;
}

bool sqlite_migrate(struct connection *connection, struct arena *arena, struct text *reason)
{
    return run_all(connection, false, arena, reason);
}

bool sqlite_rehearse(struct connection *connection, struct arena *arena, struct text *reason)
{
    return run_all(connection, true, arena, reason);
}

bool sqlite_recognise(struct connection *connection, struct arena *arena, struct text *reason)
{
    int64_t version = 0, application_id = 0, pages = 0;
    bool is_read = sqlite_pragma_integer(connection, "user_version", &version) &&
                   sqlite_pragma_integer(connection, "application_id", &application_id) &&
                   sqlite_pragma_integer(connection, "page_count", &pages);
    bool is_ours = application_id == SQLITE_APPLICATION_ID
                       ? version > 0
                       : application_id == 0 && version == 0 && pages <= 1;

    if (!is_read && !sqlite_is_not_a_database(connection))
        return false;
    if (!is_read || !is_ours) {
        *reason = TEXT("the file farthing.db in the data directory is not a database of Farthing; "
                       "name another directory with --data");
        return false;
    }
    if (version > sqlite_migration_count) {
        *reason =
            arena_format(arena,
                         "the database has schema version %lld, this program knows versions up to %d; run a "
                         "newer Farthing",
                         (long long)version, sqlite_migration_count);
        return false;
    }
    return true;
}
