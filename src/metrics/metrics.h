/* metrics.h: what the process counts about itself, and its exposition in Prometheus' text format.
 *
 * Whoever counts adds to plain numbers that belong to its own thread: no lock, no instruction that other
 * processors wait for, no line of memory that two threads write. A scrape sums the numbers of all threads.
 * All that can be counted is a member of struct metrics_cells, and its name, help and labels are one row in
 * table.c.
 *
 *     metrics_add(&metrics_here()->writer_replays, 1);
 */
#ifndef FARTHING_METRICS_METRICS_H
#define FARTHING_METRICS_METRICS_H

#include "base/buffer.h"
#include "base/text.h"

#include <stdatomic.h>

/* ---- what is counted ---- */

enum {
    METRICS_ROUTES_MAX = 512,
    /* By method, for requests that no route was found for: as many as http has methods. */
    METRICS_UNMATCHED_SLOTS = 8,
    /* A route has two: its own method, and HEAD. */
    METRICS_ROUTE_SLOTS = METRICS_UNMATCHED_SLOTS + 2 * METRICS_ROUTES_MAX,
    METRICS_STATUS_SLOTS = 40,
    METRICS_BUCKETS = 56, /* the last one takes whatever is larger */
};

enum metrics_lane { METRICS_LANE_NONE, METRICS_LANE_READ, METRICS_LANE_WRITE, METRICS_LANES };

/* Why a request was refused before any route saw it, or could not be taken. */
enum metrics_rejection {
    METRICS_REJECTED_MALFORMED,
    METRICS_REJECTED_TIMEOUT,
    METRICS_REJECTED_BODY_TOO_LARGE,
    METRICS_REJECTED_URL_TOO_LONG,
    METRICS_REJECTED_HEADER_TOO_LARGE,
    METRICS_REJECTED_NOT_IMPLEMENTED,
    METRICS_REJECTED_OVERLOADED,
    METRICS_REJECTED_VERSION,
    METRICS_REJECTED_RATE_LIMITED,
    METRICS_REJECTED_WRITE_QUEUE_FULL,
    METRICS_REJECTED_READ_QUEUE_FULL,
    METRICS_REJECTED_SLOW_QUEUE_FULL,
    METRICS_REJECTIONS
};

/* Why a connection was closed, or had to wait, before its first request. */
enum metrics_connection_refusal {
    METRICS_CONNECTION_LIMIT,
    METRICS_CONNECTION_CLIENT_LIMIT,
    METRICS_CONNECTION_NO_DESCRIPTORS,
    METRICS_CONNECTION_REFUSALS
};

enum metrics_batch_outcome { METRICS_BATCH_COMMITTED, METRICS_BATCH_FAILED, METRICS_BATCH_OUTCOMES };
/* What became of a commit amid which the connection was lost. */
enum metrics_doubt {
    METRICS_DOUBT_COMMITTED,
    METRICS_DOUBT_NOT_COMMITTED,
    METRICS_DOUBT_UNKNOWN,
    METRICS_DOUBTS
};
enum metrics_job {
    METRICS_JOB_AUDIT_RETENTION,
    METRICS_JOB_IDEMPOTENCY_RETENTION,
    METRICS_JOB_KEY_USES,
    METRICS_JOB_REENCRYPTION,
    METRICS_JOB_SEARCH_INDEX,
    METRICS_JOB_TENANT_CUSTOMERS,
    METRICS_JOBS,
};
enum metrics_log { METRICS_LOG_PROCESS, METRICS_LOG_ACCESS, METRICS_LOGS };
enum metrics_checkpoint_phase { METRICS_CHECKPOINT_COPY, METRICS_CHECKPOINT_SYNC, METRICS_CHECKPOINT_PHASES };

/* Written by one thread with plain stores, read by others. */
typedef _Atomic uint64_t metrics_cell;

struct metrics_histogram {
    metrics_cell buckets[METRICS_BUCKETS]; /* not cumulative */
    metrics_cell sum;
};

/* One a thread; nothing but cells, so that a sum of two is the sum of their members. Durations are in
 * microseconds. What is a gauge is the sum of what each thread says, and so may be counted up by one thread
 * and down by another. */
