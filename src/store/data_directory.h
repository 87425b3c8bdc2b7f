/* data_directory.h: the one directory that holds everything: farthing.db (with -wal and -shm), lock,
 * admin.sock, secrets. That of a server on PostgreSQL holds a file `database` instead of the first, which
 * says where the data is.
 *
 * Mode 0700. A process that uses it holds exclusive locks on the directory itself and on the file `lock`,
 * which the system drops when the process ends however it ends. The file is there to say who it is; whoever
 * removes it takes nothing away. */
#ifndef FARTHING_STORE_DATA_DIRECTORY_H
#define FARTHING_STORE_DATA_DIRECTORY_H

#include "base/arena.h"
#include "base/text.h"

enum data_directory_state {
    DATA_DIRECTORY_EMPTY,     /* absent, or a directory with nothing in it: may be initialised */
    DATA_DIRECTORY_READY,     /* holds a database, or says where it is */
    DATA_DIRECTORY_RESTORING, /* a first `farthing restore` into it is under way, or was cut short */
    DATA_DIRECTORY_FOREIGN,   /* something else: never touched */
    DATA_DIRECTORY_CLOSED,    /* it cannot be looked into; errno says why */
};

/* What lies in a directory only while `farthing restore` is under way. */
#define RESTORING_DATABASE "farthing.db.restoring"
#define RESTORING_SECRETS  "secrets.restoring"
#define RESTORING_FETCHED  "fetched.restoring"
extern const char *const data_directory_restoring_names[]; /* these and the database's; ends with NULL */

struct data_directory {
    struct text path;
    struct text database_path;
    struct text belongs_path;        /* of the file that names a PostgreSQL database */
    struct text secrets_path;        /* cli/secrets_file.h */
    struct text admin_socket_path;   /* of a server */
    struct text command_socket_path; /* of a command that is its own server for a moment */
    int directory_fd, lock_fd;       /* -1: not locked */
};

/* The paths in `path`, which is copied into the arena. Touches nothing. */
struct data_directory data_directory_at(struct arena *arena, struct text path);

enum data_directory_state data_directory_state(const struct data_directory *directory);

/* The PostgreSQL database that the directory's server uses: so that it is not left for another one, or for
 * the embedded one, without a word. */
struct belonging {
    struct text name; /* "host:5432/name", for people, as it was when it was last used; unset: none */
    struct text installation_id; /* which stays when the database is moved, restored or failed over to */
};
struct belonging data_directory_belongs_to(const struct data_directory *directory, struct arena *arena);
/* Remembers it; a full disk leaves what was there. False with a one-line reason. */
bool data_directory_belong(const struct data_directory *directory, struct belonging belonging,
                           struct arena *arena, struct text *reason);

/* Makes the directory if need be and takes the lock. False with a one-line reason: who holds it, or what to
 * do. */
bool data_directory_lock(struct data_directory *directory, struct arena *arena, struct text *reason);
void data_directory_unlock(struct data_directory *directory);

/* Whether a process has the lock; then who, as "process 123". Takes and leaves nothing. */
bool data_directory_is_in_use(const struct data_directory *directory, struct arena *arena,
                              struct text *holder);

#endif
