/* entrances.h: where a server listens, who may come in, and whose word is taken for where a request came
 * from; from the settings. Only for the cli room. */
#ifndef FARTHING_CLI_ENTRANCES_H
#define FARTHING_CLI_ENTRANCES_H

#include "cli/settings.h"
#include "http/http.h"

/* Puts addresses, certificate, limits of connections and trusted proxies into the configuration; its texts
 * are those of the settings or in the arena. `is_start`: the sockets that were passed to this process are
 * taken, and its limit of descriptors is raised as far as it may; otherwise it is only said whether the
 * settings hold, and addresses that systemd is to pass are left out. False with a one-line reason. */
bool entrances_configure(const struct settings *settings, bool is_start, struct http_config *config,
                         struct arena *arena, struct text *reason);

#endif
