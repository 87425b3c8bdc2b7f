#include "store/sqlite/backup.h"

#include "base/hash.h"
#include "base/instant.h"
#include "base/memory.h"

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
#include <unistd.h>

enum {
    REASON_BYTES_MAX = 256,
    HASH_STEP_BYTES = 1024 * 1024,
    NICE = 10,
    PAUSE_US_MAX = 50 * 1000, /* how long it sleeps before it looks whether it was given up */
};

/* Who has the next step; each is followed by the next one. */
enum phase {
    PHASE_WAITS,   /* the writer: it lets the copy follow the log */
    PHASE_FOLLOWS, /* the thread: it copies */
    PHASE_LEAVES,  /* the writer: it takes the follower away */
    PHASE_APART,   /* the thread: what is copied is put on the disk */
};

struct backup {
    char *path, *partial_path;
    int64_t bytes_per_second; /* 0: as fast as it goes beside everything else */

    /* As the writer has given them. */
    struct backup_source source;
    struct follower *follower;

    /* The thread's. */
    int fd;
    int64_t started_us, followed_us; /* monotonic */
    uint8_t *applied;                /* a bit for each page that the log has given */
    size_t applied_pages;            /* that there are bits for */
    off_t written_out;
    char *bytes;             /* BACKUP_STEP_BYTES */
    uint32_t database_pages; /* as the log said last; 0: it has said nothing */
    int64_t closed_at;

    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    enum phase phase;
    enum store_backup_state state;
    bool is_copied, is_given_up;
    int64_t page_bytes, page_count, pages_copied;
    char reason[REASON_BYTES_MAX];
    char sha256[SHA256_HEX_LENGTH];
    int64_t finished_at_us; /* wall clock: of what the copy is */
};

/* ---- the outcome ---- */

static void fail(struct backup *backup, const char *what, const char *why)
{
    pthread_mutex_lock(&backup->mutex);
    if (!backup->reason[0])
        snprintf(backup->reason, sizeof backup->reason, "%s: %s", what, why);
    pthread_mutex_unlock(&backup->mutex);
}

static bool fail_for_errno(struct backup *backup, const char *what)
{
    fail(backup, what, strerror(errno));
    return false;
}

static void end_as(struct backup *backup, enum store_backup_state state)
{
    pthread_mutex_lock(&backup->mutex);
    backup->finished_at_us = backup->closed_at;
    backup->state = state;
    pthread_cond_broadcast(&backup->changed);
    pthread_mutex_unlock(&backup->mutex);
}

static bool is_given_up(struct backup *backup)
{
    pthread_mutex_lock(&backup->mutex);
    bool is_given_up = backup->is_given_up;

    pthread_mutex_unlock(&backup->mutex);
    return is_given_up;
}

/* ---- on the writer's thread ---- */

/* What the log holds already belongs to the copy as much as what comes: a commit that changes nothing tells
 * how far the log is. What is kept of it is beside the database, so that no other disk is ever waited for
 * here. */
static void let_in(struct backup *backup, const struct backup_source *source)
{
    char *copy = strdup(source->path);
    int64_t page_bytes = 0;

    if (!copy)
        abort();
    backup->source = *source;
    backup->follower = follower_new(dirname(copy), BACKUP_KEPT_BYTES_MAX, FOLLOW_FROM_NOW, NULL);
    free(copy);
    follower_attach(backup->follower, source->path);
    source->followers->copy = backup->follower;
    sqlite_try_write(source->writer);
    if (!followers_note(source->followers, source->writer))
        fail(backup, "the copy cannot be begun",
             "the database takes no writes, and so its log cannot be followed");
    sqlite_pragma_integer(source->writer, "page_size", &page_bytes);
    pthread_mutex_lock(&backup->mutex);
    backup->page_bytes = page_bytes;
    pthread_mutex_unlock(&backup->mutex);
}

static void let_out(struct backup *backup)
{
    if (backup->follower && backup->source.followers->copy == backup->follower)
        backup->source.followers->copy = NULL;
}

int64_t backup_step(struct backup *backup, const struct backup_source *source)
{
    pthread_mutex_lock(&backup->mutex);
    enum phase phase = backup->phase;

    pthread_mutex_unlock(&backup->mutex);
    if (phase == PHASE_WAITS)
        let_in(backup, source);
    else if (phase == PHASE_LEAVES)
        let_out(backup);
    pthread_mutex_lock(&backup->mutex);
    if (phase == PHASE_WAITS || phase == PHASE_LEAVES)
        backup->phase = phase + 1;
    pthread_cond_broadcast(&backup->changed);
    pthread_mutex_unlock(&backup->mutex);
    return phase == PHASE_LEAVES || phase == PHASE_APART
               ? INT64_MAX
               : monotonic_now_us() + BACKUP_POLL_MS * INT64_C(1000);
}

