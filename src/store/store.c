#include "store/store.h"

#include "base/instant.h"
#include "store/follower.h"
#include "store/lane.h"
#include "store/migration.h"
#include "store/postgres/postgres.h"
#include "store/sqlite/read_pool.h"
#include "store/sqlite/sqlite.h"
#include "store/transaction.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { STORE_MAGIC = 0x53544f52 };

/* What is void in the index does not stay for good, even if nothing is written any more. */
#define INDEX_PAUSE_MAX_US (INT64_C(60) * 60 * MICROSECONDS_PER_SECOND)

static struct store *new_store(void)
{
    struct store *store = calloc(1, sizeof *store);

    if (!store)
        abort();
    store->magic = STORE_MAGIC;
    pthread_mutex_init(&store->readers_mutex, NULL);
    return store;
}

/* What is in the log already, and who follows it does not have, is told like any commit: by a page that holds
 * what it held. */
static void let_follow(struct store *store, struct connection *connection)
{
    follower_attach(store->followers.stream, store->database_path);
    sqlite_try_write(connection);
    if (!followers_note(&store->followers, connection))
        follower_doubt(store->followers.stream);
}

static struct store *open_embedded(struct text path, struct follower *follower, struct arena *arena,
                                   struct text *reason)
{
    struct connection *connection = sqlite_connection_open(path, SQLITE_WRITER, arena, reason);

    if (!connection)
        return NULL;
    if (!sqlite_migrate(connection, arena, reason)) {
        sqlite_connection_close(connection);
        return NULL;
    }
    struct store *store = new_store();

    store->database_path = strndup(path.data, path.length);
    if (!store->database_path)
        abort();
    store->followers.stream = follower;
    if (follower)
        let_follow(store, connection);
    store->writer = writer_start(store, connection, arena, reason);
    if (store->writer) {
        store->read_pool = read_pool_new(store);
        atomic_store(&store->has_unindexed, true); /* for all we know */
        return store;
    }
    free(store->database_path);
    free(store);
    return NULL;
}

static struct store *open_server(struct text url, const struct store_options *options, struct arena *arena,
                                 struct text *reason)
{
    struct postgres *postgres = postgres_open(url, options, arena, reason);

    if (!postgres)
        return NULL;
    struct store *store = new_store();

    store->postgres = postgres;
    return store;
}

struct store *store_open_with(struct text database, const struct store_options *options, struct arena *arena,
                              struct text *reason)
{
    return store_is_url(database) ? open_server(database, options, arena, reason)
                                  : open_embedded(database, options->follower, arena, reason);
}

struct store *store_open(struct text database, struct arena *arena, struct text *reason)
{
    return store_open_with(database, &(struct store_options){.connections = STORE_CONNECTIONS_DEFAULT}, arena,
                           reason);
}

void store_close(struct store *store)
{
    assert(store->magic == STORE_MAGIC);
    if (store->postgres) {
        postgres_close(store->postgres);
    } else {
        read_pool_free(store->read_pool);
        writer_stop(store->writer);
    }
    assert(!store->readers);
    pthread_mutex_destroy(&store->readers_mutex);
    free(store->database_path);
    store->magic = 0;
    free(store);
}

bool store_submit(struct store *store, struct store_command *command)
{
    assert(store->magic == STORE_MAGIC);
    return store->postgres ? postgres_submit_write(store->postgres, command)
                           : writer_submit(store->writer, command);
}

bool store_has_readers(const struct store *store)
{
    assert(store->magic == STORE_MAGIC);
    return !store->postgres;
}

bool store_submit_read(struct store *store, struct store_command *command)
{
    assert(store->magic == STORE_MAGIC && store->postgres);
    return postgres_submit_read(store->postgres, command);
}

enum store_verdict store_submit_slow_read(struct store *store, struct store_command *command)
{
    assert(store->magic == STORE_MAGIC);
    return store->postgres ? postgres_submit_slow_read(store->postgres, command)
                           : read_pool_submit(store->read_pool, command);
}

bool store_has_unindexed(const struct store *store)
{
    return atomic_load(&store->has_unindexed) ||
           (!store->postgres && monotonic_now_us() >= atomic_load(&store->index_due_us));
}

