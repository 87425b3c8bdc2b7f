/* write_batch.c: commands that write, in one transaction (postgres.h). */
#include "store/audit_chain.h"
#include "store/postgres/handle.h"

#include "base/instant.h"
#include "base/log.h"
#include "base/random.h"
#include "metrics/metrics.h"
#include "store/refusal.h"
#include "store/transaction.h"

#include <assert.h>
#include <string.h>
#include <time.h>

static const char begin_sql[] = "BEGIN";
static const char commit_sql[] = "COMMIT";
static const char rollback_sql[] = "ROLLBACK";

enum outcome {
    ATTEMPT_COMMITTED,
    ATTEMPT_REFUSED,  /* what one command did cannot stand: `refused` is its index */
    ATTEMPT_CONFLICT, /* another transaction got in the way: the same again may succeed */
    ATTEMPT_LOST,     /* the session has gone; nothing was committed */
    ATTEMPT_UNKNOWN,  /* the session has gone amid the commit */
    ATTEMPT_FAILED,   /* nothing can be committed by anybody right now */
};

struct write_batch {
    struct postgres *postgres;
    struct postgres_connection *connection;
    struct patience *patience; /* shared with those that run alone */
    struct store_command **commands;
    size_t count;
    size_t refused;
    bool has_changes;
    bool has_waited; /* the refused one as long as anybody may: it is not tried again */
    struct buffer scratch;
};

static bool send_kept(struct postgres_connection *connection, const char *sql)
{
    return postgres_send(postgres_kept_statement(connection, sql), NULL, 0,
                         (struct awaited){.kind = AWAITED_OTHER});
}

/* ---- one attempt ---- */

/* Runs the commands, which sends their changes. False when one failed after it had sent some: then nothing of
 * the batch may stand. */
static bool run_commands(struct write_batch *batch)
{
    struct postgres_connection *connection = batch->connection;

    for (size_t i = 0; i < batch->count && !connection->error.is_set; i++) {
        struct store_command *command = batch->commands[i];
        uint64_t changes = connection->change_count;

        connection->command = (unsigned)i;
        command->failure = transaction_run_command(&connection->base, command, &batch->scratch);
        postgres_forget_ahead(connection);
        if (command->failure && connection->change_count != changes && !connection->error.is_set) {
            batch->refused = i;
            return false;
        }
    }
    return true;
}

/* Ends the transaction of a session that is not lost. */
static void roll_back(struct postgres_connection *connection)
{
    struct postgres_error error = connection->error;

    postgres_forget_error(connection);
    if (send_kept(connection, rollback_sql) && postgres_finish(connection))
        connection->error = error;
    else
        connection->error.is_lost = true;
}

/* What the session's error means for the batch. */
static enum outcome outcome_of_error(struct write_batch *batch)
{
    const struct postgres_error *error = &batch->connection->error;

    if (error->is_lost)
        return ATTEMPT_LOST;
    if (postgres_error_is_of_chain(error)) {
        LOG_ERROR(
            "the head of an audit chain was changed by somebody else; `farthing audit verify` tells how",
            LOG_INTEGER("chain", batch->connection->base.head.chain));
        return ATTEMPT_LOST; /* the next session takes it up where it is */
    }
    if (postgres_error_is_conflict(error))
        return ATTEMPT_CONFLICT;
    if (postgres_error_is_everybodys(error))
        return ATTEMPT_FAILED;
    batch->refused = error->command;
    struct store_command *command = batch->commands[batch->refused];

    command->failure = postgres_failure(error, command->arena);
    batch->has_waited = patience_is_tried(batch->patience, error);
    return ATTEMPT_REFUSED;
}

/* Whether every update has found its row, which is no error to the server: it would commit all the same. */
static bool are_updates_right(struct write_batch *batch)
{
    struct postgres_connection *connection = batch->connection;

    return connection->update_count == 0 || postgres_catch_up(connection);
}

/* Whether the commit may have been done although the session is lost: not when the server said that something
 * before it went wrong, because then it has skipped the commit. */
