/* update.c: takes changed rows into the index, and keeps its segments few (search.h). */
#include "store/sqlite/search/intake.h"
#include "store/sqlite/search/merge.h"
#include "store/sqlite/search/search.h"

#include "base/instant.h"
#include "base/log.h"
#include "store/sqlite/handle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS_ALONE = SEARCH_INTAKE_ROWS_MAX, /* taken in at once */
    ROWS_BESIDE = 256,                   /* when others write: some milliseconds for them to wait */
    BLOCKS_ALONE = 256,
    BLOCKS_BESIDE = 64,
    SEGMENTS_WISHED = 12, /* with more of them merging has fallen behind, and goes on as if alone */
    /* Postings that are taken in at once, of rows whose texts are longer than usual; and of the segments that
     * are merged with rows as those come, documents and blocks. */
    POSTINGS_WISHED = 40000,
    AT_ONCE_DOCUMENTS_MAX = 2048,
    AT_ONCE_BLOCKS_MAX = 96,
    /* A segment is merged with smaller ones that have together more than this part of its documents. */
    PART_ALONE = 4,
    PART_BESIDE = 2,
    /* And so many at once: a few at a time would write each document again and again, but while rows wait to
     * be taken in nothing is won by having fewer segments. */
    MERGED_MIN = 2,
    MERGED_MIN_BUSY = 4,
    MERGED_MAX = 16,
    VOID_PART = 8, /* a segment is made anew when this part of it is void */
};

/* Or when a document has been void for so long: what it was made of shall not stay. */
#define VOID_AGE_MAX_US (INT64_C(7) * 24 * 60 * 60 * MICROSECONDS_PER_SECOND)

/* The document that is not void yet is in one segment only. */
static bool void_one(struct search_tables *tables, const struct search_place *place,
                     struct search_segment *segments, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t number, before = segments[i].void_count;
        bool is_there;

        search_offer(tables);
        if (!search_documents_find(tables, segments[i].number, place, &number, &is_there) ||
            (is_there && !search_void_set(tables, &segments[i], number)))
            return false;
        if (segments[i].void_count > before)
            break;
    }
    return true;
}

/* What segments have of the rows is void now. */
static bool void_old(struct search_tables *tables, const struct search_intake *intake,
                     struct search_segment *segments, size_t count)
{
    for (size_t i = 0; i < intake->old_count; i++)
        if (!void_one(tables, &intake->old[i], segments, count))
            return false;
    for (size_t i = 0; intake->old_count > 0 && i < count; i++)
        if (segments[i].void_count > 0 && !search_segment_set(tables, &segments[i]))
            return false;
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
 * that. */
static size_t count_merged(const struct search_segment *segments, size_t count, uint32_t documents,
                           uint32_t part, uint32_t documents_max, uint32_t blocks_max)
{
    uint64_t sum = documents, blocks = 0;
    size_t merged = 0;

    for (; merged < count && merged < MERGED_MAX; merged++) {
        uint32_t size = size_of(&segments[merged]);

        blocks += segments[merged].posting_blocks;
        if (sum + size > documents_max || blocks > blocks_max || (sum > 0 && size >= part * sum))
            break;
        sum += size;
    }
    return merged;
}

/* ---- taking in ---- */

/* The rows and the smallest segments become one; while there are more rows to come, the rows alone. */
static bool make_segment(struct search_tables *tables, const struct search_intake *intake,
                         struct search_segment *segments, size_t count, uint32_t part)
{
    uint32_t documents = search_intake_documents(intake);

    count = free_segments(tables, segments, count);
    if (documents == 0)
        return true;
    if (part > 0)
        count = count_merged(segments, count, documents, part, AT_ONCE_DOCUMENTS_MAX, AT_ONCE_BLOCKS_MAX);
    struct search_merge *merge =
        search_merge_begin(tables, segments, part > 0 ? count : 0, intake->memories, intake->memory_count);
    bool is_made = merge && search_merge_step(merge, UINT32_MAX) == SEARCH_MERGED;

