/* escape.h: one escape sequence of a JSON string (RFC 8259 section 7). Private to this room. */
#ifndef FARTHING_JSON_ESCAPE_H
#define FARTHING_JSON_ESCAPE_H

enum { JSON_ESCAPE_BYTES_MIN = 2 }; /* a backslash and the byte that says which */

struct json_escape_error {
    const char *at;
    const char *reason; /* static text */
};

/* Reads the escape whose backslash is at `at`, before `end`; a pair of surrogates counts as one. Writes what
 * it stands for to *out, never more bytes than the escape has, and moves *out behind it. Returns the position
 * behind the escape, or NULL with *error filled. Refuses U+0000 and lone surrogates. */
const char *json_unescape(const char *at, const char *end, char **out, struct json_escape_error *error);

#endif
