/* The two kinds of token: each is taken for what it is, and for nothing else. */
#include "cmocka_all.h"

#include "access/token.h"

#define NOW_US INT64_C(1767225600000000)

static const struct text given = TEXT_LITERAL("the operator's own secret, 32+ b");

static struct arena arena;
static struct secret_set set;
static struct secrets *secrets;

static const struct user_token user = {.user_id = TEXT_LITERAL("user_1"),
                                       .tenant_id = TEXT_LITERAL("tenant_1"),
                                       .password_set_at_us = NOW_US - 1};
static const struct portal_token portal = {.customer_id = TEXT_LITERAL("cust_1"),
                                           .external_customer_id = TEXT_LITERAL("acme"),
                                           .tenant_id = TEXT_LITERAL("tenant_1"),
                                           .environment_id = TEXT_LITERAL("env_1")};

static int64_t after_seconds(int64_t seconds)
{
    return NOW_US + seconds * MICROSECONDS_PER_SECOND;
}

static enum jwt_verdict read_user(struct text token, int64_t now_us)
{
    struct user_token read;

    return token_read_user(secrets, token, now_us, &arena, &read);
}

static enum jwt_verdict read_portal(struct text token, int64_t now_us)
{
    struct portal_token read;

    return token_read_portal(secrets, token, now_us, &arena, &read);
}

static int set_up(void **state)
{
    (void)state;
    secret_set_make(&set, NOW_US);
    secrets = secrets_new(&set);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    secrets_free(secrets);
    arena_free(&arena);
    return 0;
}

static void test_user_tokens(void **state)
{
    struct text token = token_issue_user(secrets, &user, NOW_US, &arena);
    struct user_token read;

    (void)state;
    assert_int_equal(token_read_user(secrets, token, NOW_US, &arena, &read), JWT_VALID);
    assert_true(text_equal(read.user_id, user.user_id) && text_equal(read.tenant_id, user.tenant_id));
    assert_false(text_is_set(read.environment_id));
    assert_int_equal(read.password_set_at_us, user.password_set_at_us);
    assert_int_equal(read.issued_at_us, NOW_US);
    assert_int_equal(read_user(token, after_seconds(TOKEN_USER_SECONDS) - 1), JWT_VALID);
    assert_int_equal(read_user(token, after_seconds(TOKEN_USER_SECONDS)), JWT_EXPIRED);
    assert_int_equal(read_user(token, after_seconds(-JWT_CLOCK_DIFFERENCE_SECONDS)), JWT_VALID);
    assert_int_equal(read_user(token, after_seconds(-JWT_CLOCK_DIFFERENCE_SECONDS - 1)), JWT_TOO_EARLY);
}

static void test_portal_tokens(void **state)
{
    struct text token = token_issue_portal(secrets, &portal, NOW_US, 60, &arena);
    struct portal_token read;

    (void)state;
    assert_int_equal(token_read_portal(secrets, token, NOW_US, &arena, &read), JWT_VALID);
    assert_true(text_equal(read.customer_id, portal.customer_id) &&
                text_equal(read.external_customer_id, portal.external_customer_id) &&
                text_equal(read.tenant_id, portal.tenant_id) &&
                text_equal(read.environment_id, portal.environment_id));
    assert_int_equal(read_portal(token, after_seconds(60)), JWT_EXPIRED);
}

static void test_one_kind_is_not_the_other(void **state)
{
    (void)state;
    assert_int_equal(read_user(token_issue_portal(secrets, &portal, NOW_US, 60, &arena), NOW_US),
                     JWT_WRONG_SIGNATURE);
    assert_int_equal(read_portal(token_issue_user(secrets, &user, NOW_US, &arena), NOW_US),
                     JWT_WRONG_SIGNATURE);
}

/* ... also when somebody has the configured secret and signs with it what the other kind says. */
static void test_what_an_operator_signs(void **state)
{
    static const struct {
        const char *claims;
        enum jwt_verdict as_user;
    } cases[] = {
        {"{\"user_id\":\"u\",\"tenant_id\":\"t\"}", JWT_VALID},
        {"{\"user_id\":\"u\",\"tenant_id\":\"t\",\"environment_id\":\"e\"}", JWT_VALID},
        {"{\"user_id\":\"u\",\"tenant_id\":\"t\",\"typ\":\"user\"}", JWT_VALID},
        {"{\"user_id\":\"u\",\"tenant_id\":\"t\",\"typ\":\"portal\"}", JWT_WRONG_CLAIMS},
        {"{\"user_id\":\"u\",\"tenant_id\":\"t\",\"typ\":1}", JWT_WRONG_CLAIMS},
        {"{\"user_id\":\"u\",\"tenant_id\":\"t\",\"environment_id\":\"\"}", JWT_WRONG_CLAIMS},
        {"{\"user_id\":\"u\",\"tenant_id\":\"t\",\"environment_id\":null}", JWT_WRONG_CLAIMS},
        {"{\"user_id\":\"u\"}", JWT_WRONG_CLAIMS},
        {"{\"tenant_id\":\"t\"}", JWT_WRONG_CLAIMS},
        {"{\"user_id\":\"\",\"tenant_id\":\"t\"}", JWT_WRONG_CLAIMS},
        {"{\"user_id\":\"u\",\"tenant_id\":\"\"}", JWT_WRONG_CLAIMS},
        {"{\"user_id\":7,\"tenant_id\":\"t\"}", JWT_WRONG_CLAIMS},
        {"{\"user_id\":[\"u\"],\"tenant_id\":\"t\"}", JWT_WRONG_CLAIMS},
        {"{\"customer_id\":\"c\",\"external_customer_id\":\"x\",\"tenant_id\":\"t\",\"environment_id\":\"e\","
         "\"typ\":\"portal\",\"aud\":\"portal\",\"exp\":1767225700}",
         JWT_WRONG_CLAIMS},
        {"{}", JWT_WRONG_CLAIMS},
    };

    (void)state;
    set.rings[SECRET_SIGNING] = (struct secret_ring){.is_given = true};
    assert_true(
        secret_ring_add(&set.rings[SECRET_SIGNING], SECRET_SIGNING, given, INT64_MIN, SECRET_WITHOUT_END));
    secrets_replace(secrets, &set);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text token = jwt_sign(text_from_string(cases[i].claims), given, &arena);

        if (read_user(token, NOW_US) != cases[i].as_user)
            fail_msg("%s: %s", cases[i].claims, jwt_verdict_text(read_user(token, NOW_US)));
        assert_int_equal(read_portal(token, NOW_US), JWT_WRONG_SIGNATURE);
    }
}

