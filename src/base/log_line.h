/* log_line.h: one line of a log: fields with names, as logfmt or as a JSON object. Never longer than a pipe
 * takes at once, always one line of UTF-8 without control characters, whatever the values hold. */
#ifndef FARTHING_BASE_LOG_LINE_H
#define FARTHING_BASE_LOG_LINE_H

#include "base/buffer.h"
#include "base/text.h"

enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

/* PIPE_BUF of Linux: a pipe takes a line of up to this length whole or not at all. */
enum { LOG_LINE_BYTES_MAX = 4096 };

/* A line on its way. Once something did not fit, all that follows is dropped and the line says so. */
struct log_line {
    struct buffer buffer; /* kept from line to line, freed by its owner; empty at first */
    enum log_format format;
    bool truncated;
};

/* Begins a line anew, with the field `time`. */
void log_line_begin(struct log_line *line, enum log_format format, int64_t now_us);
/* Adds a field. Names are identifiers of the program. An unset text is null in JSON and nothing in logfmt,
 * where an empty one is "". */
void log_line_text(struct log_line *line, const char *name, struct text value);
void log_line_integer(struct log_line *line, const char *name, int64_t value);
/* The same as log_line_text, quoted in logfmt too however plain it is. */
void log_line_phrase(struct log_line *line, const char *name, struct text value);
/* Ends the line, and returns it with its line feed. Good until the next one begins. */
struct text log_line_end(struct log_line *line);

#endif
