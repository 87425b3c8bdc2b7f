/* interruption.h: SIGINT and SIGTERM of a command that has to put something right before it ends. */
#ifndef FARTHING_CLI_INTERRUPTION_H
#define FARTHING_CLI_INTERRUPTION_H

/* From now on the first of these signals only sets what is returned to something else than 0; the second one
 * ends the process. */
const volatile int *interruption_catch(void);

#endif
