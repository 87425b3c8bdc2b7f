#include "base/log_sink.h"

#include "base/instant.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOG_SINK_MAGIC = 0x4c534e4b, FILE_MODE = 0600, POLL_STEP_MS = 100, CACHE_LINE_BYTES = 64 };

/* One writer, one reader. Positions only grow; a byte lies at its position modulo the size. A line is
 * preceded by its length. */
struct log_ring {
    struct log_sink *sink;
    struct log_ring *next;
    char *bytes;
    /* The writer's. */
    _Alignas(CACHE_LINE_BYTES) atomic_uint_fast64_t end;
    uint64_t start_seen; /* the reader was at least here */
    atomic_int_fast64_t dropped;
    bool has_woken; /* since the ring was last less than half full */
    /* The reader's. */
    _Alignas(CACHE_LINE_BYTES) atomic_uint_fast64_t start;
};

typedef uint16_t line_length;
_Static_assert(LOG_LINE_BYTES_MAX <= UINT16_MAX, "a length fits");

struct log_sink {
    uint32_t magic;
    char *path; /* NULL: standard output */
    int file, waker;
    pthread_t thread;

    atomic_bool is_sleeping, must_reopen, is_ending;
    pthread_mutex_t lock; /* guards the list */
    struct log_ring *rings;

    /* The thread's. */
    bool is_regular; /* takes any number of bytes at once, without blocking for a reader */
    bool is_cut;     /* the file ends inside a line, because it refused the rest */
    size_t chunk_length, chunk_lines;
    int64_t dropped_told, complaint_due_us, end_by_us;
    atomic_int_fast64_t refused; /* lines */
    char chunk[LOG_SINK_CHUNK_BYTES];
};

/* ---- the writers' side ---- */

static void wake(struct log_sink *sink)
{
    eventfd_write(sink->waker, 1);
}

static void copy_in(struct log_ring *ring, uint64_t position, const void *bytes, size_t length)
{
    size_t at = position % LOG_RING_BYTES;
    size_t first = LOG_RING_BYTES - at < length ? LOG_RING_BYTES - at : length;

    memcpy(ring->bytes + at, bytes, first);
    memcpy(ring->bytes, (const char *)bytes + first, length - first);
}

/* The thread looks by itself before long: a wake-up that is missed, because it is about to sleep, costs a
 * second at most, and no writer pays for a fence. */
static void wake_if_due(struct log_ring *ring, uint64_t used)
{
    struct log_sink *sink = ring->sink;

    if (atomic_load_explicit(&sink->is_sleeping, memory_order_relaxed) &&
        atomic_exchange_explicit(&sink->is_sleeping, false, memory_order_relaxed))
        wake(sink);
    if (used < LOG_RING_BYTES / 2) {
        ring->has_woken = false;
    } else if (!ring->has_woken) {
        ring->has_woken = true;
        wake(sink);
    }
}

bool log_ring_put(struct log_ring *ring, struct text line)
{
    uint64_t end = atomic_load_explicit(&ring->end, memory_order_relaxed);
    line_length length = (line_length)line.length;
    uint64_t new_end = end + sizeof length + length;

    assert(line.length <= LOG_LINE_BYTES_MAX);
    /* Looked up seldom, because it is in another processor's cache. */
    if (new_end - ring->start_seen > LOG_RING_BYTES / 2)
        ring->start_seen = atomic_load_explicit(&ring->start, memory_order_acquire);
    bool has_room = new_end - ring->start_seen <= LOG_RING_BYTES;

    if (has_room) {
        copy_in(ring, end, &length, sizeof length);
        copy_in(ring, end + sizeof length, line.data, length);
        atomic_store_explicit(&ring->end, new_end, memory_order_release);
    } else {
        int64_t dropped = atomic_load_explicit(&ring->dropped, memory_order_relaxed);

        atomic_store_explicit(&ring->dropped, dropped + 1, memory_order_relaxed);
    }
    wake_if_due(ring, new_end - ring->start_seen);
    return has_room;
}

struct log_ring *log_sink_ring(struct log_sink *sink)
{
    struct log_ring *ring = aligned_alloc(CACHE_LINE_BYTES, sizeof *ring);

