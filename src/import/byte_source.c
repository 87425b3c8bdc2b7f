#include "import/byte_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { MAGIC_BYTES = 4, GZIP_WINDOW_BITS = 15 + 16 /* 16: a gzip header is expected */ };

enum packing { PACKING_UNKNOWN, PACKING_NONE, PACKING_GZIP, PACKING_ZSTD };

struct file_source {
    struct byte_source bytes; /* first, so that one is found from the other */
    int fd;
    const volatile int *interruptions;
    uint64_t read_bytes, size_bytes;
    enum packing packing;
    bool at_end;       /* of the file */
    bool is_inside;    /* of a gzip member or a zstd frame */
    size_t start, end; /* what of `packed` is not yet used */
    z_stream gzip;
    bool gzip_has_member; /* one was read whole */
    ZSTD_DStream *zstd;
    char packed[BYTE_SOURCE_STEP_BYTES];
};

static long fail(struct file_source *file, const char *failure)
{
    file->bytes.failure = failure;
    return -1;
}

/* Reads more of the file behind what is not yet used. False on a failure. An interruption is looked for here
 * as well as between the rows: a row may have no end. */
static bool fill(struct file_source *file)
{
    static const char interrupted[] = "was not read to its end: interrupted";

    if (*file->interruptions) {
        fail(file, interrupted);
        return false;
    }
    if (file->start > 0) {
        memmove(file->packed, file->packed + file->start, file->end - file->start);
        file->end -= file->start;
        file->start = 0;
    }
    ssize_t length = read(file->fd, file->packed + file->end, sizeof file->packed - file->end);

    if (length < 0) {
        /* Only a signal that is to end the import interrupts it. */
        fail(file, errno == EISDIR  ? "is a directory"
                   : errno == EINTR ? interrupted
                                    : "cannot be read any further: input/output error");
        return false;
    }
    file->at_end = length == 0;
    file->end += (size_t)length;
    file->read_bytes += (uint64_t)length;
    return true;
}

static bool begins_with(const struct file_source *file, const char *magic, size_t length)
{
    return file->end - file->start >= length && memcmp(file->packed + file->start, magic, length) == 0;
}

/* Reads the first bytes and looks what they are. False on a failure. */
static bool detect(struct file_source *file)
{
    while (file->end < MAGIC_BYTES && !file->at_end)
        if (!fill(file))
            return false;
    file->packing = PACKING_NONE;
    if (begins_with(file, "PK\x03\x04", MAGIC_BYTES) || begins_with(file, "\xd0\xcf\x11\xe0", MAGIC_BYTES)) {
        fail(file, "is a spreadsheet's own file (.xlsx, .xls or the like) or a zip archive, not its rows as "
                   "text; save the sheet as \"CSV UTF-8\" and import that");
        return false;
    }
    if (begins_with(file, "\x1f\x8b", 2)) {
        file->packing = PACKING_GZIP;
        if (inflateInit2(&file->gzip, GZIP_WINDOW_BITS) != Z_OK)
            abort();
    } else if (begins_with(file, "\x28\xb5\x2f\xfd", MAGIC_BYTES)) {
        file->packing = PACKING_ZSTD;
        file->zstd = ZSTD_createDStream();
        if (!file->zstd)
            abort();
        ZSTD_DCtx_setParameter(file->zstd, ZSTD_d_windowLogMax, BYTE_SOURCE_ZSTD_WINDOW_LOG_MAX);
    }
    return true;
}

static long copy_plain(struct file_source *file, char *out, size_t capacity)
{
    size_t length = file->end - file->start;

    if (length > capacity)
        length = capacity;
    memcpy(out, file->packed + file->start, length);
    file->start += length;
    return (long)length;
}

