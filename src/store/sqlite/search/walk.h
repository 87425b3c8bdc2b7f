/* walk.h: what was found in several segments, in one order: that of creation. Only for the driver. */
#ifndef FARTHING_STORE_SQLITE_SEARCH_WALK_H
#define FARTHING_STORE_SQLITE_SEARCH_WALK_H

#include "store/sqlite/search/postings.h"
#include "store/sqlite/search/tables.h"

/* Documents that match, in the order of their places: of a segment, or noted rows. */
struct search_found {
    const struct search_segment *segment; /* or NULL */
    struct text status;                   /* of a segment's documents */
    struct search_numbers numbers;        /* of a segment's; none is void */
    uint32_t first, end; /* of a segment's, which are all but the void ones, unless `has_numbers` */
    struct search_bits voided;
    const struct search_place *places; /* of noted rows */
    bool has_numbers;
    int64_t size; /* how many there are, void ones too */
};

/* Goes through what was found in one place. Entries are counted from the end that is walked from. */
struct search_walk {
    const struct search_walks *walks;
    const struct search_found *found;
    int64_t next;                      /* its entry; found->size: it is over */
    struct search_documents documents; /* the row read last */
};

struct search_walks {
    struct search_tables *tables;
    bool is_descending;
    struct search_walk *all, *first; /* `first` has the place that was looked at */
    size_t count;
};

/* Begins before the first place of all. What was found must stay. */
void search_walks_begin(struct search_walks *walks, struct search_tables *tables, bool is_descending,
                        const struct search_found *founds, size_t count, struct arena *arena);
/* The place that comes next; *is_there is false at the end. False on a failure. */
bool search_walks_look(struct search_walks *walks, struct search_place *place, bool *is_there);
/* Goes on behind the place that was looked at. */
void search_walks_pass(struct search_walks *walks);
/* Goes from the beginning to the place at `offset`, or back from there to the first one of the same instant,
 * because those of one instant are in no order that is known here: *skip says how many. The instant is
 * INSTANT_UNSET when there is no such place. False on a failure. */
bool search_walks_go_to(struct search_walks *walks, int64_t offset, int64_t *created_at_us, int64_t *skip);

#endif
