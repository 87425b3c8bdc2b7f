#include "api/housekeeping.h"

#include "api/idempotency.h"
#include "api/key_uses.h"
#include "base/instant.h"
#include "base/log.h"
#include "domain/idempotency.h"
#include "model/customer.h"
#include "store/audit.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum {
    AUDIT_STEP_ROWS = 200, /* of the audit trail, removed in one command */
    AUDIT_INTERVAL_MS = 60 * 1000,
    IDEMPOTENCY_INTERVAL_MS = 60 * 1000,
    REENCRYPTION_INTERVAL_MS = 2 * 1000, /* how soon after a change of the key; else once a minute */
    KEY_USES_INTERVAL_MS = 2 * 1000,     /* each key's use once a minute (CALLER_TABLE_USE_STEP_US) */
    STEPS_AT_END_MAX = 50,
    STEP_PAUSE_MS = 20, /* between the steps of a job that has much to do */
    SEARCH_INDEX_INTERVAL_MS = 300,
    SEARCH_INDEX_PAUSE_MS = 10,
    TENANT_CUSTOMERS_INTERVAL_MS = 500, /* how soon after a tenant was opened */
};

#define DAY_US (INT64_C(24) * 60 * 60 * MICROSECONDS_PER_SECOND)

/* ---- the jobs ---- */

static bool has_audit_retention(const struct api *api)
{
    return api->config.audit_retention_days > 0;
}

static const struct failure *remove_audit_rows(struct housekeeping_step *step,
                                               struct transaction *transaction)
{
    int64_t until_us = step->now_us - step->api->config.audit_retention_days * DAY_US;
    const struct failure *failure =
        audit_remove_oldest(transaction, until_us, AUDIT_STEP_ROWS, &step->row_count);

    step->is_more = step->row_count == AUDIT_STEP_ROWS;
    return failure;
}

static const struct failure *remove_kept_replies(struct housekeeping_step *step,
                                                 struct transaction *transaction)
{
    size_t count = 0;
    const struct failure *failure = idempotency_clean_up(step->api, step->now_us, transaction, &count);

    step->row_count = (int64_t)count;
    step->is_more = count == IDEMPOTENCY_DISCARDED_MAX;
    return failure;
}

static bool has_key_uses(const struct api *api)
{
    return caller_table_has_uses(api->identities->keys);
}

static const struct failure *write_key_uses(struct housekeeping_step *step, struct transaction *transaction)
{
    size_t count = key_uses_write(step->api->key_uses, step->api->identities, transaction);

    step->row_count = (int64_t)count;
    step->is_more = count == KEY_USES_BATCH;
    return NULL;
}

static bool has_unindexed(const struct api *api)
{
    return store_has_unindexed(api->store);
}

static const struct failure *index_searched(struct housekeeping_step *step, struct transaction *transaction)
{
    return store_index_searched(step->api->store, transaction, &customer_entity, &step->row_count,
                                &step->is_more);
}

static const struct housekeeping_job jobs[] = {
    {TEXT_LITERAL("audit_retention"), METRICS_JOB_AUDIT_RETENTION, AUDIT_INTERVAL_MS,
     .is_wanted = has_audit_retention, .run = remove_audit_rows},
    {TEXT_LITERAL("idempotency_retention"), METRICS_JOB_IDEMPOTENCY_RETENTION, IDEMPOTENCY_INTERVAL_MS,
     .run = remove_kept_replies},
    {TEXT_LITERAL("key_uses"), METRICS_JOB_KEY_USES, KEY_USES_INTERVAL_MS, .is_done_at_end = true,
     .is_wanted = has_key_uses, .run = write_key_uses},
    {TEXT_LITERAL("reencryption"), METRICS_JOB_REENCRYPTION, REENCRYPTION_INTERVAL_MS,
     .is_wanted = reencryption_is_wanted, .run = reencryption_run},
    {TEXT_LITERAL("search_index"), METRICS_JOB_SEARCH_INDEX, SEARCH_INDEX_INTERVAL_MS,
     .pause_ms = SEARCH_INDEX_PAUSE_MS, .is_wanted = has_unindexed, .run = index_searched},
    {TEXT_LITERAL("tenant_customers"), METRICS_JOB_TENANT_CUSTOMERS, TENANT_CUSTOMERS_INTERVAL_MS,
     .is_wanted = tenant_billing_is_wanted, .run = tenant_billing_run},
};
enum { JOB_COUNT = sizeof jobs / sizeof jobs[0] };

/* ---- the thread ---- */

struct housekeeping {
    struct api *api;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards `is_stopping` */
    pthread_cond_t woken;
    bool is_stopping;
    int64_t due_us[JOB_COUNT]; /* monotonic; only the thread's */
};

struct running {
    const struct housekeeping_job *job;
    struct housekeeping_step step;
};

