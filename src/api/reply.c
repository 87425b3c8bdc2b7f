#include "api/reply.h"

#include "api/observe.h"
#include "base/utf8.h"

#include <string.h>

/* On every reply (conventions section 19). */
#define COMMON_HEADERS                                                                                       \
    "Access-Control-Allow-Methods: GET, POST, PUT, DELETE, OPTIONS\r\n"                                      \
    "Access-Control-Max-Age: 86400\r\n"                                                                      \
    "Access-Control-Expose-Headers: X-Request-ID, Idempotent-Replayed\r\n"                                   \
    "X-Content-Type-Options: nosniff\r\n"                                                                    \
    "X-Frame-Options: DENY\r\n"                                                                              \
    "Referrer-Policy: no-referrer\r\n"                                                                       \
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"                                \
    "Permissions-Policy: geolocation=(), microphone=(), camera=()\r\n"

#define ANY_ORIGIN "Access-Control-Allow-Origin: *\r\n"
#define ANY_HEADER "Access-Control-Allow-Headers: *\r\n"

static const struct text json_media_type = TEXT_LITERAL("application/json; charset=utf-8");

enum {
    RETRY_AFTER_SECONDS = 1,
    FIRST_STATUS_OF_FAILURE = 400,
    BODY_KEPT_BYTES_MAX = 256 * 1024, /* of a loop's buffer for bodies */
};

struct code {
    struct text name;
    int status;
};

/* In the order of enum failure_code (conventions section 7.2). 401 shares a name, because clients know no
 * other. */
static const struct code codes[] = {
    {TEXT_LITERAL("validation_error"), 400},  {TEXT_LITERAL("invalid_operation"), 400},
    {TEXT_LITERAL("permission_denied"), 401}, {TEXT_LITERAL("permission_denied"), 403},
    {TEXT_LITERAL("not_found"), 404},         {TEXT_LITERAL("already_exists"), 409},
    {TEXT_LITERAL("version_conflict"), 409},  {TEXT_LITERAL("too_many_requests"), 429},
    {TEXT_LITERAL("database_error"), 500},    {TEXT_LITERAL("internal_error"), 500},
    {TEXT_LITERAL("not_implemented"), 501},   {TEXT_LITERAL("service_unavailable"), 503},
};

int failure_status(enum failure_code code)
{
    return codes[code].status;
}

struct text failure_code_name(enum failure_code code)
{
    return codes[code].name;
}

static bool is_listed(struct text list, struct text item)
{
    while (list.length) {
        size_t comma = text_find(list, ',');

        if (text_equal(text_trim(text_slice(list, 0, comma)), item))
            return true;
        list = text_from(list, comma < list.length ? comma + 1 : comma);
    }
    return false;
}

static bool is_any_origin_allowed(const struct api *api)
{
    return text_equal(api->config.allowed_origins, TEXT("*"));
}

/* The headers that are the same on every reply: a constant. */
static struct text common_headers(const struct exchange *exchange, bool is_preflight)
{
    if (is_any_origin_allowed(exchange->loop->api))
        return is_preflight ? TEXT(ANY_ORIGIN COMMON_HEADERS) : TEXT(ANY_ORIGIN COMMON_HEADERS ANY_HEADER);
    return is_preflight ? TEXT(COMMON_HEADERS) : TEXT(COMMON_HEADERS ANY_HEADER);
}

/* When only some origins are allowed: the request's own, when it is one of them. */
static struct text origin_headers(struct exchange *exchange)
{
    if (is_any_origin_allowed(exchange->loop->api))
        return text_empty;
    struct text origin = http_request_header(&exchange->http->request, TEXT("origin"));

    if (origin.length == 0 || !is_listed(exchange->loop->api->config.allowed_origins, origin))
        return TEXT("Vary: Origin\r\n");
    return arena_format(exchange->arena, "Access-Control-Allow-Origin: %.*s\r\nVary: Origin\r\n",
                        TEXT_FORMAT(origin));
}

/* `X-Request-ID: <id>`, what goes with the request's origin, and `extra`, in the arena. */
static struct text own_headers(struct exchange *exchange, struct text extra)
{
    const struct text parts[] = {TEXT("X-Request-ID: "), exchange->request_id, TEXT("\r\n"),
                                 origin_headers(exchange), extra};
    size_t length = 0;

