/* table.c: every metric, described once. docs/metrics.md has the same rows, which a test holds true. */
#include "metrics/internal.h"

#define CELLS(member)   .source = METRIC_OF_CELLS, .offset = offsetof(struct metrics_cells, member)
#define SAMPLES(member) .source = METRIC_OF_SAMPLES, .offset = offsetof(struct metrics_samples, member)
/* A label with its values, in the order of the enum that the array is indexed by. */
#define BY(label_name, label_values) .label = (label_name), .values = (label_values)

enum {

    REQUEST_BOUND_MIN_US = 8, /* about what a request costs */
    REQUEST_BOUND_MAX_US = 1 << 25,
    DISK_BOUND_MIN_US = 16,
    DISK_BOUND_MAX_US = 1 << 24,
    BATCH_BOUND_MAX = 1024, /* the writer's limit */
    READ_BATCH_BOUND_MAX = 64,
};

static const char *const lanes[] = {"none", "read", "write", NULL};
static const char *const rejections[] = {
    "malformed",  "timeout", "body_too_large", "url_too_long",     "header_too_large", "not_implemented",
    "overloaded", "version", "rate_limited",   "write_queue_full", "read_queue_full",  "slow_queue_full",
    NULL};
static const char *const connection_refusals[] = {"limit", "client_limit", "no_descriptors", NULL};
static const char *const outcomes[] = {"committed", "failed", NULL};
static const char *const doubts[] = {"committed", "not_committed", "unknown", NULL};
static const char *const phases[] = {"copy", "sync", NULL};
static const char *const jobs[] = {"audit_retention", "idempotency_retention", "key_uses", "reencryption",
                                   "search_index",    "tenant_customers",      NULL};
static const char *const logs[] = {"process", "access", NULL};

#define COUNT_OF(values) (sizeof(values) / sizeof((values)[0]) - 1)
_Static_assert(COUNT_OF(lanes) == METRICS_LANES, "a name for each");
_Static_assert(COUNT_OF(rejections) == METRICS_REJECTIONS, "a name for each");
_Static_assert(COUNT_OF(connection_refusals) == METRICS_CONNECTION_REFUSALS, "a name for each");
_Static_assert(COUNT_OF(outcomes) == METRICS_BATCH_OUTCOMES, "a name for each");
_Static_assert(COUNT_OF(doubts) == METRICS_DOUBTS, "a name for each");
_Static_assert(COUNT_OF(phases) == METRICS_CHECKPOINT_PHASES, "a name for each");
_Static_assert(COUNT_OF(jobs) == METRICS_JOBS, "a name for each");
_Static_assert(COUNT_OF(logs) == METRICS_LOGS, "a name for each");

