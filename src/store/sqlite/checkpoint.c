#include "store/sqlite/checkpoint.h"

#include "base/file.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/processor.h"
#include "metrics/metrics.h"
#include "store/database_files.h"
#include "store/follower.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CHECKPOINTER_MAGIC = 0x43484b50,
    EMPTY_AGAIN_MS = 1000, /* after a reader was in the way */
    SYNC_NICE = 5,         /* nobody waits for it, unless the log has become long */
};

enum sync_state { SYNC_NONE, SYNC_WANTED, SYNC_DONE, SYNC_END };

struct checkpointer {
    uint32_t magic;
    struct connection *writer;
    struct connection *guard;
    const struct followers *followers; /* of the log */
    int database_fd; /* closed last: closing any descriptor of the file drops SQLite's locks on it */
    int copied_pages;
    int steps;       /* since the log was last copied whole */
    bool is_syncing; /* the guard holds its snapshot */
    bool empties;    /* the log is to be emptied */
    int64_t empties_next_us;
    struct database_files files;
    int64_t files_checked_us;
    enum store_state lasting; /* what only a restart can mend */
    bool keeps_log;           /* for good: it is all there is, or the database is not this one any more */

    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    enum sync_state state;
    int sync_error; /* errno */
};

/* ---- the thread that waits for the disk ---- */

