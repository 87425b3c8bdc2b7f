/* load.c: the load client of the benchmarks.
 *
 *   load --port PORT --key KEY --seconds SECONDS [--seed NUMBER] [--spin] STREAM...
 *
 * A STREAM is a kind of request and how it is sent:
 *
 *   get:connections=64,rows=1000000[,rate=5000]   GET of a random one of the first `rows` seeded customers
 *   create:connections=64[,rate=5000]             POST of a new customer
 *   create-once:connections=64[,rate=5000]        the same with an Idempotency-Key, a new one each
 *   update:connections=64,rows=1000000[,rate=50]  PUT of a new name to a random one
 *   list:connections=16,offset=10000[,rate=50]    a page of 50 from there on, with the number of all
 *   search:connections=16,rows=1000000,digits=4   the first 50 whose name contains the last digits of a
 * random one's
 *   mix:connections=16,rows=1000000,digits=6      of a hundred requests, at random, 90 gets, 5 updates, 2.5
 * lists (a page of 50 among the first 20) and 2.5 searches; they share the connections and the rate
 *
 * With in-turn=1 a stream with a rate uses all its connections one after the other, else as few as will do.
 *
 * Without a rate the loop is closed: each connection sends its next request when the reply to the last one is
 * here, and a latency runs from the sending. With a rate (requests a second) the loop is open: requests are
 * due at equal distances, whatever the server does, and a latency runs from the moment the request was due,
 * so that a pause of the server counts for every request that had to wait for it. Latencies of what was due
 * in the beginning do not count: a thousand connections that are opened at once are another matter.
 *
 * With --spin the client never sleeps: it asks for replies again and again. On one machine each reply to a
 * sleeping client has to wake its processor, and the kernel charges that to the server, the more often the
 * slower the server is; over a network no server pays for it.
 *
 * One thread drives all streams on one epoll. Each reply is read whole; its status must be the expected one
 * and its body must hold the id that was asked for. Anything else ends the run with status 1, printing the
 * reply. When the time is over, replies under way are waited for, so that every request is counted on both
 * sides. Prints one line of JSON a stream, of a mix one a kind of request in the order above. */
#include <arpa/inet.h>
#include <assert.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "load_histogram.h"
#include "load_request.h"

enum {
    STREAMS_MAX = 4,
    CONNECTIONS_MAX = 1024, /* of one stream */
    EVENTS_MAX = 256,       /* of one epoll_wait */
    REPLY_BYTES_MAX = 128 * 1024,
    NS_PER_US = 1000,
    NS_PER_S = 1000 * 1000 * 1000,
    DRAIN_SECONDS_MAX = 30,
    LEAD_MS = 300, /* at most a tenth of the time */
    NS_PER_MS = 1000 * 1000,
    PAGE_ROWS = 50,
    MIX_PAGES = 20,
};

/* What a stream sends; STREAM_MIX sends requests of the others. */
enum stream_kind {
    STREAM_GET,
    STREAM_CREATE,
    STREAM_CREATE_ONCE,
    STREAM_UPDATE,
    STREAM_LIST,
    STREAM_SEARCH,
    STREAM_MIX,
    REQUEST_KINDS = STREAM_MIX,
};

static const char *const stream_names[] = {"get", "create", "create-once", "update", "list", "search", "mix"};

struct connection {
    int socket;
    struct stream *stream;
    enum stream_kind kind; /* of the request under way */
    int64_t due_ns;        /* when the request under way was due (open loop) or sent (closed loop) */
    size_t reply_length;
    struct request request;
    char reply[REPLY_BYTES_MAX];
};

/* The replies to a stream's requests of one kind. */
struct replies {
    uint64_t completed;
    int64_t last_ns;
    struct histogram latencies;
};

