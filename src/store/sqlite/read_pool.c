#include "store/sqlite/read_pool.h"

#include "base/instant.h"
#include "base/log.h"
#include "base/processor.h"
#include "store/fair_queue.h"
#include "store/refusal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct read_pool {
    struct store *store;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t woken;
    struct fair_queue queue;
    pthread_t threads[READ_POOL_THREADS_MAX];
    unsigned thread_count, idle_count;
    atomic_bool is_stopping; /* set with the mutex held */
};

/* A command that runs. */
struct run {
    struct read_pool *pool;
    struct store_command *command;
    int64_t until_us;
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
    while (pool->queue.count == 0 && !pool->is_stopping && waited != ETIMEDOUT)
        waited = has_reader ? pthread_cond_timedwait(&pool->woken, &pool->mutex, &until)
                            : pthread_cond_wait(&pool->woken, &pool->mutex);
    pool->idle_count--;
    return fair_queue_take(&pool->queue);
}

/* Why the command is not run, or not to its end; NULL: it is. */
static const struct failure *reason_to_end(const struct run *run)
{
    if (run->pool->is_stopping)
        return refusal_stopping(run->command->arena);
    return command_is_abandoned(run->command) ? refusal_abandoned(run->command->arena) : NULL;
}

static bool is_over(void *context)
{
    const struct run *run = context;

    return run->pool->is_stopping || command_is_abandoned(run->command) || monotonic_now_us() > run->until_us;
}

static const struct failure *read_with(struct store_reader *reader, struct run *run)
{
    struct store_command *command = run->command;
    struct transaction transaction;

    store_reader_begin(reader, &transaction, command->arena, command->call);
    store_reader_limit(reader, is_over, run);
    const struct failure *failure = transaction.failure ? NULL : command->run(command, &transaction);

    if (transaction.failure) {
        const struct failure *reason = reason_to_end(run);

        failure = reason ? reason : transaction.failure;
    }
    store_reader_end(reader);
    return failure;
}

static struct store_reader *open_reader(struct read_pool *pool, struct arena *arena)
{
    struct text reason = text_none;
    struct store_reader *reader = store_reader_open(pool->store, arena, &reason);

    if (!reader) /* where the database is concerns the operator alone */
        LOG_ERROR("a read could not be done", LOG_TEXT("error", reason));
    return reader;
}

static void run(struct read_pool *pool, struct store_reader **reader, struct store_command *command)
{
    struct run run = {pool, command, monotonic_now_us() + READ_POOL_LIMIT_MS * INT64_C(1000)};

    command->failure = reason_to_end(&run);
    if (!command->failure && !*reader)
        *reader = open_reader(pool, command->arena);
    if (!command->failure)
        command->failure = *reader ? read_with(*reader, &run) : refusal_cannot_open(command->arena);
    command->done(command);
}

static void *pool_main(void *context)
{
    struct read_pool *pool = context;
    struct store_reader *reader = NULL;

    processor_step_back(READ_POOL_NICE);
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

/* Whether there is a thread that will take one more command. */
static bool has_threads(struct read_pool *pool)
{
    if (pool->queue.count >= pool->idle_count && pool->thread_count < READ_POOL_THREADS_MAX)
        start_thread(pool);
    return pool->thread_count > 0;
}

enum store_verdict read_pool_submit(struct read_pool *pool, struct store_command *command)
{
    struct command_list abandoned;

    command_list_init(&abandoned);
    pthread_mutex_lock(&pool->mutex);
    fair_queue_move_abandoned(&pool->queue, &abandoned);
    enum store_verdict verdict =
        !pool->is_stopping && has_threads(pool) ? fair_queue_put(&pool->queue, command) : STORE_QUEUE_FULL;

    pthread_mutex_unlock(&pool->mutex);
    if (verdict == STORE_TAKEN)
        pthread_cond_signal(&pool->woken);
    refuse_abandoned(&abandoned);
    return verdict;
}

struct read_pool *read_pool_new(struct store *store)
{
    struct read_pool *pool = calloc(1, sizeof *pool);
    pthread_condattr_t attributes;

    if (!pool)
        abort();
    pool->store = store;
    fair_queue_init(&pool->queue);
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
