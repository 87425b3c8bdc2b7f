/* functions.c: functions of SQL (search.h). */
#include "store/row_key.h"
#include "store/sqlite/handle.h"
#include "store/sqlite/search/search.h"

#include "model/customer.h"
#include "json/reader.h"
#include "json/writer.h"

#include <stdlib.h>

enum { FINDINGS_MAX = 20 };

static struct text text_of(sqlite3_value *value)
{
    const char *data = (const char *)sqlite3_value_text(value);

    return data ? (struct text){data, (size_t)sqlite3_value_bytes(value)} : text_none;
}

static void matches(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct text text = text_of(values[0]);

    (void)count;
    if (text_is_set(text)) /* otherwise NULL */
        sqlite3_result_int(context, case_fold_matches(text, text_of(values[1]),
                                                      (enum case_fold_place)sqlite3_value_int(values[2])));
}

static bool has_all(const struct json_value *map, const struct json_value *wanted)
{
    const struct json_value *key = json_first(wanted);

    for (uint32_t i = 0; i < wanted->count; i++, key = json_next(json_next(key))) {
        const struct json_value *held = json_member(map, key->text), *sought = json_member(wanted, key->text);

        if (!held || held->type != JSON_STRING || !text_equal(held->text, sought->text))
            return false;
    }
    return true;
}

static void has_entries(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct text map_text = text_of(values[0]);
    struct json_error error;
    struct arena arena;

    (void)count;
    if (!text_is_set(map_text))
        return;
    arena_init(&arena);
    const struct json_value *map = json_read(&arena, map_text, &error),
                            *wanted = json_read(&arena, text_of(values[1]), &error);

    sqlite3_result_int(context, map && map->type == JSON_OBJECT && wanted && has_all(map, wanted));
    arena_free(&arena);
}

static void key_of_row(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct text id = text_of(values[0]);

    (void)count;
    if (text_is_set(id))
        sqlite3_result_int64(context, row_key(id));
}

/* A JSON array of the lines. */
static void give_lines(sqlite3_context *context, struct text lines)
{
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_array(&writer);
    while (lines.length > 0) {
        size_t end = text_find(lines, '\n');

        json_string(&writer, text_slice(lines, 0, end));
        lines = text_from(lines, end + 1);
    }
    json_end_array(&writer);
    sqlite3_result_text64(context, buffer.data, buffer.length, SQLITE_TRANSIENT, SQLITE_UTF8);
    buffer_free(&buffer);
}

/* Tells of the connection that it was made for. */
static void index_findings(sqlite3_context *context, int count, sqlite3_value **values)
{
    static const struct entity *const searched[] = {&customer_entity};
    struct connection *connection = sqlite3_user_data(context);
    struct text table = text_of(values[0]);
    struct buffer findings = {0};
    bool is_done = false;

    (void)count;
    for (size_t i = 0; i < sizeof searched / sizeof searched[0]; i++)
        if (text_equal(searched[i]->table, table))
            is_done = sqlite_verify_index(connection, searched[i], FINDINGS_MAX, &findings);
    if (is_done)
        give_lines(context, buffer_text(&findings));
    else
        sqlite3_result_error(context, "the index of searches cannot be read", -1);
    buffer_free(&findings);
}

bool sqlite_add_functions(struct connection *connection)
{
    static const struct {
        const char *name;
        int argument_count, flags;
        void (*run)(sqlite3_context *context, int count, sqlite3_value **values);
    } functions[] = {
        {"case_fold_matches", 3, SQLITE_DETERMINISTIC, matches},
        {"has_entries", 2, SQLITE_DETERMINISTIC, has_entries},
        {"row_key", 1, SQLITE_DETERMINISTIC, key_of_row},
        {"index_findings", 1, 0, index_findings},
    };

    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (sqlite3_create_function_v2(sqlite_of(connection)->handle, functions[i].name,
                                       functions[i].argument_count,
                                       SQLITE_UTF8 | SQLITE_DIRECTONLY | functions[i].flags, connection,
                                       functions[i].run, NULL, NULL, NULL) != SQLITE_OK)
            return false;
    return true;
}
