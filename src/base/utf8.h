/* utf8.h: well-formed UTF-8 as the Unicode standard defines it (table 3-7): no overlong forms, no surrogates,
 * nothing above U+10FFFF. */
#ifndef FARTHING_BASE_UTF8_H
#define FARTHING_BASE_UTF8_H

#include "base/text.h"

bool utf8_valid(struct text text);
/* The length in bytes of the longest well-formed beginning: text.length when all is well formed, else the
 * position of the first sequence that is not. */
size_t utf8_valid_length(struct text text);
/* The number of code points of a well-formed text. */
size_t utf8_length(struct text text);
/* Reads the code point at *position and moves *position behind it. `text` must be well formed. */
uint32_t utf8_next(struct text text, size_t *position);
/* Writes a code point (not a surrogate, at most U+10FFFF) into `out` and returns its length, 1 to 4. */
size_t utf8_encode(uint32_t code_point, char out[4]);

/* Room for a shortened text. */
#define UTF8_SHORT_BYTES(length_max) (4 * (length_max) + 3)
/* What somebody has sent, to be repeated to them: the text itself when it has at most `length_max` code
 * points, else its first ones and an ellipsis, in `room`, of UTF8_SHORT_BYTES(length_max). The text may be
 * any bytes. */
struct text utf8_shorten(struct text text, size_t length_max, char *room);

#endif
