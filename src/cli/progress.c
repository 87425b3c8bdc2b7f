#include "cli/progress.h"

#include "base/buffer.h"
#include "base/instant.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    TERMINAL_INTERVAL_US = 100 * 1000,
    PIPE_INTERVAL_US = 5 * 1000 * 1000,
    TERMINAL_COLUMNS_DEFAULT = 80,
    BAR_COLUMNS_MIN = 10,
    BAR_COLUMNS_MAX = 40,
};

void progress_start(struct progress *progress)
{
    *progress = (struct progress){.is_terminal = isatty(STDERR_FILENO)};
    progress->started_us = progress->shown_us = monotonic_now_us();
}

bool progress_is_due(struct progress *progress)
{
    int64_t now_us = monotonic_now_us();

    if (now_us - progress->shown_us < (progress->is_terminal ? TERMINAL_INTERVAL_US : PIPE_INTERVAL_US))
        return false;
    progress->shown_us = now_us;
    return true;
}

struct text progress_rest(const struct progress *progress, double done, struct arena *arena)
{
    double seconds = (double)(monotonic_now_us() - progress->started_us) / 1e6;

    if (done <= 0)
        return text_empty;
    uint64_t left = (uint64_t)(seconds / done - seconds);

    return arena_format(arena, ", %u %%, %llu:%02llu left", (unsigned)(100 * done),
                        (unsigned long long)(left / 60), (unsigned long long)(left % 60));
}

static unsigned terminal_columns(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
                                                                           : TERMINAL_COLUMNS_DEFAULT;
}

/* `[#####.....]`, or nothing when the line has no room for it. */
static void append_bar(struct buffer *line, double done, unsigned columns)
{
    unsigned width = columns > BAR_COLUMNS_MAX + 3 ? BAR_COLUMNS_MAX : columns > 3 ? columns - 3 : 0;
    unsigned filled = (unsigned)(done * width);

    if (width < BAR_COLUMNS_MIN)
        return;
    buffer_append_char(line, '[');
    for (unsigned i = 0; i < width; i++)
        buffer_append_char(line, i < filled ? '#' : '.');
    buffer_append(line, TEXT("] "));
}

static void show_on_terminal(struct progress *progress, struct text text, double done)
{
    unsigned columns = terminal_columns() - 1; /* the last column may break the line */
    struct buffer line = {0};

    buffer_append(&line, TEXT("\r\033[K"));
    if (done > 0 && text.length < columns)
        append_bar(&line, done, columns - (unsigned)text.length);
    buffer_append(&line, text_slice(text, 0, text.length < columns ? text.length : columns));
    fwrite(line.data, 1, line.length, stderr);
    fflush(stderr);
    buffer_free(&line);
    progress->is_on_line = true;
}

void progress_show(struct progress *progress, struct text text, double done)
{
    if (progress->is_terminal)
        show_on_terminal(progress, text, done);
    else
        fprintf(stderr, "%.*s\n", TEXT_FORMAT(text));
}

void progress_end(struct progress *progress)
{
    if (progress->is_on_line)
        fputs("\r\033[K", stderr);
    progress->is_on_line = false;
}
