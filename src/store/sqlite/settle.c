/* settle.c: has a database that nobody uses stand alone in its file. */
#include "store/sqlite/handle.h"

bool sqlite_settle(struct text database_path, struct arena *arena, struct text *reason)
{
    struct connection *connection = sqlite_connection_open(database_path, SQLITE_SETTLER, arena, reason);

    if (!connection)
        return false;
    sqlite3 *handle = sqlite_of(connection)->handle;
    bool is_settled =
        sqlite3_wal_checkpoint_v2(handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK;

    if (!is_settled)
        *reason = arena_format(arena, "the log of %.*s could not be copied back into it: %s",
                               TEXT_FORMAT(database_path), sqlite3_errmsg(handle));
    sqlite_connection_close(connection);
    return is_settled;
}
