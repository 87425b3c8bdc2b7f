/* csv_reader.h: CSV as RFC 4180 has it, row by row: commas, quotes, doubled quotes, line ends inside quotes;
 * rows end with LF or CRLF, the last one perhaps with nothing. Empty lines are stepped over; a byte order
 * mark at the beginning is, too.
 *
 * What is not in the RFC is refused row by row instead of guessed at: a quote inside an unquoted field, bytes
 * behind a closing quote, a quote that is never closed, a CR that does not end a line, a row beyond the
 * limits. The next row then begins behind the next line end. Bytes are not checked to be UTF-8. */
#ifndef FARTHING_IMPORT_CSV_READER_H
#define FARTHING_IMPORT_CSV_READER_H

#include "base/buffer.h"
#include "import/window.h"

enum { CSV_FIELDS_MAX = 2048 };

struct csv_span; /* where a field lies in the row */

struct csv_reader {
    struct window window;
    bool is_open;
    struct csv_span *spans;
    struct buffer unescaped;

    /* The row that was read. Holds until the next one is asked for. */
    struct text *fields; /* without quotes */
    size_t field_count;
    struct text raw;    /* as it stands in the file, without its line end; empty for a row that is too long */
    uint64_t line;      /* on which it begins, from 1 */
    const char *reason; /* ROW_REFUSED: of the row; ROW_FAILED: of the file */
};

void csv_reader_init(struct csv_reader *reader, struct byte_source *source);
void csv_reader_free(struct csv_reader *reader);

/* Reads the next row. Time grows linearly with the input; memory is WINDOW_BYTES and the fields. */
enum row_status csv_read(struct csv_reader *reader);

#endif
