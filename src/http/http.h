/* http.h: an HTTP/1.1 and 1.0 server on epoll: sockets in, requests out; replies in, bytes out (RFC 9110, RFC
 * 9112).
 *
 * One loop a core, each a thread with its own listening socket for each TCP address (SO_REUSEPORT), its own
 * connections and no lock. Unix sockets and inherited ones are accepted from by all loops in turn. The loop
 * that accepted a connection owns it for life. Requests of one connection are answered in order, one at a
 * time; pipelined ones wait in the connection's buffer. This room has never heard of a customer: what a
 * request means is the handler's business, the body of every reply too, even of the ones that this room's own
 * refusals need. */
#ifndef FARTHING_HTTP_HTTP_H
#define FARTHING_HTTP_HTTP_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/text.h"
#include "http/address.h"

#include <stdatomic.h>

/* Limits (conventions section 1). Those of the configuration are defaults that a caller may change. */
enum {
    HTTP_URL_BYTES_MAX = 16 * 1024,
    HTTP_HEADER_BYTES_MAX = 32 * 1024, /* request line and header fields together, the URL counted as well */
    HTTP_HEADER_COUNT_MAX = 100,
    HTTP_SMALL_BODY_BYTES_MAX = 16 * 1024, /* a larger one is taken only with the handler's consent */
    HTTP_SMALL_REPLY_BYTES_MAX =
        12 * 1024, /* the body of a reply that fits in a buffer, its head beside it */
    HTTP_USUAL_REPLY_BYTES_MAX = 128 * 1024, /* of one record, however large */
    HTTP_BODY_BYTES_MAX_DEFAULT = 10 * 1024 * 1024,
    HTTP_BUFFERED_BYTES_MAX_DEFAULT = 64 * 1024 * 1024,
    HTTP_HEADER_TIMEOUT_MS_DEFAULT = 10 * 1000,
    HTTP_BODY_TIMEOUT_MS_DEFAULT = 60 * 1000,
    HTTP_IDLE_TIMEOUT_MS_DEFAULT = 120 * 1000,
    HTTP_WRITE_TIMEOUT_MS_DEFAULT = 60 * 1000,
    HTTP_DRAIN_TIMEOUT_MS_DEFAULT = 30 * 1000,
    HTTP_LISTEN_MAX = 40, /* addresses of one server */
    HTTP_UNIX_SOCKET_MODE_DEFAULT = 0660,
    HTTP_CONNECTIONS_MAX_DEFAULT = 65536,
    HTTP_TRUSTED_NETWORKS_MAX = 32,
    HTTP_HALF_CLOSE_MS = 250,
};

enum http_method {
    HTTP_GET,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_HEAD,
    HTTP_PATCH,
    HTTP_OTHER
};

struct http_header {
    struct text name;  /* as sent; compare ignoring case */
    struct text value; /* without surrounding white space */
};

/* A whole request. All texts point into the connection's buffer and hold until the reply is given. */
struct http_request {
    enum http_method method;
    struct text method_name;
    struct text target; /* as sent */
    struct text path;   /* raw: percent escapes are still in it; without the host of an absolute target */
    struct text query;  /* raw, without the question mark; empty when there is none */
    const struct http_header *headers;
    unsigned header_count;
    struct text body;
    bool keep_alive; /* what the client asked for */
};

/* The value of the first header named `name`, or an unset text. O(headers). */
struct text http_request_header(const struct http_request *request, struct text name);
/* Whether several lines have the header, with different values. */
bool http_request_header_is_ambiguous(const struct http_request *request, struct text name);

/* A refusal by this room: the handler words the reply, the room sends it and closes the connection. */
enum http_refusal {
    HTTP_REFUSAL_NONE,
    HTTP_REFUSAL_MALFORMED,        /* 400 */
    HTTP_REFUSAL_TIMEOUT,          /* 408 */
    HTTP_REFUSAL_BODY_TOO_LARGE,   /* 413 */
    HTTP_REFUSAL_URL_TOO_LONG,     /* 414 */
    HTTP_REFUSAL_HEADER_TOO_LARGE, /* 431 */
    HTTP_REFUSAL_NOT_IMPLEMENTED,  /* 501: a transfer coding we do not know */
    HTTP_REFUSAL_OVERLOADED,       /* 503: all buffers together are full */
    HTTP_REFUSAL_VERSION,          /* 505 */
};

struct http_loop;

/* Where a request came in, which decides what may be asked for there. */
enum http_entrance {
    HTTP_ENTRANCE_PUBLIC,  /* the API */
    HTTP_ENTRANCE_ADMIN,   /* the data directory's own socket, which only its user can open */
    HTTP_ENTRANCE_METRICS, /* what the operator's monitoring reads */
};

