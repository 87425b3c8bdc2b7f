#include "json/writer.h"

#include "json/scan.h"

#include <assert.h>

enum { QUOTES_BYTES = 2 };

/* What follows the backslash for each byte that needs one; 'u' where four hexadecimal digits follow. */
static char escape_letter(unsigned char byte)
{
    switch (byte) {
    case '"':
    case '\\':
        return (char)byte;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 'u';
    }
}

static void append_escape(struct buffer *buffer, unsigned char byte)
{
    char letter = escape_letter(byte);
    const char escape[] = {
        '\\', letter, '0', '0', "0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 0xF]};

    buffer_append_bytes(buffer, escape, letter == 'u' ? sizeof escape : 2);
}

/* Appends the rest of a string from its first byte that needs an escape, which is at `at`. */
__attribute__((noinline)) static void append_from_escape(struct buffer *buffer, struct text text, size_t at)
{
    bool ignored = false;

    while (at < text.length) {
        append_escape(buffer, (unsigned char)text.data[at++]);
        size_t plain = json_plain_length(text.data + at, text.length - at, &ignored);

        buffer_append_bytes(buffer, text.data + at, plain);
        at += plain;
    }
    buffer_append_char(buffer, '"');
}

void json_append_string(struct buffer *buffer, struct text text)
{
    bool ignored = false;
    size_t plain = json_plain_length(text.data, text.length, &ignored);

    /* Most strings are plain to their end: one check of the capacity, one copy. */
    buffer_reserve(buffer, plain + QUOTES_BYTES);
    char *out = buffer->data + buffer->length;

    *out++ = '"';
    if (plain)
        memcpy(out, text.data, plain);
    out[plain] = '"';
    if (plain == text.length) {
        buffer->length += plain + QUOTES_BYTES;
        return;
    }
    buffer->length += plain + 1; /* the closing quote was too early */
    append_from_escape(buffer, text, plain);
}

void json_writer_init(struct json_writer *writer, struct buffer *buffer)
{
    *writer = (struct json_writer){.buffer = buffer};
}

/* Bookkeeping in front of every value. */
static void begin_value(struct json_writer *writer)
{
    if (writer->depth == 0)
        assert(!writer->needs_comma); /* the one value is written already */
    else
        assert((writer->objects & 1) == writer->has_key);
    if (writer->needs_comma)
        buffer_append_char(writer->buffer, ',');
    writer->needs_comma = true;
    writer->has_key = false;
}

static void open_level(struct json_writer *writer, bool is_object)
{
    begin_value(writer);
    assert(writer->depth < JSON_WRITER_DEPTH_MAX);
    writer->depth++;
    writer->objects = writer->objects << 1 | is_object;
    writer->needs_comma = false;
    buffer_append_char(writer->buffer, is_object ? '{' : '[');
}

static void close_level(struct json_writer *writer, bool is_object)
{
    assert(writer->depth > 0);
    assert((writer->objects & 1) == is_object);
    assert(!writer->has_key);
    writer->depth--;
    writer->objects >>= 1;
    writer->needs_comma = true;
    buffer_append_char(writer->buffer, is_object ? '}' : ']');
}

void json_begin_object(struct json_writer *writer)
{
    open_level(writer, true);
}

void json_end_object(struct json_writer *writer)
{
    close_level(writer, true);
}

void json_begin_array(struct json_writer *writer)
{
    open_level(writer, false);
}

void json_end_array(struct json_writer *writer)
{
    close_level(writer, false);
}

void json_key(struct json_writer *writer, struct text name)
{
    assert(writer->objects & 1);
    assert(!writer->has_key);
    if (writer->needs_comma)
        buffer_append_char(writer->buffer, ',');
    json_append_string(writer->buffer, name);
    buffer_append_char(writer->buffer, ':');
    writer->needs_comma = false;
    writer->has_key = true;
}

void json_string(struct json_writer *writer, struct text text)
{
    begin_value(writer);
    json_append_string(writer->buffer, text);
}

void json_bool(struct json_writer *writer, bool value)
{
    begin_value(writer);
    buffer_append(writer->buffer, value ? TEXT("true") : TEXT("false"));
}

void json_int64(struct json_writer *writer, int64_t value)
{
    begin_value(writer);
    buffer_append_int64(writer->buffer, value);
}

void json_null(struct json_writer *writer)
{
    begin_value(writer);
    buffer_append(writer->buffer, TEXT("null"));
}

void json_raw(struct json_writer *writer, struct text json)
{
    begin_value(writer);
    buffer_append(writer->buffer, json);
}

static void copy_array(struct json_writer *writer, const struct json_value *array)
{
    const struct json_value *element = json_first(array);

    json_begin_array(writer);
    for (uint32_t i = 0; i < array->count; i++, element = json_next(element))
        json_copy(writer, element);
    json_end_array(writer);
}

/* To look for the last one of a name takes a walk; of an object with so many members all are written. */
enum { MEMBERS_COMPARED_MAX = 1024 };

static void copy_object(struct json_writer *writer, const struct json_value *object)
{
    const struct json_value *key = json_first(object);

    json_begin_object(writer);
    for (uint32_t i = 0; i < object->count; i++, key = json_next(json_next(key))) {
        const struct json_value *value = json_next(key);

        if (object->count <= MEMBERS_COMPARED_MAX && json_member(object, key->text) != value)
            continue;
        json_key(writer, key->text);
        json_copy(writer, value);
    }
    json_end_object(writer);
}

void json_copy(struct json_writer *writer, const struct json_value *value)
{
    switch (value->type) {
    case JSON_STRING:
        json_string(writer, value->text);
        break;
    case JSON_ARRAY:
        copy_array(writer, value);
        break;
    case JSON_OBJECT:
        copy_object(writer, value);
        break;
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
    case JSON_NUMBER:
        json_raw(writer, value->text);
        break;
    }
}
