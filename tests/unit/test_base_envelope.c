/* Texts encrypted at rest. */
#include "cmocka_all.h"

#include "base/envelope.h"

#include <string.h>

static struct arena arena;

static int make_arena(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int free_arena(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static struct envelope_key key_of(const char *id, int byte)
{
    struct envelope_key key = {.id = text_from_string(id)};

    memset(key.bytes, byte, sizeof key.bytes);
    return key;
}

static const struct text about = TEXT_LITERAL("connection t c");

static void test_what_is_closed_can_be_opened(void **state)
{
    static const size_t lengths[] = {0, 1, 2, 3, 15, 16, 17, 1000, ENVELOPE_PLAIN_BYTES_MAX};
    const struct envelope_keys keys = {{key_of("one", 1)}, 1};

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char *bytes = arena_allocate(&arena, lengths[i] + 1);
        struct text opened;

        memset(bytes, 'x', lengths[i] + 1);
        struct text plain = {bytes, lengths[i]}, closed = envelope_close(&arena, &keys, about, plain);

        assert_true(text_equal(envelope_key_id(closed), TEXT("one")));
        assert_int_equal(envelope_open(&arena, &keys, about, closed, &opened), ENVELOPE_OPENED);
        assert_true(text_equal(opened, plain));
        assert_false(text_equal(closed, envelope_close(&arena, &keys, about, plain)));
    }
}

/* Made by Node's crypto: a key of 32 bytes 7, a nonce of 12 bytes 9. */
static void test_the_format_is_that_of_other_programs(void **state)
{
    const struct envelope_keys keys = {{key_of("k", 7)}, 1};
    struct text opened;

    (void)state;
    assert_int_equal(envelope_open(&arena, &keys, about,
                                   TEXT("k:CQkJCQkJCQkJCQkJXKf38d2CpBX/Ca5BxNCBrL+SHpB+INFZuFY+sSB70x6QzAk="),
                                   &opened),
                     ENVELOPE_OPENED);
    assert_true(text_equal(opened, TEXT("{\"secret_key\":\"sk\"}")));
}

static void test_keys_change(void **state)
{
    const struct envelope_keys before = {{key_of("old", 1)}, 1},
                               after = {{key_of("new", 2), key_of("old", 1)}, 2},
                               end = {{key_of("new", 2)}, 1}, other = {{key_of("old", 3)}, 1};
    struct text closed = envelope_close(&arena, &before, about, TEXT("plain")), opened;

    (void)state;
    assert_int_equal(envelope_open(&arena, &after, about, closed, &opened), ENVELOPE_OPENED);
    assert_true(text_equal(opened, TEXT("plain")));
    assert_int_equal(envelope_open(&arena, &end, about, closed, &opened), ENVELOPE_KEY_UNKNOWN);
    assert_int_equal(envelope_open(&arena, &other, about, closed, &opened), ENVELOPE_ALTERED);
    assert_true(text_equal(envelope_key_id(envelope_close(&arena, &after, about, opened)), TEXT("new")));
}

static void test_every_alteration_is_seen(void **state)
{
    const struct envelope_keys keys = {{key_of("one", 1)}, 1};
    struct text closed = envelope_close(&arena, &keys, about, TEXT("plain")), opened;

    (void)state;
    assert_int_equal(envelope_open(&arena, &keys, TEXT("connection t d"), closed, &opened), ENVELOPE_ALTERED);
    for (size_t i = 0; i < closed.length; i++) {
        char *altered = arena_string(&arena, closed);

        altered[i] = altered[i] == 'B' ? 'C' : 'B';
        assert_int_not_equal(
            envelope_open(&arena, &keys, about, (struct text){altered, closed.length}, &opened),
            ENVELOPE_OPENED);
        assert_int_not_equal(envelope_open(&arena, &keys, about, text_slice(closed, 0, i), &opened),
                             ENVELOPE_OPENED);
    }
    assert_int_equal(envelope_open(&arena, &keys, about, text_empty, &opened), ENVELOPE_ALTERED);
    assert_int_equal(envelope_open(&arena, &keys, about, TEXT("one:"), &opened), ENVELOPE_ALTERED);
    assert_int_equal(envelope_open(&arena, &keys, about, TEXT("one:AAAA"), &opened), ENVELOPE_ALTERED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_closed_can_be_opened, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(test_the_format_is_that_of_other_programs, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(test_keys_change, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(test_every_alteration_is_seen, make_arena, free_arena),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
