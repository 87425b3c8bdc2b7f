/* The server over real sockets: requests in every shape they may arrive in, replies at once and later. */
#include "http_fixture.h"

#include <malloc.h>

static void test_reply_bytes(void **state)
{
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client client = client_connect(fixture);
    static const char head[] = "HTTP/1.1 200 OK\r\nDate: ", rest[] = "X-One: 1\r\nX-Two: 2\r\nX-Three: 3\r\n"
                                                                     "Content-Type: text/plain\r\n"
                                                                     "Content-Length: 10\r\n\r\n";
    struct tm date = {0};

    (void)state;
    client_get(&client, "/echo");
    struct client_reply reply = client_read(&client, true);
    const char *after = strptime(reply.head + strlen(head), "%a, %d %b %Y %T GMT\r\n", &date);

    assert_memory_equal(reply.head, head, strlen(head));
    assert_non_null(after);
    assert_true(labs(timegm(&date) - time(NULL)) <= 2);
    assert_string_equal(after, rest);
    assert_string_equal(reply.body, "GET /echo\n");
    free(reply.body);
    client_close(&client);
    fixture_stop(fixture);
}

static void test_keep_alive(void **state)
{
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client client = client_connect(fixture);

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        client_get(&client, "/echo?x");
        client_expect(&client, 200, "GET /echo?x\n");
    }
    client_say(&client, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc");
    client_expect(&client, 200, "POST /echo\nabc");
    WAIT_UNTIL(fixture->batch_ends >= 11);
    client_close(&client);
    fixture_stop(fixture);
}

static void test_no_content_and_head(void **state)
{
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client client = client_connect(fixture);

    (void)state;
    client_get(&client, "/empty");
    struct client_reply reply = client_read(&client, true);

    assert_int_equal(reply.status, 204);
    assert_null(strstr(reply.head, "Content-"));
    free(reply.body);
    client_say(&client, "HEAD /echo HTTP/1.1\r\nHost: t\r\n\r\n");
    reply = client_read(&client, false);
    assert_non_null(strstr(reply.head, "Content-Length: 11\r\n"));
    free(reply.body);
    client_get(&client, "/echo"); /* no byte of a body came before this reply */
    client_expect(&client, 200, "GET /echo\n");
    client_close(&client);
    fixture_stop(fixture);
}

static void test_client_closes(void **state)
{
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client client = client_connect(fixture);

    (void)state;
    client_say(&client, "GET /echo HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    struct client_reply reply = client_read(&client, true);

    assert_non_null(strstr(reply.head, "\r\nConnection: close\r\n"));
    free(reply.body);
    client_expect_end(&client);
    client_close(&client);
    fixture_stop(fixture);
}

/* The handler closes while the client goes on sending: the reply must still arrive, and not a reset. */
static void test_handler_closes(void **state)
{
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client client = client_connect(fixture);

    (void)state;
    for (unsigned i = 0; i < 20; i++)
        client_get(&client, "/close");
    sleep_ms(20);
    client_get(&client, "/close");
    client_expect(&client, 200, "bye");
    client_expect_end(&client);
    assert_int_equal(fixture->requests, 1);
    client_close(&client);
    fixture_stop(fixture);
}

enum { PIPELINED = 200 }; /* more than one turn handles */

static void pipeline(struct fixture *fixture, const char *path)
{
    struct client client = client_connect(fixture);
    char requests[PIPELINED * 64] = "", expected[64];

    for (unsigned i = 0; i < PIPELINED; i++)
        sprintf(requests + strlen(requests), "GET %s?%u HTTP/1.1\r\nHost: t\r\n\r\n", path, i);
    client_say(&client, requests);
    for (unsigned i = 0; i < PIPELINED; i++) {
        snprintf(expected, sizeof expected, "GET %s?%u\n", path, i);
        client_expect(&client, 200, expected);
    }
    client_close(&client);
}

static void test_pipelining(void **state)
{
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);

    (void)state;
    pipeline(fixture, "/echo");
    pipeline(fixture, "/defer");
    assert_int_equal(fixture->requests, 2 * PIPELINED);
    fixture_stop(fixture);
}

/* A client with very many requests shares the loop with one that has only one. */
static void test_fairness(void **state)
{
    enum { COUNT = 400 };
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client sleeper = client_connect(fixture), greedy = client_connect(fixture),
                  modest = client_connect(fixture);
    char requests[COUNT * 40] = "", *end = requests;

    (void)state;
    for (unsigned i = 0; i < COUNT; i++)
        end += sprintf(end, "GET /e HTTP/1.1\r\nHost: t\r\n\r\n");
    client_get(&sleeper, "/sleep");
    sleep_ms(SLEEP_MS / 5); /* the rest arrives while the loop is busy, and so is seen in one batch */
    client_say(&greedy, requests);
    sleep_ms(SLEEP_MS / 5);
    client_get(&modest, "/count");
    struct client_reply reply = client_read(&modest, true);

    assert_true(atoi(reply.body) < COUNT / 2);
    free(reply.body);
    for (unsigned i = 0; i < COUNT; i++)
        client_expect(&greedy, 200, "GET /e\n");
    client_close(&sleeper);
    client_close(&greedy);
    client_close(&modest);
    fixture_stop(fixture);
}

