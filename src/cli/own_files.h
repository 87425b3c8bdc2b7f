/* own_files.h: the files of a data directory that nothing else may be written over. Only for the cli room. */
#ifndef FARTHING_CLI_OWN_FILES_H
#define FARTHING_CLI_OWN_FILES_H

#include "store/data_directory.h"

/* The folder that the file is to be in: "." for a bare name. */
const char *path_folder(struct text path, struct arena *arena);

/* Whether the path is, under whatever name, one of the files with which the directory does its work (the
 * database, the secrets, the lock and so on), or would become one. Not of what somebody else has put there.
 */
bool own_file_is(const struct data_directory *directory, struct text path, struct arena *arena);

#endif
