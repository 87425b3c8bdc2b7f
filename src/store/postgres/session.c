/* session.c: connecting to the server, and what every session is set to. */
#include "store/postgres/handle.h"

#include "base/instant.h"
#include "base/log.h"
#include "metrics/metrics.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECTION_MAGIC = 0x50475343, SETTINGS_BYTES_MAX = 1024 };

/* What holds unless the URL says otherwise. A server that is gone without a word is noticed within some
 * seconds. */
static const char *const default_keywords[] = {"connect_timeout",
                                               "keepalives_idle",
                                               "keepalives_interval",
                                               "keepalives_count",
                                               "tcp_user_timeout",
                                               "client_encoding",
                                               "target_session_attrs",
                                               "fallback_application_name",
                                               "dbname",
                                               "application_name",
                                               NULL};
static const char *const default_values[] = {"5", "2", "1", "3", "5000", "UTF8", "read-write", "farthing"};

enum { DEFAULT_COUNT = sizeof default_values / sizeof default_values[0] };

/* Sessions answer for what they promise: a commit that is acknowledged is on the disk, also where the
 * server's default is not to wait for it. */
static const char settings_format[] =
    "SELECT set_config('statement_timeout', '%d', false), set_config('lock_timeout', '%d', false), "
    "set_config('idle_in_transaction_session_timeout', '60000', false), "
    "set_config('default_transaction_isolation', 'read committed', false), "
    "set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false), "
    "set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' "
    "ELSE current_setting('synchronous_commit') END, false)";

struct postgres_connection *postgres_connection_new(const char *url, bool is_writer)
{
    struct postgres_connection *connection = calloc(1, sizeof *connection);

    if (!connection)
        abort();
    connection->base = (struct connection){.engine = &postgres_engine, .locks_rows = is_writer};
    connection->magic = CONNECTION_MAGIC;
    connection->url = url;
    arena_init(&connection->ahead_arena);
    return connection;
}

void postgres_connection_free(struct postgres_connection *connection)
{
    assert(connection->magic == CONNECTION_MAGIC);
    postgres_disconnect(connection);
    postgres_statements_free(connection);
    arena_free(&connection->ahead_arena);
    buffer_free(&connection->parameters);
    buffer_free(&connection->base.audit_scratch);
    free(connection->awaited);
    connection->magic = 0;
    free(connection);
}

void postgres_disconnect(struct postgres_connection *connection)
{
    connection->awaited_first = connection->awaited_end = 0;
    postgres_statements_forget(connection);
    if (connection->handle && connection->error.is_lost)
        metrics_add(&metrics_here()->database_sessions_lost, 1);
    if (connection->handle)
        libpq.PQfinish(connection->handle);
    connection->handle = NULL;
}

/* NOTICE and WARNING go to our log, at a level that is usually off, instead of to standard error. */
static void take_notice(void *context, const char *message)
{
    (void)context;
    LOG_DEBUG("postgresql notice", LOG_TEXT("notice", text_trim(text_from_string(message))));
}

static bool set_session(struct postgres_connection *connection)
{
    char sql[SETTINGS_BYTES_MAX];

    snprintf(sql, sizeof sql, settings_format, POSTGRES_STATEMENT_TIMEOUT_MS, POSTGRES_LOCK_TIMEOUT_MS);
    return postgres_run_simply(connection, sql);
}

static bool is_new_enough(struct postgres_connection *connection)
{
    int version = libpq.PQserverVersion(connection->handle);
    char message[ERROR_MESSAGE_BYTES];

    if (version >= POSTGRES_SERVER_VERSION_MIN)
        return true;
    snprintf(message, sizeof message, "the server is PostgreSQL %d, and %d or newer is needed",
             version / 10000, POSTGRES_SERVER_VERSION_MIN / 10000);
    postgres_lost(connection, message);
    return false;
}

bool postgres_enter_pipeline(struct postgres_connection *connection)
{
    if (libpq.PQsetnonblocking(connection->handle, 1) == 0 &&
        libpq.PQenterPipelineMode(connection->handle) == 1)
        return true;
    postgres_lost(connection, libpq.PQerrorMessage(connection->handle));
    return false;
}

bool postgres_leave_pipeline(struct postgres_connection *connection)
{
    if (libpq.PQexitPipelineMode(connection->handle) == 1 &&
        libpq.PQsetnonblocking(connection->handle, 0) == 0)
        return true;
    postgres_lost(connection, libpq.PQerrorMessage(connection->handle));
    return false;
}

