#include "cli/secrets_file.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- reading ---- */

bool secrets_file_read(const struct data_directory *directory, struct secret_set *set, bool *is_there,
                       struct arena *arena, struct text *reason)
{
    const char *path = directory->secrets_path.data;
    struct text content = file_content(path, SECRETS_TEXT_BYTES_MAX, arena), complaint;

    *is_there = text_is_set(content) || errno != ENOENT;
    if (!*is_there)
        return true;
    if (!text_is_set(content))
        *reason = arena_format(arena, "cannot read %s: %s; run as its owner", path, strerror(errno));
    else if (!secret_set_read(content, set, arena, &complaint))
        *reason = arena_format(arena, "%s is not as it was written: %.*s; put it back from a copy", path,
                               TEXT_FORMAT(complaint));
    else
        return true;
    return false;
}

/* ---- writing ---- */

/* What root's commands make must stay open to the user that runs the server. */
static bool leave_to_owner(const struct data_directory *directory, int fd)
{
    struct stat status;

    return geteuid() != 0 || stat(directory->path.data, &status) != 0 ||
           fchown(fd, status.st_uid, status.st_gid) == 0;
}

static bool write_new(const struct data_directory *directory, const char *path, struct text content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    /* A file that was left there may have another mode. */
    bool is_written = fd >= 0 && fchmod(fd, 0600) == 0 && leave_to_owner(directory, fd) &&
                      file_write_all(fd, content) && fsync(fd) == 0;
    int why = errno;

    if (fd >= 0 && close(fd) != 0)
        is_written = false;
    errno = why;
    return is_written;
}

bool secrets_file_write(const struct data_directory *directory, const struct secret_set *set,
                        struct arena *arena, struct text *reason)
{
    const char *path = directory->secrets_path.data;
    const char *new_path = arena_string(arena, arena_format(arena, "%s.new", path));

    if (write_new(directory, new_path, secret_set_write(set, arena)) && rename(new_path, path) == 0 &&
        directory_sync(directory->path.data))
        return true;
    *reason = arena_format(arena, "cannot write %s: %s", path, strerror(errno));
    unlink(new_path);
    return false;
}
