/* reader.h: a strict JSON reader (RFC 8259) that gives a tape of values in an arena.
 *
 * A number keeps its source text, so that an amount is never seen as a binary floating point number. Strings
 * without escapes point into the source; the others are unescaped into the arena. The source must outlive the
 * document.
 *
 * Refused, with the position of the first error and a reason: bytes after the value, invalid UTF-8, U+0000
 * (raw or escaped), lone surrogate escapes, control characters in strings, leading zeros, NaN, trailing
 * commas, comments, a byte order mark, nesting deeper than JSON_DEPTH_MAX, more than JSON_VALUES_MAX values.
 * Duplicate keys are kept in order; json_member finds the last one, which wins (conventions section 8).
 *
 * Time and memory grow linearly with the source; JSON_VALUES_MAX bounds the tape to 96 MiB. */
#ifndef FARTHING_JSON_READER_H
#define FARTHING_JSON_READER_H

#include "base/arena.h"
#include "base/text.h"

enum {
    JSON_DEPTH_MAX = 64,               /* arrays and objects inside one another, the outermost included */
    JSON_VALUES_MAX = 4 * 1024 * 1024, /* values in one document, keys included; below 2^28, see `next` */
};

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* One value. The values of an array or object follow it on the tape: those of an object alternate key (a
 * string), value. `next` is the number of tape entries that the value takes, itself included. */
struct json_value {
    enum json_type type : 4;
    uint32_t next : 28;
    uint32_t count; /* elements of an array, members of an object (duplicate keys count each), else 0 */
    struct text
        text; /* a string's content; the source text of any other value, from `{` to `}` for instance */
};

struct json_error {
    size_t offset;      /* byte position in the source; its length when the source ends too early */
    const char *reason; /* static text, fit for a person: "invalid UTF-8", "unexpected end" */
};

/* Reads one JSON value with nothing but white space around it. Returns the root, or NULL with *error filled.
 * An empty or blank source is an error ("empty body" is for the caller to word). */
const struct json_value *json_read(struct arena *arena, struct text source, struct json_error *error);

/* The first element of an array or the first key of an object; only meaningful when count > 0. */
static inline const struct json_value *json_first(const struct json_value *container)
{
    return container + 1;
}

/* The value behind this one on the tape: the next element, the value of a key, or the next key. */
static inline const struct json_value *json_next(const struct json_value *value)
{
    return value + value->next;
}

/* The value of the last member named `name`, or NULL when there is none or `object` is no object. O(members).
 */
const struct json_value *json_member(const struct json_value *object, struct text name);

/* A member of an object (NULL: there is none) that is a string: its text; empty when it is not there or of
 * another type. */
struct text json_member_text(const struct json_value *object, struct text name);
/* The same of a whole number within int64_t. False, and *number as it was, when it is not. */
bool json_member_int64(const struct json_value *object, struct text name, int64_t *number);

/* "null", "boolean", "number", "string", "array" or "object". */
const char *json_type_name(enum json_type type);

#endif
