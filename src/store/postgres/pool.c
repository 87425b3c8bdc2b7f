/* pool.c: the threads with their connections, and what waits for them (postgres.h). */
#include "store/postgres/pool.h"

#include "base/instant.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include "store/refusal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POOL_MAGIC = 0x504f4f4c, THREAD_NAME_BYTES = 16 };

/* ---- what is known of the database ---- */

/* That one worker cannot have a session, or has lost it, says little while others have theirs: the listening
 * session, which is asked all the time, tells when the server has gone. */
static bool is_one_of_many(struct postgres *postgres)
{
    pthread_mutex_lock(&postgres->mutex);
    bool has_others = postgres->session_counts[WORK_READS] && postgres->session_counts[WORK_WRITES];

    pthread_mutex_unlock(&postgres->mutex);
    return has_others && atomic_load(&postgres->is_listening);
}

static void keep_away_error(struct postgres *postgres, const struct postgres_connection *connection)
{
    pthread_mutex_lock(&postgres->mutex);
    postgres->away_error = connection->error;
    pthread_mutex_unlock(&postgres->mutex);
}

void pool_tell_state(struct postgres *postgres)
{
    char error[ERROR_MESSAGE_BYTES];

    pthread_mutex_lock(&postgres->mutex);
    enum store_state state = atomic_load(&postgres->state);
    bool is_told =
        state == postgres->told_state || !log_limit_take(&postgres->told_limit, POSTGRES_LOG_STATES);

    if (!is_told)
        postgres->told_state = state;
    memcpy(error, postgres->state_error, sizeof error);
    pthread_mutex_unlock(&postgres->mutex);
    if (!is_told && state == STORE_WELL)
        LOG_INFO("the database takes writes again");
    else if (!is_told)
        LOG_WARNING("the database cannot be used", LOG_STRING("reason", store_state_name(state)),
                    LOG_STRING("error", error));
}

static void set_state(struct postgres *postgres, enum store_state state,
                      const struct postgres_connection *connection)
{
    if (atomic_exchange(&postgres->state, state) == state)
        return;
    pthread_mutex_lock(&postgres->mutex);
    memcpy(postgres->state_error, connection->error.message, sizeof postgres->state_error);
    pthread_mutex_unlock(&postgres->mutex);
    pool_tell_state(postgres);
}

void postgres_publish(struct postgres *postgres, const struct postgres_connection *connection)
{
    enum store_state state = postgres_error_state(&connection->error);
    int64_t never = 0;

    /* What is broken off because the pool is closed says nothing about the server. */
    if (postgres_is_closing(postgres) || (state == STORE_UNREACHABLE && is_one_of_many(postgres)))
        return;
    if (state == STORE_UNREACHABLE) {
        keep_away_error(postgres, connection);
        atomic_compare_exchange_strong(&postgres->away_since_us, &never, monotonic_now_us());
    } else {
        atomic_store(&postgres->away_since_us, 0);
    }
    /* That a disk has room again, only a write shows. */
    if (state != STORE_WELL || postgres_state(postgres) == STORE_UNREACHABLE)
        set_state(postgres, state, connection);
}

void postgres_publish_commit(struct postgres *postgres, const struct postgres_connection *connection)
{
    atomic_store(&postgres->away_since_us, 0);
    set_state(postgres, STORE_WELL, connection);
}

const struct failure *postgres_away_failure(struct postgres *postgres, struct arena *arena)
{
    pthread_mutex_lock(&postgres->mutex);
    struct postgres_error error = postgres->away_error;

    pthread_mutex_unlock(&postgres->mutex);
    error.is_lost = true; /* also when it is silence that has told */
    return postgres_failure(&error, arena);
}

bool postgres_is_away_for_long(const struct postgres *postgres)
{
    int64_t since_us = atomic_load(&postgres->away_since_us);

    return since_us && monotonic_now_us() > postgres_after(since_us, POSTGRES_RETRY_MS);
}

bool postgres_is_closing(const struct postgres *postgres)
{
    return atomic_load(&postgres->stopping);
}

enum store_state postgres_state(const struct postgres *postgres)
{
    assert(postgres->magic == POOL_MAGIC);
    return atomic_load_explicit(&postgres->state, memory_order_acquire);
}

struct text postgres_name(const struct postgres *postgres)
{
    return text_from_string(postgres->name);
}

/* ---- the queues ---- */

/* Some readers are left for what is quick. */
static bool may_run_slow(const struct postgres *postgres)
{
    return postgres->slow.count > 0 && postgres->slow_count < (postgres->reader_count + 1) / 2;
}

static size_t waiting(const struct postgres *postgres, enum work work)
{
    return postgres->queues[work].count +
           (work == WORK_WRITES ? postgres->background.count : may_run_slow(postgres));
}

