/* systemd.h: what a service manager passes and wants to hear: sockets (sd_listen_fds(3)) and states
 * (sd_notify(3)). Both are protocols of a few lines, so that no library is needed. Only for the cli room. */
#ifndef FARTHING_CLI_SYSTEMD_H
#define FARTHING_CLI_SYSTEMD_H

#include "base/text.h"

enum { SYSTEMD_SOCKETS_MAX = 16, SYSTEMD_NAME_BYTES_MAX = 256 };

struct systemd_socket {
    int descriptor;
    char name[SYSTEMD_NAME_BYTES_MAX]; /* FileDescriptorName= of its unit; empty when there is none */
};

/* The sockets that were passed to this process, which its own children do not inherit. The number of them; at
 * most SYSTEMD_SOCKETS_MAX. */
unsigned systemd_sockets(struct systemd_socket sockets[SYSTEMD_SOCKETS_MAX]);

/* Tells the service manager, if there is one that listens: "READY=1", "STOPPING=1". */
void systemd_notify(const char *state);
/* The same for the beginning of a reload, which systemd wants to be dated. READY=1 ends it. */
void systemd_notify_reloading(void);

#endif
