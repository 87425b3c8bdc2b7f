/* internal.h: what the files of the http room share. Nobody else includes it.
 *
 * Everything here belongs to one loop and is touched by its thread alone, except what is marked. A connection
 * is in exactly one list of its loop, and the list says what it waits for (enum http_wait). */
#ifndef FARTHING_HTTP_INTERNAL_H
#define FARTHING_HTTP_INTERNAL_H

#include "http/chunked.h"
#include "http/forwarded.h"
#include "http/http.h"
#include "http/list.h"
#include "http/pool.h"
#include "http/request_parser.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#if defined(__SANITIZE_ADDRESS__)
#define HTTP_POOLS_KEEP_MEMORY 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HTTP_POOLS_KEEP_MEMORY 0
#endif
#endif
/* Under AddressSanitizer the free lists keep nothing, so that a use after release is seen. */
#ifndef HTTP_POOLS_KEEP_MEMORY
#define HTTP_POOLS_KEEP_MEMORY 1
#endif

enum {
    HTTP_BUFFER_BYTES =
        HTTP_SMALL_BODY_BYTES_MAX, /* of a pooled buffer: more than nearly every request or reply needs */
    HTTP_BUFFERS_KEPT_MAX = 128,   /* free ones kept a loop: 2 MiB */
    HTTP_EXCHANGES_KEPT_MAX = 128, /* each with an arena block: 2.5 MiB */
    HTTP_CONNECTIONS_KEPT_MAX = 256,
    HTTP_KEPT_MIN = 16, /* of each, also when nobody needs them */
    HTTP_EVENTS_PER_WAKE = 256,
    HTTP_TASKS_PER_TURN = 8,      /* so that the replies of a whole commit cannot keep new requests waiting */
    HTTP_TURN_US = 100,           /* of a processor that is shared (base/processor.h) */
    HTTP_ACCEPTS_PER_WAKE = 64,   /* so that a flood of new connections cannot starve the old ones */
    HTTP_ACCEPT_PAUSE_MS = 100,   /* after the process ran out of descriptors or memory */
    HTTP_ACCEPT_LOG_SECONDS = 60, /* between two complaints about that, or about too many connections */
    HTTP_LISTEN_BACKLOG = 4096,
    HTTP_HANDSHAKES_PER_TURN = 4, /* each may take a millisecond */
    HTTP_HANDSHAKES_UNFINISHED_MAX =
        1024,                 /* of a loop, some 36 KiB each; the oldest gives way to a new one */
    HTTP_STEPS_PER_TURN = 64, /* requests handled and reads made before the other connections have a turn */
    HTTP_OUTPUT_GATHER_BYTES = 64 * 1024, /* replies of pipelined requests beyond this are sent at once */
    HTTP_TIDY_MS = 1000,                  /* how often it is looked what a peak has left behind */
    HTTP_TRIM_BYTES = 1024 * 1024, /* freed: worth giving pages back; as many since the last look: a peak */
    HTTP_LINGER_TIMEOUT_MS = 2 * 1000,        /* how long, and */
    HTTP_LINGER_BYTES_MAX = 16 * 1024 * 1024, /* how much a closing connection reads and forgets */
    HTTP_DATE_LINE_BYTES = 37,                /* "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" */
};

enum {
    HTTP_SERVER_MAGIC = 0x48535256,
    HTTP_LOOP_MAGIC = 0x484c4f4f,
    HTTP_LISTENER_MAGIC = 0x484c5354,
    HTTP_WAKER_MAGIC = 0x4857414b,
    HTTP_CONNECTION_MAGIC = 0x48434f4e,
    HTTP_EXCHANGE_MAGIC = 0x48455843,
};

/* ---- admission.c ---- */

enum http_admittance {
    HTTP_ADMITTED,
    HTTP_REFUSED_TOTAL,  /* connections_max is reached */
    HTTP_REFUSED_CLIENT, /* connections_per_client_max is reached */
};

/* The connections at public entrances. Shared by all threads. */
struct http_admission {
    _Atomic unsigned connections;
    pthread_mutex_t lock; /* of what follows */
    struct http_client_count *clients;
    size_t client_capacity, client_count;
    uint64_t hash_factor; /* odd, and not known outside, so that nobody can fill one part of the table */
};

