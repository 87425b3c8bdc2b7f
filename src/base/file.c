#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct text read_all(int fd, size_t bytes_max, struct arena *arena)
{
    char *bytes = arena_allocate(arena, bytes_max + 1);
    size_t length = 0;
    ssize_t got;

    while ((got = read(fd, bytes + length, bytes_max + 1 - length)) > 0)
        length += (size_t)got;
    if (length > bytes_max)
        errno = EFBIG;
    return got < 0 || length > bytes_max ? text_none : (struct text){bytes, length};
}

struct text file_content(const char *path, size_t bytes_max, struct arena *arena)
{
    /* Opening a pipe that nobody writes to does not wait; reading waits for who does. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct text content = text_none;

    if (fd < 0)
        return content;
    if (fcntl(fd, F_SETFL, 0) == 0)
        content = read_all(fd, bytes_max, arena);
    int why = errno;

    close(fd);
    errno = why;
    return content;
}

bool file_write_all(int fd, struct text bytes)
{
    while (bytes.length > 0) {
        ssize_t written = write(fd, bytes.data, bytes.length);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes = text_from(bytes, (size_t)written);
    }
    return true;
}

bool file_make(const char *path, struct text content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool is_made = fd >= 0 && file_write_all(fd, content) && fsync(fd) == 0;
    int why = errno;

    if (fd >= 0)
        close(fd);
    errno = why;
    return is_made;
}

/* The directory that a file is in has its name on the disk. */
static bool parent_sync(const char *path)
{
    char *copy = strdup(path);

    if (!copy)
        abort();
    bool is_synced = directory_sync(dirname(copy));
    int why = errno;

    free(copy);
    errno = why;
    return is_synced;
}

bool file_replace(const char *path, struct text content)
{
    char *new_path;

    if (asprintf(&new_path, "%s.new", path) < 0)
        abort();
    unlink(new_path); /* of an attempt that was cut short */
    bool is_done = file_make(new_path, content) && rename(new_path, path) == 0 && parent_sync(path);
    int why = errno;

    if (!is_done)
        unlink(new_path);
    free(new_path);
    errno = why;
    return is_done;
}

bool directory_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return is_synced;
}

bool file_sync_by_windows(int fd, off_t window_bytes)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return false;
    for (off_t offset = 0; offset < status.st_size; offset += window_bytes) {
        bool is_written = sync_file_range(fd, offset, window_bytes,
                                          SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                              SYNC_FILE_RANGE_WAIT_AFTER) == 0;

        if (!is_written && errno != EINVAL && errno != ENOSYS && errno != ESPIPE)
            return false;
    }
    return fdatasync(fd) == 0; /* all of it, where a file system has no windows */
}
