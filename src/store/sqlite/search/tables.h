/* tables.h: the tables of an index, T_search_* beside the table T that it is of, and the statements on them.
 * Only for the driver.
 *
 * - T_search_segments: the parts of the index. One is made in a go and never changed, but for which of its
 *   documents are void; a few at a time are merged into a new one.
 * - T_search_documents: the rows that a segment has (documents), by scope, status, creation and key, numbered
 *   from 0 in that order; each row of the table has some that share scope and status, 16 bytes each.
 * - T_search_postings: in which documents terms are (block.h), in their order.
 * - T_search_void: bits of the documents that are changed or removed since.
 * - T_unindexed: the rows that no segment has as they are. */
#ifndef FARTHING_STORE_SQLITE_SEARCH_TABLES_H
#define FARTHING_STORE_SQLITE_SEARCH_TABLES_H

#include "store/sqlite/sqlite.h"

#include "base/buffer.h"

enum search_statement {
    SEARCH_SEGMENTS,
    SEARCH_SEGMENT_OF,
    SEARCH_SEGMENT_ADD,
    SEARCH_SEGMENT_SET,
    SEARCH_SEGMENT_REMOVE,
    SEARCH_DOCUMENTS_FIRST,
    SEARCH_DOCUMENTS_LAST,
    SEARCH_DOCUMENTS_OF_PLACE,
    SEARCH_DOCUMENTS_OF_NUMBER,
    SEARCH_DOCUMENTS_ADD,
    SEARCH_DOCUMENTS_REMOVE,
    SEARCH_POSTINGS_OF_TERM,
    SEARCH_POSTINGS_READ,
    SEARCH_POSTINGS_ADD,
    SEARCH_POSTINGS_REMOVE,
    SEARCH_VOID_OF,
    SEARCH_VOID_SET,
    SEARCH_VOID_REMOVE,
    SEARCH_NOTED,
    SEARCH_NOTED_FIRST,
    SEARCH_NOTED_REMOVE,
    SEARCH_TIES,
    SEARCH_TIES_DESCENDING,
    SEARCH_IS_NOTED,
    SEARCH_ROW,
    SEARCH_ROWS_NOT_NOTED,
    SEARCH_ORPHANS,
    SEARCH_IS_MOST,
    SEARCH_NOTE_ALL,
    SEARCH_STATEMENTS,
};

/* Columns of SEARCH_NOTED and SEARCH_NOTED_FIRST: where segments have the row, and what it is now. */
enum search_noted_column {
    SEARCH_NOTED_KEY,
    SEARCH_NOTED_IS_NEW,
    SEARCH_NOTED_OLD_SCOPE,
    SEARCH_NOTED_OLD_CREATED,
    SEARCH_NOTED_OLD_STATUS,
    SEARCH_NOTED_SCOPE, /* NULL: it is gone */
    SEARCH_NOTED_CREATED,
    SEARCH_NOTED_STATUS,
    SEARCH_NOTED_TEXTS, /* the first of the searched fields */
};

struct search_merge;

/* What a connection keeps for the index of an entity. */
struct search_tables {
    struct connection *connection;
    const struct entity *entity;
    sqlite3_stmt *statements[SEARCH_STATEMENTS];
    struct search_merge *merge; /* of the writer: the one that is under way, or NULL */
    uint32_t postings_of_row;   /* of the rows that the writer took in last */
    size_t segment_count;       /* that were searched then */
    struct search_tables *next;
};

struct search_tables *search_tables_of(struct connection *connection, const struct entity *entity);
/* Frees all that the connection keeps. */
void search_tables_free(struct search_tables *tables);

/* The statement, with its first integer parameters bound, at its beginning. NULL on a failure, which the
 * connection's error tells. Whoever has stepped it resets it before the transaction ends. */
sqlite3_stmt *search_statement(struct search_tables *tables, enum search_statement which, size_t count,
                               const int64_t *integers);
#define SEARCH_STATEMENT(tables, which, ...)                                                                 \
    search_statement((tables), (which), sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t),                  \
                     (const int64_t[]){__VA_ARGS__})
/* Runs it to its end. False on a failure. */
bool search_run(sqlite3_stmt *statement);
/* Resets it. Whether `code`, of its last step, was no failure. */
bool search_end(sqlite3_stmt *statement, int code);
/* A blob of the row that it stands on; valid until the next step. */
struct text search_blob(sqlite3_stmt *statement, int column);

/* A text of it, as long; empty when there is none. */
struct text search_text(sqlite3_stmt *statement, int column);

