/* text.h: a string as (pointer, length), never re-measured, not NUL-terminated.
 *
 * `data == NULL` means "no text at all" (SQL NULL, an absent header); an empty text has length 0 and a
 * non-NULL pointer. A text never owns its bytes: they live in an arena, in a connection's buffer or in the
 * program. */
#ifndef FARTHING_BASE_TEXT_H
#define FARTHING_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    const char *data;
    size_t length;
};

/* A text of a string literal, as an expression and as a static initializer. */
#define TEXT(literal) ((struct text){(literal), sizeof(literal) - 1})
#define TEXT_LITERAL(literal)                                                                                \
    {                                                                                                        \
        (literal), sizeof(literal) - 1                                                                       \
    }
/* For printf: printf("%.*s", TEXT_FORMAT(text)). */
#define TEXT_FORMAT(text) (int)(text).length, (text).data ? (text).data : ""

extern const struct text text_none;  /* data == NULL */
extern const struct text text_empty; /* "" */

/* The text of a NUL-terminated string (NULL gives text_none). Borrows the string. */
struct text text_from_string(const char *string);

static inline bool text_is_set(struct text text)
{
    return text.data != NULL;
}

/* Byte-exact equality; an unset text equals an empty one. */
bool text_equal(struct text a, struct text b);
/* Equality that ignores the case of ASCII letters. */
bool text_equal_ignoring_case(struct text a, struct text b);
/* Bytewise order, as memcmp; a prefix comes first. */
int text_compare(struct text a, struct text b);
bool text_starts_with(struct text text, struct text prefix);
bool text_ends_with(struct text text, struct text suffix);
/* The part of `text` from byte `start` (at most its length) on. */
struct text text_from(struct text text, size_t start);
/* The `length` bytes of `text` from byte `start`; both must lie inside it. */
struct text text_slice(struct text text, size_t start, size_t length);
/* The index of the first `byte`, or text.length when there is none. */
size_t text_find(struct text text, char byte);
/* Strips ASCII spaces and tabs at both ends. */
struct text text_trim(struct text text);
/* Whether every byte is ASCII and can be seen: no space, no control character. */
bool text_is_visible_ascii(struct text text);
/* Parses an unsigned decimal number of digits only. False when empty, not a number, or above UINT64_MAX. */
bool text_to_uint64(struct text text, uint64_t *value);
/* The same with a `-` in front or not. False also outside of -INT64_MAX to INT64_MAX. */
bool text_to_int64(struct text text, int64_t *value);

/* The value of a hexadecimal digit of either case, or -1. */
static inline int text_hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

enum { TEXT_ESCAPE_BYTES = 3 };

/* The byte of the percent escape (RFC 3986 section 2.1) at the start of `text`, whose % was seen; -1 when it
 * is none. */
int text_escaped_byte(struct text text);

#endif
