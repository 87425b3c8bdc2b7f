/* import_progress.c: how far an import is. */
#include "cli/import.h"

#include "base/instant.h"

struct text import_number(struct arena *arena, uint64_t number)
{
    struct text digits = arena_format(arena, "%llu", (unsigned long long)number), grouped = text_empty;

    for (size_t i = 0; i < digits.length; i++)
        grouped = arena_format(arena, "%.*s%s%c", TEXT_FORMAT(grouped),
                               i > 0 && (digits.length - i) % 3 == 0 ? "," : "", digits.data[i]);
    return grouped;
}

/* "12,345 rows, 3,210/s, 2 refused, 41 %, 0:12 left" */
static struct text describe(const struct progress *progress, const struct import_counts *counts, double done,
                            struct arena *arena)
{
    double seconds = (double)(monotonic_now_us() - progress->started_us) / 1e6;
    double rate = seconds > 0 ? (double)counts->rows / seconds : 0;
    struct text text =
        arena_format(arena, "%.*s rows, %.*s/s", TEXT_FORMAT(import_number(arena, counts->rows)),
                     TEXT_FORMAT(import_number(arena, (uint64_t)rate)));

    if (counts->refused)
        text = arena_format(arena, "%.*s, %.*s refused", TEXT_FORMAT(text),
                            TEXT_FORMAT(import_number(arena, counts->refused)));
    return arena_format(arena, "%.*s%.*s", TEXT_FORMAT(text),
                        TEXT_FORMAT(progress_rest(progress, done, arena)));
}

void import_progress_show(struct progress *progress, const struct import_counts *counts, uint64_t read_bytes,
                          uint64_t size_bytes)
{
    struct arena arena;

    if (!progress_is_due(progress))
        return;
    arena_init(&arena);
    double done = size_bytes > 0 && read_bytes <= size_bytes ? (double)read_bytes / (double)size_bytes : 0;

    progress_show(progress, describe(progress, counts, done, &arena), done);
    arena_free(&arena);
}
