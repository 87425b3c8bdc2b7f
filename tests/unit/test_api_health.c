/* Readiness: a disk that does not take what was written makes the server unready, although it still serves.
 */
#include "store_fixture.h"

#include "api/api.h"
#include "faulty_disk.h"
#include "http/http.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

enum { REPLY_BYTES_MAX = 64 * 1024 };

/* ---- a disk that fails ---- */

static atomic_bool disk_fails;

/* Whether this is the thread that waits for the disk (store/sqlite/checkpoint.c), and the disk fails. Commits
 * of SQLite's own are left alone. */
static bool is_failing_here(void)
{
    char name[16];

    return atomic_load(&disk_fails) && pthread_getname_np(pthread_self(), name, sizeof name) == 0 &&
           strcmp(name, "sync") == 0;
}

/* These take the place of the C library's functions in this program; their names are not ours.
 * NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int sync_file_range(int file, off_t offset, off_t length, unsigned flags)
{
    if (!is_failing_here())
        return (int)syscall(SYS_sync_file_range, file, offset, length, flags);
    errno = EIO;
    return -1;
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int fdatasync(int file)
{
    if (!is_failing_here())
        return (int)syscall(SYS_fdatasync, file);
    errno = EIO;
    return -1;
}

/* ---- a server on the store ---- */

struct server {
    struct store_fixture fixture;
    struct api *api;
    struct http_server *http;
    uint16_t port;
};

static int start(void **state)
{
    struct server *server = calloc(1, sizeof *server);
    struct http_config config = http_config_default();
    struct text reason = text_empty;

    fixture_open(&server->fixture);
    server->api = api_open(server->fixture.store, &server->fixture.arena, &reason);
    assert_non_null(server->api);
    struct http_handler handler = api_handler(server->api);

    config.loop_count = 1;
    http_config_listen(&config, TEXT("127.0.0.1:0"), HTTP_ENTRANCE_PUBLIC);
    server->http = http_server_start(&config, &handler, &server->fixture.arena, &reason);
    if (!server->http)
        fail_msg("%.*s", TEXT_FORMAT(reason));
    struct text address = http_server_address(server->http, 0);
    uint64_t port = 0;

    assert_true(text_to_uint64(text_from(address, text_find(address, ':') + 1), &port));
    server->port = (uint16_t)port;
    *state = server;
    return 0;
}

static int stop(void **state)
{
    struct server *server = *state;

    http_server_drain(server->http);
    fixture_close(&server->fixture);
    api_close(server->api);
    http_server_free(server->http);
    free(server);
    atomic_store(&disk_fails, false);
    faulty_disk_repair();
    return 0;
}

/* The whole reply to a GET, with its head. */
static const char *get(struct server *server, const char *path)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(server->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char *reply = arena_allocate_zero(&server->fixture.arena, REPLY_BYTES_MAX + 1), request[128];
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int length =
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", path);
    size_t received = 0;
    ssize_t count;

    assert_int_equal(connect(client, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(client, request, (size_t)length, MSG_NOSIGNAL), length);
    while ((count = recv(client, reply + received, REPLY_BYTES_MAX - received, 0)) > 0)
        received += (size_t)count;
    close(client);
    return reply;
}

static void expect(struct server *server, const char *path, int status, const char *part)
{
    const char *reply = get(server, path);
    int actual = 0;

    sscanf(reply, "HTTP/1.1 %d ", &actual);
    if (actual != status || !strstr(reply, part))
        fail_msg("expected %d with %s, not\n%s", status, part, reply);
}

/* ---- tests ---- */

/* More than a last step copies at once, so that another thread has to wait for the disk. */
static const struct failure *create_megabytes(void *context, struct transaction *transaction)
{
    enum { VALUE_BYTES = 10 * 1000, COUNT = 200 };
    struct customer_creation creation = fixture_creation("");
    char *metadata = arena_allocate(transaction->arena, VALUE_BYTES);

    (void)context;
    memset(metadata, 'x', VALUE_BYTES);
    memcpy(metadata, "{\"a\":\"", 6);
    memcpy(metadata + VALUE_BYTES - 2, "\"}", 2);
    creation.customer.metadata = (struct text){metadata, VALUE_BYTES};
    for (unsigned i = 0; i < COUNT; i++) {
        creation.customer.external_id = arena_format(transaction->arena, "%u", i);
        customer_create(transaction, &creation, ARENA_NEW(transaction->arena, struct customer));
    }
    return NULL;
}

static void write_megabytes(struct server *server)
{
    assert_null(store_write(server->fixture.store, &server->fixture.arena, &server->fixture.call,
                            create_megabytes, NULL));
}

static void test_ready(void **state)
{
    struct server *server = *state;

    write_megabytes(server);
    expect(server, "/ready", 200,
           "{\"status\":\"ok\",\"checks\":{\"database\":\"ok\",\"disk\":\"ok\",\"server\":\"ok\"}}");
    assert_int_equal(store_state(server->fixture.store), STORE_WELL);
}

static void test_not_ready_when_the_disk_has_failed(void **state)
{
    struct server *server = *state;

    atomic_store(&disk_fails, true);
    write_megabytes(server);
    fixture_wait_for_state(&server->fixture, STORE_SYNC_FAILED);
    expect(server, "/health/ready", 503,
           "{\"status\":\"unavailable\",\"checks\":{\"database\":\"ok\",\"disk\":\"sync_failed\",\"server\":"
           "\"ok\"}}");
    expect(server, "/ready", 503, "sync_failed");
    expect(server, "/health", 200, "{\"status\":\"ok\"}");
    /* It stays so, also when the disk is well again: what it has lost it has lost. */
    atomic_store(&disk_fails, false);
    assert_null(fixture_create(&server->fixture, "written all the same", NULL));
    expect(server, "/ready", 503, "sync_failed");
}

static void test_not_ready_while_the_disk_is_full(void **state)
{
    struct server *server = *state;

    atomic_store(&fault_of_writes, SQLITE_FULL);
    fixture_expect_unavailable(fixture_create(&server->fixture, "acme", NULL), "disk_full");
    expect(server, "/ready", 503,
           "{\"status\":\"unavailable\",\"checks\":{\"database\":\"ok\",\"disk\":\"disk_full\",\"server\":"
           "\"ok\"}}");
    faulty_disk_repair();
    assert_null(fixture_create(&server->fixture, "acme", NULL));
    expect(server, "/ready", 200, "\"disk\":\"ok\"");
}

static void test_not_ready_when_the_database_was_removed(void **state)
{
    struct server *server = *state;

    assert_int_equal(unlink(server->fixture.database), 0);
    fixture_wait_for_state(&server->fixture, STORE_DATABASE_REMOVED);
    expect(server, "/ready", 503,
           "{\"status\":\"unavailable\",\"checks\":{\"database\":\"database_removed\",\"disk\":\"ok\","
           "\"server\":\"ok\"}}");
    expect(server, "/health", 200, "{\"status\":\"ok\"}");
}

static void test_not_ready_while_draining(void **state)
{
    struct server *server = *state;

    api_set_draining(server->api);
    expect(server, "/ready", 503, "\"server\":\"draining\"");
}

#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_ready),
        SERVER_TEST(test_not_ready_when_the_disk_has_failed),
        SERVER_TEST(test_not_ready_while_the_disk_is_full),
        SERVER_TEST(test_not_ready_when_the_database_was_removed),
        SERVER_TEST(test_not_ready_while_draining),
    };

    faulty_disk_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
