/* settled_clock.h: the system's clock for whoever removes what is old. A clock that has jumped ahead is not
 * believed before it has stayed there for an hour, because what is removed by mistake is gone; one that goes
 * back is believed at once. Any thread. */
#ifndef FARTHING_BASE_SETTLED_CLOCK_H
#define FARTHING_BASE_SETTLED_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define SETTLED_CLOCK_WAIT_US (INT64_C(60) * 60 * 1000 * 1000)
/* By which it may gain between two readings. */
#define SETTLED_CLOCK_TOLERANCE_US (INT64_C(60) * 1000 * 1000)

struct settled_clock {
    pthread_mutex_t mutex; /* guards what follows */
    bool is_started;
    int64_t ahead_us; /* of the monotonic clock, as it is believed */
    bool has_jumped;
    int64_t jumped_ahead_us, jumped_at_us; /* the jump that is waited for; the latter monotonic */
};

/* Believes the clock as it is: at the start of a process there is nothing to compare it with. */
void settled_clock_start(struct settled_clock *clock, int64_t now_us, int64_t monotonic_us);

/* The instant to go by, never later than `now_us`, which the system's clock says. One that was not started
 * (all zeros) believes it. */
int64_t settled_clock_read(struct settled_clock *clock, int64_t now_us, int64_t monotonic_us);

#endif
