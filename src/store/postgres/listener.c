/* listener.c: hears of the changes that other processes make to what is kept in memory: keys and tenants.
 *
 * A transaction that changes such an entity notifies a channel on which a session of every process listens. A
 * session that is there misses nothing; so the thread asks it at short intervals whether it is, and tells the
 * age of the last answer. When the session was lost, anything may have changed since.
 *
 * What has changed is read on the same session, not by the pool, whose threads may all be waiting for
 * something slow: until a change is taken in, the session is not asked, and the process soon believes
 * nothing that it knows. */
#include "store/postgres/pool.h"

#include "base/instant.h"
#include "base/log.h"
#include "store/transaction.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define LISTEN_SQL "LISTEN " POSTGRES_CHANNEL

/* Whether the thread is to end. Waits for the session to have something to say, at most so long. */
static bool wait_for(struct postgres *postgres, PGconn *handle, int milliseconds)
{
    struct pollfd files[] = {{.fd = postgres->listener_wake[0], .events = POLLIN},
                             {.fd = handle ? libpq.PQsocket(handle) : -1, .events = POLLIN}};

    poll(files, 2, milliseconds);
    return files[0].revents != 0;
}

static bool is_ending(struct postgres *postgres)
{
    return wait_for(postgres, NULL, 0);
}

/* Has the listener read what has changed. False when that failed. */
static bool tell(struct postgres *postgres, struct postgres_connection *connection, struct text entity_name,
                 struct text id)
{
    const struct call call = {.actor_id = text_empty, .request_id = text_empty, .now_us = instant_now_us()};
    struct transaction transaction;
    struct arena arena;

    if (!postgres_enter_pipeline(connection))
        return false;
    arena_init(&arena);
    postgres_forget_error(connection);
    postgres_renew_plans(connection);
    transaction_init(&transaction, &connection->base, &arena, &call);
    postgres->listener(postgres->listener_context, &transaction, entity_name, id);
    postgres_forget_ahead(connection);
    bool is_read = postgres_finish(connection) && !transaction.failure;

    arena_free(&arena);
    if (!is_read && !is_ending(postgres))
        postgres_log(LOG_LEVEL_WARNING, "unread", "a change that another process made could not be read",
                     &LOG_STRING("error", connection->error.message), 1);
    return postgres_leave_pipeline(connection) && is_read;
}

static bool hear(struct postgres *postgres, struct postgres_connection *connection, struct text payload)
{
    size_t separator = text_find(payload, ' ');

    return tell(postgres, connection, text_slice(payload, 0, separator),
                text_from(payload, separator < payload.length ? separator + 1 : separator));
}

/* False when a change could not be taken in: then all that is known is read anew, on a new session. */
static bool hear_all(struct postgres *postgres, struct postgres_connection *connection)
{
    bool is_heard = true;

    for (PGnotify *notification; is_heard && (notification = libpq.PQnotifies(connection->handle));) {
        is_heard = hear(postgres, connection, text_from_string(notification->extra));
        libpq.PQfreemem(notification);
    }
    return is_heard;
}

static bool is_patient(void *context, int64_t waited_us)
{
    return waited_us < postgres_after(0, POSTGRES_ANSWER_MAX_MS) && !is_ending(context);
}

enum listening { LISTENING_GOES_ON, LISTENING_LOST, LISTENING_ENDED };

/* Takes what has come. `is_answered` when nothing is under way any more. */
static bool take_input(struct postgres *postgres, struct postgres_connection *connection, bool *is_answered)
{
    PGconn *handle = connection->handle;

    if (libpq.PQconsumeInput(handle) != 1)
        return false;
    *is_answered = false;
    while (!libpq.PQisBusy(handle)) {
        PGresult *result = libpq.PQgetResult(handle);

        if (!result) {
            *is_answered = true;
            break;
        }
        bool is_error = libpq.PQresultStatus(result) == PGRES_FATAL_ERROR;

        libpq.PQclear(result);
        if (is_error)
            return false;
    }
    /* Not amid an answer: to read what has changed is to ask something else. */
    return !*is_answered || hear_all(postgres, connection);
}

/* Asks whether the session still hears, and waits for the answer. */
static enum listening ask(struct postgres *postgres, struct postgres_connection *connection)
{
    PGconn *handle = connection->handle;
    int64_t asked_at_us = monotonic_now_us(),
            deadline_us = postgres_after(asked_at_us, POSTGRES_HEARTBEAT_MAX_MS);
    bool is_answered = false;

    if (libpq.PQsendQuery(handle, "") != 1)
        return LISTENING_LOST;
    while (!is_answered) {
        int64_t left_us = deadline_us - monotonic_now_us();

        if (left_us <= 0)
            return LISTENING_LOST;
        if (wait_for(postgres, handle, (int)(left_us / 1000) + 1))
            return LISTENING_ENDED;
        if (!take_input(postgres, connection, &is_answered))
            return LISTENING_LOST;
    }
    atomic_store(&postgres->heard_at_us, asked_at_us);
    return LISTENING_GOES_ON;
}

