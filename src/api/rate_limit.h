/* rate_limit.h: how many requests a second one source may make (conventions section 19). Only for the api
 * room.
 *
 * A bucket a source: it holds `burst` requests and is filled again at the rate, evenly. The table has a fixed
 * size; when a set of it is full, the source that was quiet for longest is forgotten, which begins again with
 * a full bucket. So memory is bounded and nobody is refused for what another one did; only who commands very
 * many addresses gets more than the limit, and more than that all the same. Any thread. */
#ifndef FARTHING_API_RATE_LIMIT_H
#define FARTHING_API_RATE_LIMIT_H

#include "base/text.h"

enum {
    RATE_LIMIT_SETS = 4096, /* a power of two */
    RATE_LIMIT_WAYS = 4,    /* 384 KiB a table */
    RATE_LIMIT_PER_SECOND_MAX = 1000 * 1000,
    RATE_LIMIT_BURST_MAX = 1000 * 1000,
    RATE_LIMIT_SLOW_BURST_MAX = 10 * 1000,
};

#define RATE_LIMIT_INTERVAL_US_MAX (INT64_C(24) * 60 * 60 * 1000 * 1000)

struct rate_limit;

/* `per_second` and `burst` from 1 to their maxima. */
struct rate_limit *rate_limit_new(unsigned per_second, unsigned burst);
/* The same for what may happen less often than once a second: once each `interval_us`, from 1 to
 * RATE_LIMIT_INTERVAL_US_MAX; `burst` up to RATE_LIMIT_SLOW_BURST_MAX. */
struct rate_limit *rate_limit_new_slow(int64_t interval_us, unsigned burst);
void rate_limit_free(struct rate_limit *limit);

/* Takes one request from the bucket of `source`. 0 when there was one, else the seconds, rounded up, after
 * which there will be. `now_us` is any clock that does not go back far; a source that is asked at an earlier
 * instant than before is treated as at that one. */
unsigned rate_limit_take(struct rate_limit *limit, uint64_t source, int64_t now_us);

/* Puts back what was taken for a request that turned out not to count. */
void rate_limit_give_back(struct rate_limit *limit, uint64_t source, int64_t now_us);

/* A source out of a text, for those that are no number. */
uint64_t rate_limit_source(struct text text);

#endif
