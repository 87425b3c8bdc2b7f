/* From method and path to a route; percent escapes; query parameters. */
#include "cmocka_all.h"

#include "api/router.h"

#define ROUTE(route_method, route_path)                                                                      \
    {                                                                                                        \
        .method = (route_method), .path = TEXT_LITERAL(route_path)                                           \
    }

static const struct route first_routes[] = {
    ROUTE(HTTP_GET, "/"),
    ROUTE(HTTP_POST, "/v1/customers"),
    ROUTE(HTTP_GET, "/v1/customers/{id}"),
    ROUTE(HTTP_POST, "/v1/customers/search"),
    ROUTE(HTTP_GET, "/v1/customers/usage"),
    ROUTE(HTTP_GET, "/v1/customers/external/{external_id}"),
};
static const struct route other_routes[] = {
    ROUTE(HTTP_DELETE, "/v1/customers/{id}"),
    ROUTE(HTTP_GET, "/v1/customers/{id}/wallets/{wallet_id}"),
    ROUTE(HTTP_GET, "/v1/customers/external/{external_id}/wallets/{wallet_id}/credits"),
    ROUTE(HTTP_GET, "/a/{1}/{2}/{3}/{4}"),
};
static const struct route_table first_table = ROUTE_TABLE(first_routes);
static const struct route_table other_table = ROUTE_TABLE(other_routes);
static const struct route_table *const tables[] = {&first_table, &other_table, NULL};

static struct router *router;

static int make_router(void **state)
{
    (void)state;
    router = router_new(tables);
    return 0;
}

static int free_router(void **state)
{
    (void)state;
    router_free(router);
    return 0;
}

struct example {
    enum http_method method;
    const char *path;
    const char *route;                            /* NULL: none */
    const char *parameters[ROUTE_PARAMETERS_MAX]; /* NULL: unset */
};

static void expect(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct example *example = &examples[i];
        struct text parameters[ROUTE_PARAMETERS_MAX] = {{0}};
        const struct route *route =
            router_find(router, example->method, text_from_string(example->path), parameters);

        if ((route != NULL) != (example->route != NULL))
            fail_msg("%s: %s", example->path, route ? "has a route" : "has no route");
        if (!route)
            continue;
        assert_text(route->path, example->route);
        assert_int_equal(route->method, example->method);
        for (unsigned j = 0; j < ROUTE_PARAMETERS_MAX; j++) {
            assert_true(text_is_set(parameters[j]) == (example->parameters[j] != NULL));
            if (example->parameters[j])
                assert_text(parameters[j], example->parameters[j]);
        }
    }
}

#define EXPECT(...)                                                                                          \
    expect((const struct example[]){__VA_ARGS__},                                                            \
           sizeof((const struct example[]){__VA_ARGS__}) / sizeof(struct example))

static void test_paths(void **state)
{
    (void)state;
    EXPECT({HTTP_GET, "/", "/", {0}}, {HTTP_POST, "/v1/customers", "/v1/customers", {0}},
           {HTTP_GET, "/v1/customers/cust_1", "/v1/customers/{id}", {"cust_1"}},
           {HTTP_GET, "/v1/customers/external/acme", "/v1/customers/external/{external_id}", {"acme"}},
           {HTTP_GET, "/v1/customers/c/wallets/w", "/v1/customers/{id}/wallets/{wallet_id}", {"c", "w"}},
           {HTTP_GET, "/a/1/2/3/4", "/a/{1}/{2}/{3}/{4}", {"1", "2", "3", "4"}},
           {HTTP_GET, "/v1/customers/%2F%zz", "/v1/customers/{id}", {"%2F%zz"}}, /* raw */
           {HTTP_GET, "/v1/customers/{id}", "/v1/customers/{id}", {"{id}"}}, {HTTP_GET, "/v1", NULL, {0}},
           {HTTP_GET, "/v1/customers/c/wallets", NULL, {0}}, {HTTP_GET, "/V1/customers/c", NULL, {0}},
           {HTTP_GET, "v1/customers/c", NULL, {0}}, {HTTP_GET, "", NULL, {0}}, {HTTP_GET, "*", NULL, {0}});
}

static void test_literal_wins_over_parameter(void **state)
{
    (void)state;
    EXPECT({HTTP_GET, "/v1/customers/usage", "/v1/customers/usage", {0}},
           {HTTP_GET, "/v1/customers/external/usage", "/v1/customers/external/{external_id}", {"usage"}},
           {HTTP_GET, "/v1/customers/usages", "/v1/customers/{id}", {"usages"}},
           {HTTP_GET, "/v1/customers/usag", "/v1/customers/{id}", {"usag"}});
}

