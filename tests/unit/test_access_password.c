/* Passwords: hashed, verified, and made. */
#include "cmocka_all.h"

#include "access/password.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct text password = TEXT_LITERAL("correct horse battery staple");

static void test_hash_and_verify(void **state)
{
    char hash[PASSWORD_HASH_BYTES_MAX], other[PASSWORD_HASH_BYTES_MAX];
    bool is_out_of_memory = true;

    (void)state;
    assert_true(password_hash(password, hash));
    assert_true(password_hash(password, other));
    assert_true(text_starts_with(text_from_string(hash), TEXT("$argon2id$v=19$m=19456,t=2,p=1$")));
    assert_string_not_equal(hash, other); /* each has a salt of its own */
    assert_true(password_verify(password, text_from_string(hash), &is_out_of_memory));
    assert_false(is_out_of_memory);
    assert_false(
        password_verify(TEXT("correct horse battery stable"), text_from_string(hash), &is_out_of_memory));
    assert_false(is_out_of_memory);
    assert_false(password_needs_rehash(text_from_string(hash)));
}

static void test_what_is_no_hash(void **state)
{
    static const char *const hashes[] = {
        "",
        "correct horse battery staple",
        "$argon2id$v=19$m=19456,t=2,p=1$",
        "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQxMjM0NTY$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    };
    char longer[PASSWORD_HASH_BYTES_MAX];
    bool is_out_of_memory = true;

    (void)state;
    memset(longer, 'a', sizeof longer);
    assert_false(password_verify(password, (struct text){longer, sizeof longer}, &is_out_of_memory));
    assert_false(is_out_of_memory);
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
        assert_false(password_verify(password, text_from_string(hashes[i]), &is_out_of_memory));
        assert_false(is_out_of_memory);
    }
    for (size_t i = 0; i < 4; i++)
        assert_true(password_needs_rehash(text_from_string(hashes[i])));
}

/* A hash with other parameters is honoured, and known for what it is. */
static void test_older_parameters(void **state)
{
    /* A vector of the reference implementation of Argon2. */
    static const char older[] =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    bool is_out_of_memory = true;

    (void)state;
    assert_true(password_verify(TEXT("password"), text_from_string(older), &is_out_of_memory));
    assert_false(password_verify(TEXT("passwort"), text_from_string(older), &is_out_of_memory));
    assert_true(password_needs_rehash(text_from_string(older)));
}

static void test_pretending(void **state)
{
    bool is_out_of_memory = true;

    (void)state;
    password_pretend(password, &is_out_of_memory);
    assert_false(is_out_of_memory);
    password_pretend(text_empty, &is_out_of_memory);
    assert_false(is_out_of_memory);
}

static double processor_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The least of several, of this thread's own time, so that a busy machine makes no difference. */
static double least_seconds(struct text hash)
{
    double least = 1e9;
    bool is_out_of_memory;

    for (unsigned i = 0; i < 7; i++) {
        double begun = processor_seconds();

        if (text_is_set(hash))
            password_verify(password, hash, &is_out_of_memory);
        else
            password_pretend(password, &is_out_of_memory);
        double seconds = processor_seconds() - begun;

        least = seconds < least ? seconds : least;
    }
    return least;
}

static void test_pretending_takes_as_long(void **state)
{
    char hash[PASSWORD_HASH_BYTES_MAX];

    (void)state;
    assert_true(password_hash(TEXT("another one"), hash));
    double ratio = least_seconds(text_from_string(hash)) / least_seconds(text_none);

    if (ratio < 0.5 || ratio > 2)
        fail_msg("a wrong password takes %.2f times as long as an unknown e-mail", ratio);
}

static void test_rule(void **state)
{
    static char bytes[PASSWORD_BYTES_MAX + 1];

    (void)state;
    memset(bytes, 'a', sizeof bytes);
    assert_non_null(password_rule(text_empty));
    assert_non_null(password_rule(TEXT("1234567")));
    assert_null(password_rule(TEXT("12345678")));
    assert_non_null(password_rule(TEXT("\u00e9\u00e9\u00e9\u00e9"))); /* 8 bytes, 4 characters */
    assert_null(password_rule(TEXT("\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9")));
    assert_null(password_rule((struct text){bytes, PASSWORD_BYTES_MAX}));
    assert_non_null(password_rule((struct text){bytes, PASSWORD_BYTES_MAX + 1}));
}

/* ---- passwords that are made ---- */

struct tally {
    unsigned digits, symbols, upper, lower;
};

static struct tally tally_of(const char *text)
{
    struct tally tally = {0};

    for (unsigned i = 0; i < PASSWORD_GENERATED_LENGTH; i++)
        if (text[i] >= '0' && text[i] <= '9')
            tally.digits++;
        else if (text[i] >= 'A' && text[i] <= 'Z')
            tally.upper++;
        else if (text[i] >= 'a' && text[i] <= 'z')
            tally.lower++;
        else
            tally.symbols++;
    return tally;
}

enum { ROUNDS = 40000 };

/* Which bytes stand where: no place is a digit's or a symbol's, and no digit is likelier than another. Six
 * standard deviations are seen once in a thousand million rounds. */
static void test_made_passwords(void **state)
{
    static unsigned digit_at[PASSWORD_GENERATED_LENGTH], symbol_at[PASSWORD_GENERATED_LENGTH],
        digit_count[10], letter_count[128];
    char made[PASSWORD_GENERATED_LENGTH];

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        password_generate(made);
        struct tally tally = tally_of(made);

        assert_int_equal(tally.digits, PASSWORD_GENERATED_DIGITS);
        assert_int_equal(tally.symbols, PASSWORD_GENERATED_SYMBOLS);
        assert_true(tally.upper > 0 && tally.lower > 0);
        assert_null(password_rule((struct text){made, sizeof made}));
        for (unsigned i = 0; i < PASSWORD_GENERATED_LENGTH; i++) {
            bool is_digit = made[i] >= '0' && made[i] <= '9';
            bool is_letter = (made[i] | 32) >= 'a' && (made[i] | 32) <= 'z';

            assert_true(made[i] > ' ' && made[i] <= '~');
            digit_at[i] += is_digit;
            symbol_at[i] += !is_digit && !is_letter;
            if (is_digit)
                digit_count[made[i] - '0']++;
            else if (is_letter)
                letter_count[(int)made[i]]++;
        }
    }
    for (unsigned i = 0; i < PASSWORD_GENERATED_LENGTH; i++) {
        assert_in_range(digit_at[i], ROUNDS / 4 - 520, ROUNDS / 4 + 520);
        assert_in_range(symbol_at[i], ROUNDS / 8 - 400, ROUNDS / 8 + 400);
    }
    for (unsigned i = 0; i < 10; i++)
        assert_in_range(digit_count[i], ROUNDS * 4 / 10 - 720, ROUNDS * 4 / 10 + 720);
    for (unsigned i = 'A'; i <= 'Z'; i++) {
        assert_in_range(letter_count[i], ROUNDS * 10 / 52 - 530, ROUNDS * 10 / 52 + 530);
        assert_in_range(letter_count[i + 32], ROUNDS * 10 / 52 - 530, ROUNDS * 10 / 52 + 530);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_and_verify),          cmocka_unit_test(test_what_is_no_hash),
        cmocka_unit_test(test_older_parameters),         cmocka_unit_test(test_pretending),
        cmocka_unit_test(test_pretending_takes_as_long), cmocka_unit_test(test_rule),
        cmocka_unit_test(test_made_passwords),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