    for (unsigned i = 0; i < sizeof parts / sizeof parts[0]; i++)
        length += parts[i].length;
    char *out = arena_allocate(exchange->arena, length), *at = out;

    for (unsigned i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].length)
            memcpy(at, parts[i].data, parts[i].length);
        at += parts[i].length;
    }
    return (struct text){out, length};
}

static void send(struct exchange *exchange, int status, struct text media_type, struct text extra_headers,
                 struct text body, bool close)
{
    struct http_reply reply = {
        .status = status,
        .content_type = body.length ? media_type : text_none,
        .headers = {common_headers(exchange, false), own_headers(exchange, extra_headers)},
        .body = body,
        .close = close,
    };

    observe_reply(exchange, status, body.length);
    http_reply(exchange->http, &reply);
}

/* Of a reply that tells of success. */
static struct text media_type_of(const struct route *route)
{
    return text_is_set(route->media_type) ? route->media_type : json_media_type;
}

void reply_write_success(struct exchange *exchange, struct buffer *body)
{
    struct json_writer writer;

    json_writer_init(&writer, body);
    if (exchange->route->render)
        exchange->route->render(exchange, &writer);
}

static struct text rendered(struct exchange *exchange)
{
    struct buffer *body = &exchange->loop->body;

    if (text_is_set(exchange->rendered))
        return exchange->rendered;
    buffer_clear(body);
    reply_write_success(exchange, body);
    return buffer_text(body);
}

/* Whether a client that does not read it may keep the reply. What was written is told of in any case: it was
 * asked before (lanes.c). */
static bool may_send(const struct exchange *exchange, struct text body)
{
    return exchange->route->lane == LANE_WRITE || http_may_reply(exchange->http, body.length);
}

/* A large reply is rare enough for its memory to be given back. */
static void forget_large_body(struct buffer *body)
{
    if (body->capacity > BODY_KEPT_BYTES_MAX)
        buffer_free(body);
}

bool reply_success(struct exchange *exchange)
{
    struct api_loop *loop = exchange->loop; /* the exchange is gone with its reply */
    struct text body = rendered(exchange);
    bool may = may_send(exchange, body);

    if (may)
        send(exchange, exchange->status, media_type_of(exchange->route), text_empty, body, false);
    forget_large_body(&loop->body);
    return may;
}

void reply_kept(struct exchange *exchange, const struct kept_reply *reply)
{
    bool is_success = reply->status < FIRST_STATUS_OF_FAILURE;

    send(exchange, reply->status, is_success ? media_type_of(exchange->route) : json_media_type,
         reply->is_replayed ? TEXT("Idempotent-Replayed: true\r\n") : text_empty, reply->body, false);
}

static void write_short(struct json_writer *writer, struct text text, size_t length_max,
                        void (*write)(struct json_writer *writer, struct text text))
{
    char room[UTF8_SHORT_BYTES(REPLY_MESSAGE_LENGTH_MAX)];

    write(writer, utf8_shorten(text, length_max, room));
}

static void write_message(struct json_writer *writer, const struct failure *failure)
{
    json_key(writer, TEXT("message"));
    write_short(writer, failure->message, REPLY_MESSAGE_LENGTH_MAX, json_string);
}

static void write_details(struct json_writer *writer, const struct failure *failure)
{
    json_key(writer, TEXT("details"));
    json_begin_object(writer);
    for (const struct failure_detail *detail = failure->details; detail; detail = detail->next) {
        write_short(writer, detail->name, REPLY_DETAIL_NAME_LENGTH_MAX, json_key);
        if (detail->is_json)
            json_raw(writer, detail->value);
        else
            write_short(writer, detail->value, REPLY_ECHO_LENGTH_MAX, json_string);
    }
    json_end_object(writer);
}

static void write_envelope(struct buffer *body, const struct failure *failure, int status)
{
    struct json_writer writer;

    json_writer_init(&writer, body);
    json_begin_object(&writer);
    json_put_string(&writer, TEXT("code"), failure_code_name(failure->code));
    write_message(&writer, failure);
    json_put_int64(&writer, TEXT("http_status_code"), status);
    if (failure->details)
        write_details(&writer, failure);
    json_put_bool(&writer, TEXT("success"), false);
    json_key(&writer, TEXT("error"));
    json_begin_object(&writer);
    write_message(&writer, failure);
    json_put_string(&writer, TEXT("internal_error"), failure_code_name(failure->code));
    write_details(&writer, failure);
    json_end_object(&writer);
    json_end_object(&writer);
}

