/* pipeline.c: questions go out without waiting, answers are taken in their order. */
#include "store/postgres/handle.h"

#include "base/instant.h"
#include "base/log.h"
#include "store/write.h"

#include <assert.h>
#include <endian.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AWAITED_FIRST = 64, FORMAT_TEXT = 0, FORMAT_BINARY = 1 };

/* ---- errors ---- */

void postgres_forget_error(struct postgres_connection *connection)
{
    connection->error = (struct postgres_error){0};
}

/* Of several lines, which libpq says of several hosts, one; those that only ask back are left out. */
static void copy_line(char *out, size_t size, const char *text)
{
    size_t length = 0;

    out[0] = '\0';
    for (const char *at = text ? text : ""; *at && length < size;) {
        size_t line = strcspn(at, "\n");

        if (line > 0 && *at != '\t')
            length +=
                (size_t)snprintf(out + length, size - length, "%s%.*s", length ? "; " : "", (int)line, at);
        at += line + (at[line] == '\n');
    }
}

void postgres_lost(struct postgres_connection *connection, const char *message)
{
    if (!connection->error.is_set)
        copy_line(connection->error.message, sizeof connection->error.message, message);
    connection->error.is_set = connection->error.is_lost = true;
}

/* Whether the session has forgotten its statements, as after a DISCARD ALL of somebody between it and us, or
 * has them of a table whose columns have another type by now. */
static bool has_lost_statements(const PGresult *result, const char *sqlstate)
{
    const char *function = libpq.PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);

    return strcmp(sqlstate, SQLSTATE_NO_STATEMENT) == 0 ||
           (strcmp(sqlstate, SQLSTATE_NOT_SUPPORTED) == 0 && function &&
            strcmp(function, "RevalidateCachedQuery") == 0);
}

/* Whether the session is of no more use: the server says these while it ends it (shutdown, crash of another
 * session, not ready yet), and one that has become read-only belongs to a server that others have taken over
 * from. One that has lost its statements may have lost what it was set to as well, so it is not mended. */
static bool ends_session(const PGresult *result)
{
    const char *sqlstate = libpq.PQresultErrorField(result, PG_DIAG_SQLSTATE);

    return sqlstate && (strncmp(sqlstate, "57P0", 4) == 0 || strncmp(sqlstate, "08", 2) == 0 ||
                        strcmp(sqlstate, "25006") == 0 || has_lost_statements(result, sqlstate));
}

/* What a caller does wrong, and what happens between callers, is nothing for the log. */
static bool is_everyday(const char *sqlstate)
{
    return strncmp(sqlstate, "23505", 5) == 0 || strncmp(sqlstate, "40", 2) == 0;
}

void postgres_set_error(struct postgres_connection *connection, const PGresult *result)
{
    struct postgres_error *error = &connection->error;
    const char *sqlstate = libpq.PQresultErrorField(result, PG_DIAG_SQLSTATE);
    bool is_lost = libpq.PQstatus(connection->handle) != CONNECTION_OK || ends_session(result);

    if (!error->is_set) {
        error->is_set = true;
        copy_line(error->sqlstate, sizeof error->sqlstate, sqlstate);
        copy_line(error->message, sizeof error->message,
                  sqlstate ? libpq.PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)
                           : libpq.PQerrorMessage(connection->handle));
        copy_line(error->constraint, sizeof error->constraint,
                  libpq.PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME));
        copy_line(error->table, sizeof error->table, libpq.PQresultErrorField(result, PG_DIAG_TABLE_NAME));
        if (!is_lost && !connection->is_quiet && !is_everyday(error->sqlstate))
            postgres_log(LOG_LEVEL_ERROR, error->sqlstate, "database error",
                         (const struct log_field[]){LOG_STRING("error", error->message),
                                                    LOG_STRING("code", error->sqlstate)},
                         2);
        if (is_lost && sqlstate && has_lost_statements(result, sqlstate))
            postgres_log(LOG_LEVEL_INFO, error->sqlstate,
                         "a session is begun anew, because its statements do not fit any more",
                         &LOG_STRING("error", error->message), 1);
    }
    error->is_lost = error->is_lost || is_lost;
}

/* ---- waiting ---- */

static bool is_patient(const struct postgres_connection *connection, int64_t waited_us)
{
    if (connection->is_patient)
        return connection->is_patient(connection->patience_context, waited_us);
    return connection->waits_forever || waited_us < postgres_after(0, POSTGRES_ANSWER_MAX_MS);
}

