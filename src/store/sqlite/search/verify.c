/* verify.c: compares the index with the rows that it is of (search.h). */
#include "store/sqlite/search/block.h"
#include "store/sqlite/search/search.h"
#include "store/sqlite/search/tables.h"
#include "store/sqlite/search/term.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A sum over the terms of a document, in which any other term or position makes another one. */
struct verification {
    struct search_tables *tables;
    struct buffer *findings;
    unsigned left; /* findings that may still be told */
    bool has_failed;
    uint64_t keys_of_documents, keys_of_rows; /* sums */
    struct term_sequence sequence;
};

/* The finalizer of splitmix64. */
static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
    return value ^ value >> 31;
}

static uint64_t term_sum(int64_t term, uint32_t position)
{
    return mix(mix((uint64_t)term) + position);
}

__attribute__((format(printf, 2, 3))) static void tell(struct verification *verification, const char *format,
                                                       ...)
{
    char line[256];
    va_list arguments;

    if (verification->left == 0)
        return;
    verification->left--;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    buffer_append(verification->findings, text_from_string(line));
    buffer_append_char(verification->findings, '\n');
}

/* ---- postings ---- */

static void add_block(struct verification *verification, const struct search_segment *segment,
                      struct text bytes, struct posting *last, uint64_t *sums)
{
    struct block_reader reader;

    block_reader_begin(&reader, bytes);
    while (block_reader_next(&reader)) {
        const struct posting *posting = &reader.posting;

        if (posting_compare(last, posting) >= 0 || posting->document >= segment->document_count) {
            reader.is_damaged = true;
            break;
        }
        sums[posting->document] += term_sum(posting->term, posting->position);
        *last = *posting;
    }
    if (reader.is_damaged)
        tell(verification, "segment %lld has postings that are damaged", (long long)segment->number);
}

static void add_postings(struct verification *verification, const struct search_segment *segment,
                         uint64_t *sums)
{
    struct posting last = {.term = -1};

    for (uint32_t block = 0; block < segment->posting_blocks && !verification->has_failed; block++) {
        sqlite3_stmt *statement = SEARCH_STATEMENT(verification->tables, SEARCH_POSTINGS_READ,
                                                   SEARCH_BLOCK(segment->number, block));
        int code = statement ? sqlite3_step(statement) : SQLITE_ERROR;

        if (code == SQLITE_ROW)
            add_block(verification, segment, search_blob(statement, 0), &last, sums);
        else if (code == SQLITE_DONE)
            tell(verification, "segment %lld lacks postings", (long long)segment->number);
        verification->has_failed |= !statement || !search_end(statement, code);
    }
}

/* ---- documents ---- */

enum { ROW_SCOPE, ROW_CREATED, ROW_STATUS, ROW_ID, ROW_TEXTS };

static uint64_t sum_of_row(struct verification *verification, sqlite3_stmt *row)
{
    uint64_t sum = 0;

    for (int column = ROW_TEXTS; column < sqlite3_column_count(row); column++) {
        struct text text = search_text(row, column);

        if (text.length == 0)
            continue;
        term_sequence_of_indexed(&verification->sequence, text);
        for (size_t position = 0; position < term_count(&verification->sequence); position++)
            sum += term_sum(term_at(&verification->sequence, position, (unsigned)(column - ROW_TEXTS)),
                            (uint32_t)position);
    }
    return sum;
}

static bool is_noted(struct verification *verification, int64_t key)
{
    sqlite3_stmt *statement = SEARCH_STATEMENT(verification->tables, SEARCH_IS_NOTED, key);
    int code = statement ? sqlite3_step(statement) : SQLITE_ERROR;

    verification->has_failed |= !statement || !search_end(statement, code);
    return code == SQLITE_ROW;
}

static void compare_document(struct verification *verification, const struct search_place *place,
                             uint64_t sum)
{
    if (is_noted(verification, place->key))
        return;
    sqlite3_stmt *row = SEARCH_STATEMENT(verification->tables, SEARCH_ROW, place->key);
    int code = row ? sqlite3_step(row) : SQLITE_ERROR;
    struct search_place now = {.key = place->key};

    if (code == SQLITE_ROW) {
        now.scope = sqlite3_column_int64(row, ROW_SCOPE);
        now.created_at_us = sqlite3_column_int64(row, ROW_CREATED);
        now.status = search_text(row, ROW_STATUS);
        if (search_place_compare(&now, place) != 0 || sum_of_row(verification, row) != sum)
            tell(verification, "%.*s is found by what it is not", TEXT_FORMAT(search_text(row, ROW_ID)));
    } else if (code == SQLITE_DONE) {
        tell(verification, "a row that is not there is found, of key %lld", (long long)place->key);
    }
    verification->keys_of_documents += mix((uint64_t)place->key);
    verification->has_failed |= !row || !search_end(row, code);
}

