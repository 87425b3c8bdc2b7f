#include "store/sqlite/search/tables.h"

#include "base/instant.h"
#include "base/processor.h"
#include "store/sqlite/handle.h"
#include "store/sqlite/search/merge.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { OFFER_US = 50 };

/* `@` stands for the name of the entity's table, `%` for the entity's own, `#` for the searched columns. */
static const char *const texts[SEARCH_STATEMENTS] = {
    [SEARCH_SEGMENTS] = "SELECT segment, state, documents, void, blocks, void_since, steps "
                        "FROM @_search_segments WHERE state = ?1 ORDER BY segment",
    [SEARCH_SEGMENT_OF] = "SELECT segment, state, documents, void, blocks, void_since, steps "
                          "FROM @_search_segments WHERE segment = ?1",
    [SEARCH_SEGMENT_ADD] =
        "INSERT INTO @_search_segments (state, documents, void, blocks, void_since, steps) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [SEARCH_SEGMENT_SET] = "UPDATE @_search_segments SET state = ?1, documents = ?2, void = ?3, blocks = ?4, "
                           "void_since = ?5, steps = ?6 WHERE segment = ?7",
    [SEARCH_SEGMENT_REMOVE] = "DELETE FROM @_search_segments WHERE segment = ?1",

    [SEARCH_DOCUMENTS_FIRST] = "SELECT block FROM @_search_documents WHERE segment = ?1 AND scope = ?2 "
                               "AND status = ?3 ORDER BY created_at, key LIMIT 1",
    [SEARCH_DOCUMENTS_LAST] = "SELECT block, length(data) FROM @_search_documents WHERE segment = ?1 AND "
                              "scope = ?2 AND status = ?3 ORDER BY created_at DESC, key DESC LIMIT 1",
    [SEARCH_DOCUMENTS_OF_PLACE] =
        "SELECT block, scope, status, data FROM @_search_documents WHERE segment = ?1 AND scope = ?2 AND "
        "status = ?5 AND (created_at, key) <= (?3, ?4) ORDER BY created_at DESC, key DESC LIMIT 1",
    [SEARCH_DOCUMENTS_OF_NUMBER] = "SELECT block, scope, status, data FROM @_search_documents "
                                   "WHERE block <= ?1 ORDER BY block DESC LIMIT 1",
    [SEARCH_DOCUMENTS_ADD] =
        "INSERT INTO @_search_documents (block, segment, scope, created_at, key, status, data) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SEARCH_DOCUMENTS_REMOVE] =
        "DELETE FROM @_search_documents WHERE block IN (SELECT block FROM @_search_documents "
        "WHERE block BETWEEN ?1 AND ?2 ORDER BY block LIMIT ?3)",

    [SEARCH_POSTINGS_OF_TERM] = "SELECT block FROM @_search_postings WHERE segment = ?1 AND "
                                "(term, document) <= (?2, ?3) ORDER BY term DESC, document DESC LIMIT 1",
    [SEARCH_POSTINGS_READ] = "SELECT data FROM @_search_postings WHERE block = ?1",
    [SEARCH_POSTINGS_ADD] = "INSERT INTO @_search_postings (block, segment, term, document, data) "
                            "VALUES (?1, ?2, ?3, ?4, ?5)",
    [SEARCH_POSTINGS_REMOVE] =
        "DELETE FROM @_search_postings WHERE block IN (SELECT block FROM @_search_postings "
        "WHERE block BETWEEN ?1 AND ?2 ORDER BY block LIMIT ?3)",

    [SEARCH_VOID_OF] = "SELECT part, bits FROM @_search_void WHERE segment = ?1 AND part BETWEEN ?2 AND ?3",
    [SEARCH_VOID_SET] = "INSERT INTO @_search_void (segment, part, bits) VALUES (?1, ?2, ?3) "
                        "ON CONFLICT DO UPDATE SET bits = excluded.bits",
    [SEARCH_VOID_REMOVE] = "DELETE FROM @_search_void WHERE segment = ?1",

    [SEARCH_NOTED] =
        "SELECT noted.key, noted.is_new, noted.scope, noted.created_at, noted.status, "
        "entity.scope, entity.created_at, entity.status# FROM (SELECT * FROM @_unindexed "
        "LIMIT ?2) AS noted LEFT JOIN @ AS entity ON entity.key = noted.key AND noted.scope = ?1",
    [SEARCH_NOTED_FIRST] = "SELECT noted.key, noted.is_new, noted.scope, noted.created_at, noted.status, "
                           "entity.scope, entity.created_at, entity.status# FROM (SELECT * FROM @_unindexed "
                           "ORDER BY key LIMIT ?1) AS noted LEFT JOIN @ AS entity ON entity.key = noted.key "
                           "ORDER BY entity.scope, entity.status, entity.created_at, entity.key",
    [SEARCH_NOTED_REMOVE] = "DELETE FROM @_unindexed WHERE key IN (SELECT key FROM @_unindexed ORDER BY key "
                            "LIMIT ?1)",
    [SEARCH_TIES] = "SELECT key FROM @ WHERE scope = ?1 AND status = ?3 AND created_at = ?2 ORDER BY id",
    [SEARCH_TIES_DESCENDING] =
        "SELECT key FROM @ WHERE scope = ?1 AND status = ?3 AND created_at = ?2 ORDER BY id DESC",
    [SEARCH_IS_NOTED] = "SELECT 1 FROM @_unindexed WHERE key = ?1",
    [SEARCH_ROW] = "SELECT entity.scope, entity.created_at, entity.status, entity.id# FROM @ AS entity "
                   "WHERE entity.key = ?1",
    [SEARCH_ROWS_NOT_NOTED] =
        "SELECT entity.key, entity.scope, entity.created_at, entity.status, entity.id FROM @ AS entity "
        "LEFT JOIN @_unindexed AS noted ON noted.key = entity.key WHERE noted.key IS NULL",
    [SEARCH_ORPHANS] =
        "SELECT (SELECT count(*) FROM @_search_postings WHERE segment NOT IN (SELECT segment FROM "
        "@_search_segments)) + (SELECT count(*) FROM @_search_documents WHERE segment NOT IN (SELECT segment "
        "FROM @_search_segments)) + (SELECT count(*) FROM @_search_void WHERE segment NOT IN (SELECT segment "
        "FROM @_search_segments))",
    [SEARCH_IS_MOST] = "SELECT COALESCE(SUM(count) FILTER (WHERE scope = ?1 AND ?2 IN ('', status)), 0) * 2 "
                       "> SUM(count) FROM row_counts WHERE entity_type = '%'",
    [SEARCH_NOTE_ALL] = "INSERT OR REPLACE INTO @_unindexed (key, is_new, scope, created_at, status) "
                        "SELECT key, 1, scope, created_at, status FROM @",
};

