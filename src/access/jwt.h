/* jwt.h: JSON web tokens in their compact form (RFC 7519, RFC 7515), signed with HMAC (conventions section
 * 3.4). Knows no claims but the three instants; what else a token says is its kind's business
 * (access/token.h). */
#ifndef FARTHING_ACCESS_JWT_H
#define FARTHING_ACCESS_JWT_H

#include "base/arena.h"
#include "base/text.h"
#include "json/reader.h"

enum {
    JWT_BYTES_MAX = 4096, /* a longer one is refused before anything of it is read */
    /* How far `iat` may lie in the future: the clocks of two machines are never quite the same. */
    JWT_CLOCK_DIFFERENCE_SECONDS = 30,
};

/* What is wrong with a token, in the order in which it is looked for. */
enum jwt_verdict {
    JWT_VALID,
    JWT_MALFORMED, /* not three parts of base64url, or not the JSON that they must hold */
    JWT_WRONG_ALGORITHM,
    JWT_WRONG_SIGNATURE,
    JWT_WRONG_CLAIMS, /* signed by us, but not for this use, or an instant in it is none */
    JWT_EXPIRED,
    JWT_TOO_EARLY, /* `nbf` or `iat` lie in the future */
};

/* The same in words that follow "the token ". */
const char *jwt_verdict_text(enum jwt_verdict verdict);

/* A token with these claims (a JSON object), signed with HS256; in the arena. */
struct text jwt_sign(struct text claims, struct text key, struct arena *arena);

/* Reads a token that one of the keys has signed with HS256, HS384 or HS512. The signature is base64url of the
 * one form that it has, without padding, and is compared in constant time. Nothing of the claims is looked at
 * before the signature is known to be right. *claims is the object in the arena, or borrows from `token`.
 *
 * Of the instants each is optional, and seconds since 1970 with or without a fraction: now must be before
 * `exp`, not before `nbf`, and not more than JWT_CLOCK_DIFFERENCE_SECONDS before `iat`. */
enum jwt_verdict jwt_verify(struct text token, const struct text *keys, size_t key_count, int64_t now_us,
                            struct arena *arena, const struct json_value **claims);

/* A claim that is an instant, as those three: `absent_us` when it is not there; false when it is there and
 * none. */
bool jwt_read_instant(const struct json_value *claims, struct text name, int64_t absent_us,
                      int64_t *instant_us);

/* Only for jwt.c and their tests. Base64url without padding (RFC 4648 section 5). Decoding refuses
 * whatever encoding would not have written. */
struct text base64url_encode(struct text bytes, struct arena *arena);
bool base64url_decode(struct text text, struct arena *arena, struct text *bytes);

#endif
