#include "store/sqlite/search/merge.h"

#include "store/sqlite/handle.h"

#include <stdlib.h>
#include <string.h>

#define NO_NUMBER UINT32_MAX

enum { OFFER_DOCUMENTS = 128, OFFER_POSTINGS = 512 }; /* after which the processor is offered, perhaps */

/* Where documents and postings come from. */
struct source {
    struct search_segment segment;      /* unless it is memory */
    const struct search_memory *memory; /* or NULL */
    uint32_t document_count;
    uint32_t *numbers; /* of its documents in the new segment; NO_NUMBER: void when this began */
    struct search_bits voided;

    uint32_t next_document;
    struct search_documents documents; /* the row that has the one before that */
    struct search_place place;         /* of the document that is next */
    bool has_place;

    uint32_t next_block;
    size_t next_posting; /* of memory */
    char bytes[BLOCK_BYTES_MAX];
    struct block_reader reader;
    struct posting posting; /* that is next, with its new number */
    bool has_posting;
};

struct search_merge {
    struct search_tables *tables;
    struct search_segment made;
    bool has_documents, is_reading_postings;
    bool has_failed;
    uint32_t blocks; /* read and written in this step */

    struct search_documents documents; /* not written yet */
    struct block_writer writer;
    uint64_t posting_count;

    size_t source_count;
    struct source sources[];
};

/* Nothing asks the database behind this: its error tells whether it was the one that failed. */
static bool fail(struct search_merge *merge)
{
    merge->has_failed = true;
    return false;
}

/* ---- documents ---- */

/* To the source's next document that is not void. */
static void next_document(struct search_merge *merge, struct source *source)
{
    source->has_place = false;
    while (source->next_document < source->document_count && !merge->has_failed) {
        uint32_t number = source->next_document++;

        if (search_bit(&source->voided, number))
            continue;
        source->has_place = true;
        if (source->memory) {
            source->place = source->memory->places[number];
            return;
        }
        if (source->documents.count == 0 || number - source->documents.first >= source->documents.count) {
            merge->blocks++;
            if (!search_documents_read(merge->tables, source->segment.number, number, &source->documents)) {
                fail(merge);
                return;
            }
        }
        source->place = search_document(&source->documents, number - source->documents.first);
        return;
    }
}

static void write_documents(struct search_merge *merge)
{
    struct search_documents *documents = &merge->documents;

    if (documents->count == 0 || merge->has_failed)
        return;
    struct search_place first = search_document(documents, 0);
    sqlite3_stmt *statement = SEARCH_STATEMENT(
        merge->tables, SEARCH_DOCUMENTS_ADD, SEARCH_BLOCK(merge->made.number, documents->first),
        merge->made.number, first.scope, first.created_at_us, first.key);

    if (statement) {
        sqlite3_bind_text(statement, 6, documents->status.data, (int)documents->status.length, SQLITE_STATIC);
        sqlite3_bind_blob(statement, 7, documents->data, (int)(documents->count * SEARCH_DOCUMENT_BYTES),
                          SQLITE_STATIC);
    }
    if (!search_run(statement))
        fail(merge);
    documents->count = 0;
    merge->blocks++;
}

static void add_document(struct search_merge *merge, const struct search_place *place)
{
    struct search_documents *documents = &merge->documents;

    if (documents->count == SEARCH_DOCUMENTS_OF_BLOCK ||
        (documents->count > 0 &&
         (documents->scope != place->scope || !text_equal(documents->status, place->status))))
        write_documents(merge);
    if (documents->count == 0) {
        documents->scope = place->scope;
        documents->first = merge->made.document_count;
        memcpy(documents->room, place->status.data, place->status.length);
        documents->status = (struct text){documents->room, place->status.length};
    }
    search_document_encode(documents->data + (size_t)documents->count * SEARCH_DOCUMENT_BYTES,
                           place->created_at_us, place->key);
    documents->count++;
    merge->made.document_count++;
}

static struct source *first_by_place(struct search_merge *merge)
{
    struct source *first = NULL;

    for (size_t i = 0; i < merge->source_count; i++) {
        struct source *source = &merge->sources[i];

        if (source->has_place && (!first || search_place_compare(&source->place, &first->place) < 0))
            first = source;
    }
    return first;
}

static void merge_documents(struct search_merge *merge, uint32_t blocks)
{
    while (merge->blocks < blocks && !merge->has_failed) {
        struct source *source = first_by_place(merge);

        if (!source) {
            write_documents(merge);
            merge->has_documents = true;
            return;
        }
        if (merge->made.document_count % OFFER_DOCUMENTS == 0)
            search_offer(merge->tables);
        source->numbers[source->next_document - 1] = merge->made.document_count;
        add_document(merge, &source->place);
        next_document(merge, source);
    }
}

/* ---- postings ---- */

static bool next_of_memory(struct source *source)
{
    if (source->next_posting == source->memory->posting_count)
        return false;
    source->posting = source->memory->postings[source->next_posting++];
    return true;
}

