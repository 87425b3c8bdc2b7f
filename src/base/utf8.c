#include "base/utf8.h"

#include <assert.h>
#include <string.h>

enum { WORD_BYTES = 8, CODE_POINT_MAX = 0x10FFFF, SURROGATE_FIRST = 0xD800, SURROGATE_LAST = 0xDFFF };

static const uint64_t word_high_bits = UINT64_C(0x8080808080808080);

/* The number of ASCII bytes at the front, in whole words: most text that we see is ASCII alone. */
static size_t ascii_words_length(const char *bytes, size_t length)
{
    size_t at = 0;

    for (; length - at >= WORD_BYTES; at += WORD_BYTES) {
        uint64_t word;

        memcpy(&word, bytes + at, WORD_BYTES);
        if (word & word_high_bits)
            break;
    }
    return at;
}

/* What a first byte announces. Bytes that no sequence begins with get a length too: the caller refuses them.
 */
static size_t announced_length(unsigned char lead)
{
    return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* The length of the well-formed sequence at the front of `bytes`, or 0 when there is none. In table 3-7 only
 * the range of the second byte depends on the first: it shuts out overlong forms, surrogates and code points
 * above U+10FFFF. */
static size_t sequence_length(const unsigned char *bytes, size_t available)
{
    unsigned char lead = bytes[0];
    size_t length = announced_length(lead);

    if (length == 1)
        return 1;
    if (lead < 0xC2 || lead > 0xF4 || available < length)
        return 0;
    unsigned char second_lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned char second_highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;

    if (bytes[1] < second_lowest || bytes[1] > second_highest)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

size_t utf8_valid_length(struct text text)
{
    size_t at = 0;

    while (at < text.length) {
        size_t ascii = ascii_words_length(text.data + at, text.length - at);

        at += ascii;
        /* A word that is not all ASCII, or the rest that fills no word, goes one sequence at a time. */
        for (size_t stop = at + WORD_BYTES; at < text.length && at < stop;) {
            size_t length = sequence_length((const unsigned char *)text.data + at, text.length - at);

            if (length == 0)
                return at;
            at += length;
        }
    }
    return at;
}

bool utf8_valid(struct text text)
{
    return utf8_valid_length(text) == text.length;
}

size_t utf8_length(struct text text)
{
    size_t code_points = 0;

    /* Every code point has exactly one byte that is no continuation byte. */
    for (size_t i = 0; i < text.length; i++)
        code_points += (text.data[i] & 0xC0) != 0x80;
    return code_points;
}

uint32_t utf8_next(struct text text, size_t *position)
{
    assert(*position < text.length);
    const unsigned char *bytes = (const unsigned char *)text.data + *position;
    size_t length = announced_length(bytes[0]);

    assert(length <= text.length - *position);
    *position += length;
    /* The first byte of a sequence of n > 1 bytes carries 7 - n bits, each other byte 6. */
    uint32_t code_point = length == 1 ? bytes[0] : bytes[0] & (0x7Fu >> length);

    for (size_t i = 1; i < length; i++)
        code_point = code_point << 6 | (bytes[i] & 0x3F);
    return code_point;
}

static char continuation_byte(uint32_t bits)
{
    return (char)(0x80 | (bits & 0x3F));
}

size_t utf8_encode(uint32_t code_point, char out[4])
{
    assert(code_point <= CODE_POINT_MAX);
    assert(code_point < SURROGATE_FIRST || code_point > SURROGATE_LAST);
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xC0 | code_point >> 6);
        out[1] = continuation_byte(code_point);
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (char)(0xE0 | code_point >> 12);
        out[1] = continuation_byte(code_point >> 6);
        out[2] = continuation_byte(code_point);
        return 3;
    }
    out[0] = (char)(0xF0 | code_point >> 18);
    out[1] = continuation_byte(code_point >> 12);
    out[2] = continuation_byte(code_point >> 6);
    out[3] = continuation_byte(code_point);
    return 4;
}

/* Each byte that continues no sequence begins a code point, or stands for one; of those that continue one
 * there are three at most, and more of them begin nothing either. */
static size_t short_length(struct text text, size_t length_max)
{
    size_t at = 0, bytes_max = text.length < 4 * length_max ? text.length : 4 * length_max;

    for (size_t count = 0; at < bytes_max; at++) {
        bool is_beginning = ((unsigned char)text.data[at] & 0xC0) != 0x80;

        if (is_beginning && count++ == length_max)
            break;
    }
    return at;
}

struct text utf8_shorten(struct text text, size_t length_max, char *room)
{
    static const struct text ellipsis = TEXT_LITERAL("\xE2\x80\xA6");
    size_t length = short_length(text, length_max);

    if (length == text.length)
        return text;
    memcpy(room, text.data, length);
    memcpy(room + length, ellipsis.data, ellipsis.length);
    return (struct text){room, length + ellipsis.length};
}
