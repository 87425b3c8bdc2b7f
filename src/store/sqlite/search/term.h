/* term.h: the terms by which texts are found: three code points in a row of a folded text, with marks before
 * its first and behind its last one. Only for the driver and its tests. */
#ifndef FARTHING_STORE_SQLITE_SEARCH_TERM_H
#define FARTHING_STORE_SQLITE_SEARCH_TERM_H

#include "base/case_fold.h"

enum {
    TERM_CODE_POINTS = 3,
    TERM_FIELDS_MAX = 6, /* so that a field and three code points fit into 63 bits */
};

/* A text as it is indexed: its code points, folded, and the marks that were asked for. */
struct term_sequence {
    uint32_t *points;
    size_t count, capacity;
};

/* Makes it that of `text`, well-formed UTF-8, with so many marks. The sequence begins as {0};
 * term_sequence_free frees it. */
void term_sequence_of(struct term_sequence *sequence, struct text text, unsigned starts, unsigned ends);
/* The same as it is indexed: with marks enough for a term to begin at each of its code points. */
void term_sequence_of_indexed(struct term_sequence *sequence, struct text text);
void term_sequence_free(struct term_sequence *sequence);

/* How many terms it has: one begins at each code point but the last two. */
static inline size_t term_count(const struct term_sequence *sequence)
{
    return sequence->count < TERM_CODE_POINTS ? 0 : sequence->count - TERM_CODE_POINTS + 1;
}

/* The term of a field that begins at `position` (below term_count); from 0 to 2^63 - 1. Terms of a field are
 * ordered by their code points, and fields by their numbers (below TERM_FIELDS_MAX). */
int64_t term_at(const struct term_sequence *sequence, size_t position, unsigned field);

/* The terms that begin with the sequence, of one or two code points: [*first, *end). */
void term_range(const struct term_sequence *sequence, unsigned field, int64_t *first, int64_t *end);

#endif
