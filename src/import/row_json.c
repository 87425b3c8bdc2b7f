#include "import/row_json.h"

#include "base/utf8.h"
#include "json/reader.h"
#include "json/writer.h"

#include <string.h>

/* ---- CSV ---- */

static struct text join(const struct column_source *source, const struct text *fields, struct buffer *scratch)
{
    if (source->count == 1)
        return fields[source->columns[0]];
    buffer_clear(scratch);
    for (unsigned i = 0; i < source->count; i++) {
        struct text part = fields[source->columns[i]];

        if (part.length && scratch->length)
            buffer_append_char(scratch, ' ');
        buffer_append(scratch, part);
    }
    return buffer_text(scratch);
}

/* The first value of a target that is not empty. */
static struct text value_of(const struct column_target *target, const struct text *fields,
                            struct buffer *scratch)
{
    struct text value = text_empty;

    for (const struct column_source *source = target->sources; source && value.length == 0;
         source = source->next)
        value = join(source, fields, scratch);
    return value;
}

static const char *what_is_wrong(struct text value)
{
    if (!utf8_valid(value))
        return "is not UTF-8";
    return memchr(value.data, '\0', value.length) ? "has a NUL character" : NULL;
}

static bool write_targets(const struct column_map *map, const struct text *fields, struct json_writer *writer,
                          struct buffer *scratch, struct row_refusal *refusal)
{
    bool is_inside = false; /* of the metadata object */

    for (const struct column_target *target = map->targets; target; target = target->next) {
        struct text value = value_of(target, fields, scratch);

        if (value.length == 0)
            continue;
        refusal->reason = what_is_wrong(value);
        if (refusal->reason) {
            refusal->field = target->name;
            return false;
        }
        if (target->is_metadata && !is_inside) {
            json_key_raw(writer, TEXT("\"metadata\":"));
            json_begin_object(writer);
            is_inside = true;
        }
        json_key_raw(writer, target->key);
        json_string(writer, value);
    }
    if (is_inside)
        json_end_object(writer);
    return true;
}

bool row_json_write(const struct column_map *map, const struct text *fields, size_t field_count,
                    struct buffer *buffer, struct row_refusal *refusal)
{
    struct json_writer writer;
    struct buffer scratch = {0};

    *refusal = (struct row_refusal){.field = text_empty};
    if (field_count != map->column_count) {
        refusal->reason = field_count < map->column_count ? "has fewer fields than the header"
                                                          : "has more fields than the header";
        return false;
    }
    json_writer_init(&writer, buffer);
    json_begin_object(&writer);
    bool is_written = write_targets(map, fields, &writer, &scratch, refusal);

    if (is_written)
        json_end_object(&writer);
    buffer_free(&scratch);
    return is_written;
}

bool row_json_has_line_end(const struct column_map *map, const struct text *fields)
{
    for (const struct column_target *target = map->targets; target && !target->is_metadata;
         target = target->next)
        for (const struct column_source *source = target->sources; source; source = source->next)
            for (unsigned i = 0; i < source->count; i++) {
                struct text field = fields[source->columns[i]];

                if (text_find(field, '\n') < field.length)
                    return true;
            }
    return false;
}

/* ---- JSON Lines ---- */

static void write_value(struct json_writer *writer, const struct json_value *value)
{
    if (value->type == JSON_STRING)
        json_string(writer, value->text);
    else
        json_raw(writer, value->text);
}

static bool is_given(const struct json_value *value)
{
    return value && value->type != JSON_NULL && !(value->type == JSON_STRING && value->text.length == 0);
}

/* Writes the first of a target's sources that the object has. False when it has none. */
static bool write_mapped(const struct column_target *target, const struct json_value *object,
                         struct json_writer *writer)
{
    for (const struct column_source *source = target->sources; source; source = source->next) {
        bool is_first = true;

        if (source->count == 1) {
            const struct json_value *value = json_member(object, source->names[0]);

            if (!is_given(value))
                continue;
            json_key_raw(writer, target->key);
            write_value(writer, value);
            return true;
        }
        struct buffer joined = {0};

        for (unsigned i = 0; i < source->count; i++) {
            const struct json_value *value = json_member(object, source->names[i]);

            if (!is_given(value) || value->type != JSON_STRING)
                continue;
            if (!is_first)
                buffer_append_char(&joined, ' ');
            buffer_append(&joined, value->text);
            is_first = false;
        }
        if (!is_first) {
            json_key_raw(writer, target->key);
            json_string(writer, buffer_text(&joined));
        }
        buffer_free(&joined);
        if (!is_first)
            return true;
    }
    return false;
}

static bool is_named(const struct column_map *map, struct text key)
{
    for (const struct column_target *target = map->targets; target; target = target->next) {
        if (!target->is_metadata && text_equal(target->name, key))
            return true;
        for (const struct column_source *source = target->sources; source; source = source->next)
            for (unsigned i = 0; i < source->count; i++)
                if (text_equal(source->names[i], key))
                    return true;
    }
    return text_equal(key, TEXT("metadata"));
}

/* The row's own metadata, then what the rules put there. */
static void write_metadata(const struct column_map *map, const struct json_value *object,
                           struct json_writer *writer)
{
    const struct json_value *own = json_member(object, TEXT("metadata"));
    bool is_object = own && own->type == JSON_OBJECT;

    if (own && !is_object && own->type != JSON_NULL) { /* for the server to refuse */
        json_key(writer, TEXT("metadata"));
        write_value(writer, own);
        return;
    }
    size_t before = writer->buffer->length;
    struct json_writer saved = *writer;
    bool is_empty = !is_object;

    json_key(writer, TEXT("metadata"));
    json_begin_object(writer);
    const struct json_value *key = is_object ? json_first(own) : NULL;

    for (uint32_t i = 0; is_object && i < own->count; i++) {
        const struct json_value *value = json_next(key);

        json_key(writer, key->text);
        write_value(writer, value);
        key = json_next(value);
    }
    for (const struct column_target *target = map->targets; target; target = target->next)
        if (target->is_metadata && write_mapped(target, object, writer))
            is_empty = false;
    json_end_object(writer);
    if (is_empty) {
        writer->buffer->length = before;
        *writer = saved;
    }
}

bool row_json_rename(const struct column_map *map, struct text line, struct arena *arena,
                     struct buffer *buffer, struct row_refusal *refusal)
{
    struct json_error error;
    struct json_writer writer;
    const struct json_value *object = json_read(arena, line, &error);

    *refusal = (struct row_refusal){.field = text_empty};
    if (!object || object->type != JSON_OBJECT) {
        refusal->reason = object ? "is not a JSON object" : "is not valid JSON";
        return false;
    }
    json_writer_init(&writer, buffer);
    json_begin_object(&writer);
    for (const struct column_target *target = map->targets; target; target = target->next)
        if (!target->is_metadata)
            write_mapped(target, object, &writer);
    const struct json_value *key = json_first(object);

    for (uint32_t i = 0; i < object->count; i++) {
        const struct json_value *value = json_next(key);

        if (!is_named(map, key->text)) {
            json_key(&writer, key->text);
            write_value(&writer, value);
        }
        key = json_next(value);
    }
    write_metadata(map, object, &writer);
    json_end_object(&writer);
    return true;
}
