#include "store/data_directory.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_TEXT_MAX = 32, LOCK_WAIT_MS = 500, LOCK_STEP_MS = 10, BELONGS_BYTES_MAX = 1024 };

static struct text inside(struct arena *arena, struct text path, const char *name)
{
    char *joined = arena_string(arena, arena_format(arena, "%.*s/%s", TEXT_FORMAT(path), name));

    return text_from_string(joined);
}

struct data_directory data_directory_at(struct arena *arena, struct text path)
{
    path = text_from_string(arena_string(arena, path));
    return (struct data_directory){
        .path = path,
        .database_path = inside(arena, path, "farthing.db"),
        .belongs_path = inside(arena, path, "database"),
        .secrets_path = inside(arena, path, "secrets"),
        .admin_socket_path = inside(arena, path, "admin.sock"),
        .command_socket_path = inside(arena, path, "command.sock"),
        .directory_fd = -1,
        .lock_fd = -1,
    };
}

/* Names that may lie in a directory that has no database yet: left by a start that did not come that far, and
 * the configuration and the secrets of another server, which may be there first. */
static bool is_ours_without_database(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "lock") == 0 ||
           strcmp(name, "admin.sock") == 0 || strcmp(name, "command.sock") == 0 ||
           strcmp(name, "database.new") == 0 || strcmp(name, "farthing.conf") == 0 ||
           strcmp(name, "secrets") == 0 || strcmp(name, "secrets.new") == 0;
}

const char *const data_directory_restoring_names[] = {
    RESTORING_DATABASE, RESTORING_DATABASE "-wal", RESTORING_DATABASE "-shm",
    RESTORING_SECRETS,  RESTORING_FETCHED,         NULL,
};

static bool is_of_restoring(const char *name)
{
    const char *const *known = data_directory_restoring_names;

    while (*known && strcmp(name, *known) != 0)
        known++;
    return *known;
}

enum data_directory_state data_directory_state(const struct data_directory *directory)
{
    struct stat status;

    if (stat(directory->database_path.data, &status) == 0)
        return S_ISREG(status.st_mode) ? DATA_DIRECTORY_READY : DATA_DIRECTORY_FOREIGN;
    if (stat(directory->belongs_path.data, &status) == 0 && S_ISREG(status.st_mode))
        return DATA_DIRECTORY_READY;
    DIR *listing = opendir(directory->path.data);

    if (!listing && errno == ENOENT)
        return DATA_DIRECTORY_EMPTY;
    if (!listing)
        return errno == ENOTDIR ? DATA_DIRECTORY_FOREIGN : DATA_DIRECTORY_CLOSED;
    enum data_directory_state state = DATA_DIRECTORY_EMPTY;

    for (const struct dirent *entry; state != DATA_DIRECTORY_FOREIGN && (entry = readdir(listing));)
        if (!is_ours_without_database(entry->d_name))
            state = is_of_restoring(entry->d_name) ? DATA_DIRECTORY_RESTORING : DATA_DIRECTORY_FOREIGN;
    closedir(listing);
    return state;
}

/* Takes the first line off the text; unset when it is empty. */
static struct text take_line(struct text *rest, struct arena *arena)
{
    size_t length = text_find(*rest, '\n');
    struct text line = text_slice(*rest, 0, length);

    *rest = text_from(*rest, length < rest->length ? length + 1 : length);
    return line.length > 0 ? arena_copy(arena, line) : text_none;
}

struct belonging data_directory_belongs_to(const struct data_directory *directory, struct arena *arena)
{
    char bytes[BELONGS_BYTES_MAX];
    struct belonging belonging;
    int fd = open(directory->belongs_path.data, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, bytes, sizeof bytes) : -1;

    if (fd >= 0)
        close(fd);
    struct text rest = {bytes, length > 0 ? (size_t)length : 0};

    belonging.name = take_line(&rest, arena);
    belonging.installation_id = take_line(&rest, arena);
    return belonging;
}

bool data_directory_belong(const struct data_directory *directory, struct belonging belonging,
                           struct arena *arena, struct text *reason)
{
    const char *path = directory->belongs_path.data;
    struct belonging before = data_directory_belongs_to(directory, arena);

    if (text_equal(before.name, belonging.name) &&
        text_equal(before.installation_id, belonging.installation_id))
        return true;
    if (file_replace(path, arena_format(arena, "%.*s\n%.*s\n", TEXT_FORMAT(belonging.name),
                                        TEXT_FORMAT(belonging.installation_id))))
        return true;
    *reason = arena_format(arena, "cannot write %s: %s", path, strerror(errno));
    return false;
}

