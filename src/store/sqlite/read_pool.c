#include "store/sqlite/read_pool.h"

#include "base/instant.h"
#include "store/command_list.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct read_pool {
    struct store *store;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t woken;
    struct command_list queue;
    pthread_t threads[READ_POOL_THREADS_MAX];
    unsigned thread_count, idle_count;
    bool is_stopping;
};

/* With the mutex held. Waits for a command; NULL when the thread's time is over: the pool ends, or, if it
 * holds a reader, it was idle for long. */
static struct store_command *wait_for_command(struct read_pool *pool, bool has_reader)
{
    int64_t until_us = monotonic_now_us() + READ_POOL_IDLE_MS * INT64_C(1000);
    const struct timespec until = {.tv_sec = until_us / MICROSECONDS_PER_SECOND,
                                   .tv_nsec = until_us % MICROSECONDS_PER_SECOND * 1000};
    int waited = 0;

    pool->idle_count++;
    while (!pool->queue.first && !pool->is_stopping && waited != ETIMEDOUT)
        waited = has_reader ? pthread_cond_timedwait(&pool->woken, &pool->mutex, &until)
                            : pthread_cond_wait(&pool->woken, &pool->mutex);
    pool->idle_count--;
    return command_list_take(&pool->queue);
}

static void run(struct read_pool *pool, struct store_reader **reader, struct store_command *command)
{
    struct transaction transaction;
    struct text reason = text_none;

    if (!*reader)
        *reader = store_reader_open(pool->store, command->arena, &reason);
    if (!*reader) {
        command->failure = failure_new(command->arena, FAILURE_SERVICE_UNAVAILABLE, reason);
        command->done(command);
        return;
    }
    store_reader_begin(*reader, &transaction, command->arena, command->call);
    store_reader_limit(*reader, monotonic_now_us() + READ_POOL_LIMIT_MS * INT64_C(1000));
    const struct failure *failure = transaction.failure ? NULL : command->run(command, &transaction);

    command->failure = transaction.failure ? transaction.failure : failure;
    store_reader_end(*reader);
    command->done(command);
}

static void *pool_main(void *context)
{
    struct read_pool *pool = context;
    struct store_reader *reader = NULL;

    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), READ_POOL_NICE);
    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        struct store_command *command = wait_for_command(pool, reader != NULL);

        if (!command && pool->is_stopping)
            break;
        pthread_mutex_unlock(&pool->mutex);
        if (command) {
            run(pool, &reader, command);
        } else if (reader) {
            store_reader_close(reader);
            reader = NULL;
        }
        pthread_mutex_lock(&pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    if (reader)
        store_reader_close(reader);
    return NULL;
}

/* With the mutex held. Without another thread the ones there are take the command. */
static void start_thread(struct read_pool *pool)
{
    if (pthread_create(&pool->threads[pool->thread_count], NULL, pool_main, pool) != 0)
        return;
    pthread_setname_np(pool->threads[pool->thread_count], "slow reads");
    pool->thread_count++;
}

bool read_pool_submit(struct read_pool *pool, struct store_command *command)
{
    pthread_mutex_lock(&pool->mutex);
    bool is_taken = !pool->is_stopping && pool->queue.count < STORE_SLOW_QUEUE_MAX;

    if (is_taken && pool->queue.count >= pool->idle_count && pool->thread_count < READ_POOL_THREADS_MAX)
        start_thread(pool);
    is_taken = is_taken && pool->thread_count > 0;
    if (is_taken)
        command_list_append(&pool->queue, command);
    pthread_mutex_unlock(&pool->mutex);
    if (is_taken)
        pthread_cond_signal(&pool->woken);
    return is_taken;
}

struct read_pool *read_pool_new(struct store *store)
{
    struct read_pool *pool = calloc(1, sizeof *pool);
    pthread_condattr_t attributes;

    if (!pool)
        abort();
    pool->store = store;
    command_list_init(&pool->queue);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->woken, &attributes);
    pthread_condattr_destroy(&attributes);
    return pool;
}

void read_pool_free(struct read_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->is_stopping = true;
    pthread_mutex_unlock(&pool->mutex);
    pthread_cond_broadcast(&pool->woken);
    for (unsigned i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->woken);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}
