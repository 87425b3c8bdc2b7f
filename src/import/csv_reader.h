/* csv_reader.h: CSV as RFC 4180 has it, row by row: commas, quotes, doubled quotes, line ends inside quotes;
 * rows end with LF or CRLF, the last one perhaps with nothing. Empty lines are stepped over; a byte order
 * mark at the beginning is, too. Semicolons and tabs, which spreadsheets write in half of the world, separate
 * fields when they do so in the header.
 *
 * What is not in the RFC is refused row by row instead of guessed at: a quote inside an unquoted field, bytes
 * behind a closing quote, a CR that does not end a line, a row beyond the limits. The next row then begins
 * behind the next line end. Only a quote that opens a field and is not closed within reason ends the reading:
 * the rows behind it cannot be told from its content. Bytes are not checked to be UTF-8. */
#ifndef FARTHING_IMPORT_CSV_READER_H
#define FARTHING_IMPORT_CSV_READER_H

#include "base/buffer.h"
#include "import/window.h"

enum {
    CSV_FIELDS_MAX = 2048,
    CSV_QUOTED_LINES_MAX = 1000, /* line ends inside one field: far more than a text of metadata has */
};

struct csv_span; /* where a field lies in the row */

struct csv_reader {
    struct window window;
    bool is_open;
    const char *failure; /* of the file, when it was opened */
    bool is_at_header;   /* inside of csv_read_header */
    char separator;      /* a comma, unless csv_read_header found another one */
    struct csv_span *spans;
    struct buffer unescaped, beginning;

    /* The row that was read. Holds until the next one is asked for. */
    struct text *fields; /* without quotes */
    size_t field_count;
    struct text raw;     /* as it stands in the file, without its line end; the beginning (at most
                            IMPORT_ROW_BEGINNING_BYTES) of a row that is too long */
    uint64_t line;       /* on which it begins, from 1 */
    uint64_t last_line;  /* on which it ends */
    uint64_t quote_line; /* ROW_LOST: on which the quote opens */
    const char *reason;  /* ROW_REFUSED, ROW_LOST: of the row; ROW_FAILED: of the file */
};

void csv_reader_init(struct csv_reader *reader, struct byte_source *source);
void csv_reader_free(struct csv_reader *reader);

/* Reads the next row. After ROW_LOST nothing more may be asked for. Time grows linearly with the input;
 * memory is WINDOW_BYTES and the fields. */
enum row_status csv_read(struct csv_reader *reader);

/* Reads the first row, in place of csv_read: the comma, semicolon or tab that the first line has most of
 * outside of quotes separates the fields from here on; the comma when it has none, or as many of another. One
 * that is too long is lost, as nothing could be made of the rows behind it. */
enum row_status csv_read_header(struct csv_reader *reader);

#endif
