/* postgres.h: the PostgreSQL engine as the store sees it: a pool of threads, each with a connection. Only for
 * the store.
 *
 * Some of the threads take commands that read, the others commands that write. Each takes whatever waits, up
 * to a limit, as one batch:
 *
 * Few threads with large batches do more than many with small ones; so a thread is only woken when none is at
 * work, when many commands wait, or when the batch under way takes its time (a slow query, the disk, a
 * distant server).
 *
 * - A batch of reads goes out as one pipeline. A use case runs until it asks for what is not here yet, and
 * again when the answers have come; so a batch costs as many round trips as its deepest use case has
 * questions that depend on each other, and the use cases are the same straight lines as on the embedded
 * database.
 * - A batch of writes is one transaction. Changes are sent without waiting for their answers, so that a batch
 * that reads nothing is one round trip. When a command's change is refused, the batch runs again without it,
 * and it by itself afterwards.
 * - A lock that somebody does not let go of, or a statement that takes for ever, costs a batch its time once,
 * and not once for each command: the command that has waited for it all its time is refused (503, "busy" or
 * "timeout") and not tried again. From then on the batch hurries: it runs again without that one, with limits
 * so short that each command may run into them in turn; who touches nothing that is locked gets done. Whoever
 * is left when POSTGRES_HURRY_MS are over is refused without a further attempt.
 * - When the pool is closed, nobody waits for answers any more (the requests were drained, or cut): what
 * waits is refused at once, and what is under way is not waited for longer than POSTGRES_CLOSING_MS.
 * - A connection that is lost before the commit was sent costs nothing: the batch runs again on a new one. If
 * it is lost after that, what became of the commit is looked up (commit_record.h) and never guessed. */
#ifndef FARTHING_STORE_POSTGRES_POSTGRES_H
#define FARTHING_STORE_POSTGRES_POSTGRES_H

#include "store/engine.h"

enum {
    POSTGRES_READ_BATCH_MAX = 64,  /* commands that share a pipeline */
    POSTGRES_WRITE_BATCH_MAX = 64, /* commands that share a transaction */
    POSTGRES_WAITING_MAX =
        16, /* commands that wait for each batch under way before another thread is woken */
    POSTGRES_PATIENCE_MS =
        2, /* how long a batch may be under way before those that wait get another thread */
    POSTGRES_UNSENT_BYTES_MAX = 256 * 1024, /* beyond, a batch waits until the server has taken all */
    POSTGRES_STATEMENT_TIMEOUT_MS = 10000,
    POSTGRES_LOCK_TIMEOUT_MS = 5000,
    POSTGRES_HURRY_MS = 10000,      /* what a batch has left when one of its statements had its time */
    POSTGRES_HURRIED_LOCK_MS = 100, /* in place of the two above */
    POSTGRES_HURRIED_STATEMENT_MS = 1000,
    POSTGRES_CLOSING_MS = 1000,    /* how long an answer is waited for while the pool is closed */
    POSTGRES_PLANS_MS = 3000,      /* how long a session keeps the plans of the server */
    POSTGRES_PLANS_CHANGES = 1000, /* ... or until it has changed as much again, and so many rows more */
    POSTGRES_ANSWER_MAX_MS =
        12000, /* from a question to its answer: the server ends a statement before that */
    POSTGRES_SILENCE_MAX_MS = 5000,   /* the same while the listening session hears nothing either */
    POSTGRES_WAIT_STEP_MS = 100,      /* how often somebody who waits for an answer looks at these */
    POSTGRES_RETRY_MS = 5000,         /* how long a write waits for a database that has just gone away */
    POSTGRES_RETRY_STEP_MS = 50,      /* between two attempts */
    POSTGRES_RECONNECT_MS = 250,      /* between two attempts to connect, for those that do not wait */
    POSTGRES_LOSSES_MAX = 10,         /* how often a command is tried that the session is lost amid of */
    POSTGRES_CONFLICTS_MAX = 20,      /* how often a transaction is run again that others got in the way of */
    POSTGRES_OUTCOME_MS = 15000,      /* how long the outcome of a commit is looked for */
    POSTGRES_HEARTBEAT_MS = 250,      /* how often a node asks whether it still hears of changes */
    POSTGRES_HEARTBEAT_MAX_MS = 1000, /* how long an answer may take before the connection counts as lost */
    POSTGRES_LOG_EVERY_MS = 5000,     /* between two lines of one kind in the log */
    POSTGRES_LOG_STATES = 4,          /* lines about the database's state that may come at once */
    POSTGRES_QUICK_CONNECT_MS =
        500, /* how long a server may take to let us in before libpq's own limits count */
    POSTGRES_SERVER_VERSION_MIN = 140000,
};

extern const struct engine postgres_engine;

struct postgres;

/* Loads the client library and has it read the URL. False with a one-line reason, without a password. */
bool postgres_check_url(struct text url, struct arena *arena, struct text *reason);

/* Connects, makes or migrates the schema, and starts the pool. NULL and a one-line reason. */
struct postgres *postgres_open(struct text url, const struct store_options *options, struct arena *arena,
                               struct text *reason);
/* Refuses the commands that wait, ends those under way, and closes. */
void postgres_close(struct postgres *postgres);

/* False when the queue is full or the pool is closing: the command was not taken. */
bool postgres_submit_write(struct postgres *postgres, struct store_command *command);
bool postgres_submit_read(struct postgres *postgres, struct store_command *command);
/* As store_submit_slow_read. */
enum store_verdict postgres_submit_slow_read(struct postgres *postgres, struct store_command *command);

/* STORE_WELL, STORE_UNREACHABLE, or what the last write was refused for. */
enum store_state postgres_state(const struct postgres *postgres);
/* Whether this process has heard from the database lately (STORE_CACHE_AGE_MAX_MS). */
bool postgres_is_current(const struct postgres *postgres);
/* As store_away_failure. */
const struct failure *postgres_away_failure(struct postgres *postgres, struct arena *arena);
/* "host:5432/name", without a password. */
struct text postgres_name(const struct postgres *postgres);

/* Tells of changes that other processes made to entities that are kept in memory (struct entity); `id` is
 * empty for "anything may have changed". On a thread of the pool's. Once, before there are any. */
void postgres_listen(struct postgres *postgres, store_change_listener *listener, void *context);

/* As store_migrate. */
bool postgres_migrate_at(struct text url, bool is_rehearsal, struct arena *arena, struct text *reason);
/* As store_inspect. */
bool postgres_inspect(struct text url, struct store_facts *facts, struct arena *arena, struct text *reason);

#endif
