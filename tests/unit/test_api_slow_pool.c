/* The pool for slow work: so many at a time, so many that wait, and an end that loses nothing under way. */
#include "cmocka_all.h"

#include "api/slow_pool.h"

#include <semaphore.h>
#include <stdatomic.h>

enum { JOBS = SLOW_THREADS_MAX + SLOW_QUEUE_MAX };

static sem_t started, may_end;
static atomic_uint run_count;

struct job {
    struct slow_job job;
    atomic_uint times;
};

static void wait_and_count(struct slow_job *job)
{
    sem_post(&started);
    sem_wait(&may_end);
    atomic_fetch_add(&((struct job *)job)->times, 1);
    atomic_fetch_add(&run_count, 1);
}

static void take(sem_t *semaphore, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        while (sem_wait(semaphore) != 0)
            continue;
}

static void give(sem_t *semaphore, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        sem_post(semaphore);
}

static int set_up(void **state)
{
    (void)state;
    sem_init(&started, 0, 0);
    sem_init(&may_end, 0, 0);
    atomic_store(&run_count, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sem_destroy(&started);
    sem_destroy(&may_end);
    return 0;
}

static void test_so_many_and_no_more(void **state)
{
    static struct job jobs[JOBS + 1];
    struct slow_pool *pool = slow_pool_new();

    (void)state;
    for (unsigned i = 0; i < JOBS + 1; i++)
        jobs[i] = (struct job){.job.run = wait_and_count};
    for (unsigned i = 0; i < SLOW_THREADS_MAX; i++)
        assert_int_equal(slow_pool_submit(pool, &jobs[i].job), SLOW_TAKEN);
    take(&started, SLOW_THREADS_MAX); /* each thread has one */
    for (unsigned i = SLOW_THREADS_MAX; i < JOBS; i++)
        assert_int_equal(slow_pool_submit(pool, &jobs[i].job), SLOW_TAKEN);
    assert_int_equal(slow_pool_submit(pool, &jobs[JOBS].job), SLOW_QUEUE_FULL);
    give(&may_end, 1);
    take(&started, 1); /* the first of those that wait */
    assert_int_equal(slow_pool_submit(pool, &jobs[JOBS].job), SLOW_TAKEN);
    give(&may_end, JOBS);
    take(&started, JOBS - SLOW_THREADS_MAX);
    slow_pool_free(pool);
    for (unsigned i = 0; i < JOBS + 1; i++)
        assert_int_equal(atomic_load(&jobs[i].times), 1);
}

static void test_the_end(void **state)
{
    static struct job jobs[JOBS];
    struct slow_pool *pool = slow_pool_new();

    (void)state;
    for (unsigned i = 0; i < JOBS; i++)
        jobs[i] = (struct job){.job.run = wait_and_count};
    for (unsigned i = 0; i < SLOW_THREADS_MAX; i++)
        assert_int_equal(slow_pool_submit(pool, &jobs[i].job), SLOW_TAKEN);
    take(&started, SLOW_THREADS_MAX);
    for (unsigned i = SLOW_THREADS_MAX; i < JOBS; i++)
        assert_int_equal(slow_pool_submit(pool, &jobs[i].job), SLOW_TAKEN);
    give(&may_end, SLOW_THREADS_MAX + SLOW_QUEUE_MAX);
    slow_pool_free(pool); /* waits for those that run */
    for (unsigned i = 0; i < SLOW_THREADS_MAX; i++)
        assert_int_equal(atomic_load(&jobs[i].times), 1);
    for (unsigned i = SLOW_THREADS_MAX; i < JOBS; i++)
        assert_true(atomic_load(&jobs[i].times) <= 1);
}

/* ---- whose turn it is ---- */

enum { ORDER_MAX = SLOW_THREADS_MAX + SLOW_QUEUE_MAX + 2 };

static struct job *order[ORDER_MAX]; /* in which jobs were run */

static void note(struct slow_job *job)
{
    order[atomic_fetch_add(&run_count, 1)] = (struct job *)job;
}

/* A pool whose threads are busy until may_end is given, so that what is submitted waits. */
static struct slow_pool *busy_pool(void)
{
    static struct job busy[SLOW_THREADS_MAX];
    struct slow_pool *pool = slow_pool_new();

    for (unsigned i = 0; i < SLOW_THREADS_MAX; i++) {
        busy[i] = (struct job){.job.run = wait_and_count};
        assert_int_equal(slow_pool_submit(pool, &busy[i].job), SLOW_TAKEN);
    }
    take(&started, SLOW_THREADS_MAX);
    return pool;
}

static void test_one_tenant_has_a_few_and_others_find_room(void **state)
{
    static struct job jobs[SLOW_OWNER_MAX + 1], other, login;
    struct slow_pool *pool = busy_pool();

    (void)state;
    for (unsigned i = 0; i <= SLOW_OWNER_MAX; i++)
        jobs[i] = (struct job){.job.run = note, .job.owner = TEXT("tenant_a")};
    for (unsigned i = 0; i < SLOW_OWNER_MAX; i++)
        assert_int_equal(slow_pool_submit(pool, &jobs[i].job), SLOW_TAKEN);
    assert_int_equal(slow_pool_submit(pool, &jobs[SLOW_OWNER_MAX].job), SLOW_OWNER_HAS_ENOUGH);
    other = (struct job){.job.run = note, .job.owner = TEXT("tenant_b")};
    login = (struct job){.job.run = note};
    assert_int_equal(slow_pool_submit(pool, &other.job), SLOW_TAKEN);
    assert_int_equal(slow_pool_submit(pool, &login.job), SLOW_TAKEN);
    give(&may_end, SLOW_THREADS_MAX);
    slow_pool_free(pool);
}

static void test_invitations_that_fill_their_queue_leave_the_one_of_logins_alone(void **state)
{
    static struct job jobs[SLOW_QUEUE_MAX + 1], login;
    static char owners[SLOW_QUEUE_MAX + 1];
    struct slow_pool *pool = busy_pool();

    (void)state;
    for (unsigned i = 0; i <= SLOW_QUEUE_MAX; i++) {
        owners[i] = (char)('A' + i / SLOW_OWNER_MAX);
        jobs[i] = (struct job){.job.run = note, .job.owner = {&owners[i], 1}};
    }
    for (unsigned i = 0; i < SLOW_QUEUE_MAX; i++)
        assert_int_equal(slow_pool_submit(pool, &jobs[i].job), SLOW_TAKEN);
    assert_int_equal(slow_pool_submit(pool, &jobs[SLOW_QUEUE_MAX].job), SLOW_QUEUE_FULL);
    login = (struct job){.job.run = note};
    assert_int_equal(slow_pool_submit(pool, &login.job), SLOW_TAKEN);
    give(&may_end, SLOW_THREADS_MAX);
    slow_pool_free(pool);
}

/* One thread goes on: what it takes is the order. */
static void test_logins_and_invitations_take_turns(void **state)
{
    enum { EACH = 4 };
    static struct job invitations[EACH], logins[EACH];
    struct slow_pool *pool = busy_pool();
    unsigned early_logins = 0;

    (void)state;
    for (unsigned i = 0; i < EACH; i++) {
        invitations[i] = (struct job){.job.run = note, .job.owner = TEXT("tenant_a")};
        assert_int_equal(slow_pool_submit(pool, &invitations[i].job), SLOW_TAKEN);
    }
    for (unsigned i = 0; i < EACH; i++) {
        logins[i] = (struct job){.job.run = note};
        assert_int_equal(slow_pool_submit(pool, &logins[i].job), SLOW_TAKEN);
    }
    give(&may_end, 1);
    while (atomic_load(&run_count) < 1 + 2 * EACH)
        continue;
    for (unsigned i = 1; i <= EACH; i++) /* the first to be counted was the busy one */
        early_logins += order[i]->job.owner.length == 0;
    assert_int_equal(early_logins, EACH / 2);
    give(&may_end, SLOW_THREADS_MAX - 1);
    slow_pool_free(pool);
}

/* One job after another needs one thread, and they all are run. */
static void test_one_after_another(void **state)
{
    struct job job = {.job.run = wait_and_count};
    struct slow_pool *pool = slow_pool_new();

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        sem_post(&may_end);
        assert_int_equal(slow_pool_submit(pool, &job.job), SLOW_TAKEN);
        while (atomic_load(&run_count) <= i)
            continue;
    }
    slow_pool_free(pool);
    assert_int_equal(atomic_load(&job.times), 1000);
}

static void test_nothing_to_do(void **state)
{
    (void)state;
    slow_pool_free(slow_pool_new());
    slow_pool_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_so_many_and_no_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_tenant_has_a_few_and_others_find_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_invitations_that_fill_their_queue_leave_the_one_of_logins_alone,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_logins_and_invitations_take_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_after_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_to_do, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