    assert(sink->magic == LOG_SINK_MAGIC);
    if (!ring)
        abort();
    *ring = (struct log_ring){.sink = sink, .bytes = malloc(LOG_RING_BYTES)};
    if (!ring->bytes)
        abort();
    pthread_mutex_lock(&sink->lock);
    ring->next = sink->rings;
    sink->rings = ring;
    pthread_mutex_unlock(&sink->lock);
    return ring;
}

int64_t log_sink_dropped(struct log_sink *sink)
{
    int64_t dropped = atomic_load_explicit(&sink->refused, memory_order_relaxed);

    assert(sink->magic == LOG_SINK_MAGIC);
    pthread_mutex_lock(&sink->lock);
    for (struct log_ring *ring = sink->rings; ring; ring = ring->next)
        dropped += atomic_load_explicit(&ring->dropped, memory_order_relaxed);
    pthread_mutex_unlock(&sink->lock);
    return dropped;
}

/* ---- the file ---- */

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, FILE_MODE);
}

static void use_file(struct log_sink *sink, int file)
{
    struct stat status;

    sink->file = file;
    sink->is_regular = fstat(file, &status) == 0 && S_ISREG(status.st_mode);
    sink->is_cut = false;
}

static void reopen(struct log_sink *sink)
{
    int file = sink->path ? open_file(sink->path) : -1;

    if (file >= 0) {
        close(sink->file);
        use_file(sink, file);
    } else if (sink->path) {
        LOG_WARNING("the access log could not be opened again; the open file stays in use",
                    LOG_STRING("path", sink->path), LOG_STRING("error", strerror(errno)));
    }
}

/* Whether the end has waited long enough for a reader. */
static bool has_given_up(struct log_sink *sink)
{
    if (!atomic_load(&sink->is_ending))
        return false;
    if (!sink->end_by_us)
        sink->end_by_us = monotonic_now_us() + LOG_SINK_CLOSE_MS * INT64_C(1000);
    return monotonic_now_us() >= sink->end_by_us;
}

/* A pipe or a terminal may take its time, but the end of the program must not wait for it. */
static bool wait_until_writable(struct log_sink *sink)
{
    struct pollfd file = {.fd = sink->file, .events = POLLOUT};

    while (!sink->is_regular && poll(&file, 1, has_given_up(sink) ? 0 : POLL_STEP_MS) <= 0)
        if (has_given_up(sink))
            return false;
    return true;
}

static bool write_bytes(struct log_sink *sink, const char *bytes, size_t length)
{
    while (length > 0) {
        if (!wait_until_writable(sink))
            return false;
        ssize_t count = write(sink->file, bytes, length);

        if (count < 0 && errno != EINTR && errno != EAGAIN)
            return false;
        if (count <= 0)
            continue;
        bytes += count;
        length -= (size_t)count;
        sink->is_cut = length > 0;
    }
    return true;
}

static void write_chunk(struct log_sink *sink)
{
    bool is_written =
        (!sink->is_cut || write_bytes(sink, "\n", 1)) && write_bytes(sink, sink->chunk, sink->chunk_length);

    if (!is_written)
        atomic_fetch_add_explicit(&sink->refused, (int64_t)sink->chunk_lines, memory_order_relaxed);
    sink->chunk_length = sink->chunk_lines = 0;
}

/* ---- the thread ---- */

static void copy_out(const struct log_ring *ring, uint64_t position, void *bytes, size_t length)
{
    size_t at = position % LOG_RING_BYTES;
    size_t first = LOG_RING_BYTES - at < length ? LOG_RING_BYTES - at : length;

    memcpy(bytes, ring->bytes + at, first);
    memcpy((char *)bytes + first, ring->bytes, length - first);
}

/* Writes what is in the ring now; what comes meanwhile has its turn in the next round. What is not a file
 * gets whole lines, no more than a pipe takes at once, so that they do not mix with those of other writers.
 */
static bool drain_ring(struct log_sink *sink, struct log_ring *ring)
{
    const size_t chunk_max = sink->is_regular ? LOG_SINK_CHUNK_BYTES : LOG_LINE_BYTES_MAX;
    uint64_t start = atomic_load_explicit(&ring->start, memory_order_relaxed);
    uint64_t end = atomic_load_explicit(&ring->end, memory_order_acquire);
    bool has_lines = start != end;

    while (start != end) {
        line_length length;

        copy_out(ring, start, &length, sizeof length);
        if (sink->chunk_length + length > chunk_max) {
            write_chunk(sink);
            atomic_store_explicit(&ring->start, start, memory_order_release);
        }
        copy_out(ring, start + sizeof length, sink->chunk + sink->chunk_length, length);
        sink->chunk_length += length;
        sink->chunk_lines++;
        start += sizeof length + length;
    }
    atomic_store_explicit(&ring->start, start, memory_order_release);
    return has_lines;
}

