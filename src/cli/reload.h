/* reload.h: what a running server does at SIGHUP. Only for the cli room. */
#ifndef FARTHING_CLI_RELOAD_H
#define FARTHING_CLI_RELOAD_H

#include "base/log_sink.h"
#include "cli/instance.h"
#include "cli/settings.h"
#include "http/http.h"

/* What is in use. */
struct reload {
    const struct settings *started; /* with the values that need a restart */
    struct http_server *server;
    struct log_sink *access_log; /* NULL: none */
    struct instance *instance;
};

/* Reads environment and configuration file again, below the flags that the process was started with, and
 * takes over what can change while it runs. Settings that are not valid change nothing; a certificate that
 * cannot be used leaves the old one in place, and so do secrets that are not the database's. The access log
 * is opened again whatever they say. Logs what it did and what needs a restart. */
void reload(const struct reload *reload);

#endif