    search_merge_free(merge);
    return is_made;
}

/* How many rows to take, by what those before had. */
static int64_t rows_at_once(const struct search_tables *tables, bool is_alone)
{
    int64_t usual = is_alone ? ROWS_ALONE : ROWS_BESIDE,
            fitting = POSTINGS_WISHED / (tables->postings_of_row + 1) + 1;

    return tables->postings_of_row && fitting < usual ? fitting : usual;
}

static void note_size(struct search_tables *tables, const struct search_intake *intake)
{
    if (intake->row_count)
        tables->postings_of_row = (uint32_t)(search_intake_postings(intake) / intake->row_count);
}

static bool take_in(struct search_tables *tables, bool is_alone, struct arena *arena, size_t *count,
                    bool *is_more)
{
    int64_t count_max = rows_at_once(tables, is_alone);
    struct search_intake intake = {.arena = arena};
    struct search_segment *segments;
    size_t segment_count = 0;
    bool is_done = search_intake_take(tables, &intake, count_max);

    *is_more = intake.row_count == (size_t)count_max;
    if (is_done && intake.row_count > 0)
        is_done = search_segments(tables, SEARCH_LIVE, arena, &segments, &segment_count) &&
                  void_old(tables, &intake, segments, segment_count) &&
                  make_segment(tables, &intake, segments, segment_count,
                               *is_more   ? 0
                               : is_alone ? PART_ALONE
                                          : PART_BESIDE) &&
                  search_run(SEARCH_STATEMENT(tables, SEARCH_NOTED_REMOVE, count_max));
    if (is_done && intake.row_count > 0)
        tables->segment_count = segment_count;
    note_size(tables, &intake);
    search_intake_free(&intake);
    *count = intake.row_count;
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
static struct search_segment *choose(struct search_segment *segments, size_t *count, uint32_t part,
                                     size_t merged_min)
{
    int64_t now_us = instant_now_us();

    for (size_t i = 0; i < *count; i++) {
        size_t merged =
            count_merged(segments + i, *count - i, 0, part, SEARCH_SEGMENT_DOCUMENTS_MAX, UINT32_MAX);

        if (merged >= merged_min || is_worn(&segments[i], now_us)) {
            *count = merged > 1 ? merged : 1;
            return segments + i;
        }
    }
    *count = 0;
    return NULL;
}

static bool begin_merge(struct search_tables *tables, bool is_alone, bool is_busy, struct arena *arena)
{
    struct search_segment *segments;
    size_t count;

    if (!search_segments(tables, SEARCH_LIVE, arena, &segments, &count))
        return false;
    count = free_segments(tables, segments, count);
    segments =
        choose(segments, &count, is_alone ? PART_ALONE : PART_BESIDE, is_busy ? MERGED_MIN_BUSY : MERGED_MIN);
    if (count == 0)
        return true;
    tables->merge = search_merge_begin(tables, segments, count, NULL, 0);
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

/* Runs a statement that removes at most *blocks rows of a segment, and takes them off. */
static bool remove_blocks(struct search_tables *tables, enum search_statement which, int64_t segment,
                          uint32_t *blocks)
{
    if (!search_run(SEARCH_STATEMENT(tables, which, SEARCH_BLOCK(segment, 0),
                                     SEARCH_BLOCK(segment, UINT32_MAX), *blocks)))
        return false;
    *blocks -= (uint32_t)sqlite3_changes64(sqlite_of(tables->connection)->handle);
    return true;
}

/* Removes what a dropped segment has, as far as *blocks go. */
static bool sweep_segment(struct search_tables *tables, int64_t segment, uint32_t *blocks)
{
    if (!remove_blocks(tables, SEARCH_POSTINGS_REMOVE, segment, blocks))
        return false;
    if (*blocks == 0)
        return true;
    if (!remove_blocks(tables, SEARCH_DOCUMENTS_REMOVE, segment, blocks))
        return false;
    if (*blocks == 0)
        return true;
    --*blocks;
    return search_run(SEARCH_STATEMENT(tables, SEARCH_VOID_REMOVE, segment)) &&
           search_run(SEARCH_STATEMENT(tables, SEARCH_SEGMENT_REMOVE, segment));
}

/* Removes some of what dropped segments have: of several, because rows that are taken in may leave several
 * behind each time. */
static bool sweep(struct search_tables *tables, uint32_t blocks, struct arena *arena, bool *has_swept)
{
    struct search_segment *segments;
    size_t count;
    bool is_done = search_segments(tables, SEARCH_DROPPED, arena, &segments, &count);

    *has_swept = count > 0;
    for (size_t i = 0; is_done && i < count && blocks > 0; i++)
        is_done = sweep_segment(tables, segments[i].number, &blocks);
    return is_done;
}

/* Sweeping does not keep merging from going on, or segments would become many while others write. */
static bool tidy(struct search_tables *tables, bool is_alone, bool is_busy, struct arena *arena,
                 bool *has_tidied)
{
    bool is_quick = is_alone || tables->segment_count > SEGMENTS_WISHED;
    uint32_t blocks = (is_quick ? BLOCKS_ALONE : BLOCKS_BESIDE) / 2;

    if (!tables->merge && !drop_unfinished(tables, arena))
        return false;
    if (!sweep(tables, blocks, arena, has_tidied))
        return false;
    if (!tables->merge && !begin_merge(tables, is_alone, is_busy, arena))
        return false;
    *has_tidied |= tables->merge != NULL;
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
                   tidy(tables, is_alone, has_rows, &arena, &has_tidied);

    if (!is_done && search_is_damaged(tables)) {
        is_done = begin_anew(tables, &arena);
        has_tidied = true;
    }
    *count = (int64_t)row_count + has_tidied;
    *is_more = has_rows || has_tidied;
    arena_free(&arena);
    return is_done;
}
