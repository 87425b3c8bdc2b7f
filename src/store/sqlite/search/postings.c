#include "store/sqlite/search/postings.h"

#include "store/sqlite/search/block.h"
#include "store/sqlite/search/term.h"

#include "base/utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROW_BLOCKS = 1, /* read in less time than a row is; there are far more to a text that repeats itself */
    ROW_DOCUMENTS = 300,   /* of which all terms of a beginning are read in that time */
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

static void keep_common(struct search_tables *tables, struct search_numbers *numbers,
                        const struct search_numbers *others)
{
    size_t kept = 0;

    for (size_t i = 0, j = 0; i < numbers->count; i++) {
        if (i % SEARCH_NUMBERS_BETWEEN_OFFERS == 0)
            search_offer(tables);
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
    uint32_t offset;                /* of the term in the text that is sought */
    uint32_t next_block, end_block; /* of postings that the term may be in */
    bool is_over, has_failed;
    struct block_reader reader;
    char bytes[BLOCK_BYTES_MAX];
    uint64_t places[BLOCK_BYTES_MAX]; /* of the term, in the block read last */
    size_t count;
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
    if (cursor->next_block >= cursor->end_block) {
        cursor->is_over = true;
        return false;
    }
    sqlite3_stmt *statement = SEARCH_STATEMENT(cursor->tables, SEARCH_POSTINGS_READ,
                                               SEARCH_BLOCK(cursor->segment->number, cursor->next_block));
    int code = statement ? sqlite3_step(statement) : SQLITE_ERROR;
    struct text data = code == SQLITE_ROW ? search_blob(statement, 0) : text_empty;

    search_offer(cursor->tables);
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

/* Takes the places of the next block that has the term. False at the end. */
static bool next_places(struct cursor *cursor)
{
    cursor->count = 0;
    while (read_block(cursor)) {
        struct block_reader *reader = &cursor->reader;

        if (block_reader_seek_term(reader, cursor->term)) {
            if (reader->posting.term == cursor->term)
                cursor->count = block_reader_take_run(reader, cursor->places);
            else
                cursor->is_over = true;
        }
        if (reader->is_damaged)
            return fail(cursor);
        if (cursor->count > 0 || cursor->is_over)
            return cursor->count > 0;
    }
    return false;
}

/* Which blocks may have the term in documents from `first` on. */
static bool begin(struct cursor *cursor, uint32_t first, uint32_t end)
{
    uint32_t last;

    if (!find_block(cursor, cursor->term, (int64_t)first - 1, &cursor->next_block) ||
        !find_block(cursor, cursor->term, end, &last))
        return false;
    cursor->end_block = last < cursor->segment->posting_blocks ? last + 1 : cursor->segment->posting_blocks;
    return true;
}

/* ---- where texts begin ---- */

struct places {
    uint64_t *all;
    size_t count, capacity;
};

enum { PLACES_AT_ONCE = 1 << 20 }; /* or one document more */

/* Places of the cursor's term in documents of [first, end), as those where the text would begin: some of
 * them, up to the end of a document. */
static void take_lead(struct cursor *cursor, size_t *next, uint32_t first, uint32_t end,
                      struct places *places)
{
    uint64_t offset = cursor->offset, until = UINT64_MAX;

    places->count = 0;
    while (!cursor->is_over || *next < cursor->count) {
        if (*next == cursor->count) {
            *next = 0;
            if (!next_places(cursor))
                return;
        }
        if (places->capacity < places->count + cursor->count) {
            places->capacity = (places->count + cursor->count) * 2;
            places->all = realloc(places->all, places->capacity * sizeof *places->all);
            if (!places->all)
                abort();
        }
        for (; *next < cursor->count; ++*next) {
            uint64_t place = cursor->places[*next];

            if (place >= until || place >= BLOCK_PLACE(end, 0)) {
                cursor->is_over |= place >= BLOCK_PLACE(end, 0);
                if (cursor->is_over)
                    *next = cursor->count;
                return;
            }
            places->all[places->count] = place - offset;
            places->count += place >= BLOCK_PLACE(first, 0) && (uint32_t)place >= offset;
        }
        if (until == UINT64_MAX && places->count >= PLACES_AT_ONCE)
            until = ((places->all[places->count - 1] >> 32) + 1) << 32;
    }
}

/* Keeps those at which the cursor's term is where it must be, too. */
static void keep_places(struct cursor *cursor, size_t *next, struct places *places)
{
    uint64_t *all = places->all, offset = cursor->offset;
    size_t kept = 0, i = 0;

    while (i < places->count) {
        if (*next == cursor->count) {
            uint32_t block, document = (uint32_t)(all[i] >> 32);

            /* By the index, when more blocks than places are left. */
            if (cursor->end_block - cursor->next_block > places->count - i) {
                if (!find_block(cursor, cursor->term, (int64_t)document - 1, &block))
                    break;
                if (block > cursor->next_block)
                    cursor->next_block = block;
            }
            *next = 0;
            if (cursor->is_over || !next_places(cursor))
                break;
        }
        size_t j = *next;

        while (i < places->count && j < cursor->count) {
            uint64_t sought = all[i] + offset, place = cursor->places[j];

            all[kept] = all[i];
            kept += sought == place;
            i += sought <= place;
            j += place <= sought;
        }
        *next = j;
    }
    places->count = kept;
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

bool search_is_short(const struct index_condition *condition)
{
    struct term_sequence sequence = {0};

    sequence_of(condition, &sequence);
    bool is_short = term_count(&sequence) == 0;

    term_sequence_free(&sequence);
    return is_short;
}

unsigned search_field_number(const struct entity *entity, const struct field *field)
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
    cursor->next_block = cursor->end_block = 0;
    cursor->count = 0;
    cursor->is_over = cursor->has_failed = false;
    cursors->all[cursors->count++] = cursor;
}

static int by_weight(const void *a, const void *b)
{
    const struct cursor *one = *(struct cursor *const *)a, *other = *(struct cursor *const *)b;
    uint32_t weight = one->end_block - one->next_block, other_weight = other->end_block - other->next_block;

    return (weight > other_weight) - (weight < other_weight);
}

/* Terms side by side that have all of the text's code points. */
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

static void add_documents(struct search_numbers *found, const struct places *places)
{
    for (size_t i = 0; i < places->count; i++)
        if (i == 0 || places->all[i] >> 32 != places->all[i - 1] >> 32)
            add_number(found, (uint32_t)(places->all[i] >> 32));
}

static bool has_failed(const struct cursors *cursors)
{
    for (unsigned i = 0; i < cursors->count; i++)
        if (cursors->all[i]->has_failed)
            return true;
    return false;
}

static uint64_t block_count(const struct cursors *cursors)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < cursors->count; i++)
        count += cursors->all[i]->end_block - cursors->all[i]->next_block;
    return count;
}

