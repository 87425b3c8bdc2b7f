/* address.h: IP addresses and networks: parse, compare, format. Pure: no system call, no name is looked up.
 */
#ifndef FARTHING_HTTP_ADDRESS_H
#define FARTHING_HTTP_ADDRESS_H

#include "base/text.h"

struct sockaddr;

enum {
    HTTP_ADDRESS_BYTES = 16,
    HTTP_ADDRESS_TEXT_MAX = 46, /* INET6_ADDRSTRLEN, the final NUL included */
    HTTP_ADDRESS_BITS = 128,
    HTTP_ADDRESS_IPV4_BITS = 96, /* before the IPv4 address inside an IPv6 one */
};

enum http_address_kind {
    HTTP_ADDRESS_NONE, /* not known */
    HTTP_ADDRESS_UNIX, /* a program of this machine, through a Unix socket */
    HTTP_ADDRESS_IP,
};

/* An IPv4 address is kept as the IPv6 address that stands for it (::ffff:192.0.2.1, RFC 4291 2.5.5.2), so
 * that a client has one address on a socket of either kind. */
struct http_address {
    uint8_t kind; /* enum http_address_kind */
    uint8_t bytes[HTTP_ADDRESS_BYTES];
};

/* The addresses whose first `prefix_bits` are those of `first`; for HTTP_ADDRESS_UNIX all Unix sockets. */
struct http_network {
    struct http_address first;
    uint8_t prefix_bits;
};

/* That of a socket's other end. */
struct http_address http_address_of(const struct sockaddr *address);
/* "192.0.2.1" or "2001:db8::1", without brackets, port and zone. False when it is neither. */
bool http_address_parse(struct text text, struct http_address *address);
bool http_address_equal(const struct http_address *a, const struct http_address *b);
/* The address as text: IPv4 in dots, IPv6 as RFC 5952 says, "unix", or "unknown". */
struct text http_address_format(const struct http_address *address, char memory[HTTP_ADDRESS_TEXT_MAX]);
/* What one client has for itself: an IPv4 address, or the /64 of an IPv6 address (a household, a machine that
 * can take any address in it). Only for HTTP_ADDRESS_IP; different clients have different keys. */
uint64_t http_address_client_key(const struct http_address *address);

/* An address, "ADDRESS/BITS", or "unix". Bits behind the prefix must be zero, because whoever wrote
 * 10.0.0.1/8 meant something else. False when it is none of them. */
bool http_network_parse(struct text text, struct http_network *network);
bool http_network_contains(const struct http_network *network, const struct http_address *address);

#endif
