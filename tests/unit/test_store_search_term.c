/* Terms of the index of searches: three code points of a folded text, with marks at its ends. */
#include "cmocka_all.h"

#include "store/sqlite/search/term.h"

#include "base/utf8.h"

enum { CODE_POINT_MAX = 0x10FFFF };

static struct term_sequence sequence, other;

static int free_sequences(void **state)
{
    (void)state;
    term_sequence_free(&sequence);
    term_sequence_free(&other);
    return 0;
}

/* The text of three code points, or fewer; 0 ends them. */
static struct text text_of(const uint32_t points[TERM_CODE_POINTS], char room[4 * TERM_CODE_POINTS])
{
    size_t length = 0;

    for (unsigned i = 0; i < TERM_CODE_POINTS && points[i]; i++)
        length += utf8_encode(points[i], room + length);
    return (struct text){room, length};
}

static int64_t term_of(const uint32_t points[TERM_CODE_POINTS], unsigned field)
{
    char room[4 * TERM_CODE_POINTS];

    term_sequence_of(&sequence, text_of(points, room), 0, 0);
    assert_int_equal(term_count(&sequence), 1);
    return term_at(&sequence, 0, field);
}

/* The only term of a text with marks. */
static int64_t marked(const char *text, unsigned starts, unsigned ends)
{
    term_sequence_of(&other, text_from_string(text), starts, ends);
    assert_int_equal(term_count(&other), 1);
    return term_at(&other, 0, 0);
}

static void test_a_term_begins_at_each_code_point(void **state)
{
    (void)state;
    term_sequence_of_indexed(&sequence, TEXT("a日b"));
    assert_int_equal(term_count(&sequence), 4); /* and one at the mark before the first */
    assert_int_equal(term_at(&sequence, 0, 0), marked("a日", 1, 0));
    assert_int_equal(term_at(&sequence, 1, 0), marked("a日b", 0, 0));
    assert_int_equal(term_at(&sequence, 2, 0), marked("日b", 0, 1));
    assert_int_equal(term_at(&sequence, 3, 0), marked("b", 0, 2));
}

static void test_short_texts(void **state)
{
    (void)state;
    term_sequence_of(&sequence, text_empty, 0, 0);
    assert_int_equal(term_count(&sequence), 0);
    term_sequence_of(&sequence, TEXT("a"), 1, 0);
    assert_int_equal(term_count(&sequence), 0);
    term_sequence_of(&sequence, TEXT("日é"), 0, 0);
    assert_int_equal(term_count(&sequence), 0);
    term_sequence_of_indexed(&sequence, TEXT("a"));
    assert_int_equal(term_count(&sequence), 2);
    assert_int_equal(term_at(&sequence, 0, 0), marked("a", 1, 1));
}

/* "ab" at the start, at the end, as the whole and in the middle are four different things. */
static void test_marks_are_no_code_points(void **state)
{
    int64_t terms[] = {
        marked("ab", 1, 0),
        marked("ab", 0, 1),
        marked("a", 1, 1),
        marked("a", 0, 2),
        marked("\xF4\x8F\xBF\xBF"
               "ab",
               0, 0),
        marked("ab\xF4\x8F\xBF\xBF", 0, 0),
    };
    enum { COUNT = sizeof terms / sizeof terms[0] };

    (void)state;
    for (unsigned i = 0; i < COUNT; i++)
        for (unsigned j = 0; j < i; j++)
            assert_int_not_equal(terms[i], terms[j]);
}

static void test_terms_are_in_the_order_of_their_code_points(void **state)
{
    static const uint32_t points[] = {1,      'a',    'b',     0x7F,     0x80,          0x7FF,
                                      0xD7FF, 0xFFFD, 0x10000, 0x10FFFE, CODE_POINT_MAX};
    enum { COUNT = sizeof points / sizeof points[0] };
    int64_t last = -1;

    (void)state;
    for (unsigned field = 0; field < TERM_FIELDS_MAX; field++)
        for (unsigned i = 0; i < COUNT * COUNT * COUNT; i++) {
            int64_t term = term_of(
                (uint32_t[]){points[i / COUNT / COUNT], points[i / COUNT % COUNT], points[i % COUNT]}, field);

            assert_true(term > last);
            last = term;
        }
    assert_true(last < INT64_MAX);
}

static void test_terms_of_fields_do_not_mix(void **state)
{
    (void)state;
    for (unsigned field = 0; field + 1 < TERM_FIELDS_MAX; field++) {
        term_sequence_of(&sequence, text_empty, 0, TERM_CODE_POINTS); /* the last mark */
        term_sequence_of(&other, TEXT("\x01\x01\x01"), 0, 0);
        assert_true(term_at(&sequence, 0, field) < term_at(&other, 0, field + 1));
    }
}

static void expect_same(const char *one, const char *another)
{
    term_sequence_of_indexed(&sequence, text_from_string(one));
    term_sequence_of_indexed(&other, text_from_string(another));
    assert_int_equal(term_count(&sequence), term_count(&other));
    for (size_t position = 0; position < term_count(&sequence); position++)
        assert_int_equal(term_at(&sequence, position, 1), term_at(&other, position, 1));
}

