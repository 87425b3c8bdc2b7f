/* request_parser.h: the bytes of one HTTP/1.1 request head into a struct http_request. Pure: no sockets, no
 * clock. Only for the http room and its tests. */
#ifndef FARTHING_HTTP_REQUEST_PARSER_H
#define FARTHING_HTTP_REQUEST_PARSER_H

#include "http/http.h"

enum http_parse_status {
    HTTP_PARSE_INCOMPLETE, /* a good beginning: more bytes are needed */
    HTTP_PARSE_DONE,       /* the head is whole; head_length and content_length are set */
    HTTP_PARSE_REFUSED,    /* refusal and reason are set; the connection is to be closed */
};

/* The state of one head while its bytes arrive, and the outcome. All zero before the first call. */
struct http_parse {
    size_t head_length;      /* bytes of the head, its final empty line included */
    uint64_t content_length; /* bytes of body that follow the head; UINT64_MAX when the number is larger */
    bool is_chunked;         /* the body comes in chunks instead (http/chunked.h) */
    bool expects_continue;   /* the client waits for `100 Continue` before it sends the body */
    enum http_refusal refusal;
    const char *reason;

    /* For the parser alone: where the next call goes on. */
    size_t line_start;    /* lines before this byte have been read into the request */
    size_t scanned_bytes; /* no line ends between line_start and here */
    bool has_request_line, has_host, has_content_length, has_transfer_encoding, has_unknown_coding;
    bool is_http_1_0;
};

/* Parses the head at the start of `input`. `headers` has room for HTTP_HEADER_COUNT_MAX entries and is what
 * request->headers will point to. `request->body` is left empty.
 *
 * After HTTP_PARSE_INCOMPLETE call again with the same bytes at the same address and more behind them: the
 * work done so far is kept, so that a slow sender costs no more than a fast one. When the bytes had to move,
 * clear `parse` and begin again. How the bytes were split never changes the outcome. When refused, `request`
 * holds what was read before.
 *
 * Refuses what could be read in two ways (RFC 9112 section 11.2): Content-Length with Transfer-Encoding,
 * two Content-Lengths, folded lines, bare LF or CR, space before a colon, a missing, repeated or invalid
 * Host, NUL, a control character in a value, an invalid target: one with a bad escape, say, or one that is
 * not UTF-8 when its escapes are decoded. One empty line before the request is skipped (RFC 9112
 * section 2.2). */
enum http_parse_status http_parse_head(struct text input, struct http_header *headers,
                                       struct http_request *request, struct http_parse *parse);

#endif
