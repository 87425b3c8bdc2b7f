/* import_rejects.c: the refused rows, as CSV: line, field, reason and the row itself, so that they can be put
 * right and imported from there. */
#include "cli/import.h"

#include <fcntl.h>
#include <unistd.h>

void import_rejects_init(struct import_rejects *rejects, struct text path, struct arena *arena)
{
    *rejects = (struct import_rejects){.path = path, .columns = text_empty};
    rejects->path_string = arena_string(arena, path);
}

static void write_text(struct import_rejects *rejects, struct text text)
{
    fwrite(text.data, 1, text.length, rejects->file);
}

static void write_quoted(struct import_rejects *rejects, struct text text)
{
    fputc('"', rejects->file);
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] == '"')
            fputc('"', rejects->file);
        fputc(text.data[i], rejects->file);
    }
    fputc('"', rejects->file);
}

/* Customers' data are nobody else's business: the file is its owner's alone. */
static bool open_file(struct import_rejects *rejects)
{
    int fd = open(rejects->path_string, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    rejects->file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!rejects->file) {
        rejects->has_failed = true;
        if (fd >= 0)
            close(fd);
        return false;
    }
    fputs("line,field,reason,", rejects->file);
    write_text(rejects, rejects->columns.length ? rejects->columns : TEXT("row"));
    fputc('\n', rejects->file);
    return true;
}

void import_rejects_add(struct import_rejects *rejects, uint64_t line, struct text field, struct text reason,
                        struct text row, bool is_quoted)
{
    if (rejects->has_failed || (!rejects->file && !open_file(rejects)))
        return;
    fprintf(rejects->file, "%llu,", (unsigned long long)line);
    write_quoted(rejects, field);
    fputc(',', rejects->file);
    write_quoted(rejects, reason);
    fputc(',', rejects->file);
    if (is_quoted || rejects->columns.length == 0)
        write_quoted(rejects, row);
    else
        write_text(rejects, row);
    fputc('\n', rejects->file);
    rejects->has_failed = ferror(rejects->file) != 0;
}

bool import_rejects_close(struct import_rejects *rejects)
{
    if (rejects->file && fclose(rejects->file) != 0)
        rejects->has_failed = true;
    rejects->file = NULL;
    return !rejects->has_failed;
}
