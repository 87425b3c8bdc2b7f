#include "store/sqlite/handle.h"

#include "base/instant.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/processor.h"
#include "metrics/metrics.h"
#include "store/database_files.h"
#include "store/sqlite/search/search.h"
#include "store/sqlite/search/tables.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    CONNECTION_MAGIC = 0x53514c43,
    RESTART_WAIT_MS = 1000, /* for readers, when the log is to begin anew */
    EMPTY_WAIT_MS = 50,     /* for them, when it is to be empty: is tried again */
    BUSY_WAIT_MS = 5000,    /* for the file's own locks; only a foreign process can hold them that long */
    PRAGMA_TEXT_MAX = 128,
};

/* ---- opening and closing ---- */

static sqlite3_mem_methods system_memory;

static void *take_memory(int bytes)
{
    void *memory = system_memory.xMalloc(bytes);

    if (memory)
        return memory;
    memory_use_reserve();
    return system_memory.xMalloc(bytes);
}

static void *resize_memory(void *memory, int bytes)
{
    void *resized = system_memory.xRealloc(memory, bytes);

    if (resized)
        return resized;
    memory_use_reserve();
    return system_memory.xRealloc(memory, bytes);
}

static void share_reserve(void)
{
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &system_memory) != SQLITE_OK)
        return; /* somebody has set it up already */
    sqlite3_mem_methods with_reserve = system_memory;

    with_reserve.xMalloc = take_memory;
    with_reserve.xRealloc = resize_memory;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &with_reserve);
}

/* Once, before anything else of the library. Statistics that every allocation would update under a global
 * mutex are of no use here. */
static void configure_library(void)
{
    sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    share_reserve();
    sqlite3_initialize();
    sqlite_offer_between_writes();
}

static int remember_wal_pages(void *context, sqlite3 *handle, const char *database, int pages)
{
    struct sqlite_connection *connection = context;

    (void)handle;
    (void)database;
    connection->wal_pages = pages;
    connection->log_is_empty = false;
    connection->has_committed = true;
    connection->trouble = STORE_WELL; /* this is called for commits that the log has taken */
    return SQLITE_OK;
}

/* SQLite opens a file for reading when it cannot be written, and keeps another journal where a log cannot be
 * shared: both without an error. */
static bool check_writable(struct connection *connection, struct text *reason)
{
    if (sqlite3_db_readonly(sqlite_of(connection)->handle, "main") == 0)
        return true;
    *reason = TEXT("the file farthing.db in the data directory is read-only; it must be writable");
    return false;
}

static bool begin_log(struct connection *connection, struct text *reason)
{
    sqlite3_stmt *handle;
    bool is_wal = false;

    if (sqlite3_prepare_v2(sqlite_of(connection)->handle, "PRAGMA journal_mode=WAL", -1, &handle, NULL) !=
        SQLITE_OK)
        return false;
    int code = sqlite3_step(handle);

    if (code == SQLITE_ROW)
        is_wal = strcmp((const char *)sqlite3_column_text(handle, 0), "wal") == 0;
    if (code == SQLITE_ROW && !is_wal)
        *reason = TEXT("the file system of the data directory cannot hold a write-ahead log; "
                       "name a directory on a local disk with --data");
    /* The row only says what will be: the file is changed after it. */
    if (is_wal)
        is_wal = sqlite3_step(handle) == SQLITE_DONE;
    sqlite3_finalize(handle);
    return is_wal;
}

