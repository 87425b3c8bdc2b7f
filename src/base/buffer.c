#include "base/buffer.h"

#include "base/memory.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUFFER_BYTES_FIRST = 256, UINT64_DIGITS_MAX = 20 };

void buffer_init(struct buffer *buffer)
{
    *buffer = (struct buffer){0};
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    buffer_init(buffer);
}

void buffer_grow(struct buffer *buffer, size_t more)
{
    size_t needed;

    if (__builtin_add_overflow(buffer->length, more, &needed))
        abort();
    size_t capacity = buffer->capacity ? buffer->capacity : BUFFER_BYTES_FIRST;

    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    buffer->data = memory_resize(buffer->data, capacity);
    buffer->capacity = capacity;
}

void buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments, again;
    size_t room = buffer->capacity - buffer->length;

    assert(format != NULL);
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(room ? buffer->data + buffer->length : NULL, room, format, arguments);

    if (length < 0)
        abort();
    if ((size_t)length >= room) { /* it did not fit, with the zero at its end */
        buffer_reserve(buffer, (size_t)length + 1);
        vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, again);
    }
    buffer->length += (size_t)length;
    va_end(again);
    va_end(arguments);
}

void buffer_append_uint64(struct buffer *buffer, uint64_t value)
{
    char digits[UINT64_DIGITS_MAX];
    size_t start = sizeof digits;

    do {
        digits[--start] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    buffer_append_bytes(buffer, digits + start, sizeof digits - start);
}

void buffer_append_int64(struct buffer *buffer, int64_t value)
{
    if (value < 0)
        buffer_append_char(buffer, '-');
    buffer_append_uint64(buffer, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}
