/* What the options of an s3:// location mean: which addresses, which region. */
#include "cmocka_all.h"

#include "archive/s3_location.h"

static struct arena arena;

static int empty_arena(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static bool read_location(const char *location, const char *endpoint, const char *region,
                          struct s3_location *read, struct text *reason)
{
    const struct destination_options options = {.location = text_from_string(location),
                                                .s3_endpoint = text_from_string(endpoint),
                                                .s3_region = text_from_string(region)};

    return s3_location_read(&options, &arena, read, reason);
}

static void test_locations(void **state)
{
    static const struct {
        const char *location, *endpoint, *region; /* NULL: not set */
        const char *place, *signed_region, *bucket_url, *object_url, *key_prefix;
    } rows[] = {
        {"s3://copies", NULL, "eu-central-1", "s3://copies", "eu-central-1",
         "https://copies.s3.eu-central-1.amazonaws.com/", "https://copies.s3.eu-central-1.amazonaws.com/",
         ""},
        {"s3://copies/a/b.c/", "", "eu-central-1", "s3://copies/a/b.c", "eu-central-1",
         "https://copies.s3.eu-central-1.amazonaws.com/",
         "https://copies.s3.eu-central-1.amazonaws.com/a/b.c/", "a/b.c/"},
        {"s3://copies.example.org/a", NULL, "us-east-1", "s3://copies.example.org/a", "us-east-1",
         "https://s3.us-east-1.amazonaws.com/copies.example.org",
         "https://s3.us-east-1.amazonaws.com/copies.example.org/a/", "a/"},
        {"s3://copies/a", "http://127.0.0.1:9000", NULL, "s3://copies/a at http://127.0.0.1:9000",
         "us-east-1", "http://127.0.0.1:9000/copies", "http://127.0.0.1:9000/copies/a/", "a/"},
        {"s3://copies", "https://[::1]:9000/", "garage", "s3://copies at https://[::1]:9000", "garage",
         "https://[::1]:9000/copies", "https://[::1]:9000/copies/", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct s3_location read;
        struct text reason;

        assert_true(read_location(rows[i].location, rows[i].endpoint, rows[i].region, &read, &reason));
        assert_text(read.place, rows[i].place);
        assert_text(read.region, rows[i].signed_region);
        assert_text(read.bucket_url, rows[i].bucket_url);
        assert_text(read.object_url, rows[i].object_url);
        assert_text(read.key_prefix, rows[i].key_prefix);
    }
}

static void test_what_is_no_location(void **state)
{
    static const struct {
        const char *location, *endpoint, *region, *about;
    } rows[] = {
        {"s3://", NULL, "eu-central-1", "s3://BUCKET/PREFIX"},
        {"s3:///a", NULL, "eu-central-1", "s3://BUCKET/PREFIX"},
        {"s3://user@copies", NULL, "eu-central-1", "s3://BUCKET/PREFIX"},
        {"s3://copies/a//b", NULL, "eu-central-1", "prefix"},
        {"s3://copies/../b", NULL, "eu-central-1", "prefix"},
        {"s3://copies/a b", NULL, "eu-central-1", "prefix"},
        {"s3://copies", NULL, NULL, "region"},
        {"s3://copies", NULL, "eu/central", "region"},
        {"s3://copies", NULL, "eu central", "region"},
        {"s3://copies", "127.0.0.1:9000", NULL, "endpoint"},
        {"s3://copies", "ftp://127.0.0.1", NULL, "endpoint"},
        {"s3://copies", "http://", NULL, "endpoint"},
        {"s3://copies", "http://host/path", NULL, "endpoint"},
        {"s3://copies", "http://user:word@host", NULL, "endpoint"},
        {"s3://copies", "http://host?query", NULL, "endpoint"},
        {"s3://copies", "http://host name", NULL, "endpoint"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct s3_location read;
        struct text reason = text_empty;

        assert_false(read_location(rows[i].location, rows[i].endpoint, rows[i].region, &read, &reason));
        if (!strstr(arena_string(&arena, reason), rows[i].about))
            fail_msg("row %zu: %.*s", i, TEXT_FORMAT(reason));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_locations, empty_arena),
        cmocka_unit_test_teardown(test_what_is_no_location, empty_arena),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