static long unpack_gzip(struct file_source *file, char *out, size_t capacity)
{
    z_stream *gzip = &file->gzip;

    /* Tapes and some tools fill up with zeros behind the last member, as gzip itself allows. */
    while (file->gzip_has_member && !file->is_inside && file->start < file->end &&
           file->packed[file->start] == '\0')
        file->start++;
    if (!file->is_inside && file->start == file->end)
        return 0;
    gzip->next_in = (unsigned char *)file->packed + file->start;
    gzip->avail_in = (unsigned)(file->end - file->start);
    gzip->next_out = (unsigned char *)out;
    gzip->avail_out = (unsigned)capacity;
    int result = inflate(gzip, Z_NO_FLUSH);

    file->start = file->end - gzip->avail_in;
    file->is_inside = result != Z_STREAM_END;
    file->gzip_has_member |= result == Z_STREAM_END;
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
        return fail(file, "is damaged: its gzip data cannot be unpacked");
    if (result == Z_STREAM_END)
        inflateReset(gzip); /* members may follow one another */
    return (long)(capacity - gzip->avail_out);
}

static long unpack_zstd(struct file_source *file, void *out, size_t capacity)
{
    ZSTD_inBuffer input = {file->packed, file->end, file->start};
    ZSTD_outBuffer output = {.dst = out, .size = capacity};
    size_t result = ZSTD_decompressStream(file->zstd, &output, &input);

    file->start = input.pos;
    if (ZSTD_isError(result))
        return fail(file, "is damaged: its zstd data cannot be unpacked");
    file->is_inside = result != 0;
    return (long)output.pos;
}

static long unpack(struct file_source *file, char *out, size_t capacity)
{
    switch (file->packing) {
    case PACKING_GZIP:
        return unpack_gzip(file, out, capacity);
    case PACKING_ZSTD:
        return unpack_zstd(file, out, capacity);
    default:
        return copy_plain(file, out, capacity);
    }
}

static long read_file(struct byte_source *source, char *out, size_t capacity)
{
    struct file_source *file = (struct file_source *)source;

    if (source->failure || (file->packing == PACKING_UNKNOWN && !detect(file)))
        return -1;
    if (capacity > INT32_MAX)
        capacity = INT32_MAX;
    for (;;) {
        /* An unpacker may still hold output when all its input is used. */
        long length = file->start < file->end || file->is_inside ? unpack(file, out, capacity) : 0;

        if (length != 0)
            return length;
        if (file->start < file->end)
            continue;
        if (file->at_end)
            return file->is_inside ? fail(file, "ends in the middle of its compressed data") : 0;
        if (!fill(file))
            return -1;
    }
}

struct file_source *file_source_open(struct text path, const volatile int *interruptions, struct arena *arena,
                                     struct text *reason)
{
    bool is_input = text_equal(path, TEXT("-"));
    int fd = is_input ? STDIN_FILENO : open(arena_string(arena, path), O_RDONLY | O_CLOEXEC);
    struct file_source *file;
    struct stat status;

    if (fd < 0 || fstat(fd, &status) != 0) {
        *reason = arena_format(arena, "cannot read %.*s: %s", TEXT_FORMAT(path), strerror(errno));
        if (fd > STDIN_FILENO)
            close(fd);
        return NULL;
    }
    file = calloc(1, sizeof *file);
    if (!file)
        abort();
    file->fd = fd;
    file->interruptions = interruptions;
    file->bytes.read = read_file;
    file->size_bytes = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
    return file;
}

void file_source_close(struct file_source *file)
{
    if (file->packing == PACKING_GZIP)
        inflateEnd(&file->gzip);
    if (file->zstd)
        ZSTD_freeDStream(file->zstd);
    if (file->fd != STDIN_FILENO)
        close(file->fd);
    free(file);
}

struct byte_source *file_source_bytes(struct file_source *file)
{
    return &file->bytes;
}

void file_source_position(const struct file_source *file, uint64_t *read_bytes, uint64_t *size_bytes)
{
    *read_bytes = file->read_bytes - (file->end - file->start);
    *size_bytes = file->size_bytes;
}

bool file_source_is(const struct file_source *file, struct text path, struct arena *arena)
{
    struct stat mine, other;

    return fstat(file->fd, &mine) == 0 && stat(arena_string(arena, path), &other) == 0 &&
           mine.st_dev == other.st_dev && mine.st_ino == other.st_ino;
}
