/* file.h: small files that are read and written whole: of settings, roles, secrets, states. */
#ifndef FARTHING_BASE_FILE_H
#define FARTHING_BASE_FILE_H

#include "base/arena.h"
#include "base/text.h"

#include <sys/types.h>

/* The bytes of the file, in the arena; unset, with errno, when it cannot be read or has more than `bytes_max`
 * (EFBIG). A pipe is read until its writers end; one that nobody writes to is empty. */
struct text file_content(const char *path, size_t bytes_max, struct arena *arena);

/* Writes all of it. False with errno. */
bool file_write_all(int fd, struct text bytes);

/* Makes a file, which must not exist, of mode 0600 with this content, on the disk when it returns; its name
 * is as soon as the directory is (directory_sync). False with errno. */
bool file_make(const char *path, struct text content);

/* The same in place of what is there, or not at all, and with its name on the disk: first it is `path`.new.
 * False with errno. */
bool file_replace(const char *path, struct text content);

/* Has all of a file be on the disk, written out a window of so many bytes at a time: the disk's queue stays
 * short, and others' writes, for which somebody waits, find their place in it. False with errno; an error is
 * told once a descriptor, by whichever call of the system comes first, and so here. */
bool file_sync_by_windows(int fd, off_t window_bytes);

/* Has the names in a directory be on the disk. False with errno. */
bool directory_sync(const char *path);

#endif