/* Until the socket takes or has something. The server may be gone without a word, and a proxy in between may
 * keep the connection alive: libpq would wait for ever. `since_us`: since when nothing has moved; 0 at first.
 * False when the connection is lost. */
static bool wait_for_socket(struct postgres_connection *connection, bool is_unsent, int64_t *since_us)
{
    struct pollfd file = {.fd = libpq.PQsocket(connection->handle),
                          .events = is_unsent ? POLLIN | POLLOUT : POLLIN};
    int ready = poll(&file, 1, *since_us ? POSTGRES_WAIT_STEP_MS : POSTGRES_PATIENCE_MS);

    if (ready != 0)
        return true;
    if (!*since_us)
        *since_us = monotonic_now_us();
    if (is_patient(connection, monotonic_now_us() - *since_us))
        return true;
    postgres_lost(connection, "the server does not answer");
    return false;
}

void postgres_cancel_abandoned(struct postgres_connection *connection)
{
    char error[ERROR_MESSAGE_BYTES];

    if (!connection->is_abandoned || connection->was_canceled || !atomic_load(connection->is_abandoned))
        return;
    PGcancel *cancel = libpq.PQgetCancel(connection->handle);

    connection->was_canceled = true;
    if (cancel && libpq.PQcancel(cancel, error, sizeof error) != 1)
        LOG_DEBUG("a statement that nobody waits for cannot be ended", LOG_STRING("error", error));
    libpq.PQfreeCancel(cancel);
}

bool postgres_wait(struct postgres_connection *connection)
{
    PGconn *handle = connection->handle;
    int64_t since_us = 0;
    int unsent;

    while ((unsent = libpq.PQflush(handle)) >= 0 && libpq.PQisBusy(handle)) {
        if (!wait_for_socket(connection, unsent, &since_us))
            return false;
        if (libpq.PQconsumeInput(handle) != 1)
            break;
    }
    return true; /* what is wrong with the connection, PQgetResult says */
}

/* libpq keeps what the server has not taken yet, in memory that it never gives back: a batch of large rows
 * waits for the server instead. */
static bool limit_unsent(struct postgres_connection *connection, size_t more_bytes)
{
    int64_t since_us = 0;

    connection->sent_bytes += more_bytes;
    if (connection->sent_bytes < POSTGRES_UNSENT_BYTES_MAX)
        return true;
    connection->sent_bytes = 0;
    while (libpq.PQflush(connection->handle) == 1) {
        if (!wait_for_socket(connection, true, &since_us))
            return false;
        if (libpq.PQconsumeInput(connection->handle) != 1)
            break;
    }
    return true; /* as above */
}

/* ---- sending ---- */

static void await(struct postgres_connection *connection, struct awaited awaited)
{
    if (connection->awaited_first == connection->awaited_end)
        connection->awaited_first = connection->awaited_end = 0;
    if (connection->awaited_end == connection->awaited_capacity) {
        connection->awaited_capacity =
            connection->awaited_capacity ? 2 * connection->awaited_capacity : AWAITED_FIRST;
        connection->awaited =
            realloc(connection->awaited, connection->awaited_capacity * sizeof *connection->awaited);
        if (!connection->awaited)
            abort();
    }
    awaited.command = connection->command;
    connection->awaited[connection->awaited_end++] = awaited;
}

/* False, and the connection counts as lost, when libpq did not take it. */
static bool was_sent(struct postgres_connection *connection, int sent)
{
    if (sent == 1)
        return true;
    postgres_lost(connection,
                  connection->handle ? libpq.PQerrorMessage(connection->handle) : "not connected");
    return false;
}

bool postgres_send_text(struct postgres_connection *connection, const char *sql)
{
    if (connection->error.is_lost ||
        !was_sent(connection,
                  libpq.PQsendQueryParams(connection->handle, sql, 0, NULL, NULL, NULL, NULL, FORMAT_BINARY)))
        return false;
    await(connection, (struct awaited){.kind = AWAITED_OTHER});
    return true;
}

/* A plan that was made while a table was empty walks whatever index; as the table grows it gets slower with
 * each row, and the server only makes another one when it has analysed the table, which it does once a
 * minute, if at all. */