void http_admission_init(struct http_admission *admission);
void http_admission_free(struct http_admission *admission);
/* Counts a new connection, if it may come in. *counts_for_client is to be given back when it leaves. */
enum http_admittance http_admission_enter(struct http_server *server, const struct http_address *peer,
                                          bool *counts_for_client);
void http_admission_leave(struct http_server *server, const struct http_address *peer,
                          bool counts_for_client);

/* ---- connection.c ---- */

/* What a connection waits for, and so which list of its loop it is in. */
enum http_wait {
    HTTP_WAIT_REQUEST,   /* idle: for a first byte */
    HTTP_WAIT_HANDSHAKE, /* for a TLS client */
    HTTP_WAIT_HEAD,
    HTTP_WAIT_BODY,
    HTTP_WAIT_WRITE,  /* for the client to read */
    HTTP_WAIT_LINGER, /* for the client to close */
    HTTP_WAIT_REPLY,  /* for the handler: no deadline */
    HTTP_WAIT_REAP,   /* closed; its memory goes when the wake's events are handled */
    HTTP_WAIT_COUNT
};

enum http_phase {
    HTTP_HANDSHAKING, /* TLS is not established yet */
    HTTP_READING,     /* a request is awaited or on its way */
    HTTP_HANDLING,    /* the handler holds the exchange; nothing is parsed */
    HTTP_CLOSING,     /* the last reply is in the output */
    HTTP_LINGERING,   /* all is sent; input is thrown away until the client closes */
    HTTP_CLOSED,      /* the socket is gone */
};

/* An exchange with what the handler need not see. */
struct http_exchange_record {
    uint32_t magic;
    struct http_connection *connection; /* NULL while it is free */
    struct http_exchange_record *next_free;
    bool has_no_body_yet; /* it is the head alone that the handler looks at */
    int64_t handled_from_us;
    struct http_exchange exchange;
    struct arena arena;
    struct http_header headers[HTTP_HEADER_COUNT_MAX];
};

/* What was accepted. */
struct http_arrival {
    int socket;
    enum http_entrance entrance;
    struct http_address peer;
    bool counts, counts_for_client; /* as in a connection */
    bool is_tls;
};

struct http_connection {
    uint32_t magic;
    int socket;
    struct http_loop *loop;
    struct http_tls_session *tls; /* NULL: plain */
    enum http_phase phase;
    bool is_readable, is_writable; /* until a read or write says otherwise: events are edge-triggered */
    bool peer_has_ended;           /* the end of the input will be read after the last byte */
    bool input_has_ended;          /* it was read */
    enum http_entrance entrance;
    struct http_address peer;
    bool counts, counts_for_client; /* for the limits of admission.c */
    bool is_dispatching;            /* on_request runs: http_reply must not run the connection from inside */
    bool is_ready;                  /* is in the loop's ready list */
    bool has_made_progress;         /* bytes were written since the deadline was set */

    /* Of the request on its way. */
    bool head_is_parsed;   /* and its texts point into the input */
    bool body_is_awaited;  /* the head was whole once */
    bool body_is_admitted; /* by the handler */
    struct http_parse parse;
    struct http_chunked chunked;
    size_t request_bytes; /* when it is whole: how many of the input are its own */

    bool must_linger;                    /* bytes may still arrive after the last reply */
    struct http_exchange_record *record; /* from the first byte of a request to its reply */
    struct http_bytes input, output;
    size_t lingered_bytes;
    int unacknowledged_bytes; /* in the socket, when the wait for the client to read began */

    enum http_wait wait;
    struct http_link wait_link;
    int64_t wait_until_us;
    struct http_link ready_link;
};

/* Takes over what was just accepted. */
void http_connection_open(struct http_loop *loop, const struct http_arrival *arrival);
/* Notes what epoll said and goes on. */
void http_connection_event(struct http_connection *connection, uint32_t events);
/* Does what can be done now without blocking: reads, handles requests, writes. */
void http_connection_run(struct http_connection *connection);
/* The deadline of what it waits for is over. */
void http_connection_expire(struct http_connection *connection);
/* Closes the socket, with a reset when bytes may be undelivered and nobody should wait for them. */
void http_connection_close(struct http_connection *connection);
void http_connection_abort(struct http_connection *connection);
/* Frees the memory of a closed connection, an exchange that nobody will answer included. */
void http_connection_free(struct http_connection *connection);

