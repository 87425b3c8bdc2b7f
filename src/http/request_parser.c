#include "http/request_parts.h"

#include <string.h>

/* A method, two spaces and the version beside the longest target. */
enum { REQUEST_LINE_BYTES_MAX = HTTP_URL_BYTES_MAX + 64, VERSION_BYTES = 8 };

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
        if (has_control(bytes) &&
            http_span((struct text){text.data + at, sizeof bytes}, HTTP_BYTE_VALUE) < sizeof bytes)
            return false;
    }
    return http_span(text_from(text, at), HTTP_BYTE_VALUE) == text.length - at;
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
        return http_parse_malformed(parse, "the request line is not `METHOD TARGET HTTP/1.1`");
    if (version.data[5] != '1')
        return http_parse_refuse(parse, HTTP_REFUSAL_VERSION, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    parse->is_http_1_0 = version.data[7] == '0';
    request->keep_alive = !parse->is_http_1_0;
    return true;
}

static bool parse_request_line(struct text line, struct http_request *request, struct http_parse *parse)
{
    size_t method_length = http_span(line, HTTP_BYTE_TOKEN);

    if (method_length == 0 || method_length == line.length || line.data[method_length] != ' ')
        return http_parse_malformed(parse, "the request line does not begin with a method");
    struct text rest = text_from(line, method_length + 1);
    size_t target_length = text_find(rest, ' ');

    if (target_length == rest.length)
        return http_parse_malformed(parse, "the request line is not `METHOD TARGET HTTP/1.1`");
    request->method_name = text_slice(line, 0, method_length);
    request->method = method_of(request->method_name);
    return parse_version(text_from(rest, target_length + 1), request, parse) &&
           http_parse_target(text_slice(rest, 0, target_length), request, parse);
}

static bool parse_header_line(struct text line, struct http_header *headers, struct http_request *request,
                              struct http_parse *parse)
{
    size_t name_length = http_span(line, HTTP_BYTE_TOKEN);

    if (line.data[0] == ' ' || line.data[0] == '\t')
        return http_parse_malformed(parse, "a header is folded over two lines");
    if (name_length == 0 || name_length == line.length || line.data[name_length] != ':')
        return http_parse_malformed(parse, "a header line is not `Name: value`");
    struct text value = text_from(line, name_length + 1);

    if (!is_value(value))
        return http_parse_malformed(parse, "a header value holds a control character");
    if (request->header_count == HTTP_HEADER_COUNT_MAX)
        return http_parse_refuse(parse, HTTP_REFUSAL_HEADER_TOO_LARGE, "there are too many headers");
    struct http_header *header = &headers[request->header_count++];

    header->name = text_slice(line, 0, name_length);
    header->value = text_trim(value);
    return http_parse_field(header, request, parse);
}

/* Refuses what is no HTTP at all (a TLS greeting, say) at its first byte, not when a line might end. */
static bool check_first_byte(struct text line, struct http_parse *parse)
{
    bool may_be_empty_line = parse->line_start == 0 && line.length && line.data[0] == '\r' &&
                             (line.length == 1 || line.data[1] == '\n');

    if (line.length && !http_byte_is(line.data[0], HTTP_BYTE_TOKEN) && !may_be_empty_line)
        return http_parse_malformed(parse, "the request line does not begin with a method");
    return true;
}

/* Checks what can be said of a line whose end is not there yet. */
static bool check_partial_line(struct text input, struct http_parse *parse)
{
    if (!parse->has_request_line && input.length - parse->line_start > REQUEST_LINE_BYTES_MAX + 1)
        return http_parse_refuse(parse, HTTP_REFUSAL_URL_TOO_LONG, "the request line is too long");
    if (input.length >= HTTP_HEADER_BYTES_MAX)
        return http_parse_refuse(parse, HTTP_REFUSAL_HEADER_TOO_LARGE, "the headers are too large");
    return true;
}

/* Takes one line of the head, given with its CR but without its LF; sets head_length after the last. */
static bool parse_line(struct text line, struct http_header *headers, struct http_request *request,
                       struct http_parse *parse)
{
    /* The limits come first: they are what stops a line whose end has not been seen. */
    if (!parse->has_request_line && line.length > REQUEST_LINE_BYTES_MAX + 1)
        return http_parse_refuse(parse, HTTP_REFUSAL_URL_TOO_LONG, "the request line is too long");
    if (parse->scanned_bytes > HTTP_HEADER_BYTES_MAX)
        return http_parse_refuse(parse, HTTP_REFUSAL_HEADER_TOO_LARGE, "the headers are too large");
    if (line.length == 0 || line.data[line.length - 1] != '\r')
        return http_parse_malformed(parse, "a line does not end with CR LF");
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
    return http_parse_framing(parse);
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

/* The first header line of this name from number `index` on; header_count when there is none. */
static unsigned find_header(const struct http_request *request, struct text name, unsigned index)
{
    for (; index < request->header_count; index++)
        if (request->headers[index].name.length == name.length &&
            text_equal_ignoring_case(request->headers[index].name, name))
            break;
    return index;
}

struct text http_request_header(const struct http_request *request, struct text name)
{
    unsigned found = find_header(request, name, 0);

    return found < request->header_count ? request->headers[found].value : text_none;
}

bool http_request_header_is_ambiguous(const struct http_request *request, struct text name)
{
    unsigned first = find_header(request, name, 0), next = first;

    while (next < request->header_count) {
        if (!text_equal(request->headers[next].value, request->headers[first].value))
            return true;
        next = find_header(request, name, next + 1);
    }
    return false;
}
