/* Start, drain and end of the server: what happens outside the loops. */
#include "http/internal.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { THREAD_NAME_BYTES = 16 };

struct http_config http_config_default(void)
{
    return (struct http_config){
        .listen = TEXT("127.0.0.1:8080"),
        .body_bytes_max = HTTP_BODY_BYTES_MAX_DEFAULT,
        .header_timeout_ms = HTTP_HEADER_TIMEOUT_MS_DEFAULT,
        .body_timeout_ms = HTTP_BODY_TIMEOUT_MS_DEFAULT,
        .idle_timeout_ms = HTTP_IDLE_TIMEOUT_MS_DEFAULT,
        .write_timeout_ms = HTTP_WRITE_TIMEOUT_MS_DEFAULT,
        .drain_timeout_ms = HTTP_DRAIN_TIMEOUT_MS_DEFAULT,
    };
}

/* The processors this process may run on. A mask too small for the machine counts as one processor. */
static unsigned processor_count(void)
{
    cpu_set_t processors;

    CPU_ZERO(&processors);
    if (sched_getaffinity(0, sizeof processors, &processors) < 0)
        return 1;
    int count = CPU_COUNT(&processors);

    return count > 0 ? (unsigned)count : 1;
}

static struct http_server *new_server(const struct http_config *config, const struct http_handler *handler)
{
    unsigned loop_count = config->loop_count ? config->loop_count : processor_count();
    struct http_server *server = calloc(1, sizeof *server);

    if (!server)
        abort();
    server->magic = HTTP_SERVER_MAGIC;
    server->config = *config;
    server->config.loop_count = loop_count;
    server->handler = *handler;
    arena_init(&server->arena);
    server->config.admin_socket = text_none;
    pthread_mutex_init(&server->start_lock, NULL);
    pthread_cond_init(&server->start_changed, NULL);
    server->loops = aligned_alloc(_Alignof(struct http_loop), loop_count * sizeof(struct http_loop));
    if (!server->loops)
        abort();
    return server;
}

static bool watch(struct http_loop *loop, struct http_listener *listener)
{
    struct epoll_event interest = {.events = EPOLLIN, .data.ptr = listener};

    return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, listener->socket, &interest) == 0;
}

/* Gives the loop its listening socket: the first one, or another on the same address. */
static bool listen_on_tcp(struct http_loop *loop, int first)
{
    if (first < 0)
        return true;
    loop->listener.socket = loop->index == 0 ? first : http_listen_again(first);
    return loop->listener.socket >= 0 && watch(loop, &loop->listener);
}

/* Makes the loops with their TCP listeners; without an address there is none, only the admin socket. */
static bool make_loops(struct http_server *server, struct arena *arena, struct text *reason)
{
    bool has_address = text_is_set(server->config.listen);
    int first =
        has_address ? http_listen_tcp(server->config.listen, &server->arena, &server->address, reason) : -1;

    if (has_address && first < 0) {
        *reason = arena_copy(arena, *reason);
        return false;
    }
    for (unsigned i = 0; i < server->config.loop_count; i++) {
        struct http_loop *loop = &server->loops[i];
        bool is_made = http_loop_init(loop, server, i);

        server->loop_count++;
        if (!is_made || !listen_on_tcp(loop, first)) {
            *reason = arena_format(arena, "cannot start loop %u of the HTTP server: %s", i, strerror(errno));
            return false;
        }
    }
    return true;
}

static bool listen_for_admin(struct http_server *server, struct text path, struct arena *arena,
                             struct text *reason)
{
    struct http_loop *loop = &server->loops[0];

    if (!text_is_set(path))
        return true;
    loop->admin_listener.socket = http_listen_unix(path, arena, reason);
    if (loop->admin_listener.socket < 0)
        return false;
    server->config.admin_socket = arena_copy(&server->arena, path);
    if (watch(loop, &loop->admin_listener))
        return true;
    *reason = arena_format(arena, "cannot serve the admin socket: %s", strerror(errno));
    return false;
}

void http_server_loop_started(struct http_server *server, bool success)
{
    pthread_mutex_lock(&server->start_lock);
    server->loops_started++;
    if (!success)
        server->loops_failed++;
    pthread_cond_signal(&server->start_changed);
    pthread_mutex_unlock(&server->start_lock);
}

/* Signals are for the thread that runs the program, not for loops. */
static int start_thread(struct http_loop *loop)
{
    char name[THREAD_NAME_BYTES];
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&loop->thread, NULL, http_loop_main, loop);

    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return error;
    snprintf(name, sizeof name, "http-%u", loop->index);
    pthread_setname_np(loop->thread, name);
    return 0;
}

static bool run_loops(struct http_server *server, struct arena *arena, struct text *reason)
{
    int error = 0;

    while (server->threads_running < server->loop_count && !error) {
        error = start_thread(&server->loops[server->threads_running]);
        server->threads_running += error == 0;
    }
    pthread_mutex_lock(&server->start_lock);
    while (server->loops_started < server->threads_running)
        pthread_cond_wait(&server->start_changed, &server->start_lock);
    unsigned failed = server->loops_failed;

    pthread_mutex_unlock(&server->start_lock);
    if (error)
        *reason = arena_format(arena, "cannot start a thread: %s", strerror(error));
    else if (failed)
        *reason = TEXT("a loop of the HTTP server could not make its state");
    return !error && !failed;
}

struct http_server *http_server_start(const struct http_config *config, const struct http_handler *handler,
                                      struct arena *arena, struct text *reason)
{
    struct http_server *server = new_server(config, handler);

    if (make_loops(server, arena, reason) && listen_for_admin(server, config->admin_socket, arena, reason) &&
        run_loops(server, arena, reason))
        return server;
    http_server_drain(server);
    http_server_free(server);
    return NULL;
}

struct text http_server_address(const struct http_server *server)
{
    assert(server->magic == HTTP_SERVER_MAGIC);
    return server->address;
}

void http_server_drain(struct http_server *server)
{
    assert(server->magic == HTTP_SERVER_MAGIC);
    if (server->is_drained)
        return;
    server->is_drained = true;
    atomic_store(&server->is_draining, true);
    for (unsigned i = 0; i < server->threads_running; i++)
        http_loop_wake(&server->loops[i]);
    for (unsigned i = 0; i < server->threads_running; i++)
        pthread_join(server->loops[i].thread, NULL);
    if (text_is_set(server->config.admin_socket))
        unlink(arena_string(&server->arena, server->config.admin_socket));
}

void http_server_free(struct http_server *server)
{
    assert(server->magic == HTTP_SERVER_MAGIC && server->is_drained);
    for (unsigned i = 0; i < server->loop_count; i++)
        http_loop_free(&server->loops[i]);
    free(server->loops);
    pthread_cond_destroy(&server->start_changed);
    pthread_mutex_destroy(&server->start_lock);
    arena_free(&server->arena);
    server->magic = 0;
    free(server);
}
