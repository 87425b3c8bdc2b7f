#include "store/sqlite/search/postings.h"

#include "store/sqlite/search/block.h"
#include "store/sqlite/search/term.h"

#include "base/utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    TEXT_POINTS_MAX = 189, /* in a condition */
    CURSORS_MAX = (TEXT_POINTS_MAX + 2) / TERM_CODE_POINTS + 1,
};

/* ---- numbers ---- */

void search_numbers_free(struct search_numbers *numbers)
{
    free(numbers->numbers);
    *numbers = (struct search_numbers){0};
}

static void add_number(struct search_numbers *numbers, uint32_t number)
{
    if (numbers->count == numbers->capacity) {
        numbers->capacity = numbers->capacity ? numbers->capacity * 2 : 256;
        numbers->numbers = realloc(numbers->numbers, numbers->capacity * sizeof *numbers->numbers);
        if (!numbers->numbers)
            abort();
    }
    numbers->numbers[numbers->count++] = number;
}

static void keep_common(struct search_numbers *numbers, const struct search_numbers *others)
{
    size_t kept = 0;

    for (size_t i = 0, j = 0; i < numbers->count; i++) {
        while (j < others->count && others->numbers[j] < numbers->numbers[i])
            j++;
        if (j < others->count && others->numbers[j] == numbers->numbers[i])
            numbers->numbers[kept++] = numbers->numbers[i];
    }
    numbers->count = kept;
}

/* ---- the postings of a term ---- */

struct cursor {
    struct search_tables *tables;
    const struct search_segment *segment;
    int64_t term;
    uint32_t offset;     /* of the term in the text that is sought */
    uint32_t next_block; /* of postings */
    uint32_t weight;     /* blocks that it may take */
    bool is_over, has_failed;
    struct block_reader reader; /* stands on a posting of the term, unless it is over */
    char bytes[BLOCK_BYTES_MAX];
};

static bool fail(struct cursor *cursor)
{
    cursor->is_over = cursor->has_failed = true;
    return false;
}

/* The last block that begins with (term, document) or before it; the first one if none does. */
static bool find_block(struct cursor *cursor, int64_t term, int64_t document, uint32_t *block)
{
    sqlite3_stmt *statement =
        SEARCH_STATEMENT(cursor->tables, SEARCH_POSTINGS_OF_TERM, cursor->segment->number, term, document);
    int code = statement ? sqlite3_step(statement) : SQLITE_ERROR;

    *block = code == SQLITE_ROW ? (uint32_t)sqlite3_column_int64(statement, 0) : 0;
    return (statement && search_end(statement, code)) || fail(cursor);
}

/* Begins to read the next block. False at the end. */
static bool read_block(struct cursor *cursor)
{
    if (cursor->next_block >= cursor->segment->posting_blocks) {
        cursor->is_over = true;
        return false;
    }
    sqlite3_stmt *statement = SEARCH_STATEMENT(cursor->tables, SEARCH_POSTINGS_READ,
                                               SEARCH_BLOCK(cursor->segment->number, cursor->next_block));
    int code = statement ? sqlite3_step(statement) : SQLITE_ERROR;
    struct text data = code == SQLITE_ROW ? search_blob(statement, 0) : text_empty;

    if (data.length > sizeof cursor->bytes)
        data.length = 0;
    if (data.length)
        memcpy(cursor->bytes, data.data, data.length);
    if (!statement || !search_end(statement, code) || data.length == 0)
        return fail(cursor);
    cursor->next_block++;
    block_reader_begin(&cursor->reader, (struct text){cursor->bytes, data.length});
    return true;
}

/* To the term's first posting in the blocks that follow. */
static bool next_block(struct cursor *cursor)
{
    while (read_block(cursor)) {
        if (block_reader_seek_term(&cursor->reader, cursor->term)) {
            cursor->is_over = cursor->reader.posting.term != cursor->term;
            return !cursor->is_over;
        }
        if (cursor->reader.is_damaged)
            return fail(cursor);
    }
    return false;
}

/* To the next posting. */
static bool next_posting(struct cursor *cursor)
{
    if (cursor->is_over)
        return false;
    if (block_reader_next_of_run(&cursor->reader))
        return true;
    if (cursor->reader.is_damaged)
        return fail(cursor);
    if (cursor->reader.next != cursor->reader.end) { /* another term follows */
        cursor->is_over = true;
        return false;
    }
    return next_block(cursor);
}