/* One request with its way back. Valid from the handler's call until http_reply. */
struct http_exchange {
    struct http_request request;
    enum http_refusal
        refusal; /* not NONE: words a reply to a request that could not be read; `request` may be empty */
    const char *refusal_reason; /* for a person: "two Content-Length headers differ" */
    bool has_head;              /* `request` is whole but for its body, also when it is refused */
    bool is_admitted;           /* on_head has said yes to this request before */
    size_t body_bytes_max; /* config.body_bytes_max; on_head may lower it, to HTTP_SMALL_BODY_BYTES_MAX at
                              least */
    struct arena *arena;   /* emptied after the reply */
    struct http_loop *loop;
    enum http_entrance entrance;
    struct http_address peer; /* the other end of the connection; the client is http_exchange_client */
    /* The connection was lost, or the client ended it while it waited for the reply: whatever it asked for
     * need not be done any more, though a reply must be given. Set by the loop, for any thread to see. A
     * client that shuts its sending side as soon as it has sent (HTTP_HALF_CLOSE_MS) still waits. */
    atomic_bool is_abandoned;
};

struct http_reply {
    int status;
    struct text content_type; /* unset: no Content-Type line (204) */
    struct text
        headers[2]; /* whole header lines, each ended by CRLF; sent as they are. Unset when not used */
    struct text body;
    bool close; /* close the connection after this reply */
};

/* The client of a request: the peer, or whom trusted proxies name (http/forwarded.h). Not kept: ask once. */
struct http_address http_exchange_client(const struct http_exchange *exchange);

/* Whether there is memory for a reply with so large a body until the client has read it. A large one leaves
 * an eighth of buffered_bytes_max free for other things; one of HTTP_USUAL_REPLY_BYTES_MAX, as of a single
 * record, may have as much again as buffered_bytes_max, so that what many clients do not read does not keep
 * it from others; a small one always has room. On the loop's thread. */
bool http_may_reply(const struct http_exchange *exchange, size_t body_bytes);

/* Gives the reply to an exchange; exactly once, on the loop's thread, inside on_request or later in a task.
 * The texts of the reply are copied out before it returns. The exchange and its arena are gone afterwards. */
void http_reply(struct http_exchange *exchange, const struct http_reply *reply);

/* A piece of work for a loop's thread. Embedded in the caller's own struct, which must live until `run` was
 * called. */
struct http_task {
    struct http_task *next;
    void (*run)(struct http_task *task);
};

/* Hands a chain of tasks (linked by `next`) to the loop, from any thread. Wakes the loop once a chain. They
 * run in order, in the loop's thread, before it looks at more requests. Those that come after the loop has
 * ended are not run. */
void http_loop_post(struct http_loop *loop, struct http_task *first, struct http_task *last);

/* The state that loop_start gave to this loop. */
void *http_loop_state(struct http_loop *loop);
/* The counters of the server that it belongs to. */
struct http_counters;
void http_loop_counters(const struct http_loop *loop, struct http_counters *counters);
/* The reading of the monotonic clock that the loop took when it last woke, in microseconds. */
int64_t http_loop_monotonic_us(const struct http_loop *loop);

/* What the product does with requests. Each function runs on the loop's thread. */
struct http_handler {
    void *context;
    /* Makes a loop's state (its read connection). NULL fails the start. */
    void *(*loop_start)(void *context, struct http_loop *loop, unsigned loop_index);
    /* Optional. The head of a request whose body is not there yet and is large, chunked or waits for `100
     * Continue`: true when the body may come, and then on_request follows with all of it (or a refusal, or
     * nothing when the client leaves). False when it has replied; the connection is then closed. */
    bool (*on_head)(void *loop_state, struct http_exchange *exchange);
    /* A whole request, or a refusal. Must lead to exactly one http_reply. */
    void (*on_request)(void *loop_state, struct http_exchange *exchange);
    /* The loop has handled all that was ready and is about to block: close the batch's read transaction. */
    void (*on_batch_end)(void *loop_state);
    void (*loop_stop)(void *loop_state);
    /* What a connection over connections_max (503) or connections_per_client_max (429) is told before it is
     * closed. */
    const struct http_reply *refused_total, *refused_client;
};

/* Whether TLS is spoken at an address. */
enum http_scheme {
    HTTP_SCHEME_DEFAULT, /* at the TCP addresses of the public entrance, if there is a certificate */
    HTTP_SCHEME_HTTP,
    HTTP_SCHEME_HTTPS,
};

/* One address to listen on:
 *
 *   HOST:PORT, [IPV6]:PORT   TCP; port 0 lets the system choose; without a host on all addresses, of IPv4 too
 *   unix:PATH                a Unix socket, made in place of a stale one
 *   fd:NUMBER                a listening socket that this process was started with */
struct http_listen {
    struct text address;
    enum http_entrance entrance;
    enum http_scheme scheme;
};

/* Which header line the trusted proxies write. The other one is the client's own and is not looked at. */
enum http_forwarding { HTTP_X_FORWARDED_FOR, HTTP_FORWARDED };

