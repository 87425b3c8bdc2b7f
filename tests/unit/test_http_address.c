/* Addresses, networks, and the client behind proxies. */
#include "cmocka_all.h"

#include "http/address.h"
#include "http/forwarded.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static struct http_address parsed(const char *text)
{
    struct http_address address;

    if (!http_address_parse(text_from_string(text), &address))
        fail_msg("\"%s\" is an address", text);
    return address;
}

static void test_parse_and_format(void **state)
{
    static const char *const cases[][2] = {
        {"192.0.2.1", "192.0.2.1"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"::", "::"},
        {"::1", "::1"},
        {"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"},
        {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    char memory[HTTP_ADDRESS_TEXT_MAX];

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_address address = parsed(cases[i][0]);
        struct text text = http_address_format(&address, memory);

        if (!text_equal(text, text_from_string(cases[i][1])))
            fail_msg("%s: %.*s instead of %s", cases[i][0], TEXT_FORMAT(text), cases[i][1]);
    }
    struct http_address local = {.kind = HTTP_ADDRESS_UNIX}, none = {.kind = HTTP_ADDRESS_NONE};

    assert_true(text_equal(http_address_format(&local, memory), TEXT("unix")));
    assert_true(text_equal(http_address_format(&none, memory), TEXT("unknown")));
}

static void test_what_is_no_address(void **state)
{
    static const char *const cases[] = {
        "",      "1",         "1.2.3",      "1.2.3.4.5", "256.1.1.1",  "1.2.3.4 ",
        "[::1]", "::1%lo",    "1.2.3.4:80", ":::",       "12345::",    "1::2::3",
        "unix",  "localhost", "1.2.3.-4",   "0x1.2.3.4", "1.2.3.4/32", "::1/128"};
    struct http_address address;

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        if (http_address_parse(text_from_string(cases[i]), &address))
            fail_msg("\"%s\" is no address", cases[i]);
    assert_false(http_address_parse((struct text){"1.2.3.4\0x", 9}, &address));
    assert_false(http_address_parse((struct text){"1.2.3.4\0", 8}, &address));
}

static void test_socket_addresses(void **state)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr local = {.sa_family = AF_UNIX}, other = {.sa_family = AF_APPLETALK};
    struct http_address expected = parsed("192.0.2.1"), address;

    (void)state;
    inet_pton(AF_INET, "192.0.2.1", &v4.sin_addr);
    address = http_address_of((struct sockaddr *)&v4);
    assert_true(http_address_equal(&address, &expected));
    inet_pton(AF_INET6, "::ffff:192.0.2.1", &v6.sin6_addr);
    address = http_address_of((struct sockaddr *)&v6);
    assert_true(http_address_equal(&address, &expected));
    inet_pton(AF_INET6, "::ffff:192.0.2.2", &v6.sin6_addr);
    address = http_address_of((struct sockaddr *)&v6);
    assert_false(http_address_equal(&address, &expected));
    assert_int_equal(http_address_of(&local).kind, HTTP_ADDRESS_UNIX);
    assert_int_equal(http_address_of(&other).kind, HTTP_ADDRESS_NONE);
}

