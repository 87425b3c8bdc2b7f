/* commit_record.c: the row in which each writing session keeps the number of its last commit. When a
 * connection is lost while it commits, the row tells what became of the commit, once the session has ended: a
 * number that is there was committed with everything beside it, and one that is not there never will be. */
#include "store/postgres/handle.h"

#include "base/instant.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SQL_BYTES_MAX = 1024, TERMINATION_MS = 5000 };

static const char open_format[] = "INSERT INTO commit_records (session_id, commit_number) VALUES ('%s', 0)";

static const char send_sql[] = "INSERT INTO commit_records (session_id, commit_number) VALUES ($1, $2) "
                               "ON CONFLICT (session_id) DO UPDATE SET commit_number = "
                               "excluded.commit_number, started_at = excluded.started_at";

/* Sessions end without a word; what they leave is swept up when a server starts, not by a session that may
 * have come to look something up. */
static const char sweep_sql[] =
    "DELETE FROM commit_records r WHERE r.started_at < now() - interval '7 days' AND NOT EXISTS "
    "(SELECT 1 FROM pg_stat_activity a WHERE a.application_name = 'farthing ' || r.session_id)";

/* A record that nobody looks up: whether anything can be written. */
static const char try_sql[] =
    "INSERT INTO commit_records (session_id, commit_number) VALUES ('trial', 1) "
    "ON CONFLICT (session_id) DO UPDATE SET commit_number = commit_records.commit_number + 1";

/* True when the session has ended. A role may end its own sessions. */
static const char end_format[] =
    "SELECT count(*) = 0 OR bool_and(pg_terminate_backend(pid, %d)) FROM pg_stat_activity "
    "WHERE application_name = 'farthing %s'";

static const char look_format[] = "SELECT commit_number = %lld FROM commit_records WHERE session_id = '%s'";

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_NONE /* an error, or no row */ };

/* The one boolean that a statement gives. */
static enum answer ask_boolean(struct postgres_connection *connection, const char *sql)
{
    struct statement question = {.connection = connection};
    enum answer answer = ANSWER_NONE;

    postgres_forget_error(connection);
    if (postgres_send_text(connection, sql)) {
        struct awaited *last = &connection->awaited[connection->awaited_end - 1];

        last->kind = AWAITED_QUERY;
        last->statement = &question;
    }
    if (postgres_finish(connection) && question.result && libpq.PQntuples(question.result) > 0)
        answer = libpq.PQgetvalue(question.result, 0, 0)[0] ? ANSWER_YES : ANSWER_NO;
    libpq.PQclear(question.result);
    return answer;
}

bool commit_record_open(struct postgres_connection *connection)
{
    char sql[SQL_BYTES_MAX];

    connection->commit_number = 0;
    snprintf(sql, sizeof sql, open_format, connection->id);
    return postgres_send_text(connection, sql) && postgres_finish(connection);
}

bool commit_record_sweep(struct postgres_connection *connection)
{
    return postgres_send_text(connection, sweep_sql) && postgres_finish(connection);
}

bool commit_record_try(struct postgres_connection *connection)
{
    return postgres_send_text(connection, try_sql) && postgres_finish(connection);
}

bool commit_record_send(struct postgres_connection *connection)
{
    const struct value values[] = {value_text(text_from_string(connection->id)),
                                   value_integer(++connection->commit_number)};

    return postgres_send(postgres_kept_statement(connection, send_sql), values,
                         sizeof values / sizeof values[0], (struct awaited){.kind = AWAITED_OTHER});
}

enum commit_outcome commit_record_outcome(struct postgres_connection *connection, const char *id,
                                          int64_t commit_number)
{
    char sql[SQL_BYTES_MAX];

    snprintf(sql, sizeof sql, end_format, TERMINATION_MS, id);
    if (ask_boolean(connection, sql) != ANSWER_YES)
        return COMMIT_UNKNOWN;
    snprintf(sql, sizeof sql, look_format, (long long)commit_number, id);
    switch (ask_boolean(connection, sql)) {
    case ANSWER_YES:
        return COMMIT_DONE;
    case ANSWER_NO:
        return COMMIT_NOT_DONE;
    case ANSWER_NONE: /* a session has a record from its beginning on: this is not the database that had it */
        break;
    }
    return COMMIT_UNKNOWN;
}