/* With the derived key itself, which nobody has: each claim is looked at all the same. */
static void test_what_a_portal_token_must_say(void **state)
{
    static const char *const claims[] = {
        "{\"aud\":\"portal\",\"exp\":1767225700,\"customer_id\":\"c\",\"external_customer_id\":\"x\","
        "\"tenant_id\":"
        "\"t\",\"environment_id\":\"e\"}",
        "{\"typ\":\"portal\",\"exp\":1767225700,\"customer_id\":\"c\",\"external_customer_id\":\"x\","
        "\"tenant_id\":"
        "\"t\",\"environment_id\":\"e\"}",
        "{\"typ\":\"portal\",\"aud\":\"portal\",\"customer_id\":\"c\",\"external_customer_id\":\"x\","
        "\"tenant_id\":"
        "\"t\",\"environment_id\":\"e\"}",
        "{\"typ\":\"portal\",\"aud\":\"portal\",\"exp\":1767225700,\"external_customer_id\":\"x\",\"tenant_"
        "id\":"
        "\"t\",\"environment_id\":\"e\"}",
        "{\"typ\":\"portal\",\"aud\":\"portal\",\"exp\":1767225700,\"customer_id\":\"c\",\"tenant_id\":"
        "\"t\",\"environment_id\":\"e\"}",
        "{\"typ\":\"portal\",\"aud\":\"portal\",\"exp\":1767225700,\"customer_id\":\"c\",\"external_customer_"
        "id\":"
        "\"x\",\"environment_id\":\"e\"}",
        "{\"typ\":\"portal\",\"aud\":\"portal\",\"exp\":1767225700,\"customer_id\":\"c\",\"external_customer_"
        "id\":"
        "\"x\",\"tenant_id\":\"t\"}",
        "{\"typ\":\"portal\",\"aud\":\"portal\",\"exp\":1767225700,\"customer_id\":\"c\",\"external_customer_"
        "id\":"
        "\"x\",\"tenant_id\":\"t\",\"environment_id\":\"\"}",
    };
    struct text keys[SECRET_KEYS_MAX];

    (void)state;
    secrets_honoured(secrets, SECRET_SIGNING, NOW_US, &arena, keys);
    struct text derived = secret_derive(keys[0], TEXT("farthing portal token"), &arena);

    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++)
        assert_int_equal(read_portal(jwt_sign(text_from_string(claims[i]), derived, &arena), NOW_US),
                         JWT_WRONG_CLAIMS);
}

static void test_tokens_outlive_their_key_by_its_grace(void **state)
{
    struct text user_before = token_issue_user(secrets, &user, NOW_US, &arena),
                portal_before = token_issue_portal(secrets, &portal, NOW_US, 10000, &arena);

    (void)state;
    assert_true(secret_ring_rotate(&set.rings[SECRET_SIGNING], SECRET_SIGNING, NOW_US, after_seconds(3600)));
    secrets_replace(secrets, &set);
    assert_int_equal(read_user(user_before, after_seconds(3599)), JWT_VALID);
    assert_int_equal(read_user(user_before, after_seconds(3600)), JWT_WRONG_SIGNATURE);
    assert_int_equal(read_portal(portal_before, after_seconds(3599)), JWT_VALID);
    assert_int_equal(read_portal(portal_before, after_seconds(3600)), JWT_WRONG_SIGNATURE);
    struct text after = token_issue_user(secrets, &user, NOW_US, &arena);

    assert_int_equal(read_user(after, after_seconds(3600)), JWT_VALID);
    assert_true(secret_ring_rotate(&set.rings[SECRET_SIGNING], SECRET_SIGNING, NOW_US, NOW_US));
    secrets_replace(secrets, &set);
    assert_int_equal(read_user(after, NOW_US), JWT_WRONG_SIGNATURE);
    assert_int_equal(read_user(user_before, NOW_US), JWT_WRONG_SIGNATURE);
}

/* Another installation has other keys. */
static void test_tokens_of_another_installation(void **state)
{
    struct text token = token_issue_user(secrets, &user, NOW_US, &arena);

    (void)state;
    secret_set_make(&set, NOW_US);
    secrets_replace(secrets, &set);
    assert_int_equal(read_user(token, NOW_US), JWT_WRONG_SIGNATURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_user_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_portal_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_kind_is_not_the_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_an_operator_signs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_a_portal_token_must_say, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tokens_outlive_their_key_by_its_grace, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tokens_of_another_installation, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