static bool read_block(struct search_merge *merge, struct source *source)
{
    sqlite3_stmt *statement = SEARCH_STATEMENT(merge->tables, SEARCH_POSTINGS_READ,
                                               SEARCH_BLOCK(source->segment.number, source->next_block));
    int code = statement ? sqlite3_step(statement) : SQLITE_ERROR;
    struct text data = code == SQLITE_ROW ? search_blob(statement, 0) : text_empty;
    bool is_read = data.length > 0 && data.length <= sizeof source->bytes;

    if (is_read)
        memcpy(source->bytes, data.data, data.length);
    if (statement)
        sqlite3_reset(statement);
    block_reader_begin(&source->reader, (struct text){source->bytes, is_read ? data.length : 0});
    source->next_block++;
    merge->blocks++;
    return is_read || fail(merge);
}

static bool next_of_segment(struct search_merge *merge, struct source *source)
{
    while (!block_reader_next(&source->reader)) {
        if (source->reader.is_damaged)
            return fail(merge);
        if (source->next_block == source->segment.posting_blocks || !read_block(merge, source))
            return false;
    }
    source->posting = source->reader.posting;
    return true;
}

/* To the source's next posting in a document that is not void. */
static void next_posting(struct search_merge *merge, struct source *source)
{
    while (!merge->has_failed && (source->memory ? next_of_memory(source) : next_of_segment(merge, source))) {
        uint32_t number = source->posting.document;

        if (number >= source->document_count) {
            fail(merge);
            break;
        }
        if (source->numbers[number] == NO_NUMBER)
            continue;
        source->posting.document = source->numbers[number];
        source->has_posting = true;
        return;
    }
    source->has_posting = false;
}

static void begin_postings(struct search_merge *merge)
{
    for (size_t i = 0; i < merge->source_count; i++) {
        block_reader_begin(&merge->sources[i].reader, text_empty);
        next_posting(merge, &merge->sources[i]);
    }
    merge->is_reading_postings = true;
}

static void write_block(struct search_merge *merge)
{
    struct block_writer *writer = &merge->writer;

    if (block_writer_is_empty(writer) || merge->has_failed)
        return;
    struct text bytes = block_writer_finish(writer);
    sqlite3_stmt *statement = SEARCH_STATEMENT(
        merge->tables, SEARCH_POSTINGS_ADD, SEARCH_BLOCK(merge->made.number, merge->made.posting_blocks),
        merge->made.number, writer->first.term, writer->first.document);

    if (statement)
        sqlite3_bind_blob(statement, 5, bytes.data, (int)bytes.length, SQLITE_STATIC);
    if (!search_run(statement))
        fail(merge);
    block_writer_clear(writer);
    merge->made.posting_blocks++;
    merge->blocks++;
}

/* Postings out of order are of damaged blocks. */
static void add_posting(struct search_merge *merge, const struct posting *posting)
{
    struct block_writer *writer = &merge->writer;

    if (++merge->posting_count % OFFER_POSTINGS == 0)
        search_offer(merge->tables);
    if (!block_writer_is_empty(writer) && posting_compare(&writer->last, posting) >= 0) {
        fail(merge);
        return;
    }
    if (!block_writer_add(writer, posting)) {
        write_block(merge);
        block_writer_add(writer, posting);
    }
}

/* The source whose posting comes first, and in *bound that of the one that comes next; NULL: there is none.
 */
static struct source *first_by_posting(struct search_merge *merge, const struct posting **bound)
{
    struct source *first = NULL;

    *bound = NULL;
    for (size_t i = 0; i < merge->source_count; i++) {
        struct source *source = &merge->sources[i];

        if (!source->has_posting)
            continue;
        if (!first || posting_compare(&source->posting, &first->posting) < 0) {
            *bound = first ? &first->posting : NULL;
            first = source;
        } else if (!*bound || posting_compare(&source->posting, *bound) < 0) {
            *bound = &source->posting;
        }
    }
    return first;
}

/* True when there are no more. */
static bool merge_postings(struct search_merge *merge, uint32_t blocks)
{
    if (!merge->is_reading_postings)
        begin_postings(merge);
    while (merge->blocks < blocks && !merge->has_failed) {
        const struct posting *bound;
        struct source *source = first_by_posting(merge, &bound);

        if (!source) {
            write_block(merge);
            return true;
        }
        do {
            add_posting(merge, &source->posting);
            next_posting(merge, source);
        } while (source->has_posting && (!bound || posting_compare(&source->posting, bound) < 0) &&
                 merge->blocks < blocks && !merge->has_failed);
    }
    return false;
}

/* ---- the whole ---- */

/* What became void while this was under way. */
static bool carry_over_void(struct search_merge *merge, const struct source *source,
                            const struct search_segment *now)
{
    struct search_bits bits;
    bool is_done = search_void_read(merge->tables, now, &bits);

    for (uint32_t i = 0; is_done && bits.bytes && i < source->document_count; i++)
        if (search_bit(&bits, i) && source->numbers[i] != NO_NUMBER)
            is_done = search_void_set(merge->tables, &merge->made, source->numbers[i]);
    search_bits_free(&bits);
    return is_done;
}

