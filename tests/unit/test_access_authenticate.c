/* Who is behind a request's credentials, in which environment, and what roles grant (conventions sections 3,
 * 4 and 6). */
#include "cmocka_all.h"

#include "access/authenticate.h"
#include "access/environment.h"
#include "access/jwt.h"
#include "model/auth.h"

enum { NOW_US = 1000000, SCOPE_E1 = 1, SCOPE_E2 = 2, SCOPE_F1 = 3 };

static struct arena arena;
static struct identities *identities;

static struct text hex_of(const char *key)
{
    uint8_t digest[SHA256_BYTES];
    char *hex = arena_allocate(&arena, SHA256_HEX_LENGTH);

    sha256(text_from_string(key), digest);
    hex_encode(digest, sizeof digest, hex);
    return (struct text){hex, SHA256_HEX_LENGTH};
}

/* A key of the tenant T for E1, as the database has it. */
static struct active_key active_key(const char *key)
{
    return (struct active_key){
        .value = hex_of(key),
        .id = TEXT("secret_1"),
        .roles = TEXT("[\"all_reader\"]"),
        .user_type = TEXT("user"),
        .user_id = TEXT("user_1"),
        .expires_at = INSTANT_UNSET,
        .scope = SCOPE_E1,
        .tenant_id = TEXT("T"),
        .environment_id = TEXT("E1"),
    };
}

static void put_environment(int64_t scope, const char *tenant_id, const char *id)
{
    const struct environment_identity environment = {scope, text_from_string(tenant_id),
                                                     text_from_string(id)};

    identities_put_environment(identities, &environment);
}

static void put_tenant(const char *id, const char *internal_status)
{
    const struct tenant_identity tenant = {text_from_string(id), text_from_string(internal_status)};

    identities_put_tenant(identities, &tenant);
}

/* The tenants of the worked example (section 25): T owns E1 and E2, U owns F1. */
static int set_up(void **state)
{
    (void)state;
    arena = (struct arena){0};
    identities = identities_new();
    put_tenant("T", "active");
    put_tenant("U", "trialing");
    put_environment(SCOPE_E1, "T", "E1");
    put_environment(SCOPE_E2, "T", "E2");
    put_environment(SCOPE_F1, "U", "F1");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    identities_free(identities);
    arena_free(&arena);
    return 0;
}

static const struct failure *authenticate_key(struct text key, int64_t now_us, struct caller *caller)
{
    const struct credentials credentials = {.api_key = key};

    return authenticate(identities, NULL, &credentials, now_us, &arena, caller);
}

/* ---- credentials ---- */

static void test_api_key(void **state)
{
    struct caller caller;
    struct active_key key = active_key("sk_right");

    (void)state;
    identities_put_key(identities, &key, &arena);
    assert_null(authenticate_key(TEXT("sk_right"), NOW_US, &caller));
    assert_text(caller.key_id, "secret_1");
    assert_text(caller.user_id, "user_1");
    assert_text(caller.scope.tenant_id, "T");
    assert_int_equal(caller.kind, CALLER_PERSON);
    const struct text wrong[] = {text_none, TEXT(""), TEXT("sk_wrong"), TEXT("sk_right "), TEXT("SK_RIGHT")};

    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(authenticate_key(wrong[i], NOW_US, &caller)->code, FAILURE_UNAUTHENTICATED);
    /* The stored hash is no key. */
    assert_non_null(authenticate_key(key.value, NOW_US, &caller));
}

static void test_expiry_at_the_exact_microsecond(void **state)
{
    struct caller caller;
    struct active_key key = active_key("sk_right");

    (void)state;
    key.expires_at = NOW_US;
    identities_put_key(identities, &key, &arena);
    assert_null(authenticate_key(TEXT("sk_right"), NOW_US - 1, &caller));
    for (int64_t now_us = NOW_US; now_us <= NOW_US + 1; now_us++)
        assert_text(authenticate_key(TEXT("sk_right"), now_us, &caller)->message, "the API key has expired");
}

static void test_a_damaged_row_lets_nobody_in(void **state)
{
    struct caller caller;
    struct active_key key = active_key("sk_right");

    (void)state;
    key.value = TEXT("not a hash");
    identities_put_key(identities, &key, &arena);
    assert_non_null(authenticate_key(TEXT("sk_right"), NOW_US, &caller));
    assert_non_null(authenticate_key(TEXT("not a hash"), NOW_US, &caller));
}

