/* flag_help.h: what a person is told of a flag or of a setting, wherever that is printed: the help, the
 * manual page, completions. Only for the cli room. */
#ifndef FARTHING_CLI_FLAG_HELP_H
#define FARTHING_CLI_FLAG_HELP_H

#include "cli/command.h"

/* Its help, whether it may repeat, its default or an example. Without a full stop; in the arena. */
struct text flag_help(const struct flag *flag, struct arena *arena);
struct text setting_flag_help(const struct setting *setting, struct arena *arena);

#endif