static bool finish(struct search_merge *merge)
{
    merge->made.state = merge->made.document_count ? SEARCH_LIVE : SEARCH_DROPPED;
    for (size_t i = 0; i < merge->source_count; i++) {
        const struct source *source = &merge->sources[i];
        struct search_segment now;
        bool is_there;

        if (source->memory)
            continue;
        if (!search_segment_of(merge->tables, source->segment.number, &now, &is_there) || !is_there ||
            !carry_over_void(merge, source, &now))
            return false;
        now.state = SEARCH_DROPPED;
        if (!search_segment_set(merge->tables, &now))
            return false;
    }
    return search_segment_set(merge->tables, &merge->made);
}

/* Whether everything is as the step before has left it. */
static bool is_current(struct search_merge *merge, bool *is_current)
{
    struct search_segment row;
    bool is_there;

    if (!search_segment_of(merge->tables, merge->made.number, &row, &is_there))
        return false;
    *is_current = is_there && row.state == SEARCH_BUILDING && row.steps == merge->made.steps;
    for (size_t i = 0; i < merge->source_count && *is_current; i++) {
        if (merge->sources[i].memory)
            continue;
        if (!search_segment_of(merge->tables, merge->sources[i].segment.number, &row, &is_there))
            return false;
        *is_current =
            is_there && row.state == SEARCH_LIVE && row.document_count == merge->sources[i].document_count;
    }
    return true;
}

enum search_progress search_merge_step(struct search_merge *merge, uint32_t blocks)
{
    bool is_merged = false, is_as_left;

    if (!is_current(merge, &is_as_left))
        return SEARCH_FAILED;
    if (!is_as_left)
        return SEARCH_STALE;
    merge->blocks = 0;
    if (!merge->has_documents)
        merge_documents(merge, blocks);
    if (merge->has_documents && !merge->has_failed)
        is_merged = merge_postings(merge, blocks);
    merge->made.steps++;
    if (merge->has_failed || !(is_merged ? finish(merge) : search_segment_set(merge->tables, &merge->made)))
        return SEARCH_FAILED;
    return is_merged ? SEARCH_MERGED : SEARCH_UNDER_WAY;
}

static bool begin_source(struct search_merge *merge, struct source *source)
{
    source->numbers = malloc((source->document_count + 1) * sizeof *source->numbers);
    if (!source->numbers)
        abort();
    memset(source->numbers, 0xFF, (source->document_count + 1) * sizeof *source->numbers);
    if (!source->memory && !search_void_read(merge->tables, &source->segment, &source->voided))
        return false;
    next_document(merge, source);
    return !merge->has_failed;
}

struct search_merge *search_merge_begin(struct search_tables *tables, const struct search_segment *segments,
                                        size_t count, const struct search_memory *memories,
                                        size_t memory_count)
{
    struct search_merge *merge = calloc(1, sizeof *merge + (count + memory_count) * sizeof merge->sources[0]);

    if (!merge)
        abort();
    merge->tables = tables;
    merge->made = (struct search_segment){.state = SEARCH_BUILDING, .void_since_us = INSTANT_UNSET};
    for (size_t i = 0; i < count; i++)
        merge->sources[merge->source_count++] =
            (struct source){.segment = segments[i], .document_count = segments[i].document_count};
    for (size_t i = 0; i < memory_count; i++)
        merge->sources[merge->source_count++] =
            (struct source){.memory = &memories[i], .document_count = (uint32_t)memories[i].document_count};
    bool is_begun = search_segment_add(tables, &merge->made);

    for (size_t i = 0; is_begun && i < merge->source_count; i++)
        is_begun = begin_source(merge, &merge->sources[i]);
    if (is_begun)
        return merge;
    search_merge_free(merge);
    return NULL;
}

bool search_merge_has(const struct search_merge *merge, int64_t segment)
{
    if (merge->made.number == segment)
        return true;
    for (size_t i = 0; i < merge->source_count; i++)
        if (!merge->sources[i].memory && merge->sources[i].segment.number == segment)
            return true;
    return false;
}

bool search_merge_drop(struct search_merge *merge)
{
    struct search_segment row;
    bool is_there;

    if (!search_segment_of(merge->tables, merge->made.number, &row, &is_there))
        return false;
    if (!is_there || row.state != SEARCH_BUILDING)
        return true;
    row.state = SEARCH_DROPPED;
    return search_segment_set(merge->tables, &row);
}

void search_merge_free(struct search_merge *merge)
{
    if (!merge)
        return;
    for (size_t i = 0; i < merge->source_count; i++) {
        free(merge->sources[i].numbers);
        search_bits_free(&merge->sources[i].voided);
    }
    block_writer_free(&merge->writer);
    free(merge);
}