const struct failure *store_index_searched(struct store *store, struct transaction *transaction,
                                           const struct entity *entity, int64_t *count, bool *is_more)
{
    struct connection *connection = transaction->connection;
    uint64_t sequence = atomic_load(&store->commit_sequence);
    bool is_alone = sequence == store->indexed_sequence;

    *count = 0;
    *is_more = false;
    if (!connection->engine->index_searched)
        return NULL;
    store->indexed_sequence = sequence + 1; /* when this is committed */
    if (!connection->engine->index_searched(connection, entity, is_alone, count, is_more)) {
        transaction_fail(transaction);
    } else if (*count == 0) { /* and not sooner, because what was done may still be rolled back */
        atomic_store(&store->index_due_us, monotonic_now_us() + INDEX_PAUSE_MAX_US);
        atomic_store(&store->has_unindexed, false);
    }
    return transaction->failure;
}

void store_listen(struct store *store, store_change_listener *listener, void *context)
{
    assert(store->magic == STORE_MAGIC);
    if (store->postgres)
        postgres_listen(store->postgres, listener, context);
}

bool store_is_current(const struct store *store)
{
    return !store->postgres || postgres_is_current(store->postgres);
}

const struct failure *store_away_failure(struct store *store, struct arena *arena)
{
    assert(store->postgres);
    return postgres_away_failure(store->postgres, arena);
}

struct text store_name(const struct store *store)
{
    return store->postgres ? postgres_name(store->postgres) : text_from_string(store->database_path);
}

bool store_inspect(struct text database, bool thorough, struct store_facts *facts, struct arena *arena,
                   struct text *reason)
{
    *facts = (struct store_facts){0};
    return store_is_url(database) ? postgres_inspect(database, facts, arena, reason)
                                  : sqlite_inspect(database, thorough, &facts->schema_version, arena, reason);
}

bool store_look(struct text path, enum store_rest rest, struct arena *arena, struct text *reason,
                void (*look)(void *context, struct transaction *transaction), void *context)
{
    enum sqlite_mode mode = rest == STORE_REST_WHOLE ? SQLITE_AT_REST : SQLITE_READER;
    const struct call call = {.now_us = 0};
    struct connection *connection = sqlite_connection_open(path, mode, arena, reason);
    struct transaction transaction;

    if (!connection)
        return false;
    transaction_init(&transaction, connection, arena, &call);
    if (!sqlite_begin_read(connection))
        transaction_fail(&transaction);
    look(context, &transaction);
    sqlite_rollback(connection);
    sqlite_connection_close(connection);
    return true;
}

int store_schema_version(struct text database)
{
    return store_is_url(database) ? postgres_migration_count : sqlite_migration_count;
}

/* ---- for the operator ---- */

static int64_t file_bytes(const char *path, const char *suffix)
{
    char full_path[PATH_MAX];
    struct stat status;

    if ((size_t)snprintf(full_path, sizeof full_path, "%s%s", path, suffix) >= sizeof full_path)
        return -1;
    if (stat(full_path, &status) == 0)
        return status.st_size;
    return errno == ENOENT ? 0 : -1;
}

void store_file_bytes(const struct store *store, int64_t *database_bytes, int64_t *log_bytes)
{
    assert(store->magic == STORE_MAGIC);
    *database_bytes = store->postgres ? -1 : file_bytes(store->database_path, "");
    *log_bytes = store->postgres ? -1 : file_bytes(store->database_path, "-wal");
}

int64_t store_oldest_snapshot_us(struct store *store)
{
    assert(store->magic == STORE_MAGIC);
    return store->postgres ? -1 : readers_oldest_snapshot_us(store);
}

bool store_backup_begin(struct store *store, struct text path, int64_t bytes_per_second, struct arena *arena,
                        struct text *reason)
{
    assert(store->magic == STORE_MAGIC);
    if (!store->postgres)
        return writer_back_up(store->writer, path, bytes_per_second, arena, reason);
    *reason = TEXT("the data is in a PostgreSQL database: back it up with pg_dump, pg_basebackup or what its "
                   "host offers");
    return false;
}

void store_backup_tell(struct store *store, struct store_backup *told, struct arena *arena)
{
    assert(store->magic == STORE_MAGIC);
    *told = (struct store_backup){.state = STORE_BACKUP_NONE};
    if (!store->postgres)
        writer_tell_backup(store->writer, told, arena);
}

