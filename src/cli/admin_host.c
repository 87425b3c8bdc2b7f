#include "cli/admin_host.h"

#include "base/unix_path.h"
#include "cli/roles_file.h"
#include "http/http.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int connect_to(const struct sockaddr_un *address)
{
    static const struct timeval limit = {.tv_sec = ADMIN_ANSWER_SECONDS_MAX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    /* A server that hangs must not take its operator's command with it. */
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
        return fd;
    int why = errno;

    close(fd);
    errno = why;
    return -1;
}

int admin_connect(struct text socket_path)
{
    struct unix_path path;

    if (!unix_path_open(socket_path, &path))
        return -1;
    int fd = connect_to(&path.address);

    unix_path_close(&path);
    return fd;
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

/* A directory for the lock and the socket of this command alone. */
static bool make_passing(struct admin_host *host, struct arena *arena, struct text *reason)
{
    const char *folder = getenv("TMPDIR");
    char *path =
        arena_string(arena, arena_format(arena, "%s/farthing-XXXXXX", folder && *folder ? folder : "/tmp"));

    if (mkdtemp(path)) {
        host->passing = text_from_string(path);
        return true;
    }
    *reason =
        arena_format(arena,
                     "cannot make %s: %s; name an existing data directory with --data, or another folder "
                     "for what is passing with TMPDIR",
                     path, strerror(errno));
    return false;
}

static void remove_passing(struct admin_host *host)
{
    static const char *const names[] = {"lock", "command.sock"};
    char path[PATH_MAX];

    if (!text_is_set(host->passing))
        return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%.*s/%s", TEXT_FORMAT(host->passing), names[i]);
        unlink(path);
    }
    rmdir(host->passing.data);
    host->passing = text_none;
}

/* Serves the operator's socket, and nothing else. */
static bool serve_at(struct admin_host *host, const struct place *place, struct arena *arena,
                     struct text *reason)
{
    struct http_config config = http_config_default();
    struct place existing = *place;

    existing.must_exist = true;
    if (text_is_set(host->passing))
        existing.data = host->passing;
    if (!roles_file_use(place->roles_file, arena, reason) ||
        !instance_open(&host->instance, &existing, NULL, arena, reason))
        return false;
    /* Not the server's socket: another command that found it would be cut off when this one is done. */
    host->socket_path = host->instance.directory.command_socket_path;
    http_config_listen(&config, arena_format(arena, "unix:%.*s", TEXT_FORMAT(host->socket_path)),
                       HTTP_ENTRANCE_ADMIN);
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

static bool serve_here(struct admin_host *host, const struct place *place,
                       const struct data_directory *directory, struct arena *arena, struct text *reason)
{
    bool is_passing = text_is_set(place->database) && data_directory_state(directory) == DATA_DIRECTORY_EMPTY;

    if (is_passing && !make_passing(host, arena, reason))
        return false;
    bool is_serving = serve_at(host, place, arena, reason);

    if (!is_serving)
        remove_passing(host);
    return is_serving;
}

/* False with errno when nobody is there. */
static bool is_answered(struct text socket_path)
{
    int fd = admin_connect(socket_path);

    return fd >= 0 && close(fd) == 0;
}

bool admin_host_open(struct admin_host *host, const struct place *place, struct arena *arena,
                     struct text *reason)
{
    struct data_directory directory = data_directory_at(arena, place->data);
    struct text holder;

    *host = (struct admin_host){.socket_path = directory.admin_socket_path};
    if (data_directory_state(&directory) == DATA_DIRECTORY_EMPTY && !text_is_set(place->database)) {
        if (!embedded_is_lost(&directory, arena, reason))
            *reason = arena_format(arena, "there is no database in %.*s; `farthing init` makes one",
                                   TEXT_FORMAT(place->data));
        return false;
    }
    /* Also before a server is asked: it would answer for another database than the one that was named. */
    if (text_is_set(place->database) && !place_agrees(place, &directory, arena, reason))
        return false;
    if (is_answered(host->socket_path) || serve_here(host, place, &directory, arena, reason))
        return true;
    if (!data_directory_is_in_use(&directory, arena, &holder))
        return false;
    host->socket_path = directory.command_socket_path; /* of a command that takes long: an import */
    if (is_answered(host->socket_path))
        return true;
    host->socket_path = directory.admin_socket_path; /* of a server that was about to start */
    if (is_answered(host->socket_path))
        return true;
    *reason = arena_format(
        arena,
        "%.*s uses %.*s, but its admin socket %.*s cannot be reached: %s; restart it, which "
        "makes the socket anew",
        TEXT_FORMAT(holder), TEXT_FORMAT(place->data), TEXT_FORMAT(host->socket_path), strerror(errno));
    return false;
}

void admin_host_close(struct admin_host *host)
{
    if (!host->is_us)
        return;
    http_server_drain(host->server);
    instance_close(&host->instance);
    http_server_free(host->server);
    remove_passing(host);
    host->is_us = false;
}
