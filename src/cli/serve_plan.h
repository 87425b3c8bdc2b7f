/* serve_plan.h: what the settings say to a server that is about to start. Only for the cli room. */
#ifndef FARTHING_CLI_SERVE_PLAN_H
#define FARTHING_CLI_SERVE_PLAN_H

#include "archive/archiver.h"
#include "cli/command.h"
#include "cli/settings.h"
#include "http/http.h"

/* Borrows the texts of the settings, or has them in the arena. */
struct serve_plan {
    struct http_config http; /* with the addresses, but the operator's socket */
    bool is_backed_up;       /* else `backup` says nothing */
    struct archiver_options backup;
};

/* Everything that stops a server and can be said without its database and without listening: `serve` starts
 * with it, and `config check` does nothing else. The roles of the settings are the process's from then on.
 * `is_start`: as for entrances_configure. Otherwise than EXIT_DONE, what is wrong has been said. */
enum exit_code serve_plan_make(const struct settings *settings, bool is_start, struct serve_plan *plan,
                               struct arena *arena);

/* What the settings say to the HTTP server but for its entrances; borrows their texts. */
struct http_config http_config_of(const struct settings *settings);

#endif
