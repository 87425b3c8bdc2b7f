/* reader.c: the read lane of the embedded database: a read-only connection and the snapshot that a batch of
 * requests shares. */
#include "store/lane.h"

#include "base/instant.h"
#include "store/sqlite/sqlite.h"
#include "store/transaction.h"

#include <assert.h>
#include <stdlib.h>

enum { READER_MAGIC = 0x52454144 };

struct store_reader {
    uint32_t magic;
    struct store *store;
    struct connection *connection;
    struct store_reader *next; /* of the store's */
    _Atomic int64_t since_us;  /* when the snapshot was taken, monotonic; 0: none is held */
    bool is_open;              /* a snapshot is held */
    uint64_t sequence;         /* the commit sequence that the snapshot is at least as new as */
};

struct store_reader *store_reader_open(struct store *store, struct arena *arena, struct text *reason)
{
    struct connection *connection =
        sqlite_connection_open(text_from_string(store->database_path), SQLITE_READER, arena, reason);

    if (!connection)
        return NULL;
    struct store_reader *reader = calloc(1, sizeof *reader);

    if (!reader)
        abort();
    *reader = (struct store_reader){.magic = READER_MAGIC, .store = store, .connection = connection};
    pthread_mutex_lock(&store->readers_mutex);
    reader->next = store->readers;
    store->readers = reader;
    pthread_mutex_unlock(&store->readers_mutex);
    return reader;
}

static void forget_reader(struct store *store, const struct store_reader *reader)
{
    pthread_mutex_lock(&store->readers_mutex);
    struct store_reader **link = &store->readers;

    while (*link != reader)
        link = &(*link)->next;
    *link = reader->next;
    pthread_mutex_unlock(&store->readers_mutex);
}

int64_t readers_oldest_snapshot_us(struct store *store)
{
    int64_t now_us = monotonic_now_us(), oldest_us = now_us;

    pthread_mutex_lock(&store->readers_mutex);
    for (const struct store_reader *reader = store->readers; reader; reader = reader->next) {
        int64_t since_us = atomic_load_explicit(&reader->since_us, memory_order_relaxed);

        if (since_us && since_us < oldest_us)
            oldest_us = since_us;
    }
    pthread_mutex_unlock(&store->readers_mutex);
    return now_us - oldest_us;
}

static void note_snapshot(struct store_reader *reader, int64_t since_us)
{
    atomic_store_explicit(&reader->since_us, since_us, memory_order_relaxed);
}

void store_reader_close(struct store_reader *reader)
{
    store_reader_end(reader);
    forget_reader(reader->store, reader);
    sqlite_connection_close(reader->connection);
    reader->magic = 0;
    free(reader);
}

void store_reader_begin(struct store_reader *reader, struct transaction *transaction, struct arena *arena,
                        const struct call *call)
{
    assert(reader->magic == READER_MAGIC);
    /* Read before the snapshot is taken, so that the snapshot can only be newer than this says. */
    uint64_t sequence = atomic_load_explicit(&reader->store->commit_sequence, memory_order_acquire);

    transaction_init(transaction, reader->connection, arena, call);
    /* An error while reading can have ended the snapshot. */
    if (reader->is_open && reader->sequence == sequence && sqlite_in_transaction(reader->connection))
        return;
    store_reader_end(reader);
    reader->is_open = sqlite_begin_read(reader->connection);
    reader->sequence = sequence;
    if (reader->is_open)
        note_snapshot(reader, monotonic_now_us());
    else
        transaction_fail(transaction);
}

void store_reader_limit(struct store_reader *reader, bool (*is_over)(void *context), void *context)
{
    sqlite_limit(reader->connection, is_over, context);
}

void store_reader_end(struct store_reader *reader)
{
    assert(reader->magic == READER_MAGIC);
    sqlite_limit(reader->connection, NULL, NULL);
    if (!reader->is_open)
        return;
    if (!sqlite_commit(reader->connection))
        sqlite_rollback(reader->connection);
    reader->is_open = false;
    note_snapshot(reader, 0);
}