static bool is_in_doubt(const struct postgres_error *error)
{
    return !(error->sqlstate[0] && error->is_followed);
}

static enum outcome commit(struct write_batch *batch)
{
    struct postgres_connection *connection = batch->connection;
    int64_t started_us = monotonic_now_us();
    bool is_sent = are_updates_right(batch) &&
                   !audit_chain_write_head(&connection->base, batch->commands[0]->arena) &&
                   commit_record_send(connection);

    if (is_sent)
        patience_send_commit_limits(batch->patience, connection);
    is_sent = is_sent && send_kept(connection, commit_sql);
    bool is_done = is_sent && postgres_finish(connection);

    if (is_done)
        audit_chain_keep(&connection->base);

    metrics_observe(&metrics_here()->database_commit_duration_us, monotonic_now_us() - started_us);
    if (is_done)
        return ATTEMPT_COMMITTED;
    if (!is_sent && !connection->error.is_lost)
        postgres_finish(connection);
    if (connection->error.is_lost)
        return is_sent && is_in_doubt(&connection->error) ? ATTEMPT_UNKNOWN : ATTEMPT_LOST;
    roll_back(connection);
    return outcome_of_error(batch);
}

/* Commands that changed nothing need no commit: their answers hold as they are. */
static enum outcome end_without_changes(struct write_batch *batch)
{
    struct postgres_connection *connection = batch->connection;

    if (send_kept(connection, rollback_sql) && postgres_finish(connection))
        return ATTEMPT_COMMITTED;
    if (!connection->error.is_lost)
        roll_back(connection);
    return outcome_of_error(batch);
}

static enum outcome attempt(struct write_batch *batch)
{
    struct postgres_connection *connection = batch->connection;

    if (!postgres_connect(connection))
        return ATTEMPT_LOST;
    postgres_forget_error(connection);
    uint64_t changes = connection->change_count;

    audit_chain_forget(&connection->base);
    connection->command = 0;
    connection->update_count = 0;
    batch->has_waited = false;
    patience_begin(batch->patience);
    postgres_renew_plans(connection);
    if (!send_kept(connection, begin_sql))
        return ATTEMPT_LOST;
    patience_send_limits(batch->patience, connection);
    bool may_stand = run_commands(batch);

    if (connection->error.is_lost)
        return ATTEMPT_LOST;
    if (!may_stand || connection->error.is_set) {
        bool is_commands_own = !connection->error.is_set;

        postgres_finish(
            connection); /* answers to what was sent are of no interest, unless the session is lost */
        if (!connection->error.is_lost)
            roll_back(connection);
        return connection->error.is_lost ? ATTEMPT_LOST
               : is_commands_own         ? ATTEMPT_REFUSED
                                         : outcome_of_error(batch);
    }
    batch->has_changes = connection->change_count != changes;
    return batch->has_changes ? commit(batch) : end_without_changes(batch);
}

/* ---- the batch ---- */

static void sleep_ms(int milliseconds)
{
    const struct timespec pause = {.tv_nsec = milliseconds * 1000000L};

    nanosleep(&pause, NULL);
}

/* Different for each, so that two that collided do not meet again. */
static void pause_after_conflict(unsigned conflicts)
{
    uint8_t random;

    random_bytes(&random, sizeof random);
    sleep_ms(1 + random % (4 + (int)conflicts * 4));
}

static void answer(struct store_command *command)
{
    command->done(command); /* it may be gone when this returns */
}

static void answer_all(struct write_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        answer(batch->commands[i]);
    batch->count = 0;
}

static void fail_all(struct write_batch *batch, const struct failure *failure)
{
    metrics_add(&metrics_here()->writer_batches[METRICS_BATCH_FAILED], 1);
    for (size_t i = 0; i < batch->count; i++)
        batch->commands[i]->failure = failure_copy(failure, batch->commands[i]->arena);
    answer_all(batch);
}

static const struct failure *outcome_unknown(struct arena *arena)
{
    return failure_add(
        failure_new(
            arena, FAILURE_SERVICE_UNAVAILABLE,
            TEXT("the database went away while this was being committed, and does not tell whether it was: "
                 "look whether it was done before you try again")),
        arena, TEXT("reason"), TEXT("outcome_unknown"));
}

