/* processor.h: sharing a processor with the other threads of the process.
 *
 * Linux shares it fairly: a thread that wakes up and has had more than its share of late, if only by some
 * microseconds, does not run before the next tick, up to 4 ms later, when another one is at work. A loop has
 * callers who wait for microseconds, so whoever works for long offers the processor between the parts of its
 * work, and asks for short turns, so that it gives little away each time. */
#ifndef FARTHING_BASE_PROCESSOR_H
#define FARTHING_BASE_PROCESSOR_H

#include <stdbool.h>
#include <stdint.h>

/* Lets the threads that wait for this processor run now; returns at once when there are none. The caller
 * gives up the rest of its turn. */
void processor_offer(void);

/* Work in the background has no share to claim: from now on, until it is called with false, the offers of the
 * calling thread are short rests while somebody needs the processor, however much that one has had of it. */
void processor_work_in_background(bool is_so);
/* Of a thread that has callers who wait for microseconds: it has something to do. `now_us` is monotonic. */
void processor_note_need(int64_t now_us);

/* Makes the share of the calling thread smaller, for good: `nice` as of nice(2), from 1 on. Whoever is waited
 * for goes first then. Turns are of the usual length again. */
void processor_step_back(int nice);

/* Makes the turns of the calling thread so long, at least 100 us. With shorter ones it comes before a thread
 * of longer turns as soon as it has something to do, and gives less away with an offer; its share stays the
 * same (EEVDF, Linux since 6.12; without effect on others). */
void processor_take_turns(unsigned microseconds);

#endif
