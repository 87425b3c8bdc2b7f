#include "store/sqlite/page_set.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_BITS = 64 };

static size_t word_of(uint32_t number)
{
    return (number - 1) / WORD_BITS;
}

static uint64_t bit_of(uint32_t number)
{
    return UINT64_C(1) << (number - 1) % WORD_BITS;
}

void page_set_add(struct page_set *set, uint32_t number)
{
    size_t word = word_of(number);

    assert(number > 0);
    if (word >= set->word_count) {
        size_t count = 2 * word + 1;

        set->words = memory_resize(set->words, count * sizeof *set->words);
        memset(set->words + set->word_count, 0, (count - set->word_count) * sizeof *set->words);
        set->word_count = count;
    }
    set->count += !(set->words[word] & bit_of(number));
    set->words[word] |= bit_of(number);
}

void page_set_add_first(struct page_set *set, uint32_t count)
{
    for (uint32_t number = count; number > 0; number--) /* so that it grows once */
        page_set_add(set, number);
}

bool page_set_has(const struct page_set *set, uint32_t number)
{
    size_t word = word_of(number);

    return word < set->word_count && set->words[word] & bit_of(number);
}

uint32_t page_set_next(const struct page_set *set, uint32_t from)
{
    size_t word = word_of(from);
    uint64_t ahead = word < set->word_count ? set->words[word] & ~(bit_of(from) - 1) : 0;

    while (!ahead && ++word < set->word_count)
        ahead = set->words[word];
    return ahead ? (uint32_t)(word * WORD_BITS + (size_t)__builtin_ctzll(ahead) + 1) : 0;
}

void page_set_free(struct page_set *set)
{
    free(set->words);
    *set = (struct page_set){.words = NULL};
}
