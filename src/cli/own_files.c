#include "cli/own_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

const char *path_folder(struct text path, struct arena *arena)
{
    while (path.length > 0 && path.data[path.length - 1] != '/')
        path.length--;
    return path.length > 0 ? arena_string(arena, path) : ".";
}

/* By how it begins: the database has files beside it, and what is new is written beside what it replaces. */
static bool is_own_name(struct text name)
{
    static const char *const beginnings[] = {"farthing.db", "farthing.conf", "secrets",      "database",
                                             "lock",        "admin.sock",    "command.sock", "fetched.rest",
                                             "backup-",     "before-schema-"};

    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
        if (text_starts_with(name, text_from_string(beginnings[i])))
            return true;
    return false;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether a file that exists is there under a name of ours. */
static bool holds(const struct data_directory *directory, const struct stat *file)
{
    DIR *listing = opendir(directory->path.data);
    struct stat status;
    bool is_found = false;

    if (!listing)
        return false;
    for (const struct dirent *entry; !is_found && (entry = readdir(listing));)
        is_found = is_own_name(text_from_string(entry->d_name)) &&
                   fstatat(dirfd(listing), entry->d_name, &status, 0) == 0 && is_same(&status, file);
    closedir(listing);
    return is_found;
}

bool own_file_is(const struct data_directory *directory, struct text path, struct arena *arena)
{
    const char *folder_path = path_folder(path, arena);
    struct text name = text_from_string(arena_string(arena, path));
    struct stat file, folder, own;

    if (stat(name.data, &file) == 0 && holds(directory, &file))
        return true;
    while (text_find(name, '/') < name.length)
        name = text_from(name, text_find(name, '/') + 1);
    return is_own_name(name) && stat(folder_path, &folder) == 0 && stat(directory->path.data, &own) == 0 &&
           is_same(&folder, &own);
}
