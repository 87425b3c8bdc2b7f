/* Start, drain and end of the server: what happens outside the loops. */
#include "http/internal.h"
#include "http/tls.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREAD_NAME_BYTES = 16 };

struct http_config http_config_default(void)
{
    return (struct http_config){
        .unix_socket_mode = HTTP_UNIX_SOCKET_MODE_DEFAULT,
        .connections_max = HTTP_CONNECTIONS_MAX_DEFAULT,
        .body_bytes_max = HTTP_BODY_BYTES_MAX_DEFAULT,
        .buffered_bytes_max = HTTP_BUFFERED_BYTES_MAX_DEFAULT,
        .header_timeout_ms = HTTP_HEADER_TIMEOUT_MS_DEFAULT,
        .body_timeout_ms = HTTP_BODY_TIMEOUT_MS_DEFAULT,
        .idle_timeout_ms = HTTP_IDLE_TIMEOUT_MS_DEFAULT,
        .write_timeout_ms = HTTP_WRITE_TIMEOUT_MS_DEFAULT,
        .drain_timeout_ms = HTTP_DRAIN_TIMEOUT_MS_DEFAULT,
    };
}

bool http_config_listen(struct http_config *config, struct text address, enum http_entrance entrance)
{
    const struct text plain = TEXT("http://"), tls = TEXT("https://");
    enum http_scheme scheme = HTTP_SCHEME_DEFAULT;

    if (config->listen_count == HTTP_LISTEN_MAX)
        return false;
    if (text_starts_with(address, plain)) {
        scheme = HTTP_SCHEME_HTTP;
        address = text_from(address, plain.length);
    } else if (text_starts_with(address, tls)) {
        scheme = HTTP_SCHEME_HTTPS;
        address = text_from(address, tls.length);
    }
    config->listen[config->listen_count++] = (struct http_listen){address, entrance, scheme};
    return true;
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
    server->memory.bytes_max = config->buffered_bytes_max;
    server->handler = *handler;
    arena_init(&server->arena);
    http_admission_init(&server->admission);
    pthread_mutex_init(&server->start_lock, NULL);
    pthread_cond_init(&server->start_changed, NULL);
    server->loops = aligned_alloc(_Alignof(struct http_loop), loop_count * sizeof(struct http_loop));
    if (!server->loops)
        abort();
    return server;
}

static void set_errno_reason(struct arena *arena, unsigned loop, struct text *reason)
{
    *reason =
        arena_format(arena, "cannot start loop %u of the HTTP server: %s", loop, http_bind_advice(errno));
}

static bool make_loops(struct http_server *server, struct arena *arena, struct text *reason)
{
    for (unsigned i = 0; i < server->config.loop_count; i++) {
        bool is_made = http_loop_init(&server->loops[i], server, i);

        server->loop_count++;
        if (!is_made) {
            set_errno_reason(arena, i, reason);
            return false;
        }
    }
    return true;
}

/* The certificate and its key, if there is to be one. */
static bool open_tls(const struct http_config *config, struct http_tls **tls, struct arena *arena,
                     struct text *reason)
{
    bool has_certificate = text_is_set(config->tls_certificate_path);

    *tls = NULL;
    if (has_certificate != text_is_set(config->tls_key_path)) {
        *reason = TEXT("TLS needs both a certificate and its key");
        return false;
    }
    if (has_certificate)
        *tls = http_tls_open(config->tls_certificate_path, config->tls_key_path, arena, reason);
    return !has_certificate || *tls;
}

bool http_config_is_possible(const struct http_config *config, struct arena *arena, struct text *reason)
{
    struct http_tls *tls;

    for (unsigned i = 0; i < config->listen_count; i++)
        if (!http_listen_is_possible(config, &config->listen[i], arena, reason))
            return false;
    if (!open_tls(config, &tls, arena, reason))
        return false;
    if (tls)
        http_tls_close(tls);
    return true;
}

/* All at a time, because an address may be in the list twice. */
static bool bind_all(const struct http_config *config, struct arena *arena, struct text *reason)
{
    struct http_bound bound[HTTP_LISTEN_MAX];
    unsigned count = 0;

    while (count < config->listen_count &&
           http_bind(config, &config->listen[count], arena, &bound[count], reason))
        count++;
    for (unsigned i = 0; i < count; i++) {
        close(bound[i].socket);
        http_bound_remove_path(&bound[i]);
    }
    return count == config->listen_count;
}

bool http_start_is_possible(const struct http_config *config, struct arena *arena, struct text *reason)
{
    return http_config_is_possible(config, arena, reason) && bind_all(config, arena, reason);
}

