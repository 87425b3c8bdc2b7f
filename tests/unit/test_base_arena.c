#include "cmocka_all.h"

#include "base/arena.h"

#include <stdalign.h>

/* Beside the arena's blocks of 16 KiB. */
enum { LARGE_BYTES = 1000000, MOST_OF_A_BLOCK_BYTES = 10240 };

static void test_empty_arena(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena);
    assert_null(arena.block);
    arena_reset(&arena);
    arena_free(&arena);
    assert_null(arena.block);
}

static void test_allocations_are_apart_and_aligned(void **state)
{
    enum { COUNT = 3000 };
    static unsigned char *memory[COUNT];
    struct arena arena;

    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < COUNT; i++) {
        memory[i] = arena_allocate(&arena, i % 97);
        assert_int_equal((uintptr_t)memory[i] % alignof(max_align_t), 0);
        memset(memory[i], (int)(i % 251), i % 97);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < i % 97; j++)
            assert_int_equal(memory[i][j], i % 251);
    arena_free(&arena);
}

static void test_zeroed_memory_after_reuse(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena);
    memset(arena_allocate(&arena, 4096), 0xff, 4096);
    arena_reset(&arena);
    const unsigned char *memory = arena_allocate_zero(&arena, 4096);

    for (int i = 0; i < 4096; i++)
        assert_int_equal(memory[i], 0);
    const uint64_t *numbers = ARENA_ARRAY(&arena, uint64_t, 100);

    for (int i = 0; i < 100; i++)
        assert_true(numbers[i] == 0);
    arena_free(&arena);
}

static void test_larger_than_a_block(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena);
    char *small = arena_allocate(&arena, 16);
    memcpy(small, "small, and kept", 16);
    char *large = arena_allocate(&arena, LARGE_BYTES);
    memset(large, 'x', LARGE_BYTES);
    char *after = arena_allocate(&arena, 16);
    memcpy(after, "after the large", 16);

    assert_string_equal(small, "small, and kept");
    assert_int_equal(large[LARGE_BYTES - 1], 'x');
    assert_true(arena.total_bytes >= LARGE_BYTES + 32);
    arena_reset(&arena);
    assert_int_equal(arena.total_bytes, 0);
    assert_non_null(arena.block); /* one block of the usual size is kept */
    arena_free(&arena);
}

static void test_reset_keeps_one_block(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena);
    const void *first = arena_allocate(&arena, 100);
    arena_reset(&arena);
    assert_ptr_equal(arena_allocate(&arena, 100), first);
    for (int i = 0; i < 100; i++) /* many blocks */
        arena_allocate(&arena, MOST_OF_A_BLOCK_BYTES);
    arena_reset(&arena);
    const void *kept = arena.block;
    arena_allocate(&arena, MOST_OF_A_BLOCK_BYTES);
    assert_ptr_equal(arena.block, kept);
    arena_free(&arena);
}

/* A request that needed only one large block must not leave it behind for the life of the connection. */
static void test_reset_drops_a_large_block(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena);
    arena_allocate(&arena, LARGE_BYTES);
    arena_reset(&arena);
    assert_null(arena.block);
    assert_non_null(arena_allocate(&arena, 8));
    arena_free(&arena);
}

static void test_texts(void **state)
{
    struct arena arena;
    char source[] = "volatile";

    (void)state;
    arena_init(&arena);
    struct text copy = arena_copy(&arena, text_from_string(source));
    source[0] = 'X';
    assert_text(copy, "volatile");
    assert_false(text_is_set(arena_copy(&arena, text_none)));
    assert_true(text_is_set(arena_copy(&arena, text_empty)));
    assert_int_equal(arena_copy(&arena, TEXT("a\0b")).length, 3);
    assert_text(arena_format(&arena, "%s-%05d", "n", 42), "n-00042");
    assert_text(arena_format(&arena, "%s", ""), "");
    assert_text(arena_list_add(&arena, text_empty, TEXT("a")), "a");
    assert_text(arena_list_add(&arena, TEXT("a, b"), TEXT("c")), "a, b, c");
    assert_string_equal(arena_string(&arena, TEXT("abc")), "abc");
    assert_string_equal(arena_string(&arena, text_none), "");
    arena_free(&arena);
}

static void test_what_is_beyond_the_first_block_counts(void **state)
{
    struct memory_account account = {.bytes_max = 1 << 20};
    struct arena arena;

    (void)state;
    arena_init(&arena);
    arena.account = &account;
    arena_allocate(&arena, 100);
    assert_int_equal(memory_account_used(&account), 0);
    arena_allocate(&arena, 100000);
    assert_true(memory_account_used(&account) >= 100000);
    assert_true(memory_account_has_room(&account, 900000));
    assert_false(memory_account_has_room(&account, 1000000));
    arena_reset(&arena);
    assert_int_equal(memory_account_used(&account), 0);
    arena_allocate(&arena, 100000); /* the account stays */
    assert_true(memory_account_used(&account) >= 100000);
    arena_free(&arena);
    assert_int_equal(memory_account_used(&account), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_arena),
        cmocka_unit_test(test_allocations_are_apart_and_aligned),
        cmocka_unit_test(test_zeroed_memory_after_reuse),
        cmocka_unit_test(test_larger_than_a_block),
        cmocka_unit_test(test_reset_keeps_one_block),
        cmocka_unit_test(test_reset_drops_a_large_block),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_what_is_beyond_the_first_block_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
