#include "store/sqlite/backup.h"

#include "base/hash.h"
#include "base/instant.h"
#include "store/sqlite/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    REASON_BYTES_MAX = 256,
    HASH_STEP_BYTES = 1024 * 1024,
    FINISH_WAIT_MS = 50, /* how often it is looked whether there is something to be written out */
    NICE = 10,
};

struct backup {
    char *path, *partial_path;
    int64_t bytes_per_second; /* 0: as fast as it goes beside everything else */

    /* The writer's thread's, until everything is copied; then the other thread's. */
    sqlite3 *destination;
    sqlite3_backup *copying;
    int64_t started_us;

    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    enum store_backup_state state;
    bool is_copied, is_given_up;
    int64_t page_bytes, page_count, pages_copied;
    char reason[REASON_BYTES_MAX];
    char sha256[SHA256_HEX_LENGTH];
    int64_t finished_at_us; /* wall clock */
};

/* ---- the outcome ---- */

static void fail(struct backup *backup, const char *reason)
{
    pthread_mutex_lock(&backup->mutex);
    if (backup->state == STORE_BACKUP_RUNNING) {
        snprintf(backup->reason, sizeof backup->reason, "%s", reason);
        backup->state = STORE_BACKUP_FAILED;
    }
    pthread_cond_broadcast(&backup->changed);
    pthread_mutex_unlock(&backup->mutex);
}

/* ---- on the writer's thread ---- */

static bool is_running(struct backup *backup)
{
    pthread_mutex_lock(&backup->mutex);
    bool is_running = backup->state == STORE_BACKUP_RUNNING && !backup->is_copied && !backup->is_given_up;

    pthread_mutex_unlock(&backup->mutex);
    return is_running;
}

static void note_progress(struct backup *backup, bool is_copied)
{
    int total = sqlite3_backup_pagecount(backup->copying), left = sqlite3_backup_remaining(backup->copying);

    pthread_mutex_lock(&backup->mutex);
    backup->page_count = total;
    backup->pages_copied = total - left;
    backup->is_copied = is_copied;
    pthread_mutex_unlock(&backup->mutex);
}

/* Ends what the writer's connection knows of it. */
static bool end_copying(struct backup *backup)
{
    int code = backup->copying ? sqlite3_backup_finish(backup->copying) : SQLITE_OK;

    backup->copying = NULL;
    return code == SQLITE_OK;
}

static void copy_some(struct backup *backup)
{
    int code = sqlite3_backup_step(backup->copying, BACKUP_STEP_PAGES);

    if (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED) {
        note_progress(backup, false);
        return;
    }
    char reason[REASON_BYTES_MAX];
    bool is_done = code == SQLITE_DONE;

    snprintf(reason, sizeof reason, "%s", sqlite3_errmsg(backup->destination));
    if (is_done)
        note_progress(backup, false);
    if (end_copying(backup) && is_done) {
        pthread_mutex_lock(&backup->mutex);
        backup->is_copied = true;
        pthread_cond_broadcast(&backup->changed);
        pthread_mutex_unlock(&backup->mutex);
    } else {
        fail(backup, is_done ? sqlite3_errmsg(backup->destination) : reason);
    }
}

/* When the next pages may be copied. */
static int64_t due_us(const struct backup *backup)
{
    if (backup->bytes_per_second <= 0)
        return 0;
    return backup->started_us + (int64_t)((double)backup->pages_copied * (double)backup->page_bytes * 1e6 /
                                          (double)backup->bytes_per_second);
}

static bool begin_copying(struct backup *backup, struct connection *writer)
{
    backup->started_us = monotonic_now_us();
    int64_t page_bytes = 0;

    sqlite_pragma_integer(writer, "page_size", &page_bytes);
    pthread_mutex_lock(&backup->mutex);
    backup->page_bytes = page_bytes;
    pthread_mutex_unlock(&backup->mutex);
    backup->copying = sqlite3_backup_init(backup->destination, "main", sqlite_of(writer)->handle, "main");
    if (!backup->copying)
        fail(backup, sqlite3_errmsg(backup->destination));
    return backup->copying;
}

