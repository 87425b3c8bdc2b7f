/* doctor.h: what the files of `farthing doctor` share. Only for the cli room. */
#ifndef FARTHING_CLI_DOCTOR_H
#define FARTHING_CLI_DOCTOR_H

#include "cli/command.h"
#include "cli/instance.h"
#include "json/writer.h"

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL };

struct doctor {
    struct invocation *invocation;
    struct arena *arena;
    struct settings *settings;
    bool
        settings_hold; /* false: they are wrong, which was said; those that were read before that are there */
    struct text data;  /* the data directory's path */
    bool is_elsewhere; /* the settings name a PostgreSQL database */
    bool has_database; /* the directory has one, or says where it is; after doctor_check_data */
    bool is_in_use;    /* by a running server; after doctor_check_data */
    unsigned fail_count;
    struct buffer json;
    struct json_writer writer;
};

/* One line of the report: what was looked at ("disk"), what was found, and what to do about it (unset when
 * there is nothing to do). */
void doctor_say(struct doctor *doctor, enum verdict verdict, const char *subject, struct text finding,
                struct text advice);

/* doctor_data.c: the data directory, its permissions, its disk, and what the next one says. */
void doctor_check_data(struct doctor *doctor);
/* doctor_database.c: the server that uses the directory, the database. `is_open`: nothing keeps this user
 * from the directory's files. */
void doctor_check_database(struct doctor *doctor, struct data_directory *directory, bool is_open);
/* doctor_secrets.c: the keys of the directory, against those of the server or, while none runs, of the
 * database (the embedded one's path while this process has the directory's lock, or a URL). */
void doctor_check_secrets(struct doctor *doctor, const struct data_directory *directory,
                          struct text database);
/* doctor_backup.c: the place of the continuous backup, if there is to be one; after doctor_check_data. */
void doctor_check_backup(struct doctor *doctor);
/* doctor_machine.c: limits, clock, time zones, libraries. */
void doctor_check_machine(struct doctor *doctor);

#endif