static const char post[] = "POST /echo?a HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello";

static void test_split_at_each_byte(void **state)
{
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client client = client_connect(fixture);

    (void)state;
    for (size_t at = 1; at < strlen(post); at++) {
        client_send(&client, post, at);
        sleep_ms(1);
        client_say(&client, post + at);
        client_expect(&client, 200, "POST /echo?a\nhello");
    }
    for (size_t at = 0; at < strlen(post); at++) {
        client_send(&client, post + at, 1);
        sleep_ms(1);
    }
    client_expect(&client, 200, "POST /echo?a\nhello");
    client_close(&client);
    fixture_stop(fixture);
}

/* Requests whose bytes meet the end of the input buffer in every way. */
static void test_pipelined_bodies_cross_buffers(void **state)
{
    enum { COUNT = 300, BODY_MAX = 700 };
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client client = client_connect(fixture);
    char *requests = calloc(COUNT, BODY_MAX + 100), *end = requests, expected[BODY_MAX + 100];

    (void)state;
    for (unsigned i = 0; i < COUNT; i++)
        end += sprintf(end, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: %u\r\n\r\n%0*u", i + 100,
                       (int)i + 100, i);
    client_say(&client, requests);
    for (unsigned i = 0; i < COUNT; i++) {
        sprintf(expected, "POST /echo\n%0*u", (int)i + 100, i);
        client_expect(&client, 200, expected);
    }
    free(requests);
    client_close(&client);
    fixture_stop(fixture);
}

static void test_big_body(void **state)
{
    enum { LENGTH = 8 * 1024 * 1024 };
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client client = client_connect(fixture);
    char *body = malloc(LENGTH), head[128];

    (void)state;
    for (unsigned i = 0; i < LENGTH; i++)
        body[i] = (char)('A' + i % 25);
    snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n", LENGTH);
    for (unsigned round = 0; round < 2; round++) {
        client_say(&client, head);
        client_send(&client, body, LENGTH);
        struct client_reply reply = client_read(&client, true);

        assert_int_equal(reply.body_length, LENGTH + strlen("POST /echo\n"));
        assert_memory_equal(reply.body + strlen("POST /echo\n"), body, LENGTH);
        free(reply.body);
    }
    free(body);
    client_close(&client);
    fixture_stop(fixture);
}

static void test_many_connections(void **state)
{
    enum { COUNT = 300 };
    struct http_config config = test_config();

    config.loop_count = 2;
    struct fixture *fixture = fixture_start(&config);
    struct client *clients = calloc(COUNT, sizeof *clients);

    (void)state;
    for (unsigned i = 0; i < COUNT; i++)
        clients[i] = client_connect(fixture);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < COUNT; i++)
            client_get(&clients[i], i % 2 ? "/echo" : "/defer");
        for (unsigned i = 0; i < COUNT; i++)
            client_expect(&clients[i], 200, i % 2 ? "GET /echo\n" : "GET /defer\n");
    }
    assert_int_equal(fixture->requests, 3 * COUNT);
    for (unsigned i = 0; i < COUNT; i++)
        client_close(&clients[i]);
    free(clients);
    fixture_stop(fixture);
}

/* While the handler holds an exchange nothing behind it is touched, and what came before it is sent. */
static void test_held_exchange(void **state)
{
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client client = client_connect(fixture), other = client_connect(fixture);

    (void)state;
    client_say(&client, "GET /echo HTTP/1.1\r\nHost: t\r\n\r\nPOST /hold HTTP/1.1\r\nHost: t\r\n"
                        "Content-Length: 4\r\n\r\nbodyGET /echo?last HTTP/1.1\r\nHost: t\r\n\r\n");
    client_expect(&client, 200, "GET /echo\n");
    WAIT_UNTIL(held_count(fixture) == 1);
    client_get(&client, "/echo?more");
    client_get(&other, "/echo");
    client_expect(&other, 200, "GET /echo\n");
    assert_int_equal(fixture->requests, 3);
    release_held(fixture);
    client_expect(&client, 200, "POST /hold\nbody");
    client_expect(&client, 200, "GET /echo?last\n");
    client_expect(&client, 200, "GET /echo?more\n");
    client_close(&client);
    client_close(&other);
    fixture_stop(fixture);
}

static void test_half_close(void **state)
{
    static const char *const paths[] = {"/echo", "/defer"};
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct client client = client_connect(fixture);
        char expected[64];

        client_get(&client, paths[i]);
        client_get(&client, "/echo");
        shutdown(client.socket, SHUT_WR);
        snprintf(expected, sizeof expected, "GET %s\n", paths[i]);
        client_expect(&client, 200, expected);
        client_expect(&client, 200, "GET /echo\n");
        client_expect_end(&client);
        client_close(&client);
    }
    struct client client = client_connect(fixture);

    client_say(&client, "GET /echo HTTP/1.1\r\nHo"); /* half a request is none */
    shutdown(client.socket, SHUT_WR);
    client_expect_end(&client);
    client_close(&client);
    fixture_stop(fixture);
}

