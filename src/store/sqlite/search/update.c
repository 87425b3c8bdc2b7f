/* update.c: takes changed rows into the index, and keeps its segments few (search.h). */
#include "store/sqlite/search/merge.h"
#include "store/sqlite/search/search.h"
#include "store/sqlite/search/term.h"

#include "base/instant.h"
#include "base/log.h"
#include "store/sqlite/handle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS_ALONE = 1024, /* taken in at once */
    ROWS_BESIDE = 256, /* when others write: some milliseconds for them to wait */
    BLOCKS_ALONE = 256,
    BLOCKS_BESIDE = 48,
    AT_ONCE_DOCUMENTS_MAX = 2048, /* of segments that are merged with rows as those come */
    /* A segment is merged with smaller ones that have together more than this part of its documents. */
    PART_ALONE = 4,
    PART_BESIDE = 2,
    MERGED_MAX = 16,
    VOID_PART = 8, /* a segment is made anew when this part of it is void */
};

/* Or when a document has been void for so long: what it was made of shall not stay. */
#define VOID_AGE_MAX_US (INT64_C(7) * 24 * 60 * 60 * MICROSECONDS_PER_SECOND)

/* ---- rows ---- */

enum { COLUMN_KEY, COLUMN_IS_NEW, COLUMN_OLD, COLUMN_SCOPE = 5, COLUMN_CREATED, COLUMN_STATUS, COLUMN_TEXTS };

/* Changed rows: where segments have them, and what they are now. */
struct intake {
    struct arena *arena;
    struct search_memory memory;
    size_t document_capacity, posting_capacity;
    struct search_place *old;
    size_t old_count, row_count;
    struct term_sequence sequence;
};

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

static struct text column_text(sqlite3_stmt *statement, int column)
{
    const char *data = (const char *)sqlite3_column_text(statement, column);

    return data ? (struct text){data, (size_t)sqlite3_column_bytes(statement, column)} : text_empty;
}

