#include "base/log.h"

#include "base/instant.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warning", "error"};
enum { LEVEL_COUNT = sizeof level_names / sizeof level_names[0] };

static enum log_format configured_format = LOG_FORMAT_LOGFMT;
static atomic_int minimum_level = LOG_LEVEL_INFO;
static atomic_int_fast64_t lines_dropped;

static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows, and standard error */
static int64_t lines_untold;                                   /* dropped since a line got through */

void log_configure(enum log_format format, enum log_level minimum)
{
    configured_format = format;
    log_set_level(minimum);
    lines_untold = 0;
}

enum log_format log_format(void)
{
    return configured_format;
}

void log_set_level(enum log_level minimum)
{
    atomic_store_explicit(&minimum_level, (int)minimum, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
    return (enum log_level)atomic_load_explicit(&minimum_level, memory_order_relaxed);
}

struct text log_level_name(enum log_level level)
{
    return text_from_string(level_names[level]);
}

bool log_level_find(struct text name, enum log_level *level)
{
    for (unsigned i = 0; i < LEVEL_COUNT; i++)
        if (text_equal(name, text_from_string(level_names[i]))) {
            *level = (enum log_level)i;
            return true;
        }
    return false;
}

int64_t log_lines_dropped(void)
{
    return atomic_load_explicit(&lines_dropped, memory_order_relaxed);
}

/* A pipe that polls as writable takes PIPE_BUF bytes without blocking, a terminal and a socket at least as
 * many as make no difference; the lock keeps other threads from taking that room. A file is always writable.
 */
static bool is_writable(void)
{
    struct pollfd standard_error = {.fd = STDERR_FILENO, .events = POLLOUT};

    return poll(&standard_error, 1, 0) > 0 && standard_error.revents & POLLOUT;
}

/* False when the line, or the rest of it, is lost. */
static bool write_line(struct text line)
{
    if (!is_writable())
        return false;
    while (line.length > 0) {
        ssize_t count = write(STDERR_FILENO, line.data, line.length);

        if (count < 0 && errno != EINTR)
            return false;
        if (count > 0)
            line = text_from(line, (size_t)count);
    }
    return true;
}

static void format_line(struct log_line *line, enum log_level level, const char *message,
                        const struct log_field *fields, unsigned field_count)
{
    log_line_begin(line, configured_format, instant_now_us());
    log_line_text(line, "level", log_level_name(level));
    log_line_phrase(line, "message", text_from_string(message));
    for (unsigned i = 0; i < field_count; i++)
        if (fields[i].type == LOG_FIELD_INTEGER)
            log_line_integer(line, fields[i].name, fields[i].integer);
        else
            log_line_text(line, fields[i].name, fields[i].text);
}

/* Says how many lines were lost, if any were. False when this one is lost, too. */
static bool tell_of_losses(void)
{
    const struct log_field count = LOG_INTEGER("lines", lines_untold);
    struct log_line line = {0};

    if (lines_untold == 0)
        return true;
    format_line(&line, LOG_LEVEL_WARNING, "log lines were dropped, because nobody read them", &count, 1);
    bool is_written = write_line(log_line_end(&line));

    buffer_free(&line.buffer);
    if (is_written)
        lines_untold = 0;
    return is_written;
}

void log_write(enum log_level level, const char *message, const struct log_field *fields,
               unsigned field_count)
{
    if (level < log_get_level())
        return;
    int saved_errno = errno; /* callers log between a failure and its handling */
    struct log_line line = {0};

    format_line(&line, level, message, fields, field_count);
    struct text bytes = log_line_end(&line);

    pthread_mutex_lock(&write_lock);
    if (!tell_of_losses() || !write_line(bytes)) {
        lines_untold++;
        atomic_fetch_add_explicit(&lines_dropped, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&write_lock);
    buffer_free(&line.buffer);
    errno = saved_errno;
}
