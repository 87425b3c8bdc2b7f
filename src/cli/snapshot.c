#include "cli/snapshot.h"

#include "base/file.h"
#include "base/instant.h"
#include "base/log.h"
#include "cli/database_copy.h"
#include "cli/systemd.h"
#include "store/schema.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define PREFIX       "before-schema-"
#define PREFIX_ASIDE "replaced-"
#define PATIENCE     "EXTEND_TIMEOUT_USEC=3600000000" /* an hour */

enum {
    SECRETS_BYTES_MAX = 1024 * 1024,
    NAME_TIME_BYTES = 32,
    TELL_US = 5 * 1000 * 1000,
    MEGABYTE = 1000 * 1000
};

/* ---- those that there are ---- */

static int newest_first(const void *left, const void *right)
{
    const struct snapshot *a = left, *b = right;

    return a->manifest.finished_at < b->manifest.finished_at   ? 1
           : a->manifest.finished_at > b->manifest.finished_at ? -1
                                                               : 0;
}

static bool begins_with(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* The directories of snapshots, finished or not, and what was put aside as well if wanted; *count is how
 * many.
 */
static struct backup_directory *list(const struct data_directory *directory, bool with_aside,
                                     struct arena *arena, size_t *count)
{
    size_t capacity = 8;
    struct backup_directory *found = ARENA_ARRAY(arena, struct backup_directory, capacity);
    DIR *listing = opendir(directory->path.data);

    *count = 0;
    for (const struct dirent *entry; listing && (entry = readdir(listing));) {
        if (!begins_with(entry->d_name, PREFIX) && !(with_aside && begins_with(entry->d_name, PREFIX_ASIDE)))
            continue;
        if (*count == capacity) {
            struct backup_directory *more = ARENA_ARRAY(arena, struct backup_directory, capacity * 2);

            memcpy(more, found, capacity * sizeof *found);
            found = more;
            capacity *= 2;
        }
        found[(*count)++] = backup_directory_at(
            arena, arena_format(arena, "%.*s/%s", TEXT_FORMAT(directory->path), entry->d_name));
    }
    if (listing)
        closedir(listing);
    return found;
}

static struct snapshot *find(const struct data_directory *directory, bool with_aside, struct arena *arena,
                             size_t *count)
{
    size_t listed;
    const struct backup_directory *entries = list(directory, with_aside, arena, &listed);
    struct snapshot *snapshots = ARENA_ARRAY(arena, struct snapshot, listed + 1);
    struct text reason;

    *count = 0;
    for (size_t i = 0; i < listed; i++) {
        struct snapshot *snapshot = &snapshots[*count];

        snapshot->directory = entries[i];
        *count += backup_manifest_read(&entries[i], &snapshot->manifest, arena, &reason);
    }
    qsort(snapshots, *count, sizeof *snapshots, newest_first);
    return snapshots;
}

struct snapshot *snapshots_find(const struct data_directory *directory, struct arena *arena, size_t *count)
{
    return find(directory, true, arena, count);
}

/* What becomes the manifest when all of it is on the disk. */
static const char *new_manifest_path(const struct backup_directory *directory, struct arena *arena)
{
    return arena_string(arena, arena_format(arena, "%s.new", directory->manifest_path));
}

static void remove_directory(const struct backup_directory *directory, struct arena *arena)
{
    unlink(directory->manifest_path); /* first: from here on it is none */
    unlink(new_manifest_path(directory, arena));
    unlink(directory->secrets_path);
    unlink(directory->database_path);
    rmdir(directory->path);
}

/* Those that a process did not come to the end of. */
static void remove_unfinished(const struct data_directory *directory, struct arena *arena)
{
    size_t count;
    const struct backup_directory *found = list(directory, false, arena, &count);

    for (size_t i = 0; i < count; i++)
        if (access(found[i].manifest_path, F_OK) != 0 && errno == ENOENT)
            remove_directory(&found[i], arena);
}

static void remove_old(const struct data_directory *directory, struct arena *arena)
{
    size_t count;
    const struct snapshot *snapshots = find(directory, false, arena, &count);

    for (size_t i = SNAPSHOTS_KEPT; i < count; i++) {
        LOG_INFO("old snapshot removed", LOG_STRING("directory", snapshots[i].directory.path));
        remove_directory(&snapshots[i].directory, arena);
    }
}

/* ---- making one ---- */

struct taking {
    const struct data_directory *source;
    struct arena *arena;
    int version;        /* of the schema, before */
    int from;           /* the database */
    struct stat status; /* the same */
    struct backup_directory directory;
    struct backup_manifest manifest;
    int64_t told_us;
    char sha256[SHA256_HEX_LENGTH];
    struct text *reason;
};

static bool refuse(struct taking *taking, const char *path)
{
    *taking->reason = arena_format(
        taking->arena, "cannot make the snapshot before the schema changes: %s: %s", path, strerror(errno));
    return false;
}

/* Whether it is of just this database: no byte of the file has changed since. */
static bool is_of_now(const struct snapshot *snapshot, const struct taking *taking)
{
    struct stat status;

    return snapshot->manifest.schema_version == taking->version &&
           stat(snapshot->directory.database_path, &status) == 0 &&
           status.st_size == taking->status.st_size &&
           status.st_mtim.tv_sec == taking->status.st_mtim.tv_sec &&
           status.st_mtim.tv_nsec == taking->status.st_mtim.tv_nsec;
}

static bool is_there_already(const struct taking *taking)
{
    size_t count;
    const struct snapshot *snapshots = find(taking->source, false, taking->arena, &count);

    for (size_t i = 0; i < count; i++)
        if (is_of_now(&snapshots[i], taking)) {
            LOG_INFO("the snapshot before the schema changes is there",
                     LOG_STRING("directory", snapshots[i].directory.path));
            return true;
        }
    return false;
}

static void tell(void *context, int64_t bytes)
{
    struct taking *taking = context;
    int64_t now_us = monotonic_now_us();

    if (now_us - taking->told_us < TELL_US)
        return;
    taking->told_us = now_us;
    LOG_INFO("snapshot under way", LOG_INTEGER("bytes", bytes),
             LOG_INTEGER("bytes_total", taking->status.st_size));
}

static bool has_room(struct taking *taking)
{
    int64_t needed, available;

    snapshot_room(taking->source, &needed, &available);
    if (available >= needed + SNAPSHOT_BYTES_LEFT_MIN)
        return true;
    *taking->reason = arena_format(
        taking->arena,
        "the schema changes from %d to %d, and there is no room for the snapshot before that: it takes "
        "%.1f MB in %.*s, where %.1f MB are free; make room, or make a backup elsewhere and run `farthing "
        "migrate --without-snapshot`",
        taking->version, store_schema_version(taking->source->database_path), (double)needed / MEGABYTE,
        TEXT_FORMAT(taking->source->path), (double)available / MEGABYTE);
    return false;
}

/* The server's also when root's command makes it; others may give nothing away. */
static bool keep_owner(const struct taking *taking, int to)
{
    return geteuid() != 0 || fchown(to, taking->status.st_uid, taking->status.st_gid) == 0;
}

/* File systems that can share blocks do: the copy then takes no room and no time but for its hash. */
static bool copy(struct taking *taking, int to)
{
    struct timespec times[2] = {taking->status.st_atim, taking->status.st_mtim};
    bool is_shared = ioctl(to, FICLONE, taking->from) == 0;

    if (!is_shared && !has_room(taking))
        return false;
    LOG_INFO("snapshot before the schema changes", LOG_STRING("directory", taking->directory.path),
             LOG_INTEGER("bytes", taking->status.st_size));
    bool is_copied = database_copy(taking->from, is_shared ? -1 : to, tell, taking, taking->sha256) &&
                     keep_owner(taking, to) && futimens(to, times) == 0 && fsync(to) == 0;

    return is_copied || refuse(taking, taking->directory.database_path);
}

static bool copy_database(struct taking *taking)
{
    int to = open(taking->directory.database_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (to < 0)
        return refuse(taking, taking->directory.database_path);
    bool is_copied = copy(taking, to);

    close(to);
    return is_copied;
}

static bool copy_secrets(struct taking *taking)
{
    struct text content = file_content(taking->source->secrets_path.data, SECRETS_BYTES_MAX, taking->arena);

    taking->manifest.has_secrets = text_is_set(content);
    if (!text_is_set(content))
        return errno == ENOENT || refuse(taking, taking->source->secrets_path.data);
    return file_make(taking->directory.secrets_path, content) ||
           refuse(taking, taking->directory.secrets_path);
}

/* What root's command makes is the server's. */
static bool leave_to_owner(struct taking *taking, const char *manifest_path)
{
    const char *const paths[] = {taking->directory.path, taking->directory.secrets_path, manifest_path};

    for (unsigned i = 0; i < sizeof paths / sizeof paths[0] && geteuid() == 0; i++)
        if (chown(paths[i], taking->status.st_uid, taking->status.st_gid) != 0 && errno != ENOENT)
            return refuse(taking, paths[i]);
    return true;
}

static bool write_manifest(struct taking *taking)
{
    const char *new_path = new_manifest_path(&taking->directory, taking->arena);

    taking->manifest.version = TEXT(FARTHING_VERSION);
    taking->manifest.schema_version = taking->version;
    taking->manifest.finished_at = instant_now_us();
    taking->manifest.bytes = taking->status.st_size;
    taking->manifest.sha256 = (struct text){taking->sha256, sizeof taking->sha256};
    struct text json = backup_manifest_json(&taking->manifest, taking->arena);

    if (!file_make(new_path, json))
        return refuse(taking, new_path);
    if (!leave_to_owner(taking, new_path))
        return false;
    return (directory_sync(taking->directory.path) &&
            rename(new_path, taking->directory.manifest_path) == 0 &&
            directory_sync(taking->directory.path) && directory_sync(taking->source->path.data)) ||
           refuse(taking, taking->directory.manifest_path);
}

static struct text name_of(const struct taking *taking)
{
    time_t now = (time_t)(instant_now_us() / MICROSECONDS_PER_SECOND);
    char time[NAME_TIME_BYTES];
    struct tm parts;

    strftime(time, sizeof time, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &parts));
    return arena_format(taking->arena, "%.*s/" PREFIX "%d-%s", TEXT_FORMAT(taking->source->path),
                        store_schema_version(taking->source->database_path), time);
}

static bool make(struct taking *taking)
{
    remove_unfinished(taking->source, taking->arena);
    taking->directory = backup_directory_at(taking->arena, name_of(taking));
    if (mkdir(taking->directory.path, 0700) != 0)
        return refuse(taking, taking->directory.path);
    if (copy_database(taking) && copy_secrets(taking) && write_manifest(taking)) {
        remove_old(taking->source, taking->arena);
        return true;
    }
    remove_directory(&taking->directory, taking->arena);
    return false;
}

static bool take(struct taking *taking)
{
    taking->from = open(taking->source->database_path.data, O_RDONLY | O_CLOEXEC);
    if (taking->from < 0)
        return refuse(taking, taking->source->database_path.data);
    bool is_taken = fstat(taking->from, &taking->status) == 0
                        ? is_there_already(taking) || make(taking)
                        : refuse(taking, taking->source->database_path.data);

    close(taking->from);
    return is_taken;
}

bool snapshot_before_migration(const struct data_directory *directory, struct arena *arena,
                               struct text *reason)
{
    struct taking taking = {.source = directory, .arena = arena, .reason = reason};
    struct store_facts facts;
    struct text trouble;

    if (access(directory->database_path.data, F_OK) != 0 ||
        !store_inspect(directory->database_path, false, &facts, arena, &trouble) ||
        facts.schema_version == 0 || facts.schema_version >= store_schema_version(directory->database_path))
        return true;
    /* A service manager waits so long for it and the migration: to be ended amid them would be no help. */
    systemd_notify(PATIENCE);
    taking.version = facts.schema_version;
    taking.told_us = monotonic_now_us();
    return store_settle(directory->database_path, arena, reason) && take(&taking);
}

/* ---- room ---- */

void snapshot_room(const struct data_directory *directory, int64_t *needed_bytes, int64_t *free_bytes)
{
    struct stat file;
    struct statvfs disk;

    *needed_bytes = stat(directory->database_path.data, &file) == 0 ? file.st_size : 0;
    *free_bytes = statvfs(directory->path.data, &disk) == 0 ? (int64_t)disk.f_bavail * (int64_t)disk.f_frsize
                                                            : INT64_MAX;
}
