/* variables.h: environment variables that look like settings and are none. Only for the cli room. */
#ifndef FARTHING_CLI_VARIABLES_H
#define FARTHING_CLI_VARIABLES_H

#include "base/arena.h"
#include "base/text.h"

/* False, with a reason in the arena, when there is a FARTHING_… variable that no setting reads: a slip that
 * would otherwise only show in what the server does not do. Names that others put there are left alone: what
 * `farthing init` prints, and what Kubernetes sets for services. */
bool variables_check(struct arena *arena, struct text *reason);

#endif
