/* The loop: wait for events, run tasks, let connections go on, let deadlines pass. */
#include "http/internal.h"

#include "base/instant.h"
#include "base/processor.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { MICROSECONDS_PER_MILLISECOND = 1000 };

bool http_loop_init(struct http_loop *loop, struct http_server *server, unsigned index)
{
    *loop = (struct http_loop){.magic = HTTP_LOOP_MAGIC, .server = server, .index = index};
    loop->waker.magic = HTTP_WAKER_MAGIC;
    loop->now_us = monotonic_now_us();
    http_list_init(&loop->ready);
    http_waits_init(loop, &server->config);
    http_pool_init(&loop->buffers, HTTP_BUFFER_BYTES, HTTP_BUFFERS_KEPT_MAX);
    loop->buffers.account = &server->memory;
    http_pool_init(&loop->connections, sizeof(struct http_connection), HTTP_CONNECTIONS_KEPT_MAX);
    pthread_mutex_init(&loop->task_lock, NULL);
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->waker.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll < 0 || loop->waker.event < 0)
        return false;
    struct epoll_event interest = {.events = EPOLLIN | EPOLLET, .data.ptr = &loop->waker};

    return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->waker.event, &interest) == 0;
}

static void free_connections(struct http_loop *loop, enum http_wait wait)
{
    struct http_link *list = &loop->waits[wait].connections;

    while (!http_list_is_empty(list))
        http_connection_free(HTTP_MEMBER(list->next, struct http_connection, wait_link));
}

void http_loop_free(struct http_loop *loop)
{
    assert(loop->magic == HTTP_LOOP_MAGIC);
    http_listeners_close(loop);
    for (unsigned wait = 0; wait < HTTP_WAIT_COUNT; wait++)
        free_connections(loop, wait);
    http_exchanges_free(loop);
    http_pool_free(&loop->buffers);
    http_pool_free(&loop->connections);
    if (loop->epoll >= 0)
        close(loop->epoll);
    if (loop->waker.event >= 0)
        close(loop->waker.event);
    pthread_mutex_destroy(&loop->task_lock);
    loop->magic = 0;
}

void http_loop_wake(struct http_loop *loop)
{
    eventfd_write(loop->waker.event, 1);
}

void http_loop_post(struct http_loop *loop, struct http_task *first, struct http_task *last)
{
    assert(loop->magic == HTTP_LOOP_MAGIC);
    last->next = NULL;
    pthread_mutex_lock(&loop->task_lock);
    if (loop->task_first)
        loop->task_last->next = first;
    else
        loop->task_first = first;
    loop->task_last = last;
    bool must_wake = loop->is_sleeping;

    loop->is_sleeping = false;
    pthread_mutex_unlock(&loop->task_lock);
    if (must_wake)
        http_loop_wake(loop);
}

void *http_loop_state(struct http_loop *loop)
{
    return loop->state;
}

int64_t http_loop_monotonic_us(const struct http_loop *loop)
{
    return loop->now_us;
}

void http_loop_counters(const struct http_loop *loop, struct http_counters *counters)
{
    http_server_counters(loop->server, counters);
}

void http_loop_make_ready(struct http_connection *connection)
{
    if (connection->is_ready)
        return;
    connection->is_ready = true;
    http_list_append(&connection->loop->ready, &connection->ready_link);
}

/* Takes a few tasks from the queue. */
static struct http_task *take_tasks(struct http_loop *loop)
{
    pthread_mutex_lock(&loop->task_lock);
    struct http_task *first = loop->task_first, *last = first;

    for (unsigned count = 1; last && last->next && count < HTTP_TASKS_PER_TURN; count++)
        last = last->next;
    if (last) {
        loop->task_first = last->next;
        last->next = NULL;
    }
    loop->is_sleeping = false;
    pthread_mutex_unlock(&loop->task_lock);
    return first;
}

/* A commit posts the replies to many requests at once: they take turns with what comes in, and tasks that
 * post tasks cannot hold the loop. False when there were none. */
static bool run_tasks(struct http_loop *loop)
{
    struct http_task *task = take_tasks(loop);
    bool has_run = task != NULL;

    while (task) {
        struct http_task *next = task->next; /* the task is gone once it has run */

        task->run(task);
        loop->handler_has_run = true;
        task = next;
    }
    return has_run;
}