static void compare_documents(struct verification *verification, const struct search_segment *segment,
                              const struct search_bits *voided, const uint64_t *sums)
{
    struct search_documents documents = {0};
    struct search_place last = {.scope = INT64_MIN};
    char room[sizeof documents.room];

    for (uint32_t number = 0; number < segment->document_count && !verification->has_failed; number++) {
        if (number - documents.first >= documents.count &&
            !search_documents_read(verification->tables, segment->number, number, &documents)) {
            tell(verification, "segment %lld lacks documents", (long long)segment->number);
            verification->has_failed |= !search_is_damaged(verification->tables);
            return;
        }
        struct search_place place = search_document(&documents, number - documents.first);

        if (last.status.data && search_place_compare(&last, &place) >= 0)
            tell(verification, "segment %lld has documents out of order", (long long)segment->number);
        last = place;
        memcpy(room, place.status.data, place.status.length);
        last.status.data = room;
        if (!search_bit(voided, number))
            compare_document(verification, &place, sums[number]);
    }
}

static void verify_segment(struct verification *verification, const struct search_segment *segment)
{
    uint64_t *sums = calloc((size_t)segment->document_count + 1, sizeof *sums);
    struct search_bits voided;

    if (!sums)
        abort();
    if (!search_void_read(verification->tables, segment, &voided)) {
        tell(verification, "segment %lld does not tell what is void", (long long)segment->number);
        verification->has_failed |= !search_is_damaged(verification->tables);
    }
    if (search_bits_count(&voided, 0, segment->document_count) != segment->void_count)
        tell(verification, "segment %lld miscounts what is void", (long long)segment->number);
    add_postings(verification, segment, sums);
    compare_documents(verification, segment, &voided, sums);
    search_bits_free(&voided);
    free(sums);
}

/* ---- rows ---- */

static bool is_in_a_segment(struct verification *verification, const struct search_place *place,
                            const struct search_segment *segments, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct search_bits voided;
        uint32_t number;
        bool is_there, is_void;

        if (!search_documents_find(verification->tables, segments[i].number, place, &number, &is_there) ||
            !search_void_read(verification->tables, &segments[i], &voided))
            continue; /* which was told already */
        is_void = is_there && number < voided.count && search_bit(&voided, number);
        search_bits_free(&voided);
        if (is_there && !is_void)
            return true;
    }
    return false;
}

static void sum_rows(struct verification *verification)
{
    sqlite3_stmt *statement = search_statement(verification->tables, SEARCH_ROWS_NOT_NOTED, 0, NULL);
    int code = SQLITE_ERROR;

    while (statement && (code = sqlite3_step(statement)) == SQLITE_ROW)
        verification->keys_of_rows += mix((uint64_t)sqlite3_column_int64(statement, 0));
    verification->has_failed |= !statement || !search_end(statement, code);
}

static void count_orphans(struct verification *verification)
{
    sqlite3_stmt *statement = search_statement(verification->tables, SEARCH_ORPHANS, 0, NULL);
    int code = statement ? sqlite3_step(statement) : SQLITE_ERROR;

    if (code == SQLITE_ROW && sqlite3_column_int64(statement, 0) > 0)
        tell(verification, "%lld rows of the index are of no segment",
             (long long)sqlite3_column_int64(statement, 0));
    verification->has_failed |= !statement || !search_end(statement, code);
}

/* Which rows no segment has. Slow, for when there are some. */
static void name_missing(struct verification *verification, const struct search_segment *segments,
                         size_t count)
{
    sqlite3_stmt *statement = search_statement(verification->tables, SEARCH_ROWS_NOT_NOTED, 0, NULL);
    unsigned before = verification->left;
    int code = statement ? SQLITE_DONE : SQLITE_ERROR; /* also when no more may be told */

    while (statement && verification->left > 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct search_place place = {
            .key = sqlite3_column_int64(statement, 0),
            .scope = sqlite3_column_int64(statement, 1),
            .created_at_us = sqlite3_column_int64(statement, 2),
            .status = search_text(statement, 3),
        };

        if (!is_in_a_segment(verification, &place, segments, count))
            tell(verification, "%.*s cannot be found by a part of its name",
                 TEXT_FORMAT(search_text(statement, 4)));
    }
    verification->has_failed |= !statement || !search_end(statement, code);
    if (verification->left == before)
        tell(verification, "rows are in the index more than once");
}

bool sqlite_verify_index(struct connection *connection, const struct entity *entity, unsigned count_max,
                         struct buffer *findings)
{
    struct verification verification = {
        .tables = search_tables_of(connection, entity),
        .findings = findings,
        .left = count_max,
    };
    struct search_segment *segments;
    struct arena arena;
    size_t count;

    arena_init(&arena);
    verification.has_failed = !search_segments(verification.tables, SEARCH_LIVE, &arena, &segments, &count);
    for (size_t i = 0; i < count && !verification.has_failed; i++)
        verify_segment(&verification, &segments[i]);
    if (!verification.has_failed)
        count_orphans(&verification);
    if (!verification.has_failed)
        sum_rows(&verification);
    if (!verification.has_failed && verification.keys_of_documents != verification.keys_of_rows)
        name_missing(&verification, segments, count);
    term_sequence_free(&verification.sequence);
    arena_free(&arena);
    return !verification.has_failed;
}