/* False on a failure; *reason is set when SQLite has none. */
static bool configure(struct connection *connection, enum sqlite_mode mode, struct text *reason)
{
    char cache[PRAGMA_TEXT_MAX], log_size[PRAGMA_TEXT_MAX];
    sqlite3 *handle = sqlite_of(connection)->handle;

    snprintf(cache, sizeof cache, "PRAGMA cache_size=-%d", STORE_CACHE_KIB);
    snprintf(log_size, sizeof log_size, "PRAGMA journal_size_limit=%d", STORE_LOG_BYTES_KEPT);
    sqlite3_extended_result_codes(handle, 1);
    sqlite3_busy_timeout(handle, BUSY_WAIT_MS);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    if (mode != SQLITE_WRITER) {
        sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, mode != SQLITE_SETTLER, NULL);
        return sqlite_execute(connection, "PRAGMA wal_autocheckpoint=0") && sqlite_execute(connection, cache);
    }
    /* auto-vacuum only matters while the file is empty: pages never move, so that the file is what backups
     * expect. What is deleted is overwritten (docs/privacy.md), whatever this SQLite does by itself. */
    if (!check_writable(connection, reason) || !sqlite_execute(connection, "PRAGMA auto_vacuum=NONE") ||
        !begin_log(connection, reason) || !sqlite_execute(connection, "PRAGMA synchronous=FULL") ||
        !sqlite_execute(connection, "PRAGMA wal_autocheckpoint=0") ||
        !sqlite_execute(connection, "PRAGMA secure_delete=ON") ||
        !sqlite_execute(connection, "PRAGMA foreign_keys=ON") || !sqlite_execute(connection, log_size) ||
        !sqlite_execute(connection, cache))
        return false;
    sqlite3_wal_hook(handle, remember_wal_pages, connection); /* takes the place of automatic checkpoints */
    return true;
}

/* A URI that has SQLite look for neither a log nor locks (sqlite.org/uri.html). */
static struct text immutable_name(struct text path, struct arena *arena)
{
    struct buffer name = {0};

    buffer_append(&name, TEXT("file:"));
    for (size_t i = 0; i < path.length; i++)
        if (path.data[i] == '%' || path.data[i] == '?' || path.data[i] == '#')
            buffer_append_format(&name, "%%%02X", (unsigned)(unsigned char)path.data[i]);
        else
            buffer_append_char(&name, path.data[i]);
    buffer_append(&name, TEXT("?immutable=1"));
    struct text copy = arena_copy(arena, buffer_text(&name));

    buffer_free(&name);
    return copy;
}

static bool has_log(struct text path, struct arena *arena)
{
    const char *log = arena_string(arena, arena_format(arena, "%.*s-wal", TEXT_FORMAT(path)));
    struct stat status;

    return stat(log, &status) == 0 && status.st_size > 0;
}

struct connection *sqlite_connection_open(struct text path, enum sqlite_mode mode, struct arena *arena,
                                          struct text *reason)
{
    static pthread_once_t configured = PTHREAD_ONCE_INIT;
    struct sqlite_connection *opened_connection = calloc(1, sizeof *opened_connection);
    bool writes = mode == SQLITE_WRITER || mode == SQLITE_SETTLER;
    int flags = (writes ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) |
                (mode == SQLITE_WRITER ? SQLITE_OPEN_CREATE : 0);

    if (!opened_connection)
        abort();
    pthread_once(&configured, configure_library);
    struct connection *connection = &opened_connection->base;

    connection->engine = &sqlite_engine;
    sqlite_of(connection)->magic = CONNECTION_MAGIC;
    *reason = text_none;
    if (writes && !database_files_check(path, arena, reason)) {
        sqlite_connection_close(connection);
        return NULL;
    }
    sqlite_of(connection)->log_was_left = mode == SQLITE_WRITER && has_log(path, arena);
    struct text name = mode == SQLITE_AT_REST ? immutable_name(path, arena) : path;
    bool opened =
        sqlite3_open_v2(arena_string(arena, name), &sqlite_of(connection)->handle,
                        flags | SQLITE_OPEN_NOMUTEX | (mode == SQLITE_AT_REST ? SQLITE_OPEN_URI : 0),
                        NULL) == SQLITE_OK;

    /* A file that is not ours must be left as it is: look before anything is set. */
    if (opened && (mode != SQLITE_WRITER || sqlite_recognise(connection, arena, reason)) &&
        configure(connection, mode, reason) && sqlite_add_functions(connection))
        return connection;
    if (!text_is_set(*reason))
        *reason = arena_format(arena, "cannot open the database %.*s: %s", TEXT_FORMAT(path),
                               sqlite3_errmsg(sqlite_of(connection)->handle));
    sqlite_connection_close(connection);
    return NULL;
}

/* Whether commits and checkpoints wait for the disk, as they must again after a checkpoint that did not. A
 * setting that failed for want of memory may have been made all the same. */
static bool wait_for_disk(struct connection *connection)
{
    struct sqlite_connection *writer = sqlite_of(connection);

    if (writer->is_unsynced && sqlite_execute(connection, "PRAGMA synchronous=FULL"))
        writer->is_unsynced = false;
    return !writer->is_unsynced;
}

