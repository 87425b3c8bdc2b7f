#include "store/sqlite/search/walk.h"

#include "base/instant.h"

static uint32_t number_at(const struct search_walk *walk, int64_t entry)
{
    const struct search_found *found = walk->found;
    int64_t index = walk->walks->is_descending ? found->size - 1 - entry : entry;

    return found->has_numbers ? found->numbers.numbers[index] : found->first + (uint32_t)index;
}

static bool place_at(struct search_walk *walk, int64_t entry, struct search_place *place)
{
    const struct search_found *found = walk->found;

    if (found->places) {
        *place = found->places[walk->walks->is_descending ? found->size - 1 - entry : entry];
        return true;
    }
    uint32_t number = number_at(walk, entry);

    if (number - walk->documents.first >= walk->documents.count &&
        !search_documents_read(walk->walks->tables, found->segment->number, number, &walk->documents))
        return false;
    *place = search_document(&walk->documents, number - walk->documents.first);
    return true;
}

static bool is_void_at(const struct search_walk *walk, int64_t entry)
{
    return walk->found->voided.bytes && search_bit(&walk->found->voided, number_at(walk, entry));
}

/* Entries of [from, to) that are not void. */
static int64_t count_entries(const struct search_walk *walk, int64_t from, int64_t to)
{
    if (!walk->found->voided.bytes || from == to)
        return to - from;
    uint32_t one = number_at(walk, from), other = number_at(walk, to - 1);
    uint32_t first = one < other ? one : other, last = one < other ? other : one;

    return to - from - search_bits_count(&walk->found->voided, first, last + 1);
}

/* To the first entry from `next` on that is not void. */
static void settle(struct search_walk *walk)
{
    while (walk->next < walk->found->size && is_void_at(walk, walk->next))
        walk->next++;
}

/* How `a` comes in the order that is asked for: by the instant alone, or with the key. */
static int order_of(const struct search_walk *walk, const struct search_place *a,
                    const struct search_place *b, bool has_key)
{
    int order = a->created_at_us != b->created_at_us ? (a->created_at_us < b->created_at_us ? -1 : 1)
                : has_key                            ? (a->key > b->key) - (a->key < b->key)
                                                     : 0;

    return walk->walks->is_descending ? -order : order;
}

/* The first entry from `next` on that does not come before `bound`, in *entry. */
static bool find_bound(struct search_walk *walk, const struct search_place *bound, bool has_key,
                       int64_t *entry)
{
    int64_t low = walk->next, high = walk->found->size, step = 1;
    struct search_place place;

    while (low < high) {
        int64_t middle = step ? low + step - 1 : low + (high - low) / 2;

        if (middle >= high) {
            step = 0;
            continue;
        }
        if (!place_at(walk, middle, &place))
            return false;
        if (order_of(walk, &place, bound, has_key) < 0) {
            low = middle + 1;
            step *= 2;
        } else {
            high = middle;
            step = 0;
        }
    }
    *entry = low;
    return true;
}

/* Over `count` entries that are not void, of those before `end`. */
static void skip(struct search_walk *walk, int64_t end, int64_t count)
{
    while (count > 0) {
        int64_t to = walk->next + count < end ? walk->next + count : end;
        int64_t passed = count_entries(walk, walk->next, to);

        walk->next = to;
        count -= passed;
        if (to == end)
            break;
    }
    settle(walk);
}

/* Which one has the next place, and in *bound where the one behind it is; NULL: all are over. */
static bool first_walk(struct search_walks *walks, struct search_walk **first, struct search_place *bound,
                       bool *has_bound)
{
    struct search_place place, best = {0};

    *first = NULL;
    *has_bound = false;
    for (size_t i = 0; i < walks->count; i++) {
        struct search_walk *walk = &walks->all[i];

        if (walk->next == walk->found->size)
            continue;
        if (!place_at(walk, walk->next, &place))
            return false;
        bool is_first = !*first || order_of(walk, &place, &best, true) < 0;

        if (*first && (!*has_bound || order_of(walk, is_first ? &best : &place, bound, true) < 0)) {
            *bound = is_first ? best : place;
            *has_bound = true;
        }
        if (is_first) {
            *first = walk;
            best = place;
        }
    }
    return true;
}

static bool skip_all(struct search_walks *walks, int64_t count)
{
    while (count > 0) {
        struct search_place bound;
        struct search_walk *walk;
        bool has_bound;

        if (!first_walk(walks, &walk, &bound, &has_bound))
            return false;
        if (!walk)
            break;
        int64_t end = walk->found->size;

        if (has_bound && !find_bound(walk, &bound, true, &end))
            return false;
        if (end == walk->next) /* a row that is there twice: the index is damaged */
            end++;
        int64_t passed = count_entries(walk, walk->next, end);

        if (passed > count)
            passed = count;
        skip(walk, end, passed);
        count -= passed;
    }
    return true;
}

/* Back to the first entry of that instant. How many entries come before, in *rank. */
static bool go_back(struct search_walks *walks, const struct search_place *place, int64_t *rank)
{
    *rank = 0;
    for (size_t i = 0; i < walks->count; i++) {
        struct search_walk *walk = &walks->all[i];
        int64_t entry;

        walk->next = 0;
        if (!find_bound(walk, place, false, &entry))
            return false;
        *rank += count_entries(walk, 0, entry);
        walk->next = entry;
        settle(walk);
    }
    return true;
}

/* Whether what comes just before is of the same instant. */
static bool has_tie_before(struct search_walks *walks, const struct search_place *place, bool *has_tie)
{
    *has_tie = false;
    for (size_t i = 0; i < walks->count; i++) {
        struct search_walk *walk = &walks->all[i];
        struct search_place before;

        if (walk->next == 0)
            continue;
        if (!place_at(walk, walk->next - 1, &before))
            return false;
        *has_tie |= before.created_at_us == place->created_at_us;
    }
    return true;
}

/* ---- all of them ---- */

void search_walks_begin(struct search_walks *walks, struct search_tables *tables, bool is_descending,
                        const struct search_found *founds, size_t count, struct arena *arena)
{
    *walks = (struct search_walks){
        .tables = tables,
        .is_descending = is_descending,
        .all = ARENA_ARRAY(arena, struct search_walk, count + 1),
        .count = count,
    };
    for (size_t i = 0; i < count; i++) {
        walks->all[i].walks = walks;
        walks->all[i].found = &founds[i];
        settle(&walks->all[i]);
    }
}

bool search_walks_look(struct search_walks *walks, struct search_place *place, bool *is_there)
{
    struct search_place bound;
    bool has_bound;

    if (!first_walk(walks, &walks->first, &bound, &has_bound))
        return false;
    *is_there = walks->first != NULL;
    return !*is_there || place_at(walks->first, walks->first->next, place);
}

void search_walks_pass(struct search_walks *walks)
{
    walks->first->next++;
    settle(walks->first);
}

bool search_walks_go_to(struct search_walks *walks, int64_t offset, int64_t *created_at_us, int64_t *skip)
{
    struct search_place place;
    int64_t rank;
    bool is_there, has_tie;

    *created_at_us = INSTANT_UNSET;
    *skip = 0;
    if (!skip_all(walks, offset) || !search_walks_look(walks, &place, &is_there))
        return false;
    if (!is_there)
        return true;
    *created_at_us = place.created_at_us;
    if (!has_tie_before(walks, &place, &has_tie))
        return false;
    if (!has_tie)
        return true;
    if (!go_back(walks, &place, &rank))
        return false;
    *skip = offset - rank;
    return true;
}
