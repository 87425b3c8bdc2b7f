/* The free lists of a loop: what a peak has left behind goes, what is in use all the time stays. */
#include "http/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { BLOCK_BYTES = 64, KEPT_MIN = 4, PEAK = 20, USUAL = 10 };

/* Takes so many blocks at once, and gives them all back. */
static void use(struct http_pool *pool, unsigned count)
{
    void *blocks[PEAK];

    for (unsigned i = 0; i < count; i++)
        blocks[i] = http_pool_take(pool);
    for (unsigned i = 0; i < count; i++)
        http_pool_give(pool, blocks[i]);
}

static void assert_shrinks_to(struct http_pool *pool, unsigned kept)
{
    http_pool_shrink(pool, KEPT_MIN);
    assert_int_equal(pool->kept, kept);
}

static void test_a_peak_is_forgotten(void **state)
{
    struct http_pool pool;

    (void)state;
    http_pool_init(&pool, BLOCK_BYTES, PEAK);
    pool.kept_max = PEAK; /* also under AddressSanitizer */
    use(&pool, PEAK);
    assert_shrinks_to(&pool, PEAK); /* all of them were needed since the last time */
    use(&pool, USUAL);
    assert_shrinks_to(&pool, USUAL);
    assert_int_equal(pool.freed_bytes, (PEAK - USUAL) * BLOCK_BYTES);
    use(&pool, USUAL);
    assert_shrinks_to(&pool, USUAL);
    assert_shrinks_to(&pool, KEPT_MIN);
    assert_shrinks_to(&pool, KEPT_MIN);
    http_pool_free(&pool);
}

static void test_what_is_out_does_not_count(void **state)
{
    struct http_pool pool;

    (void)state;
    http_pool_init(&pool, BLOCK_BYTES, PEAK);
    pool.kept_max = PEAK;
    void *held = http_pool_take(&pool);

    assert_shrinks_to(&pool, 0);
    http_pool_give(&pool, held);
    assert_shrinks_to(&pool, 1);
    assert_shrinks_to(&pool, 1);
    http_pool_free(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_peak_is_forgotten),
        cmocka_unit_test(test_what_is_out_does_not_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
