#include "base/log.h"

#include "base/buffer.h"
#include "base/instant.h"
#include "base/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum {
    /* PIPE_BUF of Linux: a pipe takes a line of up to this length whole or not at all. */
    LOG_LINE_BYTES_MAX = 4096,
    /* What always fits behind a cut line: the closing quote, the mark that it was cut, the end. */
    LOG_LINE_END_BYTES = 24,
    /* The longest unit is one escaped character, \u0000. */
    ESCAPE_BYTES_MAX = 6,
    INTEGER_BYTES_MAX = 20, /* -9223372036854775808 */
};

#define REPLACEMENT_CHARACTER TEXT("\xef\xbf\xbd") /* U+FFFD */

static enum log_format configured_format = LOG_FORMAT_LOGFMT;
static enum log_level configured_minimum = LOG_LEVEL_INFO;

/* A line on its way. Once something did not fit, all that follows is dropped and the line says so. */
struct line {
    struct buffer buffer;
    bool truncated;
};

void log_configure(enum log_format format, enum log_level minimum)
{
    configured_format = format;
    configured_minimum = minimum;
}

static bool is_json(void)
{
    return configured_format == LOG_FORMAT_JSON;
}

/* Appends `text` whole, or marks the line as cut and returns false. */
static bool put(struct line *line, struct text text)
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

static void put_control(struct line *line, struct text character)
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

/* The inside of a quoted string. JSON and logfmt share the escapes, so one reader's habits serve for both. */
static void put_escaped(struct line *line, struct text text)
{
    while (text.length > 0 && !line->truncated) {
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
static bool put_quoted(struct line *line, struct text text)
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

static bool put_bare(struct line *line, struct text text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!put(line, text_slice(text, i, 1)))
            break;
    return true;
}

/* An unset text is null in JSON and nothing in logfmt, where an empty one is "". */
static bool put_text(struct line *line, struct text text)
{
    if (!text_is_set(text))
        return put(line, is_json() ? TEXT("null") : text_empty);
    return !is_json() && is_bare(text) ? put_bare(line, text) : put_quoted(line, text);
}

static bool put_integer(struct line *line, int64_t value)
{
    char digits[INTEGER_BYTES_MAX + 1];
    int length = snprintf(digits, sizeof digits, "%" PRId64, value);

    return put(line, (struct text){digits, (size_t)length});
}

/* Names are identifiers of the program and need no escape. */
static bool put_name(struct line *line, const char *name)
{
    bool first = line->buffer.length == 0;

    if (!is_json())
        return put(line, first ? text_empty : TEXT(" ")) && put(line, text_from_string(name)) &&
               put(line, TEXT("="));
    return put(line, first ? TEXT("{\"") : TEXT(",\"")) && put(line, text_from_string(name)) &&
           put(line, TEXT("\":"));
}

static void put_field(struct line *line, const struct log_field *field)
{
    size_t start = line->buffer.length;
    bool shown =
        put_name(line, field->name) &&
        (field->type == LOG_FIELD_INTEGER ? put_integer(line, field->integer) : put_text(line, field->text));

    if (!shown) /* a name alone, or a number cut short, would mislead */
        line->buffer.length = start;
}

static void put_head(struct line *line, enum log_level level, const char *message)
{
    static const char *const level_names[] = {"debug", "info", "warning", "error"};

    put_name(line, "time");
    put(line, is_json() ? TEXT("\"") : text_empty);
    instant_append(&line->buffer, instant_now_us());
    put(line, is_json() ? TEXT("\"") : text_empty);
    put_field(line, &LOG_STRING("level", level_names[level]));
    if (put_name(line, "message"))
        put_quoted(line, text_from_string(message));
}

static void put_end(struct line *line)
{
    if (line->truncated)
        buffer_append(&line->buffer, is_json() ? TEXT(",\"truncated\":true") : TEXT(" truncated=true"));
    buffer_append(&line->buffer, is_json() ? TEXT("}\n") : TEXT("\n"));
}

/* A line that standard error does not take is lost: there is nowhere to report it, and a server must not wait
 * for a full terminal that was made non-blocking. */
static void write_line(struct text line)
{
    while (line.length > 0) {
        ssize_t count = write(STDERR_FILENO, line.data, line.length);

        if (count < 0 && errno != EINTR)
            return;
        if (count > 0)
            line = text_from(line, (size_t)count);
    }
}

void log_write(enum log_level level, const char *message, const struct log_field *fields,
               unsigned field_count)
{
    if (level < configured_minimum)
        return;
    int saved_errno = errno; /* callers log between a failure and its handling */
    struct line line = {0};

    buffer_init(&line.buffer);
    buffer_reserve(&line.buffer, LOG_LINE_BYTES_MAX);
    put_head(&line, level, message);
    for (unsigned i = 0; i < field_count; i++)
        put_field(&line, &fields[i]);
    put_end(&line);
    write_line(buffer_text(&line.buffer));
    buffer_free(&line.buffer);
    errno = saved_errno;
}
