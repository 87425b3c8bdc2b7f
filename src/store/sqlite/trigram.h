/* trigram.h: three code points in a row, by which FTS5 finds texts. Only for the driver and its tests. */
#ifndef FARTHING_STORE_SQLITE_TRIGRAM_H
#define FARTHING_STORE_SQLITE_TRIGRAM_H

#include "base/arena.h"
#include "base/buffer.h"

/* Between the texts of a row, so that no trigram is of two of them, but for those that have it. */
#define TRIGRAM_SEPARATOR '\x1F'

enum {
    TRIGRAM_BUCKETS = 8192, /* trigrams are told apart by a hash */
    TRIGRAM_CHOSEN_MAX = 4, /* more of them hardly narrow down a search, and each is a list to walk */
    TRIGRAM_COMMON_PART =
        8, /* one in more than an eighth of all texts finds nothing quicker than reading all does */
    TRIGRAM_SAMPLE_MIN = 100, /* texts before anything is said of how common a trigram is */
};

/* How many texts of a sample have which trigram. */
struct trigram_counts {
    uint16_t counts[TRIGRAM_BUCKETS];
    unsigned texts;
};

/* A trigram that stands for a scope: of code points of private use, before the texts of its rows. */
void trigram_append_scope(struct buffer *buffer, int64_t scope);

/* Counts a text of the index. */
void trigram_count(struct trigram_counts *counts, struct text folded);

/* FTS5's query for the texts of a scope in which each of `folded` may be: the rarest of their trigrams, by
 * what the sample tells. In the arena; unset when none of them has a trigram or all are common. */
struct text trigram_query(const struct trigram_counts *counts, int64_t scope, const struct text *folded,
                          size_t count, struct arena *arena);

#endif