struct stream {
    enum stream_kind kind;
    unsigned connection_count;
    uint64_t rows;
    uint64_t offset; /* of a list */
    unsigned digits; /* of a search */
    double rate;     /* requests a second; 0: closed loop */
    uint64_t random;
    uint64_t started;
    uint64_t completed;
    struct replies replies[REQUEST_KINDS];
    struct connection *connections;
    struct connection *idle[CONNECTIONS_MAX]; /* open loop: those without a request under way, in a ring */
    unsigned idle_first, idle_count;
    bool in_turn; /* open loop: the one that has been idle for longest is taken, else the last one */
};

struct run {
    struct target target;
    double seconds;
    uint64_t seed;
    bool spin;
    int64_t start_ns, measured_from_ns, end_ns;
    int epoll;
    struct stream streams[STREAMS_MAX];
    unsigned stream_count;
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void idle_add(struct stream *stream, struct connection *connection)
{
    stream->idle[(stream->idle_first + stream->idle_count++) % CONNECTIONS_MAX] = connection;
}

static struct connection *idle_take(struct stream *stream)
{
    stream->idle_count--;
    if (!stream->in_turn)
        return stream->idle[(stream->idle_first + stream->idle_count) % CONNECTIONS_MAX];
    return stream->idle[stream->idle_first++ % CONNECTIONS_MAX];
}

/* The kind of a mix's next request. */
static enum stream_kind mix_kind(uint64_t random)
{
    unsigned thousandth = (unsigned)(mix64(random) % 1000);
    if (thousandth < 900)
        return STREAM_GET;
    if (thousandth < 950)
        return STREAM_UPDATE;
    return thousandth < 975 ? STREAM_LIST : STREAM_SEARCH;
}

static uint64_t list_offset(const struct stream *stream, uint64_t random)
{
    return stream->kind == STREAM_MIX ? random % MIX_PAGES * PAGE_ROWS : stream->offset;
}

static void connection_ask(const struct run *run, struct connection *connection, uint64_t random)
{
    const struct stream *stream = connection->stream;

    connection->kind = stream->kind == STREAM_MIX ? mix_kind(random) : stream->kind;
    switch (connection->kind) {
    case STREAM_GET:
        request_get_customer(&connection->request, &run->target, random % stream->rows);
        break;
    case STREAM_CREATE:
    case STREAM_CREATE_ONCE:
        request_create_customer(&connection->request, &run->target, stream->random,
                                connection->kind == STREAM_CREATE_ONCE);
        break;
    case STREAM_UPDATE:
        request_update_customer(&connection->request, &run->target, random % stream->rows, random);
        break;
    case STREAM_LIST:
        request_list_customers(&connection->request, &run->target, PAGE_ROWS, list_offset(stream, random));
        break;
    case STREAM_SEARCH:
        request_search_customers(&connection->request, &run->target, random % stream->rows, stream->digits);
        break;
    case STREAM_MIX:
        assert(!"a request is of one kind");
    }
}

/* Sends the stream's next request. A request is far smaller than a socket's buffer, which is empty here, so a
 * short write means that something is broken. */
static void connection_send(struct run *run, struct connection *connection, int64_t due_ns)
{
    struct stream *stream = connection->stream;
    uint64_t random = mix64(stream->random++);
    connection_ask(run, connection, random);
    connection->due_ns = due_ns;
    connection->reply_length = 0;
    stream->started++;
    ssize_t sent =
        send(connection->socket, connection->request.bytes, connection->request.length, MSG_NOSIGNAL);
    if (sent != (ssize_t)connection->request.length)
        err(1, "send");
}

static void reply_refused(const struct connection *connection, const char *reason)
{
    fprintf(stderr, "load: %s\n%.*s\nto\n%.*s\n", reason, (int)connection->reply_length, connection->reply,
            (int)connection->request.length, connection->request.bytes);
    exit(1);
}

static size_t content_length(const struct connection *connection, const char *head_end)
{
    static const char name[] = "\r\ncontent-length:";
    for (const char *at = connection->reply; at < head_end; at++) {
        at = memchr(at, '\r', (size_t)(head_end - at));
        if (at == NULL)
            break;
        if (strncasecmp(at, name, sizeof name - 1) == 0)
            return strtoul(at + sizeof name - 1, NULL, 10);
    }
    reply_refused(connection, "a reply without Content-Length:");
    return 0;
}

/* Whether the reply is whole; when it is, checks it. */
static bool reply_is_whole(const struct connection *connection)
{
    const char *body = memmem(connection->reply, connection->reply_length, "\r\n\r\n", 4);
    if (body == NULL)
        return false;
    size_t body_length = content_length(connection, body + 2);
    body += 4;
    size_t received = connection->reply_length - (size_t)(body - connection->reply);
    if (received < body_length)
        return false;
    bool is_create = connection->kind == STREAM_CREATE || connection->kind == STREAM_CREATE_ONCE;
    const char *status = is_create ? "HTTP/1.1 201 " : "HTTP/1.1 200 ";
    if (memcmp(connection->reply, status, 13) != 0)
        reply_refused(connection, "an unexpected status:");
    if (received > body_length)
        reply_refused(connection, "more than one reply to one request:");
    if (memmem(body, body_length, connection->request.token, connection->request.token_length) == NULL)
        reply_refused(connection, "a reply about something else:");
    return true;
}

static void reply_done(struct run *run, struct connection *connection)
{
    struct stream *stream = connection->stream;
    struct replies *replies = &stream->replies[connection->kind];
    int64_t now = now_ns();
    if (connection->due_ns >= run->measured_from_ns)
        histogram_add(&replies->latencies, now - connection->due_ns);
    replies->completed++;
    replies->last_ns = now;
    stream->completed++;
    if (stream->rate > 0)
        idle_add(stream, connection);
    else if (now < run->end_ns)
        connection_send(run, connection, now);
}

static void connection_receive(struct run *run, struct connection *connection)
{
    size_t room = sizeof connection->reply - connection->reply_length;
    ssize_t count =
        recv(connection->socket, connection->reply + connection->reply_length, room, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count < 0)
        err(1, "recv");
    if (count == 0)
        reply_refused(connection, "the server closed a connection:");
    connection->reply_length += (size_t)count;
    if (reply_is_whole(connection))
        reply_done(run, connection);
    else if (connection->reply_length == sizeof connection->reply)
        reply_refused(connection, "a reply beyond the buffer:");
}

static int64_t due_ns(const struct run *run, const struct stream *stream)
{
    return run->start_ns + (int64_t)((double)stream->started * NS_PER_S / stream->rate);
}

/* Sends what is due in the open-loop streams, as far as there are idle connections. Returns the time of the
 * next request that a timer must wait for, at most `run->end_ns`. */
static int64_t send_due(struct run *run)
{
    int64_t next_ns = run->end_ns;
    int64_t now = now_ns();
    for (unsigned i = 0; i < run->stream_count; i++) {
        struct stream *stream = &run->streams[i];
        if (stream->rate == 0)
            continue;
        int64_t due = due_ns(run, stream);
        while (due <= now && due < run->end_ns && stream->idle_count > 0) {
            connection_send(run, idle_take(stream), due);
            due = due_ns(run, stream);
        }
        if (stream->idle_count > 0 && due < next_ns)
            next_ns = due;
    }
    return next_ns;
}

static bool replies_are_awaited(const struct run *run)
{
    for (unsigned i = 0; i < run->stream_count; i++)
        if (run->streams[i].completed < run->streams[i].started)
            return true;
    return false;
}

static void run_loop(struct run *run)
{
    struct epoll_event events[EVENTS_MAX];
    const int64_t drain_end_ns = run->end_ns + (int64_t)DRAIN_SECONDS_MAX * NS_PER_S;
    for (;;) {
        int64_t next_ns = send_due(run);
        int64_t now = now_ns();
        if (now >= run->end_ns && !replies_are_awaited(run))
            return;
        if (now >= drain_end_ns)
            errx(1, "replies are missing %d seconds after the end", DRAIN_SECONDS_MAX);
        if (now >= run->end_ns)
            next_ns = drain_end_ns;
        int64_t wait_ns = next_ns > now && !run->spin ? next_ns - now : 0;
        struct timespec timeout = {.tv_sec = wait_ns / NS_PER_S, .tv_nsec = wait_ns % NS_PER_S};
        int count = epoll_pwait2(run->epoll, events, EVENTS_MAX, &timeout, NULL);
        if (count < 0 && errno != EINTR)
            err(1, "epoll_pwait2");
        for (int i = 0; i < count; i++)
            connection_receive(run, events[i].data.ptr);
    }
}

static void connection_open(struct run *run, struct connection *connection)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(run->target.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->socket < 0 ||
        connect(connection->socket, (struct sockaddr *)&address, sizeof address) < 0)
        err(1, "connect to 127.0.0.1:%u", run->target.port);
    int on = 1;
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(run->epoll, EPOLL_CTL_ADD, connection->socket, &event) < 0)
        err(1, "epoll_ctl");
}

