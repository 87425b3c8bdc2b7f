/* case_fold.h: texts without regard to case: Unicode's simple case folding, a code point for a code point
 * (The Unicode Standard 14.0, section 3.13; statuses C and S of CaseFolding.txt).
 *
 * The mapping is part of what databases keep (folded texts in their indexes): another version of Unicode
 * would need those to be made anew. */
#ifndef FARTHING_BASE_CASE_FOLD_H
#define FARTHING_BASE_CASE_FOLD_H

#include "base/arena.h"
#include "base/buffer.h"

/* What a code point is compared as. */
uint32_t case_fold_code_point(uint32_t code_point);

/* Appends the folded text; `text` must be well-formed UTF-8. */
void case_fold_append(struct buffer *buffer, struct text text);
/* The folded text, in the arena. */
struct text case_fold(struct arena *arena, struct text text);

/* Where a folded text is sought in another. */
enum case_fold_place {
    CASE_FOLD_ANYWHERE,
    CASE_FOLD_START,
    CASE_FOLD_END,
    CASE_FOLD_WHOLE,
    CASE_FOLD_PLACES,
};

/* Whether `text` has `folded` there, when it is folded itself. Allocates nothing. */
bool case_fold_matches(struct text text, struct text folded, enum case_fold_place place);

#endif
