/* nearest.h: the known word that a mistyped one was probably meant to be. Only for the cli room. */
#ifndef FARTHING_CLI_NEAREST_H
#define FARTHING_CLI_NEAREST_H

#include "base/arena.h"
#include "base/text.h"

struct nearest {
    struct text word;
    struct text best; /* unset: none is near enough */
    unsigned distance;
};

/* Starts a search; then each known word is offered. */
struct nearest nearest_to(struct text word);
/* The beginning of a known word is near it. O(length * length), without allocation; words of more than 64
 * bytes are never near. */
void nearest_offer(struct nearest *nearest, struct text known);
/* `; did you mean "listen"?`, or an empty text when no offered word is near. */
struct text nearest_suggestion(const struct nearest *nearest, struct arena *arena);

#endif