static void run_ready(struct http_loop *loop)
{
    struct http_link batch;

    http_list_take_all(&batch, &loop->ready);
    while (!http_list_is_empty(&batch)) {
        struct http_connection *connection = HTTP_MEMBER(batch.next, struct http_connection, ready_link);

        http_list_remove(&connection->ready_link);
        connection->is_ready = false;
        http_connection_run(connection);
    }
}

static void end_batch(struct http_loop *loop)
{
    if (loop->handler_has_run)
        loop->server->handler.on_batch_end(loop->state);
    loop->handler_has_run = false;
}

/* How long epoll may wait: 0 when there is something to do, -1 when nothing will ever be due. */
static int wait_timeout_ms(const struct http_loop *loop)
{
    int64_t next_us = http_waits_next_us(loop);

    if (!http_list_is_empty(&loop->ready))
        return 0;
    if (loop->paused_count && http_listeners_next_us(loop) < next_us)
        next_us = http_listeners_next_us(loop);
    if (loop->is_draining && loop->drain_until_us < next_us)
        next_us = loop->drain_until_us;
    if (loop->tidy_due_us && loop->tidy_due_us < next_us)
        next_us = loop->tidy_due_us;
    if (next_us == INT64_MAX)
        return -1;
    int64_t wait_us = next_us > loop->now_us ? next_us - loop->now_us : 0;
    int64_t wait_ms = (wait_us + MICROSECONDS_PER_MILLISECOND - 1) / MICROSECONDS_PER_MILLISECOND;

    return wait_ms > INT32_MAX ? INT32_MAX : (int)wait_ms;
}

/* Announces that the loop is about to sleep. False when a task has come in the meantime. */
static bool may_sleep(struct http_loop *loop)
{
    pthread_mutex_lock(&loop->task_lock);
    loop->is_sleeping = loop->task_first == NULL;
    bool may = loop->is_sleeping;

    pthread_mutex_unlock(&loop->task_lock);
    return may;
}

/* Makes the Date line again once a second. */
static void renew_date(struct http_loop *loop)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct timespec now;
    struct tm utc;

    if (loop->now_us < loop->date_due_us)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    int length =
        snprintf(loop->date_line, sizeof loop->date_line, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
                 days[utc.tm_wday], utc.tm_mday, months[utc.tm_mon], (utc.tm_year + 1900) % 10000,
                 utc.tm_hour, utc.tm_min, utc.tm_sec);

    assert(length == HTTP_DATE_LINE_BYTES);
    loop->date_due_us = loop->now_us + MICROSECONDS_PER_SECOND - now.tv_nsec / 1000;
}

static int wait_for_events(struct http_loop *loop, struct epoll_event *events)
{
    int timeout_ms = wait_timeout_ms(loop);

    if (timeout_ms != 0 && !may_sleep(loop))
        timeout_ms = 0;
    int count = epoll_wait(loop->epoll, events, HTTP_EVENTS_PER_WAKE, timeout_ms);

    assert(count >= 0 || errno == EINTR);
    loop->now_us = monotonic_now_us();
    renew_date(loop);
    return count;
}

static void handle_event(struct http_loop *loop, const struct epoll_event *event)
{
    switch (*(const uint32_t *)event->data.ptr) {
    case HTTP_CONNECTION_MAGIC:
        http_connection_event(event->data.ptr, event->events);
        break;
    case HTTP_LISTENER_MAGIC:
        http_listener_accept(loop, event->data.ptr);
        break;
    default: /* awake is all that the waker wants */
        assert(event->data.ptr == &loop->waker);
    }
}

static void make_all_ready(struct http_loop *loop, enum http_wait wait)
{
    const struct http_link *list = &loop->waits[wait].connections;

    for (struct http_link *link = list->next; link != list; link = link->next)
        http_loop_make_ready(HTTP_MEMBER(link, struct http_connection, wait_link));
}