int64_t backup_step(struct backup *backup, struct connection *writer)
{
    int64_t began_us = monotonic_now_us(), now_us = began_us;

    if (!is_running(backup)) {
        end_copying(backup);
        return INT64_MAX;
    }
    if (!backup->copying && !begin_copying(backup, writer))
        return INT64_MAX;
    while (backup->copying && due_us(backup) <= now_us && now_us - began_us < BACKUP_TURN_US) {
        copy_some(backup);
        now_us = monotonic_now_us();
    }
    return backup->copying ? due_us(backup) : INT64_MAX;
}

/* ---- on the thread that waits for the disk ---- */

/* Has what was copied since written out, so that no more than that is ever in the way of others' writes. */
static void write_out(int fd, off_t *written)
{
    struct stat status;

    if (fstat(fd, &status) != 0 || status.st_size - *written < BACKUP_SYNC_BYTES)
        return;
    sync_file_range(fd, *written, status.st_size - *written,
                    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    *written = status.st_size;
}

/* Waits until everything is copied. False when that will not be. */
static bool wait_for_copy(struct backup *backup, int fd)
{
    off_t written = 0;
    struct timespec until;

    pthread_mutex_lock(&backup->mutex);
    while (backup->state == STORE_BACKUP_RUNNING && !backup->is_copied && !backup->is_given_up) {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += FINISH_WAIT_MS * INT64_C(1000000);
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&backup->changed, &backup->mutex, &until);
        pthread_mutex_unlock(&backup->mutex);
        write_out(fd, &written);
        pthread_mutex_lock(&backup->mutex);
    }
    bool is_copied = backup->state == STORE_BACKUP_RUNNING && backup->is_copied;

    pthread_mutex_unlock(&backup->mutex);
    return is_copied;
}

/* What reads the file back, as the disk has it. */
static bool hash_file(int fd, char sha256[SHA256_HEX_LENGTH])
{
    struct sha256_stream *stream = sha256_begin();
    char *bytes = malloc(HASH_STEP_BYTES);
    uint8_t hash[SHA256_BYTES];
    ssize_t length;
    off_t offset = 0;

    if (!bytes)
        abort();
    while ((length = pread(fd, bytes, HASH_STEP_BYTES, offset)) > 0) {
        sha256_add(stream, (struct text){bytes, (size_t)length});
        offset += length;
    }
    sha256_end(stream, hash);
    hex_encode(hash, sizeof hash, sha256);
    free(bytes);
    return length == 0;
}

/* The name is as durable as the content. */
static bool give_name(struct backup *backup)
{
    char *copy = strdup(backup->path);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool is_named = fd >= 0 && rename(backup->partial_path, backup->path) == 0 && fsync(fd) == 0;
    int why = errno;

    if (fd >= 0)
        close(fd);
    free(copy);
    errno = why;
    return is_named;
}

/* After the copy: into the disk, and told by its hash. */
static void finish(struct backup *backup, int fd)
{
    char reason[REASON_BYTES_MAX];

    sqlite3_close(backup->destination);
    backup->destination = NULL;
    if (fsync(fd) != 0 || !hash_file(fd, backup->sha256) || !give_name(backup)) {
        snprintf(reason, sizeof reason, "%s: %s", backup->path, strerror(errno));
        fail(backup, reason);
        return;
    }
    pthread_mutex_lock(&backup->mutex);
    backup->finished_at_us = instant_now_us();
    backup->state = STORE_BACKUP_DONE;
    pthread_mutex_unlock(&backup->mutex);
}

