/* buffer.h: bytes that grow at the end: a reply being written, a file being read. Owns its memory.
 *
 * Running out of memory ends the process. Not shared between threads. */
#ifndef FARTHING_BASE_BUFFER_H
#define FARTHING_BASE_BUFFER_H

#include "base/text.h"

#include <string.h>

struct buffer {
    char *data;
    size_t length;
    size_t capacity;
};

void buffer_init(struct buffer *buffer);
void buffer_free(struct buffer *buffer);
/* Grows the capacity so that at least `more` bytes can be added without another allocation. */
void buffer_grow(struct buffer *buffer, size_t more);
void buffer_append_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Decimal digits of a number. */
void buffer_append_uint64(struct buffer *buffer, uint64_t value);
void buffer_append_int64(struct buffer *buffer, int64_t value);

static inline void buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
}

static inline void buffer_reserve(struct buffer *buffer, size_t more)
{
    if (buffer->capacity - buffer->length < more)
        buffer_grow(buffer, more);
}

static inline void buffer_append_bytes(struct buffer *buffer, const void *bytes, size_t length)
{
    buffer_reserve(buffer, length);
    if (length)
        memcpy(buffer->data + buffer->length, bytes, length);
    buffer->length += length;
}

static inline void buffer_append(struct buffer *buffer, struct text text)
{
    buffer_append_bytes(buffer, text.data, text.length);
}

static inline void buffer_append_char(struct buffer *buffer, char byte)
{
    buffer_reserve(buffer, 1);
    buffer->data[buffer->length++] = byte;
}

static inline struct text buffer_text(const struct buffer *buffer)
{
    return (struct text){buffer->data ? buffer->data : "", buffer->length};
}

#endif
