/* writer.c: the write lane of the embedded database: one thread, group commit, replay of a failed batch,
 * checkpoints.
 *
 * Whatever waits is taken as one batch and run in one transaction, without a savepoint a command, because
 * almost no command fails. When one fails after it has changed something, the whole batch is rolled back and
 * run again, each command in a savepoint of its own; instants and input are fixed, so the replay does the
 * same. Only when the commit is durable are the commands answered. */
#include "store/audit_chain.h"
#include "store/command_list.h"
#include "store/lane.h"

#include "base/instant.h"
#include "base/log.h"
#include "base/processor.h"
#include "metrics/metrics.h"
#include "store/sqlite/backup.h"
#include "store/sqlite/checkpoint.h"
#include "store/sqlite/log_watch.h"
#include "store/write.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { WRITER_MAGIC = 0x57524954 };

struct writer {
    uint32_t magic;
    struct store *store;
    struct connection *connection;
    struct checkpointer *checkpointer; /* closes the connection */
    struct log_watch log_watch;
    struct buffer scratch;
    pthread_t thread;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t woken;
    struct command_list queue;
    struct command_list background; /* those that let others go first */
    bool stopping;
    struct backup *backup;       /* the last one; NULL: there was none */
    struct backup *ended_backup; /* the one before, for the writer's thread to free */
    int64_t backup_next_us;      /* when it goes on, monotonic; INT64_MAX: it does not */
};

/* ---- what callers and the operator are told of the disk ---- */

static void publish_state(struct writer *writer)
{
    enum store_state lasting = checkpointer_state(writer->checkpointer),
                     state = lasting != STORE_WELL ? lasting : sqlite_trouble(writer->connection);

    if (state == STORE_WELL && store_state(writer->store) != STORE_WELL)
        LOG_INFO("the database takes writes again");
    atomic_store_explicit(&writer->store->state, state, memory_order_release);
}

static const struct failure *database_removed(struct arena *arena)
{
    return failure_add(failure_new(arena, FAILURE_SERVICE_UNAVAILABLE,
                                   TEXT("the database was removed or replaced while the server ran; nothing "
                                        "was changed, and nothing will be before its operator restarts it")),
                       arena, TEXT("reason"), text_from_string(store_state_name(STORE_DATABASE_REMOVED)));
}

/* ---- one batch ---- */

/* NULL, or why nothing can be written. */
static const struct failure *begin_batch(struct writer *writer, struct arena *arena)
{
    if (checkpointer_state(writer->checkpointer) == STORE_DATABASE_REMOVED)
        return database_removed(arena);
    return sqlite_begin_write(writer->connection) ? NULL : sqlite_failure(writer->connection, arena);
}

static void roll_back(struct writer *writer)
{
    sqlite_rollback(writer->connection);
    audit_chain_forget(writer->connection);
}

/* Moves commands from `pending` to `batch` and runs them, until there are enough or time is up. False when
 * one failed after it had changed something, or when its error has ended the transaction: then nothing of the
 * batch may stand. */
static bool run_batch(struct writer *writer, struct command_list *pending, struct command_list *batch)
{
    int64_t deadline_us = monotonic_now_us() + STORE_BATCH_US_MAX;

    while (pending->first && batch->count < STORE_BATCH_COMMANDS_MAX) {
        struct store_command *command = command_list_take(pending);
        int64_t changes = sqlite_changes(writer->connection);

        command_list_append(batch, command);
        command->failure = transaction_run_command(writer->connection, command, &writer->scratch);
        if (command->failure &&
            (sqlite_changes(writer->connection) != changes || !sqlite_in_transaction(writer->connection)))
            return false;
        processor_offer(); /* the loops on this processor have callers who wait for microseconds */
        if (monotonic_now_us() > deadline_us)
            break;
    }
    return true;
}

/* Runs a command that may fail without the others. False when its error has ended the whole transaction (as a
 * full disk does): nothing may run behind it, because outside a transaction a savepoint commits by itself. */
static bool run_in_savepoint(struct writer *writer, struct store_command *command)
{
    struct connection *connection = writer->connection;
    struct audit_head head = connection->head;

    if (!sqlite_savepoint(connection)) {
        command->failure = sqlite_failure(connection, command->arena);
        return false;
    }
    command->failure = transaction_run_command(writer->connection, command, &writer->scratch);
    if (!command->failure && sqlite_release(connection))
        return true;
    if (!command->failure)
        command->failure = sqlite_failure(connection, command->arena);
    connection->head = head; /* also when it is only the release that has failed */
    return sqlite_in_transaction(connection) && sqlite_rollback_to(connection);
}

