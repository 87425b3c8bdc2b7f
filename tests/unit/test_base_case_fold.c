/* Case folding: well-known letters, and where a folded text stands in another. That the whole table is
 * Unicode's is for tests/api/test_case_fold.py. */
#include "cmocka_all.h"

#include "base/case_fold.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

static void test_letters(void **state)
{
    static const struct {
        uint32_t letter, folded;
    } letters[] = {
        {'A', 'a'},
        {'Z', 'z'},
        {'a', 'a'},
        {'@', '@'},
        {'[', '['},
        {'0', '0'},
        {0, 0},
        {0x7F, 0x7F},
        {0x00C4, 0x00E4},
        {0x00D7, 0x00D7},
        {0x00DF, 0x00DF},
        {0x00B5, 0x03BC},
        {0x0130, 0x0130},
        {0x0131, 0x0131},
        {0x0100, 0x0101},
        {0x0101, 0x0101},
        {0x0178, 0x00FF},
        {0x017F, 's'},
        {0x01C4, 0x01C6},
        {0x01C5, 0x01C6},
        {0x023A, 0x2C65},
        {0x0301, 0x0301},
        {0x0345, 0x03B9},
        {0x03A3, 0x03C3},
        {0x03C2, 0x03C3},
        {0x0410, 0x0430},
        {0x13A0, 0x13A0},
        {0xAB70, 0x13A0},
        {0x13F8, 0x13F0},
        {0x1E9E, 0x00DF},
        {0x1F88, 0x1F80},
        {0x2126, 0x03C9},
        {0x212A, 'k'},
        {0x212B, 0x00E5},
        {0xFF21, 0xFF41},
        {0x10400, 0x10428},
        {0x1E900, 0x1E922},
        {0x1E921, 0x1E943},
        {0x1E922, 0x1E922},
        {0x1F600, 0x1F600},
        {0x10FFFF, 0x10FFFF},
    };

    (void)state;
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++)
        if (case_fold_code_point(letters[i].letter) != letters[i].folded)
            fail_msg("U+%04X folds to U+%04X", (unsigned)letters[i].letter,
                     (unsigned)case_fold_code_point(letters[i].letter));
}

static bool is_surrogate(uint32_t code_point)
{
    return code_point >= 0xD800 && code_point <= 0xDFFF;
}

static void test_folding_twice_changes_nothing(void **state)
{
    (void)state;
    for (uint32_t code_point = 0; code_point <= 0x10FFFF; code_point++) {
        uint32_t folded = case_fold_code_point(code_point);

        assert_true(folded <= 0x10FFFF && !(is_surrogate(folded) && !is_surrogate(code_point)));
        assert_int_equal(case_fold_code_point(folded), folded);
    }
}

/* Letter by letter, whatever is beside them. */
static void test_texts(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena);
    assert_text(case_fold(&arena, TEXT("")), "");
    assert_text(case_fold(&arena, TEXT("Acme 100% GmbH")), "acme 100% gmbh");
    assert_text(case_fold(&arena, TEXT("STRASSE Straße STRAẞE")), "strasse straße straße");
    assert_text(case_fold(&arena, TEXT("ΣΊΣΥΦΟΣ ς")), "σίσυφοσ σ");
    assert_text(case_fold(&arena, TEXT("K😀Ⱥİ𐐀E\u0301")), "k😀ⱥİ𐐨e\u0301");
    arena_free(&arena);
}

/* A text in memory of its exact size, so that the sanitizer sees a read beyond it. */
static bool matches(const char *text, const char *folded, enum case_fold_place place)
{
    size_t length = strlen(text), folded_length = strlen(folded);
    char *text_copy = malloc(length + !length), *folded_copy = malloc(folded_length + !folded_length);

    assert_true(text_copy && folded_copy);
    memcpy(text_copy, text, length);
    memcpy(folded_copy, folded, folded_length);
    bool is_found =
        case_fold_matches((struct text){text_copy, length}, (struct text){folded_copy, folded_length}, place);

    free(text_copy);
    free(folded_copy);
    return is_found;
}

/* Which of anywhere, start, end and whole have it, as "ASEW". */
static void expect(const char *text, const char *folded, const char *places)
{
    static const char letters[CASE_FOLD_PLACES] = {
        [CASE_FOLD_ANYWHERE] = 'A', [CASE_FOLD_START] = 'S', [CASE_FOLD_END] = 'E', [CASE_FOLD_WHOLE] = 'W'};

    for (unsigned place = 0; place < CASE_FOLD_PLACES; place++)
        if (matches(text, folded, (enum case_fold_place)place) != (strchr(places, letters[place]) != NULL))
            fail_msg("\"%s\" in \"%s\": %c", folded, text, letters[place]);
}

static void test_places(void **state)
{
    (void)state;
    expect("Acme", "acme", "ASEW");
    expect("Acme", "ac", "AS");
    expect("Acme", "CM", ""); /* what is sought must be folded */
    expect("Acme", "cm", "A");
    expect("Acme", "me", "AE");
    expect("Acme", "acmes", "");
    expect("Acme", "x", "");
    expect("Acme", "", "ASE");
    expect("", "", "ASEW");
    expect("", "a", "");
}

/* The first place that begins well is not the one. */
static void test_beginnings_that_do_not_go_on(void **state)
{
    (void)state;
    expect("aab", "ab", "AE");
    expect("aAaAb", "aaab", "AE");
    expect("abab", "ab", "ASE");
    expect("abac", "ab", "AS");
    expect("aaa", "a", "ASE");
    expect("aaa", "aa", "ASE");
    expect("ababac", "abac", "AE");
}

/* Cases of other sizes: U+212A and U+017F are longer than what they fold to, U+023A is shorter. */
static void test_letters_of_several_bytes(void **state)
{
    (void)state;
    expect("\u212aelvin", "kelvin", "ASEW");
    expect("Kelvin\u017f", "s", "AE");
    expect("\u212a", "k", "ASEW");
    expect("x\u023a", "\u2c65", "AE");
    expect("\u023ax\u023a", "\u2c65x", "AS");
    expect("Köln", "ö", "A");
    expect("KÖLN", "köln", "ASEW");
    expect("e\u0301", "e", "AS"); /* the mark stays behind */
    expect("é", "e", "");
    expect("é", "e\u0301", "");
    expect("😀𐐀", "𐐨", "AE");
    expect("😀", "😁", "");
}

/* Only whole letters are found, not a part of the bytes of two. */
static void test_no_letter_is_cut(void **state)
{
    (void)state;
    expect("\u00e9", "\xa9", "");
    expect("a\u00e9", "\xc3", "");
    expect("\u4e00", "\xb8\x80", "");
    expect("\u00e9", "\u00e9a", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_letters),
        cmocka_unit_test(test_folding_twice_changes_nothing),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_beginnings_that_do_not_go_on),
        cmocka_unit_test(test_letters_of_several_bytes),
        cmocka_unit_test(test_no_letter_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