struct search_tables *search_tables_of(struct connection *connection, const struct entity *entity)
{
    struct search_tables **all = &sqlite_of(connection)->search, *tables = *all;

    while (tables && tables->entity != entity)
        tables = tables->next;
    if (tables)
        return tables;
    tables = calloc(1, sizeof *tables);
    if (!tables)
        abort();
    *tables = (struct search_tables){.connection = connection, .entity = entity, .next = *all};
    *all = tables;
    return tables;
}

void search_tables_free(struct search_tables *tables)
{
    while (tables) {
        struct search_tables *next = tables->next;

        for (size_t i = 0; i < SEARCH_STATEMENTS; i++)
            sqlite3_finalize(tables->statements[i]);
        search_merge_free(tables->merge);
        free(tables);
        tables = next;
    }
}

/* ---- statements ---- */

static void append_searched(struct buffer *sql, const struct entity *entity)
{
    for (size_t i = 0; i < entity->field_count; i++)
        if (entity->fields[i].flags & FIELD_SEARCHED)
            buffer_append_format(sql, ", entity.%.*s", TEXT_FORMAT(entity->fields[i].name));
}

static sqlite3_stmt *prepare(struct search_tables *tables, enum search_statement which)
{
    struct buffer sql = {0};
    sqlite3_stmt *statement = NULL;

    for (const char *next = texts[which]; *next; next++)
        if (*next == '@')
            buffer_append(&sql, tables->entity->table);
        else if (*next == '%')
            buffer_append(&sql, tables->entity->name);
        else if (*next == '#')
            append_searched(&sql, tables->entity);
        else
            buffer_append_char(&sql, *next);
    sqlite3_prepare_v3(sqlite_of(tables->connection)->handle, sql.data, (int)sql.length,
                       SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    buffer_free(&sql);
    return statement;
}

sqlite3_stmt *search_statement(struct search_tables *tables, enum search_statement which, size_t count,
                               const int64_t *integers)
{
    sqlite3_stmt *statement = tables->statements[which];

    if (!statement)
        statement = tables->statements[which] = prepare(tables, which);
    for (size_t i = 0; statement && i < count; i++)
        sqlite3_bind_int64(statement, (int)i + 1, integers[i]);
    return statement;
}

bool search_end(sqlite3_stmt *statement, int code)
{
    sqlite3_reset(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE;
}

bool search_run(sqlite3_stmt *statement)
{
    return statement && search_end(statement, sqlite3_step(statement));
}

struct text search_blob(sqlite3_stmt *statement, int column)
{
    const char *data = sqlite3_column_blob(statement, column);

    return data ? (struct text){data, (size_t)sqlite3_column_bytes(statement, column)} : text_empty;
}

void search_offer(struct search_tables *tables)
{
    struct sqlite_connection *connection = sqlite_of(tables->connection);
    int64_t now_us = monotonic_now_us();

    if (now_us - connection->offered_us < OFFER_US)
        return;
    processor_offer();
    connection->offered_us = monotonic_now_us();
}

struct text search_text(sqlite3_stmt *statement, int column)
{
    const char *data = (const char *)sqlite3_column_text(statement, column);

    return data ? (struct text){data, (size_t)sqlite3_column_bytes(statement, column)} : text_empty;
}

bool search_is_damaged(const struct search_tables *tables)
{
    int code = sqlite3_errcode(sqlite_of(tables->connection)->handle);

    return code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE;
}

/* ---- segments ---- */

static uint32_t column_count(sqlite3_stmt *statement, int column)
{
    int64_t value = sqlite3_column_int64(statement, column);

    return value < 0 ? 0 : value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static struct search_segment segment_of_row(sqlite3_stmt *statement)
{
    return (struct search_segment){
        .number = sqlite3_column_int64(statement, 0),
        .state = (enum search_state)sqlite3_column_int(statement, 1),
        .document_count = column_count(statement, 2),
        .void_count = column_count(statement, 3),
        .posting_blocks = column_count(statement, 4),
        .void_since_us = sqlite3_column_type(statement, 5) == SQLITE_NULL
                             ? INSTANT_UNSET
                             : sqlite3_column_int64(statement, 5),
        .steps = sqlite3_column_int64(statement, 6),
    };
}

bool search_segments(struct search_tables *tables, enum search_state state, struct arena *arena,
                     struct search_segment **segments, size_t *count)
{
    sqlite3_stmt *statement = SEARCH_STATEMENT(tables, SEARCH_SEGMENTS, state);
    size_t capacity = 0;
    int code = SQLITE_ERROR;

    *segments = NULL;
    *count = 0;
    while (statement && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (*count == capacity) {
            struct search_segment *old = *segments;

            capacity = capacity ? capacity * 2 : 16;
            *segments = ARENA_ARRAY(arena, struct search_segment, capacity);
            if (*count)
                memcpy(*segments, old, *count * sizeof *old);
        }
        (*segments)[(*count)++] = segment_of_row(statement);
    }
    return statement && search_end(statement, code);
}

bool search_segment_of(struct search_tables *tables, int64_t number, struct search_segment *segment,
                       bool *is_there)
{
    sqlite3_stmt *statement = SEARCH_STATEMENT(tables, SEARCH_SEGMENT_OF, number);
    int code = statement ? sqlite3_step(statement) : SQLITE_ERROR;

    *is_there = code == SQLITE_ROW;
    if (*is_there)
        *segment = segment_of_row(statement);
    return statement && search_end(statement, code);
}

static sqlite3_stmt *bind_segment(sqlite3_stmt *statement, const struct search_segment *segment)
{
    if (statement && segment->void_since_us == INSTANT_UNSET)
        sqlite3_bind_null(statement, 5);
    return statement;
}

bool search_segment_add(struct search_tables *tables, struct search_segment *segment)
{
    sqlite3_stmt *statement = SEARCH_STATEMENT(
        tables, SEARCH_SEGMENT_ADD, segment->state, segment->document_count, segment->void_count,
        segment->posting_blocks, segment->void_since_us, segment->steps);

    if (!search_run(bind_segment(statement, segment)))
        return false;
    segment->number = sqlite3_last_insert_rowid(sqlite_of(tables->connection)->handle);
    return true;
}

bool search_segment_set(struct search_tables *tables, const struct search_segment *segment)
{
    return search_run(
        bind_segment(SEARCH_STATEMENT(tables, SEARCH_SEGMENT_SET, segment->state, segment->document_count,
                                      segment->void_count, segment->posting_blocks, segment->void_since_us,
                                      segment->steps, segment->number),
                     segment));
}

/* ---- documents ---- */

int search_place_compare(const struct search_place *a, const struct search_place *b)
{
    if (a->scope != b->scope)
        return a->scope < b->scope ? -1 : 1;
    int order = text_compare(a->status, b->status);

    if (order != 0)
        return order;
    if (a->created_at_us != b->created_at_us)
        return a->created_at_us < b->created_at_us ? -1 : 1;
    return (a->key > b->key) - (a->key < b->key);
}

static void encode(unsigned char *bytes, int64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)value >> 8 * i);
}

static int64_t decode(const unsigned char *bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)bytes[i] << 8 * i;
    return (int64_t)value;
}