void store_backup_cancel(struct store *store, struct text path)
{
    assert(store->magic == STORE_MAGIC);
    if (!store->postgres)
        writer_cancel_backup(store->writer, path);
}

enum store_state store_state(const struct store *store)
{
    assert(store->magic == STORE_MAGIC);
    return store->postgres ? postgres_state(store->postgres)
                           : atomic_load_explicit(&store->state, memory_order_acquire);
}

const char *store_state_name(enum store_state state)
{
    static const char *const names[] = {
        [STORE_WELL] = "ok",
        [STORE_DISK_FULL] = "disk_full",
        [STORE_IO_ERROR] = "io_error",
        [STORE_READ_ONLY] = "read_only",
        [STORE_UNREACHABLE] = "database_unavailable",
        [STORE_SYNC_FAILED] = "sync_failed",
        [STORE_DATABASE_REMOVED] = "database_removed",
    };

    assert(state < sizeof names / sizeof names[0]);
    return names[state];
}

const char *store_engine_version(void)
{
    return sqlite3_libversion();
}

/* ---- waiting for a command ---- */

struct waiting_command {
    struct store_command command;
    const struct failure *(*run)(void *context, struct transaction *transaction);
    void *context;
    sem_t done;
};

static const struct failure *run_waiting(struct store_command *command, struct transaction *transaction)
{
    struct waiting_command *waiting = (struct waiting_command *)command;

    return waiting->run(waiting->context, transaction);
}

static void wake_waiting(struct store_command *command)
{
    sem_post(&((struct waiting_command *)command)->done);
}

static const struct failure *wait_for(struct store *store,
                                      bool (*submit)(struct store *, struct store_command *),
                                      struct waiting_command *waiting)
{
    sem_init(&waiting->done, 0, 0);
    if (!submit(store, &waiting->command)) {
        sem_destroy(&waiting->done);
        return failure_new(waiting->command.arena, FAILURE_SERVICE_UNAVAILABLE,
                           TEXT("the database is closing or has too much to do; try again later"));
    }
    while (sem_wait(&waiting->done) != 0)
        continue;
    sem_destroy(&waiting->done);
    return waiting->command.failure;
}

const struct failure *
store_write(struct store *store, struct arena *arena, const struct call *call,
            const struct failure *(*run)(void *context, struct transaction *transaction), void *context)
{
    struct waiting_command waiting = {
        .command = {.arena = arena, .call = call, .run = run_waiting, .done = wake_waiting},
        .run = run,
        .context = context,
    };

    return wait_for(store, store_submit, &waiting);
}

const struct failure *
store_write_in_background(struct store *store, struct arena *arena, const struct call *call,
                          const struct failure *(*run)(void *context, struct transaction *transaction),
                          void *context)
{
    struct waiting_command waiting = {
        .command =
            {.arena = arena, .call = call, .run = run_waiting, .done = wake_waiting, .is_background = true},
        .run = run,
        .context = context,
    };

    return wait_for(store, store_submit, &waiting);
}

static const struct failure *
read_embedded(struct store *store, struct arena *arena, const struct call *call,
              const struct failure *(*run)(void *context, struct transaction *transaction), void *context)
{
    struct text reason;
    struct store_reader *reader = store_reader_open(store, arena, &reason);
    struct transaction transaction;

    if (!reader)
        return failure_new(arena, FAILURE_SERVICE_UNAVAILABLE, reason);
    store_reader_begin(reader, &transaction, arena, call);
    const struct failure *failure = transaction.failure ? NULL : run(context, &transaction);

    store_reader_close(reader);
    return transaction.failure ? transaction.failure : failure;
}

const struct failure *store_read(struct store *store, struct arena *arena, const struct call *call,
                                 const struct failure *(*run)(void *context, struct transaction *transaction),
                                 void *context)
{
    struct waiting_command waiting = {
        .command =
            {.arena = arena, .call = call, .run = run_waiting, .done = wake_waiting, .runs_once = true},
        .run = run,
        .context = context,
    };

    return store->postgres ? wait_for(store, store_submit_read, &waiting)
                           : read_embedded(store, arena, call, run, context);
}
