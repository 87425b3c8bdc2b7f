#include "support/json_rewrite.h"

#include "json/writer.h"

static void write_value(struct json_writer *writer, const struct json_value *value)
{
    const struct json_value *part = json_first(value);

    switch (value->type) {
    case JSON_NULL:
        json_null(writer);
        break;
    case JSON_FALSE:
    case JSON_TRUE:
        json_bool(writer, value->type == JSON_TRUE);
        break;
    case JSON_NUMBER:
        json_raw(writer, value->text);
        break;
    case JSON_STRING:
        json_string(writer, value->text);
        break;
    case JSON_ARRAY:
        json_begin_array(writer);
        for (uint32_t i = 0; i < value->count; i++, part = json_next(part))
            write_value(writer, part);
        json_end_array(writer);
        break;
    case JSON_OBJECT:
        json_begin_object(writer);
        for (uint32_t i = 0; i < value->count; i++) {
            json_key(writer, part->text);
            part = json_next(part);
            write_value(writer, part);
            part = json_next(part);
        }
        json_end_object(writer);
        break;
    }
}

void json_rewrite(struct buffer *buffer, const struct json_value *value)
{
    struct json_writer writer;

    json_writer_init(&writer, buffer);
    write_value(&writer, value);
}

bool json_same(const struct json_value *a, const struct json_value *b)
{
    /* With equal types and counts all along both tapes have the same shape, so they can be walked flatly. */
    if (a->next != b->next)
        return false;
    for (uint32_t i = 0; i < a->next; i++) {
        bool has_content = a[i].type == JSON_STRING || a[i].type == JSON_NUMBER;

        if (a[i].type != b[i].type || a[i].next != b[i].next || a[i].count != b[i].count)
            return false;
        if (has_content && !text_equal(a[i].text, b[i].text))
            return false;
    }
    return true;
}
