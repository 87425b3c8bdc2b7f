/* handle.h: what the driver's files share: a connection, what it awaits, and what went wrong. Only for the
 * driver. */
#ifndef FARTHING_STORE_POSTGRES_HANDLE_H
#define FARTHING_STORE_POSTGRES_HANDLE_H

#include "base/buffer.h"
#include "base/log.h"
#include "base/ulid.h"
#include "store/postgres/libpq.h"
#include "store/postgres/postgres.h"
#include "store/statement_table.h"

enum {
    SQLSTATE_LENGTH = 5,
    STATEMENT_NAME_BYTES = 24,
    ERROR_NAME_BYTES = 64, /* PostgreSQL's names are shorter */
    ERROR_MESSAGE_BYTES = 256,
    POSTGRES_PAYLOAD_BYTES_MAX = 256, /* of a notification */
};

/* A lock was not had in time; and a statement was ended, because its time was over or somebody said so. */
#define SQLSTATE_LOCK_NOT_AVAILABLE "55P03"
#define SQLSTATE_CANCELED           "57014"

/* The session has no statement of that name; and what is said, among other things, when a statement was
 * prepared before its table changed. */
#define SQLSTATE_NO_STATEMENT  "26000"
#define SQLSTATE_NOT_SUPPORTED "0A000"

/* PostgreSQL counts its microseconds from 2000-01-01. */
#define POSTGRES_EPOCH_US INT64_C(946684800000000)

/* Where changes are announced. */
#define POSTGRES_CHANNEL "farthing_changes"

/* Numbers of advisory locks that nobody else takes, from here on: "Frth". The first is for migrations. */
#define POSTGRES_LOCKS INT64_C(1181905000)

struct statement {
    struct postgres_connection *connection;
    unsigned number; /* of all that the connection has had: an address may come again, this does not */
    char name[STATEMENT_NAME_BYTES];
    char *sql;
    bool is_prepared; /* on the server, as far as we know */
    PGresult *result; /* between `start` and `end` */
    int row;
    bool owns_result;
};

/* A question of a use case that reads, with its answer when that has come, in the command's arena; or one
 * that was asked ahead of its time where each question is answered at once (`is_ahead`), in the connection's.
 */
struct asked {
    struct asked *next;
    unsigned statement_number;
    const struct value *values;
    size_t value_count;
    PGresult *result;
    bool is_sent, is_ahead;
};

/* A command that reads, and what it has asked so far. */
struct reading {
    struct store_command *command;
    struct asked *asked;
    bool waits; /* for an answer */
};

/* What an answer of the server is for. Answers come in the order of the questions. */
struct awaited {
    enum { AWAITED_PREPARE, AWAITED_CHANGE, AWAITED_QUERY, AWAITED_OTHER } kind;
    unsigned command;            /* of the batch */
    const struct write *write;   /* of a change: the row that it must reach */
    struct statement *statement; /* of a preparation, or of a query that is answered at once */
    struct asked *asked;         /* of a query of a reading */
};

/* The first thing that went wrong. */
struct postgres_error {
    bool is_set;
    bool is_lost;     /* the connection has gone */
    bool has_missed;  /* a change found no row */
    bool is_followed; /* the server said so amid a pipeline, and has skipped what was behind it */
    char sqlstate[SQLSTATE_LENGTH + 1];
    char message[ERROR_MESSAGE_BYTES];
    char constraint[ERROR_NAME_BYTES], table[ERROR_NAME_BYTES];
    unsigned command;
    const struct write *write;
};

struct postgres_connection {
    struct connection base; /* first */
    uint32_t magic;
    const char *url;
    PGconn *handle;           /* NULL: not connected */
    int64_t connect_after_us; /* not before, after a failed attempt */

    int64_t plans_until_us; /* when the server's plans are made anew */
    uint64_t plans_until_changes;

    struct statement_table statements;
    unsigned statement_count; /* ever made: the next one's name */
    struct buffer parameters; /* texts of the parameters that are being sent */

    struct awaited *awaited;
    size_t awaited_first, awaited_end, awaited_capacity;
    unsigned command;        /* the one that runs, of its batch */
    uint64_t update_count;   /* of the next, those that must find a row */
    uint64_t change_count;   /* changes sent on this connection */
    size_t sent_bytes;       /* of parameters, since it was last known that the server had taken all */
    struct reading *reading; /* whose questions are gathered; NULL: each is answered at once */
    struct reading ahead;    /* what was asked ahead, when it is NULL, in its order */
    struct arena ahead_arena;
    struct postgres_error error;

    /* Called while an answer takes longer than POSTGRES_PATIENCE_MS, with how long it has taken; false: it is
     * waited for no longer. NULL: POSTGRES_ANSWER_MAX_MS at most. */
    bool (*is_patient)(void *context, int64_t waited_us);
    void *patience_context;
    const atomic_bool
        *is_abandoned;  /* of the command that asks, if it is a slow read (struct store_command) */
    bool was_canceled;  /* the session: the next one to ask may be hit */
    bool waits_forever; /* for what may take long: a migration */
    bool is_quiet;      /* whoever uses it tells of its errors, and not the log */

