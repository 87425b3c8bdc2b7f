/* admin_host.h: whoever serves a data directory's admin socket: the server that runs, or this process in its
 * place while it has something to ask. No second process ever opens the live database. Only for the cli room.
 */
#ifndef FARTHING_CLI_ADMIN_HOST_H
#define FARTHING_CLI_ADMIN_HOST_H

#include "cli/instance.h"

enum { ADMIN_ANSWER_SECONDS_MAX = 60 };

struct http_server;

struct admin_host {
    struct text socket_path;
    bool is_us;          /* until admin_host_close */
    struct text passing; /* a directory of our own, gone afterwards; unset: the data directory is used */
    struct instance instance;
    struct http_server *server;
};

/* Finds the server, or serves the socket here. A data directory that is not there, or holds nothing yet, is
 * neither made nor changed for a PostgreSQL database, which needs none: only a server and `farthing init`
 * make one. False with a one-line reason. */
bool admin_host_open(struct admin_host *host, const struct place *place, struct arena *arena,
                     struct text *reason);
void admin_host_close(struct admin_host *host);

/* A connection to an admin socket, with a limit of time for each answer; -1, with errno, when nobody answers
 * there. */
int admin_connect(struct text socket_path);
/* False when the other side is gone. */
bool admin_send(int fd, struct text bytes);

#endif
