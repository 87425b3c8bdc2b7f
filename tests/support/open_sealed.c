/* open_sealed.c: opens what the trail of changes holds of customers, for tests that read the database:
 *
 *     farthing-open-sealed < LINES
 *
 * A line is a customer's secret, a tab, what the text belongs to, a tab, and the text as it is stored
 * (store/customer_key.h); for each the plain text is printed, or an empty line when it cannot be opened. */
#include "base/envelope.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>

static struct text next_part(struct text *rest, char end)
{
    size_t length = text_find(*rest, end);
    struct text part = text_slice(*rest, 0, length);

    *rest = text_from(*rest, length < rest->length ? length + 1 : length);
    return part;
}

static struct text opened(struct text line, struct arena *arena)
{
    struct text rest = line, secret = next_part(&rest, '\t'), about = next_part(&rest, '\t'), plain;

    next_part(&rest, ':');
    next_part(&rest, '"');
    struct text sealed = next_part(&rest, '"');
    struct envelope_keys keys = {.count = 1, .keys[0].id = envelope_key_id(sealed)};

    return hex_decode(secret, keys.keys[0].bytes, ENVELOPE_KEY_BYTES) &&
                   envelope_open(arena, &keys, about, sealed, &plain) == ENVELOPE_OPENED
               ? plain
               : text_empty;
}

int main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    struct arena arena;

    arena_init(&arena);
    while ((length = getline(&line, &capacity, stdin)) > 0) {
        struct text text = {line, (size_t)length - (line[length - 1] == '\n')};

        printf("%.*s\n", TEXT_FORMAT(opened(text, &arena)));
        arena_reset(&arena);
    }
    arena_free(&arena);
    free(line);
    return 0;
}
