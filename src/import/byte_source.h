/* byte_source.h: the bytes of a file or of standard input, plain or unpacked from gzip or zstd as they are
 * read. What it is packed with is told by its first bytes, whatever its name.
 *
 * Memory is bounded, whatever the file claims about itself. Not shared between threads. */
#ifndef FARTHING_IMPORT_BYTE_SOURCE_H
#define FARTHING_IMPORT_BYTE_SOURCE_H

#include "base/arena.h"
#include "base/text.h"

enum {
    BYTE_SOURCE_STEP_BYTES = 64 * 1024,   /* read from the file at once */
    BYTE_SOURCE_ZSTD_WINDOW_LOG_MAX = 27, /* the zstd tool's own limit: 128 MiB */
};

/* Where rows come from. `read` puts at most `capacity` bytes into `out` and returns how many: 0 at the end,
 * -1 on a failure, which `failure` then words. */
struct byte_source {
    long (*read)(struct byte_source *source, char *out, size_t capacity);
    const char *failure;
};

struct file_source;

/* Opens `path`; "-" is standard input. Reading fails when *interruptions is not 0 any more. NULL and a
 * one-line reason in the arena when it cannot be read. */
struct file_source *file_source_open(struct text path, const volatile int *interruptions, struct arena *arena,
                                     struct text *reason);
void file_source_close(struct file_source *file);
struct byte_source *file_source_bytes(struct file_source *file);
/* How far the file has been read and its size, packed as it is; a size of 0 is not known (a pipe). */
void file_source_position(const struct file_source *file, uint64_t *read_bytes, uint64_t *size_bytes);
/* Whether the two are one file. */
bool file_source_is(const struct file_source *file, struct text path, struct arena *arena);

#endif
