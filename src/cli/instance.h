/* instance.h: a data directory in use by this process: locked, its database open, its API ready. Only for the
 * cli room. */
#ifndef FARTHING_CLI_INSTANCE_H
#define FARTHING_CLI_INSTANCE_H

#include "api/api.h"
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
};

/* As the settings say: for a command with SETTINGS_DATA or more. */
struct place place_of(const struct settings *settings);

/* Whether the directory is for that sort of database: one that has an embedded database is not silently left
 * for PostgreSQL, nor the other way round. False with a one-line reason. Touches nothing. */
bool place_agrees(const struct place *place, const struct data_directory *directory, struct arena *arena,
                  struct text *reason);

struct instance {
    struct data_directory directory;
    struct store *store;
    struct api *api;                  /* after instance_open_api */
    struct installation installation; /* what instance_open made of an empty database, or has found */
};

/* Locks the directory, which must be empty or ours, opens the database and, when it has no tenant yet, makes
 * one called `tenant_name`. A directory that belongs to one PostgreSQL database is refused for another. False
 * with a one-line reason. */
bool instance_open(struct instance *instance, const struct place *place, struct text tenant_name,
                   struct arena *arena, struct text *reason);
bool instance_open_api(struct instance *instance, struct arena *arena, struct text *reason);
/* Closes what is open, in order. After the HTTP server has drained, and before it is freed. */
void instance_close(struct instance *instance);

/* Prints the lines that a shell can read: FARTHING_TENANT_ID=… and so on. False when standard output fails.
 */
bool installation_print(const struct installation *installation);

#endif
