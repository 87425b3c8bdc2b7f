/* doctor_data.c: the data directory, its permissions, its disk. */
#include "cli/backup_directory.h"
#include "cli/doctor.h"
#include "cli/instance.h"
#include "store/data_directory.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MEBIBYTE INT64_C(1048576)

static const int64_t free_bytes_min = 64 * MEBIBYTE; /* less than the log may take */
static const int64_t free_bytes_usual = 1024 * MEBIBYTE;
static const int64_t free_bytes_elsewhere =
    MEBIBYTE / 16; /* with the data on PostgreSQL: a few small files */

/* ---- the directory ---- */

/* The directory that `path` is in, or is to be made in. */
static const char *parent_of(struct text path, struct arena *arena)
{
    while (path.length > 1 && path.data[path.length - 1] == '/')
        path.length--;
    while (path.length > 0 && path.data[path.length - 1] != '/')
        path.length--;
    return path.length ? arena_string(arena, path) : ".";
}

static void check_absent(struct doctor *doctor, const struct data_directory *directory)
{
    struct text reason;
    const char *parent = parent_of(doctor->data, doctor->arena);
    bool may_be_made = access(parent, W_OK | X_OK) == 0;

    if (!doctor->is_elsewhere && embedded_is_lost(directory, doctor->arena, &reason))
        doctor_say(doctor, VERDICT_FAIL, "data directory", reason, text_none); /* which says what to do */
    else if (may_be_made && doctor->is_elsewhere)
        doctor_say(doctor, VERDICT_OK, "data directory",
                   arena_format(doctor->arena, "%.*s is ready for a first start", TEXT_FORMAT(doctor->data)),
                   text_none);
    else if (may_be_made)
        doctor_say(doctor, VERDICT_WARN, "data directory",
                   arena_format(doctor->arena, "there is no database in %.*s", TEXT_FORMAT(doctor->data)),
                   TEXT("`farthing init` or `farthing serve` makes one"));
    else
        doctor_say(doctor, VERDICT_FAIL, "data directory",
                   arena_format(doctor->arena, "%.*s cannot be made: %s: %s", TEXT_FORMAT(doctor->data),
                                parent, strerror(errno)),
                   TEXT("name another one with --data, or make it and give it to this user"));
}

static bool check_directory(struct doctor *doctor, const struct data_directory *directory)
{
    struct text path = directory->path, reason;
    struct stat status;

    if (!backup_is_left_alone(directory, doctor->arena, &reason)) {
        doctor_say(doctor, VERDICT_FAIL, "data directory", reason, text_none); /* which says what to do */
        return false;
    }
    switch (data_directory_state(directory)) {
    case DATA_DIRECTORY_EMPTY:
        if (stat(path.data, &status) == 0 && access(path.data, W_OK | X_OK) != 0)
            doctor_say(doctor, VERDICT_FAIL, "data directory",
                       arena_format(doctor->arena, "%s cannot be written: %s", path.data, strerror(errno)),
                       TEXT("give it to the user that runs the server"));
        else
            check_absent(doctor, directory);
        return false;
    case DATA_DIRECTORY_READY:
        doctor_say(doctor, VERDICT_OK, "data directory", path, text_none);
        return true;
    case DATA_DIRECTORY_RESTORING:
        doctor_say(doctor, VERDICT_FAIL, "data directory", restoring_reason(directory, doctor->arena),
                   text_none); /* which says what to do */
        return false;
    case DATA_DIRECTORY_FOREIGN:
        doctor_say(doctor, VERDICT_FAIL, "data directory",
                   arena_format(doctor->arena, "%s is not one of Farthing and is not empty", path.data),
                   TEXT("name another one with --data"));
        return false;
    case DATA_DIRECTORY_CLOSED:
        doctor_say(doctor, VERDICT_FAIL, "data directory",
                   arena_format(doctor->arena, "%s cannot be looked into: %s", path.data, strerror(errno)),
                   TEXT("run this as the user that runs the server"));
        return false;
    }
    return false;
}

/* ---- permissions ---- */

/* What makes a file that is closed to this process open to it. `error` is why it is closed. */
static struct text opening_advice(struct doctor *doctor, const char *path, const struct stat *status,
                                  mode_t mode_wanted, int error)
{
    if (error == EROFS)
        return TEXT("mount the file system for writing, or name another directory with --data");
    if (status->st_uid == geteuid())
        return arena_format(doctor->arena, "`chmod %03o %s`", (unsigned)mode_wanted, path);
    return TEXT("give it to the user that runs the server");
}

/* False, and said, when this user cannot use the file, or its owner could not: root may use any, and makes
 * files that are as closed. */
static bool check_open(struct doctor *doctor, const char *path, const struct stat *status, mode_t mode_wanted)
{
    unsigned mode = (unsigned)(status->st_mode & 0777);

    if (access(path, R_OK | W_OK) != 0) {
        int error = errno;

        doctor_say(doctor, VERDICT_FAIL, "permissions",
                   arena_format(doctor->arena, "%s cannot be read and written: %s (mode %03o)", path,
                                strerror(error), mode),
                   opening_advice(doctor, path, status, mode_wanted, error));
        return false;
    }
    if ((status->st_mode & mode_wanted) == mode_wanted)
        return true;
    doctor_say(doctor, VERDICT_WARN, "permissions",
               arena_format(doctor->arena, "%s is closed to its owner (mode %03o)", path, mode),
               arena_format(doctor->arena, "`chmod %03o %s`", (unsigned)mode_wanted, path));
    return false;
}