    char id[ULID_TEXT_LENGTH + 1]; /* of this session: in its application_name and its commit record */
    int64_t commit_number;
    int backend_pid;
};

/* The monotonic instant so many milliseconds after another. */
static inline int64_t postgres_after(int64_t instant_us, int milliseconds)
{
    return instant_us + (int64_t)milliseconds * 1000;
}

static inline struct postgres_connection *postgres_of(struct connection *connection)
{
    return (struct postgres_connection *)connection;
}

/* ---- session.c: connecting ---- */

/* A connection that is not connected yet. `is_writer`: it locks what it is told to and records its commits.
 */
struct postgres_connection *postgres_connection_new(const char *url, bool is_writer);
void postgres_connection_free(struct postgres_connection *connection);
/* Connects if need be. False when that fails, or failed so lately that it is not tried again yet; `error`
 * says why. */
bool postgres_connect(struct postgres_connection *connection);
/* Whether there is a session, as far as its last use has shown. */
bool postgres_is_connected(const struct postgres_connection *connection);
/* Forgets the session: what was sent or prepared is gone. */
void postgres_disconnect(struct postgres_connection *connection);

/* ---- pipeline.c: questions and answers ---- */

bool postgres_send_text(struct postgres_connection *connection, const char *sql);
/* Before a batch: has the server make its plans anew, if they are old. */
void postgres_renew_plans(struct postgres_connection *connection);
bool postgres_send(struct statement *statement, const struct value *parameters, size_t parameter_count,
                   struct awaited awaited);
/* Ends a part of the pipeline, and takes every answer. False when something went wrong; `error` says what.
 * The session is ready for the next part, unless it is lost. */
bool postgres_finish(struct postgres_connection *connection);
/* Takes every answer up to the last question, without ending the part. False as above. */
bool postgres_catch_up(struct postgres_connection *connection);
void postgres_forget_error(struct postgres_connection *connection);
void postgres_lost(struct postgres_connection *connection, const char *message);
void postgres_set_error(struct postgres_connection *connection, const PGresult *result);

/* Waits for the next answer to come, or sends what is left to be sent. False when it does not come in time,
 * or the connection is gone: then it is lost. */
bool postgres_wait(struct postgres_connection *connection);
/* Has the server end what nobody waits for any more, once. Takes a connection to the server, and so no longer
 * than that needs: for a server that is known to answer. */
void postgres_cancel_abandoned(struct postgres_connection *connection);
/* Runs statements on a session that is not in the pipeline; none of their rows are read. */
bool postgres_run_simply(struct postgres_connection *connection, const char *sql);
/* Runs statements that take no parameters, outside of the pipeline; none of their rows are read. */
bool postgres_run_script(struct postgres_connection *connection, const char *sql);
/* A session is in the pipeline from its beginning on, and must be for all that has parameters; one that
 * listens leaves it while it asks nothing. */
bool postgres_enter_pipeline(struct postgres_connection *connection);
bool postgres_leave_pipeline(struct postgres_connection *connection);

/* ---- error.c: what an error means ---- */

/* As the caller is told it. */
const struct failure *postgres_failure(const struct postgres_error *error, struct arena *arena);
/* Whether the same transaction may succeed when it is run again: another one got in its way. */
bool postgres_error_is_conflict(const struct postgres_error *error);
/* Whether nothing can be done on this session, or by any, whatever the command: not the command's own fault.
 */
bool postgres_error_is_everybodys(const struct postgres_error *error);
/* Whether the head of the session's audit chain is not the one from which the session went on. */
bool postgres_error_is_of_chain(const struct postgres_error *error);
enum store_state postgres_error_state(const struct postgres_error *error);
/* As an operator is told it, with what to do about it: one line. */
struct text postgres_cannot_use(const struct postgres_error *error, struct arena *arena);

/* ---- patience.c: what takes too long takes it once (postgres.h) ---- */

/* Of a batch, from zero on. */
struct patience {
    int64_t begun_us; /* when what is awaited was sent */
    int64_t until_us; /* 0: nothing has taken too long so far */
};

/* What follows is sent now. */
void patience_begin(struct patience *patience);
/* Whether the error is that of a statement that had its whole time, for a lock or in all, rather than its
 * command's or of somebody who canceled it; the batch hurries from then on. */
bool patience_is_tried(struct patience *patience, const struct postgres_error *error);
bool patience_is_over(const struct patience *patience);
/* Sends the short limits of a batch that hurries, for the transaction that is being sent. */
void patience_send_limits(const struct patience *patience, struct postgres_connection *connection);
/* The usual ones again, before what must not be hurried: a commit that waits for a standby. */
void patience_send_commit_limits(const struct patience *patience, struct postgres_connection *connection);
/* What those are told for whom there is no time left. */
const struct failure *patience_failure(struct arena *arena);

