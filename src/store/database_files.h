/* database_files.h: the three files of a database (itself, its write-ahead log, the log's index) as the file
 * system has them. Only for the store.
 *
 * SQLite opens for reading what it cannot write, gives a log and an index that it makes the database's own
 * mode, and says of either no more than "readonly database": so the files are looked at before it may. It
 * also holds on to files that have lost their name, and would write into them for ever, and at its end remove
 * files of the same name that are another's: so they are looked at meanwhile, too. */
#ifndef FARTHING_STORE_DATABASE_FILES_H
#define FARTHING_STORE_DATABASE_FILES_H

#include "base/arena.h"
#include "base/text.h"

#include <sys/types.h>

enum { DATABASE_FILE_COUNT = 3 };

/* Which files they are, and where they were found. */
struct database_files {
    struct database_file {
        char *path;
        bool is_known; /* it was there */
        dev_t device;
        ino_t inode;
    } files[DATABASE_FILE_COUNT];
};

/* Whether this process may read and write those of the files that exist, and make those that do not. If not,
 * *reason names the file and says why, in one line. Touches nothing. */
bool database_files_check(struct text database_path, struct arena *arena, struct text *reason);

/* Keeps in mind which files they are. While they are open: so their numbers cannot become another file's. */
void database_files_remember(struct database_files *files, struct text database_path);

enum database_files_state {
    DATABASE_FILES_THERE,
    DATABASE_FILES_LOG_GONE, /* the log or its index has lost its name; what it holds can still be copied */
    DATABASE_FILES_LOST, /* the database itself has, or something else stands where one of the files was */
};
/* Whether the files are where they were; if not, *path is one that is not. What cannot be told (the directory
 * is closed to this process now) counts as there. One stat a file. */
enum database_files_state database_files_look(const struct database_files *files, const char **path);
void database_files_free(struct database_files *files);

#endif
