/* row_rejected.c: what a person is told of JSON Lines: the refused ones, and the members that go nowhere. */
#include "base/utf8.h"
#include "import/row_json.h"
#include "json/reader.h"
#include "json/writer.h"

const struct text row_json_rejected = TEXT_LITERAL("rejected");

/* ---- refused lines ---- */

/* JSON holds no other bytes than UTF-8: each one that is not becomes U+FFFD. */
static struct text as_utf8(struct text text, struct arena *arena)
{
    struct buffer buffer = {0};

    if (utf8_valid(text))
        return text;
    for (;;) {
        size_t length = utf8_valid_length(text);

        buffer_append(&buffer, text_slice(text, 0, length));
        if (length == text.length)
            break;
        buffer_append(&buffer, TEXT("\xef\xbf\xbd"));
        text = text_from(text, length + 1);
    }
    text = arena_copy(arena, buffer_text(&buffer));
    buffer_free(&buffer);
    return text;
}

static void write_members(const struct json_value *object, struct json_writer *writer)
{
    const struct json_value *key = json_first(object);

    for (uint32_t i = 0; i < object->count; i++) {
        const struct json_value *value = json_next(key);

        if (!text_equal(key->text, row_json_rejected)) {
            json_key(writer, key->text);
            if (value->type == JSON_STRING)
                json_string(writer, value->text);
            else
                json_raw(writer, value->text);
        }
        key = json_next(value);
    }
}

void row_json_write_rejected(struct text line, uint64_t number, struct text field, struct text reason,
                             struct arena *arena, struct buffer *buffer)
{
    struct json_error error;
    struct json_writer writer;
    const struct json_value *object = json_read(arena, line, &error);
    bool is_object = object && object->type == JSON_OBJECT;

    json_writer_init(&writer, buffer);
    json_begin_object(&writer);
    json_key(&writer, row_json_rejected);
    json_begin_object(&writer);
    json_put_int64(&writer, TEXT("line"), (int64_t)number);
    json_put_string(&writer, TEXT("field"), field);
    json_put_string(&writer, TEXT("reason"), reason);
    if (!is_object) {
        json_put_string(&writer, TEXT("row"), as_utf8(line, arena));
    }
    json_end_object(&writer);
    if (is_object)
        write_members(object, &writer);
    json_end_object(&writer);
    buffer_append_char(buffer, '\n');
}

/* ---- members that go nowhere ---- */

static bool is_in(const struct text *names, size_t count, struct text name)
{
    for (size_t i = 0; i < count; i++)
        if (text_equal(names[i], name))
            return true;
    return false;
}

static bool is_known(const struct unknown_members *unknown, struct text name)
{
    for (const struct text *known = unknown->known; known->data; known++)
        if (text_equal(*known, name))
            return true;
    return text_equal(name, row_json_rejected);
}

/* Whether a rule reads the member. */
static bool is_mapped(const struct column_map *map, struct text name)
{
    for (const struct column_target *target = map->targets; target; target = target->next)
        for (const struct column_source *source = target->sources; source; source = source->next)
            if (is_in(source->names, source->count, name))
                return true;
    return false;
}

void unknown_members_note(struct unknown_members *unknown, const struct column_map *map,
                          const struct json_value *object)
{
    const struct json_value *key = json_first(object);

    for (uint32_t i = 0; i < object->count && unknown->count <= COLUMN_NAMES_SHOWN; i++) {
        if (!is_known(unknown, key->text) && !is_mapped(map, key->text) &&
            !is_in(unknown->names, unknown->count, key->text))
            unknown->names[unknown->count++] = arena_copy(unknown->arena, key->text);
        key = json_next(json_next(key));
    }
}

struct text unknown_members_list(const struct unknown_members *unknown)
{
    struct text list = text_empty;

    for (size_t i = 0; i < unknown->count && i < COLUMN_NAMES_SHOWN; i++)
        list = arena_format(unknown->arena, "%.*s%s%.*s", TEXT_FORMAT(list), i > 0 ? ", " : "",
                            TEXT_FORMAT(unknown->names[i]));
    if (unknown->count > COLUMN_NAMES_SHOWN)
        list = arena_format(unknown->arena, "%.*s and more", TEXT_FORMAT(list));
    return list;
}
