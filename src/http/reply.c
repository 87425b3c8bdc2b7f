/* The bytes of a reply. */
#include "http/internal.h"

/* The status line, the Date and the framing of a reply fit in this; its own texts come on top. */
enum { REPLY_FRAME_BYTES_MAX = 256, UINT64_DIGITS_MAX = 20 };

/* RFC 9110 section 15, RFC 6585. A status that is not listed goes out without a phrase, which is optional. */
static const struct {
    int status;
    struct text phrase;
} reason_phrases[] = {
    {200, TEXT_LITERAL("OK")},
    {201, TEXT_LITERAL("Created")},
    {202, TEXT_LITERAL("Accepted")},
    {204, TEXT_LITERAL("No Content")},
    {206, TEXT_LITERAL("Partial Content")},
    {207, TEXT_LITERAL("Multi-Status")},
    {301, TEXT_LITERAL("Moved Permanently")},
    {302, TEXT_LITERAL("Found")},
    {303, TEXT_LITERAL("See Other")},
    {307, TEXT_LITERAL("Temporary Redirect")},
    {308, TEXT_LITERAL("Permanent Redirect")},
    {400, TEXT_LITERAL("Bad Request")},
    {401, TEXT_LITERAL("Unauthorized")},
    {402, TEXT_LITERAL("Payment Required")},
    {403, TEXT_LITERAL("Forbidden")},
    {404, TEXT_LITERAL("Not Found")},
    {405, TEXT_LITERAL("Method Not Allowed")},
    {408, TEXT_LITERAL("Request Timeout")},
    {409, TEXT_LITERAL("Conflict")},
    {410, TEXT_LITERAL("Gone")},
    {412, TEXT_LITERAL("Precondition Failed")},
    {413, TEXT_LITERAL("Content Too Large")},
    {414, TEXT_LITERAL("URI Too Long")},
    {415, TEXT_LITERAL("Unsupported Media Type")},
    {422, TEXT_LITERAL("Unprocessable Content")},
    {428, TEXT_LITERAL("Precondition Required")},
    {429, TEXT_LITERAL("Too Many Requests")},
    {431, TEXT_LITERAL("Request Header Fields Too Large")},
    {500, TEXT_LITERAL("Internal Server Error")},
    {501, TEXT_LITERAL("Not Implemented")},
    {502, TEXT_LITERAL("Bad Gateway")},
    {503, TEXT_LITERAL("Service Unavailable")},
    {504, TEXT_LITERAL("Gateway Timeout")},
    {505, TEXT_LITERAL("HTTP Version Not Supported")},
};

static struct text reason_phrase(int status)
{
    for (unsigned i = 0; i < sizeof reason_phrases / sizeof *reason_phrases; i++)
        if (reason_phrases[i].status == status)
            return reason_phrases[i].phrase;
    return text_empty;
}

static char *put(char *at, struct text text)
{
    if (text.length)
        memcpy(at, text.data, text.length);
    return at + text.length;
}

static char *put_number(char *at, uint64_t value)
{
    char digits[UINT64_DIGITS_MAX];
    size_t start = sizeof digits;

    do {
        digits[--start] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    return put(at, (struct text){digits + start, sizeof digits - start});
}

static char *put_status_line(char *at, int status)
{
    assert(status >= 200 && status <= 599);
    at = put(at, TEXT("HTTP/1.1 "));
    at = put_number(at, (uint64_t)status);
    *at++ = ' ';
    at = put(at, reason_phrase(status));
    return put(at, TEXT("\r\n"));
}

static char *put_content_lines(char *at, const struct http_reply *reply)
{
    if (text_is_set(reply->content_type)) {
        at = put(at, TEXT("Content-Type: "));
        at = put(at, reply->content_type);
        at = put(at, TEXT("\r\n"));
    }
    at = put(at, TEXT("Content-Length: "));
    at = put_number(at, reply->body.length);
    return put(at, TEXT("\r\n"));
}

void http_reply_append(struct http_connection *connection, const struct http_reply *reply,
                       enum http_method method, bool close)
{
    const size_t bytes_max = REPLY_FRAME_BYTES_MAX + reply->content_type.length + reply->headers[0].length +
                             reply->headers[1].length + reply->body.length;
    char *start = http_connection_reserve(connection, bytes_max), *at = start;
    bool has_content = reply->status != 204;

    assert(has_content || reply->body.length == 0);
    at = put_status_line(at, reply->status);
    at = put(at, (struct text){connection->loop->date_line, HTTP_DATE_LINE_BYTES});
    at = put(at, reply->headers[0]);
    at = put(at, reply->headers[1]);
    if (has_content)
        at = put_content_lines(at, reply);
    if (close)
        at = put(at, TEXT("Connection: close\r\n"));
    at = put(at, TEXT("\r\n"));
    if (method != HTTP_HEAD)
        at = put(at, reply->body);
    assert((size_t)(at - start) <= bytes_max);
    connection->output.end += (size_t)(at - start);
}
