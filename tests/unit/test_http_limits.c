/* What the server refuses, how long it waits, and that a refused client gets its reply. */
#include "http_fixture.h"

#include <sys/resource.h>

enum { SHORT_MS = 150, LONG_MS = 60 * 1000 };

static struct fixture *start_with_timeouts(int header_ms, int body_ms, int idle_ms, int write_ms)
{
    struct http_config config = test_config();

    config.header_timeout_ms = header_ms;
    config.body_timeout_ms = body_ms;
    config.idle_timeout_ms = idle_ms;
    config.write_timeout_ms = write_ms;
    return fixture_start(&config);
}

static void expect_refusal(struct client *client, int status, const char *reason)
{
    struct client_reply reply = client_read(client, true);

    assert_int_equal(reply.status, status);
    assert_string_equal(reply.body, reason);
    assert_non_null(strstr(reply.head, "\r\nConnection: close\r\n"));
    free(reply.body);
    client_expect_end(client);
    client_close(client);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *input, *reason;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", "the Host header is missing", 400},
        {"\x16\x03\x01 greetings", "the request line does not begin with a method", 400},
        {"GET / HTTP/2.0\r\n\r\n", "only HTTP/1.1 and HTTP/1.0 are spoken here", 505},
        {"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
         "the only transfer coding that is understood is chunked", 501},
        {"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc\r\n0\r\n\r\n",
         "a line of a chunked body does not end with CR LF", 400},
        {"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nA00001\r\n",
         "the body is too large", 413},
        {"POST /forbidden HTTP/1.1\r\nHost: t\r\nContent-Length: 20000\r\n\r\n", "no", 403},
        {"POST /forbidden HTTP/1.1\r\nHost: t\r\nContent-Length: 20000\r\nExpect: 100-continue\r\n\r\n", "no",
         403},
        {"POST /forbidden HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5000\r\n", "no", 403},
        {"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 10485761\r\n\r\n", "the body is too large", 413},
        {"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999999999999999\r\n\r\n",
         "the body is too large", 413},
        {"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 18446744073709551615\r\nExpect: 100-continue\r\n\r\n",
         "the body is too large", 413},
    };
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct client client = client_connect(fixture);

        client_get(&client, "/echo"); /* a refusal waits for its turn */
        client_say(&client, cases[i].input);
        client_get(&client, "/echo"); /* and nothing behind it is handled */
        client_expect(&client, 200, "GET /echo\n");
        expect_refusal(&client, cases[i].status, cases[i].reason);
    }
    /* Two a case, but for those whose head alone was answered, after which no body was taken for a request.
     */
    assert_int_equal(fixture->requests + fixture->heads, 2 * sizeof cases / sizeof *cases);
    assert_int_equal(fixture->heads, 3);
    fixture_stop(fixture);
}

static void expect_refused_line(struct fixture *fixture, const char *prefix, size_t padding, int status,
                                const char *reason)
{
    struct client client = client_connect(fixture);
    char *line = malloc(padding);

    memset(line, 'a', padding);
    client_say(&client, prefix);
    client_send(&client, line, padding);
    expect_refusal(&client, status, reason);
    free(line);
}

static void test_too_long_heads(void **state)
{
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);

    (void)state;
    expect_refused_line(fixture, "GET /", HTTP_URL_BYTES_MAX + 100, 414, "the request line is too long");
    expect_refused_line(fixture, "GET / HTTP/1.1\r\nHost: t\r\nX: ", HTTP_HEADER_BYTES_MAX, 431,
                        "the headers are too large");
    fixture_stop(fixture);
}

/* The largest head that may be: it grows over the pooled buffer, and its request over the head. */
static void test_largest_head(void **state)
{
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client client = client_connect(fixture);
    const char *prefix = "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 50000\r\nX: ";
    char *body = malloc(50000), *value = malloc(HTTP_HEADER_BYTES_MAX);
    size_t room = HTTP_HEADER_BYTES_MAX - strlen(prefix) - 4;

    (void)state;
    memset(value, 'v', room);
    memset(body, 'b', 50000);
    client_say(&client, prefix);
    client_send(&client, value, room);
    client_say(&client, "\r\n\r\n");
    sleep_ms(10);
    client_send(&client, body, 50000);
    struct client_reply reply = client_read(&client, true);

    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body_length, 50000 + strlen("POST /echo\n"));
    assert_memory_equal(reply.body + strlen("POST /echo\n"), body, 50000);
    free(reply.body);
    free(body);
    free(value);
    client_close(&client);
    fixture_stop(fixture);
}