static void stream_open(struct run *run, struct stream *stream, unsigned index)
{
    stream->random = mix64(run->seed * STREAMS_MAX + index);
    for (unsigned i = 0; i < REQUEST_KINDS; i++)
        histogram_init(&stream->replies[i].latencies);
    stream->connections = calloc(stream->connection_count, sizeof *stream->connections);
    if (stream->connections == NULL)
        err(1, "connections");
    for (unsigned i = 0; i < stream->connection_count; i++) {
        stream->connections[i].stream = stream;
        connection_open(run, &stream->connections[i]);
    }
}

static void stream_start(struct run *run, struct stream *stream)
{
    for (unsigned i = 0; i < stream->connection_count; i++) {
        if (stream->rate > 0)
            idle_add(stream, &stream->connections[i]);
        else
            connection_send(run, &stream->connections[i], now_ns());
    }
}

static void replies_print(const struct run *run, const struct stream *stream, enum stream_kind kind)
{
    const struct replies *replies = &stream->replies[kind];
    const struct histogram *latencies = &replies->latencies;
    double seconds = (double)(replies->last_ns - run->start_ns) / NS_PER_S;
    printf("{\"stream\":\"%s\",\"connections\":%u,\"completed\":%llu,\"seconds\":%.6f,\"per_second\":%.1f,"
           "\"mean_us\":%.1f,\"p50_us\":%lld,\"p90_us\":%lld,\"p99_us\":%lld,\"p999_us\":%lld,\"max_us\":%"
           "lld}\n",
           stream_names[kind], stream->connection_count, (unsigned long long)replies->completed, seconds,
           (double)replies->completed / seconds,
           latencies->total ? (double)latencies->sum_ns / (double)latencies->total / NS_PER_US : 0,
           (long long)histogram_quantile_us(latencies, 0.5), (long long)histogram_quantile_us(latencies, 0.9),
           (long long)histogram_quantile_us(latencies, 0.99),
           (long long)histogram_quantile_us(latencies, 0.999),
           (long long)(latencies->greatest_ns + NS_PER_US - 1) / NS_PER_US);
}

