/* Keys: the table that all threads share, who is behind a key, and what roles grant. */
#include "cmocka_all.h"

#include "access/authenticate.h"
#include "access/permission.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { NOW_US = 1000000 };

static struct caller caller_of(const char *key_id)
{
    return (struct caller){
        .scope = {.number = 7, .tenant_id = TEXT("tenant_1"), .environment_id = TEXT("env_1")},
        .user_id = TEXT("user_1"),
        .key_id = text_from_string(key_id),
        .expires_at_us = INSTANT_UNSET,
    };
}

static void put(struct key_table *table, const char *key, const char *key_id)
{
    uint8_t digest[SHA256_BYTES];
    struct caller caller = caller_of(key_id);

    sha256(text_from_string(key), digest);
    key_table_put(table, digest, &caller);
}

static void take_away(struct key_table *table, const char *key)
{
    uint8_t digest[SHA256_BYTES];

    sha256(text_from_string(key), digest);
    key_table_remove(table, digest);
}

static bool find(struct key_table *table, const char *key, struct arena *arena, struct caller *caller)
{
    uint8_t digest[SHA256_BYTES];

    sha256(text_from_string(key), digest);
    return key_table_find(table, digest, arena, caller);
}

/* ---- the table ---- */

static void test_put_find_replace_remove(void **state)
{
    struct key_table *table = key_table_new();
    struct arena arena = {0};
    struct caller caller;

    (void)state;
    assert_false(find(table, "a", &arena, &caller));
    take_away(table, "a");
    put(table, "a", "one");
    assert_true(find(table, "a", &arena, &caller));
    assert_text(caller.key_id, "one");
    assert_text(caller.scope.environment_id, "env_1");
    assert_int_equal(caller.scope.number, 7);
    assert_false(find(table, "b", &arena, &caller));
    put(table, "a", "two");
    assert_true(find(table, "a", &arena, &caller));
    assert_text(caller.key_id, "two");
    take_away(table, "a");
    assert_false(find(table, "a", &arena, &caller));
    assert_text(caller.key_id, "two"); /* what was found does not go away with the key */
    key_table_free(table);
    arena_free(&arena);
}

/* The table keeps copies: what it was given may go. */
static void test_texts_are_copied(void **state)
{
    struct key_table *table = key_table_new();
    struct arena arena = {0};
    struct caller caller;
    char id[] = "mine";

    (void)state;
    put(table, "a", id);
    memset(id, 'x', sizeof id - 1);
    assert_true(find(table, "a", &arena, &caller));
    assert_text(caller.key_id, "mine");
    key_table_free(table);
    arena_free(&arena);
}

static void test_a_key_is_removed_by_its_id(void **state)
{
    struct key_table *table = key_table_new();
    struct arena arena = {0};
    struct caller caller;

    (void)state;
    put(table, "a", "one");
    put(table, "b", "two");
    key_table_remove_id(table, TEXT("none"));
    key_table_remove_id(table, TEXT("one"));
    assert_false(find(table, "a", &arena, &caller));
    assert_true(find(table, "b", &arena, &caller));
    key_table_free(table);
    arena_free(&arena);
}

/* What another process changed while nobody listened: keys that are gone, and keys that are new. */
static void test_a_fresh_table_takes_the_place_of_the_old(void **state)
{
    struct key_table *table = key_table_new(), *fresh = key_table_new();
    struct arena arena = {0};
    struct caller caller;

    (void)state;
    put(table, "revoked", "one");
    put(table, "stays", "two");
    put(fresh, "stays", "two");
    put(fresh, "new", "three");
    key_table_swap(table, fresh);
    key_table_free(fresh);
    assert_false(find(table, "revoked", &arena, &caller));
    assert_true(find(table, "stays", &arena, &caller));
    assert_true(find(table, "new", &arena, &caller));
    take_away(table, "new");
    assert_false(find(table, "new", &arena, &caller));
    key_table_free(table);
    arena_free(&arena);
}

static void test_suspension_is_of_one_tenant(void **state)
{
    struct key_table *table = key_table_new();
    struct arena arena = {0};
    struct caller caller, other = caller_of("of another");
    uint8_t digest[SHA256_BYTES];

    (void)state;
    put(table, "a", "one");
    put(table, "b", "two");
    other.scope.tenant_id = TEXT("tenant_2");
    sha256(TEXT("c"), digest);
    key_table_put(table, digest, &other);
    key_table_suspend(table, TEXT("tenant_1"), true);
    assert_true(find(table, "a", &arena, &caller) && caller.is_tenant_suspended);
    assert_true(find(table, "b", &arena, &caller) && caller.is_tenant_suspended);
    assert_true(find(table, "c", &arena, &caller) && !caller.is_tenant_suspended);
    key_table_suspend(table, TEXT("tenant_1"), false);
    assert_true(find(table, "a", &arena, &caller) && !caller.is_tenant_suspended);
    key_table_suspend(table, TEXT("tenant_3"), true);
    assert_true(find(table, "c", &arena, &caller) && !caller.is_tenant_suspended);
    key_table_free(table);
    arena_free(&arena);
}