/* ---- tokens ---- */

static void put_user(int64_t password_made_at, int64_t password_set_at)
{
    const struct user_identity user = {.id = TEXT("user_1"),
                                       .tenant_id = TEXT("T"),
                                       .type = TEXT("user"),
                                       .roles = TEXT("[\"all_reader\"]"),
                                       .password_made_at = password_made_at,
                                       .password_set_at = password_set_at};

    identities_put_user(identities, &user, &arena);
}

/* As the operator's own secret signs it: what the user's token of the claims says. */
static bool is_let_in(const char *claims)
{
    static const struct text key = TEXT_LITERAL("the operator's own secret, 32+ b");
    struct secret_set set = {.rings[SECRET_SIGNING] = {.is_given = true}};
    struct text token =
        jwt_sign(arena_format(&arena, "{\"user_id\":\"user_1\",\"tenant_id\":\"T\"%s}", claims), key, &arena);
    const struct credentials credentials = {.authorization =
                                                arena_format(&arena, "Bearer %.*s", TEXT_FORMAT(token))};
    struct caller caller;

    assert_true(
        secret_ring_add(&set.rings[SECRET_SIGNING], SECRET_SIGNING, key, INT64_MIN, SECRET_WITHOUT_END));
    struct secrets *secrets = secrets_new(&set);
    const struct failure *failure = authenticate(identities, secrets, &credentials, NOW_US, &arena, &caller);

    secrets_free(secrets);
    return !failure;
}

struct token_case {
    int64_t made_at, set_at;
    const char *claims;
    bool is_let_in;
};

static void test_a_new_password_ends_tokens(void **state)
{
    static const struct token_case table[] = {
        {INSTANT_UNSET, INSTANT_UNSET, "", true},
        {INSTANT_UNSET, INSTANT_UNSET, ",\"password_set_at_us\":5", true},
        {500, 500, "", true},
        {500, 500, ",\"iat\":0", true},
        {500, 500, ",\"password_set_at_us\":500", true},
        {500, 500, ",\"password_set_at_us\":499", false},
        /* The database says that it is later: so it is, whatever this process has heard. */
        {500, 500, ",\"password_set_at_us\":501", true},
        {500, 501, ",\"password_set_at_us\":501", true},
        {500, 501, ",\"password_set_at_us\":500", false},
        {500, 501, ",\"password_set_at_us\":500,\"iat\":0.9", false},
        {500, 501, "", false},
        {500, 501, ",\"iat\":0", false},
        {500, 501, ",\"iat\":0.000500", false},
        {500, 501, ",\"iat\":0.000501", true},
        {500, 501, ",\"iat\":1", true},
        {500, 501, ",\"iat\":1,\"password_set_at_us\":\"501\"", false},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        put_user(table[i].made_at, table[i].set_at);
        if (is_let_in(table[i].claims) != table[i].is_let_in)
            fail_msg("row %u", i);
    }
}

/* As when nothing can be read any more. */
static void test_a_new_password_by_its_record_alone(void **state)
{
    struct user user = {.id = TEXT("user_1"),
                        .tenant_id = TEXT("T"),
                        .roles = TEXT("[]"),
                        .type = TEXT("user"),
                        .status = status_published};
    const struct auth first = {.user_id = TEXT("user_1"), .created_at = 500, .updated_at = 500},
                      second = {.user_id = TEXT("user_1"), .created_at = 500, .updated_at = 600},
                      nobodys = {.user_id = TEXT("user_2"), .created_at = 500, .updated_at = 900};

    (void)state;
    identities_apply(identities, &user_entity, &user, &arena);
    assert_true(is_let_in(""));
    identities_apply(identities, &auth_entity, &first, &arena);
    identities_apply(identities, &auth_entity, &nobodys, &arena);
    identities_apply(identities, &user_entity, &user, &arena);
    assert_true(is_let_in("") && is_let_in(",\"password_set_at_us\":500"));
    identities_apply(identities, &auth_entity, &second, &arena);
    identities_apply(identities, &user_entity, &user, &arena); /* which does not tell of the password */
    assert_false(is_let_in("") || is_let_in(",\"password_set_at_us\":500"));
    assert_true(is_let_in(",\"password_set_at_us\":600"));
}

/* A configuration of one key, with what it says of it. */
static const char *configure_key(const char *key, const char *identity)
{
    return identities_configure_keys(
        identities, arena_format(&arena, "{\"%.*s\":%s}", SHA256_HEX_LENGTH, hex_of(key).data, identity),
        &arena);
}

