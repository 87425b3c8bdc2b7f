/* printed.h: text on its way to a person: fit for a terminal, wrapped to its width. Only for the cli room. */
#ifndef FARTHING_CLI_PRINTED_H
#define FARTHING_CLI_PRINTED_H

#include "base/arena.h"
#include "base/text.h"

enum { PRINTED_COLUMNS = 100 };

/* Well-formed UTF-8: U+FFFD stands for each byte that is not. In the arena, or the text itself. */
struct text printed_utf8(struct text text, struct arena *arena);
/* The same without the characters that a terminal would obey: names come from wherever. `?` stands for them.
 */
struct text printed_safe(struct text text, struct arena *arena);
/* The columns of a terminal that a well-formed text takes: two for a wide character, none for one that joins
 * the one before. One for each where the system has no locale that knows better. */
size_t printed_columns(struct text text);
/* The text itself when it takes at most `columns`, else its beginning and an ellipsis, which take as many. */
struct text printed_cut(struct text text, size_t columns, struct arena *arena);
/* Prints a paragraph on lines that begin with `indent`, broken at spaces; ends with a line feed. */
void print_paragraph(const char *indent, struct text text);

#endif
