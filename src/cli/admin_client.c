#include "cli/admin_client.h"

#include "cli/instance.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    ANSWER_SECONDS_MAX = 60,
    READ_STEP_BYTES = 16 * 1024,
    STATUS_OFFSET = 9 /* behind "HTTP/1.1 " */,
    STATUS_DIGITS = 3
};

/* -1, with errno, when nobody answers there. */
static int connect_to(struct text path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (path.length >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    static const struct timeval limit = {.tv_sec = ANSWER_SECONDS_MAX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    /* A server that hangs must not take its operator's command with it. */
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    memcpy(address.sun_path, path.data, path.length);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int why = errno;

    close(fd);
    errno = why;
    return -1;
}

static bool send_all(int fd, struct text bytes)
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

static bool receive_all(int fd, struct buffer *received)
{
    for (;;) {
        buffer_reserve(received, READ_STEP_BYTES);
        ssize_t length = recv(fd, received->data + received->length, READ_STEP_BYTES, 0);

        if (length < 0 && errno == EINTR)
            continue;
        if (length <= 0)
            return length == 0;
        received->length += (size_t)length;
    }
}

/* The connection closes after one reply, so all that comes is the reply. */
static bool read_reply(struct text bytes, struct arena *arena, struct admin_reply *reply)
{
    static const char head_end[] = "\r\n\r\n";
    const char *end = memmem(bytes.data, bytes.length, head_end, sizeof head_end - 1);
    struct json_error error;
    uint64_t status;

    if (!end || bytes.length < STATUS_OFFSET + STATUS_DIGITS ||
        !text_to_uint64(text_slice(bytes, STATUS_OFFSET, STATUS_DIGITS), &status))
        return false;
    struct text body = text_from(bytes, (size_t)(end - bytes.data) + sizeof head_end - 1);

    reply->status = (int)status;
    reply->text = body;
    reply->body = body.length ? json_read(arena, body, &error) : NULL;
    return body.length == 0 || reply->body;
}

static bool exchange_on(int fd, const char *method, struct text path, struct text body, struct arena *arena,
                        struct admin_reply *reply)
{
    struct buffer received = {0};
    struct text request = arena_format(
        arena, "%s %.*s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%.*s",
        method, TEXT_FORMAT(path), body.length, TEXT_FORMAT(body));
    bool answered = send_all(fd, request) && receive_all(fd, &received) &&
                    read_reply(arena_copy(arena, buffer_text(&received)), arena, reply);

    buffer_free(&received);
    return answered;
}

/* Serves the data directory's admin socket, and nothing else, for the time of one request. */
static bool request_to_ourselves(struct text data_path, const char *method, struct text path,
                                 struct text body, struct arena *arena, struct admin_reply *reply,
                                 struct text *reason)
{
    struct instance instance;
    struct http_config config = http_config_default();
    struct http_server *server = NULL;
    bool answered = false;

    if (!instance_open(&instance, data_path, TEXT("Farthing"), arena, reason))
        return false;
    struct text socket_path = instance.directory.admin_socket_path;

    http_config_listen(&config, arena_format(arena, "unix:%.*s", TEXT_FORMAT(socket_path)),
                       HTTP_ENTRANCE_ADMIN);
    config.loop_count = 1;
    if (instance_open_api(&instance, arena, reason)) {
        struct http_handler handler = api_handler(instance.api);

        server = http_server_start(&config, &handler, arena, reason);
    }
    int fd = server ? connect_to(socket_path) : -1;

    if (fd >= 0) {
        answered = exchange_on(fd, method, path, body, arena, reply);
        close(fd);
    }
    if (server && !answered)
        *reason = TEXT("the request got no answer");
    if (server)
        http_server_drain(server);
    instance_close(&instance);
    if (server)
        http_server_free(server);
    return answered;
}

static bool request_on(int fd, const char *method, struct text path, struct text body, struct arena *arena,
                       struct admin_reply *reply, struct text *reason)
{
    bool answered = exchange_on(fd, method, path, body, arena, reply);

    close(fd);
    if (!answered)
        *reason = arena_format(
            arena, "the server gave no answer on its admin socket within %d seconds, or closed it; try again",
            ANSWER_SECONDS_MAX);
    return answered;
}

bool admin_request(struct text data_path, const char *method, struct text path, struct text body,
                   struct arena *arena, struct admin_reply *reply, struct text *reason)
{
    struct data_directory directory = data_directory_at(arena, data_path);
    struct text holder;

    if (data_directory_state(&directory) == DATA_DIRECTORY_EMPTY) {
        *reason = arena_format(arena, "there is no database in %.*s; `farthing init` makes one",
                               TEXT_FORMAT(data_path));
        return false;
    }
    int fd = connect_to(directory.admin_socket_path);

    if (fd >= 0)
        return request_on(fd, method, path, body, arena, reply, reason);
    if (request_to_ourselves(data_path, method, path, body, arena, reply, reason))
        return true;
    if (!data_directory_is_in_use(&directory, arena, &holder))
        return false;
    fd = connect_to(directory.admin_socket_path); /* it may have been about to start */
    if (fd >= 0)
        return request_on(fd, method, path, body, arena, reply, reason);
    *reason =
        arena_format(arena,
                     "%.*s uses %.*s, but its admin socket %.*s cannot be reached: %s; restart it, which "
                     "makes the socket anew",
                     TEXT_FORMAT(holder), TEXT_FORMAT(data_path), TEXT_FORMAT(directory.admin_socket_path),
                     strerror(errno));
    return false;
}

struct text admin_complaint(const struct admin_reply *reply, struct arena *arena)
{
    const struct json_value *message = reply->body ? json_member(reply->body, TEXT("message")) : NULL;
    const struct json_value *details = reply->body ? json_member(reply->body, TEXT("details")) : NULL;
    struct text text = message && message->type == JSON_STRING ? message->text : TEXT("the server refused");

    if (!details || details->type != JSON_OBJECT || details->count < 2)
        return text;
    const struct json_value *key = json_first(details);

    for (uint32_t i = 0; i < details->count; i++) {
        const struct json_value *value = json_next(key);

        text = arena_format(arena, "%.*s; %.*s %.*s", TEXT_FORMAT(text), TEXT_FORMAT(key->text),
                            TEXT_FORMAT(value->text));
        key = json_next(value);
    }
    return text;
}