static void stream_print(const struct run *run, const struct stream *stream)
{
    if (stream->completed == 0)
        errx(1, "no reply to a %s", stream_names[stream->kind]);
    for (unsigned i = 0; i < REQUEST_KINDS; i++)
        if (stream->replies[i].completed > 0)
            replies_print(run, stream, (enum stream_kind)i);
}

static double number_option(const char *name, const char *text)
{
    char *end = NULL;
    errno = 0;
    double number = text == NULL ? -1 : strtod(text, &end);
    if (text == NULL || *text == '\0' || *end != '\0' || errno != 0 || number < 0)
        errx(2, "%s needs a number that is not negative", name);
    return number;
}

static void stream_option(struct stream *stream, char *option)
{
    char *value = strchr(option, '=');
    if (value == NULL)
        errx(2, "an option of a stream is name=number, not %s", option);
    *value++ = '\0';
    double number = number_option(option, value);
    if (strcmp(option, "connections") == 0)
        stream->connection_count = (unsigned)number;
    else if (strcmp(option, "rows") == 0)
        stream->rows = (uint64_t)number;
    else if (strcmp(option, "rate") == 0)
        stream->rate = number;
    else if (strcmp(option, "offset") == 0)
        stream->offset = (uint64_t)number;
    else if (strcmp(option, "digits") == 0)
        stream->digits = (unsigned)number;
    else if (strcmp(option, "in-turn") == 0)
        stream->in_turn = number != 0;
    else
        errx(2, "unknown option of a stream: %s", option);
}

