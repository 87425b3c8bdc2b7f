/* Each read_… function takes the position of what it reads, appends its values to the tape and returns the
 * position behind it, or NULL once the error is filled. Arrays and objects recurse, at most JSON_DEPTH_MAX
 * deep. The tape has its full size from the start, so that a value never moves. */
#include "json/reader.h"

#include "base/utf8.h"
#include "json/escape.h"
#include "json/scan.h"

#include <assert.h>
#include <string.h>

enum { COUNT_BLOCK_BYTES = 128 }; /* at most 255: the count of one block is kept in a byte */

struct reader {
    struct arena *arena;
    const char *start; /* of the source */
    const char *end;
    struct json_value *tape;
    struct json_value *free; /* the tape's next entry */
    struct json_value *tape_end;
    struct json_error *error;
    unsigned depth; /* of arrays and objects being read */
};

static const char *read_value(struct reader *reader, const char *at);

__attribute__((cold, noinline)) static const char *refuse(struct reader *reader, const char *at,
                                                          const char *reason)
{
    *reader->error = (struct json_error){(size_t)(at - reader->start), reason};
    return NULL;
}

/* Refuses for want of something: it is either not there or something else is. */
__attribute__((cold, noinline)) static const char *refuse_missing(struct reader *reader, const char *at,
                                                                  const char *reason)
{
    return refuse(reader, at, at == reader->end ? "unexpected end" : reason);
}

static bool byte_is(const struct reader *reader, const char *at, char byte)
{
    return at < reader->end && *at == byte;
}

