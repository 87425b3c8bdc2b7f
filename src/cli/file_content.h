/* file_content.h: small files that are read whole: of settings, roles, secrets. */
#ifndef FARTHING_CLI_FILE_CONTENT_H
#define FARTHING_CLI_FILE_CONTENT_H

#include "base/arena.h"
#include "base/text.h"

/* The bytes of the file, in the arena; unset, with errno, when it cannot be read or has more than `bytes_max`
 * (EFBIG). A pipe is read until its writers end; one that nobody writes to is empty. */
struct text file_content(const char *path, size_t bytes_max, struct arena *arena);

#endif
