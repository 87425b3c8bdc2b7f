/* segment.h: a piece of the stream of a continuous backup: the pages of the database that the commits of a
 * moment have changed, as they were at its end.
 *
 * A segment is one zstd frame with a checksum (RFC 8878). In it, numbers little-endian: "farthing segment
 * 1\n"; the size of a page, the pages of the database and how many pages follow, 4 bytes each; 4 bytes of
 * zero; the segment's number and the instant of its end in microseconds, 8 bytes each; then each page: its
 * number, 4 bytes, from 1 and ascending, and its bytes. */
#ifndef FARTHING_ARCHIVE_SEGMENT_H
#define FARTHING_ARCHIVE_SEGMENT_H

#include "base/arena.h"
#include "base/text.h"

struct segment {
    uint32_t page_bytes;     /* 512 to 65536, a power of two */
    uint32_t database_pages; /* at the end of the segment */
    uint32_t page_count;     /* in the segment; none lies beyond the database's end */
    int64_t number;          /* its place in the stream */
    int64_t closed_at;       /* nothing that was begun after this instant is in it */
};

/* Gives the page at the index: its number and page_bytes bytes. False with errno. */
typedef bool segment_page(void *context, size_t index, uint32_t *number, void *bytes);

/* Writes a segment into the open, empty file. False with a one-line reason. */
bool segment_write(int fd, const struct segment *segment, segment_page *page, void *context,
                   struct arena *arena, struct text *reason);

/* Told of a segment before its pages, and of each page. False ends the reading; *reason is set then. */
struct segment_visitor {
    void *context;
    bool (*begin)(void *context, const struct segment *segment, struct text *reason);
    bool (*page)(void *context, uint32_t number, const void *bytes, struct text *reason);
};

/* Reads a segment, which may be anything, from the file. All of its pages were told before its checksum was
 * known to be right: what was made of them is good only if true is returned. False with a one-line reason. */
bool segment_read(int fd, const struct segment_visitor *visitor, struct arena *arena, struct text *reason);

#endif
