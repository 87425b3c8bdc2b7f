/* digest_map.h: what the rows of a table were, in 16 bytes each: by the hash of a key, a part of the digest
 * of its row. Only for store/copy. */
#ifndef FARTHING_STORE_COPY_DIGEST_MAP_H
#define FARTHING_STORE_COPY_DIGEST_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct digest_slot {
    uint64_t key; /* 0: free */
    uint64_t digest;
};

/* From zero on; to be freed. */
struct digest_map {
    struct digest_slot *slots;
    size_t capacity, count; /* the former a power of two, at most three quarters used */
};

void digest_map_add(struct digest_map *map, uint64_t key, uint64_t digest);
/* NULL: it is not there. */
struct digest_slot *digest_map_find(const struct digest_map *map, uint64_t key);
void digest_map_free(struct digest_map *map);

#endif
