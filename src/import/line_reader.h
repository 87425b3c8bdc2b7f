/* line_reader.h: JSON Lines, line by line; blank lines are stepped over. What is on a line is not looked at.
 */
#ifndef FARTHING_IMPORT_LINE_READER_H
#define FARTHING_IMPORT_LINE_READER_H

#include "base/buffer.h"
#include "import/window.h"

struct line_reader {
    struct window window;
    bool is_open;
    struct buffer beginning;

    /* The line that was read. Holds until the next one is asked for. */
    struct text raw;    /* without its line end; the beginning (at most IMPORT_ROW_BEGINNING_BYTES) of a
                           line that is too long */
    uint64_t line;      /* from 1 */
    const char *reason; /* ROW_REFUSED: of the line; ROW_FAILED: of the file */
};

void line_reader_init(struct line_reader *reader, struct byte_source *source);
void line_reader_free(struct line_reader *reader);

enum row_status line_read(struct line_reader *reader);

#endif
