/* import_link.c: chunks of rows to the server and its answers back.
 *
 * A connection carries one chunk at a time and is used again for the next one. When one breaks, or the server
 * says that it cannot just now, its chunk is sent again on a new one, for a while: what had been done of it
 * is then found to be there already. */
#include "cli/import.h"

#include "base/instant.h"
#include "cli/admin_client.h"
#include "cli/admin_host.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_STEP_BYTES = 16 * 1024,
    STATUS_OFFSET = 9 /* behind "HTTP/1.1 " */,
    STATUS_DIGITS = 3,
    STATUS_OK = 200,
    STATUS_TOO_LARGE = 413,
    STATUS_UNAVAILABLE = 503,
};

void import_link_init(struct import_link *link)
{
    arena_init(&link->arena);
    for (unsigned i = 0; i < IMPORT_CONNECTIONS; i++)
        link->chunks[i].fd = -1;
}

static void disconnect(struct import_chunk *chunk)
{
    if (chunk->fd >= 0)
        close(chunk->fd);
    chunk->fd = -1;
}

void import_link_free(struct import_link *link)
{
    for (unsigned i = 0; i < IMPORT_CONNECTIONS; i++) {
        struct import_chunk *chunk = &link->chunks[i];

        disconnect(chunk);
        buffer_free(&chunk->rows);
        buffer_free(&chunk->originals);
        buffer_free(&chunk->received);
    }
    buffer_free(&link->failure_buffer);
    arena_free(&link->arena);
}

struct import_chunk *import_link_chunk(struct import_link *link)
{
    return &link->chunks[link->current];
}

static void clear(struct import_chunk *chunk)
{
    chunk->is_under_way = false;
    chunk->row_count = 0;
    buffer_clear(&chunk->rows);
    buffer_clear(&chunk->originals);
}

static bool fail(struct import_link *link, struct text failure)
{
    buffer_clear(&link->failure_buffer);
    buffer_append(&link->failure_buffer, failure);
    link->failure = buffer_text(&link->failure_buffer);
    return false;
}

/* ---- one exchange ---- */

static bool send_chunk(struct import_link *link, struct import_chunk *chunk)
{
    struct text head =
        arena_format(&link->arena,
                     "POST %.*s HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: %.*s\r\n"
                     "Content-Type: application/x-ndjson\r\nContent-Length: %zu\r\n\r\n",
                     TEXT_FORMAT(link->target), TEXT_FORMAT(link->request_id), chunk->rows.length);

    if (chunk->fd < 0)
        chunk->fd = admin_connect(link->socket_path);
    return chunk->fd >= 0 && admin_send(chunk->fd, head) && admin_send(chunk->fd, buffer_text(&chunk->rows));
}

static bool receive_more(struct import_chunk *chunk)
{
    ssize_t length;

    buffer_reserve(&chunk->received, READ_STEP_BYTES);
    do
        length = recv(chunk->fd, chunk->received.data + chunk->received.length, READ_STEP_BYTES, 0);
    while (length < 0 && errno == EINTR);
    if (length > 0)
        chunk->received.length += (size_t)length;
    return length > 0;
}

/* The length that the head announces. */
static bool content_length(struct text head, uint64_t *length)
{
    static const struct text name = TEXT_LITERAL("Content-Length:");

    while (head.length > 0) {
        size_t end = text_find(head, '\n');
        struct text line = text_slice(head, 0, end);

        if (line.length > name.length && text_equal_ignoring_case(text_slice(line, 0, name.length), name)) {
            line = text_from(line, name.length);
            if (line.data[line.length - 1] == '\r')
                line.length--;
            return text_to_uint64(text_trim(line), length);
        }
        head = text_from(head, end < head.length ? end + 1 : end);
    }
    return false;
}

/* Reads one whole reply. False when the connection breaks before. */
static bool receive_reply(struct import_chunk *chunk, struct arena *arena, struct admin_reply *reply)
{
    static const char head_end[] = "\r\n\r\n";
    struct buffer *received = &chunk->received;
    struct json_error error;
    const char *end = NULL;
    uint64_t status, length;

    buffer_clear(received);
    while (!end) {
        if (!receive_more(chunk))
            return false;
        end = memmem(received->data, received->length, head_end, sizeof head_end - 1);
    }
    struct text head = {received->data, (size_t)(end - received->data)};
    size_t body_start = head.length + sizeof head_end - 1;

    if (head.length < STATUS_OFFSET + STATUS_DIGITS || !content_length(head, &length) ||
        !text_to_uint64(text_slice(head, STATUS_OFFSET, STATUS_DIGITS), &status))
        return false;
    while (received->length < body_start + length)
        if (!receive_more(chunk))
            return false;
    reply->status = (int)status;
    reply->body = json_read(arena, text_slice(buffer_text(received), body_start, length), &error);
    return reply->body != NULL;
}

