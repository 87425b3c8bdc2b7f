/* Sealed texts and keyed hashes. */
#include "cmocka_all.h"

#include "base/hash.h"
#include "base/seal.h"

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

static void make_key(uint8_t key[SEAL_KEY_BYTES], const char *secret)
{
    const struct text part = text_from_string(secret);

    seal_hash(NULL, &part, 1, key);
}

static bool opens(const char *secret, const char *about, struct text sealed, struct text *plain)
{
    uint8_t key[SEAL_KEY_BYTES];

    make_key(key, secret);
    return seal_open(&arena, key, text_from_string(about), sealed, plain);
}

static struct text sealed_with(const char *secret, const char *about, struct text plain)
{
    uint8_t key[SEAL_KEY_BYTES];

    make_key(key, secret);
    return seal(&arena, key, text_from_string(about), plain);
}

static void test_what_is_sealed_can_be_opened(void **state)
{
    static const size_t lengths[] = {0, 1, 2, 3, 15, 16, 17, 63, 64, 65, 1000, 1024 * 1024};

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char *bytes = arena_allocate(&arena, lengths[i] + 1);
        struct text plain = {bytes, lengths[i]}, opened;

        for (size_t j = 0; j < lengths[i]; j++)
            bytes[j] = (char)(j * 7 + i); /* NULs and what is no UTF-8 as well */
        struct text sealed = sealed_with("secret", "about", plain);

        assert_true(text_is_visible_ascii(sealed));
        assert_true(opens("secret", "about", sealed, &opened));
        assert_true(text_equal(opened, plain));
    }
}

static void test_nobody_else_can_open_it(void **state)
{
    struct text sealed = sealed_with("secret", "about", TEXT("plain text")), plain;

    (void)state;
    assert_false(opens("Secret", "about", sealed, &plain));
    assert_false(opens("secret", "abou", sealed, &plain));
    assert_false(opens("secret", "", sealed, &plain));
    assert_null(memmem(sealed.data, sealed.length, "plain", 5));
}

static void test_two_of_the_same_differ(void **state)
{
    (void)state;
    assert_false(text_equal(sealed_with("secret", "about", TEXT("plain")),
                            sealed_with("secret", "about", TEXT("plain"))));
}

static void test_what_was_altered_does_not_open(void **state)
{
    struct text sealed = sealed_with("secret", "about", TEXT("plain text")), plain;

    (void)state;
    for (size_t i = 0; i < sealed.length; i++) {
        struct text copy = arena_copy(&arena, sealed);
        char *bytes = arena_allocate(&arena, copy.length);

        memcpy(bytes, copy.data, copy.length);
        bytes[i] = bytes[i] == 'A' ? 'B' : 'A';
        assert_false(opens("secret", "about", (struct text){bytes, copy.length}, &plain));
        assert_false(opens("secret", "about", text_slice(sealed, 0, i), &plain));
    }
    assert_false(opens("secret", "about", arena_format(&arena, "%.*sA", TEXT_FORMAT(sealed)), &plain));
    assert_false(opens("secret", "about", arena_format(&arena, "%.*s=", TEXT_FORMAT(sealed)), &plain));
    assert_false(opens("secret", "about", TEXT("not base64 at all: \xff"), &plain));
    assert_false(opens("secret", "about", text_none, &plain));
}

static void expect_hash(const uint8_t *key, const struct text *parts, size_t count, const char *expected)
{
    uint8_t hash[SEAL_HASH_BYTES];
    char hex[2 * SEAL_HASH_BYTES];

    seal_hash(key, parts, count, hash);
    hex_encode(hash, sizeof hash, hex);
    assert_text(((struct text){hex, sizeof hex}), expected);
}

/* By hashlib.blake2b(b"\x03\0\0\0\0\0\0\0abc", digest_size=32): the length, little-endian, goes before each
 * part. What is stored depends on it. */
static void test_hashes_are_blake2b(void **state)
{
    uint8_t key[SEAL_KEY_BYTES];
    const struct text abc = TEXT("abc");

    (void)state;
    for (unsigned i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)i;
    expect_hash(NULL, &abc, 1, "3bdc62cfd65e3b78e3d90e32e0a91ebfbc229c30abe54e6abd16c5d4def0db7b");
    expect_hash(key, &abc, 1, "5b73af91afe1f77d7b5bef28845d1e84042bb4f8ff72b77a01ae8cf3523ce65f");
}

static void test_where_parts_end_counts(void **state)
{
    static const struct text splits[][2] = {
        {TEXT_LITERAL("ab"), TEXT_LITERAL("c")},
        {TEXT_LITERAL("a"), TEXT_LITERAL("bc")},
        {TEXT_LITERAL(""), TEXT_LITERAL("abc")},
        {TEXT_LITERAL("abc"), TEXT_LITERAL("")},
    };
    uint8_t hashes[4][SEAL_HASH_BYTES];

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        seal_hash(NULL, splits[i], 2, hashes[i]);
        for (unsigned j = 0; j < i; j++)
            assert_memory_not_equal(hashes[i], hashes[j], SEAL_HASH_BYTES);
    }
    const struct text unset[2] = {TEXT("abc"), text_none};
    uint8_t hash[SEAL_HASH_BYTES];

    seal_hash(NULL, unset, 2, hash); /* as an empty one */
    assert_memory_equal(hash, hashes[3], SEAL_HASH_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_sealed_can_be_opened),
        cmocka_unit_test(test_nobody_else_can_open_it),
        cmocka_unit_test(test_two_of_the_same_differ),
        cmocka_unit_test(test_what_was_altered_does_not_open),
        cmocka_unit_test(test_hashes_are_blake2b),
        cmocka_unit_test(test_where_parts_end_counts),
    };

    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
