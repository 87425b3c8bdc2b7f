/* import_rejects.c: the refused rows with what is wrong with them, so that they can be put right and imported
 * from there: as CSV behind three columns, line, field and reason; as JSON Lines with a member `rejected`. */
#include "cli/import.h"

#include "cli/own_files.h"
#include "import/row_json.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void import_rejects_init(struct import_rejects *rejects, struct text path, bool is_json, struct arena *arena)
{
    *rejects =
        (struct import_rejects){.path = path, .columns = text_empty, .separator = ',', .is_json = is_json};
    rejects->path_string = arena_string(arena, path);
    arena_init(&rejects->row_arena);
}

/* ---- before the import ---- */

/* Whether an open file begins as only these do. */
static bool begins_as_ours(int fd)
{
    static const char *const beginnings[] = {"line,field,reason,", "line;field;reason;",
                                             "line\tfield\treason\t", "{\"rejected\":{\"line\":"};
    char bytes[32];
    ssize_t length = pread(fd, bytes, sizeof bytes, 0);
    struct text text = {bytes, length > 0 ? (size_t)length : 0};

    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
        if (text_starts_with(text, text_from_string(beginnings[i])))
            return true;
    return false;
}

/* Whether nothing would be lost by it: a file that has nothing in it, or what an earlier run has refused. */
static bool may_be_replaced(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0)
        return true;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool is_ours = fd >= 0 && begins_as_ours(fd);

    if (fd >= 0)
        close(fd);
    return is_ours;
}

bool import_rejects_spare(const struct import_rejects *rejects, struct text data, struct arena *arena,
                          struct text *reason)
{
    const struct data_directory directory = data_directory_at(arena, data);

    if (own_file_is(&directory, rejects->path, arena))
        *reason = arena_format(arena, "refused rows would be written over %.*s, a file of the data directory",
                               TEXT_FORMAT(rejects->path));
    else if (!may_be_replaced(rejects->path_string))
        *reason = arena_format(arena, "refused rows would be written over %.*s, which is no file of them",
                               TEXT_FORMAT(rejects->path));
    else
        return true;
    *reason = arena_format(arena, "%.*s. Nothing was imported; say with --rejects FILE where they are to go",
                           TEXT_FORMAT(*reason));
    return false;
}

bool import_rejects_check(struct import_rejects *rejects, struct arena *arena, struct text *reason)
{
    struct stat status;
    int error = 0;

    if (stat(rejects->path_string, &status) == 0)
        error = S_ISDIR(status.st_mode) ? EISDIR : access(rejects->path_string, W_OK) != 0 ? errno : 0;
    else if (errno != ENOENT || access(path_folder(rejects->path, arena), W_OK | X_OK) != 0)
        error = errno;
    if (error == 0)
        return true;
    *reason = arena_format(arena,
                           "refused rows could not be written to %.*s: %s. Nothing was imported; say with "
                           "--rejects FILE where they are to go",
                           TEXT_FORMAT(rejects->path), strerror(error));
    return false;
}

/* ---- the rows ---- */

static void write_text(struct import_rejects *rejects, struct text text)
{
    fwrite(text.data, 1, text.length, rejects->file);
}

static void write_separator(struct import_rejects *rejects)
{
    fputc(rejects->separator, rejects->file);
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

static bool has_failed(struct import_rejects *rejects, int error)
{
    rejects->error = error ? error : EIO;
    return false;
}

/* Customers' data are nobody else's business: the file is its owner's alone. */
static bool open_file(struct import_rejects *rejects)
{
    int fd = open(rejects->path_string, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    rejects->file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!rejects->file) {
        has_failed(rejects, errno);
        if (fd >= 0)
            close(fd);
        return false;
    }
    if (rejects->is_json)
        return true;
    fprintf(rejects->file, "line%cfield%creason%c", rejects->separator, rejects->separator,
            rejects->separator);
    write_text(rejects, rejects->columns);
    fputc('\n', rejects->file);
    return true;
}

static void write_json(struct import_rejects *rejects, uint64_t line, struct text field, struct text reason,
                       struct text row)
{
    struct buffer buffer = {0};

    arena_reset(&rejects->row_arena);
    row_json_write_rejected(row, line, field, reason, &rejects->row_arena, &buffer);
    write_text(rejects, buffer_text(&buffer));
    buffer_free(&buffer);
}

static void write_csv(struct import_rejects *rejects, uint64_t line, struct text field, struct text reason,
                      struct text row, bool is_quoted)
{
    fprintf(rejects->file, "%llu", (unsigned long long)line);
    write_separator(rejects);
    write_quoted(rejects, field);
    write_separator(rejects);
    write_quoted(rejects, reason);
    write_separator(rejects);
    if (is_quoted)
        write_quoted(rejects, row);
    else
        write_text(rejects, row);
    fputc('\n', rejects->file);
}

void import_rejects_add(struct import_rejects *rejects, uint64_t line, struct text field, struct text reason,
                        struct text row, bool is_quoted)
{
    if (rejects->error || (!rejects->file && !open_file(rejects)))
        return;
    if (rejects->is_json)
        write_json(rejects, line, field, reason, row);
    else
        write_csv(rejects, line, field, reason, row, is_quoted);
    if (ferror(rejects->file))
        has_failed(rejects, errno);
}

bool import_rejects_close(struct import_rejects *rejects)
{
    if (rejects->file && fclose(rejects->file) != 0)
        has_failed(rejects, errno);
    rejects->file = NULL;
    arena_free(&rejects->row_arena);
    return rejects->error == 0;
}

/* ---- a file of an earlier run ---- */

/* Whatever else stands there under its name is left alone. */
static bool is_ours(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    struct stat status;
    bool is_ours = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && begins_as_ours(fd);

    if (fd >= 0)
        close(fd);
    return is_ours;
}

bool import_rejects_remove_stale(const struct import_rejects *rejects)
{
    return is_ours(rejects->path_string) && unlink(rejects->path_string) == 0;
}
