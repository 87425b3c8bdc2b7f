/* unix_path.h: Unix sockets at paths of any length. The system's own address has room for 107 bytes; a longer
 * path is reached through a descriptor of its directory (/proc/self/fd/N/NAME). */
#ifndef FARTHING_BASE_UNIX_PATH_H
#define FARTHING_BASE_UNIX_PATH_H

#include "base/text.h"

#include <stdbool.h>
#include <sys/un.h>

struct unix_path {
    struct sockaddr_un address; /* for bind, connect, and the calls that take a path, until it is closed */
    int directory;              /* -1: the address is the path itself */
};

/* False with errno: ENAMETOOLONG for an empty path, one of PATH_MAX bytes or more, one whose last part is too
 * long by itself, and a long one where /proc is not mounted; else why its directory cannot be opened. */
bool unix_path_open(struct text path, struct unix_path *opened);
/* Keeps errno. */
void unix_path_close(struct unix_path *opened);

#endif
