/* read_batch.c: commands that read, in one pipeline (postgres.h). */
#include "store/postgres/handle.h"

#include "metrics/metrics.h"
#include "store/refusal.h"
#include "store/transaction.h"

#include <assert.h>
#include <time.h>

enum {
    GATHERED_ROUNDS_MAX = 4, /* a command that asks further has its questions answered one by one */
    ATTEMPTS_MAX = 6,        /* all but the first one on a new session */
    ATTEMPT_PAUSE_MS = 60,   /* after one that got no session: together longer than POSTGRES_RECONNECT_MS */
};

struct read_batch {
    const struct postgres *postgres;
    struct patience patience;
    struct postgres_connection *connection;
    struct reading readings[POSTGRES_READ_BATCH_MAX];
    bool is_done[POSTGRES_READ_BATCH_MAX];
    size_t count;
};

static void forget_answers(struct reading *reading)
{
    for (struct asked *asked = reading->asked; asked; asked = asked->next)
        libpq.PQclear(asked->result);
    reading->asked = NULL;
}

static void answer(struct read_batch *batch, size_t index, const struct failure *failure)
{
    struct store_command *command = batch->readings[index].command;

    forget_answers(&batch->readings[index]);
    batch->is_done[index] = true;
    command->failure = failure;
    command->done(command); /* the command may be gone when this returns */
}

/* Runs the use case as far as the answers allow, and answers the command if that is its end: not while an
 * answer is still to come, also one that it turned out not to need, because that goes into the command's
 * memory. */
static void run(struct read_batch *batch, size_t index)
{
    struct reading *reading = &batch->readings[index];
    struct store_command *command = reading->command;
    struct transaction transaction;

    reading->waits = false;
    transaction_init(&transaction, &batch->connection->base, command->arena, command->call);
    const struct failure *failure = command->run(command, &transaction);

    if (!reading->waits)
        answer(batch, index, transaction.failure ? transaction.failure : failure);
}

/* A round: every command that is not done runs, and what they ask goes out together. False when none asked.
 */
static bool run_round(struct read_batch *batch)
{
    struct postgres_connection *connection = batch->connection;
    bool waits = false;

    for (size_t i = 0; i < batch->count && !connection->error.is_lost; i++) {
        if (batch->is_done[i] || batch->readings[i].command->runs_once)
            continue;
        connection->reading = &batch->readings[i];
        connection->command = (unsigned)i;
        run(batch, i);
        patience_is_tried(&batch->patience, &connection->error);
        if (!connection->error.is_lost)
            postgres_forget_error(connection); /* it was the command's own */
        waits = waits || !batch->is_done[i];
    }
    connection->reading = NULL;
    return waits;
}

/* Each question is answered before the next is asked: for what asks much, one after the other. */
static void run_at_once(struct read_batch *batch, size_t index)
{
    struct postgres_connection *connection = batch->connection;
    struct store_command *command = batch->readings[index].command;
    struct transaction transaction;

    forget_answers(&batch->readings[index]);
    postgres_forget_error(connection);
    patience_begin(&batch->patience);
    patience_send_limits(&batch->patience, connection);
    transaction_init(&transaction, &connection->base, command->arena, command->call);
    connection->is_abandoned = command->is_abandoned;
    const struct failure *failure = command->run(command, &transaction);

    postgres_forget_ahead(connection);
    patience_is_tried(&batch->patience, &connection->error);
    bool is_answered = postgres_finish(connection) || !connection->error.is_lost;

    connection->is_abandoned = NULL;
    if (transaction.failure)
        failure = connection->was_canceled ? refusal_abandoned(command->arena) : transaction.failure;
    if (is_answered)
        answer(batch, index, failure);
}

/* Why no further attempt is made; NULL: one is. */
static const struct failure *reason_to_end(const struct read_batch *batch,
                                           const struct store_command *command)
{
    struct arena *arena = command->arena;

    if (postgres_is_closing(batch->postgres))
        return refusal_stopping(arena);
    if (command_is_abandoned(command))
        return refusal_abandoned(arena);
    return patience_is_over(&batch->patience) ? patience_failure(arena) : NULL;
}

/* Refuses whoever is not done, if there is a reason. Whether nobody is left. */
static bool end_with_reason(struct read_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct failure *failure =
            batch->is_done[i] ? NULL : reason_to_end(batch, batch->readings[i].command);

        if (failure)
            answer(batch, i, failure);
        else if (!batch->is_done[i])
            return false;
    }
    return true;
}

/* False when the session was lost; then some commands are not done. */
static bool run_all(struct read_batch *batch)
{
    struct postgres_connection *connection = batch->connection;

    postgres_forget_error(connection);
    postgres_renew_plans(connection);
    for (unsigned round = 0; round < GATHERED_ROUNDS_MAX; round++) {
        postgres_forget_error(connection);
        patience_send_limits(&batch->patience, connection);
        if (!run_round(batch) && !connection->error.is_lost)
            break;
        patience_begin(&batch->patience);
        if (!postgres_finish(connection))
            break; /* not a question's own error: each command is tried by itself, if there is still a session
                    */
        if (end_with_reason(batch))
            return true;
    }
    if (connection->error.is_lost)
        return false;
    for (size_t i = 0; i < batch->count && !connection->error.is_lost && !end_with_reason(batch); i++)
        if (!batch->is_done[i])
            run_at_once(batch, i);
    if (batch->patience.until_us)
        postgres_finish(connection); /* the short limits end with the part that they were sent in */
    return !connection->error.is_lost;
}

static void answer_rest(struct read_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        if (!batch->is_done[i])
            answer(batch, i, postgres_failure(&batch->connection->error, batch->readings[i].command->arena));
}

static void forget_all_answers(struct read_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        if (!batch->is_done[i])
            forget_answers(&batch->readings[i]);
}

static void run_batch(struct read_batch *batch)
{
    struct postgres_connection *connection = batch->connection;
    const struct timespec pause = {.tv_nsec = ATTEMPT_PAUSE_MS * 1000000L};

    for (unsigned attempt = 0; attempt < ATTEMPTS_MAX && !end_with_reason(batch); attempt++) {
        if (!postgres_connect(connection)) {
            nanosleep(&pause, NULL);
            continue;
        }
        if (run_all(batch))
            return;
        forget_all_answers(batch);
        if (!connection->error.is_lost)
            break;
        postgres_disconnect(connection);
    }
    answer_rest(batch);
}

void postgres_read_batch(const struct postgres *postgres, struct postgres_connection *connection,
                         struct store_command *const *commands, size_t count)
{
    struct read_batch batch = {.postgres = postgres, .connection = connection, .count = count};

    assert(count <= POSTGRES_READ_BATCH_MAX);
    metrics_observe(&metrics_here()->reader_batch_commands, (int64_t)count);
    for (size_t i = 0; i < count; i++)
        batch.readings[i] = (struct reading){.command = commands[i]};
    run_batch(&batch);
    /* What was canceled may have ended before that, and whatever is asked next be ended in its place. */
    if (connection->was_canceled)
        postgres_disconnect(connection);
    connection->was_canceled = false;
}
