/* database_copy.h: the file of a database at rest: copied, hashed, and put into the place of another one.
 * Only for the cli room. */
#ifndef FARTHING_CLI_DATABASE_COPY_H
#define FARTHING_CLI_DATABASE_COPY_H

#include "base/arena.h"
#include "base/hash.h"
#include "store/data_directory.h"

/* Reads the file open at `from` to its end, writes it to `to` (-1: nowhere) and has that on the disk; its
 * hash goes into `sha256`. `tell` hears now and then how much is read (NULL: nobody does). False with errno.
 */
bool database_copy(int from, int to, void (*tell)(void *context, int64_t bytes), void *context,
                   char sha256[SHA256_HEX_LENGTH]);

/* A name that nothing in the data directory has yet, for what is put aside at this time:
 * "replaced-1767323045". */
struct text database_aside(const struct data_directory *directory, int64_t now_us, struct arena *arena);
/* Has the database of a data directory and the one in the directory `aside` change places, in one step; the
 * log of the former, which a database has that could not be closed, goes along with it. The directory is
 * locked by the caller. False with errno. */
bool database_change_places(const struct data_directory *directory, struct text aside, struct arena *arena);

#endif
