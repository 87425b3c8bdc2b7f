#include "access/password.h"

#include "base/utf8.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KIB = 1024, MEMORY_BYTES = PASSWORD_MEMORY_KIB * KIB };

static_assert(PASSWORD_HASH_BYTES_MAX >= crypto_pwhash_STRBYTES, "the hash must have room");

static void initialise_once(void)
{
    if (sodium_init() < 0) {
        fprintf(stderr, "farthing: libsodium cannot be used\n");
        abort();
    }
}

static void initialise(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, initialise_once);
}

bool password_hash(struct text password, char hash[PASSWORD_HASH_BYTES_MAX])
{
    initialise();
    return crypto_pwhash_str_alg(hash, password.data, password.length, PASSWORD_PASSES, MEMORY_BYTES,
                                 crypto_pwhash_ALG_ARGON2ID13) == 0;
}

/* The hash ended by a NUL, as libsodium wants it. False when it is too long to be one. */
static bool copy_hash(struct text hash, char copy[PASSWORD_HASH_BYTES_MAX])
{
    if (hash.length >= PASSWORD_HASH_BYTES_MAX)
        return false;
    memset(copy, 0, PASSWORD_HASH_BYTES_MAX);
    if (hash.length)
        memcpy(copy, hash.data, hash.length);
    return true;
}

void password_pretend(struct text password, bool *is_out_of_memory)
{
    static const unsigned char salt[crypto_pwhash_SALTBYTES] = {0};
    unsigned char hash[crypto_pwhash_STRBYTES / 4];

    initialise();
    *is_out_of_memory = crypto_pwhash(hash, sizeof hash, password.data, password.length, salt,
                                      PASSWORD_PASSES, MEMORY_BYTES, crypto_pwhash_ALG_ARGON2ID13) != 0;
    sodium_memzero(hash, sizeof hash);
}

bool password_verify(struct text password, struct text hash, bool *is_out_of_memory)
{
    char copy[PASSWORD_HASH_BYTES_MAX];

    initialise();
    *is_out_of_memory = false;
    if (!copy_hash(hash, copy))
        return false;
    errno = 0; /* libsodium returns the same for a wrong password and for a lack of memory */
    bool is_right = crypto_pwhash_str_verify(copy, password.data, password.length) == 0;

    *is_out_of_memory = !is_right && errno == ENOMEM;
    return is_right;
}

bool password_needs_rehash(struct text hash)
{
    char copy[PASSWORD_HASH_BYTES_MAX];

    initialise();
    return !copy_hash(hash, copy) || crypto_pwhash_str_needs_rehash(copy, PASSWORD_PASSES, MEMORY_BYTES) != 0;
}

const char *password_rule(struct text password)
{
    if (utf8_length(password) < PASSWORD_LENGTH_MIN)
        return "must be at least 8 characters";
    return password.length <= PASSWORD_BYTES_MAX ? NULL : "must be at most 72 bytes";
}

/* ---- making one ---- */

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const char digits[] = "0123456789";
static const char symbols[] = "!#$%&*+-=?@^_~";

static char *draw(char *at, unsigned count, const char *among)
{
    for (unsigned i = 0; i < count; i++)
        *at++ = among[randombytes_uniform((uint32_t)strlen(among))];
    return at;
}

static bool is_upper(char letter)
{
    return letter >= 'A' && letter <= 'Z';
}

/* Drawn again as a whole: to put right only one of them would make some texts likelier. */
static void draw_letters(char *first, unsigned count)
{
    unsigned upper_count;

    do {
        upper_count = 0;
        draw(first, count, letters);
        for (unsigned i = 0; i < count; i++)
            upper_count += is_upper(first[i]);
    } while (upper_count == 0 || upper_count == count);
}

static void shuffle(char *text, unsigned length)
{
    for (unsigned i = length - 1; i > 0; i--) {
        unsigned other = randombytes_uniform(i + 1);
        char byte = text[i];

        text[i] = text[other];
        text[other] = byte;
    }
}

void password_generate(char password[PASSWORD_GENERATED_LENGTH])
{
    initialise();
    char *at = draw(password, PASSWORD_GENERATED_DIGITS, digits);

    at = draw(at, PASSWORD_GENERATED_SYMBOLS, symbols);
    draw_letters(at, (unsigned)(password + PASSWORD_GENERATED_LENGTH - at));
    shuffle(password, PASSWORD_GENERATED_LENGTH);
}