/* ---- again and again ---- */

/* Whether it makes sense to send the chunk again: the server is gone, or cannot just now. */
static bool may_recover(bool is_answered, const struct admin_reply *reply)
{
    return !is_answered || reply->status == STATUS_UNAVAILABLE;
}

/* The server's words, with the short reason that goes along with some of them: `disk_full`. */
static struct text complaint_of(struct import_link *link, const struct admin_reply *reply)
{
    const struct json_value *details = reply->body ? json_member(reply->body, TEXT("details")) : NULL;
    const struct json_value *reason = details ? json_member(details, TEXT("reason")) : NULL;
    struct text complaint = admin_complaint(reply, &link->arena);

    /* With several details, the complaint has them all. */
    if (!reason || reason->type != JSON_STRING || details->count > 1)
        return complaint;
    return arena_format(&link->arena, "%.*s (reason: %.*s)", TEXT_FORMAT(complaint),
                        TEXT_FORMAT(reason->text));
}

static bool give_up(struct import_link *link, bool is_answered, const struct admin_reply *reply)
{
    if (!is_answered)
        return fail(link, TEXT("the server is gone"));
    if (reply->status == STATUS_TOO_LARGE)
        return fail(link,
                    TEXT("the server takes no request of this size: give it a larger --body-bytes-max"));
    return fail(link, complaint_of(link, reply));
}

static void tell_of_waiting(struct import_link *link, bool is_answered, const struct admin_reply *reply)
{
    struct text why = is_answered ? complaint_of(link, reply) : TEXT("the server is gone");

    link->told(link->context, arena_format(&link->arena, "%.*s; waiting for up to %lld s", TEXT_FORMAT(why),
                                           (long long)link->retry_seconds));
}

/* The answer to a chunk that was sent, if need be after sending it again. */
static bool await_answer(struct import_link *link, struct import_chunk *chunk, struct admin_reply *reply)
{
    int64_t begun_us = monotonic_now_us();
    int64_t deadline_us = begun_us + link->retry_seconds * INT64_C(1000000);
    int pause_ms = IMPORT_RETRY_MS_FIRST;
    bool is_answered = chunk->fd >= 0 && receive_reply(chunk, &link->arena, reply), is_told = false;

    while (may_recover(is_answered, reply)) {
        int64_t now_us = monotonic_now_us();

        disconnect(chunk);
        if (*link->interruptions || now_us > deadline_us)
            return give_up(link, is_answered, reply);
        if (!is_told && now_us - begun_us > IMPORT_SILENT_MS_MAX * INT64_C(1000)) {
            tell_of_waiting(link, is_answered, reply);
            is_told = true;
        }
        poll(NULL, 0, pause_ms); /* a signal ends it early */
        pause_ms = 2 * pause_ms < IMPORT_RETRY_MS_MAX ? 2 * pause_ms : IMPORT_RETRY_MS_MAX;
        is_answered = send_chunk(link, chunk) && receive_reply(chunk, &link->arena, reply);
    }
    if (is_told)
        link->told(link->context, TEXT("the server answers again"));
    return reply->status == STATUS_OK || give_up(link, true, reply);
}

static bool collect(struct import_link *link, struct import_chunk *chunk)
{
    struct admin_reply reply;

    if (!chunk->is_under_way)
        return true;
    arena_reset(&link->arena);
    if (!await_answer(link, chunk, &reply))
        return false;
    link->answered(link->context, chunk, reply.body);
    clear(chunk);
    return true;
}

bool import_link_send(struct import_link *link)
{
    struct import_chunk *chunk = import_link_chunk(link);

    arena_reset(&link->arena);
    if (!send_chunk(link, chunk))
        disconnect(chunk); /* sent again when its answer is waited for */
    chunk->is_under_way = true;
    link->current = (link->current + 1) % IMPORT_CONNECTIONS;
    return collect(link, import_link_chunk(link));
}

bool import_link_finish(struct import_link *link)
{
    if (text_is_set(link->failure))
        return false;
    for (unsigned i = 1; i <= IMPORT_CONNECTIONS; i++)
        if (!collect(link, &link->chunks[(link->current + i) % IMPORT_CONNECTIONS]))
            return false;
    return true;
}