/* ---- the writer and the thread ---- */

/* Has the writer do its part. False when the backup is given up meanwhile. */
static bool pass_through(struct backup *backup, enum phase ours, enum phase after)
{
    pthread_mutex_lock(&backup->mutex);
    backup->phase = ours;
    while (backup->phase != after && !backup->is_given_up)
        pthread_cond_wait(&backup->changed, &backup->mutex);
    bool is_passed = backup->phase == after;

    pthread_mutex_unlock(&backup->mutex);
    return is_passed;
}

/* ---- pages ---- */

static void mark_applied(struct backup *backup, uint32_t number)
{
    enum { BITS = 8 };

    if (number > backup->applied_pages) {
        size_t pages = (2 * (size_t)number + BITS - 1) / BITS * BITS;

        backup->applied = memory_resize(backup->applied, pages / BITS);
        memset(backup->applied + backup->applied_pages / BITS, 0, (pages - backup->applied_pages) / BITS);
        backup->applied_pages = pages;
    }
    backup->applied[(number - 1) / BITS] |= (uint8_t)(1 << (number - 1) % BITS);
}

static bool is_applied(const struct backup *backup, uint32_t number)
{
    return number <= backup->applied_pages && (backup->applied[(number - 1) / 8] >> (number - 1) % 8 & 1);
}

static bool write_at(struct backup *backup, const char *bytes, size_t length, off_t offset)
{
    while (length > 0) {
        ssize_t count = pwrite(backup->fd, bytes, length, offset);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return fail_for_errno(backup, backup->path);
        bytes += count;
        length -= (size_t)count;
        offset += count;
    }
    return true;
}

/* What was committed since the last look goes over what was read, and over what is still to be read. */
static bool apply_log(struct backup *backup)
{
    struct follower_cut cut;
    struct text reason;
    struct arena arena;
    bool is_done = true;

    arena_init(&arena);
    backup->followed_us = monotonic_now_us();
    if (follower_cut(backup->follower, &cut, &arena, &reason) == FOLLOWER_LOST) {
        fail(backup, "the write-ahead log", arena_string(&arena, reason));
        arena_free(&arena);
        return false;
    }
    for (size_t i = 0; i < cut.page_count && is_done; i++) {
        uint32_t number;

        is_done = follower_page(backup->follower, i, &number, backup->bytes)
                      ? write_at(backup, backup->bytes, cut.page_bytes, (off_t)(number - 1) * cut.page_bytes)
                      : fail_for_errno(backup, "the write-ahead log");
        mark_applied(backup, number);
    }
    if (cut.page_count > 0)
        backup->database_pages = cut.database_pages;
    backup->closed_at = cut.closed_at;
    arena_free(&arena);
    return is_done;
}

/* Writes the pages that were read, but for those that the log has given. */
static bool write_read(struct backup *backup, uint32_t first, size_t count)
{
    size_t size = (size_t)backup->page_bytes;

    for (size_t i = 0, run; i < count; i += run) {
        bool skips = is_applied(backup, first + (uint32_t)i);

        for (run = 1; i + run < count && is_applied(backup, first + (uint32_t)(i + run)) == skips;)
            run++;
        if (!skips &&
            !write_at(backup, backup->bytes + i * size, run * size, (off_t)(first - 1 + i) * (off_t)size))
            return false;
    }
    return true;
}

