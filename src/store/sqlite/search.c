#include "store/sqlite/search.h"

#include "base/instant.h"
#include "store/sqlite/handle.h"
#include "store/sqlite/trigram.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    SAMPLE_PLACES = 256, /* evenly over the index */
    SAMPLE_TEXTS = 8,    /* at each of them */
    SAMPLE_AGE_MAX_S = 60,
    SQL_MAX = 256,
};

/* ---- how common trigrams are ---- */

struct trigram_sample {
    const struct entity *entity;
    int64_t until_us; /* monotonic */
    struct trigram_counts counts;
};

void sqlite_sample_free(struct trigram_sample *sample)
{
    free(sample);
}

/* A statement that is run a few times a minute. NULL on a failure. */
static sqlite3_stmt *prepare(struct connection *connection, const char *format, struct text table)
{
    char sql[SQL_MAX];
    sqlite3_stmt *statement = NULL;

    sqlite3_snprintf(sizeof sql, sql, format, (int)table.length, table.data);
    if (sqlite3_prepare_v2(sqlite_of(connection)->handle, sql, -1, &statement, NULL) != SQLITE_OK)
        return NULL;
    return statement;
}

/* The first column of the first row; -1 when there is none. */
static int64_t first_integer(struct connection *connection, const char *format, struct text table)
{
    sqlite3_stmt *statement = prepare(connection, format, table);
    int64_t integer =
        statement && sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;

    sqlite3_finalize(statement);
    return integer;
}

static void count_texts(sqlite3_stmt *statement, struct trigram_counts *counts)
{
    while (sqlite3_step(statement) == SQLITE_ROW) {
        const char *data = (const char *)sqlite3_column_text(statement, 0);

        if (data)
            trigram_count(counts, (struct text){data, (size_t)sqlite3_column_bytes(statement, 0)});
    }
    sqlite3_reset(statement);
}

static void take_sample(struct connection *connection, const struct entity *entity,
                        struct trigram_sample *sample)
{
    struct text table = entity->table;
    int64_t first =
                first_integer(connection, "SELECT rowid FROM %.*s_trigrams ORDER BY rowid LIMIT 1", table),
            last = first_integer(connection, "SELECT rowid FROM %.*s_trigrams ORDER BY rowid DESC LIMIT 1",
                                 table);
    sqlite3_stmt *statement = prepare(
        connection, "SELECT folded FROM %.*s_trigrams WHERE rowid BETWEEN ?1 AND ?2 ORDER BY rowid LIMIT ?3",
        table);

    memset(&sample->counts, 0, sizeof sample->counts);
    for (int64_t i = 0; statement && first >= 0 && i < SAMPLE_PLACES; i++) {
        int64_t step = (last - first) / SAMPLE_PLACES, from = first + i * step;

        sqlite3_bind_int64(statement, 1, from);
        sqlite3_bind_int64(statement, 2, i + 1 < SAMPLE_PLACES ? from + step - 1 : last);
        sqlite3_bind_int64(statement, 3, SAMPLE_TEXTS);
        count_texts(statement, &sample->counts);
    }
    sqlite3_finalize(statement);
}

static const struct trigram_counts *counts_of(struct connection *connection, const struct entity *entity)
{
    struct trigram_sample *sample = sqlite_of(connection)->sample;

    assert(entity);
    if (!sample) {
        sample = calloc(1, sizeof *sample);
        if (!sample)
            abort();
        sqlite_of(connection)->sample = sample;
    }
    if (sample->entity != entity || monotonic_now_us() > sample->until_us) {
        sample->entity = entity;
        take_sample(connection, entity, sample);
        sample->until_us = monotonic_now_us() + SAMPLE_AGE_MAX_S * MICROSECONDS_PER_SECOND;
    }
    return &sample->counts;
}

struct text sqlite_candidates(struct connection *connection, const struct entity *entity,
                              const struct scope *scope, const struct text *folded, size_t count,
                              struct arena *arena)
{
    return trigram_query(counts_of(connection, entity), scope->number, folded, count, arena);
}

/* Following an index to each row takes about twice as long. */
bool sqlite_reads_whole(struct connection *connection, const struct entity *entity, const struct scope *scope)
{
    sqlite3_stmt *statement =
        prepare(connection,
                "SELECT COALESCE(SUM(count) FILTER (WHERE scope = ?1), 0) * 2 > SUM(count) "
                "FROM row_counts WHERE entity_type = '%.*s'",
                entity->name);

    if (!statement)
        return false;
    sqlite3_bind_int64(statement, 1, scope->number);
    bool is_most = sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_int(statement, 0);

    sqlite3_finalize(statement);
    return is_most;
}

/* ---- the index ---- */

/* Runs the statement in the buffer, with one parameter, and empties the buffer. */
static bool run(struct connection *connection, struct buffer *sql, int64_t count_max)
{
    sqlite3_stmt *statement;
    bool is_done = false;

    if (sqlite3_prepare_v2(sqlite_of(connection)->handle, sql->data, (int)sql->length, &statement, NULL) ==
        SQLITE_OK) {
        sqlite3_bind_int64(statement, 1, count_max);
        is_done = sqlite3_step(statement) == SQLITE_DONE;
        sqlite3_finalize(statement);
    }
    buffer_clear(sql);
    return is_done;
}

/* ", external_id, name, email" */
static void append_searched(struct buffer *sql, const struct entity *entity)
{
    for (size_t i = 0; i < entity->field_count; i++)
        if (entity->fields[i].flags & FIELD_SEARCHED)
            buffer_append_format(sql, ", %.*s", TEXT_FORMAT(entity->fields[i].name));
}

#define NOTED "(SELECT key FROM %.*s_unindexed ORDER BY key LIMIT ?1)"

static bool index_noted(struct connection *connection, const struct entity *entity, int64_t count_max,
                        struct buffer *sql)
{
    struct text table = entity->table;

    buffer_append_format(sql,
                         "INSERT OR REPLACE INTO %.*s_trigrams (rowid, folded) "
                         "SELECT entity.key, searched_text(scope",
                         TEXT_FORMAT(table));
    append_searched(sql, entity);
    buffer_append_format(sql, ") FROM " NOTED " AS noted CROSS JOIN %.*s AS entity ON entity.key = noted.key",
                         TEXT_FORMAT(table), TEXT_FORMAT(table));
    return run(connection, sql, count_max);
}

static bool forget_removed(struct connection *connection, const struct entity *entity, int64_t count_max,
                           struct buffer *sql)
{
    struct text table = entity->table;

    buffer_append_format(
        sql,
        "DELETE FROM %.*s_trigrams WHERE rowid IN (SELECT key FROM " NOTED
        " AS noted WHERE NOT EXISTS (SELECT 1 FROM %.*s AS entity WHERE entity.key = noted.key))",
        TEXT_FORMAT(table), TEXT_FORMAT(table), TEXT_FORMAT(table));
    return run(connection, sql, count_max);
}

bool sqlite_index_searched(struct connection *connection, const struct entity *entity, int64_t count_max,
                           int64_t *count)
{
    struct text table = entity->table;
    struct buffer sql = {0};
    bool is_done = index_noted(connection, entity, count_max, &sql) &&
                   forget_removed(connection, entity, count_max, &sql);

    buffer_append_format(&sql, "DELETE FROM %.*s_unindexed WHERE key IN " NOTED, TEXT_FORMAT(table),
                         TEXT_FORMAT(table));
    is_done = is_done && run(connection, &sql, count_max);
    *count = is_done ? sqlite3_changes64(sqlite_of(connection)->handle) : 0;
    buffer_free(&sql);
    return is_done;
}