bool postgres_run_simply(struct postgres_connection *connection, const char *sql)
{
    bool is_done = true;

    if (libpq.PQsendQuery(connection->handle, sql) != 1) {
        postgres_lost(connection, libpq.PQerrorMessage(connection->handle));
        return false;
    }
    for (PGresult *result; postgres_wait(connection) && (result = libpq.PQgetResult(connection->handle));) {
        ExecStatusType status = libpq.PQresultStatus(result);

        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
            postgres_set_error(connection, result);
            is_done = false;
        }
        libpq.PQclear(result);
    }
    return is_done && !connection->error.is_lost;
}

bool postgres_run_script(struct postgres_connection *connection, const char *sql)
{
    if (connection->error.is_lost || !postgres_leave_pipeline(connection))
        return false;
    bool is_done = postgres_run_simply(connection, sql);

    return postgres_enter_pipeline(connection) && is_done;
}

static bool begin_session(struct postgres_connection *connection)
{
    if (libpq.PQstatus(connection->handle) != CONNECTION_OK) {
        postgres_lost(connection, libpq.PQerrorMessage(connection->handle));
        return false;
    }
    connection->backend_pid = libpq.PQbackendPID(connection->handle);
    if (!is_new_enough(connection) || !set_session(connection) || !postgres_enter_pipeline(connection))
        return false;
    return !connection->base.locks_rows ||
           (commit_record_open(connection) && postgres_claim_chain(connection));
}

/* Goes on with a connection that was begun, instead of having it made at once, so that the server's words are
 * taken by us from the first one on: libpq writes them to standard error otherwise. Its limits of time, and
 * the way from one host to the next when they are over, are in its own loop only: whoever is slow to let us
 * in is left to that, from the beginning. */
static void establish(PGconn *handle)
{
    int64_t deadline_us = postgres_after(monotonic_now_us(), POSTGRES_QUICK_CONNECT_MS);
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;

    while (libpq.PQstatus(handle) != CONNECTION_BAD &&
           (status == PGRES_POLLING_WRITING || status == PGRES_POLLING_READING)) {
        struct pollfd file = {.fd = libpq.PQsocket(handle),
                              .events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT};
        int64_t left_us = deadline_us - monotonic_now_us();

        if (left_us <= 0) {
            libpq.PQreset(handle);
            return;
        }
        if (poll(&file, 1, (int)(left_us / 1000) + 1) > 0)
            status = libpq.PQconnectPoll(handle);
    }
}

static PGconn *open_handle(struct postgres_connection *connection)
{
    const char *values[DEFAULT_COUNT + 3];
    char application_name[ERROR_NAME_BYTES];

    ulid_random_text(connection->id, ULID_TEXT_LENGTH);
    snprintf(application_name, sizeof application_name, "farthing %s", connection->id);
    memcpy(values, default_values, sizeof default_values);
    values[DEFAULT_COUNT] = connection->url;
    values[DEFAULT_COUNT + 1] = application_name;
    values[DEFAULT_COUNT + 2] = NULL;
    PGconn *handle = libpq.PQconnectStartParams(default_keywords, values, 1);

    libpq.PQsetNoticeProcessor(handle, take_notice, NULL);
    establish(handle);
    return handle;
}

bool postgres_is_connected(const struct postgres_connection *connection)
{
    return connection->handle && !connection->error.is_lost &&
           libpq.PQstatus(connection->handle) == CONNECTION_OK;
}

bool postgres_connect(struct postgres_connection *connection)
{
    assert(connection->magic == CONNECTION_MAGIC);
    /* A session that the server has ended meanwhile is found out before anything is sent on it. */
    if (postgres_is_connected(connection) && libpq.PQconsumeInput(connection->handle) == 1 &&
        postgres_is_connected(connection))
        return true;
    if (connection->handle && !connection->error.is_lost)
        postgres_lost(connection, libpq.PQerrorMessage(connection->handle));
    postgres_disconnect(connection);
    if (monotonic_now_us() < connection->connect_after_us)
        return false; /* with the error of the last attempt */
    postgres_forget_error(connection);
    connection->handle = open_handle(connection);
    if (begin_session(connection)) {
        metrics_add(&metrics_here()->database_sessions_opened, 1);
        connection->connect_after_us = 0;
        return true;
    }
    connection->error.is_lost = true;
    connection->connect_after_us = postgres_after(monotonic_now_us(), POSTGRES_RECONNECT_MS);
    postgres_disconnect(connection);
    return false;
}
