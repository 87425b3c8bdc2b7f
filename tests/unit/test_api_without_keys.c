/* Keys in what a client sent, plain and behind percent escapes. */
#include "cmocka_all.h"

#include "api/without_keys.h"

#include <stdlib.h>
#include <string.h>

#define REST "0123456789ABCDEFGHJKMNPQRS"

struct line {
    const char *given, *expected;
};

static const struct line lines[] = {
    /* plain */
    {"sk_" REST, "sk_"},
    {"/v1/customers/sk_" REST, "/v1/customers/sk_"},
    {"/pk_" REST "/x-sk_" REST ".y", "/pk_/x-sk_.y"},
    /* behind an escape */
    {"/v1/customers/%20sk_" REST, "/v1/customers/%20sk_"},
    {"/v1/customers/%22sk_" REST "%22", "/v1/customers/%22sk_%22"},
    {"/%c3%A9sk_" REST, "/%c3%A9sk_"},
    {"/%00sk_" REST, "/%00sk_"},
    {"/%25sk_" REST, "/%25sk_"},
    {"/%2520sk_" REST, "/%2520sk_"},
    {"/%252520sk_" REST, "/%252520sk_"},
    /* with escapes in it */
    {"/%73k_" REST, "/sk_"},
    {"/sk%5F" REST, "/sk_"},
    {"/sk%5f" REST, "/sk_"},
    {"/%70%6b%5f" REST "/x", "/pk_/x"},
    {"/%2573k_" REST, "/sk_"},
    {"/sk_%30123456789%41BCDE%2dx", "/sk_%2dx"},
    /* an escape that is none, or is cut off */
    {"%sk_" REST, "%sk_"},
    {"%%73k_" REST, "%sk_"},
    {"sk_" REST "%", "sk_%"},
    {"sk_" REST "%2", "sk_%2"},
    {"sk_" REST "%25", "sk_%25"},
    {"sk_" REST "%252", "sk_%252"},
    {"sk_" REST "%zz", "sk_%zz"},
    /* what is kept as it was given */
    {"", ""},
    {"%", "%"},
    {"/v1/customers/a%20name%5fof%20some%2520length%", "/v1/customers/a%20name%5fof%20some%2520length%"},
    {"/task_" REST, "/task_" REST},
    {"/%64isk_" REST, "/%64isk_" REST},
    {"/v1/customers/external/sk_short", "/v1/customers/external/sk_short"},
    {"/sk_%41%42%43%44%45", "/sk_%41%42%43%44%45"},
};

/* Each in memory of just its length, so that a sanitizer sees a step beyond it. */
static void test_only_the_prefix_of_a_key_is_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct arena arena;
        struct text given = text_from_string(lines[i].given);
        char *bytes = malloc(given.length ? given.length : 1);

        assert_non_null(bytes);
        memcpy(bytes, given.data, given.length);
        arena_init(&arena);
        struct text kept = without_keys((struct text){bytes, given.length}, &arena);

        if (!text_equal(kept, text_from_string(lines[i].expected)))
            fail_msg("%s became %.*s", lines[i].given, TEXT_FORMAT(kept));
        arena_free(&arena);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_prefix_of_a_key_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
