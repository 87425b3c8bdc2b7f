/* Bodies on their way in: chunked ones over real sockets, the handler's word on large ones, and the bound of
 * all buffers together. */
#include "http_fixture.h"

#define POST(path)    "POST " path " HTTP/1.1\r\nHost: t\r\n"
#define CHUNKED(path) POST(path) "Transfer-Encoding: chunked\r\n\r\n"

enum { LARGE = 1000 * 1000, LIMIT = 4 * 1024 * 1024 };

static void send_large(struct client *client, size_t length)
{
    char *bytes = malloc(length);

    memset(bytes, 'x', length);
    client_send(client, bytes, length);
    free(bytes);
}

static void expect_end(struct client *client, int status)
{
    struct client_reply reply = client_read(client, true);

    assert_int_equal(reply.status, status);
    assert_non_null(strstr(reply.head, "\r\nConnection: close\r\n"));
    free(reply.body);
    client_expect_end(client);
    client_close(client);
}

static void test_chunks(void **state)
{
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client client = client_connect(fixture);

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        client_say(&client, CHUNKED("/echo") "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
        client_get(&client, "/echo?next");
        client_expect(&client, 200, "POST /echo\nabcde");
        client_expect(&client, 200, "GET /echo?next\n");
    }
    assert_int_equal(fixture->heads, 0); /* all was there: nothing to decide early */
    client_say(&client, CHUNKED("/echo") "3\r\nab");
    sleep_ms(20);
    client_say(&client, "c\r\n0\r\nX: y\r\n\r\n");
    client_expect(&client, 200, "POST /echo\nabc");
    assert_int_equal(fixture->heads, 1);
    client_close(&client);
    fixture_stop(fixture);
}

/* Small chunks behind a long head: what they decode to crosses the pooled buffer, and the head moves with it.
 */
static void test_chunks_cross_buffers(void **state)
{
    enum { CHUNKS = 30 * 1000, BYTES_EACH = 3 };
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client client = client_connect(fixture);
    char *sent = malloc(CHUNKS * 8 + 1), *at = sent;
    const size_t line = strlen("POST /echo?query\n");

    (void)state;
    for (unsigned i = 0; i < CHUNKS; i++)
        at += sprintf(at, "3\r\n%03u\r\n", i % 1000);
    for (unsigned round = 0; round < 3; round++) {
        client_say(&client, POST("/echo?query") "X: ");
        send_large(&client, 12 * 1000);
        client_say(&client, "\r\nTransfer-Encoding: chunked\r\n\r\n");
        client_send(&client, sent, (size_t)(at - sent));
        client_say(&client, "0\r\n\r\n");
        client_get(&client, "/echo?next");
        struct client_reply reply = client_read(&client, true);

        assert_int_equal(reply.body_length, line + CHUNKS * BYTES_EACH);
        assert_memory_equal(reply.body, "POST /echo?query\n", line);
        for (unsigned i = 0; i < CHUNKS; i++)
            assert_memory_equal(reply.body + line + BYTES_EACH * (size_t)i, sent + 8 * (size_t)i + 3,
                                BYTES_EACH);
        free(reply.body);
        client_expect(&client, 200, "GET /echo?next\n");
    }
    free(sent);
    client_close(&client);
    fixture_stop(fixture);
}

static void test_the_handler_decides_on_the_head(void **state)
{
    static const char *const heads[] = {
        CHUNKED("/forbidden") "ffff\r\nabc",
        POST("/forbidden") "Content-Length: 100000\r\n\r\nabc",
        POST("/forbidden") "Content-Length: 100000\r\nExpect: 100-continue\r\n\r\n",
        POST("/forbidden") "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n",
    };
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);

    (void)state;
    for (unsigned i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct client client = client_connect(fixture);

        client_say(&client, heads[i]);
        expect_end(&client, 403);
    }
    assert_int_equal(fixture->heads, sizeof heads / sizeof *heads);
    assert_int_equal(fixture->requests, 0);
    struct client client = client_connect(fixture);

    client_say(&client, POST("/forbidden") "Content-Length: 3\r\n\r\n"); /* small: not asked about */
    sleep_ms(20);
    client_say(&client, "abc");
    client_expect(&client, 200, "POST /forbidden\nabc");
    client_close(&client);
    fixture_stop(fixture);
}