static const struct failure *run_step(void *context, struct transaction *transaction)
{
    struct running *running = context;

    running->step.row_count = 0;
    running->step.is_more = false;
    return running->job->run(&running->step, transaction);
}

static void tell_of_failure(const struct housekeeping_job *job, const struct failure *failure)
{
    metrics_add(&metrics_here()->housekeeping_failures[job->metric], 1);
    LOG_WARNING("housekeeping failed, and will be tried again", LOG_TEXT("job", job->name),
                LOG_TEXT("error", failure->message));
}

/* Runs a step of the job. Returns after how many milliseconds the next one is due. */
static int do_step(struct housekeeping *housekeeping, const struct housekeeping_job *job)
{
    const struct call call = {.actor_id = text_empty, .request_id = text_empty, .now_us = instant_now_us()};
    struct running running = {
        .job = job,
        .step = {.api = housekeeping->api,
                 .now_us = settled_clock_read(&housekeeping->api->clock, call.now_us, monotonic_now_us())}};
    struct arena arena;

    arena_init(&arena);
    const struct failure *failure =
        store_write_in_background(housekeeping->api->store, &arena, &call, run_step, &running);

    metrics_add(&metrics_here()->housekeeping_runs[job->metric], 1);
    if (failure)
        tell_of_failure(job, failure);
    else
        metrics_add(&metrics_here()->housekeeping_rows[job->metric], (uint64_t)running.step.row_count);
    arena_free(&arena);
    int pause_ms = job->pause_ms ? job->pause_ms : STEP_PAUSE_MS;

    return !failure && running.step.is_more ? pause_ms : job->interval_ms;
}

/* Sleeps until the first job is due. False when it is time to end. */
static bool wait_until(struct housekeeping *housekeeping, int64_t instant_us)
{
    const struct timespec until = {.tv_sec = instant_us / MICROSECONDS_PER_SECOND,
                                   .tv_nsec = instant_us % MICROSECONDS_PER_SECOND * 1000};
    int waited = 0;

    pthread_mutex_lock(&housekeeping->mutex);
    while (!housekeeping->is_stopping && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&housekeeping->woken, &housekeeping->mutex, &until);
    bool goes_on = !housekeeping->is_stopping;

    pthread_mutex_unlock(&housekeeping->mutex);
    return goes_on;
}

static int64_t first_due_us(const struct housekeeping *housekeeping)
{
    int64_t first_us = INT64_MAX;

    for (unsigned i = 0; i < JOB_COUNT; i++)
        if (housekeeping->due_us[i] < first_us)
            first_us = housekeeping->due_us[i];
    return first_us;
}

/* What is only in memory would be lost. */
static void do_last_steps(struct housekeeping *housekeeping)
{
    for (unsigned i = 0; i < JOB_COUNT; i++)
        for (unsigned step = 0; jobs[i].is_done_at_end && step < STEPS_AT_END_MAX; step++)
            if ((jobs[i].is_wanted && !jobs[i].is_wanted(housekeeping->api)) ||
                do_step(housekeeping, &jobs[i]) == jobs[i].interval_ms)
                break;
}

static void *housekeeping_main(void *context)
{
    struct housekeeping *housekeeping = context;

    while (wait_until(housekeeping, first_due_us(housekeeping)))
        for (unsigned i = 0; i < JOB_COUNT; i++) {
            const struct housekeeping_job *job = &jobs[i];

            if (housekeeping->due_us[i] > monotonic_now_us())
                continue;
            int pause_ms = job->is_wanted && !job->is_wanted(housekeeping->api) ? job->interval_ms
                                                                                : do_step(housekeeping, job);

            housekeeping->due_us[i] = monotonic_now_us() + pause_ms * INT64_C(1000);
        }
    do_last_steps(housekeeping);
    return NULL;
}

struct housekeeping *housekeeping_start(struct api *api)
{
    struct housekeeping *housekeeping = calloc(1, sizeof *housekeeping);
    pthread_condattr_t attributes;

    if (!housekeeping)
        abort();
    housekeeping->api = api;
    settled_clock_start(&api->clock, instant_now_us(), monotonic_now_us());
    pthread_mutex_init(&housekeeping->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&housekeeping->woken, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&housekeeping->thread, NULL, housekeeping_main, housekeeping) != 0)
        abort();
    pthread_setname_np(housekeeping->thread, "housekeeping");
    return housekeeping;
}

void housekeeping_stop(struct housekeeping *housekeeping)
{
    pthread_mutex_lock(&housekeeping->mutex);
    housekeeping->is_stopping = true;
    pthread_mutex_unlock(&housekeeping->mutex);
    pthread_cond_signal(&housekeeping->woken);
    pthread_join(housekeeping->thread, NULL);
    pthread_cond_destroy(&housekeeping->woken);
    pthread_mutex_destroy(&housekeeping->mutex);
    free(housekeeping);
}
