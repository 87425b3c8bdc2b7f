/* byte_class.h: which bytes may stand where in a message (RFC 9110, RFC 3986). Only for the http room. */
#ifndef FARTHING_HTTP_BYTE_CLASS_H
#define FARTHING_HTTP_BYTE_CLASS_H

#include "base/text.h"

enum http_byte_class {
    HTTP_BYTE_TOKEN = 1,  /* tchar of RFC 9110 section 5.6.2: methods and header names */
    HTTP_BYTE_TARGET = 2, /* visible ASCII without the fragment mark, which no request target may hold */
    HTTP_BYTE_HOST =
        4, /* a registered name of RFC 3986 section 3.2.2, without escapes and the comma, which joins two */
    HTTP_BYTE_VALUE = 8, /* field-vchar, space and tab of RFC 9110 section 5.5; above 0x7F they are opaque */
};

extern const uint8_t http_byte_classes[256];

static inline bool http_byte_is(char byte, enum http_byte_class class)
{
    return http_byte_classes[(uint8_t)byte] & class;
}

/* The length of the longest beginning of `text` whose bytes are all in the class. */
static inline size_t http_span(struct text text, enum http_byte_class class)
{
    size_t length = 0;

    while (length < text.length && http_byte_is(text.data[length], class))
        length++;
    return length;
}

#endif
