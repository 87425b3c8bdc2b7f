#include "store/sqlite/search/term.h"

#include "base/utf8.h"

#include <assert.h>
#include <stdlib.h>

/* Behind all code points, so that no text has them. */
enum { MARK_START = 0x110000, MARK_END, POINTS };

static void add(struct term_sequence *sequence, uint32_t point)
{
    if (sequence->count == sequence->capacity) {
        sequence->capacity = sequence->capacity ? sequence->capacity * 2 : 64;
        sequence->points = realloc(sequence->points, sequence->capacity * sizeof *sequence->points);
        if (!sequence->points)
            abort();
    }
    sequence->points[sequence->count++] = point;
}

void term_sequence_of(struct term_sequence *sequence, struct text text, unsigned starts, unsigned ends)
{
    sequence->count = 0;
    while (starts-- > 0)
        add(sequence, MARK_START);
    for (size_t position = 0; position < text.length;)
        add(sequence, case_fold_code_point(utf8_next(text, &position)));
    while (ends-- > 0)
        add(sequence, MARK_END);
}

void term_sequence_of_indexed(struct term_sequence *sequence, struct text text)
{
    term_sequence_of(sequence, text, 1, TERM_CODE_POINTS - 1);
}

void term_sequence_free(struct term_sequence *sequence)
{
    free(sequence->points);
    *sequence = (struct term_sequence){0};
}

int64_t term_at(const struct term_sequence *sequence, size_t position, unsigned field)
{
    int64_t term = field;

    assert(field < TERM_FIELDS_MAX && position < term_count(sequence));
    for (unsigned i = 0; i < TERM_CODE_POINTS; i++)
        term = term * POINTS + sequence->points[position + i];
    return term;
}

void term_range(const struct term_sequence *sequence, unsigned field, int64_t *first, int64_t *end)
{
    int64_t prefix = field, width = 1;

    assert(field < TERM_FIELDS_MAX && sequence->count > 0 && sequence->count < TERM_CODE_POINTS);
    for (size_t i = 0; i < TERM_CODE_POINTS; i++)
        if (i < sequence->count)
            prefix = prefix * POINTS + sequence->points[i];
        else
            width *= POINTS;
    *first = prefix * width;
    *end = *first + width;
}