static void *backup_main(void *context)
{
    struct backup *backup = context;
    int fd = open(backup->partial_path, O_RDONLY | O_CLOEXEC);

    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
    if (fd < 0)
        fail(backup, strerror(errno));
    else if (wait_for_copy(backup, fd))
        finish(backup, fd);
    if (fd >= 0)
        close(fd);
    return NULL;
}

/* ---- the whole ---- */

static char *joined(struct text path, const char *suffix)
{
    char *whole = malloc(path.length + strlen(suffix) + 1);

    if (!whole)
        abort();
    memcpy(whole, path.data, path.length);
    memcpy(whole + path.length, suffix, strlen(suffix) + 1);
    return whole;
}

/* Made by us, so that it is nobody else's and has no other mode. */
static bool make_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    return fd >= 0 && close(fd) == 0;
}

static bool open_destination(struct backup *backup)
{
    static const char settings[] =
        "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-1024; "
        "PRAGMA locking_mode=EXCLUSIVE";

    return sqlite3_open_v2(backup->partial_path, &backup->destination,
                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK &&
           sqlite3_exec(backup->destination, settings, NULL, NULL, NULL) == SQLITE_OK;
}

static void free_parts(struct backup *backup)
{
    sqlite3_close(backup->destination);
    pthread_cond_destroy(&backup->changed);
    pthread_mutex_destroy(&backup->mutex);
    free(backup->path);
    free(backup->partial_path);
    free(backup);
}

struct backup *backup_start(struct text path, int64_t bytes_per_second, struct arena *arena,
                            struct text *reason)
{
    struct backup *backup = calloc(1, sizeof *backup);

    if (!backup)
        abort();
    backup->path = joined(path, "");
    backup->partial_path = joined(path, STORE_BACKUP_PARTIAL);
    backup->state = STORE_BACKUP_RUNNING;
    backup->bytes_per_second = bytes_per_second;
    pthread_mutex_init(&backup->mutex, NULL);
    pthread_cond_init(&backup->changed, NULL);
    if (access(backup->path, F_OK) == 0) {
        *reason = arena_format(arena, "%.*s is there already", TEXT_FORMAT(path));
    } else if (!make_file(backup->partial_path)) {
        *reason = arena_format(arena, "cannot make %s: %s", backup->partial_path, strerror(errno));
    } else if (!open_destination(backup) || pthread_create(&backup->thread, NULL, backup_main, backup) != 0) {
        *reason = arena_format(arena, "cannot open %s: %s", backup->partial_path,
                               sqlite3_errmsg(backup->destination));
        unlink(backup->partial_path);
    } else {
        pthread_setname_np(backup->thread, "backup");
        return backup;
    }
    free_parts(backup);
    return NULL;
}

void backup_tell(struct backup *backup, struct store_backup *told, struct arena *arena)
{
    pthread_mutex_lock(&backup->mutex);
    *told = (struct store_backup){
        .state = backup->state,
        .is_copied = backup->is_copied,
        .page_bytes = backup->page_bytes,
        .page_count = backup->page_count,
        .pages_copied = backup->pages_copied,
        .finished_at = backup->finished_at_us,
        .reason = arena_copy(arena, text_from_string(backup->reason)),
    };
    if (backup->state == STORE_BACKUP_DONE)
        told->sha256 = arena_copy(arena, (struct text){backup->sha256, sizeof backup->sha256});
    pthread_mutex_unlock(&backup->mutex);
    told->path = arena_copy(arena, text_from_string(backup->path));
}

void backup_free(struct backup *backup)
{
    pthread_mutex_lock(&backup->mutex);
    backup->is_given_up = true;
    pthread_cond_broadcast(&backup->changed);
    pthread_mutex_unlock(&backup->mutex);
    pthread_join(backup->thread, NULL);
    end_copying(backup);
    if (backup->state != STORE_BACKUP_DONE) /* else it has another name, and a newer one may have this */
        unlink(backup->partial_path);
    free_parts(backup);
}
