#include "json/escape.h"

#include "base/utf8.h"

enum {
    HEX_DIGITS = 4,
    HIGH_SURROGATE_FIRST = 0xD800,
    LOW_SURROGATE_FIRST = 0xDC00,
    LOW_SURROGATE_LAST = 0xDFFF,
};

/* What all functions here share: where the source ends and where an error goes. */
struct escape_reader {
    const char *end;
    struct json_escape_error *error;
};

static const char *refuse(struct escape_reader *reader, const char *at, const char *reason)
{
    *reader->error = (struct json_escape_error){at, reason};
    return NULL;
}

/* Reads the escape `\uXXXX` at `at` into *unit, a UTF-16 code unit. */
static const char *read_code_unit(struct escape_reader *reader, const char *at, uint32_t *unit)
{
    const char *digits = at + JSON_ESCAPE_BYTES_MIN;

    *unit = 0;
    for (size_t i = 0; i < HEX_DIGITS; i++) {
        if (digits + i == reader->end)
            return refuse(reader, reader->end, "unexpected end");
        int value = text_hex_digit(digits[i]);

        if (value < 0)
            return refuse(reader, at, "invalid escape");
        *unit = *unit << 4 | (uint32_t)value;
    }
    return digits + HEX_DIGITS;
}

/* Reads the low surrogate escape that must stand at `at`, behind the high one at `high_at`, and joins both
 * into *code_point. */
static const char *read_low_surrogate(struct escape_reader *reader, const char *high_at, const char *at,
                                      uint32_t *code_point)
{
    uint32_t low;

    for (size_t i = 0; i < JSON_ESCAPE_BYTES_MIN; i++) {
        if (at + i == reader->end)
            return refuse(reader, reader->end, "unexpected end");
        if (at[i] != "\\u"[i])
            return refuse(reader, high_at, "lone surrogate escape");
    }
    at = read_code_unit(reader, at, &low);
    if (!at)
        return NULL;
    if (low < LOW_SURROGATE_FIRST || low > LOW_SURROGATE_LAST)
        return refuse(reader, high_at, "lone surrogate escape");
    *code_point = 0x10000 + ((*code_point - HIGH_SURROGATE_FIRST) << 10) + (low - LOW_SURROGATE_FIRST);
    return at;
}

static const char *read_unicode_escape(struct escape_reader *reader, const char *escape, char **out)
{
    uint32_t code_point;
    const char *at = read_code_unit(reader, escape, &code_point);

    if (!at)
        return NULL;
    if (code_point == 0)
        return refuse(reader, escape, "U+0000 in a string");
    if (code_point >= LOW_SURROGATE_FIRST && code_point <= LOW_SURROGATE_LAST)
        return refuse(reader, escape, "lone surrogate escape");
    if (code_point >= HIGH_SURROGATE_FIRST && code_point < LOW_SURROGATE_FIRST) {
        at = read_low_surrogate(reader, escape, at, &code_point);
        if (!at)
            return NULL;
    }
    *out += utf8_encode(code_point, *out);
    return at;
}

/* What `\` and `byte` stand for, or 0 when that is no escape of one byte. */
static char unescaped_byte(char byte)
{
    switch (byte) {
    case '"':
    case '\\':
    case '/':
        return byte;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return 0;
    }
}

const char *json_unescape(const char *at, const char *end, char **out, struct json_escape_error *error)
{
    struct escape_reader reader = {end, error};

    if (at + 1 == end)
        return refuse(&reader, end, "unexpected end");
    if (at[1] == 'u')
        return read_unicode_escape(&reader, at, out);
    char byte = unescaped_byte(at[1]);

    if (!byte)
        return refuse(&reader, at, "invalid escape");
    *(*out)++ = byte;
    return at + JSON_ESCAPE_BYTES_MIN;
}
