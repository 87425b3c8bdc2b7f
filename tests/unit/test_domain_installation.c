/* The first tenant with its user, environment and key; keys after that. */
#include "store_fixture.h"

#include "access/authenticate.h"

STORE_FIXTURE_OF_FILE()

static void begin(struct store_reader **reader, struct transaction *transaction)
{
    struct text reason;

    *reader = store_reader_open(fixture.store, &fixture.arena, &reason);
    assert_non_null(*reader);
    store_reader_begin(*reader, transaction, &fixture.arena, &fixture.call);
}

static void test_installation(void **state)
{
    const struct installation *made = &fixture.installation;

    (void)state;
    assert_true(made->is_new);
    assert_int_equal(made->plain_key.length, API_KEY_LENGTH);
    assert_true(text_starts_with(made->plain_key, TEXT("sk_")));
    assert_int_equal(made->opening.scope.number, 1);
    assert_text(
        fixture_select(&fixture, "SELECT t.name, t.internal_status, e.name, e.type, u.type, u.roles, "
                                 "e.tenant_id = t.id, u.tenant_id = t.id, u.created_by = u.id, "
                                 "s.user_id = u.id, s.roles, s.type, s.scope = c.scope "
                                 "FROM tenants t, environments e, users u, secrets s, scopes c"),
        "Acme|trialing|Sandbox|development|user|[\"super_admin\"]|1|1|1|1|[\"super_admin\"]|private_key|1;");
    assert_text(fixture_select(&fixture, "PRAGMA foreign_key_check"), "");
}

static void test_installation_is_made_once(void **state)
{
    (void)state;
    assert_null(store_write(fixture.store, &fixture.arena, &fixture.system_call, fixture_install, &fixture));
    assert_false(fixture.installation.is_new);
    assert_text(fixture_select(&fixture, "SELECT count(*) FROM tenants"), "1;");
}

struct naming {
    struct text name;
    struct installation installation;
};

static const struct failure *install_as(void *context, struct transaction *transaction)
{
    struct naming *naming = context;

    return installation_create(transaction, &(struct founding){naming->name}, &naming->installation);
}

static void test_name_of_the_tenant_is_checked(void **state)
{
    char long_name[202];
    struct store_fixture empty;
    const struct text wrong[] = {TEXT(""), TEXT("\xff"), {long_name, 202}};

    (void)state;
    for (unsigned i = 0; i < 101; i++)
        memcpy(long_name + 2 * i, "\xc3\xa4", 2);
    fixture_directory(&empty);
    fixture_reopen(&empty);
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct naming naming = {.name = wrong[i]};
        const struct failure *failure =
            store_write(empty.store, &empty.arena, &empty.system_call, install_as, &naming);

        assert_non_null(failure);
        assert_int_equal(failure->code, FAILURE_VALIDATION);
        assert_false(naming.installation.is_new);
    }
    struct naming naming = {.name = {long_name, 200}};

    assert_null(store_write(empty.store, &empty.arena, &empty.system_call, install_as, &naming));
    assert_true(naming.installation.is_new);
    fixture_close(&empty);
}

static void test_first_key_authenticates(void **state)
{
    struct identities *identities = identities_new();
    const struct credentials credentials = {.api_key = fixture.installation.plain_key};
    struct store_reader *reader;
    struct transaction transaction;
    struct caller caller;

    (void)state;
    begin(&reader, &transaction);
    identities_load(identities, &transaction);
    assert_null(authenticate(identities, NULL, &credentials, FIXTURE_NOW_US, &fixture.arena, &caller));
    assert_true(text_equal(caller.user_id, fixture.installation.opening.user.id));
    assert_true(text_equal(caller.scope.environment_id, fixture.scope.environment_id));
    assert_int_equal(caller.scope.number, fixture.scope.number);
    identities_free(identities);
    store_reader_close(reader);
}

struct revoking {
    struct text id;
    struct secret revoked;
};

static const struct failure *run_revoke(void *context, struct transaction *transaction)
{
    struct revoking *revoking = context;

    return api_key_revoke(transaction, revoking->id, &revoking->revoked);
}

static void test_revocation(void **state)
{
    struct revoking revoking = {.id = fixture.installation.secret.id};
    struct store_reader *reader;
    struct transaction transaction;
    struct active_key key;

    (void)state;
    begin(&reader, &transaction);
    assert_true(active_key_get(&transaction, revoking.id, &key));
    for (unsigned times = 0; times < 2; times++) {
        assert_null(store_write(fixture.store, &fixture.arena, &fixture.system_call, run_revoke, &revoking));
        assert_true(text_equal(revoking.revoked.value, fixture.installation.secret.value));
    }
    store_reader_begin(reader, &transaction, &fixture.arena, &fixture.call);
    assert_false(active_key_get(&transaction, revoking.id, &key));
    assert_int_equal(active_key_list(&transaction).count, 0);
    assert_int_equal(api_key_list(&transaction).count, 0);
    assert_text(fixture_select(&fixture, "SELECT count(*) FROM audit_log WHERE action = 'archived'"), "1;");
    revoking.id = TEXT("secret_none");
    assert_int_equal(
        store_write(fixture.store, &fixture.arena, &fixture.system_call, run_revoke, &revoking)->code,
        FAILURE_NOT_FOUND);
    store_reader_close(reader);
}

static const struct failure *run_suspend(void *context, struct transaction *transaction)
{
    return tenant_set_internal_status(transaction, *(struct text *)context, TEXT("suspended"));
}

static void test_suspension_is_told_of_the_tenant(void **state)
{
    struct store_reader *reader;
    struct transaction transaction;
    struct tenant_identity tenant;

    (void)state;
    assert_null(store_write(fixture.store, &fixture.arena, &fixture.system_call, run_suspend,
                            &fixture.scope.tenant_id));
    begin(&reader, &transaction);
    assert_true(tenant_identity_get(&transaction, fixture.scope.tenant_id, &tenant));
    assert_text(tenant.internal_status, "suspended");
    store_reader_close(reader);
}

static void test_rules_of_a_new_key(void **state)
{
    struct json_error error;
    struct secret creation;
    const char *json =
        "{\"name\":\"n\",\"type\":\"private_key\",\"expires_at\":\"2026-01-02T03:04:05.123456Z\"}";
    const struct json_value *object = json_read(&fixture.arena, text_from_string(json), &error);
    const struct failure *failure = api_key_read_creation(object, FIXTURE_NOW_US, &fixture.arena, &creation);

    (void)state;
    assert_non_null(failure);
    assert_text(failure->message, "expires_at must lie in the future");
    assert_null(api_key_read_creation(object, FIXTURE_NOW_US - 1, &fixture.arena, &creation));
    assert_int_equal(creation.expires_at, FIXTURE_NOW_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_installation),
        FIXTURE_TEST(test_installation_is_made_once),
        FIXTURE_TEST(test_name_of_the_tenant_is_checked),
        FIXTURE_TEST(test_first_key_authenticates),
        FIXTURE_TEST(test_revocation),
        FIXTURE_TEST(test_suspension_is_told_of_the_tenant),
        FIXTURE_TEST(test_rules_of_a_new_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