/* Begins with the rarest of the terms. */
static enum index_result find_text(struct cursors *cursors, uint32_t first, uint32_t end,
                                   struct search_numbers *found)
{
    struct places places = {0};
    size_t next[CURSORS_MAX] = {0};

    for (unsigned i = 0; i < cursors->count; i++)
        if (!begin(cursors->all[i], first, end))
            return INDEX_FAILED;
    if (block_count(cursors) > cursors->count + (uint64_t)(end - first) * ROW_BLOCKS)
        return INDEX_NO_HELP;
    qsort(cursors->all, cursors->count, sizeof(struct cursor *), by_weight);
    do {
        take_lead(cursors->all[0], &next[0], first, end, &places);
        for (unsigned i = 1; i < cursors->count && places.count > 0; i++)
            keep_places(cursors->all[i], &next[i], &places);
        add_documents(found, &places);
    } while ((!cursors->all[0]->is_over || next[0] < cursors->all[0]->count) && !has_failed(cursors));
    free(places.all);
    return has_failed(cursors) ? INDEX_FAILED : INDEX_ANSWERED;
}

/* ---- texts that are shorter than a term ---- */

/* They are where the terms are that begin with them. */
struct range {
    int64_t term, end_term;
    uint32_t first, end; /* documents */
    unsigned char *bits; /* of those that were found, from `first` on */
};

static void add_run(struct cursor *cursor, const struct range *range)
{
    size_t count = block_reader_take_run(&cursor->reader, cursor->places);

    for (size_t i = 0; i < count; i++) {
        uint32_t document = (uint32_t)(cursor->places[i] >> 32);

        if (document >= range->first && document < range->end)
            range->bits[(document - range->first) / 8] |=
                (unsigned char)(1U << (document - range->first) % 8);
    }
}

static bool add_runs(struct cursor *cursor, const struct range *range)
{
    if (!find_block(cursor, range->term, -1, &cursor->next_block))
        return false;
    cursor->end_block = cursor->segment->posting_blocks;
    while (read_block(cursor)) {
        struct block_reader *reader = &cursor->reader;

        for (bool is_there = block_reader_seek_term(reader, range->term); is_there;
             is_there = block_reader_next_run(reader)) {
            if (reader->posting.term >= range->end_term)
                return true;
            add_run(cursor, range);
        }
        if (reader->is_damaged)
            return fail(cursor);
    }
    return !cursor->has_failed;
}

static enum index_result find_range(struct cursor *cursor, struct range *range, struct search_numbers *found)
{
    uint32_t count = range->end - range->first;

    range->bits = calloc(count / 8 + 1, 1);
    if (!range->bits)
        abort();
    bool is_done = add_runs(cursor, range);

    for (uint32_t i = 0; is_done && i < count; i++) {
        if (i % SEARCH_NUMBERS_BETWEEN_OFFERS == 0)
            search_offer(cursor->tables);
        if (range->bits[i / 8] >> i % 8 & 1)
            add_number(found, range->first + i);
    }
    free(range->bits);
    return is_done ? INDEX_ANSWERED : INDEX_FAILED;
}

/* ---- all conditions ---- */

static enum index_result find_one(struct search_tables *tables, const struct search_segment *segment,
                                  const struct index_condition *condition, uint32_t first, uint32_t end,
                                  struct search_numbers *found)
{
    struct term_sequence sequence = {0};
    struct cursors cursors = {0};
    unsigned field = search_field_number(tables->entity, condition->field);
    enum index_result result;

    sequence_of(condition, &sequence);
    if (term_count(&sequence) > 0) {
        open_cursors(&cursors, tables, segment, &sequence, field);
        result = find_text(&cursors, first, end, found);
    } else {
        struct range range = {.first = first, .end = end};

        term_range(&sequence, field, &range.term, &range.end_term);
        add_cursor(&cursors, tables, segment, range.term, 0);
        result = find_range(cursors.all[0], &range, found);
    }
    close_cursors(&cursors);
    term_sequence_free(&sequence);
    return result;
}

enum index_result search_postings(struct search_tables *tables, const struct search_segment *segment,
                                  const struct index_condition *conditions, size_t count, uint32_t first,
                                  uint32_t end, struct search_numbers *found)
{
    enum index_result result = INDEX_ANSWERED;

    for (size_t i = 0; result == INDEX_ANSWERED && i < count && (i == 0 || found->count > 0); i++) {
        struct search_numbers these = {0};

        result = find_one(tables, segment, &conditions[i], first, end, i == 0 ? found : &these);
        if (i > 0)
            keep_common(tables, found, &these);
        search_numbers_free(&these);
    }
    return result;
}