const struct metric metrics_table[] = {
    {"farthing_build_info", METRIC_GAUGE, .source = METRIC_OF_BUILD,
     .help = "Always 1; the labels say what runs."},

    {"farthing_http_requests_total", METRIC_COUNTER, .source = METRIC_OF_ROUTES,
     .help = "Requests answered, by route pattern, method and status."},
    {"farthing_http_request_duration_seconds", METRIC_HISTOGRAM, METRIC_MICROSECONDS,
     CELLS(http_request_duration_us), BY("lane", lanes), REQUEST_BOUND_MIN_US, REQUEST_BOUND_MAX_US,
     .help = "From the loop's wake-up that found the request whole to its reply, by the lane of its route."},
    {"farthing_http_requests_rejected_total", METRIC_COUNTER, CELLS(http_requests_rejected),
     BY("reason", rejections), .help = "Requests refused for what they were or for lack of room, by reason."},
    {"farthing_http_connections_open", METRIC_GAUGE, SAMPLES(http_connections_open),
     .help = "Connections that are open."},
    {"farthing_http_connections_accepted_total", METRIC_COUNTER, SAMPLES(http_connections_accepted),
     .help = "Connections accepted."},
    {"farthing_http_connections_refused_total", METRIC_COUNTER, SAMPLES(http_connections_refused),
     BY("reason", connection_refusals),
     .help = "Connections closed at once, or pauses in accepting them, by reason."},
    {"farthing_http_buffers_bytes", METRIC_GAUGE, SAMPLES(http_buffered_bytes),
     .help = "Memory of requests and replies under way, as far as each needs more than 16 KiB."},
    {"farthing_http_tls_handshakes_total", METRIC_COUNTER, SAMPLES(tls_handshakes),
     .help = "TLS handshakes that were finished."},
    {"farthing_http_tls_resumptions_total", METRIC_COUNTER, SAMPLES(tls_resumptions),
     .help = "TLS handshakes that resumed an earlier session."},
    {"farthing_http_tls_failures_total", METRIC_COUNTER, SAMPLES(tls_failures),
     .help = "TLS handshakes that failed, and records that made no sense."},

    {"farthing_writer_commands_waiting", METRIC_GAUGE, CELLS(writer_commands_waiting),
     .help = "Writes that wait for the writer or are in the batch under way."},
    {"farthing_writer_batches_total", METRIC_COUNTER, CELLS(writer_batches), BY("outcome", outcomes),
     .help = "Batches of writes, by whether they were committed."},
    {"farthing_writer_replays_total", METRIC_COUNTER, CELLS(writer_replays),
     .help = "Batches run again, each write by itself, because one had failed."},
    {"farthing_writer_batch_commands", METRIC_HISTOGRAM, METRIC_PLAIN, CELLS(writer_batch_commands),
     .bound_min = 1, .bound_max = BATCH_BOUND_MAX, .help = "Writes that shared a batch."},

    {"farthing_reader_batch_commands", METRIC_HISTOGRAM, METRIC_PLAIN, CELLS(reader_batch_commands),
     .bound_min = 1, .bound_max = READ_BATCH_BOUND_MAX,
     .help = "Reads that shared a pipeline to a PostgreSQL server."},
    {"farthing_database_up", METRIC_GAUGE, SAMPLES(database_up),
     .help = "1 while the database answers and takes writes, as far as the last attempt has shown; else 0."},
    {"farthing_database_sessions_opened_total", METRIC_COUNTER, CELLS(database_sessions_opened),
     .help = "Sessions opened on a PostgreSQL server."},
    {"farthing_database_sessions_lost_total", METRIC_COUNTER, CELLS(database_sessions_lost),
     .help = "Sessions on a PostgreSQL server that were lost, and attempts to open one that failed."},
    {"farthing_database_commits_in_doubt_total", METRIC_COUNTER, CELLS(database_commits_in_doubt),
     BY("outcome", doubts),
     .help = "Commits amid which the session was lost, by what was found out about them."},
    {"farthing_database_commit_duration_seconds", METRIC_HISTOGRAM, METRIC_MICROSECONDS,
     CELLS(database_commit_duration_us), .bound_min = DISK_BOUND_MIN_US, .bound_max = DISK_BOUND_MAX_US,
     .help = "Duration of a commit, its wait for the disk included."},
    {"farthing_database_checkpoint_duration_seconds", METRIC_HISTOGRAM, METRIC_MICROSECONDS,
     CELLS(database_checkpoint_duration_us), BY("phase", phases), DISK_BOUND_MIN_US, DISK_BOUND_MAX_US,
     .help =
         "Duration of a step of a checkpoint: copying, for which writes wait; the wait for the disk beside "
         "them."},
    {"farthing_database_checkpoint_stalls_total", METRIC_COUNTER, CELLS(database_checkpoint_stalls),
     BY("phase", phases),
     .help = "Steps of a checkpoint that took long: half a second of copying, five of waiting for the disk."},
    {"farthing_database_log_held_total", METRIC_COUNTER, CELLS(database_log_held),
     .help =
         "Times that the write-ahead log was long and could not begin anew for a read that had not ended."},
    {"farthing_database_oldest_snapshot_seconds", METRIC_GAUGE, METRIC_MICROSECONDS,
     SAMPLES(oldest_snapshot_us), .help = "How long the read that has lasted longest has been under way."},
    {"farthing_database_size_bytes", METRIC_GAUGE, SAMPLES(database_bytes),
     .help = "Size of the database file."},
    {"farthing_database_wal_size_bytes", METRIC_GAUGE, SAMPLES(wal_bytes),
     .help = "Size of the write-ahead log's file."},
    {"farthing_database_sync_failed", METRIC_GAUGE, SAMPLES(database_sync_failed),
     .help =
         "1 when the disk has failed to take what was written: the log is kept, and grows, until a restart."},

    {"farthing_backup_stored_until_seconds", METRIC_GAUGE, METRIC_MICROSECONDS, CELLS(backup_stored_until_us),
     .help = "Everything acknowledged before this instant, in seconds since 1970, can be restored from the "
             "continuous backup, once it has a copy of the whole database; 0 without one."},
    {"farthing_backup_last_base_seconds", METRIC_GAUGE, METRIC_MICROSECONDS, CELLS(backup_last_base_us),
     .help = "When the database was last copied whole for it, in seconds since 1970."},
    {"farthing_backup_segments_total", METRIC_COUNTER, CELLS(backup_segments),
     .help = "Segments of the continuous backup that were stored."},
    {"farthing_backup_bytes_total", METRIC_COUNTER, CELLS(backup_bytes), .help = "Their bytes, packed."},
    {"farthing_backup_bases_total", METRIC_COUNTER, CELLS(backup_bases),
     .help = "Copies of the whole database that were stored for it."},
    {"farthing_backup_failures_total", METRIC_COUNTER, CELLS(backup_failures),
     .help = "Attempts to store something that failed, and streams that had to begin anew."},

    {"farthing_housekeeping_runs_total", METRIC_COUNTER, CELLS(housekeeping_runs), BY("job", jobs),
     .help = "Steps of what the server does by itself now and then, by job."},
    {"farthing_housekeeping_failures_total", METRIC_COUNTER, CELLS(housekeeping_failures), BY("job", jobs),
     .help = "Steps of it that failed, and will be tried again."},
    {"farthing_housekeeping_rows_total", METRIC_COUNTER, CELLS(housekeeping_rows), BY("job", jobs),
     .help = "Rows that it has removed, made or brought up to date."},

    {"farthing_log_lines_dropped_total", METRIC_COUNTER, SAMPLES(log_lines_dropped), BY("log", logs),
     .help = "Log lines that could not be written in time, by log."},

    {"process_cpu_seconds_total", METRIC_COUNTER, METRIC_MICROSECONDS, SAMPLES(cpu_us),
     .help = "User and system time of the process."},
    {"process_start_time_seconds", METRIC_GAUGE, METRIC_MICROSECONDS, SAMPLES(start_us),
     .help = "When the process started, in seconds since 1970."},
    {"process_resident_memory_bytes", METRIC_GAUGE, SAMPLES(resident_bytes),
     .help = "Memory of the process that is in the machine's."},
    {"process_virtual_memory_bytes", METRIC_GAUGE, SAMPLES(virtual_bytes),
     .help = "Address space of the process."},
    {"process_open_fds", METRIC_GAUGE, SAMPLES(descriptors_open), .help = "Open file descriptors."},
    {"process_max_fds", METRIC_GAUGE, SAMPLES(descriptors_max),
     .help = "File descriptors that the process may open."},
    {0},
};

