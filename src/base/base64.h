/* base64.h: bytes as text (RFC 4648 section 4, with padding), of what is encrypted already: the time it takes
 * depends on the bytes. */
#ifndef FARTHING_BASE_BASE64_H
#define FARTHING_BASE_BASE64_H

#include "base/arena.h"
#include "base/text.h"

/* In the arena. */
struct text base64_encode(struct arena *arena, const uint8_t *bytes, size_t length);

/* The bytes of a text of at most `length_max` bytes, in the arena. False when it is not exactly what
 * base64_encode writes: there are several texts for the same bytes, and one of them is ours. */
bool base64_decode(struct arena *arena, struct text text, size_t length_max, uint8_t **bytes, size_t *length);

#endif
