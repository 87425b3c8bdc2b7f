#include "archive/destination.h"

#include "archive/destination_internal.h"
#include "base/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PART_BYTES_MAX = 200, /* file systems take 255 */
    LOCAL_FILE_MODE = 0600,
};

/* ---- names ---- */

static bool is_name_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '.' || byte == '_' || byte == '-';
}

static bool is_part(struct text part)
{
    if (part.length == 0 || part.length > PART_BYTES_MAX || part.data[0] == '.')
        return false;
    for (size_t i = 0; i < part.length; i++)
        if (!is_name_byte(part.data[i]))
            return false;
    return true;
}

bool destination_is_path(struct text path)
{
    size_t end = text_find(path, '/');

    while (end < path.length) {
        if (!is_part(text_slice(path, 0, end)))
            return false;
        path = text_from(path, end + 1);
        end = text_find(path, '/');
    }
    return is_part(path);
}

bool destination_is_name(struct text name)
{
    return name.length <= DESTINATION_NAME_BYTES_MAX && destination_is_path(name);
}

/* A name's beginning: with one more byte or more it can be a name. */
static bool is_prefix(struct text prefix)
{
    return prefix.length == 0 ||
           (prefix.length < DESTINATION_NAME_BYTES_MAX &&
            (destination_is_path(prefix) || (text_ends_with(prefix, TEXT("/")) &&
                                             destination_is_path(text_slice(prefix, 0, prefix.length - 1)))));
}

/* ---- failures ---- */

bool destination_fail(struct destination_failure *failure, enum destination_problem problem,
                      const char *format, ...)
{
    va_list arguments;

    failure->problem = problem;
    va_start(arguments, format);
    vsnprintf(failure->reason, sizeof failure->reason, format, arguments);
    va_end(arguments);
    return false;
}

static bool may_pass(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EFBIG:
    case EINVAL:
    case EXDEV:
    case ENOENT:
        return false;
    default:
        return true;
    }
}

bool destination_fail_errno(struct destination_failure *failure, const char *what, int error)
{
    return destination_fail(failure, may_pass(error) ? DESTINATION_TRANSIENT : DESTINATION_REFUSED, "%s: %s",
                            what, strerror(error));
}

bool destination_fail_stopped(struct destination_failure *failure)
{
    return destination_fail(failure, DESTINATION_STOPPED, "stopped");
}

/* Puts what was to be done before the cause. Returns false. */
static bool tell(struct destination_failure *failure, const char *what, struct text name,
                 const char *preposition, struct text place)
{
    struct buffer line = {0};

    buffer_append_format(&line, "cannot %s %.*s%s %.*s: %s", what, TEXT_FORMAT(name), preposition,
                         TEXT_FORMAT(place), failure->reason);
    snprintf(failure->reason, sizeof failure->reason, "%.*s", TEXT_FORMAT(buffer_text(&line)));
    buffer_free(&line);
    return false;
}

/* ---- opening ---- */

struct destination *destination_new(size_t size, const struct destination_kind *kind,
                                    const struct destination_options *options)
{
    struct arena arena;

    arena_init(&arena);
    struct destination *destination = arena_allocate_zero(&arena, size);

    destination->kind = kind;
    destination->is_read_only = options->is_read_only;
    destination->stop = options->stop;
    destination->block = arena_allocate(&arena, DESTINATION_BLOCK_BYTES);
    destination->arena = arena;
    return destination;
}

void destination_free(struct destination *destination)
{
    struct arena arena = destination->arena;

    arena_free(&arena);
}

struct destination *destination_open(const struct destination_options *options, struct arena *arena,
                                     struct text *reason)
{
    if (text_starts_with(options->location, TEXT("s3://")))
        return s3_destination_open(options, arena, reason);
    return directory_destination_open(options, arena, reason);
}

void destination_close(struct destination *destination)
{
    if (!destination)
        return;
    destination->kind->close(destination);
    destination_free(destination);
}

struct text destination_place(const struct destination *destination)
{
    return destination->place;
}

bool destination_is_stopped(const struct destination *destination)
{
    return destination->stop && atomic_load_explicit(destination->stop, memory_order_relaxed);
}

bool destination_write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);

        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        }
    }
    return true;
}

/* ---- before each call ---- */

static bool may_begin(struct destination *destination, struct destination_failure *failure)
{
    return !destination_is_stopped(destination) || destination_fail_stopped(failure);
}

static bool may_name(struct destination *destination, struct text name, struct destination_failure *failure)
{
    if (!destination_is_name(name))
        return destination_fail(failure, DESTINATION_REFUSED, "that is no name of an object");
    return may_begin(destination, failure);
}

static bool may_change(struct destination *destination, struct text name, struct destination_failure *failure)
{
    if (destination->is_read_only)
        return destination_fail(failure, DESTINATION_REFUSED, "it was opened for reading");
    return may_name(destination, name, failure);
}

/* ---- the calls ---- */

static bool put_file(struct destination *destination, struct text name, const char *path,
                     struct destination_failure *failure)
{
    struct local_file file = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    struct stat status;
    bool is_stored = false;

    if (file.fd < 0)
        return destination_fail_errno(failure, path, errno);
    if (fstat(file.fd, &status) != 0) {
        destination_fail_errno(failure, path, errno);
    } else if (!S_ISREG(status.st_mode)) {
        destination_fail(failure, DESTINATION_REFUSED, "%s is no plain file", path);
    } else {
        file.bytes = (uint64_t)status.st_size;
        is_stored = destination->kind->put(destination, name, file, failure);
    }
    close(file.fd);
    return is_stored;
}

bool destination_put(struct destination *destination, struct text name, const char *local_path,
                     struct destination_failure *failure)
{
    return (may_change(destination, name, failure) && put_file(destination, name, local_path, failure)) ||
           tell(failure, "store", name, " in", destination->place);
}

static bool get_file(struct destination *destination, struct text name, const char *path,
                     struct destination_failure *failure)
{
    struct local_file file = {.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, LOCAL_FILE_MODE)};

    if (file.fd < 0)
        return destination_fail_errno(failure, path, errno);
    bool is_fetched = destination->kind->get(destination, name, file, failure);

    if (close(file.fd) != 0 && is_fetched)
        is_fetched = destination_fail_errno(failure, path, errno);
    if (!is_fetched)
        unlink(path);
    return is_fetched;
}

bool destination_get(struct destination *destination, struct text name, const char *local_path,
                     struct destination_failure *failure)
{
    return (may_name(destination, name, failure) && get_file(destination, name, local_path, failure)) ||
           tell(failure, "fetch", name, " from", destination->place);
}

bool destination_list(struct destination *destination, struct text prefix, destination_visit *visit,
                      void *context, struct destination_failure *failure)
{
    bool is_listed =
        is_prefix(prefix)
            ? may_begin(destination, failure) &&
                  destination->kind->list(destination, prefix, visit, context, failure)
            : destination_fail(failure, DESTINATION_REFUSED, "that is no beginning of an object's name");

    return is_listed ||
           tell(failure, "list", prefix, prefix.length ? "* of" : "the objects of", destination->place);
}

bool destination_remove(struct destination *destination, struct text name,
                        struct destination_failure *failure)
{
    return (may_change(destination, name, failure) &&
            destination->kind->remove(destination, name, failure)) ||
           tell(failure, "remove", name, " from", destination->place);
}