void reply_write_failure(const struct failure *failure, struct buffer *body)
{
    write_envelope(body, failure, failure_status(failure->code));
}

static struct text envelope(struct exchange *exchange, const struct failure *failure, int status)
{
    buffer_clear(&exchange->loop->body);
    write_envelope(&exchange->loop->body, failure, status);
    return buffer_text(&exchange->loop->body);
}

/* What a failure says to the client's program beside its body. */
static struct text failure_headers(struct exchange *exchange, enum failure_code code)
{
    switch (code) {
    case FAILURE_UNAUTHENTICATED:
        return TEXT("WWW-Authenticate: Bearer\r\n");
    case FAILURE_TOO_MANY_REQUESTS:
        return arena_format(exchange->arena, "Retry-After: %u\r\n", exchange->retry_after_seconds);
    case FAILURE_SERVICE_UNAVAILABLE:
        return arena_format(exchange->arena, "Retry-After: %d\r\n", RETRY_AFTER_SECONDS);
    default:
        return text_empty;
    }
}

void reply_failure(struct exchange *exchange, const struct failure *failure)
{
    int status = failure_status(failure->code);

    send(exchange, status, json_media_type, failure_headers(exchange, failure->code),
         envelope(exchange, failure, status), false);
}

void reply_refusal(struct exchange *exchange, int status, enum failure_code code, const char *reason)
{
    const struct failure *failure = failure_new(exchange->arena, code, text_from_string(reason));

    send(exchange, status, json_media_type, failure_headers(exchange, code),
         envelope(exchange, failure, status), true);
}

/* Names and commas; anything else is not for us to repeat. */
static bool is_list_of_names(struct text text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] < ' ' || text.data[i] > '~')
            return false;
    return text.length > 0;
}

void reply_preflight(struct exchange *exchange)
{
    struct text requested =
        http_request_header(&exchange->http->request, TEXT("access-control-request-headers"));
    struct text allowed = is_list_of_names(requested) ? requested : TEXT("*");
    struct text line =
        arena_format(exchange->arena, "Access-Control-Allow-Headers: %.*s\r\n", TEXT_FORMAT(allowed));
    struct http_reply reply = {.status = 200,
                               .headers = {common_headers(exchange, true), own_headers(exchange, line)}};

    observe_reply(exchange, reply.status, 0);
    http_reply(exchange->http, &reply);
}

/* The envelope of a failure whose texts are known when the program is built. */
#define ENVELOPE(code, status, message)                                                                      \
    "{\"code\":\"" code "\",\"message\":\"" message "\",\"http_status_code\":" status                        \
    ",\"success\":false,\"error\":{\"message\":\"" message "\",\"internal_error\":\"" code                   \
    "\",\"details\":{}}}"

/* Nothing of a request is read, so that no origin is known: either all are allowed, or none is. */
#define TOO_MANY(status_code, origin, code, status_text, message)                                            \
    {                                                                                                        \
        .status = (status_code), .content_type = TEXT_LITERAL("application/json; charset=utf-8"),            \
        .headers = {TEXT_LITERAL(origin COMMON_HEADERS ANY_HEADER), TEXT_LITERAL("Retry-After: 1\r\n")},     \
        .body = TEXT_LITERAL(ENVELOPE(code, status_text, message)),                                          \
    }
#define TOO_MANY_CONNECTIONS(origin)                                                                         \
    TOO_MANY(503, origin, "service_unavailable", "503", "too many connections; try again later")
#define TOO_MANY_OF_CLIENT(origin)                                                                           \
    TOO_MANY(429, origin, "too_many_requests", "429",                                                        \
             "too many connections from this address; close some first")

const struct http_reply *reply_too_many_connections(const struct api *api)
{
    static const struct http_reply replies[] = {TOO_MANY_CONNECTIONS(""), TOO_MANY_CONNECTIONS(ANY_ORIGIN)};

    return &replies[is_any_origin_allowed(api)];
}

const struct http_reply *reply_too_many_of_client(const struct api *api)
{
    static const struct http_reply replies[] = {TOO_MANY_OF_CLIENT(""), TOO_MANY_OF_CLIENT(ANY_ORIGIN)};

    return &replies[is_any_origin_allowed(api)];
}
