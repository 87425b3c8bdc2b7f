/* directory.c: objects as files below a directory. One is written in .unfinished/ of the same directory,
 * where its name is not an object's, and moved to its name when it is on the disk. */
#include "archive/destination_internal.h"
#include "base/buffer.h"
#include "base/hash.h"
#include "base/random.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNFINISHED ".unfinished"

enum {
    DIRECTORY_MODE = 0700,
    FILE_MODE = 0600,
    RANDOM_BYTES = 8,
    RANDOM_NAME_LENGTH = 2 * RANDOM_BYTES,
};

struct directory {
    struct destination common;
    int root;       /* descriptors */
    int unfinished; /* -1 before the first put */
};

static struct directory *directory_of(struct destination *destination)
{
    return (struct directory *)destination;
}

static int open_directory(int parent, const char *name)
{
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Keeps errno. */
static void close_quietly(int fd)
{
    int error = errno;

    close(fd);
    errno = error;
}

/* ---- bytes ---- */

/* All bytes of one file to another; their number goes to *bytes. */
static bool copy(struct destination *destination, int from, int to, uint64_t *bytes,
                 struct destination_failure *failure)
{
    ssize_t length;

    *bytes = 0;
    while ((length = read(from, destination->block, DESTINATION_BLOCK_BYTES)) != 0) {
        if (destination_is_stopped(destination))
            return destination_fail_stopped(failure);
        if (length < 0)
            return destination_fail_errno(failure, "reading", errno);
        if (!destination_write_all(to, destination->block, (size_t)length))
            return destination_fail_errno(failure, "writing", errno);
        *bytes += (uint64_t)length;
    }
    return true;
}

/* ---- unfinished files ---- */

/* Removes what a process left that ended before its object was whole: nobody has it locked. */
static void remove_abandoned(int unfinished)
{
    int fd = open_directory(unfinished, ".");
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (!directory) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((entry = readdir(directory))) {
        int file = entry->d_name[0] != '.' ? openat(unfinished, entry->d_name, O_RDONLY | O_CLOEXEC) : -1;

        if (file < 0)
            continue;
        if (flock(file, LOCK_EX | LOCK_NB) == 0)
            unlinkat(unfinished, entry->d_name, 0);
        close(file);
    }
    closedir(directory);
}

static bool have_unfinished(struct directory *directory, struct destination_failure *failure)
{
    if (directory->unfinished >= 0)
        return true;
    if (mkdirat(directory->root, UNFINISHED, DIRECTORY_MODE) != 0 && errno != EEXIST)
        return destination_fail_errno(failure, UNFINISHED, errno);
    directory->unfinished = open_directory(directory->root, UNFINISHED);
    if (directory->unfinished < 0)
        return destination_fail_errno(failure, UNFINISHED, errno);
    remove_abandoned(directory->unfinished);
    return true;
}

/* A new file that is locked as long as it is open. */
static int make_unfinished(int unfinished, char name[RANDOM_NAME_LENGTH + 1])
{
    uint8_t bytes[RANDOM_BYTES];

    random_bytes(bytes, sizeof bytes);
    hex_encode(bytes, sizeof bytes, name);
    name[RANDOM_NAME_LENGTH] = '\0';
    int fd = openat(unfinished, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);

    if (fd >= 0)
        flock(fd, LOCK_EX | LOCK_NB);
    return fd;
}

/* The same, also when somebody has removed the directory that was open. -1: the failure is noted. */
static int begin_unfinished(struct directory *directory, char name[RANDOM_NAME_LENGTH + 1],
                            struct destination_failure *failure)
{
    if (!have_unfinished(directory, failure))
        return -1;
    int fd = make_unfinished(directory->unfinished, name);

    if (fd < 0 && errno == ENOENT) {
        close(directory->unfinished);
        directory->unfinished = -1;
        if (!have_unfinished(directory, failure))
            return -1;
        fd = make_unfinished(directory->unfinished, name);
    }
    if (fd < 0)
        destination_fail_errno(failure, "making a file in " UNFINISHED, errno);
    return fd;
}

/* ---- put ---- */

/* Opens the directory of an object's file, made and on the disk up to the root. -1 with errno. The path loses
 * its slashes; *base is its last part. */
static int make_parents(int root, char *path, char **base)
{
    int parent = fcntl(root, F_DUPFD_CLOEXEC, 0);
    char *slash;

    while (parent >= 0 && (slash = strchr(path, '/'))) {
        *slash = '\0';
        bool is_there = (mkdirat(parent, path, DIRECTORY_MODE) == 0 || errno == EEXIST) && fsync(parent) == 0;
        int child = is_there ? open_directory(parent, path) : -1;

        close_quietly(parent);
        parent = child;
        path = slash + 1;
    }
    *base = path;
    return parent;
}

static bool give_name(struct directory *directory, const char *unfinished_name, struct text name,
                      struct destination_failure *failure)
{
    char path[DESTINATION_NAME_BYTES_MAX + 1], *base;

    snprintf(path, sizeof path, "%.*s", TEXT_FORMAT(name));
    int parent = make_parents(directory->root, path, &base);

    if (parent < 0)
        return destination_fail_errno(failure, "making its directory", errno);
    bool is_named = renameat(directory->unfinished, unfinished_name, parent, base) == 0 && fsync(parent) == 0;

    close_quietly(parent);
    if (is_named)
        return true;
    /* Gone is an unfinished file that another process found before it was locked. */
    return errno == ENOENT ? destination_fail(failure, DESTINATION_TRANSIENT, "its unfinished file is gone")
                           : destination_fail_errno(failure, "giving it its name", errno);
}

static bool fill(struct destination *destination, struct local_file file, int unfinished,
                 struct destination_failure *failure)
{
    uint64_t bytes;

    if (!copy(destination, file.fd, unfinished, &bytes, failure))
        return false;
    if (bytes != file.bytes)
        return destination_fail(failure, DESTINATION_TRANSIENT, "the file changed while it was read");
    return fsync(unfinished) == 0 || destination_fail_errno(failure, "writing", errno);
}

static bool put(struct destination *destination, struct text name, struct local_file file,
                struct destination_failure *failure)
{
    struct directory *directory = directory_of(destination);
    char unfinished_name[RANDOM_NAME_LENGTH + 1];

    int unfinished = begin_unfinished(directory, unfinished_name, failure);

    if (unfinished < 0)
        return false;
    bool is_stored =
        fill(destination, file, unfinished, failure) && give_name(directory, unfinished_name, name, failure);

    if (!is_stored)
        unlinkat(directory->unfinished, unfinished_name, 0);
    close(unfinished);
    return is_stored;
}

/* ---- get and remove ---- */

static bool is_missing(int error)
{
    return error == ENOENT || error == ENOTDIR;
}

static int open_object(int root, struct text name)
{
    char path[DESTINATION_NAME_BYTES_MAX + 1];

    snprintf(path, sizeof path, "%.*s", TEXT_FORMAT(name));
    return openat(root, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static bool get(struct destination *destination, struct text name, struct local_file file,
                struct destination_failure *failure)
{
    int object = open_object(directory_of(destination)->root, name);
    struct stat status;
    uint64_t bytes;

    if (object < 0 && is_missing(errno))
        return destination_fail(failure, DESTINATION_NO_OBJECT, "there is no such object");
    if (object < 0)
        return destination_fail_errno(failure, "opening it", errno);
    bool is_fetched = fstat(object, &status) == 0 && S_ISREG(status.st_mode)
                          ? copy(destination, object, file.fd, &bytes, failure)
                          : destination_fail(failure, DESTINATION_NO_OBJECT, "it is no plain file");

    close(object);
    return is_fetched;
}

static bool remove_object(struct destination *destination, struct text name,
                          struct destination_failure *failure)
{
    char path[DESTINATION_NAME_BYTES_MAX + 1];
    int root = directory_of(destination)->root;

    snprintf(path, sizeof path, "%.*s", TEXT_FORMAT(name));
    if (unlinkat(root, path, 0) != 0)
        return is_missing(errno) || destination_fail_errno(failure, "removing it", errno);
    int parent = open_directory(root, dirname(path));

    if (parent < 0)
        return destination_fail_errno(failure, "opening its directory", errno);
    bool is_synced = fsync(parent) == 0 || destination_fail_errno(failure, "writing its directory", errno);

    close(parent);
    return is_synced;
}

/* ---- list ---- */

struct entry {
    char *name; /* of a directory with a slash behind, which is where its files come in the order of whole
                   names */
    uint64_t bytes;
};

struct entries {
    struct entry *items;
    size_t count, capacity;
};

static void entries_add(struct entries *entries, const char *name, bool is_directory, uint64_t bytes)
{
    struct entry entry = {.bytes = bytes};

    if (entries->count == entries->capacity) {
        entries->capacity = entries->capacity ? 2 * entries->capacity : 64;
        entries->items = reallocarray(entries->items, entries->capacity, sizeof entry);
    }
    if (!entries->items || asprintf(&entry.name, "%s%s", name, is_directory ? "/" : "") < 0)
        abort();
    entries->items[entries->count++] = entry;
}

static void entries_free(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        free(entries->items[i].name);
    free(entries->items);
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

struct walk {
    struct destination *destination;
    struct text prefix;
    destination_visit *visit;
    void *context;
    struct buffer path; /* of the current directory, from the root, with a slash behind; empty: the root */
    bool is_ended;      /* by the visitor */
};

static bool note_entry(struct walk *walk, int fd, const char *name, struct entries *entries)
{
    struct stat status;
    struct text text = text_from_string(name);

    if (!destination_is_name(text))
        return true;
    if (fstatat(fd, name, &status, 0) != 0)
        return errno == ENOENT; /* removed meanwhile */
    size_t length = walk->path.length;

    buffer_append(&walk->path, text);
    struct text path = buffer_text(&walk->path);
    bool is_directory = S_ISDIR(status.st_mode), begins = text_starts_with(path, walk->prefix);

    if ((is_directory && (begins || text_starts_with(walk->prefix, path))) ||
        (S_ISREG(status.st_mode) && begins && destination_is_name(path)))
        entries_add(entries, name, is_directory, (uint64_t)status.st_size);
    walk->path.length = length;
    return true;
}

/* Takes over fd. */
static bool read_entries(struct walk *walk, int fd, struct entries *entries)
{
    DIR *directory = fdopendir(fd);
    struct dirent *entry;

    if (!directory) {
        close_quietly(fd);
        return false;
    }
    errno = 0;
    while ((entry = readdir(directory)) && note_entry(walk, fd, entry->d_name, entries))
        errno = 0;
    int error = errno;

    closedir(directory);
    errno = error;
    return !error;
}

static bool walk_directory(struct walk *walk, struct destination_failure *failure);

static bool walk_entry(struct walk *walk, const struct entry *entry, struct destination_failure *failure)
{
    size_t length = walk->path.length;
    bool is_walked = true;

    buffer_append(&walk->path, text_from_string(entry->name));
    if (text_ends_with(buffer_text(&walk->path), TEXT("/")))
        is_walked = walk_directory(walk, failure);
    else
        walk->is_ended = !walk->visit(walk->context, buffer_text(&walk->path), entry->bytes);
    walk->path.length = length;
    return is_walked;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the names have parts. */
static bool walk_directory(struct walk *walk, struct destination_failure *failure)
{
    struct entries entries = {0};
    char path[DESTINATION_NAME_BYTES_MAX + 2];

    snprintf(path, sizeof path, "%.*s.", TEXT_FORMAT(buffer_text(&walk->path)));
    int fd = open_directory(directory_of(walk->destination)->root, path);
    bool is_walked = fd >= 0 ? read_entries(walk, fd, &entries) : errno == ENOENT && walk->path.length > 0;

    if (!is_walked)
        destination_fail_errno(failure, "reading a directory", errno);
    if (entries.count)
        qsort(entries.items, entries.count, sizeof *entries.items, compare_entries);
    for (size_t i = 0; is_walked && !walk->is_ended && i < entries.count; i++)
        is_walked = destination_is_stopped(walk->destination) ? destination_fail_stopped(failure)
                                                              : walk_entry(walk, &entries.items[i], failure);
    entries_free(&entries);
    return is_walked;
}

static bool list(struct destination *destination, struct text prefix, destination_visit *visit, void *context,
                 struct destination_failure *failure)
{
    struct walk walk = {.destination = destination, .prefix = prefix, .visit = visit, .context = context};
    bool is_walked = walk_directory(&walk, failure);

    buffer_free(&walk.path);
    return is_walked;
}

/* ---- opening ---- */

static void close_directory(struct destination *destination)
{
    struct directory *directory = directory_of(destination);

    close(directory->root);
    if (directory->unfinished >= 0)
        close(directory->unfinished);
}

static const struct destination_kind directory_kind = {
    .put = put,
    .get = get,
    .list = list,
    .remove = remove_object,
    .close = close_directory,
};

/* Makes it if it is not there, its name on the disk. */
static bool make_directory(const char *path, struct arena *arena)
{
    if (mkdir(path, DIRECTORY_MODE) != 0)
        return errno == EEXIST;
    int parent = open_directory(AT_FDCWD, dirname(arena_string(arena, text_from_string(path))));
    bool is_synced = parent >= 0 && fsync(parent) == 0;

    if (parent >= 0)
        close_quietly(parent);
    return is_synced;
}

struct destination *directory_destination_open(const struct destination_options *options, struct arena *arena,
                                               struct text *reason)
{
    const char *path = arena_string(arena, options->location);
    int root = -1;

    if (options->is_read_only || make_directory(path, arena))
        root = open_directory(AT_FDCWD, path);
    if (root < 0 || faccessat(root, ".", R_OK | X_OK | (options->is_read_only ? 0 : W_OK), AT_EACCESS) != 0) {
        *reason = arena_format(arena, "cannot use the directory %s: %s", path, strerror(errno));
        if (root >= 0)
            close(root);
        return NULL;
    }
    struct directory *directory =
        (struct directory *)destination_new(sizeof *directory, &directory_kind, options);

    directory->common.place = arena_copy(&directory->common.arena, options->location);
    directory->root = root;
    directory->unfinished = -1;
    return &directory->common;
}
