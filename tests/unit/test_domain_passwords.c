/* Passwords: when one was set, by which tokens of before are known. */
#include "store_fixture.h"

#include "domain/auths.h"
#include "domain/identities.h"

STORE_FIXTURE_OF_FILE()

struct act {
    struct password_setting setting;
    struct login login;
    struct user_identity identity;
};

static const struct failure *set_password(void *context, struct transaction *transaction)
{
    struct act *act = context;
    struct user *user = ARENA_NEW(transaction->arena, struct user);

    return auth_set_password(transaction, &act->setting, user);
}

static const struct failure *read_password(void *context, struct transaction *transaction)
{
    struct act *act = context;

    assert_true(auth_find(transaction, TEXT("owner@example.com"), &act->login));
    assert_true(user_identity_get(transaction, act->login.user_id, &act->identity));
    return NULL;
}

static const struct failure *renew_hash(void *context, struct transaction *transaction)
{
    const struct act *act = context;

    auth_replace_hash(transaction, &act->login, TEXT("renewed"));
    return NULL;
}

/* Sets a password when the clock shows `now_us`. */
static struct act set_at(int64_t now_us)
{
    struct act act = {.setting = {.user = fixture.installation.opening.user.id,
                                  .email = TEXT("owner@example.com"),
                                  .password_hash = TEXT("hash")}};

    fixture.system_call.now_us = now_us;
    assert_null(store_write(fixture.store, &fixture.arena, &fixture.system_call, set_password, &act));
    assert_null(store_read(fixture.store, &fixture.arena, &fixture.system_call, read_password, &act));
    assert_int_equal(act.login.password_set_at, act.identity.password_set_at);
    return act;
}

static void test_a_later_password_is_later_whatever_the_clock_says(void **state)
{
    static const int64_t clock_us[] = {0, 5, 5, -1000 * 1000, 10};
    int64_t first_us = set_at(FIXTURE_NOW_US).login.password_set_at, before_us = first_us;

    (void)state;
    assert_int_equal(first_us, FIXTURE_NOW_US);
    for (size_t i = 0; i < sizeof clock_us / sizeof clock_us[0]; i++) {
        struct act act = set_at(FIXTURE_NOW_US + clock_us[i]);

        assert_true(act.login.password_set_at > before_us);
        assert_int_equal(act.identity.password_made_at, first_us);
        before_us = act.login.password_set_at;
    }
    assert_int_equal(before_us, FIXTURE_NOW_US + 10);
}

static void test_another_hash_of_a_password_is_no_other_password(void **state)
{
    struct act act = set_at(FIXTURE_NOW_US), after = act;

    (void)state;
    fixture.system_call.now_us++;
    assert_null(store_write(fixture.store, &fixture.arena, &fixture.system_call, renew_hash, &act));
    assert_null(store_read(fixture.store, &fixture.arena, &fixture.system_call, read_password, &after));
    assert_text(after.login.password_hash, "renewed");
    assert_int_equal(after.login.password_set_at, act.login.password_set_at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_a_later_password_is_later_whatever_the_clock_says),
        FIXTURE_TEST(test_another_hash_of_a_password_is_no_other_password),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