/* A client that sends all of its too large body before it looks for the answer must find one. */
static void test_refused_body_is_read(void **state)
{
    enum { LENGTH = 3 * 1024 * 1024 };
    struct http_config config = test_config();

    config.body_bytes_max = 1000;
    struct fixture *fixture = fixture_start(&config);
    struct client client = client_connect(fixture);
    char *body = calloc(1, LENGTH), head[128];

    (void)state;
    snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n", LENGTH);
    client_say(&client, head);
    sleep_ms(20);
    client_send(&client, body, LENGTH);
    sleep_ms(20);
    expect_refusal(&client, 413, "the body is too large");
    free(body);
    fixture_stop(fixture);
}

static void test_expect_continue(void **state)
{
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client client = client_connect(fixture);
    const char *head = "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        client_say(&client, head);
        client_expect(&client, 100, "");
        client_say(&client, "h");
        sleep_ms(10);
        client_say(&client, "i");
        client_expect(&client, 200, "POST /echo\nhi");
    }
    client_say(&client, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n"
                        "Expect: 100-continue\r\n\r\nhi"); /* the body is there: nothing to wait for */
    client_expect(&client, 200, "POST /echo\nhi");
    client_say(&client, "POST /echo HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    sleep_ms(10); /* HTTP/1.0 knows no interim replies */
    client_say(&client, "hi");
    client_expect(&client, 200, "POST /echo\nhi");
    client_expect_end(&client);
    client_close(&client);
    fixture_stop(fixture);
}

/* Neither a byte now and then nor a request before it buys more time. */
static void trickle(struct client *client, const char *bytes)
{
    for (; *bytes; bytes++) {
        struct pollfd answer = {.fd = client->socket, .events = POLLIN};

        if (poll(&answer, 1, SHORT_MS / 10) > 0)
            return;
        client_send(client, bytes, 1);
    }
    fail_msg("nothing came while the client trickled");
}