/* Whether what waits is for another worker than those at work. */
static bool needs_another(const struct postgres *postgres, enum work work)
{
    size_t count = waiting(postgres, work);
    unsigned busy = postgres->busy_counts[work];

    /* With nobody to be woken, whoever is done first takes it. */
    if (count == 0 || postgres->is_waking[work] || postgres->idle_counts[work] == 0)
        return false;
    return busy == 0 || count > (size_t)busy * POSTGRES_WAITING_MAX ||
           monotonic_now_us() > postgres_after(postgres->taken_at_us[work], POSTGRES_PATIENCE_MS);
}

/* The same, once: whoever is told so wakes one. */
static bool claim_wake(struct postgres *postgres, enum work work)
{
    bool is_needed = needs_another(postgres, work);

    if (is_needed)
        postgres->is_waking[work] = true;
    return is_needed;
}

static void wake_if_needed(struct postgres *postgres, enum work work)
{
    pthread_mutex_lock(&postgres->mutex);
    bool is_needed = claim_wake(postgres, work);

    pthread_mutex_unlock(&postgres->mutex);
    if (is_needed)
        pthread_cond_signal(&postgres->woken[work]);
}

static bool submit(struct postgres *postgres, enum work work, struct command_list *queue, size_t limit,
                   struct store_command *command)
{
    assert(postgres->magic == POOL_MAGIC);
    pthread_mutex_lock(&postgres->mutex);
    bool taken = !postgres->stopping && waiting(postgres, work) < limit;

    if (taken)
        command_list_append(queue, command);
    bool is_needed = claim_wake(postgres, work);

    pthread_mutex_unlock(&postgres->mutex);
    if (is_needed)
        pthread_cond_signal(&postgres->woken[work]);
    return taken;
}

bool postgres_submit_write(struct postgres *postgres, struct store_command *command)
{
    struct command_list *queue =
        command->is_background ? &postgres->background : &postgres->queues[WORK_WRITES];
    bool taken = submit(postgres, WORK_WRITES, queue, STORE_WRITE_QUEUE_MAX, command);

    metrics_add(&metrics_here()->writer_commands_waiting, taken);
    return taken;
}

bool postgres_submit_read(struct postgres *postgres, struct store_command *command)
{
    return submit(postgres, WORK_READS, &postgres->queues[WORK_READS], STORE_READ_QUEUE_MAX, command);
}

enum store_verdict postgres_submit_slow_read(struct postgres *postgres, struct store_command *command)
{
    struct command_list abandoned;

    assert(postgres->magic == POOL_MAGIC);
    command->runs_once = true;
    command_list_init(&abandoned);
    pthread_mutex_lock(&postgres->mutex);
    fair_queue_move_abandoned(&postgres->slow, &abandoned);
    enum store_verdict verdict =
        postgres->stopping ? STORE_QUEUE_FULL : fair_queue_put(&postgres->slow, command);
    bool is_needed = claim_wake(postgres, WORK_READS);

    pthread_mutex_unlock(&postgres->mutex);
    if (is_needed)
        pthread_cond_signal(&postgres->woken[WORK_READS]);
    refuse_abandoned(&abandoned);
    return verdict;
}

/* A read that may take long is taken alone, in turn with all the others. */
static bool take_slow(struct postgres *postgres, struct store_command **commands)
{
    postgres->took_slow =
        may_run_slow(postgres) && !(postgres->took_slow && postgres->queues[WORK_READS].first);
    if (postgres->took_slow) {
        commands[0] = fair_queue_take(&postgres->slow);
        postgres->slow_count++;
    }
    return postgres->took_slow;
}

/* Of writes that let others go first one is taken behind all others, and a few when nobody else waits. */
static size_t take(struct postgres *postgres, enum work work, struct store_command **commands)
{
    size_t count = 0, background = postgres->queues[WORK_WRITES].first ? 1 : STORE_BACKGROUND_BATCH;
    struct command_list taken;

    command_list_init(&taken);
    if (work == WORK_READS && take_slow(postgres, commands))
        return 1;
    if (work == WORK_READS) {
        command_list_move(&postgres->queues[WORK_READS], &taken, POSTGRES_READ_BATCH_MAX);
    } else {
        command_list_move(&postgres->queues[WORK_WRITES], &taken, POSTGRES_WRITE_BATCH_MAX - background);
        command_list_move(&postgres->background, &taken, background);
    }
    for (struct store_command *command; (command = command_list_take(&taken));)
        commands[count++] = command;
    return count;
}

/* ---- the threads ---- */

static void note_session(struct worker *worker)
{
    struct postgres *postgres = worker->postgres;
    bool has_session = postgres_is_connected(worker->connection);

    pthread_mutex_lock(&postgres->mutex);
    postgres->session_counts[worker->work] += (unsigned)has_session - (unsigned)worker->has_session;
    worker->has_session = has_session;
    pthread_mutex_unlock(&postgres->mutex);
}

