/* cmocka_all.h: cmocka with the headers that it wants before it, and assertions on texts. */
#ifndef FARTHING_TESTS_CMOCKA_ALL_H
#define FARTHING_TESTS_CMOCKA_ALL_H

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Fails, showing both, unless `actual` is exactly the string `expected`. */
#define assert_text(actual, expected)                                                                        \
    do {                                                                                                     \
        struct text assert_text_actual = (actual);                                                           \
        struct text assert_text_expected = text_from_string(expected);                                       \
        if (!text_equal(assert_text_actual, assert_text_expected))                                           \
            fail_msg("is \"%.*s\", expected \"%s\"", TEXT_FORMAT(assert_text_actual), (expected));           \
    } while (0)

#endif
