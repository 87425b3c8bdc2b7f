/* What has arrived becomes a request: its head, the handler's word whether it may have a large body, its
 * body. */
#include "http/internal.h"

/* The most bytes that the request on its way can still need behind those that are there. */
static size_t missing_bytes(const struct http_connection *connection)
{
    const struct http_parse *parse = &connection->parse;
    size_t length = http_bytes_length(&connection->input);
    /* What chunks add is gone before more is read, so that one buffer beside the largest body is enough. */
    uint64_t body_bytes = parse->is_chunked ? connection->record->exchange.body_bytes_max + HTTP_BUFFER_BYTES
                                            : parse->content_length;

    return parse->head_length + (size_t)body_bytes - length;
}

static void grow_input(struct http_connection *connection, size_t more)
{
    struct http_bytes *input = &connection->input;
    const char *before = input->data ? input->data + input->start : NULL;

    http_bytes_reserve(input, &connection->loop->buffers, more);
    if (input->data + input->start != before) { /* the request's texts must be made again */
        connection->parse = (struct http_parse){0};
        connection->head_is_parsed = false;
        if (connection->record) /* its deadline may be over before they are */
            connection->record->exchange.request = (struct http_request){0};
    }
}

bool http_intake_reserve(struct http_connection *connection)
{
    struct http_bytes *input = &connection->input;
    size_t length = http_bytes_length(input), more = length ? length : 1;

    if (input->end < input->capacity)
        return true;
    if (connection->head_is_parsed && missing_bytes(connection) < more)
        more = missing_bytes(connection);
    if (length + more > HTTP_BUFFER_BYTES && length + more > input->capacity &&
        !http_server_may_buffer(connection->loop->server, more, connection->body_is_admitted)) {
        http_exchange_dispatch(connection, HTTP_REFUSAL_OVERLOADED,
                               "the server has no memory left for large requests; try again later");
        return false;
    }
    grow_input(connection, more);
    return true;
}

/* Of a chunked body, what has arrived: more of it than the handler then allows can lie behind the request
 * before it. */
static bool is_too_large(const struct http_connection *connection)
{
    const struct http_parse *parse = &connection->parse;
    uint64_t body_bytes = parse->is_chunked ? connection->chunked.body_length : parse->content_length;

    return body_bytes > connection->record->exchange.body_bytes_max;
}

static void refuse_large_body(struct http_connection *connection)
{
    http_exchange_dispatch(connection, HTTP_REFUSAL_BODY_TOO_LARGE, "the body is too large");
}

/* Parses the head of the request at the start of the input. True when it is whole and may have its body. */
static bool parse_head(struct http_connection *connection, struct http_exchange_record *record)
{
    const struct http_bytes *input = &connection->input;
    struct http_parse *parse = &connection->parse;
    struct text bytes = {input->data + input->start, http_bytes_length(input)};

    switch (http_parse_head(bytes, record->headers, &record->exchange.request, parse)) {
    case HTTP_PARSE_INCOMPLETE:
        return false;
    case HTTP_PARSE_REFUSED:
        http_exchange_dispatch(connection, parse->refusal, parse->reason);
        return false;
    case HTTP_PARSE_DONE:
        break;
    }
    record->exchange.has_head = true;
    if (is_too_large(connection)) {
        refuse_large_body(connection);
        return false;
    }
    connection->head_is_parsed = true;
    return true;
}

/* Decodes the chunks that have arrived, in place. Unless the body is whole, nothing is left behind it, so
 * that the next bytes are read to where they may be decoded. */
static enum http_parse_status decode_body(struct http_connection *connection, struct text *body)
{
    struct http_chunked *chunked = &connection->chunked;
    struct http_bytes *input = &connection->input;
    char *body_start = input->data + input->start + connection->parse.head_length;
    char *raw = body_start + chunked->body_length;
    size_t raw_length = (size_t)(input->data + input->end - raw), taken;
    enum http_parse_status status = http_chunked_decode(chunked, raw, raw_length, raw,
                                                        connection->record->exchange.body_bytes_max, &taken);

    *body = (struct text){body_start, (size_t)chunked->body_length};
    if (status == HTTP_PARSE_INCOMPLETE)
        input->end = (size_t)(body_start - input->data) + body->length;
    connection->request_bytes = (size_t)(raw - (input->data + input->start)) + taken;
    return status;
}

static enum http_parse_status find_body(struct http_connection *connection, struct text *body)
{
    const struct http_bytes *input = &connection->input;
    const struct http_parse *parse = &connection->parse;

    if (parse->is_chunked)
        return decode_body(connection, body);
    if (http_bytes_length(input) - parse->head_length < parse->content_length)
        return HTTP_PARSE_INCOMPLETE;
    *body = (struct text){input->data + input->start + parse->head_length, (size_t)parse->content_length};
    connection->request_bytes = parse->head_length + body->length;
    return HTTP_PARSE_DONE;
}

static void put_continue(struct http_connection *connection)
{
    const struct text line = TEXT("HTTP/1.1 100 Continue\r\n\r\n");

    memcpy(http_connection_reserve(connection, line.length), line.data, line.length);
    connection->output.end += line.length;
}

/* Before the client is told to send its body, or much memory is spent on it, the handler has its say. */
static void admit_body(struct http_connection *connection)
{
    const struct http_parse *parse = &connection->parse;
    bool is_large = parse->is_chunked || parse->head_length + parse->content_length > HTTP_BUFFER_BYTES;

    connection->body_is_awaited = true;
    if (connection->body_is_admitted || !(is_large || parse->expects_continue) ||
        !http_exchange_admit(connection))
        return;
    connection->body_is_admitted = true;
    if (is_too_large(connection))
        refuse_large_body(connection);
    else if (parse->expects_continue)
        put_continue(connection);
}

bool http_intake_take(struct http_connection *connection)
{
    struct http_exchange_record *record = http_exchange_take(connection);
    struct text body;

    if (!connection->head_is_parsed && !parse_head(connection, record))
        return connection->phase != HTTP_READING;
    switch (find_body(connection, &body)) {
    case HTTP_PARSE_DONE:
        record->exchange.request.body = body;
        http_exchange_dispatch(connection, HTTP_REFUSAL_NONE, NULL);
        return true;
    case HTTP_PARSE_REFUSED:
        http_exchange_dispatch(connection, connection->chunked.refusal, connection->chunked.reason);
        return true;
    case HTTP_PARSE_INCOMPLETE:
        break;
    }
    admit_body(connection);
    return connection->phase != HTTP_READING;
}