void sqlite_connection_close(struct connection *connection)
{
    assert(sqlite_of(connection)->magic == CONNECTION_MAGIC);
    if (!wait_for_disk(connection))
        sqlite_keep_log(connection);
    sqlite_statements_free(connection);
    search_tables_free(sqlite_of(connection)->search);
    buffer_free(&connection->audit_scratch);
    sqlite3_close(sqlite_of(connection)->handle);
    sqlite_of(connection)->magic = 0;
    free(connection);
}

/* ---- errors ---- */

/* Why the system has refused a write: of its reasons SQLite tells apart a full disk alone. */
static enum store_state trouble_of_write(int system_error)
{
    switch (system_error) {
    case EDQUOT: /* of a user's or a directory's share of the disk */
    case EFBIG:  /* of the process's limit on the size of a file */
    case ENOSPC:
        return STORE_DISK_FULL;
    case EROFS: /* a disk that was found ill is turned read-only under open files */
    case EPERM:
    case EACCES:
        return STORE_READ_ONLY;
    default:
        return STORE_IO_ERROR;
    }
}

static enum store_state trouble_of(int code)
{
    if (code == SQLITE_IOERR_WRITE)
        return trouble_of_write(sqlite_write_errno());
    switch (code & 0xff) {
    case SQLITE_FULL:
        return STORE_DISK_FULL;
    case SQLITE_IOERR:
        return STORE_IO_ERROR;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return STORE_READ_ONLY;
    default:
        return STORE_WELL;
    }
}

/* NULL when it is not of the kind that goes away. */
static const char *unavailable_reason(enum store_state trouble, int code)
{
    if (trouble != STORE_WELL)
        return store_state_name(trouble);
    switch (code & 0xff) {
    case SQLITE_CANTOPEN:
        return "cannot_open";
    case SQLITE_INTERRUPT:
        return "timeout";
    case SQLITE_NOMEM:
        return "out_of_memory";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return "busy";
    default:
        return NULL;
    }
}

const struct failure *sqlite_failure(struct connection *connection, struct arena *arena)
{
    int code = sqlite3_extended_errcode(sqlite_of(connection)->handle);
    enum store_state trouble = trouble_of(code);
    const char *reason = unavailable_reason(trouble, code);

    LOG_ERROR("database error", LOG_STRING("error", sqlite3_errmsg(sqlite_of(connection)->handle)),
              LOG_INTEGER("code", code), LOG_STRING("reason", reason ? reason : "unknown"));
    if (trouble != STORE_WELL)
        sqlite_of(connection)->trouble = trouble;
    if (!reason)
        return failure_new(arena, FAILURE_DATABASE, TEXT("the database failed; the server's log says how"));
    return failure_add(
        failure_new(arena, FAILURE_SERVICE_UNAVAILABLE,
                    TEXT("the database cannot be used right now; nothing was changed, try again later")),
        arena, TEXT("reason"), text_from_string(reason));
}

static struct text conflict_column(struct connection *connection, struct arena *arena)
{
    /* "UNIQUE constraint failed: customers.scope, customers.external_id" */
    struct text message = arena_copy(arena, text_from_string(sqlite3_errmsg(sqlite_of(connection)->handle)));
    size_t start = message.length;

    while (start > 0 && message.data[start - 1] != '.')
        start--;
    return text_from(message, start);
}

static int64_t changed_rows(struct connection *connection)
{
    return sqlite3_changes64(sqlite_of(connection)->handle);
}

const struct engine sqlite_engine = {
    .has_row_keys = true,
    .counts_rows = true,
    .elements_before = "SELECT value FROM json_each(",
    .elements_after = ")",
    .matches =
        {
            [CASE_FOLD_ANYWHERE] = {"case_fold_matches(", ", ", ", 0)"},
            [CASE_FOLD_START] = {"case_fold_matches(", ", ", ", 1)"},
            [CASE_FOLD_END] = {"case_fold_matches(", ", ", ", 2)"},
            [CASE_FOLD_WHOLE] = {"case_fold_matches(", ", ", ", 3)"},
        },
    .entries = {"has_entries(", ", ", ")"},
    .ask_index = sqlite_ask_index,
    .reads_whole = sqlite_reads_whole,
    .index_searched = sqlite_index_searched,
    .find = sqlite_find,
    .prepare = sqlite_prepare,
    .start = sqlite_start,
    .next = sqlite_next,
    .end = sqlite_end,
    .read_row = sqlite_read_row,
    .change = sqlite_change,
    .changed_rows = changed_rows,
    .failure = sqlite_failure,
    .conflict_column = conflict_column,
};

