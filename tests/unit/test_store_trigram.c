/* Trigrams: which of them a search asks the index for, how they are written, and what the sample counts. */
#include "cmocka_all.h"

#include "failure_details.h"
#include "store/sqlite/trigram.h"

#include <string.h>

enum { SCOPE = 7 };

struct asked {
    struct arena arena;
    struct trigram_counts counts;
};

static int set_up(void **state)
{
    static struct asked asked;

    memset(&asked, 0, sizeof asked);
    arena_init(&asked.arena);
    *state = &asked;
    return 0;
}

static int tear_down(void **state)
{
    struct asked *asked = *state;

    arena_free(&asked->arena);
    return 0;
}

static void sample(struct asked *asked, const char *text, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        trigram_count(&asked->counts, text_from_string(text));
}

/* The query without its last part, which must be the scope's own trigram; "" when there is none. */
static const char *query_of(struct asked *asked, const struct text *needles, size_t count)
{
    struct buffer buffer = {0};
    struct text query = trigram_query(&asked->counts, SCOPE, needles, count, &asked->arena);

    if (!text_is_set(query))
        return "";
    buffer_append(&buffer, TEXT(" AND \""));
    trigram_append_scope(&buffer, SCOPE);
    buffer_append_char(&buffer, '"');
    struct text ending = arena_copy(&asked->arena, buffer_text(&buffer));

    buffer_free(&buffer);
    if (!text_ends_with(query, ending))
        return arena_string(&asked->arena, query);
    return arena_string(&asked->arena, text_slice(query, 0, query.length - ending.length));
}

static const char *query(struct asked *asked, const char *needle)
{
    struct text text = text_from_string(needle);

    return query_of(asked, &text, 1);
}

static void test_fewer_than_three_code_points_have_none(void **state)
{
    (void)state;
    assert_string_equal(query(*state, ""), "");
    assert_string_equal(query(*state, "ab"), "");
    assert_string_equal(query(*state, "😀😀"), "");
    assert_string_equal(query_of(*state, NULL, 0), "");
    assert_string_equal(query_of(*state, (struct text[]){TEXT("ab"), TEXT("cd")}, 2), "");
}

static void test_code_points_count_not_bytes(void **state)
{
    (void)state;
    sample(*state, "nothing like it", 200);
    assert_string_equal(query(*state, "abc"), "\"abc\"");
    assert_string_equal(query(*state, "äöü"), "\"äöü\"");
    assert_string_equal(query(*state, "😀日a"), "\"😀日a\"");
}

/* A quote stands twice; nothing else means anything between quotes. */
static void test_what_the_query_language_would_read(void **state)
{
    (void)state;
    sample(*state, "nothing like it", 200);
    assert_string_equal(query(*state, "a\"b"), "\"a\"\"b\"");
    assert_string_equal(query(*state, "\"\"\""), "\"\"\"\"\"\"\"\"");
    assert_string_equal(query(*state, "*^:"), "\"*^:\"");
    assert_string_equal(query(*state, "or "), "\"or \"");
    assert_string_equal(query(*state, "'--"), "\"'--\"");
}

/* By the sample all but "xyz" are in half of all texts. */
static void test_the_rarest_leads(void **state)
{
    struct asked *asked = *state;

    sample(asked, "abcxy", 100);
    sample(asked, "def", 100);
    assert_string_equal(query(asked, "abcxyz"), "\"xyz\"");
    assert_string_equal(query(asked, "xyz"), "\"xyz\"");
}

static void test_what_is_common_is_not_looked_up(void **state)
{
    struct asked *asked = *state;

    sample(asked, "abc", 50);
    sample(asked, "def", 150);
    assert_string_equal(query(asked, "abc"), "");
    assert_string_equal(query(asked, "def"), "");
    /* Of two texts that must be there, the rare one is enough. */
    assert_non_null(strstr(query_of(asked, (struct text[]){TEXT("abc"), TEXT("xyz")}, 2), "\"xyz\""));
    sample(asked, "something else", 400);
    assert_string_not_equal(query(asked, "abc"), ""); /* 50 of 600: no longer one of eight */
}

static void test_a_small_sample_says_nothing(void **state)
{
    struct asked *asked = *state;

    sample(asked, "abc", TRIGRAM_SAMPLE_MIN - 1);
    assert_string_not_equal(query(asked, "abc"), "");
    sample(asked, "abc", 1);
    assert_string_equal(query(asked, "abc"), "");
}

/* A long text of an empty index: no more than the limit. */
static void test_there_are_not_many(void **state)
{
    char text[4000];
    unsigned count = 1;

    memset(text, 0, sizeof text);
    for (size_t i = 0; i + 1 < sizeof text; i++)
        text[i] = (char)('a' + i * i % 26);
    for (const char *found = query(*state, text); (found = strstr(found, " AND ")); found++)
        count++;
    assert_in_range(count, 1, TRIGRAM_CHOSEN_MAX);
}

static void test_a_text_is_counted_once_for_each_trigram(void **state)
{
    struct asked *asked = *state;
    unsigned sum = 0;

    sample(asked, "aaaaaaaa", 1);
    for (unsigned i = 0; i < TRIGRAM_BUCKETS; i++)
        sum += asked->counts.counts[i];
    assert_int_equal(asked->counts.texts, 1);
    assert_int_equal(sum, 1);
    sample(asked, "ab", 1);
    sample(asked, "", 1);
    assert_int_equal(asked->counts.texts, 3);
}

static void test_counts_do_not_run_over(void **state)
{
    struct asked *asked = *state;

    sample(asked, "abc", UINT16_MAX + 10);
    assert_int_equal(asked->counts.texts, UINT16_MAX);
    assert_string_equal(query(asked, "abc"), "");
}

static void test_scopes_have_different_marks(void **state)
{
    static const int64_t scopes[] = {1, 2, 6399, 6400, 6401, 6400 * 6400, INT64_C(6400) * 6400 * 6400 - 1};
    enum { COUNT = sizeof scopes / sizeof scopes[0], MARK_BYTES = 9 };
    struct buffer marks[COUNT] = {{0}};

    (void)state;
    for (unsigned i = 0; i < COUNT; i++) {
        trigram_append_scope(&marks[i], scopes[i]);
        assert_int_equal(marks[i].length, MARK_BYTES);
        for (unsigned j = 0; j < i; j++)
            assert_false(text_equal(buffer_text(&marks[i]), buffer_text(&marks[j])));
    }
    for (unsigned i = 0; i < COUNT; i++)
        buffer_free(&marks[i]);
}

#define TRIGRAM_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRIGRAM_TEST(test_fewer_than_three_code_points_have_none),
        TRIGRAM_TEST(test_code_points_count_not_bytes),
        TRIGRAM_TEST(test_what_the_query_language_would_read),
        TRIGRAM_TEST(test_the_rarest_leads),
        TRIGRAM_TEST(test_what_is_common_is_not_looked_up),
        TRIGRAM_TEST(test_a_small_sample_says_nothing),
        TRIGRAM_TEST(test_there_are_not_many),
        TRIGRAM_TEST(test_a_text_is_counted_once_for_each_trigram),
        TRIGRAM_TEST(test_counts_do_not_run_over),
        TRIGRAM_TEST(test_scopes_have_different_marks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
