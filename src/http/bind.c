/* Listening sockets: how they are made. */
#include "http/internal.h"

#include "base/unix_path.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PORT_MAX = 65535, ADMIN_SOCKET_MODE = 0600 };

const char *http_bind_advice(int error)
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

static bool fail(struct text address, const char *why, struct arena *arena, struct text *reason)
{
    *reason = arena_format(arena, "cannot listen on %.*s: %s", TEXT_FORMAT(address), why);
    return false;
}

static void close_keeping_errno(int descriptor)
{
    int error = errno;

    close(descriptor);
    errno = error;
}

static void set_option(int socket, int level, int option, int value)
{
    setsockopt(socket, level, option, &value, sizeof value);
}

/* ---- TCP ---- */

/* Accepted connections inherit TCP_NODELAY. */
static void set_tcp_options(int listener)
{
    set_option(listener, IPPROTO_TCP, TCP_NODELAY, 1);
}

/* Binds and listens. -1 with errno set. */
static int listen_on(const struct sockaddr *address, socklen_t length, bool shares_port)
{
    int listener = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (listener < 0)
        return -1;
    set_option(listener, SOL_SOCKET, SO_REUSEADDR, 1);
    set_tcp_options(listener);
    if (address->sa_family == AF_INET6)
        set_option(listener, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (shares_port)
        set_option(listener, SOL_SOCKET, SO_REUSEPORT, 1);
    if (bind(listener, address, length) == 0 && listen(listener, HTTP_LISTEN_BACKLOG) == 0)
        return listener;
    close_keeping_errno(listener);
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
        *why = http_bind_advice(errno);
        if (listener < 0 && errno == EADDRINUSE)
            break;
    }
    freeaddrinfo(found);
    return listener;
}

static bool bind_tcp(struct text address, struct arena *arena, struct http_bound *bound, struct text *reason)
{
    const char *host, *port, *why = "the name has no address";

    if (!split_address(address, arena, &host, &port))
        return fail(address,
                    "write it as HOST:PORT or [IPV6]:PORT, with a port from 0 to 65535, or as unix:PATH",
                    arena, reason);
    if (*host) {
        bound->socket = listen_on_name(host, port, &why);
    } else {
        /* An IPv6 socket takes IPv4 connections too; a machine may have been built without IPv6. */
        bound->socket = listen_on_name("::", port, &why);
        if (bound->socket < 0 && errno != EADDRINUSE)
            bound->socket = listen_on_name("0.0.0.0", port, &why);
    }
    if (bound->socket < 0)
        return fail(address, why, arena, reason);
    /* Set only now that the address is ours, and so not while another server on it could have let us in. It
     * lets the sockets of the other loops in. */
    set_option(bound->socket, SOL_SOCKET, SO_REUSEPORT, 1);
    bound->address = bound_address(bound->socket, arena);
    return true;
}

int http_bind_again(const struct http_bound *bound, int first)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;

    if (bound->is_shared)
        return fcntl(first, F_DUPFD_CLOEXEC, 0);
    if (getsockname(first, (struct sockaddr *)&address, &length) < 0)
        return -1;
    return listen_on((struct sockaddr *)&address, length, true);
}

/* ---- Unix ---- */

/* Connects as a client would, and hangs up. 0 or the error. */
static int try_connection(const struct sockaddr_un *address)
{
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error;

    if (client < 0)
        return errno;
    error = connect(client, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
    close(client);
    return error;
}

/* Removes the socket that a server left which was killed: one whose connections are refused. NULL, or why the
 * path cannot be used. */
static const char *make_way(const struct sockaddr_un *address)
{
    struct stat status;
    int error;

    if (lstat(address->sun_path, &status) < 0)
        return errno == ENOENT ? NULL : strerror(errno);
    if (!S_ISSOCK(status.st_mode))
        return "there is a file that is not a socket; move it away";
    error = try_connection(address);
    switch (error) {
    case ECONNREFUSED:
        return unlink(address->sun_path) == 0 ? NULL : strerror(errno);
    case 0:
    case EAGAIN: /* its queue is full */
        return "another server listens there; stop it or choose another path";
    case EPROTOTYPE:
        return "another program has a socket of another kind there; stop it or choose another path";
    default:
        return strerror(error);
    }
}

/* Nobody can connect before `listen`, so that the socket is never open to more than its mode says. */
static int listen_on_path(const struct sockaddr_un *address, unsigned mode)
{
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (listener < 0)
        return -1;
    fchmod(listener, ADMIN_SOCKET_MODE); /* on Linux a bound socket takes its mode from here */
    if (bind(listener, (const struct sockaddr *)address, sizeof *address) < 0) {
        close_keeping_errno(listener);
        return -1;
    }
    if (chmod(address->sun_path, mode) == 0 && listen(listener, HTTP_LISTEN_BACKLOG) == 0)
        return listener;
    close_keeping_errno(listener);
    unlink(address->sun_path);
    return -1;
}

void http_bound_remove_path(const struct http_bound *bound)
{
    struct stat status;

    if (bound->path && lstat(bound->path, &status) == 0 && status.st_dev == bound->made.st_dev &&
        status.st_ino == bound->made.st_ino)
        unlink(bound->path);
}

static const char *path_advice(int error)
{
    switch (error) {
    case ENOENT:
        return "the directory that it is to be in does not exist; make it or choose another path";
    case ENAMETOOLONG:
        return "the path of a socket has 1 to 107 bytes, or, where /proc is mounted, a name of some 80 bytes "
               "in a "
               "directory; choose a shorter one";
    default:
        return strerror(error);
    }
}

/* -1 with errno, or with an obstacle. */
static int bind_at(const struct sockaddr_un *address, unsigned mode, const char **obstacle)
{
    *obstacle = make_way(address);
    return *obstacle ? -1 : listen_on_path(address, mode);
}

static bool bind_path(struct text path, unsigned mode, struct arena *arena, struct http_bound *bound,
                      struct text *reason)
{
    const char *obstacle;
    struct unix_path opened;

    if (!unix_path_open(path, &opened))
        return fail(path, path_advice(errno), arena, reason);
    bound->socket = bind_at(&opened.address, mode, &obstacle);
    unix_path_close(&opened);
    if (bound->socket < 0)
        return fail(path, obstacle ? obstacle : path_advice(errno), arena, reason);
    bound->path = arena_string(arena, path);
    if (lstat(bound->path, &bound->made) != 0)
        bound->made = (struct stat){0};
    bound->address = arena_format(arena, "unix:%s", bound->path);
    return true;
}

/* ---- inherited ---- */

static bool is_listening(int descriptor)
{
    int answer = 0;
    socklen_t length = sizeof answer;

    return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &answer, &length) == 0 && answer;
}