static void tell_of_doubt(enum commit_outcome outcome)
{
    static const struct {
        const char *word;
        enum metrics_doubt doubt;
    } words[] = {
        [COMMIT_DONE] = {"committed", METRICS_DOUBT_COMMITTED},
        [COMMIT_NOT_DONE] = {"not committed, tried again", METRICS_DOUBT_NOT_COMMITTED},
        [COMMIT_UNKNOWN] = {"unknown", METRICS_DOUBT_UNKNOWN},
    };

    metrics_add(&metrics_here()->database_commits_in_doubt[words[outcome].doubt], 1);
    postgres_log(LOG_LEVEL_WARNING, words[outcome].word, "a connection was lost amid a commit",
                 &LOG_STRING("outcome", words[outcome].word), 1);
}

static const struct failure *session_ends(struct arena *arena)
{
    return failure_add(
        failure_new(arena, FAILURE_SERVICE_UNAVAILABLE,
                    TEXT("the database ends the session whenever this is tried; nothing was changed")),
        arena, TEXT("reason"), TEXT("database_unavailable"));
}

/* What became of a commit amid which the session was lost. The database may be restarting. */
static enum commit_outcome find_outcome(struct write_batch *batch)
{
    struct postgres_connection *connection = batch->connection;
    int64_t deadline_us = postgres_after(monotonic_now_us(), POSTGRES_OUTCOME_MS);
    int64_t commit_number = connection->commit_number;
    enum commit_outcome outcome = COMMIT_UNKNOWN;
    char id[sizeof connection->id];

    memcpy(id, connection->id, sizeof id);
    postgres_disconnect(connection);
    do {
        if (postgres_connect(connection))
            outcome = commit_record_outcome(connection, id, commit_number);
        if (outcome == COMMIT_UNKNOWN)
            sleep_ms(POSTGRES_RETRY_STEP_MS);
        postgres_publish(batch->postgres, connection);
    } while (outcome == COMMIT_UNKNOWN && monotonic_now_us() < deadline_us &&
             !postgres_is_closing(batch->postgres));
    tell_of_doubt(outcome);
    return outcome;
}

/* Takes the refused command out of the batch. */
static struct store_command *take_refused(struct write_batch *batch)
{
    struct store_command *refused = batch->commands[batch->refused];

    for (size_t i = batch->refused + 1; i < batch->count; i++)
        batch->commands[i - 1] = batch->commands[i];
    batch->count--;
    return refused;
}

/* Whether there is something left to do; when no further attempt is made, what is left is refused. */
static bool goes_on(struct write_batch *batch)
{
    if (batch->count == 0)
        return false;
    struct arena *arena = batch->commands[0]->arena;

    if (postgres_is_closing(batch->postgres))
        fail_all(batch, refusal_stopping(arena));
    else if (patience_is_over(batch->patience))
        fail_all(batch, patience_failure(arena));
    return batch->count > 0;
}

/* Whether the one command of the batch was refused because another transaction was quicker. */
static bool may_look_again(const struct write_batch *batch)
{
    const struct store_command *command = batch->commands[0];

    return command->looks_first && command->failure->code == FAILURE_ALREADY_EXISTS;
}

static void run_alone(struct write_batch *batch, struct store_command *command);

static void run_each_alone(struct write_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        run_alone(batch, batch->commands[i]);
    batch->count = 0;
}

/* The session has gone, and nothing was committed: the batch may run again, until it has waited long enough.
 */
static void wait_or_fail(struct write_batch *batch, int64_t deadline_us)
{
    struct postgres_connection *connection = batch->connection;

    postgres_disconnect(connection);
    if (monotonic_now_us() > deadline_us || postgres_is_away_for_long(batch->postgres))
        fail_all(batch, postgres_failure(&connection->error, batch->commands[0]->arena));
    else if (connection->connect_after_us)
        sleep_ms(POSTGRES_RETRY_STEP_MS);
}

