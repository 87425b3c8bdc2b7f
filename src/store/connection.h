/* connection.h: what the store asks of an engine: statements on one connection. Only for the store. */
#ifndef FARTHING_STORE_CONNECTION_H
#define FARTHING_STORE_CONNECTION_H

#include "store/store.h"

/* A prepared statement of a connection, kept for the connection's life. */
struct statement;

enum step {
    STEP_ROW,
    STEP_DONE,
    STEP_CONFLICT, /* a unique value is taken; connection_conflict_column names it */
    STEP_FAILED,   /* connection_failure says why */
};

/* The statement that was prepared under `key` (the address of what the text was made from, or a hash over
 * several), or NULL when there is none yet. */
struct statement *connection_find(struct connection *connection, uint64_t key);

/* How many statements of a sort there can be, and so how long one is kept. */
enum statement_sort {
    STATEMENT_FIXED,   /* one for each text in the program: for the connection's life */
    STATEMENT_VARYING, /* callers decide how many texts there are: until CONNECTION_VARYING_MAX newer ones
                          came */
};

enum { CONNECTION_VARYING_MAX = 64 };

/* Prepares a statement and keeps it under `key`. NULL on a failure. */
struct statement *connection_prepare(struct connection *connection, uint64_t key, enum statement_sort sort,
                                     struct text sql);

/* Binds parameters from the first on and runs the statement up to its first row or its end. */
enum step statement_start(struct statement *statement, const struct value *parameters,
                          size_t parameter_count);
enum step statement_next(struct statement *statement);
/* Must be called after every statement_start, before its parameters go. */
void statement_end(struct statement *statement);

int64_t statement_integer(struct statement *statement, int column);
bool statement_is_null(struct statement *statement, int column);
/* A text that holds until the statement moves on. */
struct text statement_text(struct statement *statement, int column);

/* The rows that the last INSERT, UPDATE or DELETE changed. */
int64_t connection_changed_rows(struct connection *connection);

/* The last error of the connection, as the caller is told it. */
const struct failure *connection_failure(struct connection *connection, struct arena *arena);
/* The column whose unique value is taken, after STEP_CONFLICT: the last one of the index. */
struct text connection_conflict_column(struct connection *connection, struct arena *arena);

#endif