/* After a failure: whether it was not the database that failed, but what it gave makes no sense. */
bool search_is_damaged(const struct search_tables *tables);

/* Offers the processor (base/processor.h) if that was not done for some 50 us. Between parts of long work. */
void search_offer(struct search_tables *tables);
/* What is as much work: going over so many numbers of documents takes some 20 us. */
enum { SEARCH_NUMBERS_BETWEEN_OFFERS = 8192 };

/* ---- segments ---- */

enum search_state {
    SEARCH_LIVE,
    SEARCH_BUILDING, /* not searched yet */
    SEARCH_DROPPED,  /* not searched any more; what it has is removed bit by bit */
};

struct search_segment {
    int64_t number;
    enum search_state state;
    uint32_t document_count, void_count;
    uint32_t posting_blocks;
    int64_t void_since_us; /* when the first document became void; INSTANT_UNSET: none is */
    int64_t steps;         /* taken to build it */
};

enum {
    SEARCH_SEGMENT_DOCUMENTS_MAX = 1 << 20,
    SEARCH_DOCUMENT_BYTES = 16,
    SEARCH_DOCUMENTS_OF_BLOCK = 240,
    SEARCH_VOID_PART = 4096, /* documents of a row of T_search_void */
    SEARCH_STATUS_BYTES_MAX = 64,
};

/* The key of a row of a segment: a number, of its documents or of its blocks of postings, behind the
 * segment's own. */
#define SEARCH_BLOCK(segment, number) ((segment) << 32 | (int64_t)(number))

/* Segments of a state, in the order of their numbers: in the arena. False on a failure. */
bool search_segments(struct search_tables *tables, enum search_state state, struct arena *arena,
                     struct search_segment **segments, size_t *count);
/* False in *is_there: there is none of that number. False on a failure. */
bool search_segment_of(struct search_tables *tables, int64_t number, struct search_segment *segment,
                       bool *is_there);
/* Adds a segment under a new number, or changes what is known of one. */
bool search_segment_add(struct search_tables *tables, struct search_segment *segment);
bool search_segment_set(struct search_tables *tables, const struct search_segment *segment);

/* ---- documents ---- */

/* What documents are sorted by. */
struct search_place {
    int64_t scope;
    struct text status;
    int64_t created_at_us, key;
};

int search_place_compare(const struct search_place *a, const struct search_place *b);

/* A row of T_search_documents. */
struct search_documents {
    int64_t scope;
    struct text status; /* in the room below */
    uint32_t first;     /* the number of its first document */
    uint32_t count;
    char room[SEARCH_STATUS_BYTES_MAX];
    unsigned char data[SEARCH_DOCUMENTS_OF_BLOCK * SEARCH_DOCUMENT_BYTES];
};

/* One of its documents. */
struct search_place search_document(const struct search_documents *documents, uint32_t index);
void search_document_encode(unsigned char *bytes, int64_t created_at_us, int64_t key);

/* The documents of a scope and a status in a segment: [*first, *end), which may be none. */
bool search_documents_range(struct search_tables *tables, int64_t segment, int64_t scope, struct text status,
                            uint32_t *first, uint32_t *end);
/* The row that has the document of that number, which must be there. */
bool search_documents_read(struct search_tables *tables, int64_t segment, uint32_t number,
                           struct search_documents *documents);
/* The number of a document of that place; *is_there tells whether there is one. */
bool search_documents_find(struct search_tables *tables, int64_t segment, const struct search_place *place,
                           uint32_t *number, bool *is_there);

/* ---- void documents ---- */

struct search_bits {
    unsigned char *bytes; /* NULL: none is set */
    uint32_t count;       /* documents */
};

static inline bool search_bit(const struct search_bits *bits, uint32_t number)
{
    return bits->bytes && bits->bytes[number / 8] >> number % 8 & 1;
}
void search_bits_set(struct search_bits *bits, uint32_t number);
/* How many are set in [first, end). */
uint32_t search_bits_count(const struct search_bits *bits, uint32_t first, uint32_t end);
void search_bits_free(struct search_bits *bits);

/* Which documents of the segment are void; free them. */
bool search_void_read(struct search_tables *tables, const struct search_segment *segment,
                      struct search_bits *bits);
/* Leaves of the numbers, which ascend, those of documents that are not void. False on a failure. */
bool search_void_remove(struct search_tables *tables, const struct search_segment *segment, uint32_t *numbers,
                        size_t *count);
/* Makes one void, unless it is, and counts it in *segment, which the caller then writes down. */
bool search_void_set(struct search_tables *tables, struct search_segment *segment, uint32_t number);

#endif
