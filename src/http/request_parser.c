#include "http/request_parser.h"

#include <string.h>

/* A method, two spaces and the version beside the longest target. */
enum { REQUEST_LINE_BYTES_MAX = HTTP_URL_BYTES_MAX + 64, VERSION_BYTES = 8 };

enum byte_class {
    TOKEN = 1,  /* tchar of RFC 9110 section 5.6.2: methods and header names */
    TARGET = 2, /* visible ASCII without the fragment mark, which no request target may hold */
    HOST = 4,   /* uri-host and port of RFC 3986 section 3.2 */
    VALUE = 8,  /* field-vchar, space and tab of RFC 9110 section 5.5; bytes above 0x7F are opaque */
};

static const uint8_t byte_classes[256] = {
    ['\t'] = VALUE,
    [' '] = VALUE,
    ['!'] = TOKEN | TARGET | HOST | VALUE,
    ['"'] = TARGET | VALUE,
    ['#'] = TOKEN | VALUE,
    ['$' ... '\''] = TOKEN | TARGET | HOST | VALUE,
    ['(' ... ')'] = TARGET | HOST | VALUE,
    ['*' ... '+'] = TOKEN | TARGET | HOST | VALUE,
    [','] = TARGET | HOST | VALUE,
    ['-' ... '.'] = TOKEN | TARGET | HOST | VALUE,
    ['/'] = TARGET | VALUE,
    ['0' ... '9'] = TOKEN | TARGET | HOST | VALUE,
    [':' ... ';'] = TARGET | HOST | VALUE,
    ['<'] = TARGET | VALUE,
    ['='] = TARGET | HOST | VALUE,
    ['>' ... '@'] = TARGET | VALUE,
    ['A' ... 'Z'] = TOKEN | TARGET | HOST | VALUE,
    ['['] = TARGET | HOST | VALUE,
    ['\\'] = TARGET | VALUE,
    [']'] = TARGET | HOST | VALUE,
    ['^'] = TOKEN | TARGET | VALUE,
    ['_'] = TOKEN | TARGET | HOST | VALUE,
    ['`'] = TOKEN | TARGET | VALUE,
    ['a' ... 'z'] = TOKEN | TARGET | HOST | VALUE,
    ['{'] = TARGET | VALUE,
    ['|'] = TOKEN | TARGET | VALUE,
    ['}'] = TARGET | VALUE,
    ['~'] = TOKEN | TARGET | HOST | VALUE,
    [0x80 ... 0xFF] = VALUE,
};

static bool byte_is(char byte, enum byte_class class)
{
    return byte_classes[(uint8_t)byte] & class;
}

/* The length of the longest beginning of `text` whose bytes are all in the class. */
static size_t span(struct text text, enum byte_class class)
{
    size_t length = 0;

    while (length < text.length && byte_is(text.data[length], class))
        length++;
    return length;
}

/* Whether eight bytes hold one below 0x20 or 0x7F: the bytes that a value may not hold, and the tab. */
static bool has_control(uint64_t bytes)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones * 0x80;
    uint64_t below_space = (bytes - ones * 0x20) & ~bytes & tops;
    uint64_t without_delete = bytes ^ (ones * 0x7F);

    return below_space | ((without_delete - ones) & ~without_delete & tops);
}

static bool is_value(struct text text)
{
    size_t at = 0;

    for (; text.length - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t bytes;

        memcpy(&bytes, text.data + at, sizeof bytes);
        if (has_control(bytes) && span((struct text){text.data + at, sizeof bytes}, VALUE) < sizeof bytes)
            return false;
    }
    return span(text_from(text, at), VALUE) == text.length - at;
}

static bool refuse(struct http_parse *parse, enum http_refusal refusal, const char *reason)
{
    parse->refusal = refusal;
    parse->reason = reason;
    return false;
}

static bool malformed(struct http_parse *parse, const char *reason)
{
    return refuse(parse, HTTP_REFUSAL_MALFORMED, reason);
}