static enum stream_kind kind_parse(const char *name)
{
    for (unsigned i = 0; name != NULL && i < sizeof stream_names / sizeof stream_names[0]; i++)
        if (strcmp(name, stream_names[i]) == 0)
            return (enum stream_kind)i;
    errx(2, "a stream is get, create, create-once, update, list, search or mix");
}

static void stream_parse(struct stream *stream, char *text)
{
    char *rest = NULL;
    stream->kind = kind_parse(strtok_r(text, ":", &rest));
    for (char *option = strtok_r(NULL, ",", &rest); option != NULL; option = strtok_r(NULL, ",", &rest))
        stream_option(stream, option);
    if (stream->connection_count == 0 || stream->connection_count > CONNECTIONS_MAX)
        errx(2, "connections must be 1 to %d", CONNECTIONS_MAX);
    bool asks_for_rows = stream->kind == STREAM_GET || stream->kind == STREAM_UPDATE ||
                         stream->kind == STREAM_SEARCH || stream->kind == STREAM_MIX;
    if (asks_for_rows && stream->rows == 0)
        errx(2, "such a stream needs rows");
}

static void run_parse(struct run *run, int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},    {"key", required_argument, NULL, 'k'},
        {"seconds", required_argument, NULL, 's'}, {"seed", required_argument, NULL, 'r'},
        {"spin", no_argument, NULL, 'b'},          {0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'p')
            run->target.port = (uint16_t)number_option("--port", optarg);
        else if (option == 'k')
            run->target.api_key = optarg;
        else if (option == 's')
            run->seconds = number_option("--seconds", optarg);
        else if (option == 'r')
            run->seed = (uint64_t)number_option("--seed", optarg);
        else if (option == 'b')
            run->spin = true;
        else
            exit(2);
    }
    run->stream_count = (unsigned)(argc - optind);
    if (run->target.port == 0 || run->target.api_key == NULL || run->seconds == 0)
        errx(2, "needs --port, --key and --seconds");
    if (run->stream_count == 0 || run->stream_count > STREAMS_MAX)
        errx(2, "needs 1 to %d streams", STREAMS_MAX);
    for (unsigned i = 0; i < run->stream_count; i++)
        stream_parse(&run->streams[i], argv[optind + (int)i]);
}

static int64_t lead_ns(const struct run *run)
{
    int64_t tenth = (int64_t)(run->seconds * NS_PER_S) / 10;

    return tenth < LEAD_MS * (int64_t)NS_PER_MS ? tenth : LEAD_MS * (int64_t)NS_PER_MS;
}

int main(int argc, char **argv)
{
    static struct run run;
    run_parse(&run, argc, argv);
    /* By default the kernel may fire timers 50 us late, which would count as latency of the open loop. */
    prctl(PR_SET_TIMERSLACK, 1UL);
    run.epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < run.stream_count; i++)
        stream_open(&run, &run.streams[i], i);
    run.start_ns = now_ns();
    run.end_ns = run.start_ns + (int64_t)(run.seconds * NS_PER_S);
    run.measured_from_ns = run.start_ns + lead_ns(&run);
    for (unsigned i = 0; i < run.stream_count; i++)
        stream_start(&run, &run.streams[i]);
    run_loop(&run);
    for (unsigned i = 0; i < run.stream_count; i++)
        stream_print(&run, &run.streams[i]);
    return 0;
}
