#include "api/slow_pool.h"

#include "base/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct queue {
    struct slow_job *first, **end;
    unsigned count;
};

enum { QUEUE_OF_NOBODY, QUEUE_OF_TENANTS, QUEUES };

struct slow_pool {
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    struct queue queues[QUEUES];
    unsigned next_queue; /* whose turn it is */
    unsigned idle_count; /* threads */
    unsigned thread_count;
    pthread_t threads[SLOW_THREADS_MAX];
    bool is_stopping;
};

struct slow_pool *slow_pool_new(void)
{
    struct slow_pool *pool = calloc(1, sizeof *pool);

    if (!pool)
        abort();
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->woken, NULL);
    for (unsigned i = 0; i < QUEUES; i++)
        pool->queues[i].end = &pool->queues[i].first;
    return pool;
}

static void put(struct queue *queue, struct slow_job *job)
{
    job->next = NULL;
    *queue->end = job;
    queue->end = &job->next;
    queue->count++;
}

static struct slow_job *take(struct queue *queue)
{
    struct slow_job *job = queue->first;

    queue->first = job->next;
    if (!queue->first)
        queue->end = &queue->first;
    queue->count--;
    return job;
}

static unsigned waiting_count(const struct slow_pool *pool)
{
    unsigned count = 0;

    for (unsigned i = 0; i < QUEUES; i++)
        count += pool->queues[i].count;
    return count;
}

/* The queues take turns; one that is empty leaves its turn to the next. Some job must be waiting. */
static struct slow_job *take_in_turn(struct slow_pool *pool)
{
    unsigned turn = pool->next_queue;

    while (pool->queues[turn].count == 0)
        turn = (turn + 1) % QUEUES;
    pool->next_queue = (turn + 1) % QUEUES;
    return take(&pool->queues[turn]);
}

/* Waits for a job; NULL at the end. With the mutex in hand. */
static struct slow_job *next_job(struct slow_pool *pool)
{
    pool->idle_count++;
    while (waiting_count(pool) == 0 && !pool->is_stopping)
        pthread_cond_wait(&pool->woken, &pool->mutex);
    pool->idle_count--;
    return pool->is_stopping ? NULL : take_in_turn(pool);
}

static void *thread_main(void *argument)
{
    struct slow_pool *pool = argument;

    pthread_setname_np(pthread_self(), "slow");
    pthread_mutex_lock(&pool->mutex);
    for (struct slow_job *job; (job = next_job(pool));) {
        pthread_mutex_unlock(&pool->mutex);
        job->run(job);
        pthread_mutex_lock(&pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

/* One more thread when all of them have something to do. Without the first one nothing can be done. */
static bool has_threads(struct slow_pool *pool)
{
    if (pool->idle_count > waiting_count(pool) || pool->thread_count == SLOW_THREADS_MAX)
        return true;
    int error = pthread_create(&pool->threads[pool->thread_count], NULL, thread_main, pool);

    if (error)
        LOG_WARNING("a thread for slow work cannot be started", LOG_STRING("reason", strerror(error)));
    else
        pool->thread_count++;
    return pool->thread_count > 0;
}

static unsigned count_of(const struct queue *queue, struct text owner)
{
    unsigned count = 0;

    for (const struct slow_job *job = queue->first; job; job = job->next)
        count += text_equal(job->owner, owner);
    return count;
}

static enum slow_verdict judge(struct slow_pool *pool, const struct queue *queue, struct text owner)
{
    /* First, because whoever fills the queue is told that it was they. */
    if (owner.length > 0 && count_of(queue, owner) >= SLOW_OWNER_MAX)
        return SLOW_OWNER_HAS_ENOUGH;
    return !pool->is_stopping && queue->count < SLOW_QUEUE_MAX && has_threads(pool) ? SLOW_TAKEN
                                                                                    : SLOW_QUEUE_FULL;
}

enum slow_verdict slow_pool_submit(struct slow_pool *pool, struct slow_job *job)
{
    struct queue *queue = &pool->queues[job->owner.length > 0 ? QUEUE_OF_TENANTS : QUEUE_OF_NOBODY];

    pthread_mutex_lock(&pool->mutex);
    enum slow_verdict verdict = judge(pool, queue, job->owner);

    if (verdict == SLOW_TAKEN) {
        put(queue, job);
        pthread_cond_signal(&pool->woken);
    }
    pthread_mutex_unlock(&pool->mutex);
    return verdict;
}

void slow_pool_free(struct slow_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->mutex);
    pool->is_stopping = true;
    pthread_cond_broadcast(&pool->woken);
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->woken);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}