static bool is_before(const struct cursor *cursor, uint32_t document, uint32_t position)
{
    const struct posting *posting = &cursor->reader.posting;

    return posting->document < document || (posting->document == document && posting->position < position);
}

/* To the first posting that is not before (document, position), by the index when that is in another block.
 */
static bool seek(struct cursor *cursor, uint32_t document, uint32_t position)
{
    while (!cursor->is_over && is_before(cursor, document, position)) {
        if (block_reader_next_of_run(&cursor->reader))
            continue;
        uint32_t block;

        if (cursor->reader.is_damaged)
            return fail(cursor);
        if (cursor->reader.next != cursor->reader.end) {
            cursor->is_over = true;
            break;
        }
        if (!find_block(cursor, cursor->term, (int64_t)document - 1, &block))
            return false;
        if (block > cursor->next_block)
            cursor->next_block = block;
        next_block(cursor);
    }
    return !cursor->is_over;
}

static void weigh(struct cursor *cursor, uint32_t first, uint32_t end)
{
    uint32_t block, last;

    if (!find_block(cursor, cursor->term, (int64_t)first - 1, &block) ||
        !find_block(cursor, cursor->term, end, &last))
        return;
    cursor->next_block = block;
    cursor->weight = last - block + 1;
}

/* ---- texts ---- */

/* The text and the marks of where it must stand. */
static void sequence_of(const struct index_condition *condition, struct term_sequence *sequence)
{
    enum case_fold_place place = condition->place;

    term_sequence_of(sequence, condition->folded, place == CASE_FOLD_START || place == CASE_FOLD_WHOLE,
                     place == CASE_FOLD_END || place == CASE_FOLD_WHOLE); /* one or none */
}

bool search_can_find(const struct index_condition *condition)
{
    return condition->folded.length > 0 && utf8_length(condition->folded) <= TEXT_POINTS_MAX;
}

/* The number of the field among those that are searched. */
static unsigned field_number(const struct entity *entity, const struct field *field)
{
    unsigned number = 0;

    for (const struct field *other = entity->fields; other < field; other++)
        number += (other->flags & FIELD_SEARCHED) != 0;
    return number;
}

struct cursors {
    unsigned count;
    struct cursor *all[CURSORS_MAX];
};

static void add_cursor(struct cursors *cursors, struct search_tables *tables,
                       const struct search_segment *segment, int64_t term, uint32_t offset)
{
    struct cursor *cursor = malloc(sizeof *cursor);

    if (!cursor)
        abort();
    cursor->tables = tables;
    cursor->segment = segment;
    cursor->term = term;
    cursor->offset = offset;
    cursor->is_over = cursor->has_failed = false;
    cursors->all[cursors->count++] = cursor;
}

static int by_weight(const void *a, const void *b)
{
    const struct cursor *one = *(struct cursor *const *)a, *other = *(struct cursor *const *)b;

    return (one->weight > other->weight) - (one->weight < other->weight);
}

/* Terms side by side that have all of the text's code points, the rarest first. */
static void open_cursors(struct cursors *cursors, struct search_tables *tables,
                         const struct search_segment *segment, const struct term_sequence *sequence,
                         unsigned field)
{
    size_t last = term_count(sequence) - 1;

    for (size_t offset = 0; offset < last; offset += TERM_CODE_POINTS)
        add_cursor(cursors, tables, segment, term_at(sequence, offset, field), (uint32_t)offset);
    add_cursor(cursors, tables, segment, term_at(sequence, last, field), (uint32_t)last);
}

static void close_cursors(struct cursors *cursors)
{
    for (unsigned i = 0; i < cursors->count; i++)
        free(cursors->all[i]);
}

/* Whether the other terms stand where they must for the text to begin at `start`. */
static bool has_others(struct cursors *cursors, uint32_t document, uint32_t start)
{
    for (unsigned i = 1; i < cursors->count; i++) {
        struct cursor *cursor = cursors->all[i];
        uint32_t position = start + cursor->offset;

        if (!seek(cursor, document, position) || cursor->reader.posting.document != document ||
            cursor->reader.posting.position != position)
            return false;
    }
    return true;
}

static bool any_is_over(const struct cursors *cursors)
{
    for (unsigned i = 0; i < cursors->count; i++)
        if (cursors->all[i]->is_over)
            return true;
    return false;
}

