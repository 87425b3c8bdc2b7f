/* pool.c: the threads with their connections, and what waits for them (postgres.h). */
#include "store/postgres/pool.h"

#include "base/instant.h"
#include "base/log.h"
#include "metrics/metrics.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POOL_MAGIC = 0x504f4f4c, THREAD_NAME_BYTES = 16, NAME_BYTES_MAX = 512 };

/* ---- what is known of the database ---- */

void postgres_publish(struct postgres *postgres, const struct postgres_connection *connection)
{
    enum store_state state = postgres_error_state(&connection->error);

    if (state == STORE_UNREACHABLE) {
        int64_t never = 0;

        atomic_compare_exchange_strong(&postgres->away_since_us, &never, monotonic_now_us());
    } else {
        atomic_store(&postgres->away_since_us, 0);
    }
    enum store_state before = atomic_exchange(&postgres->state, state);

    if (before != state && state == STORE_WELL)
        LOG_INFO("the database takes writes again");
    else if (before != state)
        LOG_WARNING("the database cannot be used", LOG_STRING("reason", store_state_name(state)),
                    LOG_STRING("error", connection->error.message));
}

bool postgres_is_away_for_long(const struct postgres *postgres)
{
    int64_t since_us = atomic_load(&postgres->away_since_us);

    return since_us && monotonic_now_us() > postgres_after(since_us, POSTGRES_RETRY_MS);
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

static bool has_writes(const struct postgres *postgres)
{
    return postgres->writes.first || postgres->background.first;
}

bool postgres_submit_write(struct postgres *postgres, struct store_command *command)
{
    assert(postgres->magic == POOL_MAGIC);
    pthread_mutex_lock(&postgres->mutex);
    bool taken =
        !postgres->stopping && postgres->writes.count + postgres->background.count < STORE_WRITE_QUEUE_MAX;

    if (taken)
        command_list_append(command->is_background ? &postgres->background : &postgres->writes, command);
    pthread_mutex_unlock(&postgres->mutex);
    metrics_add(&metrics_here()->writer_commands_waiting, taken);
    if (taken)
        pthread_cond_signal(&postgres->writes_woken);
    return taken;
}

bool postgres_submit_read(struct postgres *postgres, struct store_command *command)
{
    assert(postgres->magic == POOL_MAGIC);
    pthread_mutex_lock(&postgres->mutex);
    bool taken = !postgres->stopping && postgres->reads.count < STORE_READ_QUEUE_MAX;

    if (taken)
        command_list_append(&postgres->reads, command);
    pthread_mutex_unlock(&postgres->mutex);
    if (taken)
        pthread_cond_signal(&postgres->reads_woken);
    return taken;
}

/* ---- the threads ---- */

/* Empties the list into the array. */
static size_t take_all(struct command_list *list, struct store_command **commands)
{
    size_t count = 0;

    for (struct store_command *command; (command = command_list_take(list));)
        commands[count++] = command;
    return count;
}

/* Waits for commands that read. 0 when the pool is to end. */
static size_t wait_for_reads(struct postgres *postgres, struct store_command **commands)
{
    struct command_list taken;

    command_list_init(&taken);
    pthread_mutex_lock(&postgres->mutex);
    while (!postgres->reads.first && !postgres->stopping)
        pthread_cond_wait(&postgres->reads_woken, &postgres->mutex);
    command_list_move(&postgres->reads, &taken, POSTGRES_READ_BATCH_MAX);
    pthread_mutex_unlock(&postgres->mutex);
    return take_all(&taken, commands);
}

/* Waits for commands that write: of those that let others go first one behind all others, and a few when
 * nobody else waits. 0 when the pool is to end. */
static size_t wait_for_writes(struct postgres *postgres, struct store_command **commands)
{
    struct command_list taken;

    command_list_init(&taken);
    pthread_mutex_lock(&postgres->mutex);
    while (!has_writes(postgres) && !postgres->stopping)
        pthread_cond_wait(&postgres->writes_woken, &postgres->mutex);
    size_t background = postgres->writes.first ? 1 : STORE_BACKGROUND_BATCH;

    command_list_move(&postgres->writes, &taken, POSTGRES_WRITE_BATCH_MAX - background);
    command_list_move(&postgres->background, &taken, background);
    pthread_mutex_unlock(&postgres->mutex);
    return take_all(&taken, commands);
}

static void *reader_main(void *context)
{
    struct worker *worker = context;
    struct store_command *commands[POSTGRES_READ_BATCH_MAX];

    for (size_t count; (count = wait_for_reads(worker->postgres, commands)) > 0;) {
        postgres_read_batch(worker->connection, commands, count);
        if (worker->connection->error.is_lost || postgres_state(worker->postgres) == STORE_UNREACHABLE)
            postgres_publish(worker->postgres, worker->connection);
    }
    return NULL;
}

static void *writer_main(void *context)
{
    struct worker *worker = context;
    struct store_command *commands[POSTGRES_WRITE_BATCH_MAX];

    for (size_t count; (count = wait_for_writes(worker->postgres, commands)) > 0;) {
        postgres_write_batch(worker->postgres, worker->connection, commands, count);
        metrics_subtract(&metrics_here()->writer_commands_waiting, count);
    }
    return NULL;
}

static void start_worker(struct worker *worker, const char *kind, unsigned number, void *(*run)(void *))
{
    char name[THREAD_NAME_BYTES];

    if (pthread_create(&worker->thread, NULL, run, worker) != 0)
        abort();
    snprintf(name, sizeof name, "%s %u", kind, number);
    pthread_setname_np(worker->thread, name);
}

/* ---- opening and closing ---- */

bool postgres_is_url(struct text database)
{
    return text_starts_with(database, TEXT("postgres://")) ||
           text_starts_with(database, TEXT("postgresql://"));
}

const char *postgres_check_url(struct text url, struct arena *arena)
{
    char *error = NULL;
    struct text reason;

    if (!libpq_load(arena, &reason))
        return reason.data;
    PQconninfoOption *options = libpq.PQconninfoParse(arena_string(arena, url), &error);

    if (options) {
        libpq.PQconninfoFree(options);
        return NULL;
    }
    /* The library's message may repeat the URL, with its password. */
    libpq.PQfreemem(error);
    return "is not a URL that PostgreSQL's client library can read: "
           "postgres://USER:PASSWORD@HOST:PORT/DATABASE";
}

static void set_name(struct postgres *postgres, const struct postgres_connection *connection)
{
    const char *host = libpq.PQhost(connection->handle), *port = libpq.PQport(connection->handle);
    char name[NAME_BYTES_MAX];

    snprintf(name, sizeof name, "%s%s%s/%s", host ? host : "", port && *port ? ":" : "", port ? port : "",
             libpq.PQdb(connection->handle));
    postgres->name = strdup(name);
    if (!postgres->name)
        abort();
}

static struct text cannot_use(const struct postgres_connection *connection, struct arena *arena)
{
    return arena_format(arena, "cannot use the PostgreSQL database: %s", connection->error.message);
}

/* The schema must be there before a session can keep its commit record in it. */
static bool prepare_database(struct postgres *postgres, struct arena *arena, struct text *reason)
{
    struct postgres_connection *connection = postgres_connection_new(postgres->url, false);
    bool is_ready = postgres_connect(connection);

    if (!is_ready)
        *reason = cannot_use(connection, arena);
    else
        set_name(postgres, connection);
    is_ready = is_ready && postgres_migrate(connection, arena, reason);
    postgres_connection_free(connection);
    return is_ready;
}

static void start_pool(struct postgres *postgres, unsigned connection_count)
{
    postgres->worker_count = connection_count;
    postgres->reader_count = connection_count / 2;
    postgres->workers = calloc(connection_count, sizeof *postgres->workers);
    if (!postgres->workers)
        abort();
    for (unsigned i = 0; i < connection_count; i++) {
        bool is_reader = i < postgres->reader_count;

        postgres->workers[i].postgres = postgres;
        postgres->workers[i].connection = postgres_connection_new(postgres->url, !is_reader);
        start_worker(&postgres->workers[i], is_reader ? "reader" : "writer",
                     is_reader ? i + 1 : i + 1 - postgres->reader_count,
                     is_reader ? reader_main : writer_main);
    }
}

static void free_pool(struct postgres *postgres)
{
    pthread_cond_destroy(&postgres->reads_woken);
    pthread_cond_destroy(&postgres->writes_woken);
    pthread_mutex_destroy(&postgres->mutex);
    free(postgres->workers);
    free(postgres->name);
    free(postgres->url);
    postgres->magic = 0;
    free(postgres);
}

struct postgres *postgres_open(struct text url, unsigned connection_count, struct arena *arena,
                               struct text *reason)
{
    const char *complaint = postgres_check_url(url, arena);

    assert(connection_count >= STORE_CONNECTIONS_MIN && connection_count <= STORE_CONNECTIONS_MAX);
    if (complaint) {
        *reason = arena_format(arena, "the setting database %s", complaint);
        return NULL;
    }
    struct postgres *postgres = calloc(1, sizeof *postgres);

    if (!postgres || !(postgres->url = strndup(url.data, url.length)))
        abort();
    postgres->magic = POOL_MAGIC;
    pthread_mutex_init(&postgres->mutex, NULL);
    pthread_cond_init(&postgres->reads_woken, NULL);
    pthread_cond_init(&postgres->writes_woken, NULL);
    command_list_init(&postgres->reads);
    command_list_init(&postgres->writes);
    command_list_init(&postgres->background);
    if (!prepare_database(postgres, arena, reason)) {
        free_pool(postgres);
        return NULL;
    }
    atomic_store(&postgres->heard_at_us, monotonic_now_us());
    start_pool(postgres, connection_count);
    return postgres;
}

void postgres_close(struct postgres *postgres)
{
    assert(postgres->magic == POOL_MAGIC);
    pthread_mutex_lock(&postgres->mutex);
    postgres->stopping = true;
    pthread_mutex_unlock(&postgres->mutex);
    pthread_cond_broadcast(&postgres->reads_woken);
    pthread_cond_broadcast(&postgres->writes_woken);
    listener_stop(postgres);
    for (unsigned i = 0; i < postgres->worker_count; i++) {
        pthread_join(postgres->workers[i].thread, NULL);
        postgres_connection_free(postgres->workers[i].connection);
    }
    free_pool(postgres);
}

bool postgres_inspect(struct text url, int *schema_version, struct arena *arena, struct text *reason)
{
    const char *complaint = postgres_check_url(url, arena);
    int oldest_reader;

    if (complaint) {
        *reason = arena_format(arena, "the setting database %s", complaint);
        return false;
    }
    struct postgres_connection *connection = postgres_connection_new(arena_string(arena, url), false);
    bool is_right = postgres_connect(connection);

    if (!is_right)
        *reason = cannot_use(connection, arena);
    is_right = is_right && postgres_schema_version(connection, schema_version, &oldest_reader, arena, reason);
    postgres_connection_free(connection);
    return is_right;
}
