/* handle.h: what the driver's files share: a connection with its prepared statements. Only for the driver. */
#ifndef FARTHING_STORE_SQLITE_HANDLE_H
#define FARTHING_STORE_SQLITE_HANDLE_H

#include "store/sqlite/sqlite.h"
#include "store/statement_table.h"

/* What a parameter of a statement is bound to. */
struct parameter {
    int value;       /* index of the value that the caller gives */
    bool is_row_key; /* bound to its row key (row_key.h) */
};

struct statement {
    sqlite3_stmt *handle;
    int value_count; /* that the caller must give */
    int parameter_count;
    struct parameter parameters[];
};

struct sqlite_connection {
    struct connection base; /* first */
    uint32_t magic;
    sqlite3 *handle;
    struct statement_table statements;
    int wal_pages;
    bool log_was_left;              /* of a writer: there was one when it was opened */
    bool log_is_empty;              /* it was emptied, and nothing was committed since */
    bool has_committed;             /* since sqlite_has_committed was asked last */
    unsigned log_held_count;        /* how often the log could not begin anew, for a reader */
    bool is_unsynced;               /* of a writer: for all we know it does not wait for the disk */
    bool (*is_over)(void *context); /* whether what runs is interrupted; NULL: never */
    void *is_over_context;
    int64_t offered_us;           /* when it last offered the processor: monotonic */
    enum store_state trouble;     /* of the last write */
    struct search_tables *search; /* what it keeps for indexes of searches */
};

static inline struct sqlite_connection *sqlite_of(struct connection *connection)
{
    return (struct sqlite_connection *)connection;
}

/* statement.c: the functions of `struct engine`. */
struct statement *sqlite_find(struct connection *connection, uint64_t key);
struct statement *sqlite_prepare(struct connection *connection, uint64_t key, enum statement_sort sort,
                                 struct text sql);
enum step sqlite_start(struct statement *statement, const struct value *parameters, size_t parameter_count);
enum step sqlite_next(struct statement *statement);
void sqlite_end(struct statement *statement);
bool sqlite_read_row(struct statement *statement, const struct entity *entity, struct arena *arena,
                     void *record);
enum step sqlite_change(struct statement *statement, const struct value *parameters, size_t parameter_count,
                        const struct write *write);

/* Finalizes and frees all statements of a connection. */
void sqlite_statements_free(struct connection *connection);

#endif