/* As recv and send; the connection's flags follow. */
ssize_t http_socket_receive(struct http_connection *connection, void *memory, size_t size);
ssize_t http_socket_send(struct http_connection *connection, const void *bytes, size_t length);
/* Makes room for `size` bytes at the end of the output and returns where they go; who writes them adds their
 * number to output.end. */
char *http_connection_reserve(struct http_connection *connection, size_t size);

/* ---- intake.c ---- */

/* Makes room in the input for what is still to come of the request, but never for much more than has already
 * arrived: a promise of ten megabytes costs nothing until it is kept. False when it has refused the request
 * instead, because all buffers together have grown too large. */
bool http_intake_reserve(struct http_connection *connection);
/* Takes the request at the start of the input and hands it, or a refusal, to the handler. False when more
 * bytes are needed. */
bool http_intake_take(struct http_connection *connection);

/* ---- exchange.c, reply.c ---- */

/* The exchange of the request on its way; made when there is none. */
struct http_exchange_record *http_exchange_take(struct http_connection *connection);
/* Empties it and lets it go. */
void http_exchange_release(struct http_connection *connection);
/* As http_pool_shrink, of the exchanges that are kept. */
void http_exchanges_shrink(struct http_loop *loop);
void http_exchanges_free(struct http_loop *loop);
/* Asks the handler whether the request whose head is in the record may have its body. When it may not, it has
 * been replied to. */
bool http_exchange_admit(struct http_connection *connection);
/* Notes that the client of the exchange that the handler holds has gone. */
void http_exchange_abandon(struct http_connection *connection);
/* Calls the handler for the request in the record, or for a refusal. */
void http_exchange_dispatch(struct http_connection *connection, enum http_refusal refusal,
                            const char *reason);
/* Appends the bytes of a reply to the output. */
void http_reply_append(struct http_connection *connection, const struct http_reply *reply,
                       enum http_method method, bool close);

/* ---- deadline.c ---- */

/* One list of connections and what each of them may wait. All in a list wait equally long, so the first one
 * is always the next to expire. */
struct http_wait_list {
    struct http_link connections;
    unsigned count;
    int64_t timeout_us; /* 0: no deadline */
};

void http_waits_init(struct http_loop *loop, const struct http_config *config);
/* Puts a connection that is in no list into one. */
void http_wait_begin(struct http_connection *connection, enum http_wait wait);
/* Takes it out of its list, for good. */
void http_wait_end(struct http_connection *connection);
/* The connection that has waited longest in a list, or NULL. */
struct http_connection *http_wait_oldest(const struct http_loop *loop, enum http_wait wait);
/* Moves it to the end of a list, with a new deadline. */
void http_wait_change(struct http_connection *connection, enum http_wait wait);
/* The same when it is in another list, or when its deadline has become stale by more than a little. */
void http_wait_renew(struct http_connection *connection, enum http_wait wait);
/* When the next deadline of all is over, or INT64_MAX. */
int64_t http_waits_next_us(const struct http_loop *loop);
void http_waits_expire(struct http_loop *loop);

/* ---- loop.c ---- */

/* What the data of an epoll event points to begins with a magic number that says what it is. */
struct http_listener {
    uint32_t magic;
    int socket; /* -1: closed */
    enum http_entrance entrance;
    bool is_tls;
    bool is_shared;          /* the other loops accept from the same socket */
    int64_t paused_until_us; /* 0: not paused */
};

struct http_waker {
    uint32_t magic;
    int event; /* an eventfd; edge-triggered, so that it is never read */
};

/* Only the loop's thread adds; any thread may read. */
struct http_loop_counters {
    _Atomic uint64_t accepted, open, refused_total, refused_client, accept_pauses, tls_handshakes,
        tls_resumptions, tls_failures;
};

