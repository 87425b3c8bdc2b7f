/* continuous_backup.h: the settings of the continuous backup, and a backup made out of it. Only for the cli
 * room.
 */
#ifndef FARTHING_CLI_CONTINUOUS_BACKUP_H
#define FARTHING_CLI_CONTINUOUS_BACKUP_H

#include "archive/archiver.h"
#include "cli/backup_directory.h"
#include "cli/settings.h"

/* Whether a backup is wanted; then *options are as the settings say. False in *is_wanted otherwise. False
 * with a one-line reason when it cannot be: with PostgreSQL, or inside of the data directory. */
bool continuous_backup_configure(const struct settings *settings, struct archiver_options *options,
                                 bool *is_wanted, struct arena *arena, struct text *reason);

/* Whether the name is of a place with a continuous backup rather than of a directory with a plain one. False
 * with a one-line reason when that cannot be told. */
bool continuous_backup_is(const struct settings *settings, struct text place, bool *is_continuous,
                          struct arena *arena, struct text *reason);

/* Where the parts of a backup go that is made out of it. */
struct rebuilt_files {
    const char *database, *secrets;
    const char *scratch; /* of a file that is made meanwhile */
};

/* Makes the database, and the file with secrets if there is one, as they were at the instant (INT64_MAX: as
 * new as can be), with a progress bar. What is known of the result goes into the manifest, but no SHA-256.
 * False with a one-line reason, and then there are no files. */
bool continuous_backup_rebuild(const struct settings *settings, struct text place, int64_t at,
                               const struct rebuilt_files *files, struct backup_manifest *manifest,
                               struct arena *arena, struct text *reason);

#endif