/* The handler is told, unless the client has only said early that it has sent all. */
static void test_whoever_leaves_while_pending_waits_no_more(void **state)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client clients[4];

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        clients[i] = client_connect(fixture);
        client_get(&clients[i], "/hold");
        if (i == 0)
            shutdown(clients[i].socket, SHUT_WR);
        WAIT_UNTIL(held_count(fixture) == i + 1);
    }
    assert_int_equal(abandoned_count(fixture), 0);
    setsockopt(clients[1].socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    client_close(&clients[1]);
    WAIT_UNTIL(abandoned_count(fixture) == 1);
    sleep_ms(HTTP_HALF_CLOSE_MS + 10);
    client_close(&clients[2]);
    WAIT_UNTIL(abandoned_count(fixture) == 2);
    release_held(fixture);
    client_expect(&clients[0], 200, "GET /hold\n");
    client_expect(&clients[3], 200, "GET /hold\n");
    client_close(&clients[0]);
    client_close(&clients[3]);
    fixture_stop(fixture);
}

static void test_reset_while_pending(void **state)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        struct client client = client_connect(fixture);

        client_get(&client, "/echo");
        client_get(&client, "/hold");
        WAIT_UNTIL(held_count(fixture) == i + 1);
        if (i % 2)
            setsockopt(client.socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        client_close(&client);
    }
    sleep_ms(20);
    unsigned before = fixture->replies;

    release_held(fixture);
    WAIT_UNTIL(fixture->replies == before + 10);
    struct client client = client_connect(fixture);

    client_get(&client, "/echo");
    client_expect(&client, 200, "GET /echo\n");
    client_close(&client);
    fixture_stop(fixture);
}

static void test_slow_reader(void **state)
{
    enum { COUNT = 60, LENGTH = 1000 * 1000 };
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client client = client_connect(fixture);
    char target[32];

    (void)state;
    snprintf(target, sizeof target, "/big/%d", LENGTH);
    for (unsigned i = 0; i < COUNT; i++)
        client_get(&client, target);
    WAIT_UNTIL(fixture->requests > 0);
    sleep_ms(100);
    assert_true(fixture->requests < COUNT / 2); /* the rest waits for the client to read */
    for (unsigned i = 0; i < COUNT; i++) {
        struct client_reply reply = client_read(&client, true);

        assert_int_equal(reply.body_length, LENGTH);
        assert_int_equal(reply.body[LENGTH - 1], 'a' + (LENGTH - 1) % 23);
        free(reply.body);
    }
    client_close(&client);
    fixture_stop(fixture);
}

static size_t allocated_bytes(void)
{
    struct mallinfo2 info = mallinfo2(); /* all zero under a sanitizer, whose allocator is another */

    return info.uordblks + info.hblkhd;
}

/* Neither a promised body nor an idle connection holds memory. */
static void test_memory_of_waiting_connections(void **state)
{
    enum { COUNT = 200, BYTES_EACH_MAX = 1024, PIECE = 20 * 1000 };
    static const char piece[PIECE]; /* more than a pooled buffer holds */
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client clients[COUNT];

    (void)state;
    size_t before = allocated_bytes();

    for (unsigned i = 0; i < COUNT; i++) {
        clients[i] = client_connect(fixture);
        client_get(&clients[i], "/echo");
        client_expect(&clients[i], 200, "GET /echo\n");
        free(clients[i].bytes);
        clients[i].bytes = NULL;
    }
    size_t idle = allocated_bytes();

    assert_true(idle < before + COUNT * BYTES_EACH_MAX + 64 * 1024); /* one buffer goes round */
    for (unsigned i = 0; i < COUNT; i++) {
        client_say(&clients[i], "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10000000\r\n\r\n");
        client_send(&clients[i], piece, sizeof piece);
    }
    sleep_ms(100);
    assert_true(allocated_bytes() < idle + COUNT * (size_t)64 * 1024);
    for (unsigned i = 0; i < COUNT; i++)
        client_close(&clients[i]);
    fixture_stop(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reply_bytes),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_no_content_and_head),
        cmocka_unit_test(test_client_closes),
        cmocka_unit_test(test_handler_closes),
        cmocka_unit_test(test_pipelining),
        cmocka_unit_test(test_fairness),
        cmocka_unit_test(test_split_at_each_byte),
        cmocka_unit_test(test_pipelined_bodies_cross_buffers),
        cmocka_unit_test(test_big_body),
        cmocka_unit_test(test_many_connections),
        cmocka_unit_test(test_held_exchange),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_whoever_leaves_while_pending_waits_no_more),
        cmocka_unit_test(test_reset_while_pending),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_memory_of_waiting_connections),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
