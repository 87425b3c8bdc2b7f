#include "base/text.h"

#include <string.h>

const struct text text_none = {NULL, 0};
const struct text text_empty = {"", 0};

struct text text_from_string(const char *string)
{
    return string ? (struct text){string, strlen(string)} : text_none;
}

bool text_equal(struct text a, struct text b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static unsigned char ascii_lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte + ('a' - 'A')) : (unsigned char)byte;
}

bool text_equal_ignoring_case(struct text a, struct text b)
{
    if (a.length != b.length)
        return false;
    for (size_t i = 0; i < a.length; i++)
        if (ascii_lower(a.data[i]) != ascii_lower(b.data[i]))
            return false;
    return true;
}

int text_compare(struct text a, struct text b)
{
    size_t common = a.length < b.length ? a.length : b.length;
    int order = common ? memcmp(a.data, b.data, common) : 0;

    if (order != 0)
        return order;
    return (a.length > b.length) - (a.length < b.length);
}

bool text_starts_with(struct text text, struct text prefix)
{
    return text.length >= prefix.length && text_equal(text_slice(text, 0, prefix.length), prefix);
}

bool text_ends_with(struct text text, struct text suffix)
{
    return text.length >= suffix.length && text_equal(text_from(text, text.length - suffix.length), suffix);
}

struct text text_from(struct text text, size_t start)
{
    if (text.length == 0)
        return text;
    if (start > text.length)
        start = text.length;
    return (struct text){text.data + start, text.length - start};
}

struct text text_slice(struct text text, size_t start, size_t length)
{
    return (struct text){text.data ? text.data + start : NULL, length};
}

size_t text_find(struct text text, char byte)
{
    const char *found = text.length ? memchr(text.data, byte, text.length) : NULL;

    return found ? (size_t)(found - text.data) : text.length;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

struct text text_trim(struct text text)
{
    while (text.length && is_blank(text.data[0]))
        text = text_from(text, 1);
    while (text.length && is_blank(text.data[text.length - 1]))
        text.length--;
    return text;
}

bool text_is_visible_ascii(struct text text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] <= ' ' || text.data[i] > '~')
            return false;
    return true;
}

bool text_to_uint64(struct text text, uint64_t *value)
{
    uint64_t result = 0;

    if (text.length == 0)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        char digit = text.data[i];

        if (digit < '0' || digit > '9')
            return false;
        if (__builtin_mul_overflow(result, UINT64_C(10), &result) ||
            __builtin_add_overflow(result, (uint64_t)(digit - '0'), &result))
            return false;
    }
    *value = result;
    return true;
}

int text_escaped_byte(struct text text)
{
    if (text.length < TEXT_ESCAPE_BYTES)
        return -1;
    int high = text_hex_digit(text.data[1]), low = text_hex_digit(text.data[2]);

    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool text_to_int64(struct text text, int64_t *value)
{
    bool is_negative = text.length > 0 && text.data[0] == '-';
    uint64_t magnitude;

    if (!text_to_uint64(text_from(text, is_negative), &magnitude) || magnitude > INT64_MAX)
        return false;
    *value = is_negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}