static void *sync_main(void *context)
{
    struct checkpointer *checkpointer = context;

    processor_step_back(SYNC_NICE);
    pthread_mutex_lock(&checkpointer->mutex);
    while (checkpointer->state != SYNC_END) {
        if (checkpointer->state != SYNC_WANTED) {
            pthread_cond_wait(&checkpointer->changed, &checkpointer->mutex);
            continue;
        }
        pthread_mutex_unlock(&checkpointer->mutex);
        int64_t started_us = monotonic_now_us();
        int error = file_sync_by_windows(checkpointer->database_fd, CHECKPOINT_SYNC_WINDOW_BYTES) ? 0 : errno;

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

struct checkpointer *checkpointer_new(struct connection *writer, struct text path,
                                      const struct followers *followers, struct arena *arena,
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
    checkpointer->followers = followers;
    checkpointer->database_fd = fd;
    database_files_remember(&checkpointer->files, path); /* both connections have them open */
    checkpointer->empties = sqlite_log_was_left(writer); /* perhaps when it was to be emptied */
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

/* Before the log can begin anew: whoever follows it has what it holds. */
static void let_follow(struct checkpointer *checkpointer)
{
    followers_note(checkpointer->followers, checkpointer->writer);
    followers_take(checkpointer->followers);
}

static void lower_guard(struct checkpointer *checkpointer)
{
    let_follow(checkpointer);
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
static void last_step(struct checkpointer *checkpointer, enum sqlite_checkpoint_mode mode)
{
    let_follow(checkpointer);
    checkpointer->copied_pages = sqlite_checkpoint(checkpointer->writer, mode);
    checkpointer->steps = 0;
}

static bool is_to_be_emptied(const struct checkpointer *checkpointer)
{
    return checkpointer->empties && monotonic_now_us() >= checkpointer->empties_next_us;
}

static void empty_log(struct checkpointer *checkpointer)
{
    last_step(checkpointer, CHECKPOINT_AND_EMPTY);
    checkpointer->empties = !sqlite_log_is_empty(checkpointer->writer);
    checkpointer->empties_next_us = monotonic_now_us() + EMPTY_AGAIN_MS * INT64_C(1000);
}

/* How long the log is, SQLite tells with a commit; and it is the commits that whoever follows it is told of.
 */
static void learn_length(struct checkpointer *checkpointer)
{
    if (sqlite_wal_pages(checkpointer->writer) == 0)
        sqlite_try_write(checkpointer->writer);
}

void checkpointer_empty_log(struct checkpointer *checkpointer)
{
    assert(checkpointer->magic == CHECKPOINTER_MAGIC);
    checkpointer->empties = true;
    checkpointer->empties_next_us = 0;
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
    checkpointer->keeps_log = true;
    if (checkpointer->lasting == STORE_WELL)
        checkpointer->lasting = STORE_SYNC_FAILED;
    LOG_ERROR("the database could not be written to the disk; the write-ahead log is kept and grows until a "
              "restart",
              LOG_STRING("error", strerror(error)));
    return true;
}

/* ---- the files ---- */

static void look_for_files(struct checkpointer *checkpointer)
{
    const char *path = NULL;
    enum database_files_state state = database_files_look(&checkpointer->files, &path);

    checkpointer->files_checked_us = monotonic_now_us();
    if (state == DATABASE_FILES_LOST)
        checkpointer->keeps_log = true;
    if (state == DATABASE_FILES_THERE || checkpointer->lasting == STORE_DATABASE_REMOVED)
        return;
    checkpointer->lasting = STORE_DATABASE_REMOVED;
    LOG_ERROR("a file of the database was removed, moved or replaced while it was in use: nothing more is "
              "written; stop the server, put back what belongs there and start it again",
              LOG_STRING("path", path));
}

void checkpointer_check_files(struct checkpointer *checkpointer)
{
    assert(checkpointer->magic == CHECKPOINTER_MAGIC);
    if (monotonic_now_us() - checkpointer->files_checked_us >= STORE_FILES_CHECK_MS * INT64_C(1000))
        look_for_files(checkpointer);
}

int checkpointer_database(const struct checkpointer *checkpointer)
{
    return checkpointer->database_fd;
}

enum store_state checkpointer_state(const struct checkpointer *checkpointer)
{
    return checkpointer->lasting;
}

/* ---- the whole ---- */

bool checkpointer_is_syncing(const struct checkpointer *checkpointer)
{
    return checkpointer->is_syncing;
}

void checkpointer_step(struct checkpointer *checkpointer, bool idle)
{
    bool goes_on = checkpointer->is_syncing;

    assert(checkpointer->magic == CHECKPOINTER_MAGIC);
    if (goes_on && !end_step(checkpointer, false))
        return;
    bool empties = is_to_be_emptied(checkpointer) && !checkpointer->keeps_log;

    if (empties)
        learn_length(checkpointer);
    int left = pages_left(checkpointer), pages = sqlite_wal_pages(checkpointer->writer);

    if (pages < checkpointer->copied_pages)
        checkpointer->copied_pages = 0;
    if (checkpointer->keeps_log || !(empties || left > 0) ||
        !(empties || goes_on || idle || left >= STORE_CHECKPOINT_WAL_PAGES))
        return;
    look_for_files(checkpointer);
    if (checkpointer->keeps_log)
        return;
    if (left > CHECKPOINT_LAST_STEP_PAGES && checkpointer->steps < CHECKPOINT_STEPS_MAX)
        begin_step(checkpointer);
    else if (empties)
        empty_log(checkpointer);
    else
        last_step(checkpointer,
                  pages >= STORE_RESTART_WAL_PAGES ? CHECKPOINT_AND_RESTART : CHECKPOINT_WITH_SYNC);
}

void checkpointer_close(struct checkpointer *checkpointer)
{
    assert(checkpointer->magic == CHECKPOINTER_MAGIC);
    if (checkpointer->is_syncing)
        end_step(checkpointer, true);
    set_state(checkpointer, SYNC_END);
    pthread_join(checkpointer->thread, NULL);
    /* The connection would remove the log and its index by their names, which may be another's by now. */
    look_for_files(checkpointer);
    if (checkpointer->keeps_log)
        sqlite_keep_log(checkpointer->writer);
    let_follow(checkpointer);
    sqlite_connection_close(checkpointer->guard);
    sqlite_connection_close(checkpointer->writer);
    close(checkpointer->database_fd);
    pthread_cond_destroy(&checkpointer->changed);
    pthread_mutex_destroy(&checkpointer->mutex);
    database_files_free(&checkpointer->files);
    checkpointer->magic = 0;
    free(checkpointer);
}