/* Runs the commands again, one by one. NULL, or why nothing of the batch can stand. */
static const struct failure *replay(struct writer *writer, struct command_list *batch)
{
    assert(batch->first);
    metrics_add(&metrics_here()->writer_replays, 1);
    roll_back(writer);
    for (struct store_command *command = batch->first; command; command = command->next)
        command->failure = NULL;
    if (!sqlite_begin_write(writer->connection))
        return sqlite_failure(writer->connection, batch->first->arena);
    for (struct store_command *command = batch->first; command; command = command->next)
        if (!run_in_savepoint(writer, command))
            return command->failure;
    return NULL;
}

/* Nothing of the batch stands, and every command is told so; also one that had failed by itself, because what
 * it ran into (a name that is taken) may be what another command had written. */
static void fail_all(struct command_list *batch, const struct failure *cause)
{
    for (struct store_command *command = batch->first; command; command = command->next)
        command->failure = failure_copy(cause, command->arena);
}

static bool commit(struct writer *writer, struct arena *arena)
{
    int64_t started_us = monotonic_now_us();
    bool is_done = !audit_chain_write_head(writer->connection, arena) && sqlite_commit(writer->connection);

    if (is_done)
        audit_chain_keep(writer->connection);
    if (is_done)
        followers_note(&writer->store->followers, writer->connection);
    if (is_done && writer->connection->has_searched)
        atomic_store(&writer->store->has_unindexed, true);
    if (is_done && writer->connection->has_forgotten)
        checkpointer_empty_log(writer->checkpointer);
    writer->connection->has_searched = writer->connection->has_forgotten = false;
    metrics_observe(&metrics_here()->database_commit_duration_us, monotonic_now_us() - started_us);
    return is_done;
}

static void count_batch(const struct command_list *batch, bool is_done)
{
    struct metrics_cells *cells = metrics_here();

    metrics_add(&cells->writer_batches[is_done ? METRICS_BATCH_COMMITTED : METRICS_BATCH_FAILED], 1);
    metrics_observe(&cells->writer_batch_commands, (int64_t)batch->count);
    metrics_subtract(&cells->writer_commands_waiting, batch->count);
}

/* Runs one batch up to its durable commit. Every command in `batch` has its outcome afterwards. False when
 * the whole batch failed. */
static bool commit_batch(struct writer *writer, struct command_list *pending, struct command_list *batch)
{
    assert(pending->first);
    const struct failure *cause = begin_batch(writer, pending->first->arena);

    if (cause) {
        while (pending->first)
            command_list_append(batch, command_list_take(pending));
    } else if (!run_batch(writer, pending, batch)) {
        cause = replay(writer, batch);
    }
    assert(batch->first);
    if (!cause && commit(writer, batch->first->arena))
        return true;
    if (!cause)
        cause = sqlite_failure(writer->connection, batch->first->arena);
    roll_back(writer);
    fail_all(batch, cause);
    return false;
}

static void answer(struct command_list *batch)
{
    for (struct store_command *command; (command = command_list_take(batch));)
        command->done(command); /* the command may be gone when this returns */
}

/* ---- the thread ---- */

static bool has_commands(const struct writer *writer)
{
    return writer->queue.first || writer->background.first;
}

/* Moves to `pending` what is to be done now: all that waits, and behind it a little of what lets others go
 * first. */
static void take_commands(struct writer *writer, struct command_list *pending)
{
    int background = writer->queue.first ? 1 : STORE_BACKGROUND_BATCH;

    *pending = writer->queue;
    if (!pending->first)
        pending->end = &pending->first;
    command_list_init(&writer->queue);
    for (; background > 0 && writer->background.first; background--)
        command_list_append(pending, command_list_take(&writer->background));
}

/* Goes on with a backup; on the writer's thread, outside a transaction. */
static void back_up(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    struct backup *backup = writer->backup, *ended = writer->ended_backup;

    writer->ended_backup = NULL;
    pthread_mutex_unlock(&writer->mutex);
    if (ended)
        backup_free(ended);
    const struct backup_source source = {
        .writer = writer->connection,
        .path = writer->store->database_path,
        .database = checkpointer_database(writer->checkpointer),
        .followers = &writer->store->followers,
    };
    int64_t next_us = backup ? backup_step(backup, &source) : INT64_MAX;

    pthread_mutex_lock(&writer->mutex);
    writer->backup_next_us = writer->backup == backup ? next_us : 0;
    pthread_mutex_unlock(&writer->mutex);
}