/* Has what was copied since written out, so that no more than that is ever in the way of others' writes. */
static void write_out(struct backup *backup, off_t offset)
{
    if (offset - backup->written_out < BACKUP_SYNC_BYTES)
        return;
    sync_file_range(backup->fd, backup->written_out, offset - backup->written_out,
                    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    backup->written_out = offset;
}

static void note_progress(struct backup *backup, off_t offset)
{
    struct stat status;
    int64_t pages = fstat(backup->source.database, &status) == 0 ? status.st_size / backup->page_bytes : 0;

    pthread_mutex_lock(&backup->mutex);
    backup->pages_copied = offset / backup->page_bytes;
    backup->page_count = pages > backup->pages_copied ? pages : backup->pages_copied;
    pthread_mutex_unlock(&backup->mutex);
}

/* Waits until so much may have been copied. */
static void keep_to_rate(struct backup *backup, off_t offset)
{
    if (backup->bytes_per_second <= 0)
        return;
    int64_t due_us = backup->started_us + (int64_t)((double)offset * 1e6 / (double)backup->bytes_per_second);

    for (int64_t left_us; (left_us = due_us - monotonic_now_us()) > 0 && !is_given_up(backup);)
        usleep((useconds_t)(left_us < PAUSE_US_MAX ? left_us : PAUSE_US_MAX));
}

/* Reads the file to its end, which moves: what lies behind the end that was met is in the log. */
static bool copy_file(struct backup *backup)
{
    size_t step = BACKUP_STEP_BYTES;
    off_t offset = 0;

    backup->started_us = monotonic_now_us();
    while (!is_given_up(backup)) {
        if (monotonic_now_us() - backup->followed_us >= BACKUP_FOLLOW_MS * INT64_C(1000) &&
            !apply_log(backup))
            return false;
        ssize_t length = pread(backup->source.database, backup->bytes, step, offset);

        if (length < 0)
            return fail_for_errno(backup, "the database cannot be read");
        size_t pages = (size_t)length / (size_t)backup->page_bytes;

        if (pages == 0)
            return true;
        if (!write_read(backup, (uint32_t)(offset / backup->page_bytes) + 1, pages))
            return false;
        offset += (off_t)pages * backup->page_bytes;
        note_progress(backup, offset);
        write_out(backup, offset);
        keep_to_rate(backup, offset);
    }
    return false;
}

static bool copy_all(struct backup *backup)
{
    if (backup->reason[0] || !copy_file(backup) || !apply_log(backup))
        return false;
    if (backup->database_pages > 0 &&
        ftruncate(backup->fd, (off_t)backup->database_pages * (off_t)backup->page_bytes) != 0)
        return fail_for_errno(backup, backup->path);
    pthread_mutex_lock(&backup->mutex);
    if (backup->database_pages > 0)
        backup->page_count = backup->database_pages;
    backup->pages_copied = backup->page_count;
    pthread_mutex_unlock(&backup->mutex);
    return true;
}

/* ---- into the disk ---- */

/* What reads the file back, as the disk has it. */
static bool hash_file(int fd, char sha256[SHA256_HEX_LENGTH])
{
    struct sha256_stream *stream = sha256_begin();
    char *bytes = memory_take(HASH_STEP_BYTES);
    uint8_t hash[SHA256_BYTES];
    ssize_t length;
    off_t offset = 0;

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

static bool put_on_disk(struct backup *backup)
{
    return (fsync(backup->fd) == 0 && hash_file(backup->fd, backup->sha256) && give_name(backup)) ||
           fail_for_errno(backup, backup->path);
}

static void *backup_main(void *context)
{
    struct backup *backup = context;

    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
    bool is_done = pass_through(backup, PHASE_WAITS, PHASE_FOLLOWS) && copy_all(backup);
    bool is_apart = pass_through(backup, PHASE_LEAVES, PHASE_APART);

    if (is_done && is_apart) {
        pthread_mutex_lock(&backup->mutex);
        backup->is_copied = true;
        pthread_mutex_unlock(&backup->mutex);
        is_done = put_on_disk(backup);
    }
    end_as(backup, is_done && is_apart ? STORE_BACKUP_DONE : STORE_BACKUP_FAILED);
    return NULL;
}

/* ---- the whole ---- */

static char *joined(struct text path, const char *suffix)
{
    char *whole = memory_take(path.length + strlen(suffix) + 1);

    if (!whole)
        abort();
    memcpy(whole, path.data, path.length);
    memcpy(whole + path.length, suffix, strlen(suffix) + 1);
    return whole;
}

static void free_parts(struct backup *backup)
{
    if (backup->fd >= 0)
        close(backup->fd);
    if (backup->follower)
        follower_free(backup->follower);
    pthread_cond_destroy(&backup->changed);
    pthread_mutex_destroy(&backup->mutex);
    free(backup->applied);
    free(backup->bytes);
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
    backup->bytes = memory_take(BACKUP_STEP_BYTES);
    backup->path = joined(path, "");
    backup->partial_path = joined(path, STORE_BACKUP_PARTIAL);
    backup->state = STORE_BACKUP_RUNNING;
    backup->bytes_per_second = bytes_per_second;
    backup->fd = -1;
    pthread_mutex_init(&backup->mutex, NULL);
    pthread_cond_init(&backup->changed, NULL);
    if (access(backup->path, F_OK) == 0) {
        *reason = arena_format(arena, "%.*s is there already", TEXT_FORMAT(path));
        free_parts(backup);
        return NULL;
    }
    /* Made by us, so that it is nobody else's and has no other mode. */
    backup->fd = open(backup->partial_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (backup->fd < 0) {
        *reason = arena_format(arena, "cannot make %s: %s", backup->partial_path, strerror(errno));
        free_parts(backup);
        return NULL;
    }
    if (pthread_create(&backup->thread, NULL, backup_main, backup) != 0)
        abort();
    pthread_setname_np(backup->thread, "backup");
    return backup;
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
    let_out(backup);
    if (backup->state != STORE_BACKUP_DONE) /* else it has another name, and a newer one may have this */
        unlink(backup->partial_path);
    free_parts(backup);
}