struct http_loop {
    uint32_t magic;
    struct http_server *server;
    unsigned index;
    void *state;
    int epoll;
    int64_t now_us;      /* monotonic, read after each wake */
    int64_t date_due_us; /* when the Date line must be made again */
    char date_line[HTTP_DATE_LINE_BYTES + 1];
    bool handler_has_run; /* since the last on_batch_end */
    bool is_draining;
    int64_t drain_until_us;
    unsigned connection_count;
    unsigned handshake_count; /* in this turn */
    struct http_link ready;   /* connections that can go on without waiting for an event */
    struct http_wait_list waits[HTTP_WAIT_COUNT];
    struct http_pool buffers, connections;
    int64_t tidy_due_us;                        /* 0: there is nothing to tidy */
    size_t untrimmed_bytes;                     /* freed, and perhaps not given back to the system */
    struct http_exchange_record *exchange_free; /* these keep a block of their arena */
    unsigned exchanges_kept, exchanges_spare;
    struct http_listener listeners[HTTP_LISTEN_MAX];
    unsigned listener_count;
    unsigned paused_count; /* listeners that are */
    struct http_loop_counters counters;
    struct http_waker waker;
    pthread_t thread; /* for whoever started it */
    pthread_t owner;  /* the same, for the thread itself: it may run before its starter has the answer */

    /* Shared with the threads that post tasks. */
    _Alignas(64) pthread_mutex_t task_lock;
    struct http_task *task_first, *task_last;
    bool is_sleeping; /* or about to: whoever adds a task must wake it */
};

/* Makes the loop's descriptors and lists. False with errno set when the system refuses. */
bool http_loop_init(struct http_loop *loop, struct http_server *server, unsigned index);
void http_loop_free(struct http_loop *loop);
/* The life of the loop's thread. */
void *http_loop_main(void *argument);
void http_loop_wake(struct http_loop *loop);
/* Has the connection run before the loop waits again. */
void http_loop_make_ready(struct http_connection *connection);

/* ---- bind.c ---- */

/* A listening, non-blocking socket. */
struct http_bound {
    int socket;
    bool is_tls;
    bool is_shared;      /* there can be only one: all loops accept from it */
    struct text address; /* as it is bound */
    const char *path;    /* to be removed with it; NULL: none */
    struct stat made;    /* what was made there */
};

/* Whether TLS is asked for at an address only when there is a certificate. False with a reason. */
bool http_listen_is_possible(const struct http_config *config, const struct http_listen *listen,
                             struct arena *arena, struct text *reason);
/* Listens on an address of the configuration. False with a reason. The texts are in the arena. */
bool http_bind(const struct http_config *config, const struct http_listen *listen, struct arena *arena,
               struct http_bound *bound, struct text *reason);
/* One more socket for a further loop: on the same port, or the same one once more when it is shared. -1 with
 * errno set. */
int http_bind_again(const struct http_bound *bound, int first);
/* Removes the path of a Unix socket, unless something else stands there by now. */
void http_bound_remove_path(const struct http_bound *bound);
/* What to do about an error of the system. */
const char *http_bind_advice(int error);

/* ---- listener.c ---- */

/* Begins to accept. False with errno set. */
bool http_listener_open(struct http_loop *loop, struct http_listener *listener);
/* Accepts what is waiting. */
void http_listener_accept(struct http_loop *loop, struct http_listener *listener);
/* Goes on with those whose pause is over. */
void http_listeners_resume(struct http_loop *loop);
/* When the next pause is over, or INT64_MAX. */
int64_t http_listeners_next_us(const struct http_loop *loop);
void http_listeners_close(struct http_loop *loop);

/* ---- server.c ---- */

struct http_server {
    uint32_t magic;
    struct http_config config;
    struct http_handler handler;
    struct arena arena;                       /* what lives as long as the server */
    struct http_bound bound[HTTP_LISTEN_MAX]; /* of the first loop */
    struct http_loop *loops;
    unsigned loop_count; /* made */
    unsigned threads_running;
    bool is_drained;
    _Atomic bool is_draining, is_cut;
    _Atomic int64_t accept_complaint_us;  /* when the lack of descriptors was last logged */
    _Atomic int64_t refusal_complaint_us; /* when connections over a limit were */
    struct http_admission admission;
    struct memory_account memory; /* of large buffers and of exchanges, up to config.buffered_bytes_max */
    struct http_tls *tls;         /* NULL: without a certificate */

    /* How the loops' threads tell the starter whether they could start. */
    pthread_mutex_t start_lock;
    pthread_cond_t start_changed;
    unsigned loops_started, loops_failed;
};

/* Whether all requests and replies under way may together take `more` bytes (config.buffered_bytes_max); for
 * a request that the handler has not admitted, half of that is all. Two that ask at the same moment may both
 * be told yes. */
bool http_server_may_buffer(const struct http_server *server, size_t more, bool is_admitted);
/* Called by each loop's thread once. */
void http_server_loop_started(struct http_server *server, bool success);

#endif
