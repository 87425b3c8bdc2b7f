/* csv_compare.h: the CSV reader held against a second one, which is naive: it has the whole input, looks at
 * it from the front and copies every field. */
#ifndef FARTHING_TESTS_CSV_COMPARE_H
#define FARTHING_TESTS_CSV_COMPARE_H

#include "base/buffer.h"

/* What the reader makes of `input`, given to it `step` bytes at a time: a line for each row. */
void csv_dump(struct text input, size_t step, struct buffer *dump);
/* The same by the naive reader, for inputs whose rows are not beyond the limits. */
void csv_dump_naive(struct text input, struct buffer *dump);

/* Whether both say the same. */
bool csv_agree(struct text input, size_t step);

#endif
