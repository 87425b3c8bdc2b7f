#include "cli/nearest.h"

enum { WORD_BYTES_MAX = 64 };

/* One slip in three letters is still recognised; a word of two letters says nothing. */
static unsigned distance_allowed(size_t length)
{
    return length < 3 ? 0 : (unsigned)(length + 2) / 3;
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned smaller = a < b ? a : b;

    return smaller < c ? smaller : c;
}

/* The number of bytes to insert, remove, replace, or swap with their neighbour (Damerau-Levenshtein, each
 * place edited once). */
static unsigned distance_between(struct text a, struct text b)
{
    unsigned rows[3][WORD_BYTES_MAX + 1];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b.length; j++)
        above[j] = (unsigned)j;
    for (size_t i = 1; i <= a.length; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.length; j++) {
            bool is_same = a.data[i - 1] == b.data[j - 1];

            row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + !is_same);
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1] &&
                before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        unsigned *oldest = before;

        before = above;
        above = row;
        row = oldest;
    }
    return above[b.length];
}

struct nearest nearest_to(struct text word)
{
    return (struct nearest){.word = word, .distance = distance_allowed(word.length) + 1};
}

void nearest_offer(struct nearest *nearest, struct text known)
{
    if (nearest->word.length > WORD_BYTES_MAX || known.length > WORD_BYTES_MAX)
        return;
    unsigned distance = distance_between(nearest->word, known);

    /* A word that was cut short is as good as one slip, however much is missing. */
    if (distance > 1 && distance_allowed(nearest->word.length) > 0 && text_starts_with(known, nearest->word))
        distance = 1;
    if (distance < nearest->distance) {
        nearest->best = known;
        nearest->distance = distance;
    }
}

struct text nearest_suggestion(const struct nearest *nearest, struct arena *arena)
{
    if (!text_is_set(nearest->best))
        return text_empty;
    return arena_format(arena, "; did you mean \"%.*s\"?", TEXT_FORMAT(nearest->best));
}
