/* inspect.c: looks at a database that no server has open. */
#include "store/sqlite/handle.h"

#include "store/copy/side.h"
#include "store/database_files.h"

#include <string.h>

/* False with what is wrong first. */
static bool check_pages(struct connection *connection, struct arena *arena, struct text *reason)
{
    sqlite3_stmt *handle;
    bool is_right = false;

    if (sqlite3_prepare_v2(sqlite_of(connection)->handle, "PRAGMA quick_check(1)", -1, &handle, NULL) !=
        SQLITE_OK)
        return false;
    if (sqlite3_step(handle) == SQLITE_ROW) {
        const char *said = (const char *)sqlite3_column_text(handle, 0);

        is_right = strcmp(said, "ok") == 0;
        if (!is_right)
            *reason = arena_format(arena, "the database is damaged: %s", said);
    }
    sqlite3_finalize(handle);
    return is_right;
}

static bool is_ours(struct connection *connection)
{
    int64_t application_id = 0;

    return sqlite_pragma_integer(connection, "application_id", &application_id) &&
           application_id == SQLITE_APPLICATION_ID;
}

/* False on a failure; *reason is set when SQLite has none. */
static bool look_at(struct connection *connection, bool thorough, int *schema_version, struct arena *arena,
                    struct text *reason)
{
    int64_t version = 0;
    bool is_unfinished;

    if (is_ours(connection) && sqlite_pragma_integer(connection, "user_version", &version))
        *schema_version = (int)version; /* also one that this program does not know */
    if (!sqlite_recognise(connection, arena, reason) || !sqlite_is_unfinished(connection, &is_unfinished) ||
        !sqlite_execute(connection, "SELECT count(*) FROM sqlite_schema"))
        return false;
    if (is_unfinished) {
        *reason = TEXT("the database cannot be used: " COPY_UNFINISHED);
        return false;
    }
    return !thorough || check_pages(connection, arena, reason);
}

bool sqlite_inspect(struct text database_path, bool thorough, int *schema_version, struct arena *arena,
                    struct text *reason)
{
    /* Also a reader makes a log where there is none, with the mode that the database has now. */
    if (!database_files_check(database_path, arena, reason))
        return false;
    struct connection *connection = sqlite_connection_open(database_path, SQLITE_READER, arena, reason);

    if (!connection)
        return false;
    bool is_right = look_at(connection, thorough, schema_version, arena, reason);

    if (!is_right && !text_is_set(*reason))
        *reason = arena_format(arena, "%s", sqlite3_errmsg(sqlite_of(connection)->handle));
    sqlite_connection_close(connection);
    return is_right;
}
