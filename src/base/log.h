/* log.h: structured log lines on standard error, logfmt by default or one JSON object a line.
 *
 *     time=2026-01-02T03:04:05.678901Z level=info message="listening" address=127.0.0.1:8080 loops=2
 *
 * One write(2) a line, so that lines of several threads never mix, made before log_write returns, so that the
 * last words before a crash are out. But nobody waits for a reader: a line that standard error (a full pipe,
 * a stopped terminal) does not take at once is dropped and counted, and the next one that gets through is
 * preceded by their number. Never pass a secret. Not for the hot path of a request that succeeds. */
#ifndef FARTHING_BASE_LOG_H
#define FARTHING_BASE_LOG_H

#include "base/log_line.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

struct log_field {
    const char *name;
    enum { LOG_FIELD_TEXT, LOG_FIELD_INTEGER } type;
    struct text text;
    int64_t integer;
};

#define LOG_TEXT(field_name, value)                                                                          \
    ((struct log_field){.name = (field_name), .type = LOG_FIELD_TEXT, .text = (value)})
#define LOG_STRING(field_name, value) LOG_TEXT(field_name, text_from_string(value))
#define LOG_INTEGER(field_name, value)                                                                       \
    ((struct log_field){.name = (field_name), .type = LOG_FIELD_INTEGER, .integer = (value)})

/* Set once, before threads start. Lines below `minimum` are left out. */
void log_configure(enum log_format format, enum log_level minimum);
enum log_format log_format(void);

/* The level may be changed at any time, by any thread. */
void log_set_level(enum log_level minimum);
enum log_level log_get_level(void);
/* "info". */
struct text log_level_name(enum log_level level);
/* False when there is no level of that name. */
bool log_level_find(struct text name, enum log_level *level);

/* Lines that could not be written, over the life of the process. */
int64_t log_lines_dropped(void);

/* Writes one line: `message` is a fixed phrase, what varies goes into fields. */
void log_write(enum log_level level, const char *message, const struct log_field *fields,
               unsigned field_count);

#define LOG_LINE(level, message, ...)                                                                        \
    log_write((level), (message), (const struct log_field[]){__VA_ARGS__},                                   \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))
#define LOG_DEBUG(message, ...)   LOG_LINE(LOG_LEVEL_DEBUG, message, __VA_ARGS__)
#define LOG_INFO(message, ...)    LOG_LINE(LOG_LEVEL_INFO, message, __VA_ARGS__)
#define LOG_WARNING(message, ...) LOG_LINE(LOG_LEVEL_WARNING, message, __VA_ARGS__)
#define LOG_ERROR(message, ...)   LOG_LINE(LOG_LEVEL_ERROR, message, __VA_ARGS__)

#endif
