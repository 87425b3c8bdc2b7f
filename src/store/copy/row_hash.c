#include "store/copy/row_hash.h"

#include "store/copy/copied_table.h"
#include "json/writer.h"

#include <endian.h>
#include <stdlib.h>

enum { UNSET_LENGTH = -1 }; /* in place of the length of a NULL */

/* ---- numbers ---- */

/* The number of an exponent, "e+07", as far as a sane one goes. */
static int64_t exponent_of(struct text digits)
{
    int64_t exponent = 0;

    if (digits.length > 0 && digits.data[0] == '+')
        digits = text_from(digits, 1);
    return text_to_int64(digits, &exponent) ? exponent : 0;
}

static bool has_digit(struct text mantissa)
{
    for (size_t i = 0; i < mantissa.length; i++)
        if (mantissa.data[i] >= '1' && mantissa.data[i] <= '9')
            return true;
    return false;
}

/* Digits without zeros at either end, and the power of ten that they are multiplied with: 1.50e3 is 15e2. */
static void append_number(struct buffer *buffer, struct text number)
{
    size_t mantissa = 0, first = 0, last;
    int64_t exponent = 0;
    size_t start;

    bool is_negative = number.data[0] == '-';

    if (is_negative)
        number = text_from(number, 1);
    while (mantissa < number.length && number.data[mantissa] != 'e' && number.data[mantissa] != 'E')
        mantissa++;
    if (mantissa < number.length)
        exponent = exponent_of(text_from(number, mantissa + 1));
    if (is_negative && has_digit(text_slice(number, 0, mantissa)))
        buffer_append_char(buffer, '-');
    start = buffer->length;
    for (size_t i = 0; i < mantissa; i++)
        if (number.data[i] != '.')
            buffer_append_char(buffer, number.data[i]);
    size_t point = text_find(text_slice(number, 0, mantissa), '.');

    if (point < mantissa)
        exponent -= (int64_t)(mantissa - point - 1);
    for (last = buffer->length; last > start && buffer->data[last - 1] == '0'; last--)
        exponent++;
    while (start + first < last && buffer->data[start + first] == '0')
        first++;
    memmove(buffer->data + start, buffer->data + start + first, last - start - first);
    buffer->length = last - first;
    if (buffer->length > start)
        buffer_append_format(buffer, "e%lld", (long long)exponent);
    else /* zero, which has no sign */
        buffer_append_char(buffer, '0');
}

/* ---- JSON ---- */

static void append_value(struct buffer *buffer, const struct json_value *value, struct arena *arena);

struct member {
    const struct json_value *key; /* its value is behind it */
};

/* As PostgreSQL sorts keys: the shorter one first. Of equal keys the one that comes last is kept. */
static int compare_members(const void *a, const void *b)
{
    const struct json_value *left = ((const struct member *)a)->key, *right = ((const struct member *)b)->key;

    if (left->text.length != right->text.length)
        return left->text.length < right->text.length ? -1 : 1;
    int order = memcmp(left->text.data, right->text.data, left->text.length);

    return order ? order : left < right ? -1 : left > right;
}

static void append_object(struct buffer *buffer, const struct json_value *object, struct arena *arena)
{
    struct member *members = ARENA_ARRAY(arena, struct member, object->count + 1);
    const struct json_value *key = object->count ? json_first(object) : NULL;

    for (uint32_t i = 0; i < object->count; i++) {
        members[i].key = key;
        key = json_next(json_next(key));
    }
    qsort(members, object->count, sizeof *members, compare_members);
    buffer_append_char(buffer, '{');
    for (uint32_t i = 0; i < object->count; i++) {
        if (i + 1 < object->count && text_equal(members[i].key->text, members[i + 1].key->text))
            continue;
        json_append_string(buffer, members[i].key->text);
        append_value(buffer, json_next(members[i].key), arena);
    }
    buffer_append_char(buffer, '}');
}

