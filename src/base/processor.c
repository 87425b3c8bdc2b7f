#include "base/processor.h"

#include "base/instant.h"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    REST_NS = 30000,           /* and what the kernel adds, some 50 us */
    WORK_BETWEEN_US = 200,     /* of two rests */
    NEEDED_FOR_US = 2000,      /* since somebody needed it last */
    NEED_NOTED_EVERY_US = 500, /* so that threads do not take each other's cache line all the time */
};

static atomic_int_least64_t needed_us;
static _Thread_local bool is_in_background;
static _Thread_local int64_t rested_us;

void processor_note_need(int64_t now_us)
{
    if (now_us - atomic_load_explicit(&needed_us, memory_order_relaxed) >= NEED_NOTED_EVERY_US)
        atomic_store_explicit(&needed_us, now_us, memory_order_relaxed);
}

void processor_work_in_background(bool is_so)
{
    is_in_background = is_so;
}

static bool rest_if_needed(void)
{
    int64_t now_us = monotonic_now_us();

    if (now_us - rested_us < WORK_BETWEEN_US ||
        now_us - atomic_load_explicit(&needed_us, memory_order_relaxed) > NEEDED_FOR_US)
        return false;
    nanosleep(&(struct timespec){.tv_nsec = REST_NS}, NULL);
    rested_us = monotonic_now_us();
    return true;
}

void processor_offer(void)
{
    if (is_in_background && rest_if_needed())
        return;
    syscall(SYS_sched_yield); /* its header does not go with Linux's own, which has sched_setattr */
}

/* One call for both, which the unit of the service allows, as it does not allow setpriority(2). */
static void set_share(int nice, unsigned turn_us)
{
    struct sched_attr attributes = {.size = sizeof attributes,
                                    .sched_policy = SCHED_NORMAL,
                                    .sched_nice = nice,
                                    .sched_runtime = turn_us * UINT64_C(1000)};

    syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void processor_step_back(int nice)
{
    set_share(nice, 0);
}

void processor_take_turns(unsigned microseconds)
{
    set_share(getpriority(PRIO_PROCESS, 0), microseconds);
}
