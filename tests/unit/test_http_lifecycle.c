/* Start, the admin socket, and drain. */
#include "http_fixture.h"

#include <sys/stat.h>

static void assert_fails(const struct http_config *config, const char *expected)
{
    struct fixture *fixture = fixture_new();
    struct text reason = text_empty;

    assert_null(try_start(fixture, config, &reason));
    if (!text_equal(reason, text_from_string(expected)))
        fail_msg("\"%.*s\" instead of \"%s\"", TEXT_FORMAT(reason), expected);
    assert_int_equal(fixture->loops_running, 0);
    fixture_free(fixture);
}

static void test_address_in_use(void **state)
{
    struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    char expected[256];

    (void)state;
    config.listen[0].address = http_server_address(fixture->server, 0);
    config.loop_count = 2;
    snprintf(expected, sizeof expected,
             "cannot listen on 127.0.0.1:%d: address already in use; stop the program that uses it or choose "
             "another address",
             fixture->port);
    assert_fails(&config, expected);
    fixture_stop(fixture);
}

static void test_bad_addresses(void **state)
{
    static const char *const cases[][2] = {
        {"8080", "write it as HOST:PORT or [IPV6]:PORT, with a port from 0 to 65535, or as unix:PATH"},
        {"", "write it as HOST:PORT or [IPV6]:PORT, with a port from 0 to 65535, or as unix:PATH"},
        {"127.0.0.1:", "write it as HOST:PORT or [IPV6]:PORT, with a port from 0 to 65535, or as unix:PATH"},
        {"127.0.0.1:http",
         "write it as HOST:PORT or [IPV6]:PORT, with a port from 0 to 65535, or as unix:PATH"},
        {"127.0.0.1:65536",
         "write it as HOST:PORT or [IPV6]:PORT, with a port from 0 to 65535, or as unix:PATH"},
        {"::1:80", "write it as HOST:PORT or [IPV6]:PORT, with a port from 0 to 65535, or as unix:PATH"},
        {"192.0.2.1:0", "this machine has no such address; choose one of its own, or 127.0.0.1"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_config config = test_config();
        char expected[256];

        config.listen[0].address = text_from_string(cases[i][0]);
        snprintf(expected, sizeof expected, "cannot listen on %s: %s", cases[i][0], cases[i][1]);
        assert_fails(&config, expected);
    }
}

static void test_loop_that_cannot_start(void **state)
{
    struct http_config config = test_config();
    struct fixture *fixture = fixture_new();
    struct text reason = text_empty;

    (void)state;
    config.loop_count = 3;
    fixture->loop_start_fails = true;
    assert_null(try_start(fixture, &config, &reason));
    assert_true(text_equal(reason, TEXT("a loop of the HTTP server could not make its state")));
    fixture_free(fixture);
}

/* All loops listen on the one port, and an empty host means all addresses. */
static void test_all_addresses(void **state)
{
    struct http_config config = test_config();

    (void)state;
    config.listen[0].address = TEXT(":0");
    config.loop_count = 3;
    struct fixture *fixture = fixture_start(&config);

    for (unsigned i = 0; i < 20; i++) {
        struct client client = client_connect(fixture);

        client_get(&client, "/echo");
        client_expect(&client, 200, "GET /echo\n");
        client_close(&client);
    }
    assert_int_equal(fixture->loops_running, 3);
    fixture_stop(fixture);
}

static void listen_for_admin(struct http_config *config, const char *path)
{
    static char address[128];

    snprintf(address, sizeof address, "unix:%s", path);
    http_config_listen(config, text_from_string(address), HTTP_ENTRANCE_ADMIN);
}

static struct client connect_admin(const char *path)
{
    const struct timeval timeout = {.tv_sec = CLIENT_TIMEOUT_S};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct client client = {.socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};

    strcpy(address.sun_path, path);
    setsockopt(client.socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    assert_int_equal(connect(client.socket, (struct sockaddr *)&address, sizeof address), 0);
    return client;
}

static void test_admin_socket(void **state)
{
    char folder[] = "/tmp/farthing-test-XXXXXX", path[64];
    struct http_config config = test_config();
    struct stat status;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/admin", folder);
    listen_for_admin(&config, path);
    struct sockaddr_un stale = {.sun_family = AF_UNIX};
    int socket_of_stale = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(stale.sun_path, path);
    assert_int_equal(bind(socket_of_stale, (struct sockaddr *)&stale, sizeof stale), 0);
    close(socket_of_stale);
    struct fixture *fixture = fixture_start(&config);

    assert_int_equal(lstat(path, &status), 0);
    assert_int_equal(status.st_mode, S_IFSOCK | 0600);
    struct client admin = connect_admin(path), client = client_connect(fixture);

    client_get(&admin, "/echo?admin");
    client_expect(&admin, 200, "GET /echo?admin\n");
    assert_true(fixture->last_was_admin);
    client_get(&client, "/echo");
    client_expect(&client, 200, "GET /echo\n");
    assert_false(fixture->last_was_admin);
    client_get(&admin, "/defer"); /* a peer that closes at once after its request */
    client_close(&admin);
    WAIT_UNTIL(fixture->replies == 3);
    client_close(&client);
    fixture_stop(fixture);
    assert_int_equal(lstat(path, &status), -1);
    assert_int_equal(rmdir(folder), 0);
}

/* Commands that need the admin socket alone serve no TCP. */
static void test_admin_socket_alone(void **state)
{
    char folder[] = "/tmp/farthing-test-XXXXXX", path[64];
    struct http_config config = test_config();
    struct fixture *fixture = fixture_new();
    struct text reason = text_empty;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/admin", folder);
    config.listen_count = 0;
    listen_for_admin(&config, path);
    fixture->server = try_start(fixture, &config, &reason);
    assert_non_null(fixture->server);
    struct client admin = connect_admin(path);

    client_get(&admin, "/echo");
    client_expect(&admin, 200, "GET /echo\n");
    client_close(&admin);
    http_server_drain(fixture->server);
    http_server_free(fixture->server);
    fixture_free(fixture);
    assert_int_equal(rmdir(folder), 0);
}

static void test_admin_socket_in_the_way(void **state)
{
    char path[] = "/tmp/farthing-test-XXXXXX", expected[256];
    struct http_config config = test_config();
    int file = mkstemp(path);

    (void)state;
    assert_true(file >= 0);
    listen_for_admin(&config, path);
    snprintf(expected, sizeof expected,
             "cannot listen on %s: there is a file that is not a socket; move it away", path);
    assert_fails(&config, expected);
    assert_int_equal(unlink(path), 0); /* it was left alone */
    close(file);
}

static void *drain_main(void *context)
{
    http_server_drain(context);
    return NULL;
}

static bool is_refused(const struct fixture *fixture)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)fixture->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int probe = socket(AF_INET, SOCK_STREAM, 0);
    int outcome = connect(probe, (const struct sockaddr *)&address, sizeof address);

    close(probe);
    return outcome < 0;
}

