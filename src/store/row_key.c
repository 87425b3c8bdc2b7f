#include "store/row_key.h"

#include "base/ulid.h"

enum { TIME_DIGITS = 10, DIGIT_BITS = 5, KEY_TIME_BITS = 42, KEY_RANDOM_BITS = 20 };

/* The value of a Crockford base32 digit in upper case, or -1. */
static int digit_value(char digit)
{
    static const char skipped[] = "ILOU";
    int value = digit - 'A' + 10;

    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit < 'A' || digit > 'Z')
        return -1;
    for (const char *letter = skipped; *letter; letter++) {
        if (digit == *letter)
            return -1;
        value -= digit > *letter;
    }
    return value;
}

/* Reads the last 26 characters as a ULID: its milliseconds, and the lowest bits of the rest. */
static bool read_ulid(struct text id, uint64_t *time_ms, uint64_t *random)
{
    if (id.length < ULID_TEXT_LENGTH)
        return false;
    struct text ulid = text_from(id, id.length - ULID_TEXT_LENGTH);

    *time_ms = *random = 0;
    for (int i = 0; i < ULID_TEXT_LENGTH; i++) {
        int value = digit_value(ulid.data[i]);
        uint64_t *part = i < TIME_DIGITS ? time_ms : random;

        if (value < 0)
            return false;
        *part = *part << DIGIT_BITS | (uint64_t)value;
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
