#include "api/slow_pool.h"

#include "base/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct slow_pool {
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    struct slow_job *first, **end;
    unsigned waiting_count; /* jobs */
    unsigned idle_count;    /* threads */
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
    pool->end = &pool->first;
    return pool;
}

/* Waits for a job; NULL at the end. With the mutex in hand. */
static struct slow_job *next_job(struct slow_pool *pool)
{
    pool->idle_count++;
    while (!pool->first && !pool->is_stopping)
        pthread_cond_wait(&pool->woken, &pool->mutex);
    pool->idle_count--;
    if (pool->is_stopping)
        return NULL;
    struct slow_job *job = pool->first;

    pool->first = job->next;
    if (!pool->first)
        pool->end = &pool->first;
    pool->waiting_count--;
    return job;
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
    if (pool->idle_count > pool->waiting_count || pool->thread_count == SLOW_THREADS_MAX)
        return true;
    int error = pthread_create(&pool->threads[pool->thread_count], NULL, thread_main, pool);

    if (error)
        LOG_WARNING("a thread for slow work cannot be started", LOG_STRING("reason", strerror(error)));
    else
        pool->thread_count++;
    return pool->thread_count > 0;
}

bool slow_pool_submit(struct slow_pool *pool, struct slow_job *job)
{
    pthread_mutex_lock(&pool->mutex);
    bool is_taken = !pool->is_stopping && pool->waiting_count < SLOW_QUEUE_MAX && has_threads(pool);

    if (is_taken) {
        job->next = NULL;
        *pool->end = job;
        pool->end = &job->next;
        pool->waiting_count++;
        pthread_cond_signal(&pool->woken);
    }
    pthread_mutex_unlock(&pool->mutex);
    return is_taken;
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
