#include "access/jwt.h"

#include "base/instant.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BITS_OF_DIGIT = 6,
    BITS_OF_BYTE = 8,
    DIGITS_OF_GROUP = 4, /* of base64: 3 bytes */
    BYTES_OF_GROUP = 3,
    SECONDS_DIGITS_MAX = 11, /* to the year 5138 */
    FRACTION_DIGITS_OF_US = 6,
};

const char *jwt_verdict_text(enum jwt_verdict verdict)
{
    static const char *const texts[] = {
        [JWT_VALID] = "is valid",
        [JWT_MALFORMED] = "is not a JSON web token",
        [JWT_WRONG_ALGORITHM] = "is not signed with HS256, HS384 or HS512",
        [JWT_WRONG_SIGNATURE] = "was not signed by this server",
        [JWT_WRONG_CLAIMS] = "does not say what a token of this use must say",
        [JWT_EXPIRED] = "has expired",
        [JWT_TOO_EARLY] = "is not valid yet",
    };

    return texts[verdict];
}

/* ---- base64url ---- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

struct text base64url_encode(struct text bytes, struct arena *arena)
{
    char *out = arena_allocate(arena, (bytes.length + 2) / BYTES_OF_GROUP * DIGITS_OF_GROUP), *end = out;
    uint32_t bits = 0;
    unsigned bit_count = 0;

    for (size_t i = 0; i < bytes.length; i++) {
        bits = bits << BITS_OF_BYTE | (uint8_t)bytes.data[i];
        for (bit_count += BITS_OF_BYTE; bit_count >= BITS_OF_DIGIT; bit_count -= BITS_OF_DIGIT)
            *end++ = digits[bits >> (bit_count - BITS_OF_DIGIT) & 63];
    }
    if (bit_count > 0)
        *end++ = digits[bits << (BITS_OF_DIGIT - bit_count) & 63];
    return (struct text){out, (size_t)(end - out)};
}

static int value_of(char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    return digit == '-' ? 62 : digit == '_' ? 63 : -1;
}

bool base64url_decode(struct text text, struct arena *arena, struct text *bytes)
{
    char *out = arena_allocate(arena, text.length + 1), *end = out;
    uint32_t bits = 0;
    unsigned bit_count = 0;

    for (size_t i = 0; i < text.length; i++) {
        int value = value_of(text.data[i]);

        if (value < 0)
            return false;
        bits = bits << BITS_OF_DIGIT | (uint32_t)value;
        bit_count += BITS_OF_DIGIT;
        if (bit_count >= BITS_OF_BYTE) {
            bit_count -= BITS_OF_BYTE;
            *end++ = (char)(bits >> bit_count);
        }
    }
    *bytes = (struct text){out, (size_t)(end - out)};
    /* What is left over is less than a digit, and zero: otherwise many texts would be one signature. */
    return bit_count < BITS_OF_DIGIT && (bits & ((1U << bit_count) - 1)) == 0;
}

/* ---- signatures ---- */

struct algorithm {
    struct text name;
    const EVP_MD *(*hash)(void);
};

static const struct algorithm algorithms[] = {
    {TEXT_LITERAL("HS256"), EVP_sha256},
    {TEXT_LITERAL("HS384"), EVP_sha384},
    {TEXT_LITERAL("HS512"), EVP_sha512},
};
enum { ALGORITHM_COUNT = sizeof algorithms / sizeof algorithms[0] };

/* The raw signature of what stands before the second point. */
static struct text signature_of(const struct algorithm *algorithm, struct text signed_text, struct text key,
                                struct arena *arena)
{
    unsigned char *bytes = arena_allocate(arena, EVP_MAX_MD_SIZE);
    unsigned length = 0;

    if (!HMAC(algorithm->hash(), key.data, (int)key.length, (const unsigned char *)signed_text.data,
              signed_text.length, bytes, &length)) {
        fprintf(stderr, "farthing: OpenSSL cannot compute HMAC\n");
        abort();
    }
    return (struct text){(const char *)bytes, length};
}

struct text jwt_sign(struct text claims, struct text key, struct arena *arena)
{
    struct text header = base64url_encode(TEXT("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"), arena);
    struct text signed_text =
        arena_format(arena, "%.*s.%.*s", TEXT_FORMAT(header), TEXT_FORMAT(base64url_encode(claims, arena)));
    struct text signature = signature_of(&algorithms[0], signed_text, key, arena);

    return arena_format(arena, "%.*s.%.*s", TEXT_FORMAT(signed_text),
                        TEXT_FORMAT(base64url_encode(signature, arena)));
}

static bool is_signed_with(const struct algorithm *algorithm, struct text signed_text, struct text signature,
                           struct text key, struct arena *arena)
{
    struct text expected = signature_of(algorithm, signed_text, key, arena);

    return signature.length == expected.length &&
           CRYPTO_memcmp(signature.data, expected.data, expected.length) == 0;
}