static void test_growth_to_100000_keys(void **state)
{
    enum { COUNT = 100 * 1000 };
    struct key_table *table = key_table_new();
    struct arena arena = {0};
    struct caller caller;
    char key[32];

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        snprintf(key, sizeof key, "%d", i);
        put(table, key, key);
    }
    for (int i = 0; i < COUNT; i += 2) {
        snprintf(key, sizeof key, "%d", i);
        take_away(table, key);
    }
    for (int i = 0; i < COUNT; i++) {
        snprintf(key, sizeof key, "%d", i);
        assert_true(find(table, key, &arena, &caller) == (i % 2 == 1));
        assert_true(i % 2 == 0 || text_equal(caller.key_id, text_from_string(key)));
        arena_reset(&arena);
    }
    key_table_free(table);
    arena_free(&arena);
}

static void test_key_takes_little_memory(void **state)
{
    enum { COUNT = 1000, BYTES_MAX = 512 };
    struct key_table *table = key_table_new();
    size_t before = mallinfo2().uordblks; /* 0 under a sanitizer, which has an allocator of its own */
    char key[32];

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        snprintf(key, sizeof key, "%d", i);
        put(table, key, key);
    }
    assert_in_range(mallinfo2().uordblks - before, 0, COUNT * BYTES_MAX);
    key_table_free(table);
}

struct crowd {
    struct key_table *table;
    atomic_bool stop;
    atomic_uint finds;
};

static void *find_forever(void *context)
{
    struct crowd *crowd = context;
    struct arena arena = {0};
    struct caller caller;
    void *failed = NULL;

    while (!atomic_load(&crowd->stop) && !failed) {
        if (!find(crowd->table, "constant", &arena, &caller) || !text_equal(caller.key_id, TEXT("constant")))
            failed = crowd;
        /* One that comes and goes is whole whenever it is there. */
        if (find(crowd->table, "17", &arena, &caller) && !text_equal(caller.key_id, TEXT("17")))
            failed = crowd;
        atomic_fetch_add(&crowd->finds, 1);
        arena_reset(&arena);
    }
    arena_free(&arena);
    return failed;
}

static void *put_and_remove(void *context)
{
    enum { ROUNDS = 20, KEYS = 200 };
    struct crowd *crowd = context;
    char key[32];

    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < KEYS; i++) {
            snprintf(key, sizeof key, "%d", i);
            put(crowd->table, key, key);
        }
        put(crowd->table, "constant", "constant"); /* replaced, never absent */
        for (int i = 0; i < KEYS; i++) {
            snprintf(key, sizeof key, "%d", i);
            take_away(crowd->table, key);
        }
    }
    return NULL;
}

static void test_threads_share_the_table(void **state)
{
    enum { READERS = 4, WRITERS = 2 };
    struct crowd crowd = {.table = key_table_new()};
    pthread_t readers[READERS], writers[WRITERS];
    struct arena arena = {0};
    struct caller caller;

    (void)state;
    put(crowd.table, "constant", "constant");
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, find_forever, &crowd), 0);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, put_and_remove, &crowd), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&crowd.stop, true);
    for (int i = 0; i < READERS; i++) {
        void *failed;

        pthread_join(readers[i], &failed);
        assert_null(failed);
    }
    assert_true(atomic_load(&crowd.finds) > 0);
    assert_false(find(crowd.table, "17", &arena, &caller));
    key_table_free(crowd.table);
    arena_free(&arena);
}

/* ---- authentication ---- */

/* A key as the database has it. */
static struct active_key active_key(struct arena *arena, const char *key)
{
    uint8_t digest[SHA256_BYTES];
    char *hex = arena_allocate(arena, SHA256_HEX_LENGTH);

    sha256(text_from_string(key), digest);
    hex_encode(digest, sizeof digest, hex);
    return (struct active_key){
        .value = {hex, SHA256_HEX_LENGTH},
        .id = TEXT("secret_1"),
        .roles = TEXT("[\"all_reader\"]"),
        .user_type = TEXT("user"),
        .user_id = TEXT("user_1"),
        .expires_at = INSTANT_UNSET,
        .scope = 7,
        .tenant_id = TEXT("tenant_1"),
        .environment_id = TEXT("env_1"),
        .internal_status = TEXT("active"),
    };
}