/* Without a session of its own a worker leaves commands to those that have one. When nobody has, somebody
 * must take them and say why nothing can be done. */
static bool may_take(const struct worker *worker)
{
    const struct postgres *postgres = worker->postgres;

    return worker->has_session || postgres->session_counts[worker->work] == 0 || postgres->stopping;
}

/* A batch takes its time: those that wait need not. */
static bool is_patient(void *context, int64_t waited_us)
{
    struct worker *worker = context;
    bool is_silent = !postgres_is_current(worker->postgres);
    bool is_closing = postgres_is_closing(worker->postgres);
    int limit_ms = is_closing  ? POSTGRES_CLOSING_MS
                   : is_silent ? POSTGRES_SILENCE_MAX_MS
                               : POSTGRES_ANSWER_MAX_MS;

    wake_if_needed(worker->postgres, worker->work);
    if (!is_closing && !is_silent)
        postgres_cancel_abandoned(worker->connection);
    return waited_us < postgres_after(0, limit_ms);
}

/* The wake-up was for somebody with a session, whom it has missed. */
static void get_session(struct worker *worker)
{
    const struct timespec pause = {.tv_nsec = POSTGRES_RETRY_STEP_MS * 1000000L};

    wake_if_needed(worker->postgres, worker->work);
    if (!postgres_connect(worker->connection))
        nanosleep(&pause, NULL);
    note_session(worker);
}

/* With the mutex held: waits until there is something to take. */
static void wait_for_turn(struct worker *worker)
{
    struct postgres *postgres = worker->postgres;

    for (;;) {
        while (!waiting(postgres, worker->work) && !postgres->stopping) {
            postgres->idle_counts[worker->work]++;
            pthread_cond_wait(&postgres->woken[worker->work], &postgres->mutex);
            postgres->idle_counts[worker->work]--;
            postgres->is_waking[worker->work] = false;
        }
        if (may_take(worker))
            return;
        pthread_mutex_unlock(&postgres->mutex);
        get_session(worker);
        pthread_mutex_lock(&postgres->mutex);
    }
}

/* Waits for commands. 0 when the pool is to end. */
static size_t wait_for_commands(struct worker *worker, struct store_command **commands)
{
    struct postgres *postgres = worker->postgres;
    enum work work = worker->work;

    pthread_mutex_lock(&postgres->mutex);
    postgres->busy_counts[work] -= worker->is_busy;
    postgres->slow_count -= worker->is_slow;
    wait_for_turn(worker);
    size_t count = take(postgres, work, commands);

    worker->is_slow = work == WORK_READS && count && postgres->took_slow;

    worker->is_busy = count > 0;
    postgres->busy_counts[work] += worker->is_busy;
    postgres->taken_at_us[work] = monotonic_now_us();
    pthread_mutex_unlock(&postgres->mutex);
    wake_if_needed(postgres, work); /* more wait than a batch takes */
    return count;
}

/* The listening thread tries to connect all the time; each attempt may take seconds. */
static void refuse(struct worker *worker, struct store_command **commands, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        commands[i]->failure = postgres_away_failure(worker->postgres, commands[i]->arena);
        commands[i]->done(commands[i]);
    }
}

static void run(struct worker *worker, struct store_command **commands, size_t count)
{
    struct postgres *postgres = worker->postgres;

    if (postgres->has_listener && !postgres_is_connected(worker->connection) &&
        postgres_is_away_for_long(postgres)) {
        refuse(worker, commands, count);
        metrics_subtract(&metrics_here()->writer_commands_waiting, worker->work == WORK_WRITES ? count : 0);
        return;
    }
    if (worker->work == WORK_WRITES) {
        postgres_write_batch(postgres, worker->connection, commands, count);
        metrics_subtract(&metrics_here()->writer_commands_waiting, count);
        return;
    }
    postgres_read_batch(postgres, worker->connection, commands, count);
    if (worker->connection->error.is_lost || postgres_state(postgres) == STORE_UNREACHABLE)
        postgres_publish(postgres, worker->connection);
}

static void *worker_main(void *context)
{
    struct worker *worker = context;
    struct store_command *commands[POSTGRES_READ_BATCH_MAX > POSTGRES_WRITE_BATCH_MAX
                                       ? POSTGRES_READ_BATCH_MAX
                                       : POSTGRES_WRITE_BATCH_MAX];

    for (size_t count; (count = wait_for_commands(worker, commands)) > 0;) {
        run(worker, commands, count);
        if (worker->has_session != postgres_is_connected(worker->connection))
            note_session(worker);
    }
    return NULL;
}

