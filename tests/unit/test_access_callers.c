/* The table of callers that all threads share. */
#include "cmocka_all.h"

#include "access/caller_table.h"
#include "base/hash.h"
#include "model/entity.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static struct caller caller_of(const char *key_id)
{
    return (struct caller){
        .scope = {.number = 7, .tenant_id = TEXT("tenant_1"), .environment_id = TEXT("env_1")},
        .user_id = TEXT("user_1"),
        .key_id = text_from_string(key_id),
        .expires_at_us = INSTANT_UNSET,
    };
}

/* As API keys are kept: under 32 bytes of which some may be NUL. */
static struct text key_of(const uint8_t digest[SHA256_BYTES])
{
    return (struct text){(const char *)digest, SHA256_BYTES};
}

static void put(struct caller_table *table, const char *key, const char *key_id)
{
    uint8_t digest[SHA256_BYTES];
    struct caller caller = caller_of(key_id);

    sha256(text_from_string(key), digest);
    caller_table_put(table, key_of(digest), &caller);
}

static void take_away(struct caller_table *table, const char *key)
{
    uint8_t digest[SHA256_BYTES];

    sha256(text_from_string(key), digest);
    caller_table_remove(table, key_of(digest));
}

static bool find(struct caller_table *table, const char *key, struct arena *arena, struct caller *caller)
{
    uint8_t digest[SHA256_BYTES];

    sha256(text_from_string(key), digest);
    return caller_table_find(table, key_of(digest), arena, caller);
}

/* ---- the table ---- */

static void test_put_find_replace_remove(void **state)
{
    struct caller_table *table = caller_table_new();
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
    caller_table_free(table);
    arena_free(&arena);
}

/* The table keeps copies: what it was given may go. */
static void test_texts_are_copied(void **state)
{
    struct caller_table *table = caller_table_new();
    struct arena arena = {0};
    struct caller caller;
    char id[] = "mine";

    (void)state;
    put(table, "a", id);
    memset(id, 'x', sizeof id - 1);
    assert_true(find(table, "a", &arena, &caller));
    assert_text(caller.key_id, "mine");
    caller_table_free(table);
    arena_free(&arena);
}

static void test_a_key_is_removed_by_its_id(void **state)
{
    struct caller_table *table = caller_table_new();
    struct arena arena = {0};
    struct caller caller;

    (void)state;
    put(table, "a", "one");
    put(table, "b", "two");
    caller_table_remove_key_id(table, TEXT("none"));
    caller_table_remove_key_id(table, TEXT("one"));
    assert_false(find(table, "a", &arena, &caller));
    assert_true(find(table, "b", &arena, &caller));
    caller_table_free(table);
    arena_free(&arena);
}

/* What another process changed while nobody listened: keys that are gone, and keys that are new. */
static void test_a_fresh_table_takes_the_place_of_the_old(void **state)
{
    struct caller_table *table = caller_table_new(), *fresh = caller_table_new();
    struct arena arena = {0};
    struct caller caller;

    (void)state;
    put(table, "revoked", "one");
    put(table, "stays", "two");
    put(fresh, "stays", "two");
    put(fresh, "new", "three");
    caller_table_swap(table, fresh);
    caller_table_free(fresh);
    assert_false(find(table, "revoked", &arena, &caller));
    assert_true(find(table, "stays", &arena, &caller));
    assert_true(find(table, "new", &arena, &caller));
    take_away(table, "new");
    assert_false(find(table, "new", &arena, &caller));
    caller_table_free(table);
    arena_free(&arena);
}

/* Keys are compared whole, whatever their length. */
static void test_keys_of_all_lengths(void **state)
{
    enum { LENGTH_MAX = 40 };
    struct caller_table *table = caller_table_new();
    struct arena arena = {0};
    const struct caller nobody = {.user_id = TEXT("user_1")};
    char zeros[LENGTH_MAX] = {0};
    struct caller caller;

    (void)state;
    for (size_t length = 0; length <= LENGTH_MAX; length += 2)
        caller_table_put(table, (struct text){zeros, length}, &nobody);
    for (size_t length = 0; length <= LENGTH_MAX; length++)
        assert_true(caller_table_find(table, (struct text){zeros, length}, &arena, &caller) ==
                    (length % 2 == 0));
    caller_table_free(table);
    arena_free(&arena);
}