/* Section 3.3: a super admin, a person, without an environment of its own. */
static void test_keys_of_the_configuration(void **state)
{
    struct caller caller;

    (void)state;
    assert_null(configure_key("static", "{\"tenant_id\":\"T\",\"user_id\":\"u\",\"is_active\":true}"));
    assert_null(configure_key("inactive", "{\"tenant_id\":\"T\",\"is_active\":false}"));
    assert_null(configure_key("without", "{\"tenant_id\":\"T\"}"));
    assert_null(authenticate_key(TEXT("static"), NOW_US, &caller));
    assert_text(caller.user_id, "u");
    assert_true(caller_is_super_admin(&caller));
    assert_int_equal(caller.scope.number, SCOPE_NONE);
    assert_non_null(authenticate_key(TEXT("inactive"), NOW_US, &caller));
    assert_non_null(authenticate_key(TEXT("without"), NOW_US, &caller)); /* is_active absent is false */
}

static void test_wrong_configurations_are_refused(void **state)
{
    static const char *const keys[] = {"", "[]", "{\"abc\":{\"tenant_id\":\"T\"}}", NULL};
    static const char *const lists[] = {
        "", "7", "{\"T\":[]}", "{\"T\":{\"u\":\"E1\"}}", "{\"T\":{\"u\":[1]}}", NULL};

    (void)state;
    for (unsigned i = 0; keys[i]; i++)
        assert_non_null(identities_configure_keys(identities, text_from_string(keys[i]), &arena));
    assert_non_null(configure_key("k", "7"));
    assert_non_null(configure_key("k", "{\"is_active\":true}"));
    for (unsigned i = 0; lists[i]; i++)
        assert_non_null(environment_configure_allow_list(identities, text_from_string(lists[i]), &arena));
}

/* ---- environments ---- */

struct resolution {
    const char *bound;  /* the environment that the credential is bound to; "claim:E1" for a claim */
    const char *header; /* NULL: none */
    bool may_be_absent;
    const char *expected; /* NULL: 403 */
};

