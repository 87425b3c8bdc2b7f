/* query_string.c: percent escapes and query parameters (conventions section 8). */
#include "api/exchange.h"
#include "base/utf8.h"
#include "model/entity_json.h"

#include <string.h>

bool percent_decode(struct arena *arena, struct text text, bool is_query, struct text *decoded)
{
    if (text_find(text, '%') == text.length && (!is_query || text_find(text, '+') == text.length)) {
        *decoded = text;
        return text_find(text, '\0') == text.length && utf8_valid(text);
    }
    char *out = arena_allocate(arena, text.length);
    size_t length = 0;

    while (text.length > 0) {
        int byte = (unsigned char)text.data[0];
        size_t taken = 1;

        if (byte == '%') {
            byte = text_escaped_byte(text);
            taken = TEXT_ESCAPE_BYTES;
        } else if (byte == '+' && is_query) {
            byte = ' ';
        }
        if (byte <= 0)
            return false;
        out[length++] = (char)byte;
        text = text_from(text, taken);
    }
    *decoded = (struct text){out, length};
    return utf8_valid(*decoded);
}

static const struct failure *bad_query(struct exchange *exchange)
{
    return failure_new(exchange->arena, FAILURE_VALIDATION,
                       TEXT("the query string has an escape that is not valid"));
}

const struct failure *exchange_query_next(struct exchange *exchange, struct text name, struct text *position,
                                          struct text *value)
{
    struct text rest = *position;

    *value = text_none;
    *position = text_empty;
    while (rest.length > 0) {
        size_t end = text_find(rest, '&');
        struct text pair = text_slice(rest, 0, end);
        size_t equals = text_find(pair, '=');
        struct text key;

        rest = text_from(rest, end + 1);
        /* A key that cannot be read is one that we do not know. */
        if (!percent_decode(exchange->arena, text_slice(pair, 0, equals), true, &key) ||
            !text_equal(key, name))
            continue;
        if (!percent_decode(exchange->arena, text_from(pair, equals + 1), true, value))
            return bad_query(exchange);
        *position = rest;
        return NULL;
    }
    return NULL;
}

const struct failure *exchange_query(struct exchange *exchange, struct text name, struct text *value)
{
    struct text position = exchange->http->request.query;
    const struct failure *failure = exchange_query_next(exchange, name, &position, value);

    if (value->length == 0)
        *value = text_none;
    return failure;
}

static void write_parts(struct json_writer *writer, struct text value)
{
    while (value.length > 0) {
        size_t end = text_find(value, ',');

        if (end > 0)
            json_string(writer, text_slice(value, 0, end));
        value = text_from(value, end < value.length ? end + 1 : end);
    }
}

const struct failure *exchange_query_list(struct exchange *exchange, struct text name, struct text *list)
{
    struct text position = exchange->http->request.query, value;
    const struct failure *failure;
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_array(&writer);
    do {
        failure = exchange_query_next(exchange, name, &position, &value);
        write_parts(&writer, failure ? text_empty : value);
    } while (!failure && text_is_set(value));
    json_end_array(&writer);
    *list = buffer.length > sizeof "[]" - 1 ? arena_copy(exchange->arena, buffer_text(&buffer)) : text_none;
    buffer_free(&buffer);
    return failure;
}

const struct failure *exchange_query_number(struct exchange *exchange, struct text name, int64_t minimum,
                                            int64_t maximum, int64_t fallback, int64_t *number)
{
    struct failure *invalid = NULL;
    struct text text;
    uint64_t value;
    const struct failure *failure = exchange_query(exchange, name, &text);

    *number = fallback;
    if (failure || !text_is_set(text))
        return failure;
    if (text_to_uint64(text, &value) && value <= (uint64_t)maximum && (int64_t)value >= minimum) {
        *number = (int64_t)value;
        return NULL;
    }
    failure_add_field(&invalid, exchange->arena, name,
                      arena_format(exchange->arena, "must be a whole number from %lld to %lld",
                                   (long long)minimum, (long long)maximum));
    return invalid;
}
