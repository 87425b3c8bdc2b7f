/* The header fields that this room itself must understand, and what they say together about the body
 * (RFC 9112 section 6). */
#include "http/request_parts.h"

static bool take_content_length(struct text value, struct http_parse *parse)
{
    uint64_t length = 0;

    if (value.length == 0)
        return http_parse_malformed(parse, "Content-Length is not a number");
    for (size_t i = 0; i < value.length; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return http_parse_malformed(parse, "Content-Length is not a number");
        if (__builtin_mul_overflow(length, 10, &length) ||
            __builtin_add_overflow(length, value.data[i] - '0', &length))
            length = UINT64_MAX;
    }
    if (parse->has_content_length) /* even when both say the same: who passed it on may have read only one */
        return http_parse_malformed(parse, "the Content-Length header is given twice");
    parse->has_content_length = true;
    parse->content_length = length;
    return true;
}

static bool take_host(struct text value, struct http_parse *parse)
{
    if (parse->has_host)
        return http_parse_malformed(parse, "the Host header is given twice");
    if (!http_is_authority(value))
        return http_parse_malformed(parse, "the Host header is not a host name");
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

/* Chunked comes once and last, whatever else there is (RFC 9112 section 6.1). */
static bool take_coding(struct text coding, struct http_parse *parse)
{
    if (parse->is_chunked)
        return http_parse_malformed(parse, "a transfer coding comes after chunked");
    if (coding.length == 0)
        return http_parse_malformed(parse, "Transfer-Encoding has an empty element");
    if (text_equal_ignoring_case(coding, TEXT("chunked")))
        parse->is_chunked = true;
    else
        parse->has_unknown_coding = true;
    return true;
}

/* Several headers are one list (RFC 9110 section 5.3). */
static bool take_transfer_encoding(struct text value, struct http_parse *parse)
{
    parse->has_transfer_encoding = true;
    for (;;) {
        size_t comma = text_find(value, ',');

        if (!take_coding(text_trim(text_slice(value, 0, comma)), parse))
            return false;
        if (comma == value.length)
            return true;
        value = text_from(value, comma + 1);
    }
}

/* The lengths of the names tell them from nearly all others. */
bool http_parse_field(const struct http_header *header, struct http_request *request,
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
            return take_transfer_encoding(header->value, parse);
        break;
    }
    return true;
}

bool http_parse_framing(struct http_parse *parse)
{
    if (parse->is_http_1_0)
        parse->expects_continue = false; /* it knows no interim replies (RFC 9110 section 10.1.1) */
    if (!parse->has_host && !parse->is_http_1_0)
        return http_parse_malformed(parse, "the Host header is missing");
    if (!parse->has_transfer_encoding)
        return true;
    if (parse->has_content_length)
        return http_parse_malformed(parse, "Content-Length and Transfer-Encoding exclude each other");
    if (parse->is_http_1_0) /* what passed it on may not have understood it (RFC 9112 section 6.1) */
        return http_parse_malformed(parse, "HTTP/1.0 has no Transfer-Encoding");
    if (parse->has_unknown_coding || !parse->is_chunked)
        return http_parse_refuse(parse, HTTP_REFUSAL_NOT_IMPLEMENTED,
                                 "the only transfer coding that is understood is chunked");
    return true;
}
