/* snapshot.h: the copy of an embedded database that is made before its schema changes: a backup
 * (backup_directory.h) in the data directory, `before-schema-9-20270102T030405Z`. Only for the cli room. */
#ifndef FARTHING_CLI_SNAPSHOT_H
#define FARTHING_CLI_SNAPSHOT_H

#include "cli/backup_directory.h"
#include "store/data_directory.h"

enum {
    SNAPSHOTS_KEPT = 2,                         /* older ones are removed when another one was made */
    SNAPSHOT_BYTES_LEFT_MIN = 16 * 1024 * 1024, /* of the disk, beside it */
};

struct snapshot {
    struct backup_directory directory;
    struct backup_manifest manifest;
};

/* The finished ones of a data directory, the newest first; *count is how many. One that was on its way into
 * the place of the database (`farthing migrate --rollback` was cut short) is among them. */
struct snapshot *snapshots_find(const struct data_directory *directory, struct arena *arena, size_t *count);

/* What one of the database as it is would need, and what the disk has, in bytes. */
void snapshot_room(const struct data_directory *directory, int64_t *needed_bytes, int64_t *free_bytes);

/* To be called before an embedded database is opened, with the directory locked: makes one if opening would
 * change the schema of a database that is there, unless there is one of just this database. False with a
 * one-line reason, and then nothing has changed. What is wrong with the database is left to opening it. */
bool snapshot_before_migration(const struct data_directory *directory, struct arena *arena,
                               struct text *reason);

#endif