static struct text inherited_address(int listener, struct arena *arena)
{
    struct sockaddr_un address = {0};
    socklen_t length = sizeof address;

    if (getsockname(listener, (struct sockaddr *)&address, &length) < 0 || address.sun_family != AF_UNIX)
        return bound_address(listener, arena);
    return arena_format(arena, "unix:%.*s", (int)sizeof address.sun_path, address.sun_path);
}

/* Takes a copy, so that the descriptor itself stays for whoever asks again. */
static bool take_inherited(struct text address, struct text number, struct arena *arena,
                           struct http_bound *bound, struct text *reason)
{
    uint64_t descriptor;

    if (!text_to_uint64(number, &descriptor) || descriptor > INT32_MAX || !is_listening((int)descriptor))
        return fail(address, "this descriptor is not a listening socket", arena, reason);
    bound->socket = fcntl((int)descriptor, F_DUPFD_CLOEXEC, 0);
    if (bound->socket < 0)
        return fail(address, http_bind_advice(errno), arena, reason);
    int flags = fcntl(bound->socket, F_GETFL);

    fcntl(bound->socket, F_SETFL, flags | O_NONBLOCK);
    set_tcp_options(bound->socket); /* a Unix socket refuses, which does not matter */
    bound->address = inherited_address(bound->socket, arena);
    return true;
}

/* ---- all ---- */

static bool bind_any(const struct http_config *config, const struct http_listen *listen, struct arena *arena,
                     struct http_bound *bound, struct text *reason)
{
    const struct text unix_prefix = TEXT("unix:"), inherited_prefix = TEXT("fd:");
    struct text address = listen->address;
    unsigned mode = listen->entrance == HTTP_ENTRANCE_ADMIN ? ADMIN_SOCKET_MODE : config->unix_socket_mode;

    bound->is_shared = true;
    if (text_starts_with(address, unix_prefix))
        return bind_path(text_from(address, unix_prefix.length), mode, arena, bound, reason);
    if (text_starts_with(address, inherited_prefix))
        return take_inherited(address, text_from(address, inherited_prefix.length), arena, bound, reason);
    bound->is_shared = false;
    return bind_tcp(address, arena, bound, reason);
}

static bool speaks_tls(const struct http_config *config, const struct http_listen *listen,
                       const struct http_bound *bound)
{
    if (listen->scheme != HTTP_SCHEME_DEFAULT)
        return listen->scheme == HTTP_SCHEME_HTTPS;
    return text_is_set(config->tls_certificate_path) && listen->entrance == HTTP_ENTRANCE_PUBLIC &&
           !text_starts_with(bound->address, TEXT("unix:"));
}

bool http_listen_is_possible(const struct http_config *config, const struct http_listen *listen,
                             struct arena *arena, struct text *reason)
{
    return listen->scheme != HTTP_SCHEME_HTTPS || text_is_set(config->tls_certificate_path) ||
           fail(listen->address, "https needs a certificate and its key", arena, reason);
}

bool http_bind(const struct http_config *config, const struct http_listen *listen, struct arena *arena,
               struct http_bound *bound, struct text *reason)
{
    *bound = (struct http_bound){.socket = -1};
    if (!http_listen_is_possible(config, listen, arena, reason))
        return false;
    if (!bind_any(config, listen, arena, bound, reason))
        return false;
    bound->is_tls = speaks_tls(config, listen, bound);
    return true;
}
