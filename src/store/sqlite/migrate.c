/* migrate.c: brings a database to the schema of this program, one transaction a migration. */
#include "base/log.h"
#include "store/migration.h"
#include "store/sqlite/sqlite.h"

#include <stdio.h>

enum { PRAGMA_BYTES_MAX = 64 };

static bool apply(struct connection *connection, int version, struct arena *arena, struct text *reason)
{
    const struct migration *migration = &sqlite_migrations[version - 1];
    char pragmas[PRAGMA_BYTES_MAX * 2];

    snprintf(pragmas, sizeof pragmas, "PRAGMA application_id=%d; PRAGMA user_version=%d",
             SQLITE_APPLICATION_ID, version);
    if (sqlite_begin_write(connection) && sqlite_execute(connection, migration->sql) &&
        sqlite_execute(connection, pragmas) && sqlite_commit(connection)) {
        LOG_INFO("schema migrated", LOG_STRING("migration", migration->name));
        return true;
    }
    const struct failure *failure = sqlite_failure(connection, arena);

    *reason = arena_format(arena, "migration %s failed and was rolled back: %.*s", migration->name,
                           TEXT_FORMAT(failure->message));
    sqlite_rollback(connection);
    return false;
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

bool sqlite_migrate(struct connection *connection, struct arena *arena, struct text *reason)
{
    int64_t version = 0;

    if (!sqlite_pragma_integer(connection, "user_version", &version)) {
        *reason = sqlite_failure(connection, arena)->message;
        return false;
    }
    for (int next = (int)version + 1; next <= sqlite_migration_count; next++)
        if (!apply(connection, next, arena, reason))
            return false;
    return true;
}
