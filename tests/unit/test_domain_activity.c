/* Searches of the audit trail that is longer than one search looks at. */
#include "store_fixture.h"

#include "domain/activity.h"

STORE_FIXTURE_OF_FILE()

enum { ROWS = ACTIVITY_QUICK_MAX + 1000 };

/* Creations of customers a microsecond apart; every thousandth row is an update. */
static void write_long_trail(void)
{
    char sql[512];

    store_close(fixture.store);
    snprintf(
        sql, sizeof sql,
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
        "INSERT INTO audit_log (scope, entity_type, entity_id, action, actor_id, request_id, "
        "occurred_at, changes) SELECT 1, 'customer', 'cust_' || i, CASE WHEN i %% 1000 = 0 THEN 'updated' "
        "ELSE 'created' END, 'user', 'r' || i, %lld + i, '{}' FROM n",
        ROWS, (long long)FIXTURE_NOW_US);
    fixture_execute(&fixture, sql);
    fixture_reopen(&fixture);
}

struct searching {
    struct activity_viewer viewer;
    struct activity_filter filter;
    enum activity_effort effort;
    struct activity_page page;
};

static const struct failure *run_search(void *context, struct transaction *transaction)
{
    struct searching *searching = context;

    activity_search(transaction, &searching->viewer, &searching->filter, searching->effort, &searching->page);
    return NULL;
}

static struct activity_filter any(void)
{
    return (struct activity_filter){
        .entity_type = TEXT(""),
        .entity_id = TEXT(""),
        .actor_id = TEXT(""),
        .action = TEXT(""),
        .request_id = TEXT(""),
        .start_time = INSTANT_MIN_US,
        .end_time = INSTANT_MAX_US,
        .limit = 2,
    };
}

static struct activity_page search_as(const struct scope *scope, struct activity_filter filter)
{
    struct call call = fixture.call;
    struct searching searching = {.viewer = {.sees_all_keys = true}, .filter = filter};

    call.scope = scope;
    assert_null(store_read(fixture.store, &fixture.arena, &call, run_search, &searching));
    return searching.page;
}

static struct activity_page search(struct activity_filter filter)
{
    return search_as(&fixture.scope, filter);
}

static const struct activity *item(const struct activity_page *page, size_t index)
{
    assert_true(index < page->items.count);
    return &((const struct activity *)page->items.records)[index];
}

static void test_a_long_trail_is_searched_in_parts(void **state)
{
    struct activity_filter filter = any();

    (void)state;
    write_long_trail();
    filter.entity_type = TEXT("customer");
    struct activity_page page = search(filter);

    assert_int_equal(page.total, ACTIVITY_QUICK_MAX);
    assert_int_equal(page.searched_until, FIXTURE_NOW_US + 1001);
    assert_int_equal(item(&page, 0)->occurred_at, FIXTURE_NOW_US + ROWS);
    filter.end_time = page.searched_until - 1;
    page = search(filter);
    assert_int_equal(page.total, 1000);
    assert_int_equal(page.searched_until, INSTANT_UNSET);
    assert_text(item(&page, 0)->entity_id, "cust_1000");
}

/* What has an index of its own is found wherever it is; what has none, among the newest. */
static void test_rare_rows_are_found_in_a_long_trail(void **state)
{
    struct activity_filter filter = any();

    (void)state;
    write_long_trail();
    filter.action = TEXT("updated");
    struct activity_page page = search(filter);

    assert_int_equal(page.total, ROWS / 1000);
    assert_int_equal(page.searched_until, INSTANT_UNSET);
    filter.entity_type = TEXT("secret");
    assert_int_equal(search(filter).total, 0);
    filter = any();
    filter.entity_id = TEXT("cust_1");
    page = search(filter);
    assert_int_equal(page.total, 1);
    assert_text(item(&page, 0)->request_id, "r1");
    filter = any();
    filter.request_id = TEXT("r1");
    page = search(filter);
    assert_int_equal(page.total, 0);
    assert_true(page.searched_until > FIXTURE_NOW_US);
    filter.end_time = page.searched_until - 1;
    assert_int_equal(search(filter).total, 1);
}

