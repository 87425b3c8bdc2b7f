/* intake.h: changed rows on their way into the index. Only for the driver. */
#ifndef FARTHING_STORE_SQLITE_SEARCH_INTAKE_H
#define FARTHING_STORE_SQLITE_SEARCH_INTAKE_H

#include "store/sqlite/search/merge.h"
#include "store/sqlite/search/term.h"

enum {
    SEARCH_INTAKE_ROWS_MAX = 512,
    SEARCH_INTAKE_PART_ROWS = 128, /* sorted at once, in some 100 us */
};

/* Some noted rows: where segments have them, and what they are now. Begins as {.arena = ...}. */
struct search_intake {
    struct arena *arena;
    struct search_place *old;
    size_t old_count, row_count;
    struct search_memory memories[SEARCH_INTAKE_ROWS_MAX / SEARCH_INTAKE_PART_ROWS];
    size_t memory_count, posting_capacity; /* of the last one */
    struct term_sequence sequence;
};

/* Takes up to `count_max` of the rows that are noted, in the order of their keys (at most
 * SEARCH_INTAKE_ROWS_MAX). They stay noted. False on a failure. Free it in any case. */
bool search_intake_take(struct search_tables *tables, struct search_intake *intake, int64_t count_max);
uint32_t search_intake_documents(const struct search_intake *intake);
uint64_t search_intake_postings(const struct search_intake *intake);
void search_intake_free(struct search_intake *intake);

#endif
