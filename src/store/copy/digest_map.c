#include "store/copy/digest_map.h"

#include <stdlib.h>

enum { CAPACITY_FIRST = 1024, USED_PARTS = 3, PARTS = 4 };

static uint64_t never_zero(uint64_t key)
{
    return key ? key : 1;
}

/* Where the key is, or would be. Keys are hashes already. */
static struct digest_slot *place_of(const struct digest_map *map, uint64_t key)
{
    size_t at = (size_t)key & (map->capacity - 1);

    while (map->slots[at].key && map->slots[at].key != key)
        at = (at + 1) & (map->capacity - 1);
    return &map->slots[at];
}

static void grow(struct digest_map *map)
{
    struct digest_map larger = {.capacity = map->capacity ? 2 * map->capacity : CAPACITY_FIRST,
                                .count = map->count};

    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (!larger.slots)
        abort();
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].key)
            *place_of(&larger, map->slots[i].key) = map->slots[i];
    free(map->slots);
    *map = larger;
}

void digest_map_add(struct digest_map *map, uint64_t key, uint64_t digest)
{
    if (map->count * PARTS >= map->capacity * USED_PARTS)
        grow(map);
    *place_of(map, never_zero(key)) = (struct digest_slot){never_zero(key), digest};
    map->count++;
}

struct digest_slot *digest_map_find(const struct digest_map *map, uint64_t key)
{
    if (!map->capacity)
        return NULL;
    struct digest_slot *slot = place_of(map, never_zero(key));

    return slot->key ? slot : NULL;
}

void digest_map_free(struct digest_map *map)
{
    free(map->slots);
    *map = (struct digest_map){0};
}