/* True when this user, and nobody else, may use the file. */
static bool check_access(struct doctor *doctor, const char *path, mode_t mode_wanted)
{
    struct stat status;
    bool is_right = true;

    if (stat(path, &status) != 0)
        return true;
    if (status.st_uid != geteuid()) {
        is_right = false;
        doctor_say(doctor, VERDICT_WARN, "permissions",
                   arena_format(doctor->arena, "%s belongs to user %u, this is user %u", path,
                                (unsigned)status.st_uid, (unsigned)geteuid()),
                   TEXT("run every command as the user that runs the server"));
    }
    if (status.st_mode & 077) {
        is_right = false;
        doctor_say(doctor, VERDICT_WARN, "permissions",
                   arena_format(doctor->arena, "other users have access to %s (mode %03o)", path,
                                (unsigned)(status.st_mode & 0777)),
                   arena_format(doctor->arena, "`chmod %03o %s`", (unsigned)mode_wanted, path));
    }
    return check_open(doctor, path, &status, mode_wanted) && is_right;
}

/* False when something keeps this user from opening the database. */
static bool check_permissions(struct doctor *doctor, const struct data_directory *directory)
{
    static const char *const files[] = {"farthing.db", "farthing.db-wal", "farthing.db-shm", "database",
                                        "lock",        "secrets"};
    unsigned fail_count = doctor->fail_count;
    bool is_right = check_access(doctor, directory->path.data, 0700);

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct text path = arena_format(doctor->arena, "%s/%s", directory->path.data, files[i]);

        if (!check_access(doctor, arena_string(doctor->arena, path), 0600))
            is_right = false;
    }
    if (is_right)
        doctor_say(doctor, VERDICT_OK, "permissions", TEXT("only this user has access"), text_none);
    return doctor->fail_count == fail_count;
}

/* ---- the disk ---- */

static void check_file_system(struct doctor *doctor, const char *path)
{
    struct statfs status;

    if (statfs(path, &status) != 0)
        return;
    switch ((uint32_t)status.f_type) {
    case NFS_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case CIFS_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
    case V9FS_MAGIC:
    case CEPH_SUPER_MAGIC:
        doctor_say(doctor, VERDICT_FAIL, "disk", TEXT("the data directory is on a network file system"),
                   TEXT("name a directory on a local disk with --data: locks and the log do not hold here"));
        break;
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
        doctor_say(doctor, VERDICT_WARN, "disk", TEXT("the data directory is in memory"),
                   TEXT("all of it is gone when the machine stops; name one on a disk with --data"));
        break;
    case OVERLAYFS_SUPER_MAGIC:
        doctor_say(doctor, VERDICT_WARN, "disk", TEXT("the data directory is in a container's own layer"),
                   TEXT("it goes away with the container; mount a volume and name it with --data"));
        break;
    }
}

static void check_disk(struct doctor *doctor, const char *path)
{
    struct statvfs status;

    if (statvfs(path, &status) != 0)
        return;
    int64_t free_bytes = (int64_t)status.f_bavail * (int64_t)status.f_frsize;
    struct text finding =
        arena_format(doctor->arena, "%.1f GiB free", (double)free_bytes / (1024.0 * (double)MEBIBYTE));
    struct text advice =
        doctor->is_elsewhere
            ? TEXT("make room: the lock, the admin socket and logs are here, the data is not")
            : TEXT("make room: without it writes are refused, reads go on");
    int64_t usual_bytes = doctor->is_elsewhere ? free_bytes_min : free_bytes_usual;
    int64_t min_bytes = doctor->is_elsewhere ? free_bytes_elsewhere : free_bytes_min;

    if (!doctor->is_elsewhere)
        check_file_system(doctor, path);
    if (status.f_flag & ST_RDONLY)
        doctor_say(doctor, VERDICT_FAIL, "disk", TEXT("the file system is read-only"),
                   TEXT("mount it for writing, or name another directory with --data"));
    else if (status.f_files > 0 && status.f_favail == 0)
        doctor_say(doctor, VERDICT_FAIL, "disk", TEXT("no file can be made: there is no free inode"), advice);
    else if (free_bytes < usual_bytes)
        doctor_say(doctor, free_bytes < min_bytes ? VERDICT_FAIL : VERDICT_WARN, "disk", finding, advice);
    else
        doctor_say(doctor, VERDICT_OK, "disk", finding, text_none);
}

void doctor_check_data(struct doctor *doctor)
{
    struct data_directory directory = data_directory_at(doctor->arena, doctor->data);
    struct stat status;
    bool is_open = true;

    doctor->has_database = check_directory(doctor, &directory);
    if (stat(directory.path.data, &status) == 0)
        check_disk(doctor, directory.path.data);
    else
        check_disk(doctor, parent_of(doctor->data, doctor->arena));
    if (doctor->has_database)
        is_open = check_permissions(doctor, &directory);
    doctor_check_database(doctor, &directory, is_open);
}