/* Whatever the filter, the whole of this trail is searched when there is time for it. */
static void test_a_thorough_search_counts_all(void **state)
{
    struct activity_filter filter = any();
    struct searching searching = {.viewer = {.sees_all_keys = true}, .effort = ACTIVITY_THOROUGH};
    const struct {
        struct text *member;
        const char *value;
        int64_t total;
    } filters[] = {
        {&filter.entity_type, "customer", ROWS},
        {&filter.action, "updated", ROWS / 1000},
        {&filter.actor_id, "user", ROWS},
        {&filter.request_id, "r1", 1},
        {&filter.action, "created", ROWS - ROWS / 1000 + 4},
    };

    (void)state;
    write_long_trail();
    filter.offset = ROWS;
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        *filters[i].member = text_from_string(filters[i].value);
        searching.filter = filter;
        *filters[i].member = TEXT("");
        assert_null(store_read(fixture.store, &fixture.arena, &fixture.call, run_search, &searching));
        assert_int_equal(searching.page.total, filters[i].total);
        assert_int_equal(searching.page.searched_until, INSTANT_UNSET);
    }
    searching.filter = filter;
    assert_null(store_read(fixture.store, &fixture.arena, &fixture.call, run_search, &searching));
    assert_int_equal(searching.page.total, ROWS + 4);
    assert_int_equal(searching.page.items.count, 2);
    /* Behind the rows of the fixture's own beginning, which are older. */
    assert_text(item(&searching.page, 0)->entity_type, "secret");
}

/* Rows of one instant have an order, so that pages do not overlap. */
static void test_pages_of_a_long_trail(void **state)
{
    struct activity_filter filter = any();

    (void)state;
    write_long_trail();
    filter.offset = ACTIVITY_QUICK_MAX - 1;
    struct activity_page page = search(filter);

    assert_int_equal(item(&page, 0)->occurred_at, FIXTURE_NOW_US + 1001);
    filter.offset = INT32_MAX;
    assert_int_equal(search(filter).items.count, 0);
}

/* Whom the configuration limits to some environments, and who may not see others' keys. */
static bool may_see_none(void *context, struct text environment_id)
{
    (void)context;
    (void)environment_id;
    return false;
}

static int64_t total_for(struct activity_viewer viewer, const char *actor_id, struct activity_filter filter)
{
    struct call call = fixture.call;
    struct searching searching = {.viewer = viewer, .filter = filter};

    call.scope = &fixture.scope;
    call.actor_id = text_from_string(actor_id);
    assert_null(store_read(fixture.store, &fixture.arena, &call, run_search, &searching));
    assert_int_equal(searching.page.items.count, searching.page.total < 2 ? searching.page.total : 2);
    return searching.page.total;
}

static void test_what_is_kept_from_a_viewer_is_neither_found_nor_counted(void **state)
{
    const struct activity_viewer all = {.sees_all_keys = true}, own_keys = {0},
                                 no_environment = {.sees_all_keys = true,
                                                   .may_see_environment = may_see_none};
    struct activity_filter filter = any();

    (void)state;
    assert_int_equal(total_for(all, "", filter), 4); /* tenant, user, environment, key */
    assert_int_equal(total_for(own_keys, "user_other", filter), 3);
    assert_int_equal(total_for(no_environment, "user_other", filter), 3);
    filter.entity_type = TEXT("secret");
    assert_int_equal(total_for(all, "user_other", filter), 1);
    assert_int_equal(total_for(own_keys, "user_other", filter), 0);
    filter.entity_type = TEXT("environment");
    assert_int_equal(total_for(own_keys, "user_other", filter), 1);
    assert_int_equal(total_for(no_environment, "user_other", filter), 0);
}

/* SCOPE_NONE is the number of everything that is in no environment, whosever it is. */
static void test_whoever_is_in_no_environment_sees_only_the_tenant_s_own(void **state)
{
    struct scope scope = {
        .number = SCOPE_NONE, .tenant_id = fixture.scope.tenant_id, .environment_id = TEXT("")};

    (void)state;
    assert_int_equal(search_as(&scope, any()).total, 3); /* tenant, user, environment */
    scope.tenant_id = TEXT("tenant_other");
    assert_int_equal(search_as(&scope, any()).total, 0);
    scope.tenant_id = TEXT("");
    assert_int_equal(search_as(&scope, any()).total, 0);
    assert_int_equal(search(any()).total, 4); /* and the key */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_a_long_trail_is_searched_in_parts),
        FIXTURE_TEST(test_rare_rows_are_found_in_a_long_trail),
        FIXTURE_TEST(test_a_thorough_search_counts_all),
        FIXTURE_TEST(test_pages_of_a_long_trail),
        FIXTURE_TEST(test_what_is_kept_from_a_viewer_is_neither_found_nor_counted),
        FIXTURE_TEST(test_whoever_is_in_no_environment_sees_only_the_tenant_s_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