/* ---- the parts ---- */

struct parts {
    struct text header, claims, signature; /* as sent */
    struct text signed_text;               /* header and claims with the point between them */
};

static bool split(struct text token, struct parts *parts)
{
    size_t first = text_find(token, '.');
    struct text rest = text_from(token, first < token.length ? first + 1 : first);
    size_t second = text_find(rest, '.');

    if (token.length > JWT_BYTES_MAX || second == rest.length)
        return false;
    parts->header = text_slice(token, 0, first);
    parts->claims = text_slice(rest, 0, second);
    parts->signature = text_from(rest, second + 1); /* another point is no digit */
    parts->signed_text = text_slice(token, 0, first + 1 + second);
    return true;
}

/* An object in a part; NULL when there is none. */
static const struct json_value *object_in(struct text part, struct arena *arena)
{
    struct json_error error;
    struct text bytes;

    if (!base64url_decode(part, arena, &bytes))
        return NULL;
    const struct json_value *value = json_read(arena, bytes, &error);

    return value && value->type == JSON_OBJECT ? value : NULL;
}

/* NULL for one that we do not know. `crit` names members that must be understood (RFC 7515 section 4.1.11);
 * we understand none. */
static const struct algorithm *algorithm_of(const struct json_value *header)
{
    const struct json_value *name = json_member(header, TEXT("alg"));

    if (!name || name->type != JSON_STRING || json_member(header, TEXT("crit")))
        return NULL;
    for (unsigned i = 0; i < ALGORITHM_COUNT; i++)
        if (text_equal(name->text, algorithms[i].name))
            return &algorithms[i];
    return NULL;
}

/* ---- instants ---- */

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Digits and perhaps a fraction, whose digits past the sixth are cut; no sign and no exponent. */
static bool read_seconds(struct text number, int64_t *instant_us)
{
    size_t point = text_find(number, '.');
    struct text fraction = text_from(number, point < number.length ? point + 1 : point);
    uint64_t seconds;

    if (point > SECONDS_DIGITS_MAX || !text_to_uint64(text_slice(number, 0, point), &seconds))
        return false;
    int64_t us = 0;

    for (size_t i = 0; i < fraction.length; i++)
        if (!is_digit(fraction.data[i]))
            return false;
    for (size_t i = 0; i < FRACTION_DIGITS_OF_US; i++)
        us = us * 10 + (i < fraction.length ? fraction.data[i] - '0' : 0);
    *instant_us = (int64_t)seconds * MICROSECONDS_PER_SECOND + us;
    return true;
}

bool jwt_read_instant(const struct json_value *claims, struct text name, int64_t absent_us,
                      int64_t *instant_us)
{
    const struct json_value *value = json_member(claims, name);

    *instant_us = absent_us;
    return !value || (value->type == JSON_NUMBER && read_seconds(value->text, instant_us));
}

static enum jwt_verdict check_instants(const struct json_value *claims, int64_t now_us)
{
    int64_t expires_us, not_before_us, issued_us;

    if (!jwt_read_instant(claims, TEXT("exp"), INT64_MAX, &expires_us) ||
        !jwt_read_instant(claims, TEXT("nbf"), INT64_MIN, &not_before_us) ||
        !jwt_read_instant(claims, TEXT("iat"), INT64_MIN, &issued_us))
        return JWT_WRONG_CLAIMS;
    if (now_us >= expires_us)
        return JWT_EXPIRED;
    if (now_us < not_before_us || now_us + JWT_CLOCK_DIFFERENCE_SECONDS * MICROSECONDS_PER_SECOND < issued_us)
        return JWT_TOO_EARLY;
    return JWT_VALID;
}

/* ---- all together ---- */

static enum jwt_verdict check_signature(const struct parts *parts, const struct text *keys, size_t key_count,
                                        struct arena *arena)
{
    const struct json_value *header = object_in(parts->header, arena);
    struct text signature;

    if (!header || !base64url_decode(parts->signature, arena, &signature))
        return JWT_MALFORMED;
    const struct algorithm *algorithm = algorithm_of(header);

    if (!algorithm)
        return JWT_WRONG_ALGORITHM;
    for (size_t i = 0; i < key_count; i++)
        if (is_signed_with(algorithm, parts->signed_text, signature, keys[i], arena))
            return JWT_VALID;
    return JWT_WRONG_SIGNATURE;
}

enum jwt_verdict jwt_verify(struct text token, const struct text *keys, size_t key_count, int64_t now_us,
                            struct arena *arena, const struct json_value **claims)
{
    struct parts parts;

    if (!split(token, &parts))
        return JWT_MALFORMED;
    enum jwt_verdict verdict = check_signature(&parts, keys, key_count, arena);

    if (verdict != JWT_VALID)
        return verdict;
    *claims = object_in(parts.claims, arena);
    return *claims ? check_instants(*claims, now_us) : JWT_MALFORMED;
}