static void test_authenticate(void **state)
{
    struct key_table *table = key_table_new();
    struct arena arena = {0};
    struct caller caller;
    struct active_key key = active_key(&arena, "sk_right");

    (void)state;
    authenticate_add(table, &key, &arena);
    assert_null(authenticate(table, TEXT("sk_right"), NOW_US, &arena, &caller));
    assert_text(caller.key_id, "secret_1");
    assert_text(caller.user_id, "user_1");
    assert_text(caller.scope.tenant_id, "tenant_1");
    assert_false(caller.is_service_account || caller.is_tenant_suspended);
    const struct text wrong[] = {text_none, TEXT(""), TEXT("sk_wrong"), TEXT("sk_right "), TEXT("SK_RIGHT")};

    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const struct failure *failure = authenticate(table, wrong[i], NOW_US, &arena, &caller);

        assert_int_equal(failure->code, FAILURE_UNAUTHENTICATED);
        assert_text(failure->message, wrong[i].length
                                          ? "the API key is not valid"
                                          : "no credentials: send an API key in the header x-api-key");
    }
    /* The stored hash is no key. */
    assert_non_null(authenticate(table, key.value, NOW_US, &arena, &caller));
    authenticate_remove(table, key.value);
    assert_non_null(authenticate(table, TEXT("sk_right"), NOW_US, &arena, &caller));
    authenticate_remove(table, key.value);
    key_table_free(table);
    arena_free(&arena);
}

static void test_expiry_at_the_exact_microsecond(void **state)
{
    struct key_table *table = key_table_new();
    struct arena arena = {0};
    struct caller caller;
    struct active_key key = active_key(&arena, "sk_right");

    (void)state;
    key.expires_at = NOW_US;
    authenticate_add(table, &key, &arena);
    assert_null(authenticate(table, TEXT("sk_right"), NOW_US - 1, &arena, &caller));
    for (int64_t now_us = NOW_US; now_us <= NOW_US + 1; now_us++)
        assert_text(authenticate(table, TEXT("sk_right"), now_us, &arena, &caller)->message,
                    "the API key has expired");
    key_table_free(table);
    arena_free(&arena);
}

static void test_what_a_key_says_of_its_caller(void **state)
{
    struct key_table *table = key_table_new();
    struct arena arena = {0};
    struct caller caller;
    struct active_key key = active_key(&arena, "sk_right");

    (void)state;
    key.user_type = TEXT("service_account");
    key.internal_status = TEXT("suspended");
    authenticate_add(table, &key, &arena);
    assert_null(authenticate(table, TEXT("sk_right"), NOW_US, &arena, &caller));
    assert_true(caller.is_service_account && caller.is_tenant_suspended);
    key.value = TEXT("not a hash"); /* a damaged row lets nobody in and does no harm */
    authenticate_add(table, &key, &arena);
    authenticate_remove(table, key.value);
    key_table_free(table);
    arena_free(&arena);
}

/* ---- roles ---- */

static void test_roles_from_json(void **state)
{
    struct arena arena = {0};

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
    arena_free(&arena);
}

struct grant {
    const char *roles;
    const char *entity;
    enum permission_action action;
    bool granted;
};

static const struct grant grants[] = {
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
    struct arena arena = {0};

    (void)state;
    for (size_t i = 0; i < sizeof grants / sizeof grants[0]; i++)
        for (int suspended = 0; suspended < 2; suspended++) {
            const struct grant *grant = &grants[i];
            struct caller caller = {.roles = roles_from_json(text_from_string(grant->roles), &arena),
                                    .is_tenant_suspended = suspended};
            struct permission permission = {text_from_string(grant->entity), grant->action};
            const struct failure *failure = permission_check(&caller, &permission, &arena);
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
    arena_free(&arena);
}

static void test_route_that_needs_no_permission(void **state)
{
    struct caller caller = {.is_tenant_suspended = true};
    struct permission permission = {.action = PERMISSION_WRITE};

    (void)state;
    assert_null(permission_check(&caller, &permission, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_find_replace_remove),
        cmocka_unit_test(test_texts_are_copied),
        cmocka_unit_test(test_a_key_is_removed_by_its_id),
        cmocka_unit_test(test_a_fresh_table_takes_the_place_of_the_old),
        cmocka_unit_test(test_suspension_is_of_one_tenant),
        cmocka_unit_test(test_growth_to_100000_keys),
        cmocka_unit_test(test_key_takes_little_memory),
        cmocka_unit_test(test_threads_share_the_table),
        cmocka_unit_test(test_authenticate),
        cmocka_unit_test(test_expiry_at_the_exact_microsecond),
        cmocka_unit_test(test_what_a_key_says_of_its_caller),
        cmocka_unit_test(test_roles_from_json),
        cmocka_unit_test(test_permissions),
        cmocka_unit_test(test_route_that_needs_no_permission),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
