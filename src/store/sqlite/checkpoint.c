#include "store/sqlite/checkpoint.h"

#include "base/instant.h"
#include "base/log.h"
#include "metrics/metrics.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHECKPOINTER_MAGIC = 0x43484b50 };

enum sync_state { SYNC_NONE, SYNC_WANTED, SYNC_DONE, SYNC_END };

struct checkpointer {
    uint32_t magic;
    struct connection *writer;
    struct connection *guard;
    int database_fd; /* closed last: closing any descriptor of the file drops SQLite's locks on it */
    int copied_pages;
    int steps;       /* since the log was last copied whole */
    bool is_syncing; /* the guard holds its snapshot */
    bool has_failed; /* a sync did: the log is all there is, and must stay */

    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    enum sync_state state;
    int sync_error; /* errno */
};

/* ---- the thread that waits for the disk ---- */

/* Writes the file's dirty pages out, a window at a time: the disk's queue stays short, and the log's own
 * writes, for which callers wait, find their place in it. A file system that cannot do that has fdatasync do
 * it all. An error is told once a descriptor, by whichever call comes first, so both are heard. */
static int sync_database(int fd)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return errno;
    for (off_t offset = 0; offset < status.st_size; offset += CHECKPOINT_SYNC_WINDOW_BYTES) {
        bool is_written = sync_file_range(fd, offset, CHECKPOINT_SYNC_WINDOW_BYTES,
                                          SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                              SYNC_FILE_RANGE_WAIT_AFTER) == 0;

        if (!is_written && errno != EINVAL && errno != ENOSYS && errno != ESPIPE)
            return errno;
    }
    return fdatasync(fd) == 0 ? 0 : errno;
}

static void *sync_main(void *context)
{
    struct checkpointer *checkpointer = context;

    pthread_mutex_lock(&checkpointer->mutex);
    while (checkpointer->state != SYNC_END) {
        if (checkpointer->state != SYNC_WANTED) {
            pthread_cond_wait(&checkpointer->changed, &checkpointer->mutex);
            continue;
        }
        pthread_mutex_unlock(&checkpointer->mutex);
        int64_t started_us = monotonic_now_us();
        int error = sync_database(checkpointer->database_fd);

        metrics_observe(&metrics_here()->database_checkpoint_duration_us[METRICS_CHECKPOINT_SYNC],
                        monotonic_now_us() - started_us);

        pthread_mutex_lock(&checkpointer->mutex);
        checkpointer->sync_error = error;
        checkpointer->state = SYNC_DONE;
        pthread_cond_broadcast(&checkpointer->changed);
    }
    pthread_mutex_unlock(&checkpointer->mutex);
    return NULL;
}

static void set_state(struct checkpointer *checkpointer, enum sync_state state)
{
    pthread_mutex_lock(&checkpointer->mutex);
    checkpointer->state = state;
    pthread_cond_broadcast(&checkpointer->changed);
    pthread_mutex_unlock(&checkpointer->mutex);
}

/* ---- making and closing ---- */

struct checkpointer *checkpointer_new(struct connection *writer, struct text path, struct arena *arena,
                                      struct text *reason)
{
    struct connection *guard = sqlite_connection_open(path, SQLITE_READER, arena, reason);
    int fd = guard ? open(arena_string(arena, path), O_RDONLY | O_CLOEXEC) : -1;

    /* A process that was killed may have copied pages that the disk does not have yet; should the log's index
     * have outlived it (another program has the file open), SQLite would take them for safe and begin the log
     * anew. */
    if (fd >= 0 && fdatasync(fd) != 0) {
        close(fd);
        fd = -1;
    }
    if (fd < 0) {
        if (guard) {
            *reason =
                arena_format(arena, "cannot open the database %.*s: %s", TEXT_FORMAT(path), strerror(errno));
            sqlite_connection_close(guard);
        }
        return NULL;
    }
    struct checkpointer *checkpointer = calloc(1, sizeof *checkpointer);

    if (!checkpointer)
        abort();
    checkpointer->magic = CHECKPOINTER_MAGIC;
    checkpointer->writer = writer;
    checkpointer->guard = guard;
    checkpointer->database_fd = fd;
    pthread_mutex_init(&checkpointer->mutex, NULL);
    pthread_cond_init(&checkpointer->changed, NULL);
    if (pthread_create(&checkpointer->thread, NULL, sync_main, checkpointer) != 0)
        abort();
    pthread_setname_np(checkpointer->thread, "sync");
    return checkpointer;
}

/* ---- steps ---- */

/* Pages of the log that are not in the database yet. The log has begun anew when it holds fewer than were
 * copied. */
