#include "cli/admin_host.h"

#include "http/http.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int admin_connect(struct text socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd =
        socket_path.length < sizeof address.sun_path ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;

    if (fd < 0)
        return -1;
    memcpy(address.sun_path, socket_path.data, socket_path.length);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

bool admin_send(int fd, struct text bytes)
{
    while (bytes.length > 0) {
        ssize_t sent = send(fd, bytes.data, bytes.length, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes = text_from(bytes, (size_t)sent);
    }
    return true;
}

/* Serves the data directory's admin socket, and nothing else. */
static bool serve_here(struct admin_host *host, struct text data_path, struct arena *arena,
                       struct text *reason)
{
    struct http_config config = http_config_default();

    if (!instance_open(&host->instance, data_path, TEXT("Farthing"), arena, reason))
        return false;
    config.listen = text_none;
    config.admin_socket = host->socket_path;
    config.loop_count = 1;
    if (instance_open_api(&host->instance, arena, reason)) {
        struct http_handler handler = api_handler(host->instance.api);

        host->server = http_server_start(&config, &handler, arena, reason);
    }
    host->is_us = host->server != NULL;
    if (!host->is_us)
        instance_close(&host->instance);
    return host->is_us;
}

bool admin_host_open(struct admin_host *host, struct text data_path, struct arena *arena, struct text *reason)
{
    struct data_directory directory = data_directory_at(arena, data_path);

    *host = (struct admin_host){.socket_path = directory.admin_socket_path};
    if (data_directory_state(&directory) == DATA_DIRECTORY_EMPTY) {
        *reason = arena_format(arena, "there is no database in %.*s; `farthing init` makes one",
                               TEXT_FORMAT(data_path));
        return false;
    }
    int fd = admin_connect(host->socket_path);

    if (fd < 0)
        return serve_here(host, data_path, arena, reason);
    close(fd);
    return true;
}

void admin_host_close(struct admin_host *host)
{
    if (!host->is_us)
        return;
    http_server_drain(host->server);
    instance_close(&host->instance);
    http_server_free(host->server);
    host->is_us = false;
}
