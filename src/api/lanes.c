/* lanes.c: a request that may be served, on its way through slow work, its lane and what follows a commit, to
 * its reply. */
#include "api/lanes.h"

#include "api/cache.h"
#include "api/idempotency.h"
#include "api/rate_limit.h"
#include "api/reply.h"

#include <stddef.h>

/* What a loop reads and renders in about a millisecond. */
enum { READ_BYTES_ON_LOOP_MAX = 512 * 1024 };

/* ---- the reply ---- */

static void finish_with_failure(struct exchange *exchange, const struct failure *failure)
{
    if (failure_is_overloaded(failure))
        metrics_add(&metrics_here()->http_requests_rejected[METRICS_REJECTED_OVERLOADED], 1);
    reply_failure(exchange, failure);
}

static void finish(struct exchange *exchange, const struct failure *failure)
{
    if (failure)
        finish_with_failure(exchange, failure);
    else if (exchange->idempotency)
        reply_kept(exchange, &exchange->idempotency->reply);
    else if (!reply_success(exchange))
        finish_with_failure(exchange, failure_overloaded(exchange->arena));
}

/* ---- tasks and jobs ---- */

static struct exchange *exchange_of(struct http_task *task)
{
    return (struct exchange *)((char *)task - offsetof(struct exchange, task));
}

/* Before any queue: `queue` is what the reply calls it. */
static void refuse_for_now(struct exchange *exchange, enum metrics_rejection rejection, struct text queue)
{
    metrics_add(&metrics_here()->http_requests_rejected[rejection], 1);
    finish(exchange, failure_add(failure_new(exchange->arena, FAILURE_SERVICE_UNAVAILABLE,
                                             TEXT("too many requests are waiting; try again later")),
                                 exchange->arena, TEXT("reason"), queue));
}

/* ---- slow work ---- */

static struct exchange *exchange_of_job(struct slow_job *job)
{
    return (struct exchange *)((char *)job - offsetof(struct exchange, slow_job));
}

static void work_before(struct slow_job *job)
{
    struct exchange *exchange = exchange_of_job(job);

    if (!idempotency_is_answered(exchange, &exchange->slow_failure)) {
        const struct failure *failure = exchange->route->work_before(exchange);

        /* What stands in the way may be what a twin has done meanwhile. */
        if (!failure || !idempotency_is_answered(exchange, &exchange->slow_failure))
            exchange->slow_failure = failure;
    }
    http_loop_post(exchange->http->loop, &exchange->task, &exchange->task);
}

static void work_after(struct slow_job *job)
{
    struct exchange *exchange = exchange_of_job(job);

    exchange->slow_failure = exchange->route->work_after(exchange);
    http_loop_post(exchange->http->loop, &exchange->task, &exchange->task);
}

/* A tenant that has asked for more than its part of what is slow: nobody else is refused for that. */
static void refuse_tenant_for_now(struct exchange *exchange)
{
    exchange->retry_after_seconds = 1;
    metrics_add(&metrics_here()->http_requests_rejected[METRICS_REJECTED_RATE_LIMITED], 1);
    finish(
        exchange,
        failure_new(exchange->arena, FAILURE_TOO_MANY_REQUESTS,
                    TEXT("too much that takes its time is being done for this tenant at once, such as "
                         "searches, deep lists, or passwords for users who are invited; try again later")));
}

/* Has a thread of the pool do it, and the loop go on with `then`. */
static void do_slowly(struct exchange *exchange, void (*work)(struct slow_job *),
                      void (*then)(struct http_task *))
{
    exchange->slow_job.run = work;
    exchange->slow_job.owner = exchange->caller.scope.tenant_id;
    exchange->task.run = then;
    switch (slow_pool_submit(exchange->loop->api->slow_pool, &exchange->slow_job)) {
    case SLOW_TAKEN: /* from here on the exchange is another thread's */
        break;
    case SLOW_QUEUE_FULL:
        refuse_for_now(exchange, METRICS_REJECTED_SLOW_QUEUE_FULL, TEXT("slow_queue_full"));
        break;
    case SLOW_OWNER_HAS_ENOUGH:
        refuse_tenant_for_now(exchange);
        break;
    }
}

static void finish_slow(struct http_task *task)
{
    struct exchange *exchange = exchange_of(task);

    finish(exchange, exchange->slow_failure);
}

/* Behind the lane. */
static void finish_lane(struct exchange *exchange, const struct failure *failure)
{
    const struct route *route = exchange->route;

    if (failure || !route->work_after)
        finish(exchange, failure);
    else
        do_slowly(exchange, work_after, finish_slow);
}

