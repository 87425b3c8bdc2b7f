#include "store/follower.h"

#include "base/instant.h"
#include "base/memory.h"
#include "store/sqlite/sqlite.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FOLLOWER_MAGIC = 0x464f4c4c,
    REASON_BYTES_MAX = 256,
    STEP_BYTES = 512 * 1024, /* read of the log at a time */
    SPOOLED_MIN = 256,
};

/* The log's format (sqlite.org/fileformat2.html, section 4): numbers are big-endian. */
enum {
    HEADER_BYTES = 32,
    HEADER_MAGIC = 0x377f0682, /* the lowest bit says in which order checksums are read */
    HEADER_PAGE_BYTES = 8,
    HEADER_SALTS = 16,
    FRAME_HEADER_BYTES = 24,
    FRAME_PAGE = 0,
    FRAME_COMMIT = 4, /* pages of the database, in the last frame of a commit; else 0 */
    FRAME_SALTS = 8,
    FRAME_CHECKSUMS = 16,
    PAGE_BYTES_MIN = 512,
    PAGE_BYTES_MAX = 65536,
};

/* Pages in the order in which they were committed. */
struct spool {
    int fd; /* -1: there is nothing in it, or only the numbers */
    uint32_t *numbers;
    size_t count, capacity;
    uint32_t database_pages;
    int64_t covers_until, closed_at, waits_since;
};

struct cut_page {
    uint32_t number;
    uint32_t place; /* in the spool */
};

struct follower {
    uint32_t magic;
    char *directory;
    int64_t spool_bytes_max;
    enum follow_from from;
    bool is_continuous;
    atomic_int log_fd;

    pthread_mutex_t noted_mutex; /* guards what the writer has noted */
    uint32_t noted_salts[2];
    int64_t noted_frames, noted_since; /* wall clock of the first commit that was not taken; 0: none */
    uint32_t ended_salts[2];           /* of the log before it began anew */
    int64_t ended_frames;

    pthread_mutex_t mutex; /* guards what follows */
    struct log_position taken;
    uint32_t page_bytes;
    struct spool spool;
    bool takes_numbers; /* and no pages */
    bool is_lost;
    char reason[REASON_BYTES_MAX];
    char *step; /* STEP_BYTES and a frame */

    /* Of the thread that cuts. */
    struct spool cut;
    struct cut_page *pages;
    size_t page_count;
};

