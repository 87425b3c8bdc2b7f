#include "store/row_key.h"

#include "base/ulid.h"

enum { TIME_DIGITS = 10, DIGIT_BITS = 5, KEY_TIME_BITS = 42, KEY_RANDOM_BITS = 20 };

/* The values of the digits of Crockford's base32, plus one; 0 for what is none. */
static const uint8_t digit_values[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
    ['G'] = 17, ['H'] = 18, ['J'] = 19, ['K'] = 20, ['M'] = 21, ['N'] = 22, ['P'] = 23, ['Q'] = 24,
    ['R'] = 25, ['S'] = 26, ['T'] = 27, ['V'] = 28, ['W'] = 29, ['X'] = 30, ['Y'] = 31, ['Z'] = 32,
};

/* Reads the last 26 characters as a ULID: its milliseconds, and the lowest bits of the rest. */
static bool read_ulid(struct text id, uint64_t *time_ms, uint64_t *random)
{
    if (id.length < ULID_TEXT_LENGTH)
        return false;
    struct text ulid = text_from(id, id.length - ULID_TEXT_LENGTH);

    *time_ms = *random = 0;
    for (int i = 0; i < ULID_TEXT_LENGTH; i++) {
        unsigned value = digit_values[(unsigned char)ulid.data[i]];
        uint64_t *part = i < TIME_DIGITS ? time_ms : random;

        if (value == 0)
            return false;
        *part = *part << DIGIT_BITS | (value - 1);
    }
    return true;
}

static uint64_t hash_bytes(struct text text)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);

    for (size_t i = 0; i < text.length; i++)
        hash = (hash ^ (unsigned char)text.data[i]) * UINT64_C(0x100000001B3);
    return hash;
}

int64_t row_key(struct text id)
{
    const uint64_t time_mask = (UINT64_C(1) << KEY_TIME_BITS) - 1,
                   random_mask = (UINT64_C(1) << KEY_RANDOM_BITS) - 1;
    uint64_t time_ms, random;

    if (read_ulid(id, &time_ms, &random))
        return (int64_t)((time_ms & time_mask) << KEY_RANDOM_BITS | (random & random_mask));
    return (int64_t)(hash_bytes(id) >> (64 - KEY_TIME_BITS - KEY_RANDOM_BITS));
}