static enum http_method method_of(struct text name)
{
    static const struct {
        struct text name;
        enum http_method method;
    } methods[] = {
        {TEXT_LITERAL("GET"), HTTP_GET},         {TEXT_LITERAL("POST"), HTTP_POST},
        {TEXT_LITERAL("PUT"), HTTP_PUT},         {TEXT_LITERAL("DELETE"), HTTP_DELETE},
        {TEXT_LITERAL("OPTIONS"), HTTP_OPTIONS}, {TEXT_LITERAL("HEAD"), HTTP_HEAD},
        {TEXT_LITERAL("PATCH"), HTTP_PATCH},
    };

    for (unsigned i = 0; i < sizeof methods / sizeof *methods; i++)
        if (methods[i].name.length == name.length &&
            memcmp(methods[i].name.data, name.data, name.length) == 0)
            return methods[i].method;
    return HTTP_OTHER;
}

/* A later 1.x is read as the 1.1 it must be compatible with (RFC 9110 section 2.5). A client of 1.0, many
 * proxies among them, gets one reply a connection. */
static bool parse_version(struct text version, struct http_request *request, struct http_parse *parse)
{
    if (version.length != VERSION_BYTES || memcmp(version.data, "HTTP/", 5) != 0 || version.data[6] != '.' ||
        version.data[5] < '0' || version.data[5] > '9' || version.data[7] < '0' || version.data[7] > '9')
        return malformed(parse, "the request line is not `METHOD TARGET HTTP/1.1`");
    if (version.data[5] != '1')
        return refuse(parse, HTTP_REFUSAL_VERSION, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    parse->is_http_1_0 = version.data[7] == '0';
    request->keep_alive = !parse->is_http_1_0;
    return true;
}

/* `http://host/path` into `/path` (RFC 9112 section 3.2.2); anything else as it is. */
static struct text origin_form(struct text target)
{
    static const struct text schemes[] = {TEXT_LITERAL("http://"), TEXT_LITERAL("https://")};

    for (unsigned i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        struct text scheme = schemes[i];

        if (target.length <= scheme.length ||
            !text_equal_ignoring_case(text_slice(target, 0, scheme.length), scheme))
            continue;
        struct text rest = text_from(target, scheme.length);
        size_t slash = text_find(rest, '/');

        /* Without a path it is the root: the scheme's own last slash will do. */
        return slash < text_find(rest, '?') ? text_from(rest, slash)
                                            : text_slice(target, scheme.length - 1, 1);
    }
    return target;
}

static bool parse_target(struct text target, struct http_request *request, struct http_parse *parse)
{
    if (target.length > HTTP_URL_BYTES_MAX)
        return refuse(parse, HTTP_REFUSAL_URL_TOO_LONG, "the URL is too long");
    if (span(target, TARGET) != target.length)
        return malformed(parse, "the request target holds a byte that must be percent-encoded");
    bool is_server_wide = target.length == 1 && target.data[0] == '*' && request->method == HTTP_OPTIONS;
    struct text local = target.length && target.data[0] == '/' ? target : origin_form(target);

    if (!is_server_wide && (local.length == 0 || local.data[0] != '/'))
        return malformed(parse, "the request target does not begin with a slash");
    size_t path_length = text_find(local, '?');

    request->target = target;
    request->path = text_slice(local, 0, path_length);
    request->query = path_length < local.length ? text_from(local, path_length + 1) : text_empty;
    return true;
}

static bool parse_request_line(struct text line, struct http_request *request, struct http_parse *parse)
{
    size_t method_length = span(line, TOKEN);

    if (method_length == 0 || method_length == line.length || line.data[method_length] != ' ')
        return malformed(parse, "the request line does not begin with a method");
    struct text rest = text_from(line, method_length + 1);
    size_t target_length = text_find(rest, ' ');

    if (target_length == rest.length)
        return malformed(parse, "the request line is not `METHOD TARGET HTTP/1.1`");
    request->method_name = text_slice(line, 0, method_length);
    request->method = method_of(request->method_name);
    return parse_version(text_from(rest, target_length + 1), request, parse) &&
           parse_target(text_slice(rest, 0, target_length), request, parse);
}

static bool take_content_length(struct text value, struct http_parse *parse)
{
    uint64_t length = 0;

    if (value.length == 0)
        return malformed(parse, "Content-Length is not a number");
    for (size_t i = 0; i < value.length; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return malformed(parse, "Content-Length is not a number");
        if (__builtin_mul_overflow(length, 10, &length) ||
            __builtin_add_overflow(length, value.data[i] - '0', &length))
            length = UINT64_MAX;
    }
    if (parse->has_content_length && parse->content_length != length)
        return malformed(parse, "two Content-Length headers differ");
    parse->has_content_length = true;
    parse->content_length = length;
    return true;
}

static bool take_host(struct text value, struct http_parse *parse)
{
    if (parse->has_host)
        return malformed(parse, "the Host header is given twice");
    if (span(value, HOST) != value.length)
        return malformed(parse, "the Host header is not a host name");
    parse->has_host = true;
    return true;
}

static void take_connection(struct text value, struct http_request *request)
{
    while (value.length) {
        size_t comma = text_find(value, ',');

        if (text_equal_ignoring_case(text_trim(text_slice(value, 0, comma)), TEXT("close")))
            request->keep_alive = false;
        value = text_from(value, comma < value.length ? comma + 1 : comma);
    }
}

/* The few headers that this room itself must understand. Their lengths tell them from nearly all others. */
static bool take_header(const struct http_header *header, struct http_request *request,
                        struct http_parse *parse)
{
    switch (header->name.length) {
    case sizeof "Host" - 1:
        if (text_equal_ignoring_case(header->name, TEXT("Host")))
            return take_host(header->value, parse);
        break;
    case sizeof "Expect" - 1:
        if (text_equal_ignoring_case(header->name, TEXT("Expect")))
            parse->expects_continue = text_equal_ignoring_case(header->value, TEXT("100-continue"));
        break;
    case sizeof "Connection" - 1:
        if (text_equal_ignoring_case(header->name, TEXT("Connection")))
            take_connection(header->value, request);
        break;
    case sizeof "Content-Length" - 1:
        if (text_equal_ignoring_case(header->name, TEXT("Content-Length")))
            return take_content_length(header->value, parse);
        break;
    case sizeof "Transfer-Encoding" - 1:
        if (text_equal_ignoring_case(header->name, TEXT("Transfer-Encoding")))
            parse->has_transfer_encoding = true;
        break;
    }
    return true;
}

static bool parse_header_line(struct text line, struct http_header *headers, struct http_request *request,
                              struct http_parse *parse)
{
    size_t name_length = span(line, TOKEN);

    if (line.data[0] == ' ' || line.data[0] == '\t')
        return malformed(parse, "a header is folded over two lines");
    if (name_length == 0 || name_length == line.length || line.data[name_length] != ':')
        return malformed(parse, "a header line is not `Name: value`");
    struct text value = text_from(line, name_length + 1);

    if (!is_value(value))
        return malformed(parse, "a header value holds a control character");
    if (request->header_count == HTTP_HEADER_COUNT_MAX)
        return refuse(parse, HTTP_REFUSAL_HEADER_TOO_LARGE, "there are too many headers");
    struct http_header *header = &headers[request->header_count++];

    header->name = text_slice(line, 0, name_length);
    header->value = text_trim(value);
    return take_header(header, request, parse);
}

static bool check_whole_head(struct http_parse *parse)
{
    if (parse->is_http_1_0)
        parse->expects_continue = false; /* it knows no interim replies (RFC 9110 section 10.1.1) */
    if (!parse->has_host && !parse->is_http_1_0)
        return malformed(parse, "the Host header is missing");
    if (parse->has_transfer_encoding && parse->has_content_length)
        return malformed(parse, "Content-Length and Transfer-Encoding exclude each other");
    if (parse->has_transfer_encoding)
        return refuse(parse, HTTP_REFUSAL_NOT_IMPLEMENTED, "send the body with a Content-Length");
    return true;
}

/* Refuses what is no HTTP at all (a TLS greeting, say) at its first byte, not when a line might end. */
static bool check_first_byte(struct text line, struct http_parse *parse)
{
    bool may_be_empty_line = parse->line_start == 0 && line.length && line.data[0] == '\r' &&
                             (line.length == 1 || line.data[1] == '\n');

    if (line.length && !byte_is(line.data[0], TOKEN) && !may_be_empty_line)
        return malformed(parse, "the request line does not begin with a method");
    return true;
}

/* Checks what can be said of a line whose end is not there yet. */
static bool check_partial_line(struct text input, struct http_parse *parse)
{
    if (!parse->has_request_line && input.length - parse->line_start > REQUEST_LINE_BYTES_MAX + 1)
        return refuse(parse, HTTP_REFUSAL_URL_TOO_LONG, "the request line is too long");
    if (input.length >= HTTP_HEADER_BYTES_MAX)
        return refuse(parse, HTTP_REFUSAL_HEADER_TOO_LARGE, "the headers are too large");
    return true;
}

/* Takes one line of the head, given with its CR but without its LF; sets head_length after the last. */
static bool parse_line(struct text line, struct http_header *headers, struct http_request *request,
                       struct http_parse *parse)
{
    /* The limits come first: they are what stops a line whose end has not been seen. */
    if (!parse->has_request_line && line.length > REQUEST_LINE_BYTES_MAX + 1)
        return refuse(parse, HTTP_REFUSAL_URL_TOO_LONG, "the request line is too long");
    if (parse->scanned_bytes > HTTP_HEADER_BYTES_MAX)
        return refuse(parse, HTTP_REFUSAL_HEADER_TOO_LARGE, "the headers are too large");
    if (line.length == 0 || line.data[line.length - 1] != '\r')
        return malformed(parse, "a line does not end with CR LF");
    line.length--;
    if (!parse->has_request_line) {
        if (line.length == 0)
            return true;
        parse->has_request_line = true;
        return parse_request_line(line, request, parse);
    }
    if (line.length)
        return parse_header_line(line, headers, request, parse);
    parse->head_length = parse->scanned_bytes;
    return check_whole_head(parse);
}

enum http_parse_status http_parse_head(struct text input, struct http_header *headers,
                                       struct http_request *request, struct http_parse *parse)
{
    if (parse->line_start == 0)
        *request = (struct http_request){
            .headers = headers, .body = text_empty, .query = text_empty, .keep_alive = true};
    while (!parse->head_length) {
        if (!parse->has_request_line && !check_first_byte(text_from(input, parse->line_start), parse))
            return HTTP_PARSE_REFUSED;
        const char *line_end =
            input.length > parse->scanned_bytes
                ? memchr(input.data + parse->scanned_bytes, '\n', input.length - parse->scanned_bytes)
                : NULL;
        if (!line_end) {
            parse->scanned_bytes = input.length;
            return check_partial_line(input, parse) ? HTTP_PARSE_INCOMPLETE : HTTP_PARSE_REFUSED;
        }
        size_t end = (size_t)(line_end - input.data);
        struct text line = text_slice(input, parse->line_start, end - parse->line_start);

        parse->scanned_bytes = end + 1;
        if (!parse_line(line, headers, request, parse))
            return HTTP_PARSE_REFUSED;
        parse->line_start = end + 1;
    }
    return HTTP_PARSE_DONE;
}

struct text http_request_header(const struct http_request *request, struct text name)
{
    for (unsigned i = 0; i < request->header_count; i++)
        if (request->headers[i].name.length == name.length &&
            text_equal_ignoring_case(request->headers[i].name, name))
            return request->headers[i].value;
    return text_none;
}