void search_document_encode(unsigned char *bytes, int64_t created_at_us, int64_t key)
{
    encode(bytes, created_at_us);
    encode(bytes + 8, key);
}

struct search_place search_document(const struct search_documents *documents, uint32_t index)
{
    const unsigned char *bytes = documents->data + (size_t)index * SEARCH_DOCUMENT_BYTES;

    assert(index < documents->count);
    return (struct search_place){documents->scope, documents->status, decode(bytes), decode(bytes + 8)};
}

/* A row of T_search_documents where the statement has it, which is asked for block, scope, status, data. */
struct documents_row {
    uint32_t first, count;
    int64_t scope;
    struct text status, data;
};

static bool see_documents(sqlite3_stmt *statement, struct documents_row *row)
{
    struct text data = search_blob(statement, 3);

    *row = (struct documents_row){
        .first = (uint32_t)sqlite3_column_int64(statement, 0),
        .count = (uint32_t)(data.length / SEARCH_DOCUMENT_BYTES),
        .scope = sqlite3_column_int64(statement, 1),
        .status = search_text(statement, 2),
        .data = data,
    };
    return row->status.data && row->status.length <= SEARCH_STATUS_BYTES_MAX && data.length > 0 &&
           row->count <= SEARCH_DOCUMENTS_OF_BLOCK && data.length % SEARCH_DOCUMENT_BYTES == 0;
}