bool sqlite_is_not_a_database(struct connection *connection)
{
    return (sqlite3_extended_errcode(sqlite_of(connection)->handle) & 0xff) == SQLITE_NOTADB;
}

/* ---- transactions ---- */

enum {
    LIMIT_CHECK_STEPS = 1000, /* of SQLite's machine: some 20 us */
    OFFER_US = 100,           /* or two that both take long do little else than take turns */
};

/* What may take long leaves the processor to whoever waits for microseconds. */
static int is_over(void *context)
{
    struct sqlite_connection *connection = context;
    int64_t now_us = monotonic_now_us();

    if (now_us - connection->offered_us >= OFFER_US) {
        processor_offer();
        connection->offered_us = monotonic_now_us();
    }
    return connection->is_over(connection->is_over_context);
}

void sqlite_limit(struct connection *connection, bool (*limit)(void *context), void *context)
{
    struct sqlite_connection *limited = sqlite_of(connection);

    if (!limited->is_over && !limit)
        return;
    limited->is_over = limit;
    limited->is_over_context = context;
    sqlite3_progress_handler(limited->handle, limit ? LIMIT_CHECK_STEPS : 0, limit ? is_over : NULL, limited);
}

bool sqlite_execute(struct connection *connection, const char *sql)
{
    assert(sqlite_of(connection)->magic == CONNECTION_MAGIC);
    return sqlite3_exec(sqlite_of(connection)->handle, sql, NULL, NULL, NULL) == SQLITE_OK;
}

bool sqlite_pragma_integer(struct connection *connection, const char *name, int64_t *value)
{
    char sql[PRAGMA_TEXT_MAX];
    sqlite3_stmt *handle;

    snprintf(sql, sizeof sql, "PRAGMA %s", name);
    if (sqlite3_prepare_v2(sqlite_of(connection)->handle, sql, -1, &handle, NULL) != SQLITE_OK)
        return false;
    bool found = sqlite3_step(handle) == SQLITE_ROW;

    *value = found ? sqlite3_column_int64(handle, 0) : 0;
    sqlite3_finalize(handle);
    return found;
}

/* A statement without parameters and rows, prepared once. */
static bool run_kept(struct connection *connection, const char *sql)
{
    uint64_t key = (uintptr_t)sql;
    struct statement *statement = sqlite_find(connection, key);

    if (!statement)
        statement = sqlite_prepare(connection, key, STATEMENT_FIXED, text_from_string(sql));
    enum step step = statement ? sqlite_start(statement, NULL, 0) : STEP_FAILED;

    if (statement)
        sqlite_end(statement);
    return step == STEP_DONE;
}

static const char begin_read[] = "BEGIN";
static const char begin_write[] = "BEGIN IMMEDIATE";
static const char commit[] = "COMMIT";
static const char rollback[] = "ROLLBACK";
static const char savepoint[] = "SAVEPOINT command";
static const char release_savepoint[] = "RELEASE command";
static const char rollback_to_savepoint[] = "ROLLBACK TO command";

bool sqlite_begin_read(struct connection *connection)
{
    return run_kept(connection, begin_read);
}

bool sqlite_begin_write(struct connection *connection)
{
    sqlite_rollback(connection); /* of one that could not be rolled back, for want of memory */
    return wait_for_disk(connection) && run_kept(connection, begin_write);
}

bool sqlite_commit(struct connection *connection)
{
    return run_kept(connection, commit);
}

void sqlite_rollback(struct connection *connection)
{
    /* Some errors have rolled back already. */
    if (sqlite_in_transaction(connection))
        run_kept(connection, rollback);
}

bool sqlite_in_transaction(struct connection *connection)
{
    return !sqlite3_get_autocommit(sqlite_of(connection)->handle);
}

bool sqlite_savepoint(struct connection *connection)
{
    return run_kept(connection, savepoint);
}

bool sqlite_release(struct connection *connection)
{
    return run_kept(connection, release_savepoint);
}

bool sqlite_rollback_to(struct connection *connection)
{
    return run_kept(connection, rollback_to_savepoint) && run_kept(connection, release_savepoint);
}

