#include "http/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

enum {
    IPV4_OFFSET = HTTP_ADDRESS_IPV4_BITS / 8,
    IPV4_BYTES = HTTP_ADDRESS_BYTES - IPV4_OFFSET,
    CLIENT_KEY_BYTES = 8,
    BITS_DIGITS_MAX = 3,
};

static const uint8_t ipv4_prefix[IPV4_OFFSET] = {[10] = 0xff, [11] = 0xff};

static bool is_ipv4(const struct http_address *address)
{
    return memcmp(address->bytes, ipv4_prefix, sizeof ipv4_prefix) == 0;
}

static struct http_address from_ipv4(const void *bytes)
{
    struct http_address address = {.kind = HTTP_ADDRESS_IP};

    memcpy(address.bytes, ipv4_prefix, sizeof ipv4_prefix);
    memcpy(address.bytes + IPV4_OFFSET, bytes, IPV4_BYTES);
    return address;
}

static struct http_address from_ipv6(const void *bytes)
{
    struct http_address address = {.kind = HTTP_ADDRESS_IP};

    memcpy(address.bytes, bytes, sizeof address.bytes);
    return address;
}

struct http_address http_address_of(const struct sockaddr *address)
{
    switch (address->sa_family) {
    case AF_INET:
        return from_ipv4(&((const struct sockaddr_in *)(const void *)address)->sin_addr);
    case AF_INET6:
        return from_ipv6(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
    case AF_UNIX:
        return (struct http_address){.kind = HTTP_ADDRESS_UNIX};
    default:
        return (struct http_address){.kind = HTTP_ADDRESS_NONE};
    }
}

bool http_address_parse(struct text text, struct http_address *address)
{
    char string[HTTP_ADDRESS_TEXT_MAX];
    uint8_t bytes[HTTP_ADDRESS_BYTES];

    if (text.length == 0 || text.length >= sizeof string || memchr(text.data, 0, text.length))
        return false;
    memcpy(string, text.data, text.length);
    string[text.length] = 0;
    if (inet_pton(AF_INET, string, bytes) == 1)
        *address = from_ipv4(bytes);
    else if (inet_pton(AF_INET6, string, bytes) == 1)
        *address = from_ipv6(bytes);
    else
        return false;
    return true;
}

bool http_address_equal(const struct http_address *a, const struct http_address *b)
{
    return a->kind == b->kind &&
           (a->kind != HTTP_ADDRESS_IP || memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0);
}

struct text http_address_format(const struct http_address *address, char memory[HTTP_ADDRESS_TEXT_MAX])
{
    if (address->kind == HTTP_ADDRESS_UNIX)
        return TEXT("unix");
    if (address->kind == HTTP_ADDRESS_NONE)
        return TEXT("unknown");
    if (is_ipv4(address))
        inet_ntop(AF_INET, address->bytes + IPV4_OFFSET, memory, HTTP_ADDRESS_TEXT_MAX);
    else
        inet_ntop(AF_INET6, address->bytes, memory, HTTP_ADDRESS_TEXT_MAX);
    return text_from_string(memory);
}

/* The first half of an IPv6 address, or the half of an IPv4 one that holds it: as an IPv6 prefix that would
 * be 0:ffff:…/64, which no client has (RFC 4291 section 2.4). */
uint64_t http_address_client_key(const struct http_address *address)
{
    uint64_t key;

    memcpy(&key, address->bytes + (is_ipv4(address) ? CLIENT_KEY_BYTES : 0), sizeof key);
    return key;
}

/* Sets the bits behind the prefix to zero. */
static void clear_host_bits(uint8_t bytes[HTTP_ADDRESS_BYTES], unsigned prefix_bits)
{
    for (unsigned i = 0; i < HTTP_ADDRESS_BYTES; i++) {
        unsigned kept = prefix_bits <= i * 8 ? 0 : prefix_bits - i * 8;

        if (kept < 8)
            bytes[i] &= (uint8_t)(0xff00u >> kept);
    }
}

/* An IPv4 prefix counts from where the IPv4 address begins. */
static bool read_prefix(struct text digits, bool counts_ipv4, unsigned *prefix_bits)
{
    unsigned offset = counts_ipv4 ? HTTP_ADDRESS_IPV4_BITS : 0;
    uint64_t number;

    if (digits.length > BITS_DIGITS_MAX || !text_to_uint64(digits, &number) ||
        number > HTTP_ADDRESS_BITS - offset)
        return false;
    *prefix_bits = (unsigned)number + offset;
    return true;
}

bool http_network_parse(struct text text, struct http_network *network)
{
    size_t slash = text_find(text, '/');
    struct text address_text = text_slice(text, 0, slash);
    struct http_address address, first;
    unsigned prefix_bits = HTTP_ADDRESS_BITS;

    if (text_equal(text, TEXT("unix"))) {
        *network = (struct http_network){.first.kind = HTTP_ADDRESS_UNIX};
        return true;
    }
    if (!http_address_parse(address_text, &address))
        return false;
    bool is_dotted = text_find(address_text, ':') == address_text.length;

    if (slash < text.length && !read_prefix(text_from(text, slash + 1), is_dotted, &prefix_bits))
        return false;
    first = address;
    clear_host_bits(first.bytes, prefix_bits);
    if (!http_address_equal(&first, &address))
        return false;
    *network = (struct http_network){first, (uint8_t)prefix_bits};
    return true;
}

bool http_network_contains(const struct http_network *network, const struct http_address *address)
{
    struct http_address first = *address;

    if (address->kind != network->first.kind)
        return false;
    if (address->kind == HTTP_ADDRESS_IP)
        clear_host_bits(first.bytes, network->prefix_bits);
    return http_address_equal(&first, &network->first);
}