static void test_parameter_where_the_literal_lacks_the_method(void **state)
{
    (void)state;
    EXPECT({HTTP_POST, "/v1/customers/search", "/v1/customers/search", {0}},
           {HTTP_GET, "/v1/customers/search", "/v1/customers/{id}", {"search"}},
           {HTTP_DELETE, "/v1/customers/usage", "/v1/customers/{id}", {"usage"}},
           {HTTP_GET, "/v1/customers/external", "/v1/customers/{id}", {"external"}},
           {HTTP_PUT, "/v1/customers/search", NULL, {0}}, {HTTP_POST, "/v1/customers/c", NULL, {0}},
           {HTTP_OTHER, "/v1/customers", NULL, {0}});
}

/* "external" as a customer's id: the way through the literal ends, and what it had collected is forgotten. */
static void test_turn_back_leaves_no_parameters_behind(void **state)
{
    (void)state;
    EXPECT({HTTP_GET,
            "/v1/customers/external/wallets/w",
            "/v1/customers/{id}/wallets/{wallet_id}",
            {"external", "w"}},
           {HTTP_GET,
            "/v1/customers/external/x/wallets/w/credits",
            "/v1/customers/external/{external_id}/wallets/{wallet_id}/credits",
            {"x", "w"}},
           {HTTP_DELETE, "/v1/customers/external", "/v1/customers/{id}", {"external"}});
    static const struct route routes[] = {
        ROUTE(HTTP_GET, "/x/literal/{a}/{b}/end"),
        ROUTE(HTTP_GET, "/x/{id}/one/two/other"),
    };
    static const struct route_table table = ROUTE_TABLE(routes);
    struct router *small = router_new((const struct route_table *const[]){&table, NULL});
    struct text parameters[ROUTE_PARAMETERS_MAX] = {{0}};
    const struct route *route = router_find(small, HTTP_GET, TEXT("/x/literal/one/two/other"), parameters);

    assert_non_null(route);
    assert_true(text_equal(route->path, routes[1].path));
    assert_text(parameters[0], "literal");
    assert_false(text_is_set(parameters[1]));
    router_free(small);
}

static void test_one_slash_at_the_end_counts_as_absent(void **state)
{
    (void)state;
    EXPECT({HTTP_POST, "/v1/customers/", "/v1/customers", {0}},
           {HTTP_GET, "/v1/customers/c/", "/v1/customers/{id}", {"c"}},
           {HTTP_POST, "/v1/customers//", NULL, {0}}, {HTTP_GET, "/v1/customers/c//", NULL, {0}});
}

static void test_empty_segments_match_nothing(void **state)
{
    (void)state;
    EXPECT({HTTP_GET, "/v1/customers//", NULL, {0}}, {HTTP_GET, "//v1/customers/c", NULL, {0}},
           {HTTP_GET, "/v1//customers/c", NULL, {0}}, {HTTP_GET, "/v1/customers/external//", NULL, {0}},
           {HTTP_GET, "/v1/customers//wallets/w", NULL, {0}});
}

static void test_too_many_segments(void **state)
{
    (void)state;
    EXPECT({HTTP_GET, "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16", NULL, {0}},
           {HTTP_GET, "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", NULL, {0}},
           {HTTP_GET, "/v1/customers/c/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23", NULL, {0}});
}

static void test_routes_of_the_program(void **state)
{
    struct text parameters[ROUTE_PARAMETERS_MAX] = {{0}};
    struct router *real = router_new(route_tables);
    unsigned count = 0;

    (void)state;
    for (const struct route_table *const *table = route_tables; *table; table++)
        for (size_t i = 0; i < (*table)->count; i++, count++) {
            const struct route *route = &(*table)->routes[i];
            /* Its own path as a request: every parameter takes any segment. */
            const struct route *found = router_find(real, route->method, route->path, parameters);

            assert_non_null(found);
            assert_int_equal(router_number(real, found), count);
            assert_true(text_equal(found->path, route->path));
        }
    assert_true(count >= 5);
    router_free(real);
}

/* ---- percent escapes ---- */

struct decoding {
    struct text encoded;
    bool is_query;
    const char *decoded; /* NULL: refused */
};

