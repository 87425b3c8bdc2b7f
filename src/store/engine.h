/* engine.h: what the store asks of a database engine: statements on one connection. Only for the store.
 *
 * The embedded engine (sqlite/) does what it is asked at once. The other one (postgres/) is across a socket:
 * it sends a change and takes the answer when it must, and it may ask that a use case which reads be run
 * again when the answers are there (STEP_PENDING). */
#ifndef FARTHING_STORE_ENGINE_H
#define FARTHING_STORE_ENGINE_H

#include "base/buffer.h"
#include "base/hash.h"
#include "store/index_question.h"
#include "store/store.h"

/* A prepared statement of a connection, kept for the connection's life. */
struct statement;
struct write;

enum step {
    STEP_ROW,
    STEP_DONE,
    STEP_CONFLICT, /* a unique value is taken; `conflict_column` names it */
    STEP_FAILED,   /* `failure` says why */
    STEP_PENDING,  /* asked for; run the use case again when the answer is there */
};

/* How many statements of a sort there can be, and so how long one is kept. */
enum statement_sort {
    STATEMENT_FIXED,   /* one for each text in the program: for the connection's life */
    STATEMENT_VARYING, /* callers decide how many texts there are: until CONNECTION_VARYING_MAX newer ones
                          came */
};

enum { CONNECTION_VARYING_MAX = 64 };

struct engine {
    /* Rows of environments are stored under the keys of row_key.h, in a column of their own. */
    bool has_row_keys;
    /* How many rows of a status a scope has is kept in `row_counts`. Where many sessions write, a counter
     * would be a row that they wait for and leave versions of, and counting an index is quick enough. */
    bool counts_rows;
    /* What stands before and behind a parameter in a query for the elements of the JSON array that it holds.
     */
    const char *elements_before, *elements_after;
    /* What stands around a column and a parameter in a condition that the column's text, folded, has the
     * folded text of the parameter there (enum case_fold_place); around them in one that a map has all
     * entries of the JSON object that the parameter holds. */
    struct condition_text {
        const char *before, *between, *after;
    } matches[CASE_FOLD_PLACES], entries;
    /* What an index of searched fields tells. NULL where the engine finds an index for a condition by itself.
     */
    enum index_result (*ask_index)(struct connection *connection, const struct index_question *question,
                                   struct arena *arena, struct index_answer *answer);
    /* Whether to read all rows of the table is quicker than to read those of the scope and the status (empty:
     * of any) by an index. NULL: never. */
    bool (*reads_whole)(struct connection *connection, const struct entity *entity, const struct scope *scope,
                        struct text status);
    /* Brings the index of searched fields up to date, a part at a time: a smaller one unless the writer has
     * nothing else to do. What was done in *count, 0 when nothing is to do; whether more is in *is_more. NULL
     * where that happens with the change. False on a failure. */
    bool (*index_searched)(struct connection *connection, const struct entity *entity, bool is_alone,
                           int64_t *count, bool *is_more);

    /* The statement that was prepared under `key` (the address of what the text was made from, or a hash over
     * several), or NULL when there is none yet. */
    struct statement *(*find)(struct connection *connection, uint64_t key);
    /* Prepares a statement and keeps it under `key`. NULL on a failure. */
    struct statement *(*prepare)(struct connection *connection, uint64_t key, enum statement_sort sort,
                                 struct text sql);

    /* Binds parameters from the first on and runs the statement up to its first row or its end. */
    enum step (*start)(struct statement *statement, const struct value *parameters, size_t parameter_count);
    enum step (*next)(struct statement *statement);
    /* Must be called after every `start`, before its parameters go. */
    void (*end)(struct statement *statement);
    /* The row that the statement stands on, into a record; its texts are copied into the arena. False on a
     * failure: the record is not what the row is. */
    bool (*read_row)(struct statement *statement, const struct entity *entity, struct arena *arena,
                     void *record);

    /* Sends the statement ahead of a `start` with the same parameters, unless that was done before. NULL
     * where nothing is won by that. */
    void (*ask_ahead)(struct statement *statement, const struct value *parameters, size_t parameter_count);

    /* Runs a statement that changes the row of `write`, or one of its trail (`write` is NULL). STEP_DONE may
     * mean that it is on its way: what goes wrong with it then is found by the lane, before it commits. */
    enum step (*change)(struct statement *statement, const struct value *parameters, size_t parameter_count,
                        const struct write *write);
    /* transaction_take_turns. NULL where there is one writer. */
    void (*take_turns)(struct connection *connection, int64_t turns);
    /* Tells the other processes on the database, at the commit, that an entity was changed which they keep in
     * memory. NULL where there are no others. */
    void (*announce)(struct connection *connection, struct text entity_name, struct text id);
    /* The rows that the last change reached; -1 when that is not known yet. */
    int64_t (*changed_rows)(struct connection *connection);

    /* The last error of the connection, as the caller is told it. */
    const struct failure *(*failure)(struct connection *connection, struct arena *arena);
    /* The column whose unique value is taken, after STEP_CONFLICT: the last one of the index. */
    struct text (*conflict_column)(struct connection *connection, struct arena *arena);
};

/* The end of a chain of the audit trail (store/audit.h). */
struct audit_head {
    int64_t chain;
    int64_t position;
    char hash[SHA256_HEX_LENGTH];
    size_t hash_length; /* 0: nothing is in the chain yet */
};

/* The beginning of every engine's own struct. */
struct connection {
    const struct engine *engine;
    struct audit_head head;        /* of one that writes: with what its transaction has appended */
    struct audit_head stored_head; /* as it was committed */
    struct buffer audit_scratch;
    bool has_searched;  /* its transaction has changed rows that are searched; of an engine that indexes later
                         */
    bool has_forgotten; /* its transaction has removed what is to be gone from the disk; of an engine with a
                         * log of its own */
    bool locks_rows;    /* queries that say so lock what they read until the commit (struct query) */
};

#endif
