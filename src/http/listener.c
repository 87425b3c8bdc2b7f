/* Listening sockets: how they are made, and accepting. */
#include "http/internal.h"

#include "base/log.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { PORT_MAX = 65535, UNIX_SOCKET_MODE = 0600 };

static const char *advice(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "address already in use; stop the program that uses it or choose another address";
    case EACCES:
        return "permission denied; choose a port of 1024 or above";
    case EADDRNOTAVAIL:
        return "this machine has no such address; choose one of its own, or 127.0.0.1";
    case EMFILE:
        return "too many open files; raise the limit of descriptors (ulimit -n)";
    default:
        return strerror(error);
    }
}

static int fail(struct text address, const char *why, struct arena *arena, struct text *reason)
{
    *reason = arena_format(arena, "cannot listen on %.*s: %s", TEXT_FORMAT(address), why);
    return -1;
}

static void set_option(int socket, int level, int option, int value)
{
    setsockopt(socket, level, option, &value, sizeof value);
}

/* Binds and listens. -1 with errno set. Accepted connections inherit TCP_NODELAY. */
static int listen_on(const struct sockaddr *address, socklen_t length, bool shares_port)
{
    int listener = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (listener < 0)
        return -1;
    if (address->sa_family != AF_UNIX) {
        set_option(listener, SOL_SOCKET, SO_REUSEADDR, 1);
        set_option(listener, IPPROTO_TCP, TCP_NODELAY, 1);
    }
    if (address->sa_family == AF_INET6)
        set_option(listener, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (shares_port)
        set_option(listener, SOL_SOCKET, SO_REUSEPORT, 1);
    /* On Linux a bound Unix socket takes its mode from the descriptor, so that it never exists with another.
     */
    if (address->sa_family == AF_UNIX)
        fchmod(listener, UNIX_SOCKET_MODE);
    if (bind(listener, address, length) == 0 && listen(listener, HTTP_LISTEN_BACKLOG) == 0)
        return listener;
    int error = errno;

    close(listener);
    errno = error;
    return -1;
}

static struct text bound_address(int listener, struct arena *arena)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getsockname(listener, (struct sockaddr *)&address, &length) < 0 ||
        getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return TEXT("unknown");
    return arena_format(arena, address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

/* Splits "HOST:PORT" and "[v6]:PORT". An empty host means all addresses of the machine. */
static bool split_address(struct text address, struct arena *arena, const char **host, const char **port)
{
    size_t colon = address.length;
    uint64_t number;

    while (colon > 0 && address.data[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return false;
    struct text host_text = text_slice(address, 0, colon - 1), port_text = text_from(address, colon);

    if (host_text.length >= 2 && host_text.data[0] == '[' && host_text.data[host_text.length - 1] == ']')
        host_text = text_slice(host_text, 1, host_text.length - 2);
    else if (text_find(host_text, ':') < host_text.length)
        return false;
    if (!text_to_uint64(port_text, &number) || number > PORT_MAX)
        return false;
    *host = arena_string(arena, host_text);
    *port = arena_string(arena, port_text);
    return true;
}

/* Listens on the first of the name's addresses that lets it. -1 with the reason in `why`. */
static int listen_on_name(const char *host, const char *port, const char **why)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    int outcome = getaddrinfo(host, port, &hints, &found), listener = -1;

    if (outcome != 0) {
        *why = outcome == EAI_SYSTEM ? strerror(errno) : gai_strerror(outcome);
        return -1;
    }
    for (const struct addrinfo *one = found; one && listener < 0; one = one->ai_next) {
        listener = listen_on(one->ai_addr, one->ai_addrlen, false);
        *why = advice(errno);
        if (listener < 0 && errno == EADDRINUSE)
            break;
    }
    freeaddrinfo(found);
    return listener;
}

int http_listen_tcp(struct text address, struct arena *arena, struct text *bound, struct text *reason)
{
    const char *host, *port, *why = "the name has no address";
    int listener;

    if (!split_address(address, arena, &host, &port))
        return fail(address, "write it as HOST:PORT or [IPV6]:PORT, with a port from 0 to 65535", arena,
                    reason);
    if (*host) {
        listener = listen_on_name(host, port, &why);
    } else {
        /* An IPv6 socket takes IPv4 connections too; a machine may have been built without IPv6. */
        listener = listen_on_name("::", port, &why);
        if (listener < 0 && errno != EADDRINUSE)
            listener = listen_on_name("0.0.0.0", port, &why);
    }
    if (listener < 0)
        return fail(address, why, arena, reason);
    /* Set only now that the address is ours, and so not while another server on it could have let us in. It
     * lets the sockets of the other loops in. */
    set_option(listener, SOL_SOCKET, SO_REUSEPORT, 1);
    *bound = bound_address(listener, arena);
    return listener;
}

bool http_listen_is_possible(struct text listen, struct arena *arena, struct text *reason)
{
    struct text bound;
    int listener = http_listen_tcp(listen, arena, &bound, reason);

    if (listener >= 0)
        close(listener);
    return listener >= 0;
}

int http_listen_again(int first)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;

    if (getsockname(first, (struct sockaddr *)&address, &length) < 0)
        return -1;
    return listen_on((struct sockaddr *)&address, length, true);
}

int http_listen_unix(struct text path, struct arena *arena, struct text *reason)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat status;

    if (path.length >= sizeof address.sun_path)
        return fail(path, "the path of a socket has at most 107 bytes; choose a shorter data directory",
                    arena, reason);
    memcpy(address.sun_path, path.data, path.length);
    if (lstat(address.sun_path, &status) == 0) {
        if (!S_ISSOCK(status.st_mode))
            return fail(path, "there is a file that is not a socket; move it away", arena, reason);
        unlink(address.sun_path);
    }
    int listener = listen_on((struct sockaddr *)&address, sizeof address, false);

    return listener < 0 ? fail(path, strerror(errno), arena, reason) : listener;
}

static void set_interest(struct http_loop *loop, struct http_listener *listener, uint32_t events)
{
    struct epoll_event interest = {.events = events, .data.ptr = listener};

    epoll_ctl(loop->epoll, EPOLL_CTL_MOD, listener->socket, &interest);
}

/* Out of descriptors or memory: a listener that stays readable would make the loop spin. */
static void pause_accepting(struct http_loop *loop, struct http_listener *listener, int error)
{
    int64_t last_us = atomic_load(&loop->server->accept_complaint_us);

    listener->paused_until_us = loop->now_us + HTTP_ACCEPT_PAUSE_MS * INT64_C(1000);
    set_interest(loop, listener, 0);
    if (last_us && loop->now_us - last_us < HTTP_ACCEPT_LOG_SECONDS * INT64_C(1000000))
        return;
    if (atomic_compare_exchange_strong(&loop->server->accept_complaint_us, &last_us, loop->now_us))
        LOG_WARNING("connections must wait", LOG_STRING("reason", advice(error)));
}

void http_listener_resume(struct http_loop *loop, struct http_listener *listener)
{
    if (!listener->paused_until_us || loop->now_us < listener->paused_until_us)
        return;
    listener->paused_until_us = 0;
    set_interest(loop, listener, EPOLLIN);
}

void http_listener_accept(struct http_loop *loop, struct http_listener *listener)
{
    for (unsigned i = 0; i < HTTP_ACCEPTS_PER_WAKE && listener->socket >= 0; i++) {
        int socket = accept4(listener->socket, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (socket >= 0) {
            http_connection_open(loop, socket, listener->is_local_admin);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_accepting(loop, listener, errno);
        /* Other errors are those of one connection that went away before it was accepted. */
        if (errno == EAGAIN || errno == EWOULDBLOCK || listener->paused_until_us)
            return;
    }
}

void http_listener_close(struct http_listener *listener)
{
    if (listener->socket >= 0)
        close(listener->socket);
    listener->socket = -1;
    listener->paused_until_us = 0;
}
