#include "cli/import.h"

#include "base/instant.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    TERMINAL_INTERVAL_US = 100 * 1000,
    PIPE_INTERVAL_US = 5 * 1000 * 1000,
    TERMINAL_COLUMNS_DEFAULT = 80,
    BAR_COLUMNS_MIN = 10,
    BAR_COLUMNS_MAX = 40,
    LINE_BYTES = 512,
};

void import_progress_start(struct import_progress *progress)
{
    *progress = (struct import_progress){.is_terminal = isatty(STDERR_FILENO)};
    progress->started_us = progress->shown_us = monotonic_now_us();
}

struct text import_number(struct arena *arena, uint64_t number)
{
    struct text digits = arena_format(arena, "%llu", (unsigned long long)number), grouped = text_empty;

    for (size_t i = 0; i < digits.length; i++)
        grouped = arena_format(arena, "%.*s%s%c", TEXT_FORMAT(grouped),
                               i > 0 && (digits.length - i) % 3 == 0 ? "," : "", digits.data[i]);
    return grouped;
}

static unsigned terminal_columns(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
                                                                           : TERMINAL_COLUMNS_DEFAULT;
}

/* "12,345 rows, 3,210/s, 2 refused, 41 %, 0:12 left" */
static struct text describe(const struct import_progress *progress, const struct import_counts *counts,
                            double done, struct arena *arena)
{
    double seconds = (double)(monotonic_now_us() - progress->started_us) / 1e6;
    double rate = seconds > 0 ? (double)counts->rows / seconds : 0;
    struct text text =
        arena_format(arena, "%.*s rows, %.*s/s", TEXT_FORMAT(import_number(arena, counts->rows)),
                     TEXT_FORMAT(import_number(arena, (uint64_t)rate)));

    if (counts->refused)
        text = arena_format(arena, "%.*s, %.*s refused", TEXT_FORMAT(text),
                            TEXT_FORMAT(import_number(arena, counts->refused)));
    if (done <= 0)
        return text;
    uint64_t left = (uint64_t)(seconds / done - seconds);

    return arena_format(arena, "%.*s, %u %%, %llu:%02llu left", TEXT_FORMAT(text), (unsigned)(100 * done),
                        (unsigned long long)(left / 60), (unsigned long long)(left % 60));
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

static void show_on_terminal(struct import_progress *progress, struct text text, double done)
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

void import_progress_show(struct import_progress *progress, const struct import_counts *counts,
                          uint64_t read_bytes, uint64_t size_bytes)
{
    int64_t now_us = monotonic_now_us();
    struct arena arena;

    if (now_us - progress->shown_us < (progress->is_terminal ? TERMINAL_INTERVAL_US : PIPE_INTERVAL_US))
        return;
    progress->shown_us = now_us;
    arena_init(&arena);
    double done = size_bytes > 0 && read_bytes <= size_bytes ? (double)read_bytes / (double)size_bytes : 0;
    struct text text = describe(progress, counts, done, &arena);

    if (progress->is_terminal)
        show_on_terminal(progress, text, done);
    else
        fprintf(stderr, "%.*s\n", TEXT_FORMAT(text));
    arena_free(&arena);
}

void import_progress_end(struct import_progress *progress)
{
    if (progress->is_on_line)
        fputs("\r\033[K", stderr);
    progress->is_on_line = false;
}