static void *probe_main(void *context)
{
    struct postgres *postgres = context;
    struct postgres_connection *connection = postgres_connection_new(postgres->url, false);

    if (postgres_connect(connection) && commit_record_try(connection))
        postgres_publish_commit(postgres, connection);
    else
        postgres_publish(postgres, connection);
    postgres_connection_free(connection);
    atomic_store(&postgres->is_probing, false);
    return NULL;
}

static void end_probe(struct postgres *postgres)
{
    if (postgres->has_probe)
        pthread_join(postgres->probe_thread, NULL);
    postgres->has_probe = false;
}

/* While the database is not well, or was not at the last attempt: whether a new session can be had, and can
 * write. So the end of the trouble is noticed also when nobody dares to ask for anything. On a thread of its
 * own, because it may take long, and who listens must say in time that it does. */
static void probe(struct postgres *postgres)
{
    if (atomic_load(&postgres->is_probing))
        return;
    end_probe(postgres);
    atomic_store(&postgres->is_probing, true);
    postgres->has_probe = pthread_create(&postgres->probe_thread, NULL, probe_main, postgres) == 0;
    if (!postgres->has_probe)
        atomic_store(&postgres->is_probing, false);
}

/* Listens until the session is lost or the pool ends. */
static enum listening listen_on(struct postgres *postgres, struct postgres_connection *connection)
{
    enum listening listening = LISTENING_GOES_ON;

    while (listening == LISTENING_GOES_ON) {
        int64_t until_us = postgres_after(monotonic_now_us(), POSTGRES_HEARTBEAT_MS);

        for (int64_t left_us; (left_us = until_us - monotonic_now_us()) > 0;) {
            bool is_answered;

            if (wait_for(postgres, connection->handle, (int)(left_us / 1000) + 1))
                return LISTENING_ENDED;
            if (!take_input(postgres, connection, &is_answered))
                return LISTENING_LOST;
        }
        listening = ask(postgres, connection);
        if (listening == LISTENING_GOES_ON && postgres_state(postgres) != STORE_WELL)
            probe(postgres);
        pool_tell_state(postgres);
    }
    return listening;
}

static bool begin_listening(struct postgres_connection *connection)
{
    if (!postgres_connect(connection))
        return false;
    /* Notifications come between answers; there is no use for a pipeline here. */
    if (!postgres_leave_pipeline(connection))
        return false;
    return postgres_run_simply(connection, LISTEN_SQL);
}

/* Takes in whatever has changed, and then each change. */
static enum listening listen_anew(struct postgres *postgres, struct postgres_connection *connection)
{
    enum listening listening = LISTENING_LOST;
    int64_t heard_at_us = monotonic_now_us();

    /* From here on nothing is missed; before, anything may have been. */
    if (tell(postgres, connection, text_none, text_none)) {
        atomic_store(&postgres->heard_at_us, heard_at_us);
        /* What has come meanwhile is no news to the socket. */
        if (hear_all(postgres, connection))
            listening = listen_on(postgres, connection);
    }
    atomic_store(&postgres->is_listening, false);
    if (is_ending(postgres))
        return LISTENING_ENDED;
    if (listening == LISTENING_LOST)
        postgres_log(LOG_LEVEL_WARNING, "deaf", "the session that hears of other processes' changes was lost",
                     NULL, 0);
    return listening;
}

static void *listener_main(void *context)
{
    struct postgres *postgres = context;
    struct postgres_connection *connection = postgres_connection_new(postgres->url, false);
    enum listening listening = LISTENING_LOST;

    connection->is_patient = is_patient;
    connection->patience_context = postgres;
    while (listening != LISTENING_ENDED) {
        bool has_begun = begin_listening(connection);

        atomic_store(&postgres->is_listening, has_begun);
        postgres_publish(postgres, connection);
        listening = has_begun ? listen_anew(postgres, connection) : LISTENING_LOST;
        if (listening == LISTENING_ENDED)
            break;
        postgres_disconnect(connection);
        if (wait_for(postgres, NULL, POSTGRES_RETRY_STEP_MS))
            break;
    }
    end_probe(postgres);
    postgres_connection_free(connection);
    return NULL;
}

void postgres_listen(struct postgres *postgres, store_change_listener *listener, void *context)
{
    postgres->listener = listener;
    postgres->listener_context = context;
    if (pipe(postgres->listener_wake) != 0 ||
        pthread_create(&postgres->listener_thread, NULL, listener_main, postgres) != 0)
        abort();
    pthread_setname_np(postgres->listener_thread, "listener");
    postgres->has_listener = true;
}

void listener_stop(struct postgres *postgres)
{
    if (!postgres->has_listener)
        return;
    close(postgres->listener_wake[1]);
    pthread_join(postgres->listener_thread, NULL);
    close(postgres->listener_wake[0]);
    postgres->has_listener = false;
}

bool postgres_is_current(const struct postgres *postgres)
{
    return monotonic_now_us() <= postgres_after(atomic_load(&postgres->heard_at_us), STORE_CACHE_AGE_MAX_MS);
}
