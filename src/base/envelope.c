#include "base/envelope.h"

#include "base/base64.h"
#include "base/random.h"

#include <assert.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NONCE_BYTES = 12, TAG_BYTES = 16, CLOSED_BYTES_MAX = 2 * ENVELOPE_PLAIN_BYTES_MAX };

_Noreturn static void no_cipher(void)
{
    fprintf(stderr, "farthing: OpenSSL cannot encrypt with AES-256-GCM\n");
    abort();
}

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static EVP_CIPHER *cipher;        /* for the life of the process */
static pthread_key_t context_key; /* frees a thread's context when the thread ends */
static _Thread_local EVP_CIPHER_CTX *thread_context;

static void free_context(void *context)
{
    EVP_CIPHER_CTX_free(context);
    thread_context = NULL;
}

static void fetch_cipher(void)
{
    cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    if (!cipher || pthread_key_create(&context_key, free_context) != 0)
        no_cipher();
}

/* The thread's context; a key that it holds is overwritten by the next one, and wiped when the thread ends.
 */
static EVP_CIPHER_CTX *context_here(void)
{
    if (thread_context)
        return thread_context;
    pthread_once(&fetch_once, fetch_cipher);
    thread_context = EVP_CIPHER_CTX_new();
    if (!thread_context || pthread_setspecific(context_key, thread_context) != 0)
        no_cipher();
    return thread_context;
}

/* ---- closing ---- */

static const unsigned char *bytes_of(struct text text)
{
    return (const unsigned char *)text.data;
}

struct text envelope_close(struct arena *arena, const struct envelope_keys *keys, struct text about,
                           struct text plain)
{
    const struct envelope_key *key = &keys->keys[0];
    unsigned char *bytes = arena_allocate(arena, NONCE_BYTES + plain.length + TAG_BYTES);
    EVP_CIPHER_CTX *context = context_here();
    int written = 0, more = 0;

    assert(keys->count > 0 && plain.length <= ENVELOPE_PLAIN_BYTES_MAX);
    random_bytes(bytes, NONCE_BYTES);
    if (!EVP_EncryptInit_ex(context, cipher, NULL, key->bytes, bytes) ||
        !EVP_EncryptUpdate(context, NULL, &more, bytes_of(about), (int)about.length) ||
        !EVP_EncryptUpdate(context, bytes + NONCE_BYTES, &written, bytes_of(plain), (int)plain.length) ||
        !EVP_EncryptFinal_ex(context, bytes + NONCE_BYTES + written, &more) ||
        !EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, bytes + NONCE_BYTES + plain.length))
        no_cipher();
    struct text sealed = base64_encode(arena, bytes, NONCE_BYTES + plain.length + TAG_BYTES);

    return arena_join(arena, (const struct text[]){key->id, TEXT(":"), sealed}, 3);
}

/* ---- opening ---- */

struct text envelope_key_id(struct text closed)
{
    size_t end = text_find(closed, ':');

    return end < closed.length ? text_slice(closed, 0, end) : text_none;
}

static const struct envelope_key *key_of(const struct envelope_keys *keys, struct text id)
{
    for (unsigned i = 0; i < keys->count; i++)
        if (text_equal(keys->keys[i].id, id))
            return &keys->keys[i];
    return NULL;
}

static bool decrypt(const struct envelope_key *key, struct text about, unsigned char *bytes,
                    size_t plain_length, unsigned char *plain)
{
    EVP_CIPHER_CTX *context = context_here();
    int written = 0, more = 0;
    bool is_opened =
        EVP_DecryptInit_ex(context, cipher, NULL, key->bytes, bytes) &&
        EVP_DecryptUpdate(context, NULL, &more, bytes_of(about), (int)about.length) &&
        EVP_DecryptUpdate(context, plain, &written, bytes + NONCE_BYTES, (int)plain_length) &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, bytes + NONCE_BYTES + plain_length) &&
        EVP_DecryptFinal_ex(context, plain + written, &more) > 0;

    return is_opened;
}

enum envelope_state envelope_open(struct arena *arena, const struct envelope_keys *keys, struct text about,
                                  struct text closed, struct text *plain)
{
    struct text id = envelope_key_id(closed);
    unsigned char *bytes;
    size_t length;

    if (!text_is_set(id))
        return ENVELOPE_ALTERED;
    const struct envelope_key *key = key_of(keys, id);

    if (!key)
        return ENVELOPE_KEY_UNKNOWN;
    if (!base64_decode(arena, text_from(closed, id.length + 1), CLOSED_BYTES_MAX, &bytes, &length) ||
        length < NONCE_BYTES + TAG_BYTES)
        return ENVELOPE_ALTERED;
    size_t plain_length = length - NONCE_BYTES - TAG_BYTES;
    unsigned char *opened = arena_allocate(arena, plain_length + 1);

    if (!decrypt(key, about, bytes, plain_length, opened))
        return ENVELOPE_ALTERED;
    *plain = (struct text){(const char *)opened, plain_length};
    return ENVELOPE_OPENED;
}
