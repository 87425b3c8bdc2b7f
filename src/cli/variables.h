/* variables.h: environment variables that look like settings and are none. Only for the cli room. */
#ifndef FARTHING_CLI_VARIABLES_H
#define FARTHING_CLI_VARIABLES_H

#include "base/arena.h"
#include "base/text.h"

/* Tells of every FARTHING_… variable that no setting and no flag reads: a slip that would otherwise only show
 * in what the server does not do. It is a warning, because others put such names there too: Kubernetes for a
 * service called farthing, and whoever keeps what `farthing init` printed. */
void variables_check(struct arena *arena, void (*tell)(void *context, struct text message), void *context);

#endif