static void test_texts_are_folded(void **state)
{
    (void)state;
    expect_same("ACME Corp", "acme cORP");
    expect_same("ÄÖſ", "äös");
    expect_same("\xE2\x84\xAA"
                "elvin",
                "kelvin");                               /* U+212A */
    expect_same("\xF0\x90\x90\x80", "\xF0\x90\x90\xA8"); /* U+10400, U+10428 */
    expect_same("ẞtraße", "ßTRAẞE");
}

static void test_ranges_have_what_begins_so(void **state)
{
    static const uint32_t points[] = {1, 'a', 'b', 0xFF, 0x3B1, 0xFFFD, 0x10348, CODE_POINT_MAX};
    enum { COUNT = sizeof points / sizeof points[0] };

    (void)state;
    for (unsigned i = 0; i < COUNT * COUNT; i++)
        for (unsigned j = 0; j < COUNT * COUNT * COUNT; j++) {
            uint32_t begun[] = {points[i / COUNT], points[i % COUNT], 0};
            uint32_t whole[] = {points[j / COUNT / COUNT], points[j / COUNT % COUNT], points[j % COUNT]};
            unsigned field = i % TERM_FIELDS_MAX;
            char room[4 * TERM_CODE_POINTS];
            int64_t term, first, end;

            for (unsigned count = 1; count <= 2; count++) {
                if (count == 1)
                    begun[1] = 0;
                else
                    begun[1] = points[i % COUNT];
                term = term_of(whole, field);
                term_sequence_of(&other, text_of(begun, room), 0, 0);
                term_range(&other, field, &first, &end);
                assert_int_equal(first <= term && term < end,
                                 whole[0] == begun[0] && (count == 1 || whole[1] == begun[1]));
            }
        }
}

static void test_ranges_with_marks(void **state)
{
    int64_t first, end;

    (void)state;
    term_sequence_of(&other, TEXT("a"), 1, 0);
    term_range(&other, 0, &first, &end);
    assert_true(first <= marked("ab", 1, 0) && marked("ab", 1, 0) < end);
    assert_true(first <= marked("a", 1, 1) && marked("a", 1, 1) < end);
    assert_false(first <= marked("ba", 1, 0) && marked("ba", 1, 0) < end);
    term_sequence_of(&other, TEXT("a"), 0, 1);
    term_range(&other, 0, &first, &end);
    assert_true(first <= marked("a", 0, 2) && marked("a", 0, 2) < end);
    assert_false(first <= marked("ab", 0, 1) && marked("ab", 0, 1) < end);
    /* What ends there begins so, too. */
    term_sequence_of(&other, TEXT("a"), 0, 0);
    term_range(&other, 0, &first, &end);
    assert_true(first <= marked("a", 0, 2) && marked("a", 0, 2) < end);
    assert_true(first <= marked("ab", 0, 1) && marked("ab", 0, 1) < end);
}

static void test_ranges_lie_side_by_side(void **state)
{
    int64_t first, end, next_first, next_end;

    (void)state;
    term_sequence_of(&sequence, TEXT("xa"), 0, 0);
    term_sequence_of(&other, TEXT("xb"), 0, 0);
    term_range(&sequence, 2, &first, &end);
    term_range(&other, 2, &next_first, &next_end);
    assert_int_equal(end, next_first);
    term_sequence_of(&sequence, text_empty, 0, 1); /* the last one of a field */
    term_sequence_of(&other, TEXT("\x01"), 0, 0);
    term_range(&sequence, TERM_FIELDS_MAX - 2, &first, &end);
    term_range(&other, TERM_FIELDS_MAX - 1, &next_first, &next_end);
    assert_true(end <= next_first);
    term_range(&sequence, TERM_FIELDS_MAX - 1, &first, &end);
    assert_true(first < end);
}

static void test_a_sequence_grows_and_is_used_again(void **state)
{
    enum { COUNT = 5000 };
    static char text[COUNT];

    (void)state;
    memset(text, 'x', sizeof text);
    term_sequence_of_indexed(&sequence, (struct text){text, sizeof text});
    assert_int_equal(term_count(&sequence), COUNT + 1);
    for (size_t position = 2; position < COUNT - 2; position++)
        assert_int_equal(term_at(&sequence, position, 0), term_at(&sequence, 1, 0));
    term_sequence_of_indexed(&sequence, TEXT("ab"));
    assert_int_equal(term_count(&sequence), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_term_begins_at_each_code_point),
        cmocka_unit_test(test_short_texts),
        cmocka_unit_test(test_marks_are_no_code_points),
        cmocka_unit_test(test_terms_are_in_the_order_of_their_code_points),
        cmocka_unit_test(test_terms_of_fields_do_not_mix),
        cmocka_unit_test(test_texts_are_folded),
        cmocka_unit_test(test_ranges_have_what_begins_so),
        cmocka_unit_test(test_ranges_with_marks),
        cmocka_unit_test(test_ranges_lie_side_by_side),
        cmocka_unit_test(test_a_sequence_grows_and_is_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, free_sequences);
}
