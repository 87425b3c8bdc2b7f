#include "api/rate_limit.h"

#include "base/random.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

enum { STRIPES = 64, NS_PER_US = 1000, NS_PER_SECOND = 1000 * 1000 * 1000 };

/* The state of a bucket is one instant, at which it will be full again (the generic cell rate algorithm,
 * ITU-T I.371). Requests move it into the future; a request is refused when it would lie further away than a
 * whole empty bucket takes to fill. */
struct bucket {
    uint64_t source;
    int64_t full_at_ns; /* 0: a free place */
};

struct rate_limit {
    int64_t request_ns; /* between two requests at the rate */
    int64_t burst_ns;   /* to fill an empty bucket */
    uint64_t hash_seed;
    pthread_mutex_t locks[STRIPES];
    struct bucket sets[RATE_LIMIT_SETS][RATE_LIMIT_WAYS];
};

static struct rate_limit *new_limit(int64_t request_ns, unsigned burst)
{
    struct rate_limit *limit = calloc(1, sizeof *limit);

    if (!limit)
        abort();
    limit->request_ns = request_ns;
    limit->burst_ns = request_ns * burst;
    /* Nobody can choose sources that fall into one set. */
    random_bytes(&limit->hash_seed, sizeof limit->hash_seed);
    for (unsigned i = 0; i < STRIPES; i++)
        pthread_mutex_init(&limit->locks[i], NULL);
    return limit;
}

struct rate_limit *rate_limit_new(unsigned per_second, unsigned burst)
{
    assert(per_second >= 1 && per_second <= RATE_LIMIT_PER_SECOND_MAX);
    assert(burst >= 1 && burst <= RATE_LIMIT_BURST_MAX);
    return new_limit(NS_PER_SECOND / per_second, burst);
}

struct rate_limit *rate_limit_new_slow(int64_t interval_us, unsigned burst)
{
    assert(interval_us >= 1 && interval_us <= RATE_LIMIT_INTERVAL_US_MAX);
    assert(burst >= 1 && burst <= RATE_LIMIT_SLOW_BURST_MAX);
    return new_limit(interval_us * NS_PER_US, burst);
}

void rate_limit_free(struct rate_limit *limit)
{
    if (!limit)
        return;
    for (unsigned i = 0; i < STRIPES; i++)
        pthread_mutex_destroy(&limit->locks[i]);
    free(limit);
}

/* The bucket of the source, full when it was not known; for that the one that is full soonest, or has been
 * for longest, is forgotten. */
static struct bucket *bucket_of(struct bucket set[RATE_LIMIT_WAYS], uint64_t source)
{
    struct bucket *quietest = &set[0];

    for (unsigned i = 0; i < RATE_LIMIT_WAYS; i++) {
        if (set[i].source == source && set[i].full_at_ns)
            return &set[i];
        if (set[i].full_at_ns < quietest->full_at_ns)
            quietest = &set[i];
    }
    *quietest = (struct bucket){.source = source};
    return quietest;
}

static unsigned take(const struct rate_limit *limit, struct bucket *bucket, int64_t now_ns)
{
    int64_t full_at_ns = (bucket->full_at_ns > now_ns ? bucket->full_at_ns : now_ns) + limit->request_ns;
    int64_t wait_ns = full_at_ns - now_ns - limit->burst_ns;

    if (wait_ns > 0)
        return (unsigned)((wait_ns + NS_PER_SECOND - 1) / NS_PER_SECOND);
    bucket->full_at_ns = full_at_ns;
    return 0;
}

/* Every bit of the result depends on every bit of the source (the finalizer of splitmix64). A product with a
 * random factor does not do: sources in a row, such as addresses of one network, then fall into few sets for
 * some factors. */
static uint64_t mixed(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static unsigned set_of(const struct rate_limit *limit, uint64_t source)
{
    return (unsigned)mixed(source ^ limit->hash_seed) & (RATE_LIMIT_SETS - 1);
}

unsigned rate_limit_take(struct rate_limit *limit, uint64_t source, int64_t now_us)
{
    unsigned set = set_of(limit, source);
    pthread_mutex_t *lock = &limit->locks[set % STRIPES];

    pthread_mutex_lock(lock);
    unsigned wait_seconds = take(limit, bucket_of(limit->sets[set], source), now_us * NS_PER_US);

    pthread_mutex_unlock(lock);
    return wait_seconds;
}

void rate_limit_give_back(struct rate_limit *limit, uint64_t source, int64_t now_us)
{
    unsigned set = set_of(limit, source);
    pthread_mutex_t *lock = &limit->locks[set % STRIPES];

    pthread_mutex_lock(lock);
    struct bucket *bucket = bucket_of(limit->sets[set], source);

    /* A bucket that is fuller than full would be a larger one. */
    if (bucket->full_at_ns - limit->request_ns > now_us * NS_PER_US)
        bucket->full_at_ns -= limit->request_ns;
    else
        bucket->full_at_ns = now_us * NS_PER_US;
    pthread_mutex_unlock(lock);
}

uint64_t rate_limit_source(struct text text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (size_t i = 0; i < text.length; i++)
        hash = (hash ^ (uint8_t)text.data[i]) * UINT64_C(0x100000001b3);
    return hash;
}