static bool take_documents(sqlite3_stmt *statement, struct search_documents *documents)
{
    struct documents_row row;

    if (!see_documents(statement, &row))
        return false;
    documents->first = row.first;
    documents->count = row.count;
    documents->scope = row.scope;
    memcpy(documents->room, row.status.data, row.status.length);
    documents->status = (struct text){documents->room, row.status.length};
    memcpy(documents->data, row.data.data, row.data.length);
    return true;
}

/* Where the place comes among the row's documents; false: it is none of them. */
static bool find_place(const struct documents_row *row, const struct search_place *place, uint32_t *index)
{
    uint32_t low = 0, high = row->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const unsigned char *bytes =
            (const unsigned char *)row->data.data + (size_t)middle * SEARCH_DOCUMENT_BYTES;
        struct search_place found = {row->scope, row->status, decode(bytes), decode(bytes + 8)};
        int order = search_place_compare(place, &found);

        if (order == 0) {
            *index = middle;
            return true;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

static void bind_text(sqlite3_stmt *statement, int number, struct text text)
{
    sqlite3_bind_text64(statement, number, text.data, text.length, SQLITE_STATIC, SQLITE_UTF8);
}

bool search_documents_range(struct search_tables *tables, int64_t segment, int64_t scope, struct text status,
                            uint32_t *first, uint32_t *end)
{
    sqlite3_stmt *statement = SEARCH_STATEMENT(tables, SEARCH_DOCUMENTS_FIRST, segment, scope);

    *first = *end = 0;
    if (!statement)
        return false;
    bind_text(statement, 3, status);
    int code = sqlite3_step(statement);

    if (code == SQLITE_ROW)
        *first = (uint32_t)sqlite3_column_int64(statement, 0);
    if (!search_end(statement, code) || code == SQLITE_DONE)
        return code == SQLITE_DONE;
    statement = SEARCH_STATEMENT(tables, SEARCH_DOCUMENTS_LAST, segment, scope);
    if (!statement)
        return false;
    bind_text(statement, 3, status);
    code = sqlite3_step(statement);
    bool is_whole = code == SQLITE_ROW && column_count(statement, 1) % SEARCH_DOCUMENT_BYTES == 0;

    if (is_whole)
        *end =
            (uint32_t)sqlite3_column_int64(statement, 0) + column_count(statement, 1) / SEARCH_DOCUMENT_BYTES;
    return search_end(statement, code) && is_whole && *first < *end;
}

bool search_documents_read(struct search_tables *tables, int64_t segment, uint32_t number,
                           struct search_documents *documents)
{
    sqlite3_stmt *statement =
        SEARCH_STATEMENT(tables, SEARCH_DOCUMENTS_OF_NUMBER, SEARCH_BLOCK(segment, number));
    int code = statement ? sqlite3_step(statement) : SQLITE_ERROR;
    bool is_taken = code == SQLITE_ROW && sqlite3_column_int64(statement, 0) >= SEARCH_BLOCK(segment, 0) &&
                    take_documents(statement, documents) && number - documents->first < documents->count;

    return statement && search_end(statement, code) && is_taken;
}

bool search_documents_find(struct search_tables *tables, int64_t segment, const struct search_place *place,
                           uint32_t *number, bool *is_there)
{
    sqlite3_stmt *statement = SEARCH_STATEMENT(tables, SEARCH_DOCUMENTS_OF_PLACE, segment, place->scope,
                                               place->created_at_us, place->key);
    struct documents_row row;
    uint32_t index;

    *is_there = false;
    if (!statement)
        return false;
    bind_text(statement, 5, place->status);
    int code = sqlite3_step(statement);
    bool is_whole = code != SQLITE_ROW || see_documents(statement, &row);

    *is_there = code == SQLITE_ROW && is_whole && find_place(&row, place, &index);
    if (*is_there)
        *number = row.first + index;
    return search_end(statement, code) && is_whole;
}

/* ---- void documents ---- */

static void make_room(struct search_bits *bits)
{
    if (bits->bytes)
        return;
    bits->bytes = calloc(bits->count / 8 + 1, 1);
    if (!bits->bytes)
        abort();
}

void search_bits_set(struct search_bits *bits, uint32_t number)
{
    assert(number < bits->count);
    make_room(bits);
    bits->bytes[number / 8] |= (unsigned char)(1U << number % 8);
}

uint32_t search_bits_count(const struct search_bits *bits, uint32_t first, uint32_t end)
{
    uint32_t count = 0;

    for (uint32_t number = first; bits->bytes && number < end;) {
        uint64_t word;

        if (number % 8 == 0 && end - number >= 64) {
            memcpy(&word, bits->bytes + number / 8, sizeof word);
            count += (uint32_t)__builtin_popcountll(word);
            number += 64;
        } else {
            count += search_bit(bits, number++);
        }
    }
    return count;
}

void search_bits_free(struct search_bits *bits)
{
    free(bits->bytes);
    *bits = (struct search_bits){0};
}

/* The bytes of a part; behind the last document none is set. */
static bool copy_part(struct search_bits *bits, int64_t part, struct text bytes)
{
    if (part < 0 || part * SEARCH_VOID_PART >= bits->count || bytes.length != SEARCH_VOID_PART / 8)
        return false;
    uint32_t first = (uint32_t)part * SEARCH_VOID_PART, left = bits->count - first;

    make_room(bits);
    if (left >= SEARCH_VOID_PART) {
        memcpy(bits->bytes + first / 8, bytes.data, SEARCH_VOID_PART / 8);
        return true;
    }
    memcpy(bits->bytes + first / 8, bytes.data, left / 8);
    if (left % 8)
        bits->bytes[(first + left) / 8] = (unsigned char)(bytes.data[left / 8] & ((1U << left % 8) - 1));
    return true;
}

bool search_void_read(struct search_tables *tables, const struct search_segment *segment,
                      struct search_bits *bits)
{
    bool is_whole = true;
    int code = SQLITE_ERROR;

    *bits = (struct search_bits){.count = segment->document_count};
    if (segment->void_count == 0)
        return true;
    sqlite3_stmt *statement = SEARCH_STATEMENT(tables, SEARCH_VOID_OF, segment->number, 0, INT32_MAX);

    while (statement && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        is_whole &= copy_part(bits, sqlite3_column_int64(statement, 0), search_blob(statement, 1));
        search_offer(tables);
    }
    return statement && search_end(statement, code) && is_whole;
}

/* The bits of a part; none is set when there is no row of it. */
static bool read_part(struct search_tables *tables, int64_t segment, int64_t part, unsigned char *bytes)
{
    sqlite3_stmt *statement = SEARCH_STATEMENT(tables, SEARCH_VOID_OF, segment, part, part);
    int code = statement ? sqlite3_step(statement) : SQLITE_ERROR;
    struct text known = code == SQLITE_ROW ? search_blob(statement, 1) : text_empty;
    bool is_whole = code != SQLITE_ROW || known.length == SEARCH_VOID_PART / 8;

    memset(bytes, 0, SEARCH_VOID_PART / 8);
    if (code == SQLITE_ROW && is_whole)
        memcpy(bytes, known.data, known.length);
    return statement && search_end(statement, code) && is_whole;
}

bool search_void_remove(struct search_tables *tables, const struct search_segment *segment, uint32_t *numbers,
                        size_t *count)
{
    unsigned char bytes[SEARCH_VOID_PART / 8];
    int64_t part = -1;
    size_t kept = 0;

    for (size_t i = 0; segment->void_count > 0 && i < *count; i++) {
        uint32_t bit = numbers[i] % SEARCH_VOID_PART;

        if (numbers[i] / SEARCH_VOID_PART != part) {
            part = numbers[i] / SEARCH_VOID_PART;
            search_offer(tables);
            if (!read_part(tables, segment->number, part, bytes))
                return false;
        }
        if (!(bytes[bit / 8] >> bit % 8 & 1))
            numbers[kept++] = numbers[i];
    }
    if (segment->void_count > 0)
        *count = kept;
    return true;
}

bool search_void_set(struct search_tables *tables, struct search_segment *segment, uint32_t number)
{
    int64_t part = number / SEARCH_VOID_PART;
    uint32_t bit = number % SEARCH_VOID_PART;
    unsigned char bytes[SEARCH_VOID_PART / 8];

    if (!read_part(tables, segment->number, part, bytes))
        return false;
    if (bytes[bit / 8] >> bit % 8 & 1)
        return true;
    bytes[bit / 8] |= (unsigned char)(1U << bit % 8);
    sqlite3_stmt *statement = SEARCH_STATEMENT(tables, SEARCH_VOID_SET, segment->number, part);

    if (!statement)
        return false;
    sqlite3_bind_blob(statement, 3, bytes, sizeof bytes, SQLITE_STATIC);
    if (!search_run(statement))
        return false;
    sqlite3_clear_bindings(statement);
    segment->void_count++;
    if (segment->void_since_us == INSTANT_UNSET)
        segment->void_since_us = instant_now_us();
    return true;
}