static void start_worker(struct worker *worker, unsigned number)
{
    char name[THREAD_NAME_BYTES];

    if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0)
        abort();
    snprintf(name, sizeof name, "%s %u", worker->work == WORK_READS ? "reader" : "writer", number);
    pthread_setname_np(worker->thread, name);
}

/* ---- opening and closing ---- */

bool postgres_check_url(struct text url, struct arena *arena, struct text *reason)
{
    char *error = NULL;

    if (!libpq_load(arena, reason))
        return false;
    PQconninfoOption *options = libpq.PQconninfoParse(arena_string(arena, url), &error);

    if (options) {
        libpq.PQconninfoFree(options);
        return true;
    }
    /* The library's message may repeat the URL, with its password. */
    libpq.PQfreemem(error);
    *reason = TEXT("the setting database is not a URL that PostgreSQL's client library can read: "
                   "postgres://USER:PASSWORD@HOST:PORT/DATABASE, where special characters are "
                   "percent-encoded (%40 for @, %2F for /, %25 for %)");
    return false;
}

/* The schema must be there before a session can keep its commit record in it. */
static bool prepare_database(struct postgres *postgres, bool must_exist, struct arena *arena,
                             struct text *reason)
{
    struct postgres_connection *connection = postgres_connection_new(postgres->url, false);

    connection->is_quiet = connection->waits_forever = true;
    bool is_ready = postgres_connect(connection);

    if (!is_ready)
        *reason = postgres_cannot_use(&connection->error, arena);
    else
        postgres->name = strdup(arena_string(arena, postgres_name_of(connection, arena)));
    is_ready = is_ready && postgres_migrate(connection, must_exist, arena, reason);
    if (is_ready && !commit_record_sweep(connection))
        postgres_forget_error(connection); /* it is only tidiness */
    postgres_connection_free(connection);
    return is_ready;
}

static void start_pool(struct postgres *postgres, unsigned connection_count)
{
    unsigned reader_count = connection_count / 2;

    postgres->worker_count = connection_count;
    postgres->reader_count = reader_count;
    postgres->workers = calloc(connection_count, sizeof *postgres->workers);
    if (!postgres->workers)
        abort();
    for (unsigned i = 0; i < connection_count; i++) {
        enum work work = i < reader_count ? WORK_READS : WORK_WRITES;

        postgres->workers[i] =
            (struct worker){.postgres = postgres,
                            .work = work,
                            .connection = postgres_connection_new(postgres->url, work == WORK_WRITES)};
        postgres->workers[i].connection->is_patient = is_patient;
        postgres->workers[i].connection->patience_context = &postgres->workers[i];
        start_worker(&postgres->workers[i], work == WORK_READS ? i + 1 : i + 1 - reader_count);
    }
}

static void free_pool(struct postgres *postgres)
{
    for (unsigned work = 0; work < WORKS; work++)
        pthread_cond_destroy(&postgres->woken[work]);
    pthread_mutex_destroy(&postgres->mutex);
    free(postgres->workers);
    free(postgres->name);
    free(postgres->url);
    postgres->magic = 0;
    free(postgres);
}

struct postgres *postgres_open(struct text url, const struct store_options *options, struct arena *arena,
                               struct text *reason)
{
    assert(options->connections >= STORE_CONNECTIONS_MIN && options->connections <= STORE_CONNECTIONS_MAX);
    if (!postgres_check_url(url, arena, reason))
        return NULL;
    struct postgres *postgres = calloc(1, sizeof *postgres);

    if (!postgres || !(postgres->url = strndup(url.data, url.length)))
        abort();
    postgres->magic = POOL_MAGIC;
    pthread_mutex_init(&postgres->mutex, NULL);
    for (unsigned work = 0; work < WORKS; work++) {
        pthread_cond_init(&postgres->woken[work], NULL);
        command_list_init(&postgres->queues[work]);
    }
    command_list_init(&postgres->background);
    fair_queue_init(&postgres->slow);
    if (!prepare_database(postgres, options->must_exist, arena, reason)) {
        free_pool(postgres);
        return NULL;
    }
    atomic_store(&postgres->heard_at_us, monotonic_now_us());
    start_pool(postgres, options->connections);
    return postgres;
}

void postgres_close(struct postgres *postgres)
{
    assert(postgres->magic == POOL_MAGIC);
    pthread_mutex_lock(&postgres->mutex);
    atomic_store(&postgres->stopping, true);
    pthread_mutex_unlock(&postgres->mutex);
    listener_stop(postgres);
    for (unsigned work = 0; work < WORKS; work++)
        pthread_cond_broadcast(&postgres->woken[work]);
    for (unsigned i = 0; i < postgres->worker_count; i++) {
        pthread_join(postgres->workers[i].thread, NULL);
        postgres_connection_free(postgres->workers[i].connection);
    }
    free_pool(postgres);
}
