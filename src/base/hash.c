#include "base/hash.h"

#include <assert.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { NIBBLE_BITS = 4, NIBBLE_MASK = 15 };

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static EVP_MD *algorithm;         /* for the life of the process */
static pthread_key_t context_key; /* frees a thread's context when the thread ends */
static _Thread_local EVP_MD_CTX *thread_context;

static void require(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "farthing: OpenSSL cannot compute SHA-256: %s\n", what);
    abort();
}

static void free_context(void *context)
{
    EVP_MD_CTX_free(context);
    thread_context = NULL; /* another destructor of this thread may still hash */
}

static void fetch_algorithm(void)
{
    algorithm = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    require(algorithm != NULL, "EVP_MD_fetch");
    require(pthread_key_create(&context_key, free_context) == 0, "pthread_key_create");
}

static EVP_MD_CTX *new_context(void)
{
    pthread_once(&fetch_once, fetch_algorithm);
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    require(context != NULL, "EVP_MD_CTX_new");
    require(EVP_DigestInit_ex2(context, algorithm, NULL) == 1, "EVP_DigestInit_ex2");
    require(pthread_setspecific(context_key, context) == 0, "pthread_setspecific");
    return context;
}

void sha256(struct text input, uint8_t digest[SHA256_BYTES])
{
    EVP_MD_CTX *context = thread_context;
    unsigned length = 0;

    if (!context)
        context = thread_context = new_context();
    else /* NULL keeps the algorithm and only starts anew */
        require(EVP_DigestInit_ex2(context, NULL, NULL) == 1, "EVP_DigestInit_ex2");
    require(EVP_DigestUpdate(context, input.data, input.length) == 1, "EVP_DigestUpdate");
    require(EVP_DigestFinal_ex(context, digest, &length) == 1, "EVP_DigestFinal_ex");
    assert(length == SHA256_BYTES);
}

struct sha256_stream {
    EVP_MD_CTX *context;
};

struct sha256_stream *sha256_begin(void)
{
    struct sha256_stream *stream = calloc(1, sizeof *stream);

    pthread_once(&fetch_once, fetch_algorithm);
    if (!stream)
        abort();
    stream->context = EVP_MD_CTX_new();
    require(stream->context != NULL, "EVP_MD_CTX_new");
    require(EVP_DigestInit_ex2(stream->context, algorithm, NULL) == 1, "EVP_DigestInit_ex2");
    return stream;
}

void sha256_add(struct sha256_stream *stream, struct text input)
{
    require(EVP_DigestUpdate(stream->context, input.data, input.length) == 1, "EVP_DigestUpdate");
}

void sha256_end(struct sha256_stream *stream, uint8_t digest[SHA256_BYTES])
{
    unsigned length = 0;

    require(EVP_DigestFinal_ex(stream->context, digest, &length) == 1, "EVP_DigestFinal_ex");
    assert(length == SHA256_BYTES);
    EVP_MD_CTX_free(stream->context);
    free(stream);
}

void hex_encode(const uint8_t *bytes, size_t length, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < length; i++) {
        *out++ = digits[bytes[i] >> NIBBLE_BITS];
        *out++ = digits[bytes[i] & NIBBLE_MASK];
    }
}

bool hex_decode(struct text text, uint8_t *bytes, size_t length)
{
    if (text.length % 2 != 0 || text.length / 2 != length)
        return false;
    for (size_t i = 0; i < length; i++) {
        int high = text_hex_digit(text.data[2 * i]), low = text_hex_digit(text.data[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << NIBBLE_BITS | low);
    }
    return true;
}