/* Waits for commands and takes them. False when the writer is to end. `idle` tells that nothing came for a
 * while.
 */
static bool wait_for_commands(struct writer *writer, struct command_list *pending, bool *idle)
{
    int64_t idle_us = monotonic_now_us() + STORE_IDLE_CHECKPOINT_MS * INT64_C(1000);
    int waited = 0;

    pthread_mutex_lock(&writer->mutex);
    while (!has_commands(writer) && !writer->stopping && waited != ETIMEDOUT) {
        int64_t until_us = writer->backup_next_us < idle_us ? writer->backup_next_us : idle_us;
        const struct timespec until = {.tv_sec = until_us / MICROSECONDS_PER_SECOND,
                                       .tv_nsec = until_us % MICROSECONDS_PER_SECOND * 1000};

        waited = pthread_cond_timedwait(&writer->woken, &writer->mutex, &until);
    }
    bool more = has_commands(writer) || !writer->stopping;

    *idle = !has_commands(writer) && monotonic_now_us() >= idle_us;
    take_commands(writer, pending);
    pthread_mutex_unlock(&writer->mutex);
    return more;
}

/* Does what is due of copying the log back, and sees to it that trouble with it is told. */
static void checkpoint(struct writer *writer, bool idle)
{
    int64_t began_us = monotonic_now_us();

    checkpointer_step(writer->checkpointer, idle);
    struct log_state state = {
        .now_us = monotonic_now_us(),
        .is_syncing = checkpointer_is_syncing(writer->checkpointer),
        .held_count = sqlite_log_held_count(writer->connection),
        .pages = sqlite_wal_pages(writer->connection),
    };

    state.step_us = state.now_us - began_us;
    if (state.held_count != writer->log_watch.held_count)
        state.oldest_snapshot_us = readers_oldest_snapshot_us(writer->store);
    log_watch_look(&writer->log_watch, &state);
}

/* Nothing was written for a while: time to copy the log back, and to look whether anything can be written. */
static void rest(struct writer *writer)
{
    enum store_state state = store_state(writer->store);

    checkpointer_check_files(writer->checkpointer);
    checkpoint(writer, true);
    if (state == STORE_DISK_FULL || state == STORE_IO_ERROR || state == STORE_READ_ONLY)
        sqlite_try_write(writer->connection);
}

static void *writer_main(void *context)
{
    struct writer *writer = context;
    struct command_list pending, batch;
    bool idle;

    processor_take_turns(STORE_TURN_US);
    command_list_init(&batch);
    while (wait_for_commands(writer, &pending, &idle)) {
        while (pending.first) {
            checkpointer_check_files(writer->checkpointer);
            processor_work_in_background(pending.first->is_background);
            bool is_done = commit_batch(writer, &pending, &batch);

            processor_work_in_background(false);
            publish_state(writer);
            atomic_fetch_add_explicit(&writer->store->commit_sequence, 1, memory_order_release);
            count_batch(&batch, is_done);
            answer(&batch);
            processor_offer();
            /* When the disk is full, the log is what fills it: copied back, it can begin anew in the space it
             * has. */
            checkpoint(writer, !is_done);
            back_up(writer);
        }
        back_up(writer);
        if (idle)
            rest(writer);
        else
            checkpoint(writer, false);
        publish_state(writer);
    }
    return NULL;
}

STORE_QUERY(embedded_chain, &audit_chain_row_entity, "SELECT {columns} FROM audit_chains WHERE chain = $1");
STORE_QUERY(make_embedded_chain, NULL,
            "INSERT INTO audit_chains (chain, position, hash) VALUES ($1, 0, '') ON CONFLICT DO NOTHING");

/* Goes on with the audit trail where it ends. False with a reason. */
static bool continue_chain(struct connection *connection, struct arena *arena, struct text *reason)
{
    struct transaction transaction;
    struct audit_chain_row chain = {.hash = text_empty};
    const struct value number = value_integer(AUDIT_CHAIN_EMBEDDED);

    transaction_init(&transaction, connection, arena, NULL);
    bool is_there = query_record(&transaction, &embedded_chain, &number, 1, &chain);

    if (!is_there && !transaction.failure) { /* somebody has removed it, which `audit verify` tells */
        LOG_ERROR("the head of the audit trail is missing; `farthing audit verify` tells what else is");
        transaction.failure = transaction_execute(&transaction, &make_embedded_chain, &number, 1);
    }
    if (transaction.failure) {
        *reason = transaction.failure->message;
        return false;
    }
    audit_chain_continue(connection, AUDIT_CHAIN_EMBEDDED, chain.position, chain.hash);
    return true;
}

