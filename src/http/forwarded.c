#include "http/forwarded.h"

/* How many elements are looked at, so that a header full of commas costs nothing. */
enum { HOPS_MAX = 16 };

bool http_trust_add(struct http_trust *trust, struct text network)
{
    static const struct text loopback[] = {TEXT_LITERAL("127.0.0.0/8"), TEXT_LITERAL("::1")};
    bool is_loopback = text_equal(network, TEXT("loopback"));
    unsigned count = is_loopback ? sizeof loopback / sizeof *loopback : 1;

    if (trust->network_count + count > HTTP_TRUSTED_NETWORKS_MAX)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (!http_network_parse(is_loopback ? loopback[i] : network,
                                &trust->networks[trust->network_count + i]))
            return false;
    trust->network_count += count;
    return true;
}

bool http_trust_includes(const struct http_trust *trust, const struct http_address *address)
{
    for (unsigned i = 0; i < trust->network_count; i++)
        if (http_network_contains(&trust->networks[i], address))
            return true;
    return false;
}

/* A quote behind an odd number of backslashes is part of what is quoted. */
static bool is_quote(struct text list, size_t at)
{
    size_t backslashes = 0;

    if (list.data[at] != '"')
        return false;
    while (backslashes < at && list.data[at - backslashes - 1] == '\\')
        backslashes++;
    return backslashes % 2 == 0;
}

/* Where the last element of the list begins. A separator inside quotes separates nothing. The quotes are
 * paired from the end, where the nearest proxy wrote: a quote that a client put in front of it, and never
 * closed, does not take in what follows. */
static size_t last_element(struct text list, char separator)
{
    bool is_quoted = false;
    size_t start = list.length;

    for (; start > 0; start--) {
        is_quoted ^= is_quote(list, start - 1);
        if (!is_quoted && list.data[start - 1] == separator)
            break;
    }
    return start;
}

/* Takes the last element off a list. */
static struct text take_last(struct text *list, char separator)
{
    size_t start = last_element(*list, separator);
    struct text last = text_from(*list, start);

    *list = text_slice(*list, 0, start > 0 ? start - 1 : 0);
    return text_trim(last);
}

static bool is_port(struct text text)
{
    uint64_t number;

    return text_to_uint64(text, &number) && number <= UINT16_MAX;
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1" or "[2001:db8::1]:80". */
static bool read_node(struct text text, struct http_address *address)
{
    size_t colon = text_find(text, ':');

    if (text.length && text.data[0] == '[') {
        size_t bracket = text_find(text, ']');

        if (bracket == text.length)
            return false;
        struct text port = text_from(text, bracket + 1);

        return (port.length == 0 || (port.data[0] == ':' && is_port(text_from(port, 1)))) &&
               http_address_parse(text_slice(text, 1, bracket - 1), address);
    }
    if (http_address_parse(text, address))
        return true;
    return colon < text.length && is_port(text_from(text, colon + 1)) &&
           http_address_parse(text_slice(text, 0, colon), address);
}

/* The address in an element of Forwarded: `for="[2001:db8::1]:80";proto=https` (RFC 7239 section 4). */
static bool read_element(struct text element, struct http_address *address)
{
    while (element.length) {
        struct text pair = take_last(&element, ';');
        size_t equals = text_find(pair, '=');

        if (equals == pair.length || !text_equal_ignoring_case(text_slice(pair, 0, equals), TEXT("for")))
            continue;
        struct text node = text_from(pair, equals + 1);

        if (node.length >= 2 && node.data[0] == '"' && node.data[node.length - 1] == '"')
            node = text_slice(node, 1, node.length - 2);
        return read_node(node, address);
    }
    return false;
}

/* Goes on with the list of one header field. False when the client is found: no further hop counts. */
static bool walk(struct text list, bool is_forwarded, const struct http_trust *trust, unsigned *hops,
                 struct http_address *client)
{
    while (list.length) {
        struct text element = take_last(&list, ',');
        struct http_address hop;

        if (++*hops > HOPS_MAX)
            return false;
        if (element.length == 0) /* means nothing (RFC 9110 section 5.6.1) */
            continue;
        if (!(is_forwarded ? read_element(element, &hop) : read_node(element, &hop)))
            return false;
        *client = hop;
        if (!http_trust_includes(trust, &hop))
            return false;
    }
    return true;
}

struct http_address http_forwarded_client(const struct http_request *request, const struct http_address *peer,
                                          const struct http_trust *trust)
{
    struct http_address client = *peer;
    bool is_forwarded = trust->header == HTTP_FORWARDED;
    struct text name = is_forwarded ? TEXT("forwarded") : TEXT("x-forwarded-for");
    unsigned hops = 0;

    if (!http_trust_includes(trust, peer))
        return client;
    for (unsigned i = request->header_count; i > 0; i--)
        if (text_equal_ignoring_case(request->headers[i - 1].name, name) &&
            !walk(request->headers[i - 1].value, is_forwarded, trust, &hops, &client))
            break;
    return client;
}
