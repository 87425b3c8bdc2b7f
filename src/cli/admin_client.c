#include "cli/admin_client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_STEP_BYTES = 16 * 1024, STATUS_OFFSET = 9 /* behind "HTTP/1.1 " */, STATUS_DIGITS = 3 };

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
    bool answered = admin_send(fd, request) && receive_all(fd, &received) &&
                    read_reply(arena_copy(arena, buffer_text(&received)), arena, reply);

    buffer_free(&received);
    return answered;
}

bool admin_session_open(struct admin_session *session, const struct place *place, struct arena *arena,
                        struct text *reason)
{
    return admin_host_open(&session->host, place, arena, reason);
}

bool admin_session_ask(struct admin_session *session, const char *method, struct text path, struct text body,
                       struct arena *arena, struct admin_reply *reply, struct text *reason)
{
    int fd = admin_connect(session->host.socket_path);
    bool answered = fd >= 0 && exchange_on(fd, method, path, body, arena, reply);

    if (fd >= 0)
        close(fd);
    if (!answered)
        *reason = session->host.is_us
                      ? TEXT("the request got no answer")
                      : arena_format(arena,
                                     "the server gave no answer on its admin socket within %d "
                                     "seconds, or closed it; try again",
                                     ADMIN_ANSWER_SECONDS_MAX);
    return answered;
}

void admin_session_close(struct admin_session *session)
{
    admin_host_close(&session->host);
}

bool admin_request(const struct place *place, const char *method, struct text path, struct text body,
                   struct arena *arena, struct admin_reply *reply, struct text *reason)
{
    struct admin_session session;

    if (!admin_session_open(&session, place, arena, reason))
        return false;
    bool answered = admin_session_ask(&session, method, path, body, arena, reply, reason);

    admin_session_close(&session);
    return answered;
}

bool admin_server_is_running(struct text data_path, struct arena *arena)
{
    struct data_directory directory = data_directory_at(arena, data_path);
    int fd = admin_connect(directory.admin_socket_path);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
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