static int pages_left(const struct checkpointer *checkpointer)
{
    int pages = sqlite_wal_pages(checkpointer->writer);

    return pages < checkpointer->copied_pages ? pages : pages - checkpointer->copied_pages;
}

/* Takes a snapshot of the whole log, so that SQLite cannot begin it anew. */
static bool raise_guard(struct checkpointer *checkpointer)
{
    int64_t version;

    return sqlite_begin_read(checkpointer->guard) &&
           sqlite_pragma_integer(checkpointer->guard, "user_version", &version);
}

static void lower_guard(struct checkpointer *checkpointer)
{
    if (!sqlite_commit(checkpointer->guard))
        sqlite_rollback(checkpointer->guard);
}

/* Copies into the system's cache, and has the other thread wait for the disk. */
static void begin_step(struct checkpointer *checkpointer)
{
    if (!raise_guard(checkpointer)) {
        LOG_ERROR("the write-ahead log cannot be guarded, and so not be copied back");
        lower_guard(checkpointer);
        return;
    }
    checkpointer->copied_pages = sqlite_checkpoint(checkpointer->writer, CHECKPOINT_WITHOUT_SYNC);
    checkpointer->is_syncing = true;
    checkpointer->steps++;
    set_state(checkpointer, SYNC_WANTED);
}

/* Copies what is left and waits for the disk: the log can begin anew with the next commit. */
static void last_step(struct checkpointer *checkpointer, bool restart)
{
    checkpointer->copied_pages =
        sqlite_checkpoint(checkpointer->writer, restart ? CHECKPOINT_AND_RESTART : CHECKPOINT_WITH_SYNC);
    checkpointer->steps = 0;
}

/* Ends the step when the disk is done. False while it is not. */
static bool end_step(struct checkpointer *checkpointer, bool may_wait)
{
    pthread_mutex_lock(&checkpointer->mutex);
    while (may_wait && checkpointer->state == SYNC_WANTED)
        pthread_cond_wait(&checkpointer->changed, &checkpointer->mutex);
    bool is_done = checkpointer->state == SYNC_DONE;
    int error = checkpointer->sync_error;

    if (is_done)
        checkpointer->state = SYNC_NONE;
    pthread_mutex_unlock(&checkpointer->mutex);
    if (!is_done)
        return false;
    checkpointer->is_syncing = false;
    if (error == 0) {
        lower_guard(checkpointer);
        return true;
    }
    /* What the system could not write it may have forgotten: only the log has it now, so the guard stays up
     * and the log is kept, until a restart reads all of it again. */
    checkpointer->has_failed = true;
    LOG_ERROR("the database could not be written to the disk; the write-ahead log is kept and grows until a "
              "restart",
              LOG_STRING("error", strerror(error)));
    return true;
}

bool checkpointer_has_work(const struct checkpointer *checkpointer)
{
    return !checkpointer->has_failed && (checkpointer->is_syncing || pages_left(checkpointer) > 0);
}

bool checkpointer_has_failed(const struct checkpointer *checkpointer)
{
    return checkpointer->has_failed;
}

void checkpointer_step(struct checkpointer *checkpointer, bool idle)
{
    bool goes_on = checkpointer->is_syncing;

    assert(checkpointer->magic == CHECKPOINTER_MAGIC);
    if (goes_on && !end_step(checkpointer, false))
        return;
    int left = pages_left(checkpointer), pages = sqlite_wal_pages(checkpointer->writer);

    if (pages < checkpointer->copied_pages)
        checkpointer->copied_pages = 0;
    if (checkpointer->has_failed || left == 0 || !(goes_on || idle || left >= STORE_CHECKPOINT_WAL_PAGES))
        return;
    if (left > CHECKPOINT_LAST_STEP_PAGES && checkpointer->steps < CHECKPOINT_STEPS_MAX)
        begin_step(checkpointer);
    else
        last_step(checkpointer, pages >= STORE_RESTART_WAL_PAGES);
}

void checkpointer_close(struct checkpointer *checkpointer)
{
    assert(checkpointer->magic == CHECKPOINTER_MAGIC);
    if (checkpointer->is_syncing)
        end_step(checkpointer, true);
    set_state(checkpointer, SYNC_END);
    pthread_join(checkpointer->thread, NULL);
    if (checkpointer->has_failed)
        sqlite_keep_log(checkpointer->writer);
    sqlite_connection_close(checkpointer->guard);
    sqlite_connection_close(checkpointer->writer);
    close(checkpointer->database_fd);
    pthread_cond_destroy(&checkpointer->changed);
    pthread_mutex_destroy(&checkpointer->mutex);
    checkpointer->magic = 0;
    free(checkpointer);
}