bool writer_back_up(struct writer *writer, struct text path, int64_t bytes_per_second, struct arena *arena,
                    struct text *reason)
{
    struct store_backup last = {.state = STORE_BACKUP_NONE};

    pthread_mutex_lock(&writer->mutex);
    if (writer->backup)
        backup_tell(writer->backup, &last, arena);
    bool is_free = last.state != STORE_BACKUP_RUNNING && !writer->stopping && !writer->ended_backup;
    struct backup *backup = is_free ? backup_start(path, bytes_per_second, arena, reason) : NULL;

    if (backup) {
        writer->ended_backup = writer->backup;
        writer->backup = backup;
        writer->backup_next_us = 0;
    }
    pthread_mutex_unlock(&writer->mutex);
    if (!is_free)
        *reason = TEXT("another backup is under way");
    if (backup)
        pthread_cond_signal(&writer->woken);
    return backup;
}

void writer_tell_backup(struct writer *writer, struct store_backup *told, struct arena *arena)
{
    pthread_mutex_lock(&writer->mutex);
    if (writer->backup)
        backup_tell(writer->backup, told, arena);
    pthread_mutex_unlock(&writer->mutex);
}

void writer_cancel_backup(struct writer *writer, struct text path)
{
    pthread_mutex_lock(&writer->mutex);
    if (writer->backup)
        backup_cancel(writer->backup, path);
    pthread_mutex_unlock(&writer->mutex);
}

struct writer *writer_start(struct store *store, struct connection *connection, struct arena *arena,
                            struct text *reason)
{
    struct text path = text_from_string(store->database_path);
    struct checkpointer *checkpointer = checkpointer_new(connection, path, &store->followers, arena, reason);
    struct writer *writer = calloc(1, sizeof *writer);
    pthread_condattr_t attributes;

    if (!writer)
        abort();
    if (!checkpointer) {
        sqlite_connection_close(connection);
        free(writer);
        return NULL;
    }
    if (!continue_chain(connection, arena, reason)) {
        checkpointer_close(checkpointer);
        free(writer);
        return NULL;
    }
    writer->checkpointer = checkpointer;
    writer->magic = WRITER_MAGIC;
    writer->store = store;
    writer->connection = connection;
    writer->backup_next_us = INT64_MAX;
    command_list_init(&writer->queue);
    command_list_init(&writer->background);
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->woken, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&writer->thread, NULL, writer_main, writer) != 0)
        abort();
    pthread_setname_np(writer->thread, "writer");
    return writer;
}

bool writer_submit(struct writer *writer, struct store_command *command)
{
    assert(writer->magic == WRITER_MAGIC);
    pthread_mutex_lock(&writer->mutex);
    bool taken = !writer->stopping && writer->queue.count + writer->background.count < STORE_WRITE_QUEUE_MAX;
    /* The writer looks at the queues before it sleeps: only the first command has to wake it. */
    bool wake = taken && !has_commands(writer);

    if (taken)
        command_list_append(command->is_background ? &writer->background : &writer->queue, command);
    pthread_mutex_unlock(&writer->mutex);
    metrics_add(&metrics_here()->writer_commands_waiting, taken);
    if (wake)
        pthread_cond_signal(&writer->woken);
    return taken;
}

void writer_stop(struct writer *writer)
{
    assert(writer->magic == WRITER_MAGIC);
    pthread_mutex_lock(&writer->mutex);
    writer->stopping = true;
    pthread_mutex_unlock(&writer->mutex);
    pthread_cond_signal(&writer->woken);
    pthread_join(writer->thread, NULL);
    if (writer->ended_backup)
        backup_free(writer->ended_backup);
    if (writer->backup)
        backup_free(writer->backup);
    checkpointer_close(writer->checkpointer);
    buffer_free(&writer->scratch);
    pthread_cond_destroy(&writer->woken);
    pthread_mutex_destroy(&writer->mutex);
    writer->magic = 0;
    free(writer);
}
