#include "store/sqlite/trigram.h"

#include "base/utf8.h"

#include <string.h>

enum {
    PRIVATE_FIRST = 0xE000,
    PRIVATE_COUNT = 6400, /* code points of private use in the first plane */
    TRIGRAM_CODE_POINTS = 3,
};

void trigram_append_scope(struct buffer *buffer, int64_t scope)
{
    uint64_t number = (uint64_t)scope;

    for (unsigned i = 0; i < TRIGRAM_CODE_POINTS; i++, number /= PRIVATE_COUNT) {
        char bytes[4];

        buffer_append_bytes(buffer, bytes,
                            utf8_encode(PRIVATE_FIRST + (uint32_t)(number % PRIVATE_COUNT), bytes));
    }
}

/* The trigram at *position, which is moved a code point further. False at the end. */
static bool next_trigram(struct text text, size_t *position, struct text *trigram)
{
    size_t start = *position, end = start;

    for (unsigned i = 0; i < TRIGRAM_CODE_POINTS; i++) {
        if (end >= text.length)
            return false;
        utf8_next(text, &end);
        if (i == 0)
            *position = end;
    }
    *trigram = text_slice(text, start, end - start);
    return true;
}

/* FNV-1a. */
static unsigned bucket_of(struct text trigram)
{
    uint32_t hash = UINT32_C(0x811C9DC5);

    for (size_t i = 0; i < trigram.length; i++)
        hash = (hash ^ (unsigned char)trigram.data[i]) * UINT32_C(0x01000193);
    return (hash ^ hash >> 16) % TRIGRAM_BUCKETS;
}

void trigram_count(struct trigram_counts *counts, struct text folded)
{
    uint8_t seen[TRIGRAM_BUCKETS / 8] = {0};
    struct text trigram;

    if (counts->texts == UINT16_MAX)
        return;
    counts->texts++;
    for (size_t position = 0; next_trigram(folded, &position, &trigram);) {
        unsigned bucket = bucket_of(trigram);

        if (!(seen[bucket / 8] & 1U << bucket % 8))
            counts->counts[bucket]++;
        seen[bucket / 8] |= (uint8_t)(1U << bucket % 8);
    }
}

/* ---- the rarest ---- */

struct chosen {
    struct text trigrams[TRIGRAM_CHOSEN_MAX];
    unsigned frequencies[TRIGRAM_CHOSEN_MAX];
    unsigned count;
};

static void remove_at(struct chosen *chosen, unsigned index)
{
    chosen->count--;
    for (unsigned i = index; i < chosen->count; i++) {
        chosen->trigrams[i] = chosen->trigrams[i + 1];
        chosen->frequencies[i] = chosen->frequencies[i + 1];
    }
}

/* They are kept from the rarest to the most common. */
static void choose(struct chosen *chosen, struct text trigram, unsigned frequency)
{
    unsigned place = 0;

    while (place < chosen->count && chosen->frequencies[place] <= frequency) {
        if (text_equal(chosen->trigrams[place], trigram))
            return;
        place++;
    }
    if (place == TRIGRAM_CHOSEN_MAX)
        return;
    for (unsigned i = place; i < chosen->count; i++)
        if (text_equal(chosen->trigrams[i], trigram))
            return;
    if (chosen->count == TRIGRAM_CHOSEN_MAX)
        remove_at(chosen, TRIGRAM_CHOSEN_MAX - 1);
    for (unsigned i = chosen->count; i > place; i--) {
        chosen->trigrams[i] = chosen->trigrams[i - 1];
        chosen->frequencies[i] = chosen->frequencies[i - 1];
    }
    chosen->trigrams[place] = trigram;
    chosen->frequencies[place] = frequency;
    chosen->count++;
}

/* `"abc" AND "def"`, where a quote in a trigram stands twice. */
static struct text expression(const struct chosen *chosen, struct arena *arena)
{
    struct buffer buffer = {0};

    for (unsigned i = 0; i < chosen->count; i++) {
        buffer_append(&buffer, i ? TEXT(" AND \"") : TEXT("\""));
        for (size_t j = 0; j < chosen->trigrams[i].length; j++) {
            char byte = chosen->trigrams[i].data[j];

            if (byte == '"')
                buffer_append_char(&buffer, byte);
            buffer_append_char(&buffer, byte);
        }
        buffer_append_char(&buffer, '"');
    }
    struct text text = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return text;
}

struct text trigram_query(const struct trigram_counts *counts, int64_t scope, const struct text *folded,
                          size_t count, struct arena *arena)
{
    struct chosen chosen = {.count = 0};
    struct buffer mark = {0};
    struct text trigram;

    for (size_t i = 0; i < count; i++)
        for (size_t position = 0; next_trigram(folded[i], &position, &trigram);)
            choose(&chosen, trigram, counts->counts[bucket_of(trigram)]);
    bool is_common = chosen.count == 0 || (counts->texts >= TRIGRAM_SAMPLE_MIN &&
                                           chosen.frequencies[0] > counts->texts / TRIGRAM_COMMON_PART);

    if (is_common)
        return text_none;
    trigram_append_scope(&mark, scope);
    choose(&chosen, buffer_text(&mark), counts->counts[bucket_of(buffer_text(&mark))]);
    struct text query = expression(&chosen, arena);

    buffer_free(&mark);
    return query;
}
