/* JSON web tokens: what is signed can be verified, and whatever was touched cannot. */
#include "cmocka_all.h"

#include "access/jwt.h"
#include "base/instant.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define NOW_SECONDS INT64_C(1767225600)
#define NOW_US      (NOW_SECONDS * MICROSECONDS_PER_SECOND)

static const struct text key = TEXT_LITERAL("0123456789abcdef0123456789abcdef");
static const struct text other_key = TEXT_LITERAL("another key of thirty-two bytes!");

static struct arena arena;

static enum jwt_verdict verdict_of(struct text token)
{
    const struct json_value *claims = NULL;
    enum jwt_verdict verdict = jwt_verify(token, &key, 1, NOW_US, &arena, &claims);

    assert_int_equal(verdict == JWT_VALID, verdict == JWT_VALID && claims != NULL);
    return verdict;
}

/* A token with any header, signed as OpenSSL does it: what others make. */
static struct text made(const char *header, const char *claims, const EVP_MD *hash)
{
    struct text signed_text =
        arena_format(&arena, "%.*s.%.*s", TEXT_FORMAT(base64url_encode(text_from_string(header), &arena)),
                     TEXT_FORMAT(base64url_encode(text_from_string(claims), &arena)));
    unsigned char signature[EVP_MAX_MD_SIZE];
    unsigned length = 0;

    HMAC(hash, key.data, (int)key.length, (const unsigned char *)signed_text.data, signed_text.length,
         signature, &length);
    return arena_format(
        &arena, "%.*s.%.*s", TEXT_FORMAT(signed_text),
        TEXT_FORMAT(base64url_encode((struct text){(const char *)signature, length}, &arena)));
}

static struct text made_now(const char *claims)
{
    return made("{\"alg\":\"HS256\"}", claims, EVP_sha256());
}

