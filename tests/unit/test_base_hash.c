#include "cmocka_all.h"

#include "base/hash.h"

#include <pthread.h>

static void assert_digest(struct text input, const char *expected)
{
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX_LENGTH];

    sha256(input, digest);
    hex_encode(digest, sizeof digest, hex);
    assert_text(((struct text){hex, sizeof hex}), expected);
}

/* The examples that NIST publishes for FIPS 180-4. */
static void test_fips_vectors(void **state)
{
    static char million[1000 * 1000];

    (void)state;
    memset(million, 'a', sizeof million);
    assert_digest(TEXT("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_digest(TEXT(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_digest(text_none, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_digest(TEXT("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert_digest(TEXT("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
                       "ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"),
                  "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
    assert_digest((struct text){million, sizeof million},
                  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    assert_digest(TEXT("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void *hash_many(void *argument)
{
    const char *letter = argument;
    uint8_t first[SHA256_BYTES], again[SHA256_BYTES];
    char input[200];

    memset(input, *letter, sizeof input);
    sha256((struct text){input, sizeof input}, first);
    for (int i = 0; i < 2000; i++) {
        sha256((struct text){input, (size_t)i % sizeof input}, again);
        sha256((struct text){input, sizeof input}, again);
        if (memcmp(first, again, sizeof first) != 0)
            return argument;
    }
    return NULL;
}

static void test_threads(void **state)
{
    static char letters[] = "abcdefgh";
    pthread_t threads[sizeof letters - 1];
    void *failed;

    (void)state;
    for (size_t i = 0; i < sizeof letters - 1; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hash_many, &letters[i]), 0);
    for (size_t i = 0; i < sizeof letters - 1; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

static void test_hex_of_every_byte(void **state)
{
    uint8_t bytes[256], decoded[256];
    char hex[512 + 1];

    (void)state;
    for (int i = 0; i < 256; i++)
        bytes[i] = (uint8_t)i;
    hex[512] = '!';
    hex_encode(bytes, sizeof bytes, hex);
    assert_int_equal(hex[512], '!');
    assert_text(((struct text){hex, 6}), "000102");
    assert_text(((struct text){hex + 0x134, 4}), "9a9b");
    assert_text(((struct text){hex + 508, 4}), "feff");
    assert_true(hex_decode((struct text){hex, 512}, decoded, sizeof decoded));
    assert_memory_equal(decoded, bytes, sizeof bytes);
}

static void test_hex_decode_accepts_both_cases(void **state)
{
    static const uint8_t expected[] = {0xab, 0xcd, 0xef, 0x09};
    uint8_t bytes[4];

    (void)state;
    assert_true(hex_decode(TEXT("ABcdEf09"), bytes, sizeof bytes));
    assert_memory_equal(bytes, expected, sizeof expected);
    assert_true(hex_decode(text_empty, bytes, 0));
}

static void test_hex_decode_refuses_every_other_byte(void **state)
{
    uint8_t bytes[1];

    (void)state;
    for (int i = 0; i < 256; i++) {
        char digits[2] = {(char)i, '0'};
        char reversed[2] = {'0', (char)i};
        bool digit = (i >= '0' && i <= '9') || (i >= 'a' && i <= 'f') || (i >= 'A' && i <= 'F');

        assert_int_equal(hex_decode((struct text){digits, 2}, bytes, 1), digit);
        assert_int_equal(hex_decode((struct text){reversed, 2}, bytes, 1), digit);
    }
}

static void test_hex_decode_refuses_other_lengths(void **state)
{
    uint8_t bytes[4];

    (void)state;
    assert_false(hex_decode(TEXT("abcdef0"), bytes, 4));
    assert_false(hex_decode(TEXT("abcdef0"), bytes, 3));
    assert_false(hex_decode(TEXT("abcdef012"), bytes, 4));
    assert_false(hex_decode(TEXT("abcdef"), bytes, 4));
    assert_false(hex_decode(text_none, bytes, 4));
    assert_false(hex_decode(TEXT("0"), bytes, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fips_vectors),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_hex_of_every_byte),
        cmocka_unit_test(test_hex_decode_accepts_both_cases),
        cmocka_unit_test(test_hex_decode_refuses_every_other_byte),
        cmocka_unit_test(test_hex_decode_refuses_other_lengths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