static void append_array(struct buffer *buffer, const struct json_value *array, struct arena *arena)
{
    const struct json_value *element = array->count ? json_first(array) : NULL;

    buffer_append_char(buffer, '[');
    for (uint32_t i = 0; i < array->count; i++) {
        append_value(buffer, element, arena);
        buffer_append_char(buffer, ',');
        element = json_next(element);
    }
    buffer_append_char(buffer, ']');
}

/* As deep as the reader lets it be: JSON_DEPTH_MAX. */
static void append_value(struct buffer *buffer, const struct json_value *value, struct arena *arena)
{
    switch (value->type) {
    case JSON_OBJECT:
        append_object(buffer, value, arena);
        break;
    case JSON_ARRAY:
        append_array(buffer, value, arena);
        break;
    case JSON_STRING:
        json_append_string(buffer, value->text);
        break;
    case JSON_NUMBER:
        append_number(buffer, value->text);
        break;
    default:
        buffer_append(buffer, value->text);
        break;
    }
}

void row_hash_append_json(struct buffer *buffer, struct text json, struct arena *arena)
{
    struct json_error error;
    const struct json_value *value = json_read(arena, json, &error);

    if (value)
        append_value(buffer, value, arena);
    else
        buffer_append(buffer, json);
}

/* ---- rows ---- */

static void append_integer(struct buffer *buffer, int64_t number)
{
    uint64_t bytes = htobe64((uint64_t)number);

    buffer_append_bytes(buffer, &bytes, sizeof bytes);
}

/* Behind its length, which is known when it is there. */
static void append_text(struct row_hash *hash, const struct field *field, struct text text)
{
    struct buffer *buffer = &hash->scratch;
    size_t start = buffer->length;

    append_integer(buffer, UNSET_LENGTH);
    if (!text_is_set(text))
        return;
    if (field->type == FIELD_TEXT)
        buffer_append(buffer, text);
    else
        row_hash_append_json(buffer, text, &hash->arena);
    uint64_t length = htobe64((uint64_t)(buffer->length - start - sizeof length));

    memcpy(buffer->data + start, &length, sizeof length);
}

static void digest_row(struct row_hash *hash, const struct entity *row, const void *record)
{
    buffer_clear(&hash->scratch);
    arena_reset(&hash->arena);
    for (size_t i = COPIED_COLUMNS; i < row->field_count; i++) {
        const struct field *field = &row->fields[i];

        if (field_is_text(field))
            append_text(hash, field, field_text_of(field, record));
        else if (field->type == FIELD_BOOLEAN)
            append_integer(&hash->scratch, field_boolean_of(field, record));
        else
            append_integer(&hash->scratch, field_integer_of(field, record));
    }
    sha256(buffer_text(&hash->scratch), hash->last);
}

/* Adds the last digest; or its complement and one, which takes it away. */
static void add_last(struct row_hash *hash, bool is_negative)
{
    uint64_t carry = is_negative;

    for (size_t i = 0; i < ROW_HASH_WORDS; i++) {
        uint64_t word;

        memcpy(&word, hash->last + i * sizeof word, sizeof word);
        word = is_negative ? ~le64toh(word) : le64toh(word);
        uint64_t sum = hash->words[i] + word;
        uint64_t with_carry = sum + carry;

        carry = (sum < word) | (with_carry < sum);
        hash->words[i] = with_carry;
    }
}

void row_hash_add(struct row_hash *hash, const struct entity *row, const void *record)
{
    digest_row(hash, row, record);
    add_last(hash, false);
}

void row_hash_subtract(struct row_hash *hash, const struct entity *row, const void *record)
{
    digest_row(hash, row, record);
    add_last(hash, true);
}

void row_hash_hex(const struct row_hash *hash, char hex[SHA256_HEX_LENGTH])
{
    uint8_t bytes[SHA256_BYTES];

    for (size_t i = 0; i < ROW_HASH_WORDS; i++) {
        uint64_t word = htobe64(hash->words[ROW_HASH_WORDS - 1 - i]);

        memcpy(bytes + i * sizeof word, &word, sizeof word);
    }
    hex_encode(bytes, sizeof bytes, hex);
}

void row_hash_free(struct row_hash *hash)
{
    buffer_free(&hash->scratch);
    arena_free(&hash->arena);
}