static void test_percent_decode(void **state)
{
    static const struct decoding decodings[] = {
        {TEXT_LITERAL(""), false, ""},
        {TEXT_LITERAL("plain-~_.!"), false, "plain-~_.!"},
        {TEXT_LITERAL("a%20b"), false, "a b"},
        {TEXT_LITERAL("a+b"), false, "a+b"},
        {TEXT_LITERAL("a+b"), true, "a b"},
        {TEXT_LITERAL("a%2Bb"), true, "a+b"},
        {TEXT_LITERAL("%2f%2F%25"), false, "//%"},
        {TEXT_LITERAL("%252F"), false, "%2F"}, /* once */
        {TEXT_LITERAL("%C3%A4%f0%9f%98%80"), false, "\xc3\xa4\xf0\x9f\x98\x80"},
        {TEXT_LITERAL("%01%7f"), false, "\x01\x7f"},
        {TEXT_LITERAL("%"), false, NULL},
        {TEXT_LITERAL("%2"), false, NULL},
        {TEXT_LITERAL("a%"), false, NULL},
        {TEXT_LITERAL("%zz"), false, NULL},
        {TEXT_LITERAL("%2g"), false, NULL},
        {TEXT_LITERAL("%+1"), true, NULL},
        {TEXT_LITERAL("% 1"), false, NULL},
        {TEXT_LITERAL("%00"), false, NULL},
        {TEXT_LITERAL("a%00b"), true, NULL},
        {TEXT_LITERAL("%C3"), false, NULL},          /* cut short */
        {TEXT_LITERAL("%c0%af"), false, NULL},       /* overlong */
        {TEXT_LITERAL("%ed%a0%80"), false, NULL},    /* a surrogate */
        {TEXT_LITERAL("%f4%90%80%80"), false, NULL}, /* beyond U+10FFFF */
        {TEXT_LITERAL("\xff"), false, NULL},         /* without any escape */
        {TEXT_LITERAL("\xff%20"), false, NULL},
        {TEXT_LITERAL("a\0b"), false, NULL},
    };
    struct arena arena = {0};

    (void)state;
    for (size_t i = 0; i < sizeof decodings / sizeof decodings[0]; i++) {
        const struct decoding *decoding = &decodings[i];
        struct text decoded;
        bool good = percent_decode(&arena, decoding->encoded, decoding->is_query, &decoded);

        if (good != (decoding->decoded != NULL))
            fail_msg("\"%.*s\" is %s", TEXT_FORMAT(decoding->encoded), good ? "decoded" : "refused");
        if (good)
            assert_text(decoded, decoding->decoded);
    }
    arena_free(&arena);
}

/* ---- query parameters ---- */

struct question {
    const char *query;
    const char *name;
    const char *value; /* NULL: unset */
    bool refused;
};

static void test_query_parameters(void **state)
{
    static const struct question questions[] = {
        {"", "expand", NULL, false},
        {"expand=a", "expand", "a", false},
        {"expand=a,b", "expand", "a,b", false},
        {"x=1&expand=a&y=2", "expand", "a", false},
        {"x=1&&&expand=a", "expand", "a", false},
        {"expand=a&expand=b", "expand", "a", false}, /* the first one */
        {"expand=&expand=b", "expand", NULL, false},
        {"expand", "expand", NULL, false},
        {"expand=", "expand", NULL, false},
        {"=expand", "expand", NULL, false},
        {"expand=a=b", "expand", "a=b", false},
        {"ex%70and=%61+b", "expand", "a b", false},
        {"expand+=a", "expand", NULL, false},
        {"Expand=a", "expand", NULL, false},
        {"expands=a", "expand", NULL, false},
        {"expand=%", "expand", NULL, true},
        {"expand=%00", "expand", NULL, true},
        {"expand=%ff", "expand", NULL, true},
        {"x=%&expand=a", "expand", "a", false}, /* what nobody asks for is not looked at */
        {"%=x&expand=a", "expand", "a", false},
        {"&", "expand", NULL, false},
    };
    struct arena arena = {0};

    (void)state;
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        const struct question *question = &questions[i];
        struct http_exchange http = {.request = {.query = text_from_string(question->query)}};
        struct exchange exchange = {.http = &http, .arena = &arena};
        struct text value;
        const struct failure *failure = exchange_query(&exchange, text_from_string(question->name), &value);

        if ((failure != NULL) != question->refused)
            fail_msg("\"%s\" is %s", question->query, failure ? "refused" : "accepted");
        if (failure) {
            assert_int_equal(failure->code, FAILURE_VALIDATION);
            continue;
        }
        if (text_is_set(value) != (question->value != NULL))
            fail_msg("\"%s\" is %s", question->query, text_is_set(value) ? "set" : "unset");
        if (question->value)
            assert_text(value, question->value);
    }
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_literal_wins_over_parameter),
        cmocka_unit_test(test_parameter_where_the_literal_lacks_the_method),
        cmocka_unit_test(test_turn_back_leaves_no_parameters_behind),
        cmocka_unit_test(test_one_slash_at_the_end_counts_as_absent),
        cmocka_unit_test(test_empty_segments_match_nothing),
        cmocka_unit_test(test_too_many_segments),
        cmocka_unit_test(test_routes_of_the_program),
        cmocka_unit_test(test_percent_decode),
        cmocka_unit_test(test_query_parameters),
    };

    return cmocka_run_group_tests(tests, make_router, free_router);
}