/* No new connections; those that are idle have their last look at the socket and close. */
static void begin_drain(struct http_loop *loop)
{
    loop->is_draining = true;
    loop->drain_until_us = loop->now_us + loop->server->config.drain_timeout_ms * INT64_C(1000);
    http_listeners_close(loop);
    make_all_ready(loop, HTTP_WAIT_REQUEST);
    make_all_ready(loop, HTTP_WAIT_HANDSHAKE);
}

static bool is_over(const struct http_loop *loop)
{
    return loop->is_draining && (loop->connection_count == 0 || loop->now_us >= loop->drain_until_us);
}

static size_t freed_bytes(const struct http_loop *loop)
{
    return loop->buffers.freed_bytes + loop->connections.freed_bytes;
}

static bool is_untidy(const struct http_loop *loop)
{
    return loop->buffers.kept > HTTP_KEPT_MIN || loop->connections.kept > HTTP_KEPT_MIN ||
           loop->exchanges_kept > HTTP_KEPT_MIN ||
           loop->untrimmed_bytes + freed_bytes(loop) >= HTTP_TRIM_BYTES;
}

/* After a peak the allocator keeps what was freed, in pages that nobody else can use: they go back to the
 * system. */
static void give_memory_back(struct http_loop *loop)
{
    bool is_peak = freed_bytes(loop) >= HTTP_TRIM_BYTES;

    http_pool_shrink(&loop->buffers, HTTP_KEPT_MIN);
    http_pool_shrink(&loop->connections, HTTP_KEPT_MIN);
    http_exchanges_shrink(loop);
    loop->untrimmed_bytes += freed_bytes(loop);
    loop->buffers.freed_bytes = loop->connections.freed_bytes = 0;
    if (is_peak || loop->untrimmed_bytes < HTTP_TRIM_BYTES)
        return;
    malloc_trim(0);
    loop->untrimmed_bytes = 0;
}

static void tidy(struct http_loop *loop)
{
    if (loop->tidy_due_us && loop->now_us >= loop->tidy_due_us) {
        give_memory_back(loop);
        loop->tidy_due_us = 0;
    }
    if (!loop->tidy_due_us && is_untidy(loop))
        loop->tidy_due_us = loop->now_us + HTTP_TIDY_MS * INT64_C(1000);
}

static void turn(struct http_loop *loop)
{
    struct epoll_event events[HTTP_EVENTS_PER_WAKE];
    int count = wait_for_events(loop, events);

    if (count > 0)
        processor_note_need(loop->now_us);
    loop->handshake_count = 0;
    run_tasks(loop);
    run_ready(loop);
    for (int i = 0; i < count; i++)
        handle_event(loop, &events[i]);
    http_waits_expire(loop);
    if (loop->paused_count)
        http_listeners_resume(loop);
    if (!loop->is_draining && atomic_load(&loop->server->is_draining))
        begin_drain(loop);
    if (loop->is_draining && atomic_load(&loop->server->is_cut))
        loop->drain_until_us = loop->now_us;
    /* Only now: an event of this batch may have been for a connection that closed before its turn. */
    free_connections(loop, HTTP_WAIT_REAP);
    end_batch(loop);
    tidy(loop);
}

/* The drain is over. Exchanges that are still with the handler keep their memory until http_loop_free. */
static void cut_connections(struct http_loop *loop)
{
    for (unsigned wait = 0; wait < HTTP_WAIT_REAP; wait++) {
        struct http_link *list = &loop->waits[wait].connections;

        for (struct http_link *link = list->next, *next; link != list; link = next) {
            next = link->next;
            http_connection_abort(HTTP_MEMBER(link, struct http_connection, wait_link));
        }
    }
}

void *http_loop_main(void *argument)
{
    struct http_loop *loop = argument;
    const struct http_handler *handler = &loop->server->handler;
    bool is_running;

    assert(loop->magic == HTTP_LOOP_MAGIC);
    loop->owner = pthread_self();
    processor_take_turns(HTTP_TURN_US);
    loop->state = handler->loop_start(handler->context, loop, loop->index);
    is_running = loop->state != NULL;
    http_server_loop_started(loop->server, is_running);
    if (!is_running)
        return NULL;
    while (!is_over(loop))
        turn(loop);
    cut_connections(loop);
    while (run_tasks(loop))
        ;
    end_batch(loop);
    handler->loop_stop(loop->state);
    return NULL;
}