int64_t sqlite_changes(struct connection *connection)
{
    return sqlite3_total_changes64(sqlite_of(connection)->handle);
}

bool sqlite_has_committed(struct connection *connection)
{
    bool has_committed = sqlite_of(connection)->has_committed;

    sqlite_of(connection)->has_committed = false;
    return has_committed;
}

int sqlite_wal_pages(const struct connection *connection)
{
    return ((const struct sqlite_connection *)connection)->wal_pages;
}

bool sqlite_log_was_left(const struct connection *connection)
{
    return ((const struct sqlite_connection *)connection)->log_was_left;
}

unsigned sqlite_log_held_count(const struct connection *connection)
{
    return ((const struct sqlite_connection *)connection)->log_held_count;
}

enum store_state sqlite_trouble(const struct connection *connection)
{
    return ((const struct sqlite_connection *)connection)->trouble;
}

void sqlite_try_write(struct connection *connection)
{
    char sql[PRAGMA_TEXT_MAX];
    int64_t version;

    if (!sqlite_begin_write(connection))
        return;
    if (sqlite_pragma_integer(connection, "user_version", &version)) {
        snprintf(sql, sizeof sql, "PRAGMA user_version=%d", (int)version);
        if (sqlite_execute(connection, sql) && sqlite_commit(connection))
            return;
    }
    sqlite_rollback(connection);
}

static int copy_log(struct connection *connection, int mode)
{
    int log_pages = -1, copied_pages = -1;
    int64_t started_us = monotonic_now_us();
    int code =
        sqlite3_wal_checkpoint_v2(sqlite_of(connection)->handle, NULL, mode, &log_pages, &copied_pages);

    metrics_observe(&metrics_here()->database_checkpoint_duration_us[METRICS_CHECKPOINT_COPY],
                    monotonic_now_us() - started_us);
    if (code == SQLITE_OK && mode == SQLITE_CHECKPOINT_TRUNCATE) {
        sqlite_of(connection)->wal_pages = 0;
        sqlite_of(connection)->log_is_empty = true;
    }
    if (code == SQLITE_BUSY && mode == SQLITE_CHECKPOINT_RESTART)
        sqlite_of(connection)->log_held_count++;
    if (code != SQLITE_OK && code != SQLITE_BUSY)
        LOG_ERROR("checkpoint failed", LOG_STRING("error", sqlite3_errmsg(sqlite_of(connection)->handle)),
                  LOG_INTEGER("code", code));
    return copied_pages > 0 ? copied_pages : 0;
}

/* Waits for readers in between, at most so long. */
static int copy_log_waiting(struct connection *connection, int mode, int wait_ms)
{
    sqlite3_busy_timeout(sqlite_of(connection)->handle, wait_ms);
    int copied_pages = copy_log(connection, mode);

    sqlite3_busy_timeout(sqlite_of(connection)->handle, BUSY_WAIT_MS);
    return copied_pages;
}

int sqlite_checkpoint(struct connection *connection, enum sqlite_checkpoint_mode mode)
{
    int copied_pages = 0;

    if (!wait_for_disk(connection))
        return 0;
    switch (mode) {
    case CHECKPOINT_WITH_SYNC:
        return copy_log(connection, SQLITE_CHECKPOINT_PASSIVE);
    case CHECKPOINT_WITHOUT_SYNC:
        sqlite_of(connection)->is_unsynced = true;
        if (sqlite_execute(connection, "PRAGMA synchronous=OFF"))
            copied_pages = copy_log(connection, SQLITE_CHECKPOINT_PASSIVE);
        wait_for_disk(connection); /* if not now, then before anything is committed */
        return copied_pages;
    case CHECKPOINT_AND_RESTART:
        return copy_log_waiting(connection, SQLITE_CHECKPOINT_RESTART, RESTART_WAIT_MS);
    case CHECKPOINT_AND_EMPTY:
        return copy_log_waiting(connection, SQLITE_CHECKPOINT_TRUNCATE, EMPTY_WAIT_MS);
    }
    return copied_pages;
}

bool sqlite_log_is_empty(const struct connection *connection)
{
    return ((const struct sqlite_connection *)connection)->log_is_empty;
}

void sqlite_keep_log(struct connection *connection)
{
    sqlite3_db_config(sqlite_of(connection)->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}