/* ---- the lanes themselves ---- */

/* Whether the reply that is made of so much may have as much again. */
static bool memory_has_room(const struct exchange *exchange, size_t read_bytes)
{
    const struct memory_account *account = exchange->arena->account;

    return read_bytes <= STORE_SMALL_READ_BYTES || !account || memory_account_has_room(account, read_bytes);
}

/* On a thread of the store's. */
static const struct failure *run_command(struct store_command *command, struct transaction *transaction)
{
    struct exchange *exchange = (struct exchange *)command;

    return exchange->idempotency ? idempotency_run(exchange, transaction)
                                 : exchange->route->run(exchange, transaction);
}

/* On a thread of the store's. What may be large is rendered there as well, so that no loop is held up, and
 * stays in the arena, where it counts. */
static const struct failure *run_and_render(struct store_command *command, struct transaction *transaction)
{
    struct exchange *exchange = (struct exchange *)command;
    struct buffer body = {0};
    const struct failure *failure = exchange->route->run(exchange, transaction);

    if (failure || transaction->failure)
        return failure;
    if (!memory_has_room(exchange, transaction_read_bytes(transaction)))
        return failure_overloaded(exchange->arena);
    reply_write_success(exchange, &body);
    exchange->rendered = arena_copy(exchange->arena, buffer_text(&body));
    buffer_free(&body);
    return NULL;
}

/* On a thread of the store's, when the command is done: the reply is the loop's business. */
static void hand_back(struct store_command *command)
{
    struct exchange *exchange = (struct exchange *)command;

    http_loop_post(exchange->http->loop, &exchange->task, &exchange->task);
}

/* As a command of the store, from which the loop goes on with `then`. */
static void make_command(struct exchange *exchange,
                         const struct failure *(*run)(struct store_command *, struct transaction *),
                         void (*then)(struct http_task *))
{
    exchange->command.arena = exchange->arena;
    exchange->command.call = &exchange->call;
    exchange->command.run = run;
    exchange->command.done = hand_back;
    exchange->task.run = then;
}

static void finish_command(struct http_task *task)
{
    struct exchange *exchange = exchange_of(task);

    finish_lane(exchange, exchange->command.failure);
}

static void run_slow_read(struct exchange *exchange)
{
    make_command(exchange, run_and_render, finish_command);
    exchange->command.owner = rate_limit_source(exchange->caller.scope.tenant_id);
    exchange->command.is_abandoned = &exchange->http->is_abandoned;
    switch (store_submit_slow_read(exchange->loop->api->store, &exchange->command)) {
    case STORE_TAKEN: /* from here on the exchange is another thread's */
        break;
    case STORE_QUEUE_FULL:
        refuse_for_now(exchange, METRICS_REJECTED_SLOW_QUEUE_FULL, TEXT("slow_queue_full"));
        break;
    case STORE_OWNER_HAS_ENOUGH:
        refuse_tenant_for_now(exchange);
        break;
    }
}

/* Behind a read that was tried as one that does not take long. */
static void finish_quick_read(struct exchange *exchange, const struct failure *failure)
{
    if (!failure && exchange->is_slow)
        run_slow_read(exchange);
    else
        finish_lane(exchange, failure);
}

/* Nothing is done of what turned out to be more than a loop should read. */
static void run_read_here(struct exchange *exchange)
{
    struct transaction transaction;

    store_reader_begin(exchange->loop->reader, &transaction, exchange->arena, &exchange->call);
    transaction.read_bytes_max = READ_BYTES_ON_LOOP_MAX;
    const struct failure *failure =
        transaction.failure ? transaction.failure : exchange->route->run(exchange, &transaction);

    if (transaction.failure == &transaction_outgrown) {
        exchange->is_slow = true;
        failure = NULL;
    } else if (transaction.failure) {
        failure = transaction.failure;
    }
    finish_quick_read(exchange, failure);
}

/* Where commands go, and what is told when no more are taken. */
struct queue {
    bool (*submit)(struct store *, struct store_command *);
    enum metrics_rejection rejection;
    struct text reason;
};
static const struct queue write_queue = {store_submit, METRICS_REJECTED_WRITE_QUEUE_FULL,
                                         TEXT_LITERAL("write_queue_full")};
static const struct queue read_queue = {store_submit_read, METRICS_REJECTED_READ_QUEUE_FULL,
                                        TEXT_LITERAL("read_queue_full")};

