/* The reader of a continuous backup's segments on arbitrary bytes: as a file, when the first byte is even;
 * else as what a file unpacks to. What it tells is in order and within the database; what it takes can be
 * written again. */
#include "archive/packed.h"
#include "archive/segment.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum { KEPT_BYTES_MAX = 1024 * 1024 };

struct told {
    struct segment segment;
    uint32_t numbers[KEPT_BYTES_MAX / 512];
    size_t count;
    char pages[KEPT_BYTES_MAX];
};

static struct told told;

static bool begin(void *context, const struct segment *segment, struct text *reason)
{
    (void)context;
    (void)reason;
    told.segment = *segment;
    told.count = 0;
    return true;
}

static bool take_page(void *context, uint32_t number, const void *bytes, struct text *reason)
{
    size_t size = told.segment.page_bytes;

    (void)context;
    assert(number >= 1 && number <= told.segment.database_pages);
    assert(told.count == 0 || number > told.numbers[told.count - 1]);
    if ((told.count + 1) * size > KEPT_BYTES_MAX) {
        *reason = TEXT("too large");
        return false;
    }
    told.numbers[told.count] = number;
    memcpy(told.pages + told.count++ * size, bytes, size);
    return true;
}

static bool give_page(void *context, size_t index, uint32_t *number, void *bytes)
{
    (void)context;
    *number = told.numbers[index];
    memcpy(bytes, told.pages + index * told.segment.page_bytes, told.segment.page_bytes);
    return true;
}

static bool read_file(int fd, struct arena *arena)
{
    static const struct segment_visitor visitor = {NULL, begin, take_page};
    struct text reason = text_none;
    bool is_read = lseek(fd, 0, SEEK_SET) == 0 && segment_read(fd, &visitor, arena, &reason);

    assert(is_read || text_is_set(reason));
    return is_read;
}

static void write_again(struct arena *arena)
{
    int fd = memfd_create("again", MFD_CLOEXEC);
    const struct segment segment = told.segment;
    struct text reason;

    assert(fd >= 0 && told.count == segment.page_count);
    assert(segment_write(fd, &segment, give_page, NULL, arena, &reason));
    assert(read_file(fd, arena));
    assert(told.segment.number == segment.number && told.segment.closed_at == segment.closed_at &&
           told.segment.page_count == segment.page_count && told.segment.page_bytes == segment.page_bytes &&
           told.segment.database_pages == segment.database_pages && told.count == segment.page_count);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    int fd = memfd_create("segment", MFD_CLOEXEC);
    struct arena arena;

    assert(fd >= 0);
    if (length > 0 && bytes[0] % 2 == 0) {
        assert(write(fd, bytes + 1, length - 1) == (ssize_t)length - 1);
    } else {
        struct packer *packer = packer_new(fd);

        assert(length < 2 || packer_add(packer, bytes + 1, length - 1));
        assert(packer_end(packer));
    }
    arena_init(&arena);
    if (read_file(fd, &arena))
        write_again(&arena);
    arena_free(&arena);
    close(fd);
    return 0;
}