/* RFC 7515 appendix A.1, whose key is not ASCII and whose token is older than our rules. */
static void test_the_example_of_the_standard(void **state)
{
    struct text standard_key;
    const struct json_value *claims;
    static const struct text token = TEXT_LITERAL(
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");

    (void)state;
    assert_true(base64url_decode(TEXT("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75"
                                      "aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"),
                                 &arena, &standard_key));
    assert_int_equal(jwt_verify(token, &standard_key, 1, INT64_C(1300819379999999), &arena, &claims),
                     JWT_VALID);
    assert_true(text_equal(json_member(claims, TEXT("iss"))->text, TEXT("joe")));
    assert_int_equal(jwt_verify(token, &standard_key, 1, INT64_C(1300819380000000), &arena, &claims),
                     JWT_EXPIRED);
    assert_int_equal(jwt_verify(token, &key, 1, INT64_C(1300819379999999), &arena, &claims),
                     JWT_WRONG_SIGNATURE);
}

static void test_what_is_signed_is_verified(void **state)
{
    const struct json_value *claims;
    struct text token = jwt_sign(TEXT("{\"user_id\":\"u\",\"exp\":1767225601}"), key, &arena);
    const struct text keys[] = {other_key, key};

    (void)state;
    assert_true(text_starts_with(token, TEXT("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.")));
    assert_int_equal(jwt_verify(token, keys, 2, NOW_US, &arena, &claims), JWT_VALID);
    assert_true(text_equal(json_member(claims, TEXT("user_id"))->text, TEXT("u")));
    assert_int_equal(jwt_verify(token, keys, 1, NOW_US, &arena, &claims), JWT_WRONG_SIGNATURE);
    assert_int_equal(jwt_verify(token, keys, 0, NOW_US, &arena, &claims), JWT_WRONG_SIGNATURE);
}

static void test_the_three_algorithms(void **state)
{
    (void)state;
    assert_int_equal(verdict_of(made("{\"alg\":\"HS256\"}", "{}", EVP_sha256())), JWT_VALID);
    assert_int_equal(verdict_of(made("{\"alg\":\"HS384\"}", "{}", EVP_sha384())), JWT_VALID);
    assert_int_equal(verdict_of(made("{\"typ\":\"JWT\",\"alg\":\"HS512\"}", "{}", EVP_sha512())), JWT_VALID);
}

static void test_every_other_algorithm_is_refused(void **state)
{
    static const char *const headers[] = {
        "{\"alg\":\"none\"}",
        "{\"alg\":\"None\"}",
        "{\"alg\":\"\"}",
        "{\"alg\":\"hs256\"}",
        "{\"alg\":\"HS256 \"}",
        "{\"alg\":\"RS256\"}",
        "{\"alg\":\"ES256\"}",
        "{\"alg\":\"PS256\"}",
        "{\"alg\":\"EdDSA\"}",
        "{\"alg\":\"HS1\"}",
        "{\"alg\":null}",
        "{\"alg\":256}",
        "{\"alg\":[\"HS256\"]}",
        "{}",
        /* What must be understood and is not (RFC 7515 section 4.1.11). */
        "{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        assert_int_equal(verdict_of(made(headers[i], "{}", EVP_sha256())), JWT_WRONG_ALGORITHM);
    /* The name of one algorithm with the signature of another. */
    assert_int_equal(verdict_of(made("{\"alg\":\"HS512\"}", "{}", EVP_sha256())), JWT_WRONG_SIGNATURE);
    assert_int_equal(verdict_of(made("{\"alg\":\"HS256\"}", "{}", EVP_sha512())), JWT_WRONG_SIGNATURE);
}

static void test_none_without_a_signature(void **state)
{
    struct text header = base64url_encode(TEXT("{\"alg\":\"none\"}"), &arena);
    struct text claims = base64url_encode(TEXT("{\"user_id\":\"u\"}"), &arena);

    (void)state;
    assert_int_equal(verdict_of(arena_format(&arena, "%.*s.%.*s.", TEXT_FORMAT(header), TEXT_FORMAT(claims))),
                     JWT_WRONG_ALGORITHM);
    header = base64url_encode(TEXT("{\"alg\":\"HS256\"}"), &arena);
    assert_int_equal(verdict_of(arena_format(&arena, "%.*s.%.*s.", TEXT_FORMAT(header), TEXT_FORMAT(claims))),
                     JWT_WRONG_SIGNATURE);
}

/* Each bit of a token matters, those that fill up its last digit included. */
static void test_altered_tokens_are_refused(void **state)
{
    struct text token = jwt_sign(TEXT("{\"user_id\":\"u\",\"tenant_id\":\"t\"}"), key, &arena);
    char *bytes = arena_string(&arena, token);
    struct text altered = {bytes, token.length};

    (void)state;
    for (size_t i = 0; i < token.length; i++) {
        char was = bytes[i];

        for (int other = 1; other < 256; other++)
            if (other != (uint8_t)was) {
                bytes[i] = (char)other;
                assert_int_not_equal(verdict_of(altered), JWT_VALID);
            }
        bytes[i] = was;
    }
    assert_int_equal(verdict_of(altered), JWT_VALID);
    for (size_t length = 0; length < token.length; length++)
        assert_int_not_equal(verdict_of(text_slice(token, 0, length)), JWT_VALID);
}

static void test_malformed_tokens_are_refused(void **state)
{
    struct text token = jwt_sign(TEXT("{}"), key, &arena);
    static const char *const malformed[] = {"", ".", "..", "...", "a.b", "a.b.c", "e30.e30.e30", " "};

    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++)
        assert_int_not_equal(verdict_of(text_from_string(malformed[i])), JWT_VALID);
    assert_int_equal(verdict_of(arena_format(&arena, "%.*s=", TEXT_FORMAT(token))), JWT_MALFORMED);
    assert_int_equal(verdict_of(arena_format(&arena, "%.*s.", TEXT_FORMAT(token))), JWT_MALFORMED);
    assert_int_equal(verdict_of(arena_format(&arena, " %.*s", TEXT_FORMAT(token))), JWT_MALFORMED);
    assert_int_equal(verdict_of(arena_format(&arena, "%.*s\n", TEXT_FORMAT(token))), JWT_MALFORMED);
    assert_int_equal(verdict_of(made("[]", "{}", EVP_sha256())), JWT_MALFORMED);
    assert_int_equal(verdict_of(made("{\"alg\":\"HS256\"", "{}", EVP_sha256())), JWT_MALFORMED);
    assert_int_equal(verdict_of(made_now("[]")), JWT_MALFORMED);
    assert_int_equal(verdict_of(made_now("{} {}")), JWT_MALFORMED);
    assert_int_equal(verdict_of(made_now("{\"a\":\"\xff\"}")), JWT_MALFORMED);
    assert_int_equal(verdict_of(made_now("")), JWT_MALFORMED);
}

static void test_a_long_token_is_not_read(void **state)
{
    static char claims[JWT_BYTES_MAX];

    (void)state;
    snprintf(claims, sizeof claims, "{\"a\":\"%0*d\"}", 2900, 0);
    assert_int_equal(verdict_of(made_now(claims)), JWT_VALID);
    snprintf(claims, sizeof claims, "{\"a\":\"%0*d\"}", 3050, 0);
    assert_int_equal(verdict_of(made_now(claims)), JWT_MALFORMED);
}

static void test_instants(void **state)
{
    static const struct {
        const char *claims;
        enum jwt_verdict verdict;
    } cases[] = {
        {"{\"exp\":1767225601}", JWT_VALID},
        {"{\"exp\":1767225600}", JWT_EXPIRED},
        {"{\"exp\":1767225600.000001}", JWT_VALID},
        {"{\"exp\":1767225600.0000009}", JWT_EXPIRED},
        {"{\"exp\":0}", JWT_EXPIRED},
        {"{\"exp\":99999999999}", JWT_VALID},
        {"{\"nbf\":1767225600}", JWT_VALID},
        {"{\"nbf\":1767225601}", JWT_TOO_EARLY},
        {"{\"iat\":1767225600}", JWT_VALID},
        {"{\"iat\":1767225630}", JWT_VALID},
        {"{\"iat\":1767225631}", JWT_TOO_EARLY},
        {"{\"iat\":1767229200,\"exp\":1767232800}", JWT_TOO_EARLY},
        /* The last one of a name wins. */
        {"{\"exp\":1767225601,\"exp\":1}", JWT_EXPIRED},
        {"{\"exp\":\"1767225601\"}", JWT_WRONG_CLAIMS},
        {"{\"exp\":null}", JWT_WRONG_CLAIMS},
        {"{\"exp\":true}", JWT_WRONG_CLAIMS},
        {"{\"exp\":-1}", JWT_WRONG_CLAIMS},
        {"{\"exp\":1e12}", JWT_WRONG_CLAIMS},
        {"{\"exp\":1767225601.5e1}", JWT_WRONG_CLAIMS},
        {"{\"exp\":100000000000000000000}", JWT_WRONG_CLAIMS},
        {"{\"nbf\":{}}", JWT_WRONG_CLAIMS},
        {"{\"iat\":[]}", JWT_WRONG_CLAIMS},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (verdict_of(made_now(cases[i].claims)) != cases[i].verdict)
            fail_msg("%s: %s", cases[i].claims, jwt_verdict_text(verdict_of(made_now(cases[i].claims))));
}

/* RFC 4648 section 10, without the padding. */
static void test_base64url(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"}};
    static const char *const refused[] = {"A", "AAAAA", "Zh", "Zm9", "Zg==", "Zg=", "Z g", "+_8", "-/8"};
    struct text bytes;

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct text plain = text_from_string(pairs[i][0]), coded = text_from_string(pairs[i][1]);

        assert_true(text_equal(base64url_encode(plain, &arena), coded));
        assert_true(base64url_decode(coded, &arena, &bytes));
        assert_true(text_equal(bytes, plain));
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_false(base64url_decode(text_from_string(refused[i]), &arena, &bytes));
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_example_of_the_standard),
        cmocka_unit_test(test_what_is_signed_is_verified),
        cmocka_unit_test(test_the_three_algorithms),
        cmocka_unit_test(test_every_other_algorithm_is_refused),
        cmocka_unit_test(test_none_without_a_signature),
        cmocka_unit_test(test_altered_tokens_are_refused),
        cmocka_unit_test(test_malformed_tokens_are_refused),
        cmocka_unit_test(test_a_long_token_is_not_read),
        cmocka_unit_test(test_instants),
        cmocka_unit_test(test_base64url),
    };

    return cmocka_run_group_tests(tests, NULL, tear_down);
}
