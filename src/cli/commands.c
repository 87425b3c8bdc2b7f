#include "cli/commands.h"

#include "store/store.h"

#include <sqlite3.h>
#include <stdio.h>

static const struct flag no_flags[] = {{0}};

static const struct flag init_flags[] = {
    FLAG_DATA,
    {"tenant", "NAME", "Farthing", "the name of the first tenant", false},
    {0},
};

static const struct flag serve_flags[] = {
    FLAG_DATA,
    {"listen", "HOST:PORT", "127.0.0.1:8080",
     "where to listen: HOST:PORT, [IPV6]:PORT or unix:PATH; port 0 lets the system choose", true},
    {"loops", "N", "0", "event loops; 0 is one for each processor", false},
    {"body-bytes-max", "N", "10485760", "the largest request body", false},
    {"header-timeout-ms", "N", "10000", "how long a request's headers may take", false},
    {"body-timeout-ms", "N", "60000", "how long a request's body may take", false},
    {"idle-timeout-ms", "N", "120000", "how long a connection may wait for its next request", false},
    {"write-timeout-ms", "N", "60000", "how long a client may take to read a reply", false},
    {"drain-timeout-ms", "N", "30000", "how long requests may take to finish after SIGTERM", false},
    {"log-format", "FORMAT", "logfmt", "logfmt or json", false},
    {"log-level", "LEVEL", "info", "debug, info, warning or error", false},
    {0},
};

static const struct flag key_create_flags[] = {
    FLAG_DATA,
    {"name", "NAME", NULL, "what the key is for", false},
    {"type", "TYPE", "private_key", "private_key; or publishable_key, which no endpoint accepts yet", false},
    {"role", "ROLE", NULL,
     "super_admin, all_reader, all_writer, event_ingestor or event_reader, instead of the roles of the "
     "tenant's "
     "first user",
     true},
    {"environment", "ID", NULL, "the environment it is for; needed when there are several", false},
    {"expires-at", "TIME", NULL, "when it stops working, such as 2027-01-31T00:00:00Z", false},
    {0},
};

static const struct flag data_flags[] = {FLAG_DATA, {0}};

const struct command commands[] = {
    {"init", NULL, "Make a data directory with a tenant, an environment and a first API key", init_flags,
     command_init},
    {"serve", NULL, "Serve the API; an empty data directory is initialised first", serve_flags,
     command_serve},
    {"key create", NULL, "Make an API key and print it, once", key_create_flags, command_key_create},
    {"key list", NULL, "List the API keys", data_flags, command_key_list},
    {"key revoke", "ID", "Make an API key stop working, at once", data_flags, command_key_revoke},
    {"version", NULL, "Print the version", no_flags, command_version},
    {0},
};

enum exit_code command_version(struct invocation *invocation)
{
    (void)invocation;
    printf("farthing %s (schema %d, SQLite %s)\n", FARTHING_VERSION, store_schema_version(),
           sqlite3_libversion());
    return EXIT_DONE;
}
