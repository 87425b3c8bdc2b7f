/* The bytes of a reply. */
#include "http/internal.h"

/* The status line, the Date and the framing of a reply fit in this; its own texts come on top. */
enum { REPLY_FRAME_BYTES_MAX = 256, UINT64_DIGITS_MAX = 20 };

/* RFC 9110 section 15, RFC 6585. A status that is not listed goes out without a phrase, which is optional. */
static struct text reason_phrase(int status)
{
    switch (status) {
    case 200:
        return TEXT("OK");
    case 201:
        return TEXT("Created");
    case 202:
        return TEXT("Accepted");
    case 204:
        return TEXT("No Content");
    case 206:
        return TEXT("Partial Content");
    case 207:
        return TEXT("Multi-Status");
    case 301:
        return TEXT("Moved Permanently");
    case 302:
        return TEXT("Found");
    case 303:
        return TEXT("See Other");
    case 307:
        return TEXT("Temporary Redirect");
    case 308:
        return TEXT("Permanent Redirect");
    case 400:
        return TEXT("Bad Request");
    case 401:
        return TEXT("Unauthorized");
    case 402:
        return TEXT("Payment Required");
    case 403:
        return TEXT("Forbidden");
    case 404:
        return TEXT("Not Found");
    case 405:
        return TEXT("Method Not Allowed");
    case 408:
        return TEXT("Request Timeout");
    case 409:
        return TEXT("Conflict");
    case 410:
        return TEXT("Gone");
    case 412:
        return TEXT("Precondition Failed");
    case 413:
        return TEXT("Content Too Large");
    case 414:
        return TEXT("URI Too Long");
    case 415:
        return TEXT("Unsupported Media Type");
    case 422:
        return TEXT("Unprocessable Content");
    case 428:
        return TEXT("Precondition Required");
    case 429:
        return TEXT("Too Many Requests");
    case 431:
        return TEXT("Request Header Fields Too Large");
    case 500:
        return TEXT("Internal Server Error");
    case 501:
        return TEXT("Not Implemented");
    case 502:
        return TEXT("Bad Gateway");
    case 503:
        return TEXT("Service Unavailable");
    case 504:
        return TEXT("Gateway Timeout");
    case 505:
        return TEXT("HTTP Version Not Supported");
    default:
        return text_empty;
    }
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
