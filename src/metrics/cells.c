/* cells.c: the numbers of each thread, and their sum. */
#include "metrics/internal.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Cells begin a line of memory, and nobody else's numbers share their last one: each is a mapping of its own.
 * Pages that a thread never counts on are never made. */
struct shard {
    struct metrics_cells cells; /* first: a thread knows this address */
    struct shard *next;
    bool is_taken;
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static struct shard *shards;

__thread struct metrics_cells *metrics_of_thread;

/* The thread has ended: the next one goes on with its numbers, so that a sum never falls. */
static void leave(void *taken)
{
    struct shard *shard = taken;

    pthread_mutex_lock(&registry_lock);
    shard->is_taken = false;
    pthread_mutex_unlock(&registry_lock);
}

static pthread_key_t ending;

static void make_key(void)
{
    if (pthread_key_create(&ending, leave) != 0)
        abort();
}

static struct shard *new_shard(void)
{
    struct shard *shard =
        mmap(NULL, sizeof *shard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (shard == MAP_FAILED)
        abort();
    shard->next = shards;
    shards = shard;
    return shard;
}

struct metrics_cells *metrics_join(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    assert(!metrics_of_thread);
    pthread_once(&once, make_key);
    pthread_mutex_lock(&registry_lock);
    struct shard *shard = shards;

    while (shard && shard->is_taken)
        shard = shard->next;
    if (!shard)
        shard = new_shard();
    shard->is_taken = true;
    pthread_mutex_unlock(&registry_lock);
    pthread_setspecific(ending, shard);
    metrics_of_thread = &shard->cells;
    return metrics_of_thread;
}

static void add_up(metrics_cell *total, const metrics_cell *cells, size_t count)
{
    for (size_t i = 0; i < count; i++)
        metrics_add(&total[i], atomic_load_explicit(&cells[i], memory_order_relaxed));
}

struct metrics_cells *metrics_sum(unsigned route_count)
{
    struct metrics_cells *total = calloc(1, sizeof *total);
    const size_t rows_at = offsetof(struct metrics_cells, http_requests) / sizeof(metrics_cell);

    assert(route_count <= METRICS_ROUTE_SLOTS);
    if (!total)
        abort();
    pthread_mutex_lock(&registry_lock);
    for (const struct shard *shard = shards; shard; shard = shard->next)
        add_up((metrics_cell *)total, (const metrics_cell *)&shard->cells,
               rows_at + (size_t)route_count * METRICS_STATUS_SLOTS);
    pthread_mutex_unlock(&registry_lock);
    return total;
}

unsigned metrics_thread_count(void)
{
    unsigned count = 0;

    pthread_mutex_lock(&registry_lock);
    for (const struct shard *shard = shards; shard; shard = shard->next)
        count++;
    pthread_mutex_unlock(&registry_lock);
    return count;
}
