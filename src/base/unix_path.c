#include "base/unix_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool fail(int error)
{
    errno = error;
    return false;
}

/* Writes the address of `name` in the directory that is open. */
static bool go_by_descriptor(struct unix_path *opened, const char *name)
{
    char *path = opened->address.sun_path;
    int length = snprintf(path, sizeof opened->address.sun_path, "/proc/self/fd/%d", opened->directory);

    if (access(path, F_OK) != 0)
        return fail(ENAMETOOLONG);
    size_t room = sizeof opened->address.sun_path - (size_t)length;

    return (size_t)snprintf(path + length, room, "/%s", name) < room || fail(ENAMETOOLONG);
}

static bool open_directory(struct unix_path *opened, char *path)
{
    char *slash = strrchr(path, '/');

    if (slash)
        *slash = 0;
    const char *directory = !slash ? "." : slash == path ? "/" : path;

    opened->directory = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (opened->directory < 0)
        return false;
    if (go_by_descriptor(opened, slash ? slash + 1 : path))
        return true;
    unix_path_close(opened);
    return false;
}

bool unix_path_open(struct text path, struct unix_path *opened)
{
    char copy[PATH_MAX];

    *opened = (struct unix_path){.address = {.sun_family = AF_UNIX}, .directory = -1};
    if (path.length == 0 || path.length >= sizeof copy)
        return fail(ENAMETOOLONG);
    if (path.length < sizeof opened->address.sun_path) {
        memcpy(opened->address.sun_path, path.data, path.length);
        return true;
    }
    memcpy(copy, path.data, path.length);
    copy[path.length] = 0;
    return open_directory(opened, copy);
}

void unix_path_close(struct unix_path *opened)
{
    int error = errno;

    if (opened->directory >= 0)
        close(opened->directory);
    opened->directory = -1;
    errno = error;
}
