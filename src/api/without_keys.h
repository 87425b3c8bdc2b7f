/* without_keys.h: texts of a client, fit for a log. Only for the api room and its tests. */
#ifndef FARTHING_API_WITHOUT_KEYS_H
#define FARTHING_API_WITHOUT_KEYS_H

#include "base/arena.h"
#include "base/text.h"

/* The text with only the prefix, `sk_` or `pk_`, of each word that looks like an API key: a client may put
 * its key where none belongs, such as into a path. Letters, digits and underscores make a word, also where
 * percent escapes stand for them, or escapes of escapes. Returns `text` itself, or a copy in the arena. */
struct text without_keys(struct text text, struct arena *arena);

#endif
