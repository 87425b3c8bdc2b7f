/* writer.h: JSON text appended to a buffer; commas are placed by the writer, so that a caller only states
 * what comes.
 *
 * The caller is trusted to write one value, to open and close in order, to give every member of an object a
 * key (all asserted) and to give well-formed UTF-8 (every text that enters the program is checked where it
 * enters). */
#ifndef FARTHING_JSON_WRITER_H
#define FARTHING_JSON_WRITER_H

#include "base/buffer.h"
#include "base/text.h"
#include "json/reader.h"

enum { JSON_WRITER_DEPTH_MAX = 64 }; /* arrays and objects inside one another */

struct json_writer {
    struct buffer *buffer; /* borrowed */
    unsigned depth;        /* of open arrays and objects */
    uint64_t objects;      /* the open levels that are objects; the innermost is the lowest bit */
    bool needs_comma;      /* a value stands in front of the next key or value */
    bool has_key;          /* the key of the next value is written */
};

/* A writer of one value at the end of `buffer`. Holds no memory of its own. */
void json_writer_init(struct json_writer *writer, struct buffer *buffer);

void json_begin_object(struct json_writer *writer);
void json_end_object(struct json_writer *writer);
void json_begin_array(struct json_writer *writer);
void json_end_array(struct json_writer *writer);

/* The key of the next value, escaped as a string is. */
void json_key(struct json_writer *writer, struct text name);
/* A string. Escapes `"` and `\` with a backslash, U+0008, U+0009, U+000A, U+000C and U+000D as \b \t \n \f \r
 * and the other control characters below U+0020 as \u00XX (lower-case hex); every other byte is written as it
 * is (RFC 8259 section 7). An unset text is written as an empty one. */
void json_string(struct json_writer *writer, struct text text);
void json_bool(struct json_writer *writer, bool value);
void json_int64(struct json_writer *writer, int64_t value);
void json_null(struct json_writer *writer);
/* A member: its key and its value. */
static inline void json_put_string(struct json_writer *writer, struct text name, struct text text)
{
    json_key(writer, name);
    json_string(writer, text);
}
static inline void json_put_int64(struct json_writer *writer, struct text name, int64_t value)
{
    json_key(writer, name);
    json_int64(writer, value);
}
static inline void json_put_bool(struct json_writer *writer, struct text name, bool value)
{
    json_key(writer, name);
    json_bool(writer, value);
}

/* A value that is JSON text already. */
void json_raw(struct json_writer *writer, struct text json);
/* A value that was read, as compact JSON: numbers keep their digits; of members with one name the last one is
 * written. */
void json_copy(struct json_writer *writer, const struct json_value *value);

/* Places the comma that a value needs, for a caller that appends the value to the buffer itself. */
static inline void json_value_begin(struct json_writer *writer)
{
    if (writer->needs_comma)
        buffer_append_char(writer->buffer, ',');
    writer->needs_comma = true;
    writer->has_key = false;
}

/* A key that is JSON text already, quotes and colon included: `"name":`. */
static inline void json_key_raw(struct json_writer *writer, struct text key)
{
    json_value_begin(writer);
    buffer_append(writer->buffer, key);
    writer->needs_comma = false;
    writer->has_key = true;
}

/* Appends `text` as a JSON string with its quotes, without touching commas. The hot path's primitive: runs of
 * bytes that need no escape are copied at once. */
void json_append_string(struct buffer *buffer, struct text text);

#endif
