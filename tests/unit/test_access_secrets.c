/* The server's secrets: made, rotated, written to a text and read from it. */
#include "cmocka_all.h"

#include "access/secrets.h"

#include <string.h>

#define NOW_US    INT64_C(1767225600500000)
#define SECOND_US MICROSECONDS_PER_SECOND

static struct arena arena;
static struct secret_set set;

static int set_up(void **state)
{
    (void)state;
    secret_set_make(&set, NOW_US);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static struct text id(const struct secret_ring *ring, unsigned index)
{
    return (struct text){ring->keys[index].id, SECRET_ID_LENGTH};
}

static void expect_same(const struct secret_set *a, const struct secret_set *b)
{
    for (unsigned i = 0; i < SECRET_PURPOSES; i++) {
        assert_int_equal(a->rings[i].count, b->rings[i].count);
        for (unsigned j = 0; j < a->rings[i].count; j++) {
            const struct secret_key *one = &a->rings[i].keys[j], *other = &b->rings[i].keys[j];

            assert_memory_equal(one->id, other->id, SECRET_ID_LENGTH);
            assert_int_equal(one->length, other->length);
            assert_memory_equal(one->bytes, other->bytes, one->length);
            assert_int_equal(one->created_at_us, other->created_at_us);
            assert_int_equal(one->honoured_until_us, other->honoured_until_us);
        }
    }
}

static void test_made_keys_differ(void **state)
{
    struct secret_set other;

    (void)state;
    secret_set_make(&other, NOW_US);
    assert_false(text_equal(id(&set.rings[0], 0), id(&set.rings[1], 0)));
    assert_false(text_equal(id(&set.rings[0], 0), id(&other.rings[0], 0)));
    assert_memory_not_equal(set.rings[0].keys[0].bytes, set.rings[1].keys[0].bytes, SECRET_BYTES);
}

static void test_a_written_set_is_read_as_it_was(void **state)
{
    struct secret_set read = {0};
    struct text reason = text_none;

    (void)state;
    assert_true(
        secret_ring_rotate(&set.rings[SECRET_SIGNING], SECRET_SIGNING, NOW_US, INT64_C(1767229200000000)));
    assert_true(
        secret_ring_rotate(&set.rings[SECRET_ENCRYPTION], SECRET_ENCRYPTION, NOW_US, SECRET_WITHOUT_END));
    assert_true(secret_set_read(secret_set_write(&set, &arena), &read, &arena, &reason));
    expect_same(&set, &read);
}

static void test_what_is_given_is_not_written(void **state)
{
    struct secret_set read = {0};
    struct text reason = text_none;

    (void)state;
    set.rings[SECRET_SIGNING] = (struct secret_ring){.is_given = true};
    assert_true(secret_ring_add(&set.rings[SECRET_SIGNING], SECRET_SIGNING,
                                TEXT("0123456789abcdef0123456789abcdef"), INT64_MIN, SECRET_WITHOUT_END));
    struct text text = secret_set_write(&set, &arena);

    assert_null(memmem(text.data, text.length, "\nsigning", 8));
    assert_false(secret_set_read(text, &read, &arena, &reason));
    assert_true(text_equal(reason, TEXT("there is no signing key")));
    /* A file may still have what a setting has taken the place of. */
    struct secret_set whole, with_setting = set;

    secret_set_make(&whole, NOW_US);
    with_setting.rings[SECRET_ENCRYPTION].count = 0;
    assert_true(secret_set_read(secret_set_write(&whole, &arena), &with_setting, &arena, &reason));
    assert_true(text_equal(id(&with_setting.rings[SECRET_SIGNING], 0), id(&set.rings[SECRET_SIGNING], 0)));
    assert_true(
        text_equal(id(&with_setting.rings[SECRET_ENCRYPTION], 0), id(&whole.rings[SECRET_ENCRYPTION], 0)));
}

static void test_broken_texts_are_refused(void **state)
{
    struct text good = secret_set_write(&set, &arena);
    const char *signing = memmem(good.data, good.length, "\nsigning ", 9);
    size_t first = (size_t)(signing + 1 - good.data);
    struct text line = text_slice(good, first, text_find(text_from(good, first), '\n') + 1);
    struct text tail = text_from(good, first + line.length), reason;
    static const char *const wrong[] = {
        "sign\n",
        "signing\n",
        "signing 0 yesterday present 00\n",
        "signing\tx\n",
        "signing 0011223344556677\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct secret_set read = {0};

        assert_false(secret_set_read(arena_format(&arena, "%s%.*s", wrong[i], TEXT_FORMAT(tail)), &read,
                                     &arena, &reason));
        assert_true(text_starts_with(reason, TEXT("line 1: ")));
    }
    for (size_t i = 0; i + 1 < line.length; i++) { /* no byte of a line can be another */
        struct secret_set read = {0};
        char *copy = arena_string(&arena, good);

        copy[first + i] = copy[first + i] == '0' ? '1' : '0';
        bool is_read = secret_set_read((struct text){copy, good.length}, &read, &arena, &reason);

        /* ... but those that say when it was made. */
        if (is_read)
            assert_memory_equal(read.rings[SECRET_SIGNING].keys[0].bytes,
                                set.rings[SECRET_SIGNING].keys[0].bytes, SECRET_BYTES);
    }
    struct secret_set read = {0};

    assert_false(secret_set_read(arena_format(&arena, "%.*s%.*s", TEXT_FORMAT(line), TEXT_FORMAT(good)),
                                 &read, &arena, &reason));
    assert_false(secret_set_read(text_empty, &read, &arena, &reason));
}

static void test_rotation(void **state)
{
    struct secret_ring *ring = &set.rings[SECRET_SIGNING];
    char first[SECRET_ID_LENGTH], second[SECRET_ID_LENGTH];

    (void)state;
    memcpy(first, ring->keys[0].id, sizeof first);
    assert_true(secret_ring_rotate(ring, SECRET_SIGNING, NOW_US, NOW_US + 100 * SECOND_US));
    memcpy(second, ring->keys[0].id, sizeof second);
    assert_memory_equal(ring->keys[1].id, first, sizeof first);
    assert_int_equal(ring->keys[1].honoured_until_us, NOW_US + 100 * SECOND_US);
    assert_int_equal(ring->keys[0].honoured_until_us, SECRET_WITHOUT_END);
    /* A shorter grace is for all that were before, a longer one for the last. */
    assert_true(secret_ring_rotate(ring, SECRET_SIGNING, NOW_US, NOW_US + 200 * SECOND_US));
    assert_int_equal(ring->keys[1].honoured_until_us, NOW_US + 200 * SECOND_US);
    assert_int_equal(ring->keys[2].honoured_until_us, NOW_US + 100 * SECOND_US);
    assert_true(secret_ring_rotate(ring, SECRET_SIGNING, NOW_US, NOW_US));
    for (unsigned i = 1; i < ring->count; i++)
        assert_int_equal(ring->keys[i].honoured_until_us, NOW_US);
    assert_true(secret_ring_has(ring, (struct text){first, sizeof first}));
    assert_true(secret_ring_has(ring, (struct text){second, sizeof second}));
}

static void test_a_full_ring(void **state)
{
    struct secret_ring *ring = &set.rings[SECRET_SIGNING];

    (void)state;
    while (ring->count < SECRET_KEYS_MAX)
        assert_true(secret_ring_rotate(ring, SECRET_SIGNING, NOW_US, NOW_US + 100 * SECOND_US));
    struct secret_ring before = *ring;

    assert_false(secret_ring_rotate(ring, SECRET_SIGNING, NOW_US, NOW_US + 100 * SECOND_US));
    assert_memory_equal(&before, ring, sizeof before);
    assert_true(secret_ring_rotate(ring, SECRET_SIGNING, NOW_US + 100 * SECOND_US, NOW_US + 300 * SECOND_US));
    assert_int_equal(ring->count, SECRET_KEYS_MAX);
    assert_memory_equal(ring->keys[1].id, before.keys[0].id, SECRET_ID_LENGTH);
    /* In an emergency there is always room. */
    assert_true(secret_ring_rotate(ring, SECRET_SIGNING, NOW_US, NOW_US));
}

static void test_what_is_honoured(void **state)
{
    struct text keys[SECRET_KEYS_MAX];

    (void)state;
    assert_true(
        secret_ring_rotate(&set.rings[SECRET_SIGNING], SECRET_SIGNING, NOW_US, NOW_US + 100 * SECOND_US));
    struct secrets *secrets = secrets_new(&set);

    assert_int_equal(secrets_honoured(secrets, SECRET_SIGNING, NOW_US + 100 * SECOND_US - 1, &arena, keys),
                     2);
    assert_memory_equal(keys[0].data, set.rings[SECRET_SIGNING].keys[0].bytes, SECRET_BYTES);
    assert_memory_equal(keys[1].data, set.rings[SECRET_SIGNING].keys[1].bytes, SECRET_BYTES);
    assert_int_equal(secrets_honoured(secrets, SECRET_SIGNING, NOW_US + 100 * SECOND_US, &arena, keys), 1);
    assert_int_equal(secrets_honoured(secrets, SECRET_ENCRYPTION, NOW_US, &arena, keys), 1);
    struct secret_set copy;

    secrets_copy(secrets, &copy);
    expect_same(&copy, &set);
    secrets_free(secrets);
}

static void test_lengths_of_given_keys(void **state)
{
    static const char bytes[SECRET_BYTES_MAX + 1] = "some bytes";
    struct secret_ring ring = {.is_given = true};

    (void)state;
    assert_false(secret_ring_add(&ring, SECRET_SIGNING, (struct text){bytes, 31}, 0, 0));
    assert_false(secret_ring_add(&ring, SECRET_SIGNING, (struct text){bytes, SECRET_BYTES_MAX + 1}, 0, 0));
    assert_true(secret_ring_add(&ring, SECRET_SIGNING, (struct text){bytes, 32}, 0, 0));
    assert_true(secret_ring_add(&ring, SECRET_SIGNING, (struct text){bytes, SECRET_BYTES_MAX}, 0, 0));
    assert_int_equal(ring.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_made_keys_differ, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_written_set_is_read_as_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_given_is_not_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broken_texts_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rotation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_full_ring, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_honoured, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lengths_of_given_keys, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
