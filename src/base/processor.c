#include "base/processor.h"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

void processor_offer(void)
{
    syscall(SYS_sched_yield); /* its header does not go with Linux's own, which has sched_setattr */
}

void processor_step_back(int nice)
{
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), nice);
}

void processor_take_turns(unsigned microseconds)
{
    struct sched_attr attributes = {.size = sizeof attributes,
                                    .sched_policy = SCHED_NORMAL,
                                    .sched_nice = getpriority(PRIO_PROCESS, 0),
                                    .sched_runtime = microseconds * UINT64_C(1000)};

    syscall(SYS_sched_setattr, 0, &attributes, 0);
}