static void submit(struct exchange *exchange, const struct queue *queue,
                   const struct failure *(*run)(struct store_command *, struct transaction *),
                   void (*then)(struct http_task *))
{
    make_command(exchange, run, then);
    if (!queue->submit(exchange->loop->api->store, &exchange->command))
        refuse_for_now(exchange, queue->rejection, queue->reason);
}

static void finish_read_command(struct http_task *task)
{
    struct exchange *exchange = exchange_of(task);

    finish_quick_read(exchange, exchange->command.failure);
}

static void run_read(struct exchange *exchange)
{
    if (exchange->is_slow)
        run_slow_read(exchange);
    else if (exchange->loop->reader)
        run_read_here(exchange);
    else
        submit(exchange, &read_queue, run_command, finish_read_command);
}

/* ---- after a commit ---- */

/* On a thread of the store's. */
static const struct failure *read_changes(struct store_command *command, struct transaction *transaction)
{
    struct exchange *exchange = (struct exchange *)command;

    cache_take_changes(exchange->loop->api, exchange->changes, transaction, exchange->arena);
    return NULL;
}

/* The changes as the command wrote them, only where they cannot be read: another command may have changed the
 * same since, and what it took away would be given back. */
static void take_unread_changes(struct exchange *exchange)
{
    cache_take_changes(exchange->loop->api, exchange->changes, NULL, exchange->arena);
}

/* The reply is the command's: what it did stands, whatever comes of this. */
static void finish_changes(struct http_task *task)
{
    struct exchange *exchange = exchange_of(task);

    if (exchange->command.failure)
        take_unread_changes(exchange);
    finish_lane(exchange, NULL);
}

static void read_changes_here(struct exchange *exchange)
{
    struct transaction transaction;

    store_reader_begin(exchange->loop->reader, &transaction, exchange->arena, &exchange->call);
    read_changes(&exchange->command, &transaction);
    if (transaction.failure)
        take_unread_changes(exchange);
    finish_lane(exchange, NULL);
}

/* On a thread of the store's. */
static const struct failure *run_keep_failure(struct store_command *command, struct transaction *transaction)
{
    return idempotency_keep_failure((struct exchange *)command, transaction);
}

/* A refusal that will be repeated to whoever sends the request again: a command of its own, because what
 * refused the first one has undone all that it did. */
static void keep_failure(struct exchange *exchange)
{
    idempotency_prepare_failure(exchange, exchange->command.failure);
    exchange->command.looks_first = true;
    submit(exchange, &write_queue, run_keep_failure, finish_command);
}

/* What this process keeps in memory learns of a change before the reply tells of it. */
static void finish_write(struct http_task *task)
{
    struct exchange *exchange = exchange_of(task);
    const struct failure *failure = exchange->command.failure;

    if (failure && idempotency_looks_again(exchange, failure)) {
        keep_failure(exchange);
        return;
    }
    if (failure || !exchange->command.changes) {
        finish_lane(exchange, failure);
        return;
    }
    exchange->changes = exchange->command.changes;
    if (exchange->loop->reader) {
        read_changes_here(exchange);
        return;
    }
    exchange->command.runs_once = true;
    exchange->command.run = read_changes;
    exchange->task.run = finish_changes;
    if (!store_submit_read(exchange->loop->api->store, &exchange->command)) {
        take_unread_changes(exchange);
        finish_lane(exchange, NULL);
    }
}

/* The reply to a write cannot be taken back when it is known how large it is. */
static void run_write(struct exchange *exchange)
{
    if (!http_may_reply(exchange->http, HTTP_USUAL_REPLY_BYTES_MAX)) {
        finish(exchange, failure_overloaded(exchange->arena));
        return;
    }
    exchange->command.is_background = exchange->route->is_background;
    exchange->command.looks_first = exchange->route->looks_first;
    submit(exchange, &write_queue, run_command, finish_write);
}

static void run_lane(struct exchange *exchange)
{
    switch (exchange->route->lane) {
    case LANE_NONE:
        finish_lane(exchange, NULL);
        break;
    case LANE_READ:
        run_read(exchange);
        break;
    case LANE_WRITE:
        run_write(exchange);
        break;
    }
}

static void run_lane_after_work(struct http_task *task)
{
    struct exchange *exchange = exchange_of(task);

    if (exchange->slow_failure || (exchange->idempotency && exchange->idempotency->reply.is_replayed))
        finish(exchange, exchange->slow_failure);
    else
        run_lane(exchange);
}

void lanes_run(struct exchange *exchange)
{
    if (exchange->route->work_before)
        do_slowly(exchange, work_before, run_lane_after_work);
    else
        run_lane(exchange);
}
