#include "archive/packed.h"

#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

enum {
    LEVEL = 1, /* what is packed is packed beside serving */
    OUT_BYTES = 128 * 1024,
    IN_BYTES = 128 * 1024,
    WINDOW_LOG_MAX = 27, /* of a frame that somebody else may have made: 128 MiB at most */
};

/* ---- packing ---- */

struct packer {
    int fd;
    ZSTD_CCtx *context;
    char out[OUT_BYTES];
};

struct packer *packer_new(int fd)
{
    struct packer *packer = memory_take(sizeof *packer);

    packer->context = ZSTD_createCCtx();
    if (!packer->context)
        abort();
    packer->fd = fd;
    ZSTD_CCtx_setParameter(packer->context, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(packer->context, ZSTD_c_checksumFlag, 1);
    return packer;
}

static bool pack(struct packer *packer, ZSTD_inBuffer *in, ZSTD_EndDirective directive)
{
    size_t left;

    do {
        ZSTD_outBuffer out = {packer->out, sizeof packer->out, 0};

        left = ZSTD_compressStream2(packer->context, &out, in, directive);
        if (ZSTD_isError(left)) {
            errno = ENOMEM; /* nothing else can go wrong with it */
            return false;
        }
        if (!file_write_all(packer->fd, (struct text){packer->out, out.pos}))
            return false;
    } while (directive == ZSTD_e_end ? left > 0 : in->pos < in->size);
    return true;
}

bool packer_add(struct packer *packer, const void *bytes, size_t length)
{
    return pack(packer, &(ZSTD_inBuffer){bytes, length, 0}, ZSTD_e_continue);
}

bool packer_end(struct packer *packer)
{
    bool is_written = pack(packer, &(ZSTD_inBuffer){NULL, 0, 0}, ZSTD_e_end);
    int why = errno;

    ZSTD_freeCCtx(packer->context);
    free(packer);
    errno = why;
    return is_written;
}

/* ---- unpacking ---- */

struct unpacker {
    int fd;
    ZSTD_DCtx *context;
    const char *reason;
    ZSTD_inBuffer in;
    bool is_whole; /* the frame has ended */
    char bytes[IN_BYTES];
};

struct unpacker *unpacker_new(int fd)
{
    struct unpacker *unpacker = calloc(1, sizeof *unpacker);

    if (!unpacker || !(unpacker->context = ZSTD_createDCtx()))
        abort();
    unpacker->fd = fd;
    unpacker->in = (ZSTD_inBuffer){unpacker->bytes, 0, 0};
    ZSTD_DCtx_setParameter(unpacker->context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    return unpacker;
}

/* More of the file; false at its end or when it cannot be read. */
static bool refill(struct unpacker *unpacker)
{
    ssize_t count;

    do
        count = read(unpacker->fd, unpacker->bytes, sizeof unpacker->bytes);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        unpacker->reason = strerror(errno);
    unpacker->in = (ZSTD_inBuffer){unpacker->bytes, count > 0 ? (size_t)count : 0, 0};
    return count > 0;
}

ssize_t unpacker_read_some(struct unpacker *unpacker, void *bytes, size_t length)
{
    ZSTD_outBuffer out = {bytes, length, 0};

    while (out.pos == 0 && !unpacker->is_whole && !unpacker->reason) {
        size_t left = ZSTD_decompressStream(unpacker->context, &out, &unpacker->in);

        if (ZSTD_isError(left))
            unpacker->reason = "it is damaged";
        else if (left == 0)
            unpacker->is_whole = true;
        else if (out.pos == 0 && unpacker->in.pos == unpacker->in.size && !refill(unpacker) &&
                 !unpacker->reason)
            unpacker->reason = "it is cut short";
    }
    if (unpacker->reason)
        return -1;
    return (ssize_t)out.pos;
}

bool unpacker_read(struct unpacker *unpacker, void *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t count = unpacker_read_some(unpacker, (char *)bytes + done, length - done);

        if (count == 0)
            unpacker->reason = "it is cut short";
        if (count <= 0)
            return false;
        done += (size_t)count;
    }
    return true;
}

bool unpacker_is_at_end(struct unpacker *unpacker)
{
    char byte;
    bool is_over = unpacker_read_some(unpacker, &byte, 1) == 0 && unpacker->in.pos == unpacker->in.size &&
                   !refill(unpacker) && !unpacker->reason;

    if (!is_over && !unpacker->reason)
        unpacker->reason = "something stands behind its end";
    return is_over;
}

const char *unpacker_reason(const struct unpacker *unpacker)
{
    return unpacker->reason ? unpacker->reason : "it is sound";
}

void unpacker_free(struct unpacker *unpacker)
{
    ZSTD_freeDCtx(unpacker->context);
    free(unpacker);
}
