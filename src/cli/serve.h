/* serve.h: what others need to know of `farthing serve`. Only for the cli room. */
#ifndef FARTHING_CLI_SERVE_H
#define FARTHING_CLI_SERVE_H

#include "cli/settings.h"
#include "http/http.h"

/* What the settings say to the HTTP server; borrows their texts. */
struct http_config http_config_of(const struct settings *settings);

#endif
