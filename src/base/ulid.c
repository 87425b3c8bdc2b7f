#include "base/ulid.h"

#include "base/random.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#define ULID_TIMESTAMP_LIMIT_MS (UINT64_C(1) << 48)

enum {
    ULID_TIMESTAMP_LENGTH = 10, /* characters; the first carries 3 bits */
    BASE32_BITS = 5,
    BASE32_MASK = 31,
    BASE32_GROUP_BYTES = 5, /* 40 bits are exactly 8 characters */
    BASE32_GROUP_LENGTH = 8,
    MICROSECONDS_PER_MILLISECOND = 1000,
};

static const char crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static pthread_mutex_t shared_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct ulid_generator shared_generator; /* guarded by shared_mutex */

/* Writes the lowest 5 * length bits of `bits`, the highest first. */
static void encode_base32(uint64_t bits, char *out, size_t length)
{
    while (length-- > 0) {
        out[length] = crockford[bits & BASE32_MASK];
        bits >>= BASE32_BITS;
    }
}

static uint64_t read_group(const uint8_t *bytes)
{
    uint64_t bits = 0;

    for (int i = 0; i < BASE32_GROUP_BYTES; i++)
        bits = bits << 8 | bytes[i];
    return bits;
}

void ulid_encode(uint64_t timestamp_ms, const uint8_t random[ULID_RANDOM_BYTES], char out[ULID_TEXT_LENGTH])
{
    assert(timestamp_ms < ULID_TIMESTAMP_LIMIT_MS);
    encode_base32(timestamp_ms, out, ULID_TIMESTAMP_LENGTH);
    out += ULID_TIMESTAMP_LENGTH;
    encode_base32(read_group(random), out, BASE32_GROUP_LENGTH);
    encode_base32(read_group(random + BASE32_GROUP_BYTES), out + BASE32_GROUP_LENGTH, BASE32_GROUP_LENGTH);
}

/* Adds one to the random part. False when it was all ones, which makes it all zeros. */
static bool increment(uint8_t random[ULID_RANDOM_BYTES])
{
    for (int i = ULID_RANDOM_BYTES; i-- > 0;)
        if (++random[i] != 0)
            return true;
    return false;
}

/* A zeroed generator has made no id yet: it must draw even at (or before) millisecond 0. */
static bool is_new(const struct ulid_generator *generator)
{
    static const uint8_t zero[ULID_RANDOM_BYTES];

    return generator->timestamp_ms == 0 && memcmp(generator->random, zero, sizeof zero) == 0;
}

void ulid_next(struct ulid_generator *generator, uint64_t now_ms, char out[ULID_TEXT_LENGTH])
{
    if (now_ms > generator->timestamp_ms || is_new(generator)) {
        generator->timestamp_ms = now_ms;
        random_bytes(generator->random, sizeof generator->random);
    } else if (!increment(generator->random)) {
        /* This millisecond is used up. Borrowing the next one keeps the order; waiting would not help when
         * the clock has stepped back. */
        generator->timestamp_ms++;
        random_bytes(generator->random, sizeof generator->random);
    }
    ulid_encode(generator->timestamp_ms, generator->random, out);
}

struct text ulid_make_id(struct arena *arena, const char *prefix, int64_t now_us)
{
    size_t prefix_length = strlen(prefix);
    size_t length = prefix_length + 1 + ULID_TEXT_LENGTH;
    uint64_t now_ms = now_us < 0 ? 0 : (uint64_t)now_us / MICROSECONDS_PER_MILLISECOND;
    char *id = arena_allocate(arena, length);

    memcpy(id, prefix, prefix_length);
    id[prefix_length] = '_';
    pthread_mutex_lock(&shared_mutex);
    ulid_next(&shared_generator, now_ms, id + prefix_length + 1);
    pthread_mutex_unlock(&shared_mutex);
    return (struct text){id, length};
}

void ulid_random_text(char *out, size_t length)
{
    random_bytes(out, length);
    /* 32 divides 256, so every character is equally likely. */
    for (size_t i = 0; i < length; i++)
        out[i] = crockford[(unsigned char)out[i] & BASE32_MASK];
}