static void test_drain(void **state)
{
    struct http_config config = test_config();

    (void)state;
    config.loop_count = 2;
    struct fixture *fixture = fixture_start(&config);
    struct client idle = client_connect(fixture), busy = client_connect(fixture),
                  half = client_connect(fixture);
    pthread_t drainer;

    client_get(&idle, "/echo");
    client_expect(&idle, 200, "GET /echo\n");
    client_get(&busy, "/hold");
    client_get(&busy, "/echo"); /* behind it: may be dropped */
    client_say(&half, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n1");
    WAIT_UNTIL(held_count(fixture) == 1);
    sleep_ms(20);
    assert_int_equal(pthread_create(&drainer, NULL, drain_main, fixture->server), 0);
    client_expect_end(&idle);
    WAIT_UNTIL(is_refused(fixture));
    client_say(&half, "2"); /* a request that was on its way is finished */
    struct client_reply reply = client_read(&half, true);

    assert_string_equal(reply.body, "POST /echo\n12");
    assert_non_null(strstr(reply.head, "\r\nConnection: close\r\n"));
    free(reply.body);
    client_expect_end(&half);
    assert_int_equal(fixture->loops_running > 0, 1);
    release_held(fixture);
    reply = client_read(&busy, true);
    assert_string_equal(reply.body, "GET /hold\n");
    assert_non_null(strstr(reply.head, "\r\nConnection: close\r\n"));
    free(reply.body);
    client_expect_end(&busy);
    client_close(&busy);
    client_close(&idle);
    client_close(&half);
    pthread_join(drainer, NULL);
    assert_int_equal(fixture->loops_running, 0);
    fixture_stop(fixture);
}

/* When the client of the last exchange is gone, the drain still waits for its reply. */
static void test_drain_waits_for_orphan(void **state)
{
    const struct http_config config = test_config();
    struct fixture *fixture = fixture_start(&config);
    struct client client = client_connect(fixture);
    pthread_t drainer;

    (void)state;
    client_get(&client, "/hold");
    WAIT_UNTIL(held_count(fixture) == 1);
    client_close(&client);
    assert_int_equal(pthread_create(&drainer, NULL, drain_main, fixture->server), 0);
    sleep_ms(50);
    assert_int_equal(fixture->loops_running, 1);
    release_held(fixture);
    pthread_join(drainer, NULL);
    assert_int_equal(fixture->replies, 1);
    fixture_stop(fixture);
}

static void test_drain_timeout(void **state)
{
    struct http_config config = test_config();

    (void)state;
    config.drain_timeout_ms = 100;
    struct fixture *fixture = fixture_start(&config);
    struct client held = client_connect(fixture), half = client_connect(fixture);

    client_get(&held, "/hold");
    client_say(&half, "GET /");
    WAIT_UNTIL(held_count(fixture) == 1);
    int64_t start_ms = clock_ms();

    http_server_drain(fixture->server);
    assert_true(clock_ms() - start_ms >= 100);
    assert_true(clock_ms() - start_ms < PATIENCE_MS / 2);
    assert_int_equal(fixture->loops_running, 0);
    assert_int_equal(client_receive(&held), -1);
    assert_int_equal(client_receive(&half), -1);
    free(fixture->held.first); /* nobody will run it any more */
    client_close(&held);
    client_close(&half);
    fixture_stop(fixture);
}

/* Connections come, ask and go while the server ends. */
static void *hammer_main(void *context)
{
    const struct fixture *fixture = context;
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)fixture->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const char request[] = "GET /defer HTTP/1.1\r\nHost: t\r\n\r\nGET /echo HTTP/1.1\r\nHost: t\r\n\r\n";
    const struct timeval timeout = {.tv_sec = CLIENT_TIMEOUT_S};

    for (;;) {
        int client = socket(AF_INET, SOCK_STREAM, 0);
        char bytes[256];
        ssize_t count = 1;

        setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        bool is_connected = connect(client, (const struct sockaddr *)&address, sizeof address) == 0;

        for (unsigned i = 0; i < 20 && is_connected && count > 0; i++) {
            send(client, request, strlen(request), MSG_NOSIGNAL);
            count = recv(client, bytes, sizeof bytes, 0);
        }
        close(client);
        if (!is_connected)
            return NULL;
    }
}

static void test_drain_under_load(void **state)
{
    enum { HAMMERS = 4 };
    struct http_config config = test_config();

    (void)state;
    config.loop_count = 2;
    for (unsigned round = 0; round < 5; round++) {
        struct fixture *fixture = fixture_start(&config);
        pthread_t hammers[HAMMERS];

        for (unsigned i = 0; i < HAMMERS; i++)
            pthread_create(&hammers[i], NULL, hammer_main, fixture);
        WAIT_UNTIL(fixture->requests > 200);
        http_server_drain(fixture->server);
        for (unsigned i = 0; i < HAMMERS; i++)
            pthread_join(hammers[i], NULL);
        assert_int_equal(fixture->replies, fixture->requests);
        fixture_stop(fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_in_use),
        cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_loop_that_cannot_start),
        cmocka_unit_test(test_all_addresses),
        cmocka_unit_test(test_admin_socket),
        cmocka_unit_test(test_admin_socket_alone),
        cmocka_unit_test(test_admin_socket_in_the_way),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_waits_for_orphan),
        cmocka_unit_test(test_drain_timeout),
        cmocka_unit_test(test_drain_under_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
