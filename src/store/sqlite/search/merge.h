/* merge.h: makes a segment out of others, and out of rows in memory, in steps that a transaction each may
 * take. Only for the driver. */
#ifndef FARTHING_STORE_SQLITE_SEARCH_MERGE_H
#define FARTHING_STORE_SQLITE_SEARCH_MERGE_H

#include "store/sqlite/search/block.h"
#include "store/sqlite/search/tables.h"

/* Rows that are in no segment yet: both lists sorted, the documents numbered from 0. */
struct search_memory {
    struct search_place *places;
    struct posting *postings;
    size_t document_count, posting_count;
};

enum search_progress {
    SEARCH_UNDER_WAY,
    SEARCH_MERGED, /* the new segment is searched, and the others are dropped */
    SEARCH_STALE,  /* an earlier step was rolled back: nothing is left but what search_merge_drop drops */
    SEARCH_FAILED, /* as the connection's error tells */
};

/* Begins one of `count` live segments, and of memory, which must stay and be merged in the same transaction.
 * NULL on a failure. */
struct search_merge *search_merge_begin(struct search_tables *tables, const struct search_segment *segments,
                                        size_t count, const struct search_memory *memories,
                                        size_t memory_count);
/* Goes on, until about `blocks` rows were read or written. */
enum search_progress search_merge_step(struct search_merge *merge, uint32_t blocks);
/* Whether it is of that segment, or makes it. */
bool search_merge_has(const struct search_merge *merge, int64_t segment);
/* What there is of the new segment is not wanted any more. False on a failure. */
bool search_merge_drop(struct search_merge *merge);
/* Frees it; NULL does nothing. */
void search_merge_free(struct search_merge *merge);

#endif
