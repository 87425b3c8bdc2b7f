/* processor.h: sharing a processor with the other threads of the process. */
#ifndef FARTHING_BASE_PROCESSOR_H
#define FARTHING_BASE_PROCESSOR_H

/* Lets a thread that the kernel has found more urgent run now: for long work without system calls, between
 * its parts. Linux (since 6.12, unless it is built or told to preempt fully) looks for such a thread only
 * when one returns from the kernel or at the next tick, up to 4 ms later. Unlike sched_yield it gives nothing
 * away when nobody is more urgent, so that work goes on beside a busy thread. */
void processor_offer(void);

/* Makes the calling thread one that asks for short turns and gets them soon: on one processor it then comes
 * before a thread of long turns as soon as it has something to do, and has no larger share for that (EEVDF,
 * Linux since 6.12; without effect on others). */
void processor_take_short_turns(void);

#endif
