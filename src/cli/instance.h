/* instance.h: a data directory in use by this process: locked, its database open, its API ready. Only for the
 * cli room. */
#ifndef FARTHING_CLI_INSTANCE_H
#define FARTHING_CLI_INSTANCE_H

#include "access/secrets.h"
#include "api/api.h"
#include "archive/archiver.h"
#include "cli/settings.h"
#include "domain/installation.h"
#include "store/data_directory.h"
#include "store/store.h"

/* Where the data is. */
struct place {
    struct text data;     /* the data directory */
    struct text database; /* the URL of a PostgreSQL database; unset: the embedded one in the directory */
    unsigned connections; /* to the former */
    bool must_exist;      /* nothing is made where there is nothing, nor does a directory come to belong */
    /* As settings give them; unset: as the data directory's file has them. */
    struct text auth_secret, auth_secret_previous, encryption_key, encryption_key_previous;
    struct text roles_file; /* unset: none; read by whoever serves */
    bool begins_anew;       /* also with secrets whose embedded database is lost */
    bool accepts_secrets;   /* the database takes whatever secrets there are for its own */
    /* How the embedded database is backed up while it is open; borrowed; its paths are the instance's matter.
     * NULL: it is not. */
    const struct archiver_options *backup;
};

/* As the settings say: for a command with SETTINGS_DATA or more. */
struct place place_of(const struct settings *settings);

/* Whether the directory is for that sort of database: one that has an embedded database is not silently left
 * for PostgreSQL, nor the other way round. False with a one-line reason. Touches nothing. */
bool place_agrees(const struct place *place, const struct data_directory *directory, struct arena *arena,
                  struct text *reason);

/* Whether the directory of an embedded database holds secrets and not the database that they are of, which is
 * made before they are: gone, or a file with nothing in it. True with a one-line reason that says what to do.
 * Touches nothing. */
bool embedded_is_lost(const struct data_directory *directory, struct arena *arena, struct text *reason);

struct instance {
    struct data_directory directory;
    struct archiver *archiver; /* NULL: there is no continuous backup */
    struct store *store;
    struct api *api;                  /* after instance_open_api */
    struct secrets *secrets;          /* NULL: `secrets_reason` says why; only where place.must_exist */
    struct text secrets_reason;       /* in the arena of instance_open */
    struct place place;               /* as it was given */
    struct installation installation; /* what instance_open made of an empty database, or has found */
};

/* Locks the directory, which must be empty or ours, opens the database and, when it has no tenant yet, makes
 * one as `founding` says (NULL: refuses it). A directory that belongs to one PostgreSQL database is refused
 * for another. Secrets are made where there are none; that they are not the ones that the database was used
 * with is a reason not to open it, unless place.must_exist. False with a one-line reason. */
bool instance_open(struct instance *instance, const struct place *place, const struct founding *founding,
                   struct arena *arena, struct text *reason);
bool instance_open_api(struct instance *instance, struct arena *arena, struct text *reason);
/* Closes what is open, in order. After the HTTP server has drained, and before it is freed. */
void instance_close(struct instance *instance);

/* ---- only for instance*.c: the secrets of an instance whose store is open ---- */

/* Makes the keys that are missing, unless the database knows of others, and writes the file; *is_made: it
 * did. False with a one-line reason. Waits for the database. */
bool instance_make_secrets(const struct instance *instance, struct secret_set *set, bool *is_made,
                           struct arena *arena, struct text *reason);
/* Has the database know of the keys with the transaction. Refuses when it was used with others. */
const struct failure *instance_record_secrets(const struct instance *instance, const struct secret_set *set,
                                              struct transaction *transaction);
/* For who makes nothing: whether there are keys, and they are the database's. False with a one-line reason.
 * Waits for the database. */
bool instance_find_secrets(const struct instance *instance, const struct secret_set *set, struct arena *arena,
                           struct text *reason);
/* Has instance->secrets. Waits for the database. */
void instance_use_secrets(struct instance *instance, const struct secret_set *set, struct arena *arena);

/* ---- for all ---- */

/* The secrets that a place has, as settings give them and the file of the directory has the others; a ring
 * without keys: neither does. False with a one-line reason. */
bool secret_set_of_place(const struct data_directory *directory, const struct place *place,
                         struct secret_set *set, struct arena *arena, struct text *reason);
/* What is encrypted in the database under keys that are not in the set, in words with an advice; unset when
 * there is nothing of that kind. Waits for the database. */
struct text secrets_lacking(struct store *store, const struct secret_set *set, struct arena *arena);
/* Whether a set has the keys that the database was used with; a ring without keys: the database must know of
 * none. False with a one-line reason. Waits for the database: never on a loop. */
bool secrets_fit(struct store *store, const struct data_directory *directory, const struct secret_set *set,
                 struct arena *arena, struct text *reason);

/* Reads the file again, which may be another server's new one, and goes on with what is in it. False with a
 * one-line reason, and the old keys still in use. Waits for the database. */
bool instance_reload_secrets(struct instance *instance, struct arena *arena, struct text *reason);

/* Prints the lines that a shell can read: FARTHING_TENANT_ID=… and so on. False when standard output fails.
 */
bool installation_print(const struct installation *installation);

#endif
