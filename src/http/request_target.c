/* The target of a request line (RFC 9112 section 3.2), and hosts. */
#include "http/request_parts.h"

#include "base/utf8.h"

#include <string.h>

enum { PORT_DIGITS_MAX = 5, PORT_MAX = 65535 };

/* Checks the escapes that stand side by side at the start of `text`, which begins with one: only they can
 * make up a character together, because all other bytes are ASCII. Sets `*length` to the bytes they take. */
static bool check_escapes(struct text text, size_t *length, struct http_parse *parse)
{
    char decoded[HTTP_URL_BYTES_MAX / TEXT_ESCAPE_BYTES];
    size_t count = 0;

    while (text.length && text.data[0] == '%') {
        int byte = text_escaped_byte(text);

        if (byte < 0)
            return http_parse_malformed(parse, "the request target has an escape that is not valid");
        if (byte == 0)
            return http_parse_malformed(parse, "the request target has an escaped NUL");
        decoded[count++] = (char)byte;
        text = text_from(text, TEXT_ESCAPE_BYTES);
    }
    *length = count * TEXT_ESCAPE_BYTES;
    return utf8_valid((struct text){decoded, count}) ||
           http_parse_malformed(parse, "the request target is not UTF-8");
}

static bool check_all_escapes(struct text target, struct http_parse *parse)
{
    size_t at, length;

    while ((at = text_find(target, '%')) < target.length) {
        target = text_from(target, at);
        if (!check_escapes(target, &length, parse))
            return false;
        target = text_from(target, length);
    }
    return true;
}

static bool is_port(struct text text)
{
    uint64_t port = 0;

    return text.length == 0 ||
           (text.length <= PORT_DIGITS_MAX && text_to_uint64(text, &port) && port <= PORT_MAX);
}

/* The length of `[...]` at the start of `text`; 0 when it does not look like an address. */
static size_t bracketed_length(struct text text)
{
    size_t end = text_find(text, ']');

    if (end == text.length || end < 2)
        return 0;
    for (size_t i = 1; i < end; i++)
        if (text_hex_digit(text.data[i]) < 0 && text.data[i] != ':' && text.data[i] != '.')
            return 0;
    return end + 1;
}

bool http_is_authority(struct text text)
{
    bool is_bracketed = text.length && text.data[0] == '[';
    size_t length = is_bracketed ? bracketed_length(text) : http_span(text, HTTP_BYTE_HOST);

    if (is_bracketed && length == 0)
        return false;
    if (length == text.length)
        return true;
    return text.data[length] == ':' && length > 0 && is_port(text_from(text, length + 1));
}

/* The bytes of `http://` or `https://` at the start of the target; 0 when it begins otherwise. */
static size_t scheme_length(struct text target)
{
    static const struct text schemes[] = {TEXT_LITERAL("http://"), TEXT_LITERAL("https://")};

    for (unsigned i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (target.length >= schemes[i].length &&
            text_equal_ignoring_case(text_slice(target, 0, schemes[i].length), schemes[i]))
            return schemes[i].length;
    return 0;
}

/* `http://host/path` into `/path` (RFC 9112 section 3.2.2). Unset when it is not that. */
static struct text origin_form(struct text target)
{
    size_t scheme = scheme_length(target);
    struct text rest = text_from(target, scheme);
    size_t slash = text_find(rest, '/'), question = text_find(rest, '?');
    size_t host = slash < question ? slash : question;

    if (scheme == 0 || host == 0 || !http_is_authority(text_slice(rest, 0, host)))
        return text_none;
    /* Without a path it is the root: the scheme's own last slash will do, and the query stays. */
    return slash < question ? text_from(rest, host) : text_slice(target, scheme - 1, 1);
}

bool http_parse_target(struct text target, struct http_request *request, struct http_parse *parse)
{
    if (target.length > HTTP_URL_BYTES_MAX)
        return http_parse_refuse(parse, HTTP_REFUSAL_URL_TOO_LONG, "the URL is too long");
    if (http_span(target, HTTP_BYTE_TARGET) != target.length)
        return http_parse_malformed(parse, "the request target holds a byte that must be percent-encoded");
    bool is_server_wide = target.length == 1 && target.data[0] == '*' && request->method == HTTP_OPTIONS;
    bool is_local = is_server_wide || (target.length && target.data[0] == '/');
    struct text local = is_local ? target : origin_form(target);

    if (local.length == 0)
        return http_parse_malformed(parse, "the request target does not begin with a slash");
    size_t path_length = text_find(local, '?'), question = text_find(target, '?');

    request->target = target;
    request->path = text_slice(local, 0, path_length);
    request->query = question < target.length ? text_from(target, question + 1) : text_empty;
    return check_all_escapes(target, parse);
}
