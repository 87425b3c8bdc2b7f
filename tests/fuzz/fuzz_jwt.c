/* Tokens on arbitrary bytes. Those bytes as they come are hardly ever signed; so they are also taken for the
 * claims, and for the header, of a token that is signed with the right key. */
#include "access/token.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#define NOW_US INT64_C(1767225600000000)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* The same keys in each run, so that a seed means the same. */
static struct secrets *fixed_secrets(void)
{
    struct secret_set set = {0};

    secret_ring_add(&set.rings[SECRET_SIGNING], SECRET_SIGNING, TEXT("0123456789abcdef0123456789abcdef"),
                    INT64_MIN, SECRET_WITHOUT_END);
    secret_ring_add(&set.rings[SECRET_SIGNING], SECRET_SIGNING, TEXT("the one before: 0123456789abcdef"),
                    INT64_MIN, SECRET_WITHOUT_END);
    secret_ring_add(&set.rings[SECRET_ENCRYPTION], SECRET_ENCRYPTION,
                    TEXT("fedcba9876543210fedcba9876543210"), INT64_MIN, SECRET_WITHOUT_END);
    return secrets_new(&set);
}

static bool is_valid(struct secrets *secrets, struct text token, struct arena *arena)
{
    struct user_token user;
    struct portal_token portal;
    bool is_user = token_read_user(secrets, token, NOW_US, arena, &user) == JWT_VALID;
    bool is_portal = token_read_portal(secrets, token, NOW_US, arena, &portal) == JWT_VALID;

    require(!(is_user && is_portal));
    require(!is_user || (user.user_id.length > 0 && user.tenant_id.length > 0));
    require(!is_user || !text_is_set(user.environment_id) || user.environment_id.length > 0);
    require(!is_portal || (portal.customer_id.length > 0 && portal.external_customer_id.length > 0 &&
                           portal.tenant_id.length > 0 && portal.environment_id.length > 0));
    return is_user || is_portal;
}

/* What is true of one token is true of it alone: with another last digit it is none. */
static void try_altered(struct secrets *secrets, struct text token, struct arena *arena)
{
    char *altered = arena_string(arena, token);

    altered[token.length - 1] = altered[token.length - 1] == 'A' ? 'B' : 'A';
    require(!is_valid(secrets, (struct text){altered, token.length}, arena));
}

static void try_token(struct secrets *secrets, struct text token, struct arena *arena)
{
    if (is_valid(secrets, token, arena))
        try_altered(secrets, token, arena);
}

static struct text signed_with(struct text header, struct text claims, struct text key, struct arena *arena)
{
    struct text signed_text = arena_format(arena, "%.*s.%.*s", TEXT_FORMAT(base64url_encode(header, arena)),
                                           TEXT_FORMAT(base64url_encode(claims, arena)));
    unsigned char signature[EVP_MAX_MD_SIZE];
    unsigned length = 0;

    HMAC(EVP_sha256(), key.data, (int)key.length, (const unsigned char *)signed_text.data, signed_text.length,
         signature, &length);
    return arena_format(arena, "%.*s.%.*s", TEXT_FORMAT(signed_text),
                        TEXT_FORMAT(base64url_encode((struct text){(const char *)signature, length}, arena)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct secrets *secrets;
    struct arena arena = {0};
    struct text input = {(const char *)bytes, length}, keys[SECRET_KEYS_MAX];

    if (!secrets)
        secrets = fixed_secrets();
    unsigned count = secrets_honoured(secrets, SECRET_SIGNING, NOW_US, &arena, keys);
    struct text portal_key = secret_derive(keys[0], TEXT("farthing portal token"), &arena);

    try_token(secrets, input, &arena);
    for (unsigned i = 0; i < count; i++)
        try_token(secrets, jwt_sign(input, keys[i], &arena), &arena);
    try_token(secrets, jwt_sign(input, portal_key, &arena), &arena);
    try_token(secrets, signed_with(input, TEXT("{\"user_id\":\"u\",\"tenant_id\":\"t\"}"), keys[0], &arena),
              &arena);
    arena_free(&arena);
    return 0;
}
