#include "cli/database_copy.h"

#include "base/file.h"
#include "base/instant.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { COPY_BYTES = 1024 * 1024 };

bool database_copy(int from, int to, void (*tell)(void *context, int64_t bytes), void *context,
                   char sha256[SHA256_HEX_LENGTH])
{
    struct sha256_stream *stream = sha256_begin();
    char *bytes = malloc(COPY_BYTES);
    uint8_t hash[SHA256_BYTES];
    int64_t copied = 0;
    ssize_t length;

    if (!bytes)
        abort();
    while ((length = read(from, bytes, COPY_BYTES)) > 0) {
        struct text piece = {bytes, (size_t)length};

        sha256_add(stream, piece);
        if (to >= 0 && !file_write_all(to, piece))
            length = -1;
        if (length < 0)
            break;
        copied += length;
        if (tell)
            tell(context, copied);
    }
    int why = errno;

    sha256_end(stream, hash);
    hex_encode(hash, sizeof hash, sha256);
    free(bytes);
    errno = why;
    return length == 0 && (to < 0 || fsync(to) == 0);
}

static const char *inside(struct text directory, const char *name, struct arena *arena)
{
    return arena_string(arena, arena_format(arena, "%.*s/%s", TEXT_FORMAT(directory), name));
}

struct text database_aside(const struct data_directory *directory, int64_t now_us, struct arena *arena)
{
    long long seconds = (long long)(now_us / MICROSECONDS_PER_SECOND);
    struct text path = arena_format(arena, "%.*s/replaced-%lld", TEXT_FORMAT(directory->path), seconds);

    /* An attempt that was cut short a moment ago may have it. */
    for (int number = 2; access(arena_string(arena, path), F_OK) == 0; number++)
        path = arena_format(arena, "%.*s/replaced-%lld-%d", TEXT_FORMAT(directory->path), seconds, number);
    return text_from_string(arena_string(arena, path));
}

static bool move_if_there(const struct data_directory *directory, struct text aside, const char *name,
                          struct arena *arena)
{
    return rename(inside(directory->path, name, arena), inside(aside, name, arena)) == 0 || errno == ENOENT;
}

/* The log goes first: it must never be taken for the other one's. At no moment is there no database, because
 * a server that is started would make a new one. */
bool database_change_places(const struct data_directory *directory, struct text aside, struct arena *arena)
{
    return move_if_there(directory, aside, "farthing.db-wal", arena) &&
           move_if_there(directory, aside, "farthing.db-shm", arena) &&
           directory_sync(directory->path.data) &&
           renameat2(AT_FDCWD, inside(aside, "farthing.db", arena), AT_FDCWD, directory->database_path.data,
                     RENAME_EXCHANGE) == 0 &&
           directory_sync(arena_string(arena, aside)) && directory_sync(directory->path.data);
}