/* ---- statement.c ---- */

int64_t postgres_read_integer(const PGresult *result, int row, int column);
/* The statement of a text of the program: for the connection's life. */
struct statement *postgres_kept_statement(struct postgres_connection *connection, const char *sql);
void postgres_statements_free(struct postgres_connection *connection);
/* After a new session: nothing is prepared on it. */
void postgres_statements_forget(struct postgres_connection *connection);
/* At the end of a command whose questions are answered at once: what it has asked ahead and did not need. */
void postgres_forget_ahead(struct postgres_connection *connection);

/* ---- read_batch.c, write_batch.c ---- */

/* Runs the commands and answers each. */
void postgres_read_batch(const struct postgres *postgres, struct postgres_connection *connection,
                         struct store_command *const *commands, size_t count);
void postgres_write_batch(struct postgres *postgres, struct postgres_connection *connection,
                          struct store_command **commands, size_t count);

/* ---- commit_record.c: what became of a commit ---- */

/* Makes the session's record. In no transaction. */
bool commit_record_open(struct postgres_connection *connection);
/* Sweeps up what sessions have left that ended long ago. */
bool commit_record_sweep(struct postgres_connection *connection);
/* Writes something that nobody needs. */
bool commit_record_try(struct postgres_connection *connection);
/* Has the transaction that is being sent write its number. */
bool commit_record_send(struct postgres_connection *connection);

enum commit_outcome { COMMIT_DONE, COMMIT_NOT_DONE, COMMIT_UNKNOWN };

/* Of the transaction that wrote `commit_number` in the session `id`, which is ended first. On a new session.
 */
enum commit_outcome commit_record_outcome(struct postgres_connection *connection, const char *id,
                                          int64_t commit_number);

/* ---- audit_claim.c ---- */

/* Takes a chain of the audit trail for the session, until it ends: one that no living session has, or a new
 * one. In no transaction. */
bool postgres_claim_chain(struct postgres_connection *connection);

/* ---- migrate.c ---- */

/* Brings the schema to this program's; several processes at once take turns. `must_exist`: but makes none.
 * False with a one-line reason, also when it is the target of a copy that is not finished. */
bool postgres_migrate(struct postgres_connection *connection, bool must_exist, struct arena *arena,
                      struct text *reason);
/* The schema's version; 0: there is none. False with a one-line reason when this program cannot use the
 * database: for its encoding, or for a schema that is too new. Of an unfinished copy as well. */
bool postgres_schema_version(struct postgres_connection *connection, int *version, int *oldest_reader,
                             struct arena *arena, struct text *reason);

/* Whether it is the target of a copy that is not finished (store/copy/side.h). False on an error. */
bool postgres_is_unfinished(struct postgres_connection *connection, bool *is_unfinished);
/* Whether nobody is copying into it. False with a one-line reason. */
bool postgres_is_whole(struct postgres_connection *connection, struct arena *arena, struct text *reason);

/* Whether a schema can be made: there is one for our tables, and our role may make them there. False with a
 * one-line reason. */
bool postgres_may_create(struct postgres_connection *connection, struct arena *arena, struct text *reason);
/* The id of the first tenant; unset when there is none, or the schema is not there. */
struct text postgres_first_tenant(struct postgres_connection *connection, struct arena *arena);

/* ---- copy_in.c ---- */

struct copied_rows;
/* Writes rows by COPY. False on an error. */
bool postgres_copy_in(struct postgres_connection *connection, const struct copied_rows *rows,
                      struct arena *arena);

/* ---- inspect.c ---- */

/* Of a session: "host:5432/name", without a password. */
struct text postgres_name_of(const struct postgres_connection *connection, struct arena *arena);

/* ---- log_limit.c: the same is not said over and over ---- */

/* From zero on. */
struct log_limit {
    int64_t taken_until_us;
};

/* Whether a line may be written: `burst` at once, and one each POSTGRES_LOG_EVERY_MS. */
bool log_limit_take(struct log_limit *limit, int burst);
/* As log_write, at most once each POSTGRES_LOG_EVERY_MS for each `kind` (a code, or the message itself), with
 * how many lines were left out before it. At most three fields. */
void postgres_log(enum log_level level, const char *kind, const char *message, const struct log_field *fields,
                  unsigned count);

/* ---- pool.c ---- */

/* What the pool knows of the database, by the last attempt of any connection: what is wrong, or that it can
 * be reached. */
void postgres_publish(struct postgres *postgres, const struct postgres_connection *connection);
/* The same after something was committed: nothing is wrong. */
void postgres_publish_commit(struct postgres *postgres, const struct postgres_connection *connection);
/* Whether the database has been away for longer than writes wait. */
bool postgres_is_away_for_long(const struct postgres *postgres);
/* Whether nobody waits for answers any more. */
bool postgres_is_closing(const struct postgres *postgres);

#endif
