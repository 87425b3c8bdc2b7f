#include "store/database_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const suffixes[DATABASE_FILE_COUNT] = {"", "-wal", "-shm"};

/* ---- before they are opened ---- */

static bool refuse(const char *path, const char *what, struct arena *arena, struct text *reason)
{
    int error = errno;
    struct stat status;

    if (stat(path, &status) == 0 && error == EACCES)
        *reason = arena_format(arena, "%s cannot be %s: %s (mode %04o, of user %u; this is user %u)", path,
                               what, strerror(error), (unsigned)(status.st_mode & 07777),
                               (unsigned)status.st_uid, (unsigned)geteuid());
    else
        *reason = arena_format(arena, "%s cannot be %s: %s", path, what, strerror(error));
    return false;
}

static const char *directory_of(struct text path, struct arena *arena)
{
    size_t length = path.length;

    while (length > 0 && path.data[length - 1] != '/')
        length--;
    while (length > 1 && path.data[length - 1] == '/')
        length--;
    return length > 0 ? arena_string(arena, text_slice(path, 0, length)) : ".";
}

bool database_files_check(struct text database_path, struct arena *arena, struct text *reason)
{
    for (size_t i = 0; i < DATABASE_FILE_COUNT; i++) {
        char *path =
            arena_string(arena, arena_format(arena, "%.*s%s", TEXT_FORMAT(database_path), suffixes[i]));

        if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) != 0 && errno != ENOENT)
            return refuse(path, "read and written", arena, reason);
    }
    const char *directory = directory_of(database_path, arena);

    /* The log and its index come and go with every use. */
    if (faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) != 0)
        return refuse(directory, "written", arena, reason);
    return true;
}

/* ---- while they are open ---- */

void database_files_remember(struct database_files *files, struct text database_path)
{
    for (size_t i = 0; i < DATABASE_FILE_COUNT; i++) {
        struct database_file *file = &files->files[i];
        size_t size = database_path.length + strlen(suffixes[i]) + 1;
        struct stat status;

        *file = (struct database_file){.path = malloc(size)};
        if (!file->path)
            abort();
        memcpy(file->path, database_path.data, database_path.length);
        memcpy(file->path + database_path.length, suffixes[i], strlen(suffixes[i]) + 1);
        if (stat(file->path, &status) != 0)
            continue;
        file->is_known = true;
        file->device = status.st_dev;
        file->inode = status.st_ino;
    }
}

enum database_files_state database_files_look(const struct database_files *files, const char **path)
{
    enum database_files_state state = DATABASE_FILES_THERE;

    for (size_t i = 0; i < DATABASE_FILE_COUNT; i++) {
        const struct database_file *file = &files->files[i];
        struct stat status;
        bool is_found = stat(file->path, &status) == 0;

        if (!file->is_known || (!is_found && errno != ENOENT && errno != ENOTDIR))
            continue;
        if (is_found && status.st_dev == file->device && status.st_ino == file->inode)
            continue;
        *path = file->path;
        if (i == 0 || is_found)
            return DATABASE_FILES_LOST;
        state = DATABASE_FILES_LOG_GONE;
    }
    return state;
}

void database_files_free(struct database_files *files)
{
    for (size_t i = 0; i < DATABASE_FILE_COUNT; i++)
        free(files->files[i].path);
}
