/* window.h: the part of a byte source that a row reader is looking at; it slides and never grows beyond the
 * longest row that is read. Only for the import room and its tests. */
#ifndef FARTHING_IMPORT_WINDOW_H
#define FARTHING_IMPORT_WINDOW_H

#include "import/byte_source.h"

enum {
    IMPORT_ROW_BYTES_MAX = 256 * 1024, /* a longer row is refused; four times what metadata may have */
    IMPORT_ROW_BEGINNING_BYTES = 4096, /* what is kept of a longer row, so that a person knows it again */
    WINDOW_BYTES = 2 * IMPORT_ROW_BYTES_MAX,
};

/* What reading a row came to. */
enum row_status {
    ROW_READ,
    ROW_REFUSED, /* this one is not to be had (`reason`); the next one may be */
    ROW_LOST,    /* nor can the next ones be told from it */
    ROW_END,
    ROW_FAILED, /* nothing more can be read: `reason` */
};

struct window {
    struct byte_source *source;
    char *data;
    size_t start, end; /* what is not yet taken */
    bool at_end;       /* of the source, or it has failed */
    uint64_t line;     /* of the byte at `start`, from 1 */
};

void window_init(struct window *window, struct byte_source *source);
void window_free(struct window *window);

/* Reads more behind `end`, moving what is not yet taken to the front. False at the end, on a failure, and
 * when the window is full. */
bool window_more(struct window *window);

/* To be called before the first row: steps over a UTF-8 byte order mark. NULL, or why the file cannot be read
 * at all. */
const char *window_open(struct window *window);

#endif