/* Gives a loop its listener for the address: the socket that was bound, or a further one. */
static bool add_listener(struct http_loop *loop, const struct http_bound *bound, enum http_entrance entrance)
{
    struct http_listener *first = &loop->server->loops[0].listeners[loop->listener_count];
    struct http_listener *listener = &loop->listeners[loop->listener_count];

    *listener = (struct http_listener){
        .magic = HTTP_LISTENER_MAGIC,
        .socket = loop->index == 0 ? bound->socket : http_bind_again(bound, first->socket),
        .entrance = entrance,
        .is_tls = bound->is_tls,
        .is_shared = bound->is_shared && loop->server->loop_count > 1,
    };
    loop->listener_count++;
    return listener->socket >= 0 && http_listener_open(loop, listener);
}

/* Every loop accepts at every address. */
static bool listen_everywhere(struct http_server *server, struct arena *arena, struct text *reason)
{
    for (unsigned i = 0; i < server->config.listen_count; i++) {
        const struct http_listen *listen = &server->config.listen[i];
        struct http_bound *bound = &server->bound[i];

        if (!http_bind(&server->config, listen, &server->arena, bound, reason)) {
            *reason = arena_copy(arena, *reason);
            return false;
        }
        for (unsigned loop = 0; loop < server->loop_count; loop++)
            if (!add_listener(&server->loops[loop], bound, listen->entrance)) {
                set_errno_reason(arena, loop, reason);
                return false;
            }
    }
    return true;
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

    if (open_tls(config, &server->tls, arena, reason) && make_loops(server, arena, reason) &&
        listen_everywhere(server, arena, reason) && run_loops(server, arena, reason)) {
        if (server->tls)
            http_tls_warn(server->tls, config->tls_certificate_path, config->tls_key_path, arena);
        return server;
    }
    http_server_drain(server);
    http_server_free(server);
    return NULL;
}

struct text http_server_address(const struct http_server *server, unsigned index)
{
    assert(server->magic == HTTP_SERVER_MAGIC && index < server->config.listen_count);
    return server->bound[index].address;
}

bool http_server_is_tls(const struct http_server *server, unsigned index)
{
    assert(server->magic == HTTP_SERVER_MAGIC && index < server->config.listen_count);
    return server->bound[index].is_tls;
}

bool http_server_reload_tls(struct http_server *server, struct text certificate_path, struct text key_path,
                            struct arena *arena, struct text *reason)
{
    assert(server->magic == HTTP_SERVER_MAGIC && server->tls);
    return http_tls_reload(server->tls, certificate_path, key_path, arena, reason);
}

static uint64_t read_counter(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

bool http_server_may_buffer(const struct http_server *server, size_t more, bool is_admitted)
{
    size_t reserved = is_admitted ? 0 : server->config.buffered_bytes_max / 2;

    return memory_account_has_room(&server->memory, more + reserved);
}

void http_server_counters(const struct http_server *server, struct http_counters *counters)
{
    *counters = (struct http_counters){.buffered_bytes = memory_account_used(&server->memory)};
    for (unsigned i = 0; i < server->loop_count; i++) {
        const struct http_loop_counters *of_loop = &server->loops[i].counters;

        counters->connections_accepted += read_counter(&of_loop->accepted);
        counters->connections_open += read_counter(&of_loop->open);
        counters->connections_refused_total += read_counter(&of_loop->refused_total);
        counters->connections_refused_client += read_counter(&of_loop->refused_client);
        counters->accept_pauses += read_counter(&of_loop->accept_pauses);
        counters->tls_handshakes += read_counter(&of_loop->tls_handshakes);
        counters->tls_resumptions += read_counter(&of_loop->tls_resumptions);
        counters->tls_failures += read_counter(&of_loop->tls_failures);
    }
}

/* While they are still ours: afterwards another server may have made its own in their place. */
static void remove_paths(struct http_server *server)
{
    for (unsigned i = 0; i < server->config.listen_count; i++)
        http_bound_remove_path(&server->bound[i]);
}

void http_server_drain(struct http_server *server)
{
    assert(server->magic == HTTP_SERVER_MAGIC);
    if (server->is_drained)
        return;
    server->is_drained = true;
    remove_paths(server);
    atomic_store(&server->is_draining, true);
    for (unsigned i = 0; i < server->threads_running; i++)
        http_loop_wake(&server->loops[i]);
    for (unsigned i = 0; i < server->threads_running; i++)
        pthread_join(server->loops[i].thread, NULL);
}

void http_server_cut(struct http_server *server)
{
    assert(server->magic == HTTP_SERVER_MAGIC);
    atomic_store(&server->is_cut, true);
    for (unsigned i = 0; i < server->threads_running; i++)
        http_loop_wake(&server->loops[i]);
}

void http_server_free(struct http_server *server)
{
    assert(server->magic == HTTP_SERVER_MAGIC && server->is_drained);
    for (unsigned i = 0; i < server->loop_count; i++)
        http_loop_free(&server->loops[i]);
    free(server->loops);
    http_admission_free(&server->admission);
    if (server->tls)
        http_tls_close(server->tls);
    pthread_cond_destroy(&server->start_changed);
    pthread_mutex_destroy(&server->start_lock);
    arena_free(&server->arena);
    server->magic = 0;
    free(server);
}
