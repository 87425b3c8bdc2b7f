/* request_parts.h: the parts of a request head that have a grammar of their own. Only for the request parser.
 *
 * Each function returns false with refusal and reason in `parse`. */
#ifndef FARTHING_HTTP_REQUEST_PARTS_H
#define FARTHING_HTTP_REQUEST_PARTS_H

#include "http/byte_class.h"
#include "http/request_parser.h"

static inline bool http_parse_refuse(struct http_parse *parse, enum http_refusal refusal, const char *reason)
{
    parse->refusal = refusal;
    parse->reason = reason;
    return false;
}

static inline bool http_parse_malformed(struct http_parse *parse, const char *reason)
{
    return http_parse_refuse(parse, HTTP_REFUSAL_MALFORMED, reason);
}

/* ---- request_target.c ---- */

/* Sets target, path and query of the request, whose method is known. */
bool http_parse_target(struct text target, struct http_request *request, struct http_parse *parse);
/* A host name or address with perhaps a port (RFC 9110 section 7.2, RFC 3986 section 3.2), no user in front.
 */
bool http_is_authority(struct text text);

/* ---- request_framing.c ---- */

/* Looks at one header field: takes from it what this room itself must understand. */
bool http_parse_field(const struct http_header *header, struct http_request *request,
                      struct http_parse *parse);
/* After the last field: whether they allow one reading of where the body ends, and which. */
bool http_parse_framing(struct http_parse *parse);

#endif
