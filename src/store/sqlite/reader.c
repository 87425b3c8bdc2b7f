/* reader.c: the read lane of the embedded database: a read-only connection and the snapshot that a batch of
 * requests shares. */
#include "store/lane.h"
#include "store/sqlite/sqlite.h"
#include "store/transaction.h"

#include <assert.h>
#include <stdlib.h>

enum { READER_MAGIC = 0x52454144 };

struct store_reader {
    uint32_t magic;
    struct store *store;
    struct connection *connection;
    bool is_open;      /* a snapshot is held */
    uint64_t sequence; /* the commit sequence that the snapshot is at least as new as */
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
    return reader;
}

void store_reader_close(struct store_reader *reader)
{
    store_reader_end(reader);
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
    if (!reader->is_open)
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
}
