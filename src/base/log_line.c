/* log_line.c: how a line is written. Plain stretches of a value are copied whole, because the access log has
 * one line a request. */
#include "base/log_line.h"

#include "base/instant.h"
#include "base/utf8.h"

#include <stdio.h>

enum {
    /* What always fits behind a cut line: the closing quote, the mark that it was cut, the end. */
    LOG_LINE_END_BYTES = 24,
    /* The longest unit is one escaped character, \u0000. */
    ESCAPE_BYTES_MAX = 6,
    INTEGER_BYTES_MAX = 20, /* -9223372036854775808 */
    FRACTION_DIGITS = 6,
};

#define REPLACEMENT_CHARACTER TEXT("\xef\xbf\xbd") /* U+FFFD */

static bool is_json(const struct log_line *line)
{
    return line->format == LOG_FORMAT_JSON;
}

/* Appends `text` whole, or marks the line as cut and returns false. */
static bool put(struct log_line *line, struct text text)
{
    if (line->buffer.length + text.length > LOG_LINE_BYTES_MAX - LOG_LINE_END_BYTES)
        line->truncated = true;
    if (!line->truncated)
        buffer_append(&line->buffer, text);
    return !line->truncated;
}

/* The bytes of the well-formed UTF-8 character that `text` begins with, or 0. */
static size_t character_length(struct text text)
{
    unsigned char lead = (unsigned char)text.data[0];
    size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

    return length <= text.length && utf8_valid(text_slice(text, 0, length)) ? length : 0;
}

/* Control characters, those of ISO 6429 (U+0080 to U+009F) too: a line shown on a terminal must not move its
 * cursor. */
static bool is_control(struct text character)
{
    unsigned char first = (unsigned char)character.data[0];

    return first < 0x20 || first == 0x7f ||
           (character.length == 2 && first == 0xc2 && (unsigned char)character.data[1] < 0xa0);
}

static void put_control(struct log_line *line, struct text character)
{
    static const char short_forms[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    unsigned char code = (unsigned char)character.data[character.length - 1];
    char escape[ESCAPE_BYTES_MAX + 1];
    int length = code < sizeof short_forms && short_forms[code]
                     ? snprintf(escape, sizeof escape, "\\%c", short_forms[code])
                     : snprintf(escape, sizeof escape, "\\u%04x", (unsigned)code);

    put(line, (struct text){escape, (size_t)length});
}

/* A quote that closes a value may stand behind the limit. */
static size_t room(const struct log_line *line)
{
    const size_t limit = LOG_LINE_BYTES_MAX - LOG_LINE_END_BYTES;

    return line->truncated || line->buffer.length >= limit ? 0 : limit - line->buffer.length;
}

/* The bytes at the start of `text`, up to `maximum`, that stand for themselves between quotes. */
static size_t plain_length(struct text text, size_t maximum)
{
    size_t length = 0;

    while (length < text.length && length < maximum && text.data[length] >= ' ' && text.data[length] < 0x7f &&
           text.data[length] != '"' && text.data[length] != '\\')
        length++;
    return length;
}

/* The inside of a quoted string. JSON and logfmt share the escapes, so one reader's habits serve for both. */
static void put_escaped(struct log_line *line, struct text text)
{
    while (text.length > 0 && !line->truncated) {
        size_t plain = plain_length(text, room(line));

        if (plain > 0) {
            put(line, text_slice(text, 0, plain));
            text = text_from(text, plain);
            continue;
        }
        size_t length = character_length(text);
        struct text character = text_slice(text, 0, length);

        if (length == 0)
            put(line, REPLACEMENT_CHARACTER);
        else if (character.data[0] == '"')
            put(line, TEXT("\\\""));
        else if (character.data[0] == '\\')
            put(line, TEXT("\\\\"));
        else if (is_control(character))
            put_control(line, character);
        else
            put(line, character);
        text = text_from(text, length ? length : 1);
    }
}

/* False when not even the opening quote fitted. A value that is cut is closed all the same. */
static bool put_quoted(struct log_line *line, struct text text)
{
    if (!put(line, TEXT("\"")))
        return false;
    put_escaped(line, text);
    buffer_append_char(&line->buffer, '"'); /* in the room that put() leaves */
    return true;
}

/* Whether logfmt can show a value as it is. */
static bool is_bare(struct text text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];

        if (byte <= ' ' || byte == '"' || byte == '\\' || byte == '=' || byte >= 0x7f)
            return false;
    }
    return text.length > 0;
}

