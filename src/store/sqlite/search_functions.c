/* search_functions.c: functions of SQL (search.h). */
#include "store/row_key.h"
#include "store/sqlite/handle.h"
#include "store/sqlite/search.h"
#include "store/sqlite/trigram.h"

#include "json/reader.h"

#include <stdlib.h>

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

static void searched_text(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct buffer buffer = {0};

    trigram_append_scope(&buffer, sqlite3_value_int64(values[0]));
    for (int i = 1; i < count; i++) {
        buffer_append_char(&buffer, TRIGRAM_SEPARATOR);
        case_fold_append(&buffer, text_of(values[i]));
    }
    sqlite3_result_text64(context, buffer.data, buffer.length, SQLITE_TRANSIENT, SQLITE_UTF8);
    buffer_free(&buffer);
}

bool sqlite_add_functions(struct connection *connection)
{
    static const struct {
        const char *name;
        int argument_count;
        void (*run)(sqlite3_context *context, int count, sqlite3_value **values);
    } functions[] = {
        {"case_fold_matches", 3, matches},
        {"has_entries", 2, has_entries},
        {"row_key", 1, key_of_row},
        {"searched_text", -1, searched_text},
    };
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY;

    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (sqlite3_create_function_v2(sqlite_of(connection)->handle, functions[i].name,
                                       functions[i].argument_count, flags, NULL, functions[i].run, NULL, NULL,
                                       NULL) != SQLITE_OK)
            return false;
    return true;
}
