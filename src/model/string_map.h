/* string_map.h: metadata: JSON objects of strings, as they are stored (conventions section 13). */
#ifndef FARTHING_MODEL_STRING_MAP_H
#define FARTHING_MODEL_STRING_MAP_H

#include "base/arena.h"
#include "base/text.h"

/* The members of `base` with those of `changes`, which win, as compact JSON. Both are JSON objects of strings
 * or unset. */
struct text string_map_merge(struct text base, struct text changes, struct arena *arena);

/* NULL when a map is no larger than metadata may be in all, or what it must be ("must have at most 256
 * keys"). */
const char *string_map_rule(struct text map, struct arena *arena);

#endif
