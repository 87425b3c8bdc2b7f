#include "base/seal.h"

#include "base/base64.h"
#include "base/random.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

static_assert(SEAL_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "the size of the cipher's key");
static_assert(SEAL_KEY_BYTES <= crypto_generichash_KEYBYTES_MAX, "the size of a hash's key");

enum {
    NONCE_BYTES = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TAG_BYTES = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    SEALED_BYTES_MAX = 2 * SEAL_PLAIN_BYTES_MAX,
};

static pthread_once_t started = PTHREAD_ONCE_INIT;

static void start(void)
{
    if (sodium_init() < 0)
        abort();
}

static const unsigned char *bytes_of(struct text text)
{
    return (const unsigned char *)text.data;
}

void seal_hash(const uint8_t *key, const struct text *parts, size_t part_count, uint8_t hash[SEAL_HASH_BYTES])
{
    crypto_generichash_state state;

    pthread_once(&started, start);
    crypto_generichash_init(&state, key, key ? SEAL_KEY_BYTES : 0, SEAL_HASH_BYTES);
    for (size_t i = 0; i < part_count; i++) {
        uint64_t length = parts[i].length;

        crypto_generichash_update(&state, (const unsigned char *)&length, sizeof length);
        crypto_generichash_update(&state, bytes_of(parts[i]), parts[i].length);
    }
    crypto_generichash_final(&state, hash, SEAL_HASH_BYTES);
}

struct text seal(struct arena *arena, const uint8_t key[SEAL_KEY_BYTES], struct text about, struct text plain)
{
    size_t length = NONCE_BYTES + plain.length + TAG_BYTES;
    unsigned char *bytes = arena_allocate(arena, length);

    assert(plain.length <= SEAL_PLAIN_BYTES_MAX);
    pthread_once(&started, start);
    random_bytes(bytes, NONCE_BYTES);
    crypto_aead_xchacha20poly1305_ietf_encrypt(bytes + NONCE_BYTES, NULL, bytes_of(plain), plain.length,
                                               bytes_of(about), about.length, NULL, bytes, key);
    return base64_encode(arena, bytes, length);
}

bool seal_open(struct arena *arena, const uint8_t key[SEAL_KEY_BYTES], struct text about, struct text sealed,
               struct text *plain)
{
    unsigned char *bytes;
    size_t length;

    pthread_once(&started, start);
    if (!base64_decode(arena, sealed, SEALED_BYTES_MAX, &bytes, &length) || length < NONCE_BYTES + TAG_BYTES)
        return false;
    size_t plain_length = length - NONCE_BYTES - TAG_BYTES;
    unsigned char *opened = arena_allocate(arena, plain_length + 1);

    if (crypto_aead_xchacha20poly1305_ietf_decrypt(opened, NULL, NULL, bytes + NONCE_BYTES,
                                                   length - NONCE_BYTES, bytes_of(about), about.length, bytes,
                                                   key) != 0)
        return false;
    *plain = (struct text){(const char *)opened, plain_length};
    return true;
}
