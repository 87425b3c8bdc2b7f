/* The limits of connections: in all, and of each client. */
#include "cmocka_all.h"

#include "http/internal.h"

#include <stdio.h>
#include <stdlib.h>

static struct http_server *new_server(unsigned connections_max, unsigned per_client_max)
{
    struct http_server *server = calloc(1, sizeof *server);

    server->config.connections_max = connections_max;
    server->config.connections_per_client_max = per_client_max;
    http_admission_init(&server->admission);
    return server;
}

static void free_server(struct http_server *server)
{
    http_admission_free(&server->admission);
    free(server);
}

static struct http_address ipv4(unsigned number)
{
    char string[32];
    struct http_address address;

    snprintf(string, sizeof string, "10.%u.%u.%u", number >> 16 & 255, number >> 8 & 255, number & 255);
    assert_true(http_address_parse(text_from_string(string), &address));
    return address;
}

static void test_in_all(void **state)
{
    struct http_server *server = new_server(3, 0);
    struct http_address address = ipv4(1);
    bool counts;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(http_admission_enter(server, &address, &counts), HTTP_ADMITTED);
    assert_false(counts);
    assert_int_equal(http_admission_enter(server, &address, &counts), HTTP_REFUSED_TOTAL);
    assert_int_equal(server->admission.connections, 3);
    http_admission_leave(server, &address, counts);
    assert_int_equal(http_admission_enter(server, &address, &counts), HTTP_ADMITTED);
    assert_int_equal(http_admission_enter(server, &address, &counts), HTTP_REFUSED_TOTAL);
    free_server(server);
}

static void test_of_each_client(void **state)
{
    struct http_server *server = new_server(100, 2);
    struct http_address one = ipv4(1), other = ipv4(2), local = {.kind = HTTP_ADDRESS_UNIX};
    bool counts;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(http_admission_enter(server, &one, &counts), HTTP_ADMITTED);
        assert_true(counts);
        assert_int_equal(http_admission_enter(server, &other, &counts), HTTP_ADMITTED);
    }
    assert_int_equal(http_admission_enter(server, &one, &counts), HTTP_REFUSED_CLIENT);
    assert_int_equal(http_admission_enter(server, &other, &counts), HTTP_REFUSED_CLIENT);
    assert_int_equal(server->admission.connections, 4);
    http_admission_leave(server, &one, true);
    assert_int_equal(http_admission_enter(server, &other, &counts), HTTP_REFUSED_CLIENT);
    assert_int_equal(http_admission_enter(server, &one, &counts), HTTP_ADMITTED);
    /* Neither a Unix socket's peers nor trusted proxies are one client. */
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(http_admission_enter(server, &local, &counts), HTTP_ADMITTED);
        assert_false(counts);
    }
    assert_true(http_trust_add(&server->config.trust, TEXT("10.0.0.1")));
    assert_int_equal(http_admission_enter(server, &one, &counts), HTTP_ADMITTED);
    assert_false(counts);
    free_server(server);
}

/* The table against an array, while clients come and go at random. */
static void test_many_clients(void **state)
{
    enum { CLIENTS = 3000, STEPS = 200000, PER_CLIENT_MAX = 3 };
    struct http_server *server = new_server(1000000, PER_CLIENT_MAX);
    unsigned *connections = calloc(CLIENTS, sizeof *connections), clients = 0;
    bool counts;

    (void)state;
    srandom(1);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned number = (unsigned)random() % CLIENTS;
        struct http_address address = ipv4(number);

        if (random() % 2 || connections[number] == 0) {
            bool may = connections[number] < PER_CLIENT_MAX;

            assert_int_equal(http_admission_enter(server, &address, &counts),
                             may ? HTTP_ADMITTED : HTTP_REFUSED_CLIENT);
            clients += connections[number] == 0;
            connections[number] += may;
        } else {
            http_admission_leave(server, &address, true);
            clients -= --connections[number] == 0;
        }
        assert_int_equal(server->admission.client_count, clients);
    }
    assert_true(server->admission.client_capacity > CLIENTS); /* it has grown */
    for (unsigned number = 0; number < CLIENTS; number++)
        for (struct http_address address = ipv4(number); connections[number]; connections[number]--)
            http_admission_leave(server, &address, true);
    assert_int_equal(server->admission.client_count, 0);
    assert_int_equal(server->admission.connections, 0);
    free(connections);
    free_server(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_all),
        cmocka_unit_test(test_of_each_client),
        cmocka_unit_test(test_many_clients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