static bool begin_cursors(struct cursors *cursors, uint32_t first, uint32_t end)
{
    for (unsigned i = 0; i < cursors->count; i++) {
        weigh(cursors->all[i], first, end);
        if (cursors->all[i]->has_failed)
            return false;
    }
    qsort(cursors->all, cursors->count, sizeof(struct cursor *), by_weight);
    for (unsigned i = 0; i < cursors->count && !any_is_over(cursors); i++) {
        next_block(cursors->all[i]);
        seek(cursors->all[i], first, 0);
    }
    return true;
}

static bool find_text(struct cursors *cursors, uint32_t first, uint32_t end, struct search_numbers *found)
{
    if (!begin_cursors(cursors, first, end))
        return false;
    struct cursor *lead = cursors->all[0];

    while (!any_is_over(cursors) && lead->reader.posting.document < end) {
        uint32_t document = lead->reader.posting.document, position = lead->reader.posting.position;

        if (position >= lead->offset && has_others(cursors, document, position - lead->offset)) {
            add_number(found, document);
            seek(lead, document + 1, 0);
        } else {
            next_posting(lead);
        }
    }
    for (unsigned i = 0; i < cursors->count; i++)
        if (cursors->all[i]->has_failed)
            return false;
    return true;
}

/* ---- texts that are shorter than a term ---- */

/* They are where the terms are that begin with them. */
struct range {
    int64_t term, end_term;
    uint32_t first, end; /* documents */
    unsigned char *bits; /* of those that were found, from `first` on */
};

static void add_run(struct block_reader *reader, const struct range *range)
{
    do {
        uint32_t document = reader->posting.document;

        if (document >= range->first && document < range->end)
            range->bits[(document - range->first) / 8] |=
                (unsigned char)(1U << (document - range->first) % 8);
    } while (block_reader_next_of_run(reader));
}

static bool add_runs(struct cursor *cursor, const struct range *range)
{
    if (!find_block(cursor, range->term, -1, &cursor->next_block))
        return false;
    while (read_block(cursor)) {
        struct block_reader *reader = &cursor->reader;

        for (bool is_there = block_reader_seek_term(reader, range->term); is_there;
             is_there = block_reader_next_run(reader)) {
            if (reader->posting.term >= range->end_term)
                return true;
            add_run(reader, range);
        }
        if (reader->is_damaged)
            return fail(cursor);
    }
    return !cursor->has_failed;
}

static bool find_range(struct cursor *cursor, struct range *range, struct search_numbers *found)
{
    range->bits = calloc((range->end - range->first) / 8 + 1, 1);
    if (!range->bits)
        abort();
    bool is_done = add_runs(cursor, range);

    for (uint32_t i = 0; is_done && i < range->end - range->first; i++)
        if (range->bits[i / 8] >> i % 8 & 1)
            add_number(found, range->first + i);
    free(range->bits);
    return is_done;
}

/* ---- all conditions ---- */

static bool find_one(struct search_tables *tables, const struct search_segment *segment,
                     const struct index_condition *condition, uint32_t first, uint32_t end,
                     struct search_numbers *found)
{
    struct term_sequence sequence = {0};
    struct cursors cursors = {0};
    unsigned field = field_number(tables->entity, condition->field);
    bool is_done;

    sequence_of(condition, &sequence);
    if (term_count(&sequence) > 0) {
        open_cursors(&cursors, tables, segment, &sequence, field);
        is_done = find_text(&cursors, first, end, found);
    } else {
        struct range range = {.first = first, .end = end};

        term_range(&sequence, field, &range.term, &range.end_term);
        add_cursor(&cursors, tables, segment, range.term, 0);
        is_done = find_range(cursors.all[0], &range, found);
    }
    close_cursors(&cursors);
    term_sequence_free(&sequence);
    return is_done;
}

bool search_postings(struct search_tables *tables, const struct search_segment *segment,
                     const struct index_condition *conditions, size_t count, uint32_t first, uint32_t end,
                     struct search_numbers *found)
{
    bool is_done = true;

    for (size_t i = 0; is_done && i < count && (i == 0 || found->count > 0); i++) {
        struct search_numbers these = {0};

        is_done = find_one(tables, segment, &conditions[i], first, end, i == 0 ? found : &these);
        if (i > 0)
            keep_common(found, &these);
        search_numbers_free(&these);
    }
    return is_done;
}