/* Those that this server sends or may send; the first stands for any other. */
static const struct {
    int status;
    const char *label;
} statuses[] = {
    {0, "other"}, {200, "200"}, {201, "201"}, {202, "202"}, {204, "204"}, {206, "206"}, {207, "207"},
    {301, "301"}, {302, "302"}, {303, "303"}, {304, "304"}, {307, "307"}, {308, "308"}, {400, "400"},
    {401, "401"}, {402, "402"}, {403, "403"}, {404, "404"}, {405, "405"}, {408, "408"}, {409, "409"},
    {410, "410"}, {411, "411"}, {412, "412"}, {413, "413"}, {414, "414"}, {415, "415"}, {417, "417"},
    {422, "422"}, {428, "428"}, {429, "429"}, {431, "431"}, {500, "500"}, {501, "501"}, {502, "502"},
    {503, "503"}, {504, "504"}, {505, "505"},
};

enum { STATUS_COUNT = sizeof statuses / sizeof statuses[0] };
_Static_assert((int)STATUS_COUNT <= (int)METRICS_STATUS_SLOTS, "a column for each");

/* In the order of the table, by bisection: about five comparisons. */
unsigned metrics_status_slot(int status)
{
    unsigned low = 1, high = STATUS_COUNT;

    if (status == 200)
        return 1;
    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (statuses[middle].status < status)
            low = middle + 1;
        else
            high = middle;
    }
    return low < STATUS_COUNT && statuses[low].status == status ? low : 0;
}

const char *metrics_status_label(unsigned slot)
{
    return slot < STATUS_COUNT ? statuses[slot].label : NULL;
}
