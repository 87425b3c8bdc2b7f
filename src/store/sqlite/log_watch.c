#include "store/sqlite/log_watch.h"

#include "base/log.h"
#include "metrics/metrics.h"

enum { MICROSECONDS_PER_MILLISECOND = 1000 };

static bool may_say(struct log_watch *watch, enum log_trouble trouble, int64_t now_us)
{
    int64_t last_us = watch->said_us[trouble];

    if (last_us && now_us - last_us < LOG_WATCH_SAY_MS * INT64_C(1000))
        return false;
    watch->said_us[trouble] = now_us;
    return true;
}

static void look_for_readers(struct log_watch *watch, const struct log_state *state)
{
    unsigned times = state->held_count - watch->held_count;

    watch->held_count = state->held_count;
    if (times == 0)
        return;
    metrics_add(&metrics_here()->database_log_held, times);
    if (may_say(watch, LOG_HELD, state->now_us))
        LOG_WARNING("a read that has not ended keeps the write-ahead log from beginning anew; it grows",
                    LOG_INTEGER("log_pages", state->pages),
                    LOG_INTEGER("oldest_read_ms", state->oldest_snapshot_us / MICROSECONDS_PER_MILLISECOND));
}

static void tell_of_stall(struct log_watch *watch, const struct log_state *state,
                          enum metrics_checkpoint_phase phase, int64_t duration_us)
{
    metrics_add(&metrics_here()->database_checkpoint_stalls[phase], 1);
    if (may_say(watch, phase == METRICS_CHECKPOINT_COPY ? LOG_COPY_SLOW : LOG_SYNC_SLOW, state->now_us))
        LOG_WARNING("a step of a checkpoint takes long",
                    LOG_STRING("phase", phase == METRICS_CHECKPOINT_COPY ? "copy" : "sync"),
                    LOG_INTEGER("duration_ms", duration_us / MICROSECONDS_PER_MILLISECOND),
                    LOG_INTEGER("log_pages", state->pages));
}

/* Told once a wait, while it lasts: a disk that never answers would never be told of otherwise. */
static void look_at_disk(struct log_watch *watch, const struct log_state *state)
{
    if (!state->is_syncing) {
        watch->syncing_since_us = 0;
        watch->is_sync_told = false;
        return;
    }
    if (!watch->syncing_since_us)
        watch->syncing_since_us = state->now_us;
    int64_t waited_us = state->now_us - watch->syncing_since_us;

    if (watch->is_sync_told || waited_us <= LOG_WATCH_SYNC_MS_MAX * INT64_C(1000))
        return;
    watch->is_sync_told = true;
    tell_of_stall(watch, state, METRICS_CHECKPOINT_SYNC, waited_us);
}

void log_watch_look(struct log_watch *watch, const struct log_state *state)
{
    look_for_readers(watch, state);
    if (state->step_us > LOG_WATCH_COPY_MS_MAX * INT64_C(1000))
        tell_of_stall(watch, state, METRICS_CHECKPOINT_COPY, state->step_us);
    look_at_disk(watch, state);
}
