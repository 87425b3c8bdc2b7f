#include "cli/systemd.h"

#include "base/instant.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_DESCRIPTOR = 3 };

/* The number in an environment variable; 0 when there is none. */
static unsigned variable_number(const char *variable)
{
    uint64_t number;

    return text_to_uint64(text_from_string(getenv(variable)), &number) && number <= INT32_MAX
               ? (unsigned)number
               : 0;
}

/* Takes the next name off the list, which colons separate. */
static void take_name(const char **names, char name[SYSTEMD_NAME_BYTES_MAX])
{
    size_t length = strcspn(*names, ":");

    snprintf(name, SYSTEMD_NAME_BYTES_MAX, "%.*s", (int)length, *names);
    *names += length;
    if (**names)
        ++*names;
}

unsigned systemd_sockets(struct systemd_socket sockets[SYSTEMD_SOCKETS_MAX])
{
    const char *names = getenv("LISTEN_FDNAMES");
    unsigned count = variable_number("LISTEN_FDS");

    /* The variables may be meant for a parent that did not remove them. */
    if (variable_number("LISTEN_PID") != (unsigned)getpid())
        return 0;
    if (count > SYSTEMD_SOCKETS_MAX)
        count = SYSTEMD_SOCKETS_MAX;
    if (!names)
        names = "";
    for (unsigned i = 0; i < count; i++) {
        sockets[i].descriptor = FIRST_DESCRIPTOR + (int)i;
        take_name(&names, sockets[i].name);
        fcntl(sockets[i].descriptor, F_SETFD, FD_CLOEXEC);
    }
    return count;
}

/* An address that begins with @ is an abstract one, written with a NUL in its place. */
static socklen_t notify_address(struct sockaddr_un *address)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t length = path ? strlen(path) : 0;

    if (length < 2 || length >= sizeof address->sun_path || (path[0] != '/' && path[0] != '@'))
        return 0;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, path, length);
    if (path[0] == '@')
        address->sun_path[0] = 0;
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

void systemd_notify(const char *state)
{
    struct sockaddr_un address;
    socklen_t length = notify_address(&address);
    int sender = length ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;

    if (sender < 0)
        return;
    sendto(sender, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address, length);
    close(sender);
}

void systemd_notify_reloading(void)
{
    char state[64];

    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)monotonic_now_us());
    systemd_notify(state);
}
