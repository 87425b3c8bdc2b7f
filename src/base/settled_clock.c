#include "base/settled_clock.h"

#include "base/instant.h"
#include "base/log.h"

#include <stdlib.h>

void settled_clock_start(struct settled_clock *clock, int64_t now_us, int64_t monotonic_us)
{
    *clock = (struct settled_clock){.is_started = true, .ahead_us = now_us - monotonic_us};
    pthread_mutex_init(&clock->mutex, NULL);
}

static void begin_to_wait(struct settled_clock *clock, int64_t ahead_us, int64_t monotonic_us)
{
    clock->has_jumped = true;
    clock->jumped_ahead_us = ahead_us;
    clock->jumped_at_us = monotonic_us;
    LOG_WARNING(
        "the clock has jumped ahead; until it has stayed so for an hour, nothing is removed for its age",
        LOG_INTEGER("seconds", (ahead_us - clock->ahead_us) / MICROSECONDS_PER_SECOND));
}

static void believe(struct settled_clock *clock, int64_t ahead_us)
{
    clock->ahead_us = ahead_us;
    clock->has_jumped = false;
}

static void look(struct settled_clock *clock, int64_t ahead_us, int64_t monotonic_us)
{
    if (ahead_us <= clock->ahead_us + SETTLED_CLOCK_TOLERANCE_US)
        believe(clock, ahead_us);
    else if (!clock->has_jumped || llabs(ahead_us - clock->jumped_ahead_us) > SETTLED_CLOCK_TOLERANCE_US)
        begin_to_wait(clock, ahead_us, monotonic_us);
    else if (monotonic_us - clock->jumped_at_us >= SETTLED_CLOCK_WAIT_US)
        believe(clock, ahead_us);
}

int64_t settled_clock_read(struct settled_clock *clock, int64_t now_us, int64_t monotonic_us)
{
    if (!clock->is_started)
        return now_us;
    pthread_mutex_lock(&clock->mutex);
    look(clock, now_us - monotonic_us, monotonic_us);
    int64_t settled_us = monotonic_us + clock->ahead_us;

    pthread_mutex_unlock(&clock->mutex);
    return settled_us;
}
