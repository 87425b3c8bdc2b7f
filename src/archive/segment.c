#include "archive/segment.h"

#include "archive/packed.h"
#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "farthing segment 1\n"

enum {
    PAGE_BYTES_MIN = 512,
    PAGE_BYTES_MAX = 65536,
    HEADER_BYTES = sizeof MAGIC - 1 + 32, /* four numbers of 4 bytes, two of 8 */
    NUMBER_BYTES = 4,                     /* of a page */
};

/* ---- numbers ---- */

static char *put_little_endian(char *bytes, uint64_t value, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)(value >> (8 * i));
    return bytes + length;
}

static uint64_t take_little_endian(const char **bytes, size_t length)
{
    uint64_t value = 0;

    for (size_t i = 0; i < length; i++)
        value |= (uint64_t)(uint8_t)(*bytes)[i] << (8 * i);
    *bytes += length;
    return value;
}

/* ---- writing ---- */

static void make_header(const struct segment *segment, char header[HEADER_BYTES])
{
    char *end = header;

    memcpy(end, MAGIC, sizeof MAGIC - 1);
    end = put_little_endian(end + sizeof MAGIC - 1, segment->page_bytes, 4);
    end = put_little_endian(end, segment->database_pages, 4);
    end = put_little_endian(end, segment->page_count, 4);
    end = put_little_endian(end, 0, 4);
    end = put_little_endian(end, (uint64_t)segment->number, 8);
    put_little_endian(end, (uint64_t)segment->closed_at, 8);
}

static bool add_pages(struct packer *packer, const struct segment *segment, segment_page *page, void *context,
                      char *bytes)
{
    for (size_t i = 0; i < segment->page_count; i++) {
        uint32_t number;

        if (!page(context, i, &number, bytes + NUMBER_BYTES))
            return false;
        put_little_endian(bytes, number, NUMBER_BYTES);
        if (!packer_add(packer, bytes, NUMBER_BYTES + segment->page_bytes))
            return false;
    }
    return true;
}

bool segment_write(int fd, const struct segment *segment, segment_page *page, void *context,
                   struct arena *arena, struct text *reason)
{
    struct packer *packer = packer_new(fd);
    char header[HEADER_BYTES], *bytes = memory_take(NUMBER_BYTES + (size_t)segment->page_bytes);

    make_header(segment, header);
    bool is_written =
        packer_add(packer, header, sizeof header) && add_pages(packer, segment, page, context, bytes);
    int why = errno;

    if (!packer_end(packer) && is_written) {
        is_written = false;
        why = errno;
    }
    free(bytes);
    if (!is_written)
        *reason = arena_format(arena, "a segment of the backup cannot be written: %s", strerror(why));
    return is_written;
}

/* ---- reading ---- */

/* NULL, or what is wrong with it. */
static const char *read_header(const char header[HEADER_BYTES], struct segment *segment)
{
    const char *rest = header + sizeof MAGIC - 1;

    if (memcmp(header, MAGIC, sizeof MAGIC - 1) != 0)
        return "it is no segment, or one of a later version";
    segment->page_bytes = (uint32_t)take_little_endian(&rest, 4);
    segment->database_pages = (uint32_t)take_little_endian(&rest, 4);
    segment->page_count = (uint32_t)take_little_endian(&rest, 4);
    take_little_endian(&rest, 4);
    segment->number = (int64_t)take_little_endian(&rest, 8);
    segment->closed_at = (int64_t)take_little_endian(&rest, 8);
    if (segment->page_bytes < PAGE_BYTES_MIN || segment->page_bytes > PAGE_BYTES_MAX ||
        (segment->page_bytes & (segment->page_bytes - 1)) != 0)
        return "its pages have an impossible size";
    if (segment->number < 0 || segment->page_count > segment->database_pages)
        return "its head contradicts itself";
    return NULL;
}

static bool read_pages(struct unpacker *unpacker, const struct segment *segment,
                       const struct segment_visitor *visitor, char *bytes, const char **complaint,
                       struct text *reason)
{
    uint32_t before = 0;

    for (uint32_t i = 0; i < segment->page_count; i++) {
        const char *rest = bytes;

        if (!unpacker_read(unpacker, bytes, NUMBER_BYTES + segment->page_bytes)) {
            *complaint = unpacker_reason(unpacker);
            return false;
        }
        uint32_t number = (uint32_t)take_little_endian(&rest, NUMBER_BYTES);

        if (number <= before || number > segment->database_pages) {
            *complaint = "its pages are not in order";
            return false;
        }
        if (!visitor->page(visitor->context, number, rest, reason))
            return false;
        before = number;
    }
    if (unpacker_is_at_end(unpacker))
        return true;
    *complaint = unpacker_reason(unpacker);
    return false;
}

static bool read_segment(struct unpacker *unpacker, const struct segment_visitor *visitor,
                         const char **complaint, struct text *reason)
{
    struct segment segment;
    char header[HEADER_BYTES];

    *complaint = unpacker_read(unpacker, header, sizeof header) ? read_header(header, &segment)
                                                                : unpacker_reason(unpacker);
    if (*complaint || !visitor->begin(visitor->context, &segment, reason))
        return false;
    char *bytes = memory_take(NUMBER_BYTES + (size_t)segment.page_bytes);

    bool is_read = read_pages(unpacker, &segment, visitor, bytes, complaint, reason);

    free(bytes);
    return is_read;
}

bool segment_read(int fd, const struct segment_visitor *visitor, struct arena *arena, struct text *reason)
{
    struct unpacker *unpacker = unpacker_new(fd);
    const char *complaint = NULL;
    bool is_read = read_segment(unpacker, visitor, &complaint, reason);

    if (complaint)
        *reason = arena_copy(arena, text_from_string(complaint));
    unpacker_free(unpacker);
    return is_read;
}