static bool drain(struct log_sink *sink)
{
    bool has_lines = false;

    pthread_mutex_lock(&sink->lock);
    struct log_ring *ring = sink->rings;

    pthread_mutex_unlock(&sink->lock);
    for (; ring; ring = ring->next)
        has_lines |= drain_ring(sink, ring);
    if (sink->chunk_length)
        write_chunk(sink);
    return has_lines;
}

static void tell_of_losses(struct log_sink *sink)
{
    int64_t dropped = log_sink_dropped(sink), now_us = monotonic_now_us();

    if (dropped == sink->dropped_told || now_us < sink->complaint_due_us)
        return;
    LOG_WARNING("access log lines were dropped: what it is written to is too slow, or refuses them",
                LOG_INTEGER("lines", dropped - sink->dropped_told));
    sink->dropped_told = dropped;
    sink->complaint_due_us = now_us + LOG_SINK_COMPLAINT_SECONDS * MICROSECONDS_PER_SECOND;
}

/* Until there may be more to do. */
static void rest(struct log_sink *sink, bool had_lines)
{
    struct pollfd waker = {.fd = sink->waker, .events = POLLIN};
    eventfd_t ignored;

    if (!had_lines)
        atomic_store_explicit(&sink->is_sleeping, true, memory_order_relaxed);
    if (poll(&waker, 1, had_lines ? LOG_SINK_PAUSE_MS : LOG_SINK_SLEEP_MS) > 0)
        eventfd_read(sink->waker, &ignored);
    atomic_store_explicit(&sink->is_sleeping, false, memory_order_relaxed);
}

static void *sink_main(void *context)
{
    struct log_sink *sink = context;

    for (;;) {
        bool is_ending = atomic_load(&sink->is_ending);

        if (atomic_exchange(&sink->must_reopen, false))
            reopen(sink);
        bool had_lines = drain(sink);

        tell_of_losses(sink);
        if (is_ending && (!had_lines || has_given_up(sink)))
            return NULL;
        if (!is_ending)
            rest(sink, had_lines);
    }
}

/* ---- its life ---- */

struct log_sink *log_sink_open(struct text destination, struct arena *arena, struct text *reason)
{
    bool is_stdout = text_equal(destination, TEXT("stdout"));
    const char *path = arena_string(arena, destination);
    /* Its own descriptor, because it is closed with the sink. */
    int file = is_stdout ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) : open_file(path);

    if (file < 0) {
        *reason = arena_format(arena, "cannot open the access log %s: %s", path, strerror(errno));
        return NULL;
    }
    struct log_sink *sink = calloc(1, sizeof *sink);

    if (!sink)
        abort();
    sink->magic = LOG_SINK_MAGIC;
    sink->path = is_stdout ? NULL : strdup(path);
    sink->waker = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    use_file(sink, file);
    pthread_mutex_init(&sink->lock, NULL);
    if (sink->waker < 0 || (!is_stdout && !sink->path) ||
        pthread_create(&sink->thread, NULL, sink_main, sink) != 0)
        abort();
    pthread_setname_np(sink->thread, "access-log");
    return sink;
}

void log_sink_reopen(struct log_sink *sink)
{
    assert(sink->magic == LOG_SINK_MAGIC);
    atomic_store(&sink->must_reopen, true);
    wake(sink);
}

void log_sink_close(struct log_sink *sink)
{
    assert(sink->magic == LOG_SINK_MAGIC);
    atomic_store(&sink->is_ending, true);
    wake(sink);
    pthread_join(sink->thread, NULL);
    for (struct log_ring *ring = sink->rings, *next; ring; ring = next) {
        next = ring->next;
        free(ring->bytes);
        free(ring);
    }
    close(sink->file);
    close(sink->waker);
    pthread_mutex_destroy(&sink->lock);
    free(sink->path);
    sink->magic = 0;
    free(sink);
}