struct metrics_cells {
    struct metrics_histogram http_request_duration_us[METRICS_LANES];
    metrics_cell http_requests_rejected[METRICS_REJECTIONS];
    metrics_cell writer_commands_waiting;
    metrics_cell writer_batches[METRICS_BATCH_OUTCOMES];
    metrics_cell writer_replays;
    struct metrics_histogram writer_batch_commands;
    struct metrics_histogram reader_batch_commands; /* where reads are commands */
    metrics_cell database_sessions_opened, database_sessions_lost;
    metrics_cell database_commits_in_doubt[METRICS_DOUBTS];
    struct metrics_histogram database_commit_duration_us;
    struct metrics_histogram database_checkpoint_duration_us[METRICS_CHECKPOINT_PHASES];
    metrics_cell backup_segments, backup_bytes, backup_bases, backup_failures;
    metrics_cell backup_stored_until_us, backup_last_base_us; /* since 1970; of one thread */
    metrics_cell database_checkpoint_stalls[METRICS_CHECKPOINT_PHASES];
    metrics_cell database_log_held;
    metrics_cell housekeeping_runs[METRICS_JOBS], housekeeping_failures[METRICS_JOBS];
    metrics_cell housekeeping_rows[METRICS_JOBS];
    /* Last, because a scrape reads only as many rows as there are routes. */
    metrics_cell http_requests[METRICS_ROUTE_SLOTS][METRICS_STATUS_SLOTS];
};

/* ---- counting ---- */

extern __thread struct metrics_cells *metrics_of_thread;

/* Gives this thread its cells, for its lifetime. What a thread has counted stays when it ends. */
struct metrics_cells *metrics_join(void);

/* The cells of this thread. */
static inline struct metrics_cells *metrics_here(void)
{
    struct metrics_cells *cells = metrics_of_thread;

    return __builtin_expect(cells != NULL, 1) ? cells : metrics_join();
}

static inline void metrics_set(metrics_cell *cell, uint64_t value)
{
    atomic_store_explicit(cell, value, memory_order_relaxed);
}

static inline void metrics_add(metrics_cell *cell, uint64_t number)
{
    metrics_set(cell, atomic_load_explicit(cell, memory_order_relaxed) + number);
}

static inline void metrics_subtract(metrics_cell *cell, uint64_t number)
{
    metrics_add(cell, -number);
}

/* The bucket of a value: two for each doubling, with the bounds 1, 2, 3, 4, 6, 8, 12, 16, … which belong to
 * the bucket below them. */
static inline unsigned metrics_bucket(int64_t value)
{
    if (value <= 2)
        return value == 2;
    uint64_t below = (uint64_t)value - 1;
    unsigned exponent = 63 - (unsigned)__builtin_clzll(below);
    unsigned bucket = 2 * exponent + (unsigned)((below >> (exponent - 1)) & 1);

    return bucket < METRICS_BUCKETS ? bucket : METRICS_BUCKETS - 1;
}

/* The largest value that belongs to a bucket; the last bucket has none. */
static inline int64_t metrics_bucket_bound(unsigned bucket)
{
    if (bucket < 2)
        return bucket + 1;
    return bucket & 1 ? INT64_C(1) << (bucket / 2 + 1) : INT64_C(3) << (bucket / 2 - 1);
}

static inline void metrics_observe(struct metrics_histogram *histogram, int64_t value)
{
    metrics_add(&histogram->buckets[metrics_bucket(value)], 1);
    metrics_add(&histogram->sum, value > 0 ? (uint64_t)value : 0);
}

/* Which column of http_requests a status has; statuses that are not in the table share one. */
unsigned metrics_status_slot(int status);

/* ---- scraping ---- */

/* What nobody counts, because it can be looked up at any time. Below zero: not known, and left out. */
struct metrics_samples {
    int64_t http_connections_open, http_connections_accepted;
    int64_t http_connections_refused[METRICS_CONNECTION_REFUSALS];
    int64_t http_buffered_bytes;
    int64_t tls_handshakes, tls_resumptions, tls_failures;
    int64_t database_bytes, wal_bytes, database_sync_failed, database_up, oldest_snapshot_us;
    int64_t log_lines_dropped[METRICS_LOGS];
    int64_t cpu_us, start_us, resident_bytes, virtual_bytes, descriptors_open, descriptors_max;
    const char *version, *sqlite_version;
};

/* Fills in what the operating system knows about this process. */
void metrics_sample_process(struct metrics_samples *samples);

/* How the rows of http_requests are labelled. Rows that nothing was counted in are left out, and so rows that
 * no route has need no label. */
struct metrics_route {
    struct text path; /* the pattern, never what a client sent */
    struct text method;
};

/* Appends the exposition (text format 0.0.4). `routes` labels the first `route_count` rows. Any thread. */
void metrics_write(struct buffer *out, const struct metrics_samples *samples,
                   const struct metrics_route *routes, unsigned route_count);

/* The media type of that. */
#define METRICS_MEDIA_TYPE "text/plain; version=0.0.4; charset=utf-8"

#endif