static bool put_bare(struct log_line *line, struct text text)
{
    size_t length = text.length < room(line) ? text.length : room(line);

    put(line, text_slice(text, 0, length));
    line->truncated |= length < text.length;
    return true;
}

/* An unset text is null in JSON and nothing in logfmt, where an empty one is "". */
static bool put_text(struct log_line *line, struct text text)
{
    if (!text_is_set(text))
        return put(line, is_json(line) ? TEXT("null") : text_empty);
    return !is_json(line) && is_bare(text) ? put_bare(line, text) : put_quoted(line, text);
}

static bool put_integer(struct log_line *line, int64_t value)
{
    if (room(line) < INTEGER_BYTES_MAX) {
        line->truncated = true;
        return false;
    }
    buffer_append_int64(&line->buffer, value);
    return true;
}

/* Names are identifiers of the program and need no escape. */
static bool put_name(struct log_line *line, const char *name)
{
    bool first = line->buffer.length == 0;

    if (!is_json(line))
        return put(line, first ? text_empty : TEXT(" ")) && put(line, text_from_string(name)) &&
               put(line, TEXT("="));
    return put(line, first ? TEXT("{\"") : TEXT(",\"")) && put(line, text_from_string(name)) &&
           put(line, TEXT("\":"));
}

/* A name alone would mislead. */
static void keep_if(struct log_line *line, bool is_shown, size_t start)
{
    if (!is_shown)
        line->buffer.length = start;
}

/* Six digits always, unlike on the wire: lines can be compared and cut by columns. */
static void put_time(struct log_line *line, int64_t now_us)
{
    int64_t past_second_us = now_us % MICROSECONDS_PER_SECOND;
    char fraction[FRACTION_DIGITS];
    uint32_t microsecond =
        (uint32_t)(past_second_us < 0 ? past_second_us + MICROSECONDS_PER_SECOND : past_second_us);

    instant_append_seconds(&line->buffer, now_us);
    line->buffer.length--; /* the Z, which stands behind the fraction */
    for (unsigned i = FRACTION_DIGITS; i-- > 0; microsecond /= 10)
        fraction[i] = (char)('0' + microsecond % 10);
    buffer_append_char(&line->buffer, '.');
    buffer_append(&line->buffer, (struct text){fraction, sizeof fraction});
    buffer_append_char(&line->buffer, 'Z');
}

void log_line_begin(struct log_line *line, enum log_format format, int64_t now_us)
{
    line->format = format;
    line->truncated = false;
    buffer_clear(&line->buffer);
    buffer_reserve(&line->buffer, LOG_LINE_BYTES_MAX);
    put_name(line, "time");
    put(line, is_json(line) ? TEXT("\"") : text_empty);
    put_time(line, now_us);
    put(line, is_json(line) ? TEXT("\"") : text_empty);
}

void log_line_text(struct log_line *line, const char *name, struct text value)
{
    size_t start = line->buffer.length;

    keep_if(line, put_name(line, name) && put_text(line, value), start);
}

void log_line_phrase(struct log_line *line, const char *name, struct text value)
{
    size_t start = line->buffer.length;

    keep_if(line, put_name(line, name) && put_quoted(line, value), start);
}

void log_line_integer(struct log_line *line, const char *name, int64_t value)
{
    size_t start = line->buffer.length;

    keep_if(line, put_name(line, name) && put_integer(line, value), start);
}

struct text log_line_end(struct log_line *line)
{
    if (line->truncated)
        buffer_append(&line->buffer, is_json(line) ? TEXT(",\"truncated\":true") : TEXT(" truncated=true"));
    buffer_append(&line->buffer, is_json(line) ? TEXT("}\n") : TEXT("\n"));
    return buffer_text(&line->buffer);
}
