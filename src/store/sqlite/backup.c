#include "store/sqlite/backup.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/instant.h"
#include "base/memory.h"
#include "base/processor.h"
#include "store/sqlite/page_set.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    REASON_BYTES_MAX = 256,
    HASH_STEP_BYTES = 1024 * 1024,
    NICE = 10,
    PAUSE_US_MAX = 50 * 1000, /* how long it sleeps before it looks whether it was given up */
};

/* Who has the next step. */
enum phase {
    PHASE_BEGINS, /* the thread: it has not run yet */
    PHASE_WAITS,  /* the writer: it lets the copy follow the log */
    PHASE_COPIES, /* the thread */
    PHASE_TURNS,  /* the writer: a pass has ended, the next one begins */
    PHASE_LEAVES, /* the writer: it takes the follower away */
    PHASE_APART,  /* the thread: what is copied is put on the disk */
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
    unsigned pass;                   /* from 0: that of all that the file has */
    bool is_last_pass, is_behind;
    struct page_set wanted;        /* the pages of this pass */
    struct page_set changed;       /* since it began; the log has them, or the next pass wants them */
    off_t read_bytes;              /* in all passes */
    off_t dirty_from, dirty_bytes; /* what was copied and not written out */
    char *bytes;                   /* BACKUP_STEP_BYTES */
    uint32_t database_pages;       /* as the log said last; 0: it has said nothing */
    int64_t closed_at;

    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed_phase;
    enum phase phase;
    enum store_backup_state state;
    bool is_copied;
    bool is_cancelled; /* nobody wants it any more */
    bool is_given_up;  /* and the writer takes no more steps */
    int64_t told_us;   /* when somebody asked how far it is: monotonic */
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
    pthread_cond_broadcast(&backup->changed_phase);
    pthread_mutex_unlock(&backup->mutex);
}

/* Whether there is a reason to go on. */
static bool is_wanted(struct backup *backup)
{
    pthread_mutex_lock(&backup->mutex);
    bool is_given_up = backup->is_given_up, is_cancelled = backup->is_cancelled;
    int64_t silent_us = monotonic_now_us() - backup->told_us;

    pthread_mutex_unlock(&backup->mutex);
    if (is_cancelled)
        fail(backup, backup->path, "it was cancelled");
    else if (silent_us > STORE_BACKUP_LEASE_MS * INT64_C(1000))
        fail(backup, backup->path, "whoever asked for it has gone");
    return !is_given_up && !is_cancelled && silent_us <= STORE_BACKUP_LEASE_MS * INT64_C(1000);
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
    follower_take_numbers(backup->follower);
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

/* ---- the writer and the thread ---- */

/* Has the writer do its part. False when the backup is given up meanwhile. */
static bool pass_through(struct backup *backup, enum phase ours, enum phase after)
{
    pthread_mutex_lock(&backup->mutex);
    backup->phase = ours;
    while (backup->phase != after && !backup->is_given_up)
        pthread_cond_wait(&backup->changed_phase, &backup->mutex);
    bool is_passed = backup->phase == after;

    pthread_mutex_unlock(&backup->mutex);
    return is_passed;
}

/* ---- pages ---- */

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

static bool apply_page(struct backup *backup, const struct follower_cut *cut, size_t index)
{
    uint32_t number;

    if (!follower_page(backup->follower, index, &number, backup->bytes))
        return fail_for_errno(backup, "the write-ahead log");
    return write_at(backup, backup->bytes, cut->page_bytes, (off_t)(number - 1) * cut->page_bytes);
}

/* What was committed since the last look: in the last pass it goes over what was read, and over what is still
 * to be read; before that, it is for the next pass. */
static bool look_at_log(struct backup *backup)
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
        page_set_add(&backup->changed, follower_page_number(backup->follower, i));
        is_done = !backup->is_last_pass || apply_page(backup, &cut, i);
    }
    if (cut.page_count > 0)
        backup->database_pages = cut.database_pages;
    backup->closed_at = cut.closed_at;
    arena_free(&arena);
    return is_done;
}

/* Writes the pages that were read, but for those that have changed since. */
static bool write_read(struct backup *backup, uint32_t first, size_t count)
{
    size_t size = (size_t)backup->page_bytes;

    for (size_t i = 0, run; i < count; i += run) {
        bool skips = page_set_has(&backup->changed, first + (uint32_t)i);

        for (run = 1;
             i + run < count && page_set_has(&backup->changed, first + (uint32_t)(i + run)) == skips;)
            run++;
        if (!skips &&
            !write_at(backup, backup->bytes + i * size, run * size, (off_t)(first - 1 + i) * (off_t)size))
            return false;
    }
    return true;
}

