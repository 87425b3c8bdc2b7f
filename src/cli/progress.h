/* progress.h: how far something long is, on standard error: a line that changes on a terminal, else a line
 * now and then. Only for the cli room. */
#ifndef FARTHING_CLI_PROGRESS_H
#define FARTHING_CLI_PROGRESS_H

#include "base/arena.h"
#include "base/text.h"

#include <stdbool.h>

struct progress {
    bool is_terminal;
    int64_t started_us, shown_us;
    bool is_on_line; /* a line stands there that the next one replaces */
};

void progress_start(struct progress *progress);
/* Whether it is time to show something again. */
bool progress_is_due(struct progress *progress);
/* Shows it: `done` is from 0 (not known) to 1. */
void progress_show(struct progress *progress, struct text text, double done);
/* ", 41 %, 0:12 left"; empty while nothing is known. */
struct text progress_rest(const struct progress *progress, double done, struct arena *arena);
/* Removes the line. */
void progress_end(struct progress *progress);

#endif