void postgres_renew_plans(struct postgres_connection *connection)
{
    int64_t now_us = monotonic_now_us();

    if (now_us < connection->plans_until_us && connection->change_count < connection->plans_until_changes)
        return;
    connection->plans_until_us = postgres_after(now_us, POSTGRES_PLANS_MS);
    connection->plans_until_changes = 2 * connection->change_count + POSTGRES_PLANS_CHANGES;
    postgres_send_text(connection, "DISCARD PLANS");
}

static bool prepare(struct statement *statement)
{
    struct postgres_connection *connection = statement->connection;

    if (statement->is_prepared)
        return true;
    if (!was_sent(connection,
                  libpq.PQsendPrepare(connection->handle, statement->name, statement->sql, 0, NULL)))
        return false;
    statement->is_prepared = true; /* unless we hear otherwise */
    await(connection, (struct awaited){.kind = AWAITED_PREPARE, .statement = statement});
    return true;
}

/* Texts are copied, because libpq takes strings; everything else is sent as its bytes. */
struct parameters {
    size_t offsets[STORE_QUERY_PARAMETERS_MAX]; /* of texts, in the buffer */
    int64_t numbers[STORE_QUERY_PARAMETERS_MAX];
    bool booleans[STORE_QUERY_PARAMETERS_MAX];
    const char *values[STORE_QUERY_PARAMETERS_MAX];
    int lengths[STORE_QUERY_PARAMETERS_MAX], formats[STORE_QUERY_PARAMETERS_MAX];
};

static void bind_number(struct parameters *parameters, size_t index, int64_t number)
{
    parameters->numbers[index] = (int64_t)htobe64((uint64_t)number);
    parameters->values[index] = (const char *)&parameters->numbers[index];
    parameters->lengths[index] = sizeof parameters->numbers[index];
}

static void bind(struct parameters *parameters, size_t index, const struct value *value)
{
    parameters->values[index] = NULL;
    parameters->lengths[index] = 0;
    parameters->formats[index] = value->type == VALUE_TEXT ? FORMAT_TEXT : FORMAT_BINARY;
    switch (value->type) {
    case VALUE_TEXT: /* its place is known when all are copied */
        break;
    case VALUE_INTEGER:
        bind_number(parameters, index, value->integer);
        break;
    case VALUE_INSTANT:
        if (value->integer != INSTANT_UNSET)
            bind_number(parameters, index, value->integer - POSTGRES_EPOCH_US);
        break;
    case VALUE_BOOLEAN:
        parameters->booleans[index] = value->integer != 0;
        parameters->values[index] = (const char *)&parameters->booleans[index];
        parameters->lengths[index] = 1;
        break;
    }
}

static void bind_all(struct parameters *parameters, struct buffer *buffer, const struct value *values,
                     size_t count)
{
    buffer_clear(buffer);
    for (size_t i = 0; i < count; i++) {
        bind(parameters, i, &values[i]);
        parameters->offsets[i] = buffer->length;
        if (values[i].type != VALUE_TEXT || !text_is_set(values[i].text))
            continue;
        /* Both readers of input, JSON and URLs, refuse U+0000. */
        assert(!memchr(values[i].text.data, '\0', values[i].text.length));
        buffer_append(buffer, values[i].text);
        buffer_append_char(buffer, '\0');
    }
    for (size_t i = 0; i < count; i++)
        if (values[i].type == VALUE_TEXT && text_is_set(values[i].text))
            parameters->values[i] = buffer->data + parameters->offsets[i];
}

bool postgres_send(struct statement *statement, const struct value *values, size_t count,
                   struct awaited awaited)
{
    struct postgres_connection *connection = statement->connection;
    struct parameters parameters;

    assert(count <= STORE_QUERY_PARAMETERS_MAX);
    if (connection->error.is_lost || !prepare(statement))
        return false;
    bind_all(&parameters, &connection->parameters, values, count);
    if (!was_sent(connection, libpq.PQsendQueryPrepared(connection->handle, statement->name, (int)count,
                                                        parameters.values, parameters.lengths,
                                                        parameters.formats, FORMAT_BINARY)))
        return false;
    await(connection, awaited);
    return limit_unsent(connection, connection->parameters.length);
}

/* ---- taking answers ---- */

/* An UPDATE that finds no row is an error, as a unique value that is taken is one. */
static bool has_missed(const struct awaited *awaited, PGresult *result)
{
    return awaited->write && awaited->write->before && strcmp(libpq.PQcmdTuples(result), "0") == 0;
}

