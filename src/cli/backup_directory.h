/* backup_directory.h: what `farthing backup` makes and `farthing restore` takes: a directory of mode 0700
 * with
 *
 *     farthing.db   the database, whole and at rest
 *     secrets       the file of the data directory, unless settings give the secrets
 *     backup.json   what it is, written last: without it the backup is not finished
 *
 * Only for the cli room. */
#ifndef FARTHING_CLI_BACKUP_DIRECTORY_H
#define FARTHING_CLI_BACKUP_DIRECTORY_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/text.h"
#include "store/data_directory.h"

struct backup_directory {
    const char *path, *database_path, *secrets_path, *manifest_path;
};

struct backup_directory backup_directory_at(struct arena *arena, struct text path);

struct backup_manifest {
    struct text version; /* of the program */
    int64_t schema_version;
    int64_t finished_at;
    int64_t bytes;      /* of the database */
    struct text sha256; /* the same */
    bool has_secrets;
};

struct text backup_manifest_json(const struct backup_manifest *manifest, struct arena *arena);
/* False with a one-line reason: no finished backup, one of a later format, or no manifest at all. */
bool backup_manifest_read(const struct backup_directory *directory, struct backup_manifest *manifest,
                          struct arena *arena, struct text *reason);
/* Opens the database of a backup to be read. -1 with a one-line reason: also what is no regular file, which
 * could keep a reader waiting for ever. */
int backup_database_open(const char *database_path, struct arena *arena, struct text *reason);
/* Whether the database of a backup is what its manifest says. Reads all of it. False with a one-line reason.
 */
bool backup_is_unchanged(const char *database_path, const struct backup_manifest *manifest,
                         struct arena *arena, struct text *reason);

/* Whether the secrets are there that were backed up, as they were written, or none were. False with a
 * one-line reason. */
bool backup_has_secrets(const struct backup_directory *directory, const struct backup_manifest *manifest,
                        struct arena *arena, struct text *reason);

/* Why a directory that is DATA_DIRECTORY_RESTORING cannot be used, and what to do. */
struct text restoring_reason(const struct data_directory *directory, struct arena *arena);

/* Whether a data directory is none that `farthing backup` has made: no command may change a backup. False
 * with a one-line reason. Touches nothing. */
bool backup_is_left_alone(const struct data_directory *directory, struct arena *arena, struct text *reason);

#endif