static void test_uses_are_taken_once_a_minute(void **state)
{
    enum { USED_AT_US = 5 * 1000 * 1000, MAX = 8 };
    struct caller_table *table = caller_table_new(), *fresh = caller_table_new();
    struct arena arena = {0};
    struct caller_use uses[MAX];
    struct caller caller;
    uint8_t digest[SHA256_BYTES];
    int64_t now_us = CALLER_TABLE_USE_STEP_US + USED_AT_US;

    (void)state;
    put(table, "a", "one");
    put(table, "b", "two");
    sha256(TEXT("a"), digest);
    assert_int_equal(caller_table_take_uses(table, uses, MAX, &arena), 0);
    assert_false(caller_table_has_uses(table));
    assert_true(caller_table_use(table, key_of(digest), now_us, &arena, &caller));
    assert_true(caller_table_use(table, key_of(digest), now_us + 1, &arena, &caller));
    assert_true(caller_table_has_uses(table));
    assert_int_equal(caller_table_take_uses(table, uses, MAX, &arena), 1);
    assert_false(caller_table_has_uses(table));
    assert_text(uses[0].key_id, "one");
    assert_int_equal(uses[0].scope, 7);
    assert_int_equal(uses[0].used_at_us, now_us);
    assert_int_equal(caller_table_take_uses(table, uses, MAX, &arena), 0);
    /* What is known of uses outlives a key that is read anew, alone or with all others. */
    put(table, "a", "one");
    put(fresh, "a", "one");
    caller_table_swap(table, fresh);
    assert_true(
        caller_table_use(table, key_of(digest), now_us + CALLER_TABLE_USE_STEP_US - 1, &arena, &caller));
    assert_int_equal(caller_table_take_uses(table, uses, MAX, &arena), 0);
    assert_true(caller_table_use(table, key_of(digest), now_us + CALLER_TABLE_USE_STEP_US, &arena, &caller));
    assert_int_equal(caller_table_take_uses(table, uses, 0, &arena), 0);
    assert_int_equal(caller_table_take_uses(table, uses, MAX, &arena), 1);
    caller_table_free(table);
    caller_table_free(fresh);
    arena_free(&arena);
}

static void test_growth_to_100000_keys(void **state)
{
    enum { COUNT = 100 * 1000 };
    struct caller_table *table = caller_table_new();
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
    caller_table_free(table);
    arena_free(&arena);
}

static void test_key_takes_little_memory(void **state)
{
    enum { COUNT = 1000, BYTES_MAX = 512 };
    struct caller_table *table = caller_table_new();
    size_t before = mallinfo2().uordblks; /* 0 under a sanitizer, which has an allocator of its own */
    char key[32];

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        snprintf(key, sizeof key, "%d", i);
        put(table, key, key);
    }
    assert_in_range(mallinfo2().uordblks - before, 0, COUNT * BYTES_MAX);
    caller_table_free(table);
}

struct crowd {
    struct caller_table *table;
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
    struct crowd crowd = {.table = caller_table_new()};
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
    caller_table_free(crowd.table);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_find_replace_remove),
        cmocka_unit_test(test_texts_are_copied),
        cmocka_unit_test(test_a_key_is_removed_by_its_id),
        cmocka_unit_test(test_a_fresh_table_takes_the_place_of_the_old),
        cmocka_unit_test(test_keys_of_all_lengths),
        cmocka_unit_test(test_uses_are_taken_once_a_minute),
        cmocka_unit_test(test_growth_to_100000_keys),
        cmocka_unit_test(test_key_takes_little_memory),
        cmocka_unit_test(test_threads_share_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
