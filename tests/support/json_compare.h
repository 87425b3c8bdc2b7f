/* json_compare.h: our JSON reader held against a second parser, jansson, and against its own promises. */
#ifndef FARTHING_TEST_JSON_COMPARE_H
#define FARTHING_TEST_JSON_COMPARE_H

#include "base/text.h"

enum json_verdict {
    JSON_BOTH_ACCEPT, /* and see the same structure, keys, strings and numbers */
    JSON_BOTH_REFUSE,
    JSON_KNOWN_DIFFERENCE, /* one of those below; nothing more was compared */
    JSON_DISAGREE,         /* a defect; the reason is on standard error */
};

/* Reads `document` with both parsers. Also checks what needs no second parser: the tape is well formed, what
 * the writer makes of it reads the same, and a refusal names the first error, so that the source before it
 * is a whole value or merely ends too early.
 *
 * Known differences: we refuse nesting deeper than JSON_DEPTH_MAX (jansson: 2048); jansson refuses a number
 * that a double cannot hold; jansson 2.14 overlooks a zero byte behind a number, which is nowhere JSON; of a
 * number only its value as an integer of 64 bits or a double is compared, as jansson does not keep digits. */
enum json_verdict json_compare(struct text document);

#endif