static void test_client_keys(void **state)
{
    const struct {
        const char *a, *b;
        bool are_one;
    } cases[] = {
        {"192.0.2.1", "::ffff:192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.1", "193.0.2.1", false},
        {"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true},
        {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
        {"2001:db8:1:2::1", "2002:db8:1:2::1", false},
        {"::1", "127.0.0.1", false},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_address a = parsed(cases[i].a), b = parsed(cases[i].b);

        if ((http_address_client_key(&a) == http_address_client_key(&b)) != cases[i].are_one)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
    }
}

static void test_networks(void **state)
{
    const struct {
        const char *network, *address;
        bool is_inside;
    } cases[] = {
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "9.255.255.255", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.0", false},
        {"0.0.0.0/0", "255.1.2.3", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "192.0.2.1", true},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::1", "::1", true},
        {"::1/128", "::2", false},
        {"::ffff:10.0.0.0/104", "10.9.8.7", true},
    };
    struct http_network network;

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_address address = parsed(cases[i].address);

        assert_true(http_network_parse(text_from_string(cases[i].network), &network));
        if (http_network_contains(&network, &address) != cases[i].is_inside)
            fail_msg("%s in %s", cases[i].address, cases[i].network);
    }
    const struct http_address local = {.kind = HTTP_ADDRESS_UNIX}, one = parsed("::");

    assert_false(http_network_contains(&network, &local));
    assert_true(http_network_parse(TEXT("unix"), &network));
    assert_true(http_network_contains(&network, &local));
    assert_false(http_network_contains(&network, &one));
}

static void test_what_is_no_network(void **state)
{
    static const char *const cases[] = {"",
                                        "/8",
                                        "10.0.0.0/",
                                        "10.0.0.0/33",
                                        "10.0.0.0/-1",
                                        "::/129",
                                        "10.0.0.1/8",
                                        "2001:db8::1/64",
                                        "10.0.0.0/8/8",
                                        "10/8",
                                        "10.0.0.0/0008",
                                        "10.0.0.0/ 8",
                                        "unix/8",
                                        "Unix",
                                        "0.0.0.1/0"};
    struct http_network network;

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        if (http_network_parse(text_from_string(cases[i]), &network))
            fail_msg("\"%s\" is no network", cases[i]);
}

static void test_trust(void **state)
{
    struct http_trust trust = {0};
    const struct http_address inside = parsed("127.1.2.3"), inside_too = parsed("::1"),
                              outside = parsed("10.0.0.1");

    (void)state;
    assert_false(http_trust_add(&trust, TEXT("everybody")));
    assert_int_equal(trust.network_count, 0);
    assert_false(http_trust_includes(&trust, &inside));
    assert_true(http_trust_add(&trust, TEXT("loopback")));
    assert_true(http_trust_includes(&trust, &inside));
    assert_true(http_trust_includes(&trust, &inside_too));
    assert_false(http_trust_includes(&trust, &outside));
    while (trust.network_count < HTTP_TRUSTED_NETWORKS_MAX)
        assert_true(http_trust_add(&trust, TEXT("10.0.0.0/8")));
    assert_false(http_trust_add(&trust, TEXT("10.0.0.0/8")));
    trust.network_count = HTTP_TRUSTED_NETWORKS_MAX - 1;
    assert_false(http_trust_add(&trust, TEXT("loopback"))); /* which is two */
}

/* ---- behind proxies ---- */

static void assert_client(enum http_forwarding header, const char *peer, const char *const lines[3],
                          const char *expected)
{
    struct http_trust trust = {.header = header};
    struct http_header headers[4] = {{TEXT("Host"), TEXT("example.com")}};
    struct http_request request = {.headers = headers, .header_count = 1};
    struct http_address from = parsed(peer);
    char memory[HTTP_ADDRESS_TEXT_MAX];

    assert_true(http_trust_add(&trust, TEXT("10.0.0.0/8")));
    assert_true(http_trust_add(&trust, TEXT("2001:db8:aaaa::/48")));
    for (unsigned i = 0; i < 3 && lines[i]; i++)
        headers[request.header_count++] =
            (struct http_header){header == HTTP_FORWARDED ? TEXT("FORWARDED") : TEXT("X-Forwarded-For"),
                                 text_from_string(lines[i])};
    struct http_address client = http_forwarded_client(&request, &from, &trust);
    struct text text = http_address_format(&client, memory);

    if (!text_equal(text, text_from_string(expected)))
        fail_msg("%s with \"%s\": %.*s instead of %s", peer, lines[0] ? lines[0] : "", TEXT_FORMAT(text),
                 expected);
}

static void test_x_forwarded_for(void **state)
{
    const struct {
        const char *peer, *lines[3], *expected;
    } cases[] = {
        {"10.0.0.1", {NULL}, "10.0.0.1"},
        {"10.0.0.1", {""}, "10.0.0.1"},
        {"10.0.0.1", {"192.0.2.1"}, "192.0.2.1"},
        {"10.0.0.1", {"203.0.113.7, 192.0.2.1"}, "192.0.2.1"},
        {"10.0.0.1", {"192.0.2.1,10.0.0.2 ,\t10.0.0.3"}, "192.0.2.1"},
        {"10.0.0.1", {"192.0.2.1, , 10.0.0.2,"}, "192.0.2.1"},
        {"10.0.0.1", {"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
        {"10.0.0.1", {"203.0.113.7", "192.0.2.1", "10.0.0.2"}, "192.0.2.1"},
        {"10.0.0.1", {"192.0.2.1:4711"}, "192.0.2.1"},
        {"10.0.0.1", {"[2001:db8::1]:4711"}, "2001:db8::1"},
        {"10.0.0.1", {"[2001:db8::1]"}, "2001:db8::1"},
        {"10.0.0.1", {"2001:db8::1"}, "2001:db8::1"},
        {"10.0.0.1", {"192.0.2.1, 2001:db8:aaaa::5"}, "192.0.2.1"},
        {"2001:db8:aaaa::1", {"192.0.2.1"}, "192.0.2.1"},
        {"::ffff:10.0.0.1", {"192.0.2.1"}, "192.0.2.1"},
        /* Not from a proxy that is trusted: whatever it says. */
        {"192.0.2.9", {"192.0.2.1"}, "192.0.2.9"},
        {"10.0.0.1", {"203.0.113.7, 192.0.2.1, 192.0.2.2, 10.0.0.2"}, "192.0.2.2"},
        /* What is no address ends the list. */
        {"10.0.0.1", {"unknown"}, "10.0.0.1"},
        {"10.0.0.1", {"192.0.2.1, unknown, 10.0.0.2"}, "10.0.0.2"},
        {"10.0.0.1", {"192.0.2.1:http"}, "10.0.0.1"},
        {"10.0.0.1", {"192.0.2.1:65536"}, "10.0.0.1"},
        {"10.0.0.1", {"[2001:db8::1"}, "10.0.0.1"},
        {"10.0.0.1", {"[2001:db8::1]x"}, "10.0.0.1"},
        {"10.0.0.1", {"\"192.0.2.1"}, "10.0.0.1"},
        {"10.0.0.1", {"\", 192.0.2.1"}, "192.0.2.1"},
        {"10.0.0.1", {"x\\\", \\, 192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
        {"10.0.0.1", {",,,,,,,,,,,,,,,,,,,,,,,,,,,,"}, "10.0.0.1"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_client(HTTP_X_FORWARDED_FOR, cases[i].peer, cases[i].lines, cases[i].expected);
}

static void test_forwarded(void **state)
{
    const struct {
        const char *lines[3], *expected;
    } cases[] = {
        {{"for=192.0.2.1"}, "192.0.2.1"},
        {{"For=\"[2001:db8::1]:4711\";proto=https;by=203.0.113.43"}, "2001:db8::1"},
        {{"proto=https;for=192.0.2.1, for=10.0.0.2"}, "192.0.2.1"},
        {{"for=203.0.113.7", "for=192.0.2.1;host=a"}, "192.0.2.1"},
        {{"for=192.0.2.1;host=\"x, for=203.0.113.7;\""}, "192.0.2.1"},
        {{"for=192.0.2.1;host=\"x\\\", for=203.0.113.7;\""}, "192.0.2.1"},
        {{"for=192.0.2.1;host=\"x\\\\\""}, "192.0.2.1"},
        /* A client's quote that does not end hides nothing of what proxies wrote behind it. */
        {{"for=\"x, for=192.0.2.1"}, "192.0.2.1"},
        {{"for=\"x, for=192.0.2.1;host=\"y, z\", for=10.0.0.2"}, "192.0.2.1"},
        {{"for=\"x\\, for=192.0.2.1"}, "192.0.2.1"},
        {{"for=unknown"}, "10.0.0.1"},
        {{"for=_hidden, for=10.0.0.2"}, "10.0.0.2"},
        {{"proto=https"}, "10.0.0.1"},
        {{"192.0.2.1"}, "10.0.0.1"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_client(HTTP_FORWARDED, "10.0.0.1", cases[i].lines, cases[i].expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_and_format),
        cmocka_unit_test(test_what_is_no_address),
        cmocka_unit_test(test_socket_addresses),
        cmocka_unit_test(test_client_keys),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_what_is_no_network),
        cmocka_unit_test(test_trust),
        cmocka_unit_test(test_x_forwarded_for),
        cmocka_unit_test(test_forwarded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
