/* copy.h: the parts of `farthing copy`. Only for the cli room. */
#ifndef FARTHING_CLI_COPY_H
#define FARTHING_CLI_COPY_H

#include "cli/command.h"
#include "store/copy/copy.h"
#include "store/data_directory.h"

/* One end of a copy: a PostgreSQL database, a data directory, or (a source only) a backup. */
struct copy_end {
    struct text database; /* the URL, or the path of the file */
    bool is_url, is_backup;
    struct data_directory directory; /* of what is none of them: unused */
};

/* copy_ends.c: takes them. EXIT_DONE, or another after saying why. To be closed in any case. */
enum exit_code copy_source_open(struct copy_end *end, struct text name, struct arena *arena);
/* Locks the data directory, if it is one. `waits`: for its server to be stopped. */
enum exit_code copy_source_hold(struct copy_end *end, bool waits, struct arena *arena);
/* Makes and locks the data directory, if it is one, unless it is only looked at. */
enum exit_code copy_target_open(struct copy_end *end, struct text name, bool is_written, struct arena *arena);
void copy_end_close(struct copy_end *end);
bool copy_ends_are_one(const struct copy_end *from, const struct copy_end *to);
/* Whether there is a database to look at. */
bool copy_end_has_database(const struct copy_end *end);

enum copy_secrets {
    COPY_SECRETS_NONE,     /* the source has none: settings give them */
    COPY_SECRETS_THERE,    /* they are where the target's server will look for them */
    COPY_SECRETS_TO_BRING, /* the target's servers need them, and they are to be brought by hand */
};
/* The file `secrets` goes with the data, where both ends have a directory. */
enum exit_code copy_secrets(const struct copy_end *from, const struct copy_end *to,
                            enum copy_secrets *secrets, struct arena *arena);
/* Files that root has made are the server's. */
bool copy_leave_to_owner(const struct copy_end *to);

/* copy_report.c: what came of it, on standard output. */
struct copy_report {
    const struct store_copy_result *result;
    const struct copy_end *from;
    enum store_copy_work work;
    enum copy_secrets secrets;
    bool is_bulk;
    double seconds, pause_seconds; /* the latter: since the source is held still */
};
void copy_report_print(const struct copy_report *report, bool is_json, struct arena *arena);

#endif