/* Makes a new directory's name durable, so that a power cut cannot take the database away with it. */
static void sync_parent(const struct data_directory *directory, struct arena *arena)
{
    char *parent = arena_string(arena, inside(arena, directory->path, ".."));
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

static bool make_directory(const struct data_directory *directory, struct arena *arena, struct text *reason)
{
    if (mkdir(directory->path.data, 0700) == 0) {
        sync_parent(directory, arena);
        return true;
    }
    if (errno == EEXIST)
        return true;
    *reason =
        arena_format(arena, "cannot make the data directory %s: %s", directory->path.data,
                     errno == ENOENT ? "the directory that it is to be in does not exist" : strerror(errno));
    return false;
}

/* Who wrote their number into the lock file. */
static struct text holder_of(const char *lock_path, struct arena *arena)
{
    char pid[LOCK_TEXT_MAX];
    int fd = open(lock_path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? pread(fd, pid, sizeof pid, 0) : 0;

    if (fd >= 0)
        close(fd);
    while (length > 0 && (pid[length - 1] < '0' || pid[length - 1] > '9'))
        length--;
    return length > 0 ? arena_format(arena, "process %.*s", (int)length, pid) : TEXT("another process");
}

/* A command that only asks holds the lock for a moment: it is waited for. */
static bool lock_soon(int fd)
{
    const struct timespec step = {.tv_nsec = LOCK_STEP_MS * 1000000L};

    for (int waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited_ms += LOCK_STEP_MS) {
        if (errno != EWOULDBLOCK || waited_ms >= LOCK_WAIT_MS)
            return false;
        nanosleep(&step, NULL);
    }
    return true;
}

static bool refuse(const struct data_directory *directory, const char *path, struct arena *arena,
                   struct text *reason)
{
    if (errno == EWOULDBLOCK)
        *reason = arena_format(
            arena, "the data directory %s is in use by %.*s; stop it, or name another directory with --data",
            directory->path.data, TEXT_FORMAT(holder_of(inside(arena, directory->path, "lock").data, arena)));
    else
        *reason = arena_format(arena, "cannot lock %s: %s", path, strerror(errno));
    return false;
}

/* There are file systems that lock files only; there the file's lock has to do. */
static bool lock_itself(struct data_directory *directory, struct arena *arena, struct text *reason)
{
    const char *path = directory->path.data;

    directory->directory_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory->directory_fd < 0) {
        *reason = arena_format(arena, "cannot open %s: %s", path, strerror(errno));
        return false;
    }
    return lock_soon(directory->directory_fd) || errno != EWOULDBLOCK ||
           refuse(directory, path, arena, reason);
}

static bool lock_file(struct data_directory *directory, struct arena *arena, struct text *reason)
{
    const char *path = inside(arena, directory->path, "lock").data;

    directory->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (directory->lock_fd < 0) {
        *reason = arena_format(arena, "cannot open %s: %s", path, strerror(errno));
        return false;
    }
    return lock_soon(directory->lock_fd) || refuse(directory, path, arena, reason);
}

/* What root's commands make must stay open to the user that runs the server. */
static void leave_to_owner(const struct data_directory *directory)
{
    struct stat status;

    if (geteuid() == 0 && fstat(directory->directory_fd, &status) == 0 &&
        fchown(directory->lock_fd, status.st_uid, status.st_gid) != 0)
        errno = 0;
}

bool data_directory_lock(struct data_directory *directory, struct arena *arena, struct text *reason)
{
    char pid[LOCK_TEXT_MAX];

    if (!make_directory(directory, arena, reason))
        return false;
    if (!lock_itself(directory, arena, reason) || !lock_file(directory, arena, reason)) {
        data_directory_unlock(directory);
        return false;
    }
    leave_to_owner(directory);
    int length = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());

    /* The number is for people only; a lock that could not be described is still held. */
    if (ftruncate(directory->lock_fd, 0) != 0 || pwrite(directory->lock_fd, pid, (size_t)length, 0) != length)
        errno = 0;
    return true;
}

void data_directory_unlock(struct data_directory *directory)
{
    if (directory->lock_fd >= 0)
        close(directory->lock_fd);
    if (directory->directory_fd >= 0)
        close(directory->directory_fd);
    directory->directory_fd = directory->lock_fd = -1;
}

/* Shared, so that two who only ask do not mistake each other for a server. */
static bool is_locked(const char *path, int flags)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    bool is_taken = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;

    if (fd >= 0)
        close(fd);
    return is_taken;
}

bool data_directory_is_in_use(const struct data_directory *directory, struct arena *arena,
                              struct text *holder)
{
    const char *lock_path = inside(arena, directory->path, "lock").data;

    if (!is_locked(directory->path.data, O_DIRECTORY) && !is_locked(lock_path, 0))
        return false;
    *holder = holder_of(lock_path, arena);
    return true;
}
