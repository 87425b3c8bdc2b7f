#include "cli/file_content.h"

#include <errno.h>
#include <fcntl.h>
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