/* A batch whose session was lost amid it, and that was not committed. What ends its session may be one of its
 * commands: each runs alone then, and is given up after a few times. Otherwise the batch stays as it is, to
 * run again. */
static void run_after_loss(struct write_batch *batch, unsigned losses)
{
    if (batch->count > 1)
        run_each_alone(batch);
    else if (losses >= POSTGRES_LOSSES_MAX)
        fail_all(batch, session_ends(batch->commands[0]->arena));
}

static void run_batch(struct write_batch *batch)
{
    int64_t deadline_us = postgres_after(monotonic_now_us(), POSTGRES_RETRY_MS);
    struct store_command *refused[POSTGRES_WRITE_BATCH_MAX];
    size_t refused_count = 0;
    unsigned conflicts = 0, losses = 0;

    while (goes_on(batch)) {
        enum outcome outcome = attempt(batch);

        if (outcome == ATTEMPT_UNKNOWN) {
            enum commit_outcome found = find_outcome(batch);

            if (found == COMMIT_UNKNOWN)
                fail_all(batch, outcome_unknown(batch->commands[0]->arena));
            if (found == COMMIT_NOT_DONE) {
                deadline_us = postgres_after(monotonic_now_us(), POSTGRES_RETRY_MS);
                run_after_loss(batch, ++losses);
            }
            if (found != COMMIT_DONE)
                continue;
            outcome = ATTEMPT_COMMITTED;
        }
        if (outcome == ATTEMPT_COMMITTED && batch->has_changes)
            postgres_publish_commit(batch->postgres, batch->connection);
        else
            postgres_publish(batch->postgres, batch->connection);
        switch (outcome) {
        case ATTEMPT_COMMITTED:
            metrics_add(&metrics_here()->writer_batches[METRICS_BATCH_COMMITTED], 1);
            metrics_observe(&metrics_here()->writer_batch_commands, (int64_t)batch->count);
            answer_all(batch);
            break;
        case ATTEMPT_REFUSED:
            metrics_add(&metrics_here()->writer_replays, 1);
            if (batch->has_waited)
                answer(take_refused(batch));
            else if (batch->count > 1)
                refused[refused_count++] = take_refused(batch);
            else if (!may_look_again(batch) || ++conflicts > POSTGRES_CONFLICTS_MAX)
                answer_all(batch);
            break;
        case ATTEMPT_CONFLICT:
            metrics_add(&metrics_here()->writer_replays, 1);
            if (batch->count > 1)
                run_each_alone(batch);
            else if (++conflicts > POSTGRES_CONFLICTS_MAX)
                fail_all(batch, postgres_failure(&batch->connection->error, batch->commands[0]->arena));
            else
                pause_after_conflict(conflicts);
            break;
        case ATTEMPT_LOST:
        case ATTEMPT_UNKNOWN: {
            bool had_session = batch->connection->handle;

            wait_or_fail(batch, deadline_us);
            if (had_session && batch->count > 0)
                run_after_loss(batch, ++losses);
            break;
        }
        case ATTEMPT_FAILED:
            fail_all(batch, postgres_failure(&batch->connection->error, batch->commands[0]->arena));
            break;
        }
    }
    for (size_t i = 0; i < refused_count; i++)
        run_alone(batch, refused[i]);
}

static void run_alone(struct write_batch *batch, struct store_command *command)
{
    struct write_batch alone = *batch;

    alone.commands = &command;
    alone.count = 1;
    alone.scratch = (struct buffer){0};

    run_batch(&alone);
    buffer_free(&alone.scratch);
}

void postgres_write_batch(struct postgres *postgres, struct postgres_connection *connection,
                          struct store_command **commands, size_t count)
{
    struct patience patience = {0};
    struct write_batch batch = {.postgres = postgres,
                                .connection = connection,
                                .patience = &patience,
                                .commands = commands,
                                .count = count};

    assert(count > 0 && count <= POSTGRES_WRITE_BATCH_MAX);
    run_batch(&batch);
    buffer_free(&batch.scratch);
}
