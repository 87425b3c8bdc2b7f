/* Well-formed UTF-8: every two-byte text, the boundaries of longer ones, and every code point there and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* A second decoder, by arithmetic instead of byte ranges: what it decodes must be the shortest form of a
 * Unicode scalar value. Returns the length of the sequence, 0 when there is none. */
static size_t decode_by_arithmetic(const unsigned char *bytes, size_t available, uint32_t *code_point)
{
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = 1;

    *code_point = bytes[0];
    if (bytes[0] >= 0x80) {
        for (length = 2; length <= 4 && (bytes[0] >> (7 - length) & 1); length++)
            continue;
        if (!(bytes[0] & 0x40) || length > 4 || length > available)
            return 0;
        *code_point = bytes[0] & ((1u << (7 - length)) - 1);
        for (size_t i = 1; i < length; i++) {
            if (bytes[i] >> 6 != 2)
                return 0;
            *code_point = *code_point * 64 + bytes[i] % 64;
        }
    }
    bool is_surrogate = *code_point >= 0xD800 && *code_point <= 0xDFFF;

    return *code_point < lowest[length] || is_surrogate || *code_point > 0x10FFFF ? 0 : length;
}

static size_t valid_length_by_arithmetic(const unsigned char *bytes, size_t length)
{
    size_t at = 0;

    while (at < length) {
        uint32_t code_point;
        size_t sequence = decode_by_arithmetic(bytes + at, length - at, &code_point);

        if (sequence == 0)
            break;
        at += sequence;
    }
    return at;
}

static void check(const unsigned char *bytes, size_t length)
{
    struct text text = {(const char *)bytes, length};
    size_t expected = valid_length_by_arithmetic(bytes, length);

    if (utf8_valid_length(text) != expected || utf8_valid(text) != (expected == length))
        fail_msg("%02x %02x %02x %02x, length %zu: %zu instead of %zu", bytes[0], bytes[1], bytes[2],
                 bytes[3], length, utf8_valid_length(text), expected);
}

/* All first and second bytes with third and fourth bytes on either side of every boundary. */
static void agrees_with_arithmetic(void **state)
{
    static const unsigned char edges[] = {0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xFF};

    (void)state;
    for (unsigned first_two = 0; first_two < 0x10000; first_two++)
        for (size_t third = 0; third < sizeof edges; third++)
            for (size_t fourth = 0; fourth < sizeof edges; fourth++) {
                unsigned char bytes[] = {(unsigned char)(first_two >> 8), (unsigned char)first_two,
                                         edges[third], edges[fourth]};

                for (size_t length = 1; length <= sizeof bytes; length++)
                    check(bytes, length);
            }
}

static void encodes_and_decodes_every_code_point(void **state)
{
    (void)state;
    for (uint32_t code_point = 0; code_point <= 0x10FFFF; code_point++) {
        if (code_point >= 0xD800 && code_point <= 0xDFFF)
            continue;
        char bytes[4];
        size_t length = utf8_encode(code_point, bytes);
        struct text text = {bytes, length};
        size_t position = 0;

        assert_int_equal(length, code_point < 0x80      ? 1
                                 : code_point < 0x800   ? 2
                                 : code_point < 0x10000 ? 3
                                                        : 4);
        assert_true(utf8_valid(text));
        assert_int_equal(utf8_length(text), 1);
        assert_int_equal(utf8_next(text, &position), code_point);
        assert_int_equal(position, length);
    }
}

/* A bad byte is found at every position, so that no edge of a word hides it. */
static void finds_a_bad_byte_anywhere(void **state)
{
    enum { LENGTH_MAX = 40 };

    (void)state;
    for (size_t length = 1; length <= LENGTH_MAX; length++)
        for (size_t bad = 0; bad < length; bad++) {
            char *bytes =
                malloc(length); /* of this exact size, so that the sanitizer sees a read beyond it */

            assert_non_null(bytes);
            memset(bytes, 'a', length);
            assert_true(utf8_valid((struct text){bytes, length}));
            bytes[bad] = (char)0x80;
            assert_int_equal(utf8_valid_length((struct text){bytes, length}), bad);
            bytes[bad] = (char)0xC3; /* begins a sequence that never ends */
            assert_int_equal(utf8_valid_length((struct text){bytes, length}), bad);
            free(bytes);
        }
}

static void known_texts(void **state)
{
    (void)state;
    assert_true(utf8_valid(text_none));
    assert_true(utf8_valid(text_empty));
    assert_int_equal(utf8_length(text_none), 0);
    assert_int_equal(utf8_length(TEXT("Z\xC3\xBCrich \xE2\x82\xAC 5 \xF0\x9F\x92\xB6")), 12);
    assert_true(utf8_valid(TEXT("Z\xC3\xBCrich \xE2\x82\xAC 5 \xF0\x9F\x92\xB6")));
    assert_int_equal(utf8_valid_length(TEXT("abcdefgh\xC0\x80")), 8);     /* overlong U+0000 */
    assert_int_equal(utf8_valid_length(TEXT("a\xED\xA0\x80")), 1);        /* U+D800 */
    assert_int_equal(utf8_valid_length(TEXT("\xF4\x90\x80\x80")), 0);     /* U+110000 */
    assert_int_equal(utf8_valid_length(TEXT("\xEF\xBF\xBF\xE2\x82")), 3); /* cut short */
}

static void walks_through_a_text(void **state)
{
    static const uint32_t expected[] = {'Z', 0xFC, 0x20AC, 0x1F4B6, 0x10FFFF};
    struct text text = TEXT("Z\xC3\xBC\xE2\x82\xAC\xF0\x9F\x92\xB6\xF4\x8F\xBF\xBF");
    size_t position = 0;

    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_int_equal(utf8_next(text, &position), expected[i]);
    assert_int_equal(position, text.length);
}

/* To so many code points, not bytes, and never inside one. */
static void shortens_between_code_points(void **state)
{
    static const struct {
        struct text text;
        const char *shown;
    } cases[] = {
        {TEXT_LITERAL(""), ""},
        {TEXT_LITERAL("abc"), "abc"},
        {TEXT_LITERAL("abcd"), "abc\xE2\x80\xA6"},
        {TEXT_LITERAL("a\xC3\xBC\xF0\x9F\x92\xB6"), "a\xC3\xBC\xF0\x9F\x92\xB6"},
        {TEXT_LITERAL("a\xC3\xBC\xF0\x9F\x92\xB6"
                      "d"),
         "a\xC3\xBC\xF0\x9F\x92\xB6\xE2\x80\xA6"},
        {TEXT_LITERAL("\xF0\x9F\x92\xB6\xF0\x9F\x92\xB6\xF0\x9F\x92\xB6\xC3\xBC"),
         "\xF0\x9F\x92\xB6\xF0\x9F\x92\xB6\xF0\x9F\x92\xB6\xE2\x80\xA6"},
        {TEXT_LITERAL("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"), /* no UTF-8 at all */
         "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\xE2\x80\xA6"},
    };
    char room[UTF8_SHORT_BYTES(3)];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(text_equal(utf8_shorten(cases[i].text, 3, room), text_from_string(cases[i].shown)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_arithmetic),    cmocka_unit_test(encodes_and_decodes_every_code_point),
        cmocka_unit_test(finds_a_bad_byte_anywhere), cmocka_unit_test(known_texts),
        cmocka_unit_test(walks_through_a_text),      cmocka_unit_test(shortens_between_code_points),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
