/* http-echo: the http room with a handler that says what it was given, so that its reading of a request can
 * be compared with another server's.
 *
 * Prints the address it listens on, and serves until its standard input ends. The reply to a request is one
 * JSON object, every text in it as hexadecimal digits:
 * {"method","target","headers":[[name,value]...],"body"}; to a refusal {"refusal": reason}. Its status is the
 * one that the product would give. */
#include "base/buffer.h"
#include "http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct echo_loop {
    struct buffer reply;
};

static void *loop_start(void *context, struct http_loop *loop, unsigned loop_index)
{
    struct echo_loop *state = calloc(1, sizeof *state);

    (void)context, (void)loop, (void)loop_index;
    if (state)
        buffer_init(&state->reply);
    return state;
}

static void on_batch_end(void *loop_state)
{
    (void)loop_state;
}

static void loop_stop(void *loop_state)
{
    struct echo_loop *state = loop_state;

    buffer_free(&state->reply);
    free(state);
}

static void put_hexadecimal(struct buffer *out, struct text text)
{
    buffer_append_char(out, '"');
    for (size_t i = 0; i < text.length; i++)
        buffer_append_format(out, "%02x", (unsigned char)text.data[i]);
    buffer_append_char(out, '"');
}

static void put_headers(struct buffer *out, const struct http_request *request)
{
    buffer_append(out, TEXT(",\"headers\":["));
    for (unsigned i = 0; i < request->header_count; i++) {
        buffer_append(out, i ? TEXT(",[") : TEXT("["));
        put_hexadecimal(out, request->headers[i].name);
        buffer_append_char(out, ',');
        put_hexadecimal(out, request->headers[i].value);
        buffer_append_char(out, ']');
    }
    buffer_append_char(out, ']');
}

static void put_request(struct buffer *out, const struct http_request *request)
{
    buffer_append(out, TEXT("{\"method\":"));
    put_hexadecimal(out, request->method_name);
    buffer_append(out, TEXT(",\"target\":"));
    put_hexadecimal(out, request->target);
    put_headers(out, request);
    buffer_append(out, TEXT(",\"body\":"));
    put_hexadecimal(out, request->body);
    buffer_append_char(out, '}');
}

static void on_request(void *loop_state, struct http_exchange *exchange)
{
    struct buffer *out = &((struct echo_loop *)loop_state)->reply;
    bool is_head = exchange->request.method == HTTP_HEAD;

    buffer_clear(out);
    if (exchange->refusal)
        buffer_append_format(out, "{\"refusal\":\"%s\"}", exchange->refusal_reason);
    else
        put_request(out, &exchange->request);
    /* A HEAD has no body to say it in: a header will do. */
    struct text in_header = arena_format(exchange->arena, "X-Echo: %.*s\r\n", TEXT_FORMAT(buffer_text(out)));
    const struct http_reply reply = {.status = exchange->refusal ? 400 : 200,
                                     .content_type = TEXT("application/json"),
                                     .headers = {is_head ? in_header : text_empty},
                                     .body = buffer_text(out)};

    http_reply(exchange, &reply);
}

int main(void)
{
    const struct http_handler handler = {.loop_start = loop_start,
                                         .on_request = on_request,
                                         .on_batch_end = on_batch_end,
                                         .loop_stop = loop_stop};
    struct http_config config = http_config_default();
    struct arena arena;
    struct text reason;
    char byte;

    arena_init(&arena);
    http_config_listen(&config, TEXT("127.0.0.1:0"), HTTP_ENTRANCE_PUBLIC);
    config.loop_count = 1;
    struct http_server *server = http_server_start(&config, &handler, &arena, &reason);

    if (!server) {
        fprintf(stderr, "http-echo: %.*s\n", TEXT_FORMAT(reason));
        return 1;
    }
    printf("%.*s\n", TEXT_FORMAT(http_server_address(server, 0)));
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    http_server_drain(server);
    http_server_free(server);
    arena_free(&arena);
    return 0;
}