static void test_environment_resolution(void **state)
{
    static const struct resolution table[] = {
        {"E1", NULL, false, "E1"},       {"E1", "E2", false, "E1"},
        {"E1", "F1", false, "E1"},       {"E1", "none", false, "E1"},
        {"", "E2", false, "E2"},         {"", "F1", false, NULL},
        {"", "none", false, NULL},       {"", NULL, false, NULL},
        {"", "", false, NULL},           {"", NULL, true, ""},
        {"", "F1", true, NULL},          {"", "E2", true, "E2"},
        {"claim:E2", NULL, false, "E2"}, {"claim:F1", NULL, true, NULL},
        {"claim:E2", "F1", false, "E2"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct text bound = text_from_string(table[i].bound), claim = TEXT("claim:");
        bool is_claim = text_starts_with(bound, claim);
        struct caller caller = {
            .scope = {.number = bound.length && !is_claim ? SCOPE_E1 : SCOPE_NONE,
                      .tenant_id = TEXT("T"),
                      .environment_id = is_claim ? text_from(bound, claim.length) : bound},
        };
        const struct failure *failure = environment_resolve(identities, text_from_string(table[i].header),
                                                            table[i].may_be_absent, &arena, &caller);

        if ((failure == NULL) != (table[i].expected != NULL))
            fail_msg("row %u", i);
        if (failure)
            assert_int_equal(failure->code, FAILURE_PERMISSION_DENIED);
        else if (!text_equal(caller.scope.environment_id, text_from_string(table[i].expected)))
            fail_msg("row %u", i);
    }
}

static void test_allow_list(void **state)
{
    struct caller caller = {.scope = {.tenant_id = TEXT("T")}, .user_id = TEXT("u")};

    (void)state;
    assert_true(environment_is_allowed(identities, &caller, TEXT("E2"), &arena));
    assert_null(environment_configure_allow_list(
        identities, TEXT("{\"T\":{\"u\":[\"E1\"],\"nowhere\":[]},\"U\":{\"u\":[\"F1\"]}}"), &arena));
    assert_true(environment_is_allowed(identities, &caller, TEXT("E1"), &arena));
    assert_false(environment_is_allowed(identities, &caller, TEXT("E2"), &arena));
    assert_true(environment_is_allowed(identities, &caller, text_empty, &arena)); /* no environment */
    caller.user_id = TEXT("nowhere");
    assert_false(environment_is_allowed(identities, &caller, TEXT("E1"), &arena));
    caller.user_id = TEXT("unlisted");
    assert_true(environment_is_allowed(identities, &caller, TEXT("E2"), &arena));
}

/* ---- the order of the steps (section 2) ---- */

static const struct failure *authorize_as(struct caller *caller, const char *header,
                                          enum permission_action action)
{
    const struct credentials credentials = {.environment_id = text_from_string(header)};
    const struct requirements requirements = {.permission = {.entity = TEXT("customer"), .action = action},
                                              .enforces_reads = true};

    return authorize(identities, &credentials, &requirements, &arena, caller);
}

static void test_a_bad_environment_beats_a_missing_role(void **state)
{
    struct caller caller = {.scope = {.tenant_id = TEXT("T")}};

    (void)state;
    assert_true(text_starts_with(authorize_as(&caller, "F1", PERMISSION_WRITE)->message,
                                 TEXT("the header X-Environment-ID")));
    assert_true(text_starts_with(authorize_as(&caller, "E1", PERMISSION_WRITE)->message,
                                 TEXT("none of the caller's roles")));
}

static void test_suspension_is_seen_at_once(void **state)
{
    const role_set everything = role_bit(role_find(role_super_admin));
    struct caller key = {
        .scope = {SCOPE_E1, TEXT("T"), TEXT("E1")}, .key_id = TEXT("k"), .roles = everything};

    (void)state;
    assert_null(authorize_as(&key, NULL, PERMISSION_WRITE));
    put_tenant("T", "suspended");
    assert_non_null(authorize_as(&key, NULL, PERMISSION_WRITE));
    assert_null(authorize_as(&key, NULL, PERMISSION_READ));
    put_tenant("T", "active");
    assert_null(authorize_as(&key, NULL, PERMISSION_WRITE));
}

static void test_unknown_tenant_is_401(void **state)
{
    struct caller caller = {.scope = {SCOPE_NONE, TEXT("V"), TEXT("")}};

    (void)state;
    put_environment(9, "V", "G1");
    assert_int_equal(authorize_as(&caller, "G1", PERMISSION_READ)->code, FAILURE_UNAUTHENTICATED);
}

static void test_reads_need_no_role_where_they_are_open(void **state)
{
    struct caller nobody = {0},
                  service = {.roles = role_bit(role_find(role_super_admin)), .kind = CALLER_SERVICE_ACCOUNT};
    struct permission permission = {.entity = TEXT("customer"), .action = PERMISSION_READ};

    (void)state;
    assert_null(permission_check(&nobody, &permission, false, &arena));
    assert_non_null(permission_check(&nobody, &permission, true, &arena));
    permission.is_always_read = true;
    assert_non_null(permission_check(&nobody, &permission, false, &arena));
    permission.is_super_admins = true;
    assert_true(text_starts_with(permission_check(&service, &permission, true, &arena)->message,
                                 TEXT("only a user with the role super_admin")));
    service.kind = CALLER_PERSON;
    assert_null(permission_check(&service, &permission, true, &arena));
}

static void test_nobody_gives_what_he_does_not_have(void **state)
{
    static const struct {
        const char *held, *given;
        bool covers;
    } table[] = {
        {"super_admin", "super_admin", true},       {"super_admin", "event_ingestor", true},
        {"all_writer", "all_reader", true},         {"all_writer", "event_ingestor", true},
        {"all_writer", "super_admin", false},       {"all_reader", "all_writer", false},
        {"all_reader", "event_reader", true},       {"all_reader", "event_ingestor", false},
        {"event_ingestor", "event_ingestor", true}, {"event_ingestor", "event_reader", false},
        {"event_reader", "all_reader", false},      {"none", "event_reader", false},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++)
        if (roles_cover(role_bit(role_find(text_from_string(table[i].held))),
                        role_bit(role_find(text_from_string(table[i].given)))) != table[i].covers)
            fail_msg("%s gives %s", table[i].held, table[i].given);
}

/* ---- roles ---- */

static void test_roles_from_json(void **state)
{
    (void)state;
    role_set reader = roles_from_json(TEXT("[\"all_reader\"]"), &arena);
    role_set writer = roles_from_json(TEXT("[\"all_writer\"]"), &arena);

    assert_true(reader && writer && reader != writer);
    assert_int_equal(roles_from_json(TEXT("[\"all_writer\",\"all_reader\",\"all_reader\"]"), &arena),
                     reader | writer);
    for (const char *const *none = (const char *const[]){"", "null", "{}", "[]", "[7]", "[\"king\"]",
                                                         "[\"ALL_READER\"]", "[", NULL};
         *none; none++)
        assert_int_equal(roles_from_json(text_from_string(*none), &arena), 0);
    assert_int_equal(roles_from_json(text_none, &arena), 0);
}

struct grant_case {
    const char *roles;
    const char *entity;
    enum permission_action action;
    bool granted;
};

static const struct grant_case grants[] = {
    {"[\"super_admin\"]", "customer", PERMISSION_READ, true},
    {"[\"super_admin\"]", "customer", PERMISSION_WRITE, true},
    {"[\"super_admin\"]", "event", PERMISSION_READ, true},
    {"[\"super_admin\"]", "event", PERMISSION_WRITE, true},
    {"[\"all_reader\"]", "customer", PERMISSION_READ, true},
    {"[\"all_reader\"]", "customer", PERMISSION_WRITE, false},
    {"[\"all_reader\"]", "event", PERMISSION_READ, true},
    {"[\"all_reader\"]", "event", PERMISSION_WRITE, false},
    {"[\"all_writer\"]", "customer", PERMISSION_READ, true},
    {"[\"all_writer\"]", "customer", PERMISSION_WRITE, true},
    {"[\"all_writer\"]", "event", PERMISSION_READ, true},
    {"[\"all_writer\"]", "event", PERMISSION_WRITE, true},
    {"[\"event_ingestor\"]", "customer", PERMISSION_READ, false},
    {"[\"event_ingestor\"]", "customer", PERMISSION_WRITE, false},
    {"[\"event_ingestor\"]", "event", PERMISSION_READ, false},
    {"[\"event_ingestor\"]", "event", PERMISSION_WRITE, true},
    {"[\"event_reader\"]", "customer", PERMISSION_READ, false},
    {"[\"event_reader\"]", "customer", PERMISSION_WRITE, false},
    {"[\"event_reader\"]", "event", PERMISSION_READ, true},
    {"[\"event_reader\"]", "event", PERMISSION_WRITE, false},
    {"[\"event_reader\",\"event_ingestor\"]", "event", PERMISSION_READ, true},
    {"[\"event_reader\",\"event_ingestor\"]", "event", PERMISSION_WRITE, true},
    {"[\"event_reader\",\"event_ingestor\"]", "customer", PERMISSION_READ, false},
    {"[]", "customer", PERMISSION_READ, false},
    {"[]", "event", PERMISSION_WRITE, false},
};

static void test_permissions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof grants / sizeof grants[0]; i++)
        for (int suspended = 0; suspended < 2; suspended++) {
            const struct grant_case *grant = &grants[i];
            struct caller caller = {.roles = roles_from_json(text_from_string(grant->roles), &arena),
                                    .is_tenant_suspended = suspended};
            struct permission permission = {.entity = text_from_string(grant->entity),
                                            .action = grant->action};
            const struct failure *failure = permission_check(&caller, &permission, true, &arena);
            bool stopped = suspended && grant->action == PERMISSION_WRITE;

            if ((failure == NULL) != (grant->granted && !stopped))
                fail_msg("%s on %s, action %d, suspended %d", grant->roles, grant->entity, grant->action,
                         suspended);
            if (!failure)
                continue;
            assert_int_equal(failure->code, FAILURE_PERMISSION_DENIED);
            /* The suspension is told before the role. */
            assert_true(text_starts_with(failure->message, stopped ? TEXT("the tenant is suspended")
                                                                   : TEXT("none of the caller's roles")));
        }
}

static void test_route_that_needs_no_permission(void **state)
{
    struct caller caller = {.is_tenant_suspended = true};
    struct permission permission = {.action = PERMISSION_WRITE};

    (void)state;
    assert_null(permission_check(&caller, &permission, true, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_api_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expiry_at_the_exact_microsecond, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_damaged_row_lets_nobody_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_new_password_ends_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_new_password_by_its_record_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keys_of_the_configuration, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_configurations_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_environment_resolution, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_allow_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_bad_environment_beats_a_missing_role, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_suspension_is_seen_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_tenant_is_401, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reads_need_no_role_where_they_are_open, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_gives_what_he_does_not_have, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_roles_from_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_permissions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_route_that_needs_no_permission, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
