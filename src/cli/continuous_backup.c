#include "cli/continuous_backup.h"
#include "cli/command.h"

#include "archive/rebuild.h"
#include "cli/progress.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEGABYTE              INT64_C(1000000)
#define MICROSECONDS_PER_HOUR (INT64_C(3600) * 1000000)

static struct destination_options destination_of(const struct settings *settings, struct text place)
{
    return (struct destination_options){
        .location = place,
        .s3_endpoint = settings_text(settings, "backup-s3-endpoint"),
        .s3_region = settings_text(settings, "backup-s3-region"),
        .s3_access_key_id = settings_text(settings, "backup-s3-access-key-id"),
        .s3_secret_access_key = settings_text(settings, "backup-s3-secret-access-key"),
        .ca_file = settings_text(settings, "backup-s3-ca-file"),
    };
}

static bool is_s3(struct text place)
{
    return text_starts_with(place, TEXT("s3://"));
}

/* What a bucket needs that a directory does not, by the names that the operator knows. */
static bool has_what_s3_needs(const struct settings *settings, struct text place, struct text *reason)
{
    if (!is_s3(place))
        return true;
    if (!text_is_set(settings_text(settings, "backup-s3-endpoint")) &&
        !text_is_set(settings_text(settings, "backup-s3-region")))
        *reason =
            TEXT("an s3:// place needs backup-s3-region, for Amazon's S3, or backup-s3-endpoint, for another "
                 "service");
    else if (!text_is_set(settings_text(settings, "backup-s3-access-key-id")) ||
             !text_is_set(settings_text(settings, "backup-s3-secret-access-key")))
        *reason = TEXT("an s3:// place needs backup-s3-access-key-id and backup-s3-secret-access-key (or "
                       "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment)");
    else
        return true;
    return false;
}

/* ---- while a server runs ---- */

/* The directory's path as it is found from anywhere; what is not there yet is below what is. */
static struct text whole_path(struct text path, struct arena *arena)
{
    char whole[PATH_MAX];
    struct text parent = path;

    if (realpath(arena_string(arena, path), whole))
        return arena_copy(arena, text_from_string(whole));
    while (parent.length > 0 && parent.data[parent.length - 1] != '/')
        parent.length--;
    struct text name = text_from(path, parent.length);

    if (!realpath(parent.length > 0 ? arena_string(arena, parent) : ".", whole))
        return path;
    return arena_format(arena, "%s/%.*s", whole, TEXT_FORMAT(name));
}

static bool is_inside(struct text path, struct text directory, struct arena *arena)
{
    struct text outer = whole_path(directory, arena);

    return text_equal(path, outer) ||
           text_starts_with(path, arena_format(arena, "%.*s/", TEXT_FORMAT(outer)));
}

/* What is known by its files to be for something else. */
static bool is_something_else(struct text place, struct arena *arena)
{
    const struct backup_directory backup = backup_directory_at(arena, place);

    return access(backup.manifest_path, F_OK) == 0 || access(backup.database_path, F_OK) == 0;
}

bool continuous_backup_configure(const struct settings *settings, struct archiver_options *options,
                                 bool *is_wanted, struct arena *arena, struct text *reason)
{
    struct text place = settings_text(settings, "backup-to");

    *is_wanted = text_is_set(place);
    if (!*is_wanted)
        return true;
    if (text_is_set(settings_text(settings, "database"))) {
        *reason =
            TEXT("backup-to is for the embedded database; PostgreSQL has continuous archiving of its own, "
                 "or its host does");
        return false;
    }
    if (!has_what_s3_needs(settings, place, reason))
        return false;
    if (!is_s3(place))
        place = whole_path(place, arena);
    if (!is_s3(place) && is_inside(place, settings_text(settings, "data"), arena)) {
        *reason = TEXT("backup-to names a directory in the data directory, which it would be lost with: name "
                       "one elsewhere, better on another disk");
        return false;
    }
    if (!is_s3(place) && is_something_else(place, arena)) {
        *reason = arena_format(arena,
                               "backup-to names %.*s, which is a data directory or a plain backup: name a "
                               "directory of its own",
                               TEXT_FORMAT(place));
        return false;
    }
    *options = (struct archiver_options){
        .destination = destination_of(settings, place),
        .interval_us = settings_number(settings, "backup-interval-ms") * 1000,
        .base_interval_us = settings_number(settings, "backup-base-hours") * MICROSECONDS_PER_HOUR,
        .retention_us = settings_number(settings, "backup-retention-days") * 24 * MICROSECONDS_PER_HOUR,
        .base_bytes_per_second = settings_number(settings, "backup-base-rate") * MEGABYTE,
        .kept_bytes_max = settings_number(settings, "backup-kept-bytes"),
    };
    return true;
}

/* ---- a backup out of it ---- */

static struct destination *open_to_read(const struct settings *settings, struct text place,
                                        struct arena *arena, struct text *reason)
{
    struct destination_options options = destination_of(settings, place);

    if (!has_what_s3_needs(settings, place, reason))
        return NULL;
    options.is_read_only = true;
    return destination_open(&options, arena, reason);
}

bool continuous_backup_is(const struct settings *settings, struct text place, bool *is_continuous,
                          struct arena *arena, struct text *reason)
{
    const struct backup_directory directory = backup_directory_at(arena, place);

    *is_continuous = is_s3(place);
    if (*is_continuous || access(directory.manifest_path, F_OK) == 0 || access(directory.path, F_OK) != 0)
        return true;
    struct destination *destination = open_to_read(settings, place, arena, reason);
    bool is_told = destination && archive_is_there(destination, is_continuous, arena, reason);

    destination_close(destination);
    return is_told;
}

struct showing {
    struct progress progress;
    struct arena *arena;
};

static void show(void *context, double done, struct text what)
{
    struct showing *showing = context;

    if (progress_is_due(&showing->progress))
        progress_show(&showing->progress,
                      arena_format(showing->arena, "%.*s%.*s", TEXT_FORMAT(what),
                                   TEXT_FORMAT(progress_rest(&showing->progress, done, showing->arena))),
                      done);
}

bool continuous_backup_rebuild(const struct settings *settings, struct text place, int64_t at,
                               const struct rebuilt_files *files, struct backup_manifest *manifest,
                               struct arena *arena, struct text *reason)
{
    struct showing showing = {.arena = arena};
    struct rebuild rebuild = {
        .destination = open_to_read(settings, place, arena, reason),
        .at = at,
        .database_path = files->database,
        .secrets_path = files->secrets,
        .scratch_path = files->scratch,
        .tell = show,
        .context = &showing,
    };
    struct rebuilt rebuilt;

    if (!rebuild.destination)
        return false;
    progress_start(&showing.progress);
    bool is_made = archive_rebuild(&rebuild, &rebuilt, arena, reason);

    progress_end(&showing.progress);
    destination_close(rebuild.destination);
    if (is_made && rebuilt.is_superseded)
        remark(
            "warning: a later stream of the backup has no copy of the whole database yet; what was committed "
            "since it began is not in this");
    if (is_made)
        *manifest = (struct backup_manifest){
            .version = rebuilt.version,
            .schema_version = rebuilt.schema_version,
            .finished_at = rebuilt.at,
            .bytes = rebuilt.bytes,
            .has_secrets = rebuilt.has_secrets,
        };
    return is_made;
}
