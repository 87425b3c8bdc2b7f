/* password_input.h: a password that somebody types or pipes, so that it stands on no command line. Only for
 * the cli room. */
#ifndef FARTHING_CLI_PASSWORD_INPUT_H
#define FARTHING_CLI_PASSWORD_INPUT_H

#include "base/arena.h"

/* A password that may be one (access/password.h): asked for twice, and not shown, when standard input is a
 * terminal; otherwise all of standard input, which is one line. In the arena. False when what is wrong with
 * it has been said. */
bool password_input(struct arena *arena, struct text *password);

#endif
