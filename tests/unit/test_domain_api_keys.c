/* API keys: when they were last used. */
#include "store_fixture.h"

STORE_FIXTURE_OF_FILE()

static const struct failure *note(void *context, struct transaction *transaction)
{
    const struct api_key_use *use = context;

    api_key_note_uses(transaction, use, 1);
    return NULL;
}

static void note_use(struct text id, int64_t scope, int64_t used_at)
{
    struct api_key_use use = {.id = id, .scope = scope, .used_at = used_at};

    assert_null(store_write(fixture.store, &fixture.arena, &fixture.system_call, note, &use));
}

static void test_the_last_use_is_noted_and_leaves_no_trail(void **state)
{
    struct text id = fixture.installation.secret.id;
    struct text trail = fixture_select(&fixture, "SELECT count(*) FROM audit_log");
    struct text before = fixture_select(&fixture, "SELECT updated_at, updated_by, roles FROM secrets");

    (void)state;
    assert_text(fixture_select(&fixture, "SELECT last_used_at FROM secrets"), "-;");
    note_use(id, fixture.scope.number, 1000);
    assert_text(fixture_select(&fixture, "SELECT last_used_at FROM secrets"), "1000;");
    note_use(id, fixture.scope.number, 3000);
    note_use(id, fixture.scope.number, 2000); /* another process was slower to say so */
    assert_text(fixture_select(&fixture, "SELECT last_used_at FROM secrets"), "3000;");
    assert_true(text_equal(fixture_select(&fixture, "SELECT count(*) FROM audit_log"), trail));
    assert_true(
        text_equal(fixture_select(&fixture, "SELECT updated_at, updated_by, roles FROM secrets"), before));
}

static void test_a_key_that_is_not_there_is_passed_over(void **state)
{
    (void)state;
    note_use(TEXT("secret_nobody"), fixture.scope.number, 1000);
    note_use(fixture.installation.secret.id, fixture.scope.number + 1, 1000);
    assert_text(fixture_select(&fixture, "SELECT last_used_at FROM secrets"), "-;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_the_last_use_is_noted_and_leaves_no_trail),
        FIXTURE_TEST(test_a_key_that_is_not_there_is_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
