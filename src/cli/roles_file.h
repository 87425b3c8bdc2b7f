/* roles_file.h: the roles that an operator adds (the setting rbac-roles-file). Only for the cli room. */
#ifndef FARTHING_CLI_ROLES_FILE_H
#define FARTHING_CLI_ROLES_FILE_H

#include "base/arena.h"

enum { ROLES_FILE_BYTES_MAX = 1024 * 1024 };

/* Whether the file can be read and its roles are right (model/role.h); without a path it is. False with one
 * line that names the file, the position in it and the rule. */
bool roles_file_check(struct text path, struct arena *arena, struct text *reason);
/* The same, and the process has these roles from then on. Once, before the database is opened; the arena must
 * live as long as the process. */
bool roles_file_use(struct text path, struct arena *arena, struct text *reason);

#endif