static void test_header_timeout(void **state)
{
    struct fixture *fixture = start_with_timeouts(SHORT_MS, LONG_MS, LONG_MS, LONG_MS);
    struct client client = client_connect(fixture);

    (void)state;
    sleep_ms(2 * SHORT_MS); /* without a byte there is no head to wait for */
    client_get(&client, "/echo");
    client_expect(&client, 200, "GET /echo\n");
    int64_t start_ms = clock_ms();

    client_say(&client, "GET /");
    trickle(&client,
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    expect_refusal(&client, 408, "the request head took too long");
    assert_true(clock_ms() - start_ms >= SHORT_MS);
    fixture_stop(fixture);
}

static void test_body_timeout(void **state)
{
    struct fixture *fixture = start_with_timeouts(LONG_MS, SHORT_MS, LONG_MS, LONG_MS);
    struct client client = client_connect(fixture);
    int64_t start_ms = clock_ms();

    (void)state;
    client_say(&client, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n");
    trickle(&client,
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    expect_refusal(&client, 408, "the request body took too long");
    assert_true(clock_ms() - start_ms >= SHORT_MS);
    fixture_stop(fixture);
}

/* A second request that begins with the end of the first has its own full time. */
static void test_timeout_of_second_request(void **state)
{
    struct fixture *fixture = start_with_timeouts(4 * SHORT_MS, LONG_MS, LONG_MS, LONG_MS);
    struct client client = client_connect(fixture);

    (void)state;
    client_say(&client, "GET /echo HTTP/1.1\r\n");
    sleep_ms(3 * SHORT_MS);
    client_say(&client, "Host: t\r\n\r\nGET /echo?2 HTTP/1.1\r\n");
    client_expect(&client, 200, "GET /echo\n");
    sleep_ms(2 * SHORT_MS);
    client_say(&client, "Host: t\r\n\r\n");
    client_expect(&client, 200, "GET /echo?2\n");
    client_close(&client);
    fixture_stop(fixture);
}

static void test_idle_timeout(void **state)
{
    struct fixture *fixture = start_with_timeouts(LONG_MS, LONG_MS, 2 * SHORT_MS, LONG_MS);
    struct client silent = client_connect(fixture), client = client_connect(fixture);
    int64_t start_ms = clock_ms();

    (void)state;
    for (unsigned i = 0; i < 6; i++) { /* a reply begins the time anew */
        sleep_ms(SHORT_MS / 2);
        client_get(&client, "/echo");
        client_expect(&client, 200, "GET /echo\n");
        start_ms = clock_ms();
    }
    client_expect_end(&client);
    assert_true(clock_ms() - start_ms >= 2 * SHORT_MS - 2);
    client_expect_end(&silent);
    client_close(&silent);
    client_close(&client);
    client = client_connect(fixture);
    client_get(&client, "/hold"); /* what the handler holds is not idle */
    sleep_ms(3 * SHORT_MS);
    release_held(fixture);
    client_expect(&client, 200, "GET /hold\n");
    client_close(&client);
    fixture_stop(fixture);
}

static void test_write_timeout(void **state)
{
    struct fixture *fixture = start_with_timeouts(LONG_MS, LONG_MS, LONG_MS, 6 * SHORT_MS);
    struct client client = client_connect(fixture), slow = client_connect(fixture);
    ssize_t count;

    (void)state;
    client_get(&client, "/big/30000000");
    struct pollfd reset = {.fd = client.socket, .events = 0};

    assert_int_equal(poll(&reset, 1, PATIENCE_MS), 1); /* without having read anything */
    do {
        count = client_receive(&client);
    } while (count > 0);
    assert_int_equal(count, -1); /* a reset, and so nobody takes the part for the whole */
    assert_true(client.length < 30000000);
    client_close(&client);
    client_get(&slow, "/big/30000000"); /* who reads slowly, but reads, is waited for */
    for (unsigned i = 0; i < 20; i++) {
        sleep_ms(SHORT_MS / 2);
        for (size_t before = slow.length; slow.length < before + 300000;)
            assert_true(client_receive(&slow) > 0);
    }
    struct client_reply reply = client_read(&slow, true);

    assert_int_equal(reply.body_length, 30000000);
    free(reply.body);
    client_close(&slow);
    fixture_stop(fixture);
}

static int64_t processor_time_ms(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000) +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

/* Without a descriptor for a new connection the server waits, does not spin, and serves the old ones. */
static void test_out_of_descriptors(void **state)
{
    enum { FILLERS_MAX = 256 };
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client old = client_connect(fixture), client;
    struct rlimit before, limit;
    int fillers[FILLERS_MAX], count = 0;

    (void)state;
    client_get(&old, "/echo");
    client_expect(&old, 200, "GET /echo\n");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = (struct rlimit){.rlim_cur = 64, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while (count < FILLERS_MAX && (fillers[count] = dup(old.socket)) >= 0)
        count++;
    close(fillers[--count]);
    client = client_connect(fixture); /* takes the last one */
    client_get(&client, "/echo?new");
    int64_t start_ms = processor_time_ms();

    sleep_ms(300);
    assert_true(processor_time_ms() - start_ms < 100);
    client_get(&old, "/echo?old");
    client_expect(&old, 200, "GET /echo?old\n");
    assert_int_equal(fixture->requests, 2);
    while (count > 0)
        close(fillers[--count]);
    client_expect(&client, 200, "GET /echo?new\n");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    client_close(&client);
    client_close(&old);
    fixture_stop(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),           cmocka_unit_test(test_too_long_heads),
        cmocka_unit_test(test_largest_head),       cmocka_unit_test(test_refused_body_is_read),
        cmocka_unit_test(test_expect_continue),    cmocka_unit_test(test_header_timeout),
        cmocka_unit_test(test_body_timeout),       cmocka_unit_test(test_timeout_of_second_request),
        cmocka_unit_test(test_idle_timeout),       cmocka_unit_test(test_write_timeout),
        cmocka_unit_test(test_out_of_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
