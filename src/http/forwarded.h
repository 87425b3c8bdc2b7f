/* forwarded.h: who sent a request that came through proxies, from what they say in its header. */
#ifndef FARTHING_HTTP_FORWARDED_H
#define FARTHING_HTTP_FORWARDED_H

#include "http/address.h"
#include "http/http.h"

/* The client of a request that came from `peer`. Each proxy appends the address it was connected from, so the
 * list is read from its end for as long as it was written by proxies that are trusted: the first address that
 * is not one of them is the client. What stands before it anybody may have written. When the list ends, or
 * holds something that is no address ("unknown", RFC 7239 section 6), the last trusted proxy is as far as one
 * can see. */
struct http_address http_forwarded_client(const struct http_request *request, const struct http_address *peer,
                                          const struct http_trust *trust);

/* Whether the address belongs to a trusted proxy. */
bool http_trust_includes(const struct http_trust *trust, const struct http_address *address);

#endif