/* Has what was copied since written out, so that no more than that is ever in the way of others' writes. */
static void write_out(struct backup *backup, off_t from, off_t end)
{
    if (backup->dirty_bytes == 0)
        backup->dirty_from = from;
    backup->dirty_bytes += end - from;
    if (backup->dirty_bytes < BACKUP_SYNC_BYTES)
        return;
    sync_file_range(backup->fd, backup->dirty_from, end - backup->dirty_from,
                    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    backup->dirty_bytes = 0;
}

/* `left`: pages of this pass that are still to be read. */
static void note_progress(struct backup *backup, int64_t left)
{
    pthread_mutex_lock(&backup->mutex);
    backup->pages_copied = backup->read_bytes / backup->page_bytes;
    backup->page_count = backup->pages_copied + (left > 0 ? left : 0);
    pthread_mutex_unlock(&backup->mutex);
}

/* Waits until so much may have been copied. */
static void keep_to_rate(struct backup *backup)
{
    if (backup->bytes_per_second <= 0)
        return;
    int64_t due_us =
        backup->started_us + (int64_t)((double)backup->read_bytes * 1e6 / (double)backup->bytes_per_second);

    for (int64_t left_us; (left_us = due_us - monotonic_now_us()) > 0 && is_wanted(backup);)
        usleep((useconds_t)(left_us < PAUSE_US_MAX ? left_us : PAUSE_US_MAX));
}

/* ---- passes ---- */

/* Pages side by side that this pass is to read next, as many as a step has room for. */
struct run {
    uint32_t first;
    size_t count; /* 0: there are none any more */
};

static struct run next_run(const struct backup *backup, uint32_t from)
{
    size_t count_max = BACKUP_STEP_BYTES / (size_t)backup->page_bytes;
    struct run run = {page_set_next(&backup->wanted, from), 0};

    while (run.first && run.count < count_max &&
           page_set_has(&backup->wanted, run.first + (uint32_t)run.count))
        run.count++;
    return run;
}

/* Copies the pages of the run that are in the file, and says how many those are; -1: a failure. */
static int64_t copy_run(struct backup *backup, struct run run)
{
    size_t size = (size_t)backup->page_bytes;
    off_t offset = (off_t)(run.first - 1) * (off_t)size;
    ssize_t length = pread(backup->source.database, backup->bytes, run.count * size, offset);

    if (length < 0) {
        fail_for_errno(backup, "the database cannot be read");
        return -1;
    }
    size_t pages = (size_t)length / size;

    if (!write_read(backup, run.first, pages))
        return -1;
    if (pages > 0)
        write_out(backup, offset, offset + (off_t)(pages * size));
    backup->read_bytes += (off_t)(pages * size);
    return (int64_t)pages;
}

/* Whether more changes than may be copied: then it is of no use to go after it. */
static bool falls_behind(const struct backup *backup, int64_t pages_done)
{
    int64_t limit = backup->bytes_per_second, pages = (int64_t)backup->changed.count;

    if (limit <= 0 || limit > BACKUP_LAST_PASS_BYTES)
        limit = BACKUP_LAST_PASS_BYTES;
    return pages * backup->page_bytes > limit && pages > 2 * pages_done;
}

/* Leaves what is left of this pass to the last one. */
static void leave_rest(struct backup *backup, uint32_t from)
{
    while ((from = page_set_next(&backup->wanted, from)) != 0)
        page_set_add(&backup->changed, from++);
    backup->is_behind = true;
}

static bool copy_pass(struct backup *backup)
{
    struct run run = next_run(backup, 1);

    for (int64_t left = (int64_t)backup->wanted.count, pages; run.count > 0; left -= pages) {
        if (!is_wanted(backup) ||
            (monotonic_now_us() - backup->followed_us >= BACKUP_FOLLOW_MS * INT64_C(1000) &&
             !look_at_log(backup)))
            return false;
        if (!backup->is_last_pass && falls_behind(backup, (int64_t)backup->wanted.count - left)) {
            leave_rest(backup, run.first);
            return true;
        }
        pages = copy_run(backup, run);
        if (pages < 0)
            return false;
        if (pages == 0)
            pages = (int64_t)run.count; /* what the file lacks is in the log */
        note_progress(backup, left - pages);
        keep_to_rate(backup);
        run = next_run(backup, run.first + (uint32_t)pages);
    }
    return true;
}

/* On the writer's thread, while the other one waits: what has changed is wanted next. It is not all in the
 * file: what the log holds is taken again, and so is read anew in the pass after, or is given by the log in
 * the last one. */
static void turn(struct backup *backup)
{
    size_t wanted_before = backup->wanted.count;

    if (!look_at_log(backup))
        return;
    page_set_free(&backup->wanted);
    backup->wanted = backup->changed;
    backup->changed = (struct page_set){.words = NULL};
    backup->pass++;
    backup->is_last_pass = backup->is_behind ||
                           (int64_t)backup->wanted.count * backup->page_bytes <= BACKUP_LAST_PASS_BYTES ||
                           backup->wanted.count > wanted_before / 2 || backup->pass == BACKUP_PASSES_MAX;
    follower_take_again(backup->follower, backup->is_last_pass);
}

/* First all that is in the file by now; what is behind that later is in the log. */
static bool want_file(struct backup *backup)
{
    struct stat status;

    if (fstat(backup->source.database, &status) != 0)
        return fail_for_errno(backup, "the database cannot be read");
    page_set_add_first(&backup->wanted, (uint32_t)(status.st_size / backup->page_bytes));
    return true;
}

static bool copy_all(struct backup *backup)
{
    backup->started_us = monotonic_now_us();
    if (backup->reason[0] || !want_file(backup))
        return false;
    while (!backup->reason[0] && copy_pass(backup)) {
        if (backup->is_last_pass)
            return look_at_log(backup);
        if (!pass_through(backup, PHASE_TURNS, PHASE_COPIES))
            return false;
    }
    return false;
}

/* The copy is as long as the database. */
static bool cut_to_length(struct backup *backup)
{
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

/* ---- the writer's steps ---- */

int64_t backup_step(struct backup *backup, const struct backup_source *source)
{
    pthread_mutex_lock(&backup->mutex);
    enum phase phase = backup->phase, next = phase;

    pthread_mutex_unlock(&backup->mutex);
    if (phase == PHASE_WAITS)
        let_in(backup, source);
    else if (phase == PHASE_TURNS)
        turn(backup);
    else if (phase == PHASE_LEAVES)
        let_out(backup);
    if (phase == PHASE_WAITS || phase == PHASE_TURNS)
        next = PHASE_COPIES;
    else if (phase == PHASE_LEAVES)
        next = PHASE_APART;
    pthread_mutex_lock(&backup->mutex);
    if (next != phase)
        backup->phase = next;
    pthread_cond_broadcast(&backup->changed_phase);
    pthread_mutex_unlock(&backup->mutex);
    return next == PHASE_APART ? INT64_MAX : monotonic_now_us() + BACKUP_POLL_MS * INT64_C(1000);
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
    return (file_sync_by_windows(backup->fd, BACKUP_SYNC_BYTES) && hash_file(backup->fd, backup->sha256) &&
            give_name(backup)) ||
           fail_for_errno(backup, backup->path);
}

/* Here and not when it is freed: to give back what a file held that was removed meanwhile may take the disk a
 * second, for which the writer has no time. */
static void close_copy(struct backup *backup)
{
    if (backup->fd >= 0)
        close(backup->fd);
    backup->fd = -1;
}

static void *backup_main(void *context)
{
    struct backup *backup = context;

    processor_step_back(NICE);
    bool is_done =
        pass_through(backup, PHASE_WAITS, PHASE_COPIES) && copy_all(backup) && cut_to_length(backup);
    bool is_apart = pass_through(backup, PHASE_LEAVES, PHASE_APART);

    if (is_done && is_apart) {
        pthread_mutex_lock(&backup->mutex);
        backup->is_copied = true;
        pthread_mutex_unlock(&backup->mutex);
        is_done = put_on_disk(backup);
    }
    if (!is_done || !is_apart)
        unlink(backup->partial_path);
    close_copy(backup);
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
    if (backup->follower)
        follower_free(backup->follower);
    pthread_cond_destroy(&backup->changed_phase);
    pthread_mutex_destroy(&backup->mutex);
    page_set_free(&backup->wanted);
    page_set_free(&backup->changed);
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
    backup->told_us = monotonic_now_us();
    pthread_mutex_init(&backup->mutex, NULL);
    pthread_cond_init(&backup->changed_phase, NULL);
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
    backup->told_us = monotonic_now_us();
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

void backup_cancel(struct backup *backup, struct text path)
{
    pthread_mutex_lock(&backup->mutex);
    if (text_equal(path, text_from_string(backup->path)))
        backup->is_cancelled = true;
    pthread_mutex_unlock(&backup->mutex);
}

void backup_free(struct backup *backup)
{
    pthread_mutex_lock(&backup->mutex);
    backup->is_given_up = true;
    pthread_cond_broadcast(&backup->changed_phase);
    pthread_mutex_unlock(&backup->mutex);
    pthread_join(backup->thread, NULL);
    let_out(backup);
    free_parts(backup);
}
