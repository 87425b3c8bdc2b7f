#include "cli/roles_file.h"

#include "model/role.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* The file's bytes in the arena; unset, with errno, when they cannot be had. */
static struct text content_of(int fd, struct arena *arena)
{
    char *bytes = arena_allocate(arena, ROLES_FILE_BYTES_MAX);
    size_t length = 0;
    ssize_t got;

    while ((got = read(fd, bytes + length, ROLES_FILE_BYTES_MAX - length)) > 0)
        length += (size_t)got;
    if (length == ROLES_FILE_BYTES_MAX)
        errno = EFBIG;
    return got < 0 || length == ROLES_FILE_BYTES_MAX ? text_none : (struct text){bytes, length};
}

static bool read_file(struct text path, struct role_list *list, struct arena *arena, struct text *reason)
{
    int fd = open(arena_string(arena, path), O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct text content = fd >= 0 ? content_of(fd, arena) : text_none, complaint;
    int why = errno;

    if (fd >= 0)
        close(fd);
    if (!text_is_set(content))
        *reason = arena_format(arena, "the file of roles %.*s cannot be read: %s", TEXT_FORMAT(path),
                               strerror(why));
    else if (!roles_read(content, arena, list, &complaint))
        *reason = arena_format(arena, "%.*s:%.*s", TEXT_FORMAT(path), TEXT_FORMAT(complaint));
    else
        return true;
    return false;
}

bool roles_file_check(struct text path, struct arena *arena, struct text *reason)
{
    struct role_list list;

    return !text_is_set(path) || read_file(path, &list, arena, reason);
}

bool roles_file_use(struct text path, struct arena *arena, struct text *reason)
{
    struct role_list list;

    if (!text_is_set(path))
        return true;
    if (!read_file(path, &list, arena, reason))
        return false;
    roles_install(&list);
    return true;
}
