#include "cli/roles_file.h"

#include "base/file.h"
#include "model/role.h"

#include <errno.h>
#include <string.h>

static bool read_file(struct text path, struct role_list *list, struct arena *arena, struct text *reason)
{
    struct text content = file_content(arena_string(arena, path), ROLES_FILE_BYTES_MAX, arena), complaint;

    if (!text_is_set(content))
        *reason = arena_format(arena, "the file of roles %.*s cannot be read: %s", TEXT_FORMAT(path),
                               strerror(errno));
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
