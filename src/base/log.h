/* log.h: structured log lines on standard error, logfmt by default or one JSON object a line.
 *
 *     time=2026-01-02T03:04:05.678901Z level=info message="listening" address=127.0.0.1:8080 loops=2
 *
 * One write(2) a line, so that lines of several threads never mix. Never pass a secret. Not for the hot path
 * of a request that succeeds. */
#ifndef FARTHING_BASE_LOG_H
#define FARTHING_BASE_LOG_H

#include "base/text.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

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

/* Set once, before threads start. Lines below `minimum` are dropped. */
void log_configure(enum log_format format, enum log_level minimum);

/* Writes one line: `message` is a fixed phrase, what varies goes into fields. */
void log_write(enum log_level level, const char *message, const struct log_field *fields,
               unsigned field_count);

#define LOG_LINE(level, message, ...)                                                                        \
    log_write((level), (message), (const struct log_field[]){__VA_ARGS__},                                   \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))
#define LOG_INFO(message, ...)    LOG_LINE(LOG_LEVEL_INFO, message, __VA_ARGS__)
#define LOG_WARNING(message, ...) LOG_LINE(LOG_LEVEL_WARNING, message, __VA_ARGS__)
#define LOG_ERROR(message, ...)   LOG_LINE(LOG_LEVEL_ERROR, message, __VA_ARGS__)

#endif