static void add_terms(struct intake *intake, unsigned field, struct text text)
{
    struct search_memory *memory = &intake->memory;

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

static void take_row(struct intake *intake, sqlite3_stmt *statement)
{
    struct search_memory *memory = &intake->memory;
    int64_t key = sqlite3_column_int64(statement, COLUMN_KEY);

    intake->row_count++;
    if (!sqlite3_column_int(statement, COLUMN_IS_NEW))
        intake->old[intake->old_count++] = (struct search_place){
            .scope = sqlite3_column_int64(statement, COLUMN_OLD),
            .created_at_us = sqlite3_column_int64(statement, COLUMN_OLD + 1),
            .status = arena_copy(intake->arena, column_text(statement, COLUMN_OLD + 2)),
            .key = key,
        };
    if (sqlite3_column_type(statement, COLUMN_SCOPE) == SQLITE_NULL)
        return; /* it was removed */
    for (int column = COLUMN_TEXTS; column < sqlite3_column_count(statement); column++)
        add_terms(intake, (unsigned)(column - COLUMN_TEXTS), column_text(statement, column));
    memory->places[memory->document_count++] = (struct search_place){
        .scope = sqlite3_column_int64(statement, COLUMN_SCOPE),
        .created_at_us = sqlite3_column_int64(statement, COLUMN_CREATED),
        .status = arena_copy(intake->arena, column_text(statement, COLUMN_STATUS)),
        .key = key,
    };
}

static int by_order(const void *a, const void *b)
{
    return posting_compare(a, b);
}

static bool take_rows(struct search_tables *tables, struct intake *intake, int64_t count_max)
{
    sqlite3_stmt *statement = SEARCH_STATEMENT(tables, SEARCH_NOTED_FIRST, count_max);
    int code = SQLITE_ERROR;

    intake->old = ARENA_ARRAY(intake->arena, struct search_place, count_max);
    intake->memory.places = ARENA_ARRAY(intake->arena, struct search_place, count_max);
    while (statement && (code = sqlite3_step(statement)) == SQLITE_ROW)
        take_row(intake, statement);
    if (intake->memory.posting_count)
        qsort(intake->memory.postings, intake->memory.posting_count, sizeof(struct posting), by_order);
    term_sequence_free(&intake->sequence);
    return statement && search_end(statement, code);
}

/* What segments have of the rows is void now. */
static bool void_old(struct search_tables *tables, const struct intake *intake,
                     struct search_segment *segments, size_t count)
{
    for (size_t i = 0; i < intake->old_count; i++)
        for (size_t j = 0; j < count; j++) {
            uint32_t number;
            bool is_there;

            if (!search_documents_find(tables, segments[j].number, &intake->old[i], &number, &is_there) ||
                (is_there && !search_void_set(tables, &segments[j], number)))
                return false;
        }
    return true;
}

/* ---- which segments to merge ---- */

static uint32_t size_of(const struct search_segment *segment)
{
    return segment->document_count - segment->void_count;
}

static int by_size(const void *a, const void *b)
{
    uint32_t one = size_of(a), other = size_of(b);

    return (one > other) - (one < other);
}

/* Leaves those that are in no merge, the smallest first. */
static size_t free_segments(const struct search_tables *tables, struct search_segment *segments, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        if (!tables->merge || !search_merge_has(tables->merge, segments[i].number))
            segments[kept++] = segments[i];
    if (kept)
        qsort(segments, kept, sizeof *segments, by_size);
    return kept;
}

/* How many of the smallest ones are to become one with `documents` more, which are not larger together than
 * `documents_max`. */
static size_t count_merged(const struct search_segment *segments, size_t count, uint32_t documents,
                           uint32_t part, uint32_t documents_max)
{
    uint64_t sum = documents;
    size_t merged = 0;

    for (; merged < count && merged < MERGED_MAX; merged++) {
        uint32_t size = size_of(&segments[merged]);

        if (sum + size > documents_max || (sum > 0 && size >= part * sum))
            break;
        sum += size;
    }
    return merged;
}

/* ---- taking in ---- */

static bool make_segment(struct search_tables *tables, const struct intake *intake,
                         struct search_segment *segments, size_t count, uint32_t part)
{
    uint32_t documents = (uint32_t)intake->memory.document_count;

    count = free_segments(tables, segments, count);
    if (documents == 0)
        return true;
    struct search_merge *merge = search_merge_begin(
        tables, segments, count_merged(segments, count, documents, part, AT_ONCE_DOCUMENTS_MAX),
        &intake->memory);
    bool is_made = merge && search_merge_step(merge, UINT32_MAX) == SEARCH_MERGED;

    search_merge_free(merge);
    return is_made;
}

static bool take_in(struct search_tables *tables, bool is_alone, struct arena *arena, size_t *count,
                    bool *is_more)
{
    int64_t count_max = is_alone ? ROWS_ALONE : ROWS_BESIDE;
    struct intake intake = {.arena = arena};
    struct search_segment *segments;
    size_t segment_count;
    bool is_done = take_rows(tables, &intake, count_max);

    if (is_done && intake.row_count > 0)
        is_done =
            search_segments(tables, SEARCH_LIVE, arena, &segments, &segment_count) &&
            void_old(tables, &intake, segments, segment_count) &&
            make_segment(tables, &intake, segments, segment_count, is_alone ? PART_ALONE : PART_BESIDE) &&
            search_run(SEARCH_STATEMENT(tables, SEARCH_NOTED_REMOVE, count_max));
    free(intake.memory.postings);
    *count = intake.row_count;
    *is_more = intake.row_count == (size_t)count_max;
    return is_done;
}

/* ---- merging ---- */

static bool is_worn(const struct search_segment *segment, int64_t now_us)
{
    return (uint64_t)segment->void_count * VOID_PART > segment->document_count ||
           (segment->void_count > 0 && segment->void_since_us != INSTANT_UNSET &&
            now_us - segment->void_since_us > VOID_AGE_MAX_US);
}

/* Which free ones are to become one: *count of them. */
static struct search_segment *choose(struct search_segment *segments, size_t *count, uint32_t part)
{
    int64_t now_us = instant_now_us();

    for (size_t i = 0; i < *count; i++) {
        size_t merged = count_merged(segments + i, *count - i, 0, part, SEARCH_SEGMENT_DOCUMENTS_MAX);

        if (merged > 1 || is_worn(&segments[i], now_us)) {
            *count = merged > 1 ? merged : 1;
            return segments + i;
        }
    }
    *count = 0;
    return NULL;
}

static bool begin_merge(struct search_tables *tables, bool is_alone, struct arena *arena)
{
    struct search_segment *segments;
    size_t count;

    if (!search_segments(tables, SEARCH_LIVE, arena, &segments, &count))
        return false;
    count = free_segments(tables, segments, count);
    segments = choose(segments, &count, is_alone ? PART_ALONE : PART_BESIDE);
    if (count == 0)
        return true;
    tables->merge = search_merge_begin(tables, segments, count, NULL);
    return tables->merge != NULL;
}

static bool go_on(struct search_tables *tables, uint32_t blocks)
{
    enum search_progress progress = search_merge_step(tables->merge, blocks);

    if (progress == SEARCH_UNDER_WAY)
        return true;
    bool is_dropped = progress != SEARCH_STALE || search_merge_drop(tables->merge);

    search_merge_free(tables->merge);
    tables->merge = NULL;
    return progress != SEARCH_FAILED && is_dropped;
}

/* Segments that a program before this one did not finish. */
static bool drop_unfinished(struct search_tables *tables, struct arena *arena)
{
    struct search_segment *segments;
    size_t count;
    bool is_done = search_segments(tables, SEARCH_BUILDING, arena, &segments, &count);

    for (size_t i = 0; is_done && i < count; i++) {
        segments[i].state = SEARCH_DROPPED;
        is_done = search_segment_set(tables, &segments[i]);
    }
    return is_done;
}

/* Removes some of what dropped segments have. */
static bool sweep(struct search_tables *tables, uint32_t blocks, struct arena *arena, bool *has_swept)
{
    sqlite3 *handle = sqlite_of(tables->connection)->handle;
    struct search_segment *segments;
    size_t count;

    *has_swept = false;
    if (!search_segments(tables, SEARCH_DROPPED, arena, &segments, &count))
        return false;
    if (count == 0)
        return true;
    int64_t number = segments[0].number, first = SEARCH_BLOCK(number, 0),
            last = SEARCH_BLOCK(number, UINT32_MAX);

    *has_swept = true;
    if (!search_run(SEARCH_STATEMENT(tables, SEARCH_POSTINGS_REMOVE, first, last, blocks)))
        return false;
    if (sqlite3_changes64(handle) > 0)
        return true;
    if (!search_run(SEARCH_STATEMENT(tables, SEARCH_DOCUMENTS_REMOVE, first, last, blocks)))
        return false;
    if (sqlite3_changes64(handle) > 0)
        return true;
    return search_run(SEARCH_STATEMENT(tables, SEARCH_VOID_REMOVE, number)) &&
           search_run(SEARCH_STATEMENT(tables, SEARCH_SEGMENT_REMOVE, number));
}

static bool tidy(struct search_tables *tables, bool is_alone, struct arena *arena, bool *has_tidied)
{
    uint32_t blocks = is_alone ? BLOCKS_ALONE : BLOCKS_BESIDE;

    if (!tables->merge && !drop_unfinished(tables, arena))
        return false;
    if (!sweep(tables, blocks, arena, has_tidied))
        return false;
    if (*has_tidied)
        return true;
    if (!tables->merge && !begin_merge(tables, is_alone, arena))
        return false;
    *has_tidied = tables->merge;
    return !tables->merge || go_on(tables, blocks);
}

/* ---- the whole ---- */

/* Drops all segments and notes all rows. */
static bool begin_anew(struct search_tables *tables, struct arena *arena)
{
    struct search_segment *segments;
    size_t count;

    LOG_WARNING("the index of searches is damaged and is made anew",
                LOG_TEXT("table", tables->entity->table));
    search_merge_free(tables->merge);
    tables->merge = NULL;
    if (!drop_unfinished(tables, arena) || !search_segments(tables, SEARCH_LIVE, arena, &segments, &count))
        return false;
    for (size_t i = 0; i < count; i++) {
        segments[i].state = SEARCH_DROPPED;
        if (!search_segment_set(tables, &segments[i]))
            return false;
    }
    return search_run(SEARCH_STATEMENT(tables, SEARCH_NOTE_ALL));
}

bool sqlite_index_searched(struct connection *connection, const struct entity *entity, bool is_alone,
                           int64_t *count, bool *is_more)
{
    struct search_tables *tables = search_tables_of(connection, entity);
    struct arena arena;
    size_t row_count = 0;
    bool has_rows = false, has_tidied = false;

    arena_init(&arena);
    bool is_done = take_in(tables, is_alone, &arena, &row_count, &has_rows) &&
                   tidy(tables, is_alone, &arena, &has_tidied);

    if (!is_done && search_is_damaged(tables)) {
        is_done = begin_anew(tables, &arena);
        has_tidied = true;
    }
    *count = (int64_t)row_count + has_tidied;
    *is_more = has_rows || has_tidied;
    arena_free(&arena);
    return is_done;
}