static const char *skip_space(const struct reader *reader, const char *at)
{
    while (at < reader->end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

/* Appends a value, as yet without parts, that begins at `start` in the source. */
static struct json_value *append(struct reader *reader, enum json_type type, const char *start,
                                 struct text text)
{
    if (reader->free == reader->tape_end) {
        /* A shorter tape has room for every value of its source (count_values_max). */
        assert(reader->tape_end - reader->tape == JSON_VALUES_MAX);
        refuse(reader, start, "too many values");
        return NULL;
    }
    struct json_value *value = reader->free++;

    *value = (struct json_value){.type = type, .next = 1, .text = text};
    return value;
}

/* Appends a literal or number, which is the source from `start` up to `end`. */
static const char *append_token(struct reader *reader, enum json_type type, const char *start,
                                const char *end)
{
    return append(reader, type, start, (struct text){start, (size_t)(end - start)}) ? end : NULL;
}

static const char *read_literal(struct reader *reader, const char *at, enum json_type type,
                                struct text literal)
{
    if ((size_t)(reader->end - at) >= literal.length && memcmp(at, literal.data, literal.length) == 0)
        return append_token(reader, type, at, at + literal.length);
    for (size_t i = 0; at + i < reader->end; i++)
        if (at[i] != literal.data[i])
            return refuse(reader, at, "expected a value");
    return refuse(reader, reader->end, "unexpected end");
}

static bool is_digit(const struct reader *reader, const char *at)
{
    return at < reader->end && *at >= '0' && *at <= '9';
}

static const char *read_digits(struct reader *reader, const char *at)
{
    if (!is_digit(reader, at))
        return refuse_missing(reader, at, "expected a digit");
    do
        at++;
    while (is_digit(reader, at));
    return at;
}

static const char *read_number(struct reader *reader, const char *start)
{
    const char *at = start + (*start == '-');

    if (byte_is(reader, at, '0') && is_digit(reader, at + 1))
        return refuse(reader, at, "number with a leading zero");
    at = read_digits(reader, at);
    if (at && byte_is(reader, at, '.'))
        at = read_digits(reader, at + 1);
    if (at && (byte_is(reader, at, 'e') || byte_is(reader, at, 'E'))) {
        at++;
        at = read_digits(reader, at + (byte_is(reader, at, '+') || byte_is(reader, at, '-')));
    }
    return at ? append_token(reader, JSON_NUMBER, start, at) : NULL;
}

/* Reads the bytes of a string that stand for themselves. Returns the position of the `"` or `\` that ends
 * them. Bytes outside ASCII are refused everywhere else, so this is the one place that checks UTF-8. */
static const char *read_plain(struct reader *reader, const char *at)
{
    bool has_non_ascii = false;
    size_t length = json_plain_length(at, (size_t)(reader->end - at), &has_non_ascii);

    if (has_non_ascii) {
        size_t valid = utf8_valid_length((struct text){at, length});

        if (valid != length)
            return refuse(reader, at + valid, "invalid UTF-8");
    }
    at += length;
    if (at == reader->end)
        return refuse(reader, at, "unexpected end");
    if ((unsigned char)*at < 0x20)
        return refuse(reader, at, *at ? "control character in a string" : "U+0000 in a string");
    return at;
}

/* The end of the string whose content goes on at `at`: its closing quote, or the first byte that will make
 * the reader refuse the string before it gets there. */
static const char *find_string_end(const struct reader *reader, const char *at)
{
    bool ignored = false;

    for (;;) {
        at += json_plain_length(at, (size_t)(reader->end - at), &ignored);
        if (!byte_is(reader, at, '\\') || at + 1 == reader->end)
            return at;
        at += JSON_ESCAPE_BYTES_MIN;
    }
}

/* Reads a string with escapes; `at` is the first of them. */
static const char *read_escaped_string(struct reader *reader, const char *quote, const char *at)
{
    const char *start = quote + 1;
    /* No escape is shorter than what it stands for. */
    char *content = arena_allocate(reader->arena, (size_t)(find_string_end(reader, at) - start));
    char *out = content;
    struct json_escape_error error;

    for (const char *plain = start;;) {
        memcpy(out, plain, (size_t)(at - plain));
        out += at - plain;
        if (*at == '"')
            break;
        plain = json_unescape(at, reader->end, &out, &error);
        if (!plain)
            return refuse(reader, error.at, error.reason);
        at = read_plain(reader, plain);
        if (!at)
            return NULL;
    }
    struct text text = {content, (size_t)(out - content)};

    return append(reader, JSON_STRING, quote, text) ? at + 1 : NULL;
}

static const char *read_string(struct reader *reader, const char *quote)
{
    const char *start = quote + 1;
    const char *at = read_plain(reader, start);

    if (!at)
        return NULL;
    if (*at == '\\')
        return read_escaped_string(reader, quote, at);
    struct text text = {start, (size_t)(at - start)};

    return append(reader, JSON_STRING, quote, text) ? at + 1 : NULL;
}

/* Reads `"key" :`. */
static const char *read_key(struct reader *reader, const char *at)
{
    if (!byte_is(reader, at, '"'))
        return refuse_missing(reader, at, "expected a key in double quotes");
    at = read_string(reader, at);
    if (!at)
        return NULL;
    at = skip_space(reader, at);
    if (!byte_is(reader, at, ':'))
        return refuse_missing(reader, at, "expected ':'");
    return skip_space(reader, at + 1);
}

/* Reads what an array or object holds, from its first element or key to its closing byte. */
static const char *read_elements(struct reader *reader, const char *at, struct json_value *container)
{
    bool is_object = container->type == JSON_OBJECT;
    char closing = is_object ? '}' : ']';

    for (;;) {
        if (is_object)
            at = read_key(reader, at);
        if (at)
            at = read_value(reader, at);
        if (!at)
            return NULL;
        container->count++;
        at = skip_space(reader, at);
        if (byte_is(reader, at, closing))
            return at;
        if (!byte_is(reader, at, ','))
            return refuse_missing(reader, at, is_object ? "expected ',' or '}'" : "expected ',' or ']'");
        at = skip_space(reader, at + 1);
        if (byte_is(reader, at, closing))
            return refuse(reader, at, "trailing comma");
    }
}

static const char *read_container(struct reader *reader, const char *start, enum json_type type)
{
    if (reader->depth == JSON_DEPTH_MAX)
        return refuse(reader, start, "nested too deeply");
    struct json_value *container = append(reader, type, start, text_empty);

    if (!container)
        return NULL;
    reader->depth++;
    const char *at = skip_space(reader, start + 1);

    if (!byte_is(reader, at, type == JSON_OBJECT ? '}' : ']')) {
        at = read_elements(reader, at, container);
        if (!at)
            return NULL;
    }
    reader->depth--;
    container->next = (uint32_t)(reader->free - container);
    container->text = (struct text){start, (size_t)(at + 1 - start)};
    return at + 1;
}

static const char *read_value(struct reader *reader, const char *at)
{
    if (at == reader->end)
        return refuse(reader, at, "unexpected end");
    switch (*at) {
    case '"':
        return read_string(reader, at);
    case '{':
        return read_container(reader, at, JSON_OBJECT);
    case '[':
        return read_container(reader, at, JSON_ARRAY);
    case 'n':
        return read_literal(reader, at, JSON_NULL, TEXT("null"));
    case 'f':
        return read_literal(reader, at, JSON_FALSE, TEXT("false"));
    case 't':
        return read_literal(reader, at, JSON_TRUE, TEXT("true"));
    default:
        if (*at == '-' || is_digit(reader, at))
            return read_number(reader, at);
        return refuse(reader, at, "expected a value");
    }
}

/* The tape entries that the source needs at most: every key and every value but the root stands behind a
 * `,`, `:`, `[` or `{` of its own. The inner loop is one that compilers turn into vector instructions. */
static size_t count_values_max(struct text source)
{
    size_t count = 1;

    for (size_t start = 0; start < source.length; start += COUNT_BLOCK_BYTES) {
        size_t rest = source.length - start;
        size_t length = rest < COUNT_BLOCK_BYTES ? rest : COUNT_BLOCK_BYTES;
        const char *block = source.data + start;
        uint8_t found = 0;

        for (size_t i = 0; i < length; i++) /* '[' and '{' differ in one bit */
            found += (block[i] == ',') + (block[i] == ':') + ((block[i] | 0x20) == '{');
        count += found;
    }
    return count < JSON_VALUES_MAX ? count : JSON_VALUES_MAX;
}

static const char *read_document(struct reader *reader, struct text source)
{
    if (text_starts_with(source, TEXT("\xEF\xBB\xBF")))
        return refuse(reader, reader->start, "byte order mark");
    const char *at = read_value(reader, skip_space(reader, reader->start));

    if (!at)
        return NULL;
    at = skip_space(reader, at);
    return at == reader->end ? at : refuse(reader, at, "bytes after the value");
}

const struct json_value *json_read(struct arena *arena, struct text source, struct json_error *error)
{
    size_t values_max = count_values_max(source);
    struct json_value *tape = arena_allocate(arena, values_max * sizeof *tape);
    const char *start = source.data ? source.data : "";
    struct reader reader = {.arena = arena,
                            .start = start,
                            .end = start + source.length,
                            .tape = tape,
                            .free = tape,
                            .tape_end = tape + values_max,
                            .error = error};

    return read_document(&reader, source) ? tape : NULL;
}

const struct json_value *json_member(const struct json_value *object, struct text name)
{
    const struct json_value *found = NULL;

    if (object->type != JSON_OBJECT)
        return NULL;
    const struct json_value *key = json_first(object);

    for (uint32_t i = 0; i < object->count; i++) {
        const struct json_value *value = json_next(key);

        if (text_equal(key->text, name))
            found = value;
        key = json_next(value);
    }
    return found;
}

const char *json_type_name(enum json_type type)
{
    switch (type) {
    case JSON_NULL:
        return "null";
    case JSON_FALSE:
    case JSON_TRUE:
        return "boolean";
    case JSON_NUMBER:
        return "number";
    case JSON_STRING:
        return "string";
    case JSON_ARRAY:
        return "array";
    case JSON_OBJECT:
        return "object";
    }
    __builtin_unreachable();
}

struct text json_member_text(const struct json_value *object, struct text name)
{
    const struct json_value *value = object ? json_member(object, name) : NULL;

    return value && value->type == JSON_STRING ? value->text : text_empty;
}

bool json_member_int64(const struct json_value *object, struct text name, int64_t *number)
{
    const struct json_value *value = object ? json_member(object, name) : NULL;

    return value && value->type == JSON_NUMBER && text_to_int64(value->text, number);
}