static void take_error(struct postgres_connection *connection, const struct awaited *awaited,
                       const PGresult *result)
{
    if (!connection->error.is_set) {
        connection->error.command = awaited->command;
        connection->error.write = awaited->write;
        connection->error.is_followed = connection->awaited_first < connection->awaited_end;
    }
    postgres_set_error(connection, result);
}

static void take_success(struct postgres_connection *connection, const struct awaited *awaited,
                         PGresult *result)
{
    if (awaited->kind == AWAITED_CHANGE && !connection->error.is_set && has_missed(awaited, result))
        connection->error = (struct postgres_error){
            .is_set = true, .has_missed = true, .command = awaited->command, .write = awaited->write};
}

/* Gives the answer to whoever asked for it; false when nobody keeps it. */
static bool hand_over(const struct awaited *awaited, PGresult *result)
{
    if (awaited->kind != AWAITED_QUERY)
        return false;
    if (awaited->asked)
        awaited->asked->result = result;
    else
        awaited->statement->result = result;
    return true;
}

/* The question was skipped, because one before it went wrong: it has to be asked again. */
static void take_skipped(const struct awaited *awaited)
{
    if (awaited->kind == AWAITED_PREPARE && awaited->statement)
        awaited->statement->is_prepared = false;
    if (awaited->asked)
        awaited->asked->is_sent = false;
}

/* The error of a reading's question is that reading's alone, and stays in its answer, unless it is the
 * session's. */
static bool is_readings_own(struct postgres_connection *connection, const struct awaited *awaited,
                            const PGresult *result)
{
    return awaited->asked && !awaited->asked->is_ahead &&
           libpq.PQstatus(connection->handle) == CONNECTION_OK && !ends_session(result);
}

static void take_result(struct postgres_connection *connection, const struct awaited *awaited,
                        PGresult *result)
{
    bool is_kept = false;

    switch (libpq.PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
        take_success(connection, awaited, result);
        is_kept = hand_over(awaited, result);
        break;
    case PGRES_PIPELINE_ABORTED:
        take_skipped(awaited);
        break;
    default:
        take_skipped(awaited);
        if (is_readings_own(connection, awaited, result)) {
            awaited->asked->is_sent = true;
            is_kept = hand_over(awaited, result);
        } else {
            take_error(connection, awaited, result);
        }
        break;
    }
    if (!is_kept)
        libpq.PQclear(result);
}

/* Each answer is followed by an end. */
static bool take_next(struct postgres_connection *connection)
{
    struct awaited awaited = connection->awaited[connection->awaited_first++];

    if (!postgres_wait(connection)) {
        take_skipped(&awaited);
        return false;
    }
    PGresult *result = libpq.PQgetResult(connection->handle);

    if (!result) {
        postgres_lost(connection, libpq.PQerrorMessage(connection->handle));
        return false;
    }
    take_result(connection, &awaited, result);
    if (libpq.PQstatus(connection->handle) != CONNECTION_OK) {
        postgres_lost(connection, libpq.PQerrorMessage(connection->handle));
        return false;
    }
    result = libpq.PQgetResult(connection->handle);
    libpq.PQclear(result);
    return true;
}

/* What will not be answered any more. */
static void drop_awaited(struct postgres_connection *connection)
{
    while (connection->awaited_first < connection->awaited_end)
        take_skipped(&connection->awaited[connection->awaited_first++]);
}

static bool take_all(struct postgres_connection *connection)
{
    while (connection->awaited_first < connection->awaited_end && !connection->error.is_lost)
        take_next(connection);
    drop_awaited(connection);
    return !connection->error.is_lost;
}

static bool take_sync(struct postgres_connection *connection)
{
    if (!postgres_wait(connection))
        return false;
    PGresult *result = libpq.PQgetResult(connection->handle);
    bool is_sync = result && libpq.PQresultStatus(result) == PGRES_PIPELINE_SYNC;

    if (!is_sync)
        postgres_lost(connection, libpq.PQerrorMessage(connection->handle));
    libpq.PQclear(result);
    return is_sync;
}

bool postgres_finish(struct postgres_connection *connection)
{
    if (!connection->error.is_lost && was_sent(connection, libpq.PQpipelineSync(connection->handle)) &&
        take_all(connection))
        take_sync(connection);
    drop_awaited(connection);
    return !connection->error.is_set;
}

bool postgres_catch_up(struct postgres_connection *connection)
{
    if (!connection->error.is_lost && was_sent(connection, libpq.PQsendFlushRequest(connection->handle)))
        take_all(connection);
    drop_awaited(connection);
    return !connection->error.is_set;
}
