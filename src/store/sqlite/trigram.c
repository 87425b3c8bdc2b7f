#include "store/sqlite/trigram.h"

#include "base/utf8.h"

#include <string.h>

enum {
    PRIVATE_FIRST = 0xE000,
    PRIVATE_COUNT = 6400, /* code points of private use in the first plane */
    TRIGRAM_CODE_POINTS = 3,
    CANDIDATES_MAX = 256,
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

/* ---- which ones ---- */

struct candidate {
    struct text trigram;
    unsigned frequency;
    unsigned needle, place; /* where it stands: code points */
    bool is_chosen;
};

struct candidates {
    struct candidate all[CANDIDATES_MAX];
    unsigned count;
    const struct trigram_counts *counts;
};

static void add_candidate(struct candidates *candidates, struct text trigram, unsigned needle, unsigned place)
{
    if (candidates->count < CANDIDATES_MAX)
        candidates->all[candidates->count++] = (struct candidate){
            .trigram = trigram,
            .frequency = candidates->counts->counts[bucket_of(trigram)],
            .needle = needle,
            .place = place,
        };
}

/* Trigrams that share code points mostly come together. */
static bool overlaps_chosen(const struct candidates *candidates, const struct candidate *candidate)
{
    for (unsigned i = 0; i < candidates->count; i++) {
        const struct candidate *other = &candidates->all[i];

        if (other->is_chosen && other->needle == candidate->needle &&
            other->place < candidate->place + TRIGRAM_CODE_POINTS &&
            candidate->place < other->place + TRIGRAM_CODE_POINTS)
            return true;
    }
    return false;
}

/* Of those that overlap a chosen one, or of the others. NULL: there is none any more. */
static struct candidate *rarest(struct candidates *candidates, bool is_overlapping)
{
    struct candidate *found = NULL;

    for (unsigned i = 0; i < candidates->count; i++) {
        struct candidate *candidate = &candidates->all[i];

        if (!candidate->is_chosen && (!found || candidate->frequency < found->frequency) &&
            overlaps_chosen(candidates, candidate) == is_overlapping)
            found = candidate;
    }
    return found;
}

/* The part of all texts that have it. */
static double part_of(const struct candidates *candidates, const struct candidate *candidate)
{
    return candidates->counts->texts ? (candidate->frequency + 0.5) / candidates->counts->texts : 1;
}

/* Chooses one more if its list is walked in less time than it takes to look at the rows that it rules out: a
 * row takes about as long as 32 steps of a list. Of two that overlap, the second one is in a tenth of what
 * has the first. */
static bool choose(struct candidates *candidates, bool is_overlapping, double *remaining)
{
    const double row_steps = 32, part_of_overlapping = 0.1;
    struct candidate *next = rarest(candidates, is_overlapping);

    if (!next)
        return false;
    double part = part_of(candidates, next), kept = is_overlapping ? part_of_overlapping : part;
    bool is_first = *remaining == 1;

    if (!is_first && *remaining * (1 - kept) * row_steps < part)
        return false;
    next->is_chosen = true;
    *remaining *= kept;
    return true;
}

static void choose_all(struct candidates *candidates)
{
    double remaining = 1; /* of all texts */

    for (unsigned count = 0; count < TRIGRAM_CHOSEN_MAX; count++)
        if (!choose(candidates, false, &remaining) && !choose(candidates, true, &remaining))
            return;
}

/* `"abc" AND "def"`, where a quote in a trigram stands twice. */
static struct text expression(const struct candidates *candidates, struct arena *arena)
{
    struct buffer buffer = {0};

    for (unsigned i = 0; i < candidates->count; i++) {
        struct text trigram = candidates->all[i].trigram;

        if (!candidates->all[i].is_chosen)
            continue;
        buffer_append(&buffer, buffer.length ? TEXT(" AND \"") : TEXT("\""));
        for (size_t j = 0; j < trigram.length; j++) {
            if (trigram.data[j] == '"')
                buffer_append_char(&buffer, '"');
            buffer_append_char(&buffer, trigram.data[j]);
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
    struct candidates candidates = {.counts = counts};
    struct buffer mark = {0};
    struct text trigram;

    for (unsigned i = 0; i < count; i++)
        for (size_t position = 0, place = 0; next_trigram(folded[i], &position, &trigram); place++)
            add_candidate(&candidates, trigram, i, (unsigned)place);
    const struct candidate *first = rarest(&candidates, false);
    bool is_common = !first || (counts->texts >= TRIGRAM_SAMPLE_MIN &&
                                first->frequency > counts->texts / TRIGRAM_COMMON_PART);

    if (is_common)
        return text_none;
    trigram_append_scope(&mark, scope);
    add_candidate(&candidates, buffer_text(&mark), (unsigned)count, 0);
    choose_all(&candidates);
    struct text query = expression(&candidates, arena);

    buffer_free(&mark);
    return query;
}