static void test_the_handler_lowers_the_limit(void **state)
{
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client client = client_connect(fixture);

    (void)state;
    client_say(&client, POST("/small") "Content-Length: 100000\r\nExpect: 100-continue\r\n\r\n");
    expect_end(&client, 413);
    client = client_connect(fixture);
    client_say(&client, CHUNKED("/small") "ffff\r\nabc");
    sleep_ms(20);
    client_say(&client, "d");
    expect_end(&client, 413);
    client = client_connect(fixture);
    client_say(&client, CHUNKED("/small") "4\r\nab");
    sleep_ms(20);
    client_say(&client, "cd\r\n0\r\n\r\n");
    client_expect(&client, 200, "POST /small\nabcd");
    client_close(&client);
    fixture_stop(fixture);
}

/* Behind a large request there is room in its buffer for more of the next one than may come in the end. */
static void test_the_limit_is_lowered_below_what_came(void **state)
{
    enum { FIRST = 40 * 1000, SECOND = 20 * 1000 };
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client client = client_connect(fixture);
    const char *between = "\r\n0\r\n\r\n" CHUNKED("/small") "ffff\r\n";
    char *sent = malloc(strlen(between) + SECOND);

    (void)state;
    client_say(&client, CHUNKED("/count") "9c40\r\n");
    send_large(&client, FIRST);
    sleep_ms(20);
    memcpy(sent, between, strlen(between));
    memset(sent + strlen(between), 'x', SECOND);
    client_send(&client, sent, strlen(between) + SECOND);
    free(sent);
    client_expect(&client, 200, "1");
    expect_end(&client, 413);
    fixture_stop(fixture);
}

static uint64_t buffered_bytes(const struct fixture *fixture)
{
    struct http_counters counters;

    http_server_counters(fixture->server, &counters);
    return counters.buffered_bytes;
}

/* Strangers with a byte each, more than there is memory for, once kept everybody else from sending a body. */
static void test_a_byte_of_each_stranger_costs_nobody_else_anything(void **state)
{
    enum { COUNT = 300 };
    struct http_config config = test_config();
    struct client strangers[COUNT];

    (void)state;
    config.buffered_bytes_max = 2 * (size_t)LARGE;
    struct fixture *fixture = fixture_start(&config);

    for (unsigned i = 0; i < COUNT; i++) {
        strangers[i] = client_connect(fixture);
        client_say(&strangers[i], "G");
    }
    struct client client = client_connect(fixture);
    char head[128];

    snprintf(head, sizeof head, POST("/count") "Content-Length: %d\r\n\r\n", LARGE);
    client_say(&client, head);
    send_large(&client, LARGE);
    struct client_reply reply = client_read(&client, true);

    assert_int_equal(reply.status, 200);
    free(reply.body);
    client_close(&client);
    for (unsigned i = 0; i < COUNT; i++)
        client_close(&strangers[i]);
    fixture_stop(fixture);
}

/* Four of a megabyte each do not fit beside each other, twice: who comes too late is refused, the others go
 * on, and when they have gone there is room again. */
static void test_all_buffers_together(void **state)
{
    enum { COUNT = 12 };
    struct http_config config = test_config();
    struct client clients[COUNT];
    unsigned refused = 0, served = 0;

    (void)state;
    config.buffered_bytes_max = LIMIT;
    struct fixture *fixture = fixture_start(&config);
    char head[128];

    snprintf(head, sizeof head, POST("/count") "Content-Length: %d\r\n\r\n", LARGE);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < COUNT; i++) {
            clients[i] = client_connect(fixture);
            client_say(&clients[i], head);
            send_large(&clients[i], LARGE - 1);
            sleep_ms(5);
        }
        assert_true(buffered_bytes(fixture) <= LIMIT + COUNT * (size_t)16 * 1024);
        for (unsigned i = 0; i < COUNT; i++) {
            client_say(&clients[i], "x");
            struct client_reply reply = client_read(&clients[i], true);

            served += reply.status == 200;
            refused += reply.status == 503;
            free(reply.body);
            client_close(&clients[i]);
        }
        WAIT_UNTIL(buffered_bytes(fixture) == 0);
    }
    assert_int_equal(served + refused, 2 * COUNT);
    assert_true(served >= 2 * 2 && refused >= 2 * COUNT / 2);
    fixture_stop(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_chunks_cross_buffers),
        cmocka_unit_test(test_the_handler_decides_on_the_head),
        cmocka_unit_test(test_the_handler_lowers_the_limit),
        cmocka_unit_test(test_the_limit_is_lowered_below_what_came),
        cmocka_unit_test(test_a_byte_of_each_stranger_costs_nobody_else_anything),
        cmocka_unit_test(test_a_byte_of_each_stranger_costs_nobody_else_anything),
        cmocka_unit_test(test_all_buffers_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
