/* block.h: where terms are found, packed: a list of (term, document, position) in ascending order, cut into
 * blocks of about a page. Pure code. Only for the driver, its tests and fuzz targets.
 *
 * A block is a row of runs; a run has what the block has of one term:
 *
 *     run     = term (less the one of the run before; the first: itself), length of the rest in two bytes,
 *               document, position, entry ...
 *     entry   = (documents further) * 2 + (1: at the same position as the one before; else the position
 *               follows)
 *
 * Numbers are varints: seven bits a byte, the lowest first, the highest bit set in all but the last byte. */
#ifndef FARTHING_STORE_SQLITE_SEARCH_BLOCK_H
#define FARTHING_STORE_SQLITE_SEARCH_BLOCK_H

#include "base/buffer.h"

enum { BLOCK_BYTES_MAX = 4000 }; /* fits a page of the database, with the row's other columns */

struct posting {
    int64_t term;
    uint32_t document, position;
};

/* Whether `a` comes before `b`, or is the same: a negative number, 0 or a positive one. */
static inline int posting_compare(const struct posting *a, const struct posting *b)
{
    if (a->term != b->term)
        return a->term < b->term ? -1 : 1;
    if (a->document != b->document)
        return a->document < b->document ? -1 : 1;
    return (a->position > b->position) - (a->position < b->position);
}

/* ---- writing ---- */

struct block_writer {
    struct buffer bytes;
    struct posting first, last;
    size_t run_start; /* of the rest of the last run; its length is not written yet */
};

void block_writer_free(struct block_writer *writer);
/* Adds a posting, which comes behind those before. False when the block is full: then nothing is added. */
bool block_writer_add(struct block_writer *writer, const struct posting *posting);
/* Whether nothing was added since it began or was emptied. */
static inline bool block_writer_is_empty(const struct block_writer *writer)
{
    return writer->bytes.length == 0;
}
/* The finished block, valid until the writer is emptied; `first` tells its first posting. */
struct text block_writer_finish(struct block_writer *writer);
void block_writer_clear(struct block_writer *writer);

/* ---- reading ---- */

struct block_reader {
    const unsigned char *next, *run_end, *end;
    struct posting posting; /* that it stands on */
    bool is_damaged;        /* the bytes are no block: it has ended there */
};

/* Begins before the first run. The bytes must stay. */
void block_reader_begin(struct block_reader *reader, struct text bytes);
/* To the first posting of the next run, or of the first one whose term is at least `term`, whatever is left
 * of this one. False at the end. */
bool block_reader_next_run(struct block_reader *reader);
bool block_reader_seek_term(struct block_reader *reader, int64_t term);
/* To the next posting of the run. False at the run's end. */
bool block_reader_next_of_run(struct block_reader *reader);
/* All of the run from the posting on that the reader stands on, as `BLOCK_PLACE`s; it stands on the last one
 * then. There is room for BLOCK_BYTES_MAX of them. Returns how many there are. */
size_t block_reader_take_run(struct block_reader *reader, uint64_t *places);
#define BLOCK_PLACE(document, position) ((uint64_t)(document) << 32 | (position))
/* To the next posting, of whatever run. False at the end. */
bool block_reader_next(struct block_reader *reader);

#endif
