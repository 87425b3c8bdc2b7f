#include "store/sqlite/search/intake.h"

#include <stdlib.h>
#include <string.h>

static void *grow(void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity ? *capacity * 2 : 1024;
    items = realloc(items, *capacity * size);
    if (!items)
        abort();
    return items;
}

static void add_terms(struct search_intake *intake, struct search_memory *memory, unsigned field,
                      struct text text)
{
    if (text.length == 0)
        return;
    term_sequence_of_indexed(&intake->sequence, text);
    for (size_t position = 0; position < term_count(&intake->sequence); position++) {
        memory->postings = grow(memory->postings, memory->posting_count, &intake->posting_capacity,
                                sizeof *memory->postings);
        memory->postings[memory->posting_count++] =
            (struct posting){term_at(&intake->sequence, position, field), (uint32_t)memory->document_count,
                             (uint32_t)position};
    }
}

/* ---- sorting ---- */

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, DIGIT_COUNT = 6 /* of 63 bits */ };

/* Where the postings of each value of a digit go. False when all have the same. */
static bool count_digits(const struct posting *postings, size_t count, unsigned shift, uint32_t *starts)
{
    uint32_t start = 0;

    memset(starts, 0, DIGITS * sizeof *starts);
    for (size_t i = 0; i < count; i++)
        starts[postings[i].term >> shift & (DIGITS - 1)]++;
    if (starts[postings[0].term >> shift & (DIGITS - 1)] == count)
        return false;
    for (unsigned digit = 0; digit < DIGITS; digit++) {
        uint32_t digit_count = starts[digit];

        starts[digit] = start;
        start += digit_count;
    }
    return true;
}

/* By their terms, the rest stays in its order: as rows come one after the other and texts are gone through
 * from their beginning, postings of a term are in order already. */
static void sort(struct search_memory *memory)
{
    static _Thread_local uint32_t starts[DIGITS];
    size_t bytes = memory->posting_count * sizeof(struct posting);
    struct posting *from = memory->postings, *to = malloc(bytes + 1);

    if (!to)
        abort();
    for (unsigned digit = 0; memory->posting_count > 0 && digit < DIGIT_COUNT; digit++) {
        unsigned shift = digit * DIGIT_BITS;
        struct posting *sorted = to;

        if (!count_digits(from, memory->posting_count, shift, starts))
            continue;
        for (size_t i = 0; i < memory->posting_count; i++)
            to[starts[from[i].term >> shift & (DIGITS - 1)]++] = from[i];
        to = from;
        from = sorted;
    }
    memory->postings = from;
    free(to);
}

/* ---- rows ---- */

static void sort_last(struct search_intake *intake)
{
    if (intake->memory_count == 0)
        return;
    sort(&intake->memories[intake->memory_count - 1]);
}

/* Where the next row goes. */
static struct search_memory *next_memory(struct search_intake *intake)
{
    if (intake->memory_count > 0 &&
        intake->memories[intake->memory_count - 1].document_count < SEARCH_INTAKE_PART_ROWS)
        return &intake->memories[intake->memory_count - 1];
    sort_last(intake);
    intake->posting_capacity = 0;
    struct search_memory *memory = &intake->memories[intake->memory_count++];

    memory->places = ARENA_ARRAY(intake->arena, struct search_place, SEARCH_INTAKE_PART_ROWS);
    return memory;
}

static void take_row(struct search_intake *intake, sqlite3_stmt *statement)
{
    int64_t key = sqlite3_column_int64(statement, SEARCH_NOTED_KEY);

    intake->row_count++;
    if (!sqlite3_column_int(statement, SEARCH_NOTED_IS_NEW))
        intake->old[intake->old_count++] = (struct search_place){
            .scope = sqlite3_column_int64(statement, SEARCH_NOTED_OLD_SCOPE),
            .created_at_us = sqlite3_column_int64(statement, SEARCH_NOTED_OLD_CREATED),
            .status = arena_copy(intake->arena, search_text(statement, SEARCH_NOTED_OLD_STATUS)),
            .key = key,
        };
    if (sqlite3_column_type(statement, SEARCH_NOTED_SCOPE) == SQLITE_NULL ||
        sqlite3_column_bytes(statement, SEARCH_NOTED_STATUS) > SEARCH_STATUS_BYTES_MAX)
        return; /* it was removed, or has a status that there is not */
    struct search_memory *memory = next_memory(intake);

    for (int column = SEARCH_NOTED_TEXTS; column < sqlite3_column_count(statement); column++)
        add_terms(intake, memory, (unsigned)(column - SEARCH_NOTED_TEXTS), search_text(statement, column));
    memory->places[memory->document_count++] = (struct search_place){
        .scope = sqlite3_column_int64(statement, SEARCH_NOTED_SCOPE),
        .created_at_us = sqlite3_column_int64(statement, SEARCH_NOTED_CREATED),
        .status = arena_copy(intake->arena, search_text(statement, SEARCH_NOTED_STATUS)),
        .key = key,
    };
}

bool search_intake_take(struct search_tables *tables, struct search_intake *intake, int64_t count_max)
{
    sqlite3_stmt *statement = SEARCH_STATEMENT(tables, SEARCH_NOTED_FIRST, count_max);
    int code = SQLITE_ERROR;

    intake->old = ARENA_ARRAY(intake->arena, struct search_place, count_max);
    while (statement && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        take_row(intake, statement);
        search_offer(tables);
    }
    sort_last(intake);
    term_sequence_free(&intake->sequence);
    return statement && search_end(statement, code);
}

uint32_t search_intake_documents(const struct search_intake *intake)
{
    uint32_t count = 0;

    for (size_t i = 0; i < intake->memory_count; i++)
        count += (uint32_t)intake->memories[i].document_count;
    return count;
}

uint64_t search_intake_postings(const struct search_intake *intake)
{
    uint64_t count = 0;

    for (size_t i = 0; i < intake->memory_count; i++)
        count += intake->memories[i].posting_count;
    return count;
}

void search_intake_free(struct search_intake *intake)
{
    for (size_t i = 0; i < intake->memory_count; i++)
        free(intake->memories[i].postings);
    intake->memory_count = 0;
}