/* Whose word is taken for where a request came from. */
struct http_trust {
    struct http_network networks[HTTP_TRUSTED_NETWORKS_MAX];
    unsigned network_count;
    enum http_forwarding header;
};

struct http_config {
    struct http_listen listen[HTTP_LISTEN_MAX];
    unsigned listen_count;
    /* Files in PEM form: certificate chain and key. Both or none. */
    struct text tls_certificate_path, tls_key_path;
    unsigned unix_socket_mode; /* of Unix sockets; that of the admin entrance has always 0600 */
    unsigned loop_count;       /* 0: one for each processor this process may run on */
    size_t body_bytes_max;
    /* Of what all requests and replies under way have together: their buffers and their exchanges' arenas,
     * each as far as it is larger than 16 KiB. Beyond it a request that needs more is told 503, and replies
     * of pipelined requests are sent before more of them are handled; requests that on_head has not admitted
     * share half of it. For replies the handler asks (http_may_reply): those of usual size may have as much
     * again. Each connection may have one buffer of 16 KiB and one exchange all the same, so that the bound
     * is twice this plus that for each connection. */
    size_t buffered_bytes_max;
    unsigned connections_max; /* at public entrances; beyond, a connection is told 503 and closed */
    /* Those of one client, which is an IPv4 address, an IPv6 /64, but no trusted proxy; beyond, 429. 0: as
     * many as there are. */
    unsigned connections_per_client_max;
    struct http_trust trust;
    int header_timeout_ms, body_timeout_ms, idle_timeout_ms, write_timeout_ms, drain_timeout_ms;
};

struct http_server;

/* What has happened since the start, of all loops together. */
struct http_counters {
    uint64_t connections_accepted;       /* those of all entrances that were served */
    uint64_t connections_open;           /* now */
    uint64_t connections_refused_total;  /* by connections_max */
    uint64_t connections_refused_client; /* by connections_per_client_max */
    uint64_t buffered_bytes;             /* now, as in buffered_bytes_max */
    uint64_t accept_pauses;              /* because the process had no descriptor, or the system no memory */
    uint64_t tls_handshakes;             /* that were finished */
    uint64_t tls_resumptions;            /* of them */
    uint64_t tls_failures;               /* handshakes that failed, and records that made no sense */
};

/* A configuration with the defaults above, and no address yet. */
struct http_config http_config_default(void);
/* Adds an address, with `http://` or `https://` before it or without. Its text must live until the server was
 * started. False when there are too many. */
bool http_config_listen(struct http_config *config, struct text address, enum http_entrance entrance);

/* Adds to `trust` one network (http_network_parse), or "loopback". False when it is none, or there are too
 * many. */
bool http_trust_add(struct http_trust *trust, struct text network);

/* Whether the server could start now, with its addresses and its certificate; else a reason. For a caller
 * that wants to know before it does anything else. */
bool http_start_is_possible(const struct http_config *config, struct arena *arena, struct text *reason);
/* The part of it that needs no address: whether TLS can be spoken where it is asked for. False with a reason.
 */
bool http_config_is_possible(const struct http_config *config, struct arena *arena, struct text *reason);

/* Binds, listens and starts the loops. On failure returns NULL and a one-line reason that says what to do, in
 * `arena`
 * ("cannot listen on 127.0.0.1:8080: address already in use; ..."). */
struct http_server *http_server_start(const struct http_config *config, const struct http_handler *handler,
                                      struct arena *arena, struct text *reason);
/* Address number `index` of the configuration as it is bound, with the port the system chose. */
struct text http_server_address(const struct http_server *server, unsigned index);
/* Whether TLS is spoken there. */
bool http_server_is_tls(const struct http_server *server, unsigned index);
/* Has a server with TLS take other files, or the same ones again; connections that are there go on as they
 * are. False with a reason, and the old ones still in use, when the new ones cannot be. While the server
 * runs, by one thread at a time. */
bool http_server_reload_tls(struct http_server *server, struct text certificate_path, struct text key_path,
                            struct arena *arena, struct text *reason);
/* From any thread, while the server is not freed. */
void http_server_counters(const struct http_server *server, struct http_counters *counters);
/* Stops accepting, lets the requests under way finish (each reply then says `Connection: close`), closes idle
 * connections, and returns when all loops have ended, at the latest when the drain timeout is over: then what
 * is left is cut. An exchange that is still with the handler by then stays readable until http_server_free,
 * but can no longer be replied to. Called from any other thread; a second call does nothing. */
void http_server_drain(struct http_server *server);
/* Ends a drain before its time: what is left is cut now. From any thread, between the beginning of
 * http_server_drain and http_server_free. */
void http_server_cut(struct http_server *server);
/* Frees everything. After http_server_drain. */
void http_server_free(struct http_server *server);

#endif