static uint32_t read_u32(const char *bytes)
{
    const uint8_t *octets = (const uint8_t *)bytes;

    return (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 | (uint32_t)octets[2] << 8 | octets[3];
}

/* False with errno; a file that ends too early is EIO. */
static bool read_all(int fd, void *bytes, size_t length, off_t offset)
{
    for (size_t done = 0; done < length;) {
        ssize_t count = pread(fd, (char *)bytes + done, length - done, offset + (off_t)done);

        if (count < 0 && errno == EINTR)
            continue;
        if (count == 0)
            errno = EIO;
        if (count <= 0)
            return false;
        done += (size_t)count;
    }
    return true;
}

static bool write_all(int fd, const void *bytes, size_t length, off_t offset)
{
    for (size_t done = 0; done < length;) {
        ssize_t count = pwrite(fd, (const char *)bytes + done, length - done, offset + (off_t)done);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return false;
        done += (size_t)count;
    }
    return true;
}

/* ---- making ---- */

static void spool_empty(struct spool *spool)
{
    if (spool->fd >= 0)
        close(spool->fd);
    free(spool->numbers);
    *spool = (struct spool){.fd = -1};
}

struct follower *follower_new(const char *directory, int64_t spool_bytes_max, enum follow_from from,
                              const struct log_position *position)
{
    struct follower *follower = calloc(1, sizeof *follower);

    if (!follower || !(follower->directory = strdup(directory)))
        abort();
    follower->step = memory_take(STEP_BYTES + FRAME_HEADER_BYTES + PAGE_BYTES_MAX);
    follower->magic = FOLLOWER_MAGIC;
    follower->spool_bytes_max = spool_bytes_max;
    follower->from = from;
    if (from == FOLLOW_FROM_POSITION)
        follower->taken = *position;
    follower->log_fd = follower->spool.fd = follower->cut.fd = -1;
    pthread_mutex_init(&follower->noted_mutex, NULL);
    pthread_mutex_init(&follower->mutex, NULL);
    return follower;
}

void follower_free(struct follower *follower)
{
    assert(follower->magic == FOLLOWER_MAGIC);
    spool_empty(&follower->spool);
    spool_empty(&follower->cut);
    if (follower->log_fd >= 0)
        close(follower->log_fd);
    pthread_mutex_destroy(&follower->noted_mutex);
    pthread_mutex_destroy(&follower->mutex);
    free(follower->pages);
    free(follower->step);
    free(follower->directory);
    follower->magic = 0;
    free(follower);
}

void follower_take_numbers(struct follower *follower)
{
    assert(follower->magic == FOLLOWER_MAGIC && follower->spool.count == 0);
    follower->takes_numbers = true;
}

bool follower_is_continuous(const struct follower *follower)
{
    return follower->is_continuous;
}

/* ---- losing ---- */

/* With the mutex held. What is in the way of nobody any more. */
static void lose(struct follower *follower, const char *reason)
{
    if (follower->is_lost)
        return;
    follower->is_lost = true;
    snprintf(follower->reason, sizeof follower->reason, "%s", reason);
    spool_empty(&follower->spool);
}

static void lose_for_error(struct follower *follower, const char *what)
{
    char reason[REASON_BYTES_MAX];

    snprintf(reason, sizeof reason, "%s: %s", what, strerror(errno));
    lose(follower, reason);
}

/* ---- the writer's side ---- */

static off_t frame_offset(const struct follower *follower, int64_t frame)
{
    return HEADER_BYTES + (off_t)frame * (FRAME_HEADER_BYTES + (off_t)follower->page_bytes);
}

/* The page size and the salts of the log, which are all its header is read for. False: it has none, yet. */
static bool read_header(int fd, uint32_t *page_bytes, uint32_t salts[2])
{
    char header[HEADER_BYTES];

    if (!read_all(fd, header, sizeof header, 0) || (read_u32(header) & ~1u) != HEADER_MAGIC)
        return false;
    *page_bytes = read_u32(header + HEADER_PAGE_BYTES);
    salts[0] = read_u32(header + HEADER_SALTS);
    salts[1] = read_u32(header + HEADER_SALTS + 4);
    return *page_bytes >= PAGE_BYTES_MIN && *page_bytes <= PAGE_BYTES_MAX &&
           (*page_bytes & (*page_bytes - 1)) == 0;
}

/* Whether the log is the one of the position, with the same frame there. */
static bool has_position(struct follower *follower, const struct log_position *position)
{
    char frame[FRAME_HEADER_BYTES];
    uint32_t salts[2];

    return position->frames > 0 && read_header(follower->log_fd, &follower->page_bytes, salts) &&
           memcmp(salts, position->salts, sizeof salts) == 0 &&
           read_all(follower->log_fd, frame, sizeof frame, frame_offset(follower, position->frames - 1)) &&
           read_u32(frame + FRAME_SALTS) == salts[0] && read_u32(frame + FRAME_SALTS + 4) == salts[1] &&
           read_u32(frame + FRAME_CHECKSUMS) == position->checksums[0] &&
           read_u32(frame + FRAME_CHECKSUMS + 4) == position->checksums[1];
}

static void open_log(struct follower *follower, const char *path)
{
    char *log_path;

    if (asprintf(&log_path, "%s-wal", path) < 0)
        abort();
    follower->log_fd = open(log_path, O_RDONLY | O_CLOEXEC);
    if (follower->log_fd < 0)
        lose_for_error(follower, "the write-ahead log cannot be read");
    free(log_path);
}

void follower_attach(struct follower *follower, const char *path)
{
    assert(follower->magic == FOLLOWER_MAGIC);
    pthread_mutex_lock(&follower->mutex);
    open_log(follower, path);
    follower->is_continuous =
        !follower->is_lost &&
        (follower->from == FOLLOW_FROM_REST ||
         (follower->from == FOLLOW_FROM_POSITION && has_position(follower, &follower->taken)));
    if (!follower->is_continuous || follower->from == FOLLOW_FROM_REST)
        follower->taken = (struct log_position){.frames = 0};
    pthread_mutex_unlock(&follower->mutex);
}

void follower_doubt(struct follower *follower)
{
    follower->is_continuous = false;
}

void follower_note(struct follower *follower, int frames)
{
    uint32_t page_bytes, salts[2];

    assert(follower->magic == FOLLOWER_MAGIC);
    if (frames == 0)
        return;
    if (!read_header(follower->log_fd, &page_bytes, salts)) {
        pthread_mutex_lock(&follower->mutex);
        lose(follower, "the write-ahead log has no header");
        pthread_mutex_unlock(&follower->mutex);
        return;
    }
    pthread_mutex_lock(&follower->noted_mutex);
    bool is_anew = memcmp(follower->noted_salts, salts, sizeof salts) != 0;

    if (follower->noted_since == 0 && (is_anew || follower->noted_frames != frames))
        follower->noted_since = instant_now_us();
    if (is_anew) {
        memcpy(follower->ended_salts, follower->noted_salts, sizeof salts);
        follower->ended_frames = follower->noted_frames;
    }
    memcpy(follower->noted_salts, salts, sizeof salts);
    follower->noted_frames = frames;
    pthread_mutex_unlock(&follower->noted_mutex);
}

void follower_begin_anew(struct follower *follower)
{
    pthread_mutex_lock(&follower->mutex);
    uint32_t salts[2];

    pthread_mutex_lock(&follower->noted_mutex);
    memcpy(follower->taken.salts, follower->noted_salts, sizeof follower->taken.salts);
    follower->taken.frames = follower->noted_frames;
    follower->noted_since = 0;
    pthread_mutex_unlock(&follower->noted_mutex);
    spool_empty(&follower->spool);
    follower->is_lost = false;
    if (follower->taken.frames > 0 && !read_header(follower->log_fd, &follower->page_bytes, salts))
        lose(follower, "the write-ahead log has no header");
    pthread_mutex_unlock(&follower->mutex);
}

/* ---- taking ---- */

/* A file that ends with us. -1 with errno. */
static int open_unlinked(const char *directory)
{
    char *path;

    if (asprintf(&path, "%s/followed-XXXXXX", directory) < 0)
        abort();
    int fd = mkostemp(path, O_CLOEXEC);

    if (fd >= 0)
        unlink(path);
    free(path);
    return fd;
}

static bool spool_has_room(struct follower *follower, size_t frames)
{
    struct spool *spool = &follower->spool;
    size_t bytes_each = follower->takes_numbers ? sizeof *spool->numbers : follower->page_bytes;

    if (spool->fd < 0 && !follower->takes_numbers) {
        spool->fd = open_unlinked(follower->directory);
        if (spool->fd < 0) {
            lose_for_error(follower, "what was committed cannot be kept for the backup");
            return false;
        }
    }
    if ((int64_t)((spool->count + frames) * bytes_each) > follower->spool_bytes_max) {
        lose(follower, "more was committed than is kept while it cannot be backed up");
        return false;
    }
    if (spool->count + frames > spool->capacity) {
        spool->capacity = 2 * (spool->count + frames) + SPOOLED_MIN;
        spool->numbers = memory_resize(spool->numbers, spool->capacity * sizeof *spool->numbers);
    }
    return true;
}

/* The next frames: whole, or of each its header where its page would be, so that both look alike. */
static bool read_frames(struct follower *follower, size_t count, size_t frame_bytes)
{
    off_t offset = frame_offset(follower, follower->taken.frames);
    bool is_read = true;

    if (!follower->takes_numbers)
        return read_all(follower->log_fd, follower->step, count * frame_bytes, offset);
    for (size_t i = 0; i < count && is_read; i++)
        is_read = read_all(follower->log_fd, follower->step + i * frame_bytes, FRAME_HEADER_BYTES,
                           offset + (off_t)(i * frame_bytes));
    return is_read;
}

/* Notes one frame of the step. False: it is not one of this log. */
static bool take_frame(struct follower *follower, const char *frame)
{
    struct spool *spool = &follower->spool;
    const uint32_t *salts = follower->taken.salts;
    uint32_t pages = read_u32(frame + FRAME_COMMIT);

    if (read_u32(frame + FRAME_SALTS) != salts[0] || read_u32(frame + FRAME_SALTS + 4) != salts[1])
        return false;
    spool->numbers[spool->count++] = read_u32(frame + FRAME_PAGE);
    if (pages)
        spool->database_pages = pages;
    follower->taken.frames++;
    follower->taken.checksums[0] = read_u32(frame + FRAME_CHECKSUMS);
    follower->taken.checksums[1] = read_u32(frame + FRAME_CHECKSUMS + 4);
    return true;
}

/* Keeps the pages of the step, which move together. */
static bool keep_pages(struct follower *follower, size_t count, size_t frame_bytes, off_t spooled)
{
    char *step = follower->step;

    for (size_t i = 0; i < count; i++)
        memmove(step + i * follower->page_bytes, step + i * frame_bytes + FRAME_HEADER_BYTES,
                follower->page_bytes);
    return write_all(follower->spool.fd, step, count * follower->page_bytes, spooled);
}

/* Takes the next frames, as many as a step holds. With the mutex held. */
static bool take_step(struct follower *follower, int64_t frames)
{
    size_t frame_bytes = FRAME_HEADER_BYTES + follower->page_bytes, count = STEP_BYTES / frame_bytes;
    off_t spooled = (off_t)follower->spool.count * follower->page_bytes;

    count = (int64_t)count > frames ? (size_t)frames : count;
    if (count == 0)
        count = 1;
    if (!spool_has_room(follower, count))
        return false;
    if (!read_frames(follower, count, frame_bytes)) {
        lose_for_error(follower, "the write-ahead log cannot be read");
        return false;
    }
    for (size_t i = 0; i < count; i++)
        if (!take_frame(follower, follower->step + i * frame_bytes)) {
            lose(follower, "a frame of the write-ahead log is not of this log");
            return false;
        }
    if (!follower->takes_numbers && !keep_pages(follower, count, frame_bytes, spooled)) {
        lose_for_error(follower, "what was committed cannot be kept for the backup");
        return false;
    }
    return true;
}

/* What the writer has noted; also when the log has begun anew, which it does only when all of it was taken.
 */
static int64_t frames_to_take(struct follower *follower, int64_t *waits_since)
{
    const struct log_position *taken = &follower->taken;
    uint32_t salts[2];

    pthread_mutex_lock(&follower->noted_mutex);
    memcpy(salts, follower->noted_salts, sizeof salts);
    int64_t frames = follower->noted_frames;
    bool is_anew = frames > 0 && memcmp(salts, taken->salts, sizeof salts) != 0,
         has_all = taken->frames == 0 || (taken->frames == follower->ended_frames &&
                                          memcmp(taken->salts, follower->ended_salts, sizeof salts) == 0);

    *waits_since = follower->noted_since;
    follower->noted_since = 0;
    pthread_mutex_unlock(&follower->noted_mutex);
    if (is_anew && !has_all)
        lose(follower, "the write-ahead log began anew before it was read");
    if (is_anew) {
        follower->taken = (struct log_position){.salts = {salts[0], salts[1]}};
        if (!read_header(follower->log_fd, &follower->page_bytes, salts))
            lose(follower, "the write-ahead log has no header");
    }
    return frames > 0 ? frames - follower->taken.frames : 0; /* 0: nothing was committed since the start */
}

static enum follower_state take(struct follower *follower)
{
    int64_t covers_until = instant_now_us(), closed_at, waits_since, frames;

    if (follower->is_lost)
        return FOLLOWER_LOST;
    frames = frames_to_take(follower, &waits_since);
    closed_at = instant_now_us();
    if (frames < 0)
        lose(follower, "the write-ahead log is shorter than it was");
    while (frames > 0 && !follower->is_lost) {
        int64_t before = follower->taken.frames;

        if (!take_step(follower, frames))
            break;
        frames -= follower->taken.frames - before;
    }
    if (follower->is_lost)
        return FOLLOWER_LOST;
    follower->spool.covers_until = covers_until;
    follower->spool.closed_at = closed_at;
    if (follower->spool.waits_since == 0)
        follower->spool.waits_since = waits_since;
    return FOLLOWER_FOLLOWS;
}

enum follower_state follower_take(struct follower *follower)
{
    pthread_mutex_lock(&follower->mutex);
    enum follower_state state = take(follower);

    pthread_mutex_unlock(&follower->mutex);
    return state;
}

/* An attempt that has failed may have begun the log anew: then nothing that counts is in it. */
void follower_take_again(struct follower *follower, bool with_pages)
{
    uint32_t page_bytes, salts[2];

    assert(follower->magic == FOLLOWER_MAGIC);
    pthread_mutex_lock(&follower->mutex);
    assert(follower->spool.count == 0);
    follower->takes_numbers = !with_pages;
    if (read_header(follower->log_fd, &page_bytes, salts) &&
        memcmp(salts, follower->taken.salts, sizeof salts) == 0)
        follower->taken.frames = 0;
    take(follower);
    pthread_mutex_unlock(&follower->mutex);
}

int64_t follower_waits_since(struct follower *follower)
{
    pthread_mutex_lock(&follower->mutex);
    int64_t since = follower->spool.waits_since;

    pthread_mutex_lock(&follower->noted_mutex);
    if (since == 0)
        since = follower->noted_since;
    pthread_mutex_unlock(&follower->noted_mutex);
    pthread_mutex_unlock(&follower->mutex);
    return since;
}

/* ---- cutting ---- */

static int by_number(const void *one, const void *other)
{
    const struct cut_page *a = one, *b = other;

    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

/* The last state of each page, in the order of their numbers. Those beyond the end of the database, which has
 * become shorter, are nothing. */
static void order_pages(struct follower *follower)
{
    const struct spool *cut = &follower->cut;
    struct cut_page *pages = memory_take((cut->count + 1) * sizeof *pages);
    size_t count = 0;

    for (size_t i = 0; i < cut->count; i++)
        pages[i] = (struct cut_page){cut->numbers[i], (uint32_t)i};
    qsort(pages, cut->count, sizeof *pages, by_number);
    for (size_t i = 0; i < cut->count; i++)
        if ((i + 1 == cut->count || pages[i + 1].number != pages[i].number) &&
            pages[i].number <= cut->database_pages)
            pages[count++] = pages[i];
    free(follower->pages);
    follower->pages = pages;
    follower->page_count = count;
}

enum follower_state follower_cut(struct follower *follower, struct follower_cut *cut, struct arena *arena,
                                 struct text *reason)
{
    assert(follower->magic == FOLLOWER_MAGIC);
    *cut = (struct follower_cut){.page_count = 0};
    spool_empty(&follower->cut);
    pthread_mutex_lock(&follower->mutex);
    enum follower_state state = take(follower);

    if (state == FOLLOWER_LOST) {
        *reason = arena_copy(arena, text_from_string(follower->reason));
    } else {
        *cut = (struct follower_cut){
            .covers_until = follower->spool.covers_until,
            .closed_at = follower->spool.closed_at,
            .page_bytes = follower->page_bytes,
            .database_pages = follower->spool.database_pages,
            .position = follower->taken,
        };
        follower->cut = follower->spool;
        follower->spool = (struct spool){.fd = -1};
    }
    pthread_mutex_unlock(&follower->mutex);
    order_pages(follower);
    cut->page_count = follower->page_count;
    return state;
}

uint32_t follower_page_number(const struct follower *follower, size_t index)
{
    assert(index < follower->page_count);
    return follower->pages[index].number;
}

bool follower_page(struct follower *follower, size_t index, uint32_t *number, void *bytes)
{
    assert(follower->cut.fd >= 0);
    *number = follower_page_number(follower, index);
    return read_all(follower->cut.fd, bytes, follower->page_bytes,
                    (off_t)follower->pages[index].place * follower->page_bytes);
}

/* ---- all of them ---- */

bool followers_note(const struct followers *followers, struct connection *writer)
{
    int frames = sqlite_wal_pages(writer);

    if (!sqlite_has_committed(writer))
        return false;
    if (followers->stream)
        follower_note(followers->stream, frames);
    if (followers->copy)
        follower_note(followers->copy, frames);
    return true;
}

void followers_take(const struct followers *followers)
{
    if (followers->stream)
        follower_take(followers->stream);
    if (followers->copy)
        follower_take(followers->copy);
}
