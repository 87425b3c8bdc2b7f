/* secrets_file.h: the file `secrets` of a data directory, mode 0600. What stands in it is said in
 * access/secrets.h. Only for the cli room. */
#ifndef FARTHING_CLI_SECRETS_FILE_H
#define FARTHING_CLI_SECRETS_FILE_H

#include "access/secrets.h"
#include "store/data_directory.h"

/* Reads it into the rings that are not given. *is_there tells whether there is one; without it nothing is
 * read and that is no failure. False with a one-line reason when it is there and cannot be read or is not
 * right. */
bool secrets_file_read(const struct data_directory *directory, struct secret_set *set, bool *is_there,
                       struct arena *arena, struct text *reason);

/* Puts the rings that are not given in place of what it holds; the file is the old one or the new one
 * whenever the power fails, and the new one when this returns. False with a one-line reason, and the old one
 * still there. */
bool secrets_file_write(const struct data_directory *directory, const struct secret_set *set,
                        struct arena *arena, struct text *reason);

#endif
