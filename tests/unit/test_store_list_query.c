/* Lists: conditions, order and page, and the number of all, whatever the page has. */
#include "store_fixture.h"

#include "store/list_query.h"
#include "store/sqlite/handle.h"
#include "store/transaction.h"

STORE_FIXTURE_OF_FILE()

enum { CUSTOMERS = 5 };

static void make_customers(void)
{
    static const char *const external_ids[CUSTOMERS] = {"e0", "e1", "e2", "e3", "e4"};

    for (unsigned i = 0; i < CUSTOMERS; i++) {
        fixture.call.now_us = FIXTURE_NOW_US + i;
        assert_null(fixture_create(&fixture, external_ids[i], NULL));
    }
}

/* What a test asks for, and what comes back. */
struct listing {
    void (*choose)(struct list_query *list);
    struct page page;
    struct record_list rows;
    int64_t total;
    struct text text;
};

static const struct failure *run(void *context, struct transaction *transaction)
{
    struct listing *listing = context;
    struct list_query list;

    list_query_begin(&list, transaction, &customer_entity);
    if (listing->choose)
        listing->choose(&list);
    listing->rows = list_query_run(&list, &listing->page, &listing->total);
    listing->text = list_query_text(&list);
    return NULL;
}

/* The external ids of the page, joined by spaces, and the total. */
static struct text list(void (*choose)(struct list_query *list), int64_t limit, int64_t offset)
{
    struct listing listing = {.choose = choose, .page = {limit, offset}};
    struct text text = text_empty;

    assert_null(store_write(fixture.store, &fixture.arena, &fixture.call, run, &listing));
    const struct customer *customers = listing.rows.records;

    for (size_t i = 0; i < listing.rows.count; i++)
        text = arena_format(&fixture.arena, "%.*s%.*s ", TEXT_FORMAT(text),
                            TEXT_FORMAT(customers[i].external_id));
    return arena_format(&fixture.arena, "%.*sof %lld", TEXT_FORMAT(text), (long long)listing.total);
}

static void newest_first(struct list_query *query)
{
    list_query_sort(query, TEXT("created_at"), true);
}

static void test_the_total_comes_along_whatever_the_page_has(void **state)
{
    (void)state;
    assert_text(list(newest_first, 50, 0), "of 0");
    make_customers();
    assert_text(list(newest_first, 50, 0), "e4 e3 e2 e1 e0 of 5");
    assert_text(list(newest_first, 2, 0), "e4 e3 of 5");
    assert_text(list(newest_first, 2, 4), "e0 of 5");
    assert_text(list(newest_first, 2, 10), "of 5");
    assert_text(list(newest_first, 2, INT64_MAX - 1000), "of 5");
}

static void published(struct list_query *query)
{
    newest_first(query);
    list_query_where(query, TEXT("status"), LIST_EQUAL, value_text(status_published));
}

static void test_the_total_of_a_status_is_told_beyond_its_end(void **state)
{
    (void)state;
    assert_text(list(published, 2, 0), "of 0");
    assert_text(list(published, 2, 7), "of 0");
    make_customers();
    assert_text(list(published, 2, 0), "e4 e3 of 5");
    assert_text(list(published, 2, 4), "e0 of 5");
    assert_text(list(published, 2, 5), "of 5");
    assert_text(list(published, 2, INT64_MAX - 1000), "of 5");
}

static void test_without_an_order_the_id_decides(void **state)
{
    (void)state;
    make_customers();
    assert_text(list(NULL, 50, 0), "e0 e1 e2 e3 e4 of 5");
}

static void by_name_then_oldest(struct list_query *query)
{
    list_query_sort(query, TEXT("name"), true); /* all the same */
    list_query_sort(query, TEXT("created_at"), false);
    list_query_sort(query, TEXT("created_at"), true); /* a second time: nothing */
}

static void test_sorts_in_their_order(void **state)
{
    (void)state;
    make_customers();
    assert_text(list(by_name_then_oldest, 50, 0), "e0 e1 e2 e3 e4 of 5");
}

static void between(struct list_query *query)
{
    newest_first(query);
    list_query_where(query, TEXT("created_at"), LIST_AT_LEAST, value_instant(FIXTURE_NOW_US + 1));
    list_query_where(query, TEXT("created_at"), LIST_AT_MOST, value_instant(FIXTURE_NOW_US + 3));
}

static void strictly_between(struct list_query *query)
{
    newest_first(query);
    list_query_where(query, TEXT("created_at"), LIST_GREATER, value_instant(FIXTURE_NOW_US + 1));
    list_query_where(query, TEXT("created_at"), LIST_LESS, value_instant(FIXTURE_NOW_US + 3));
}

static void some(struct list_query *query)
{
    newest_first(query);
    list_query_where(query, TEXT("external_id"), LIST_ONE_OF,
                     value_text(TEXT("[\"e0\",\"e3\",\"nobody\",\"'; DROP TABLE customers; --\"]")));
}

static void none(struct list_query *query)
{
    newest_first(query);
    list_query_where(query, TEXT("external_id"), LIST_ONE_OF, value_text(TEXT("[]")));
}

static void another(struct list_query *query)
{
    newest_first(query);
    list_query_where(query, TEXT("external_id"), LIST_UNEQUAL, value_text(TEXT("e2")));
    list_query_where(query, TEXT("status"), LIST_EQUAL, value_text(status_published));
}

static void test_conditions(void **state)
{
    (void)state;
    make_customers();
    assert_text(list(between, 50, 0), "e3 e2 e1 of 3");
    assert_text(list(between, 1, 1), "e2 of 3");
    assert_text(list(strictly_between, 50, 0), "e2 of 1");
    assert_text(list(some, 50, 0), "e3 e0 of 2");
    assert_text(list(none, 50, 0), "of 0");
    assert_text(list(another, 50, 0), "e4 e3 e1 e0 of 4");
}

/* What a test compares a field with, and how. */
static struct {
    const char *field;
    enum list_comparison comparison;
    const char *value;
} comparing;

static void compared(struct list_query *query)
{
    newest_first(query);
    list_query_where(query, text_from_string(comparing.field), comparing.comparison,
                     value_text(text_from_string(comparing.value)));
}

static void expect_found(const char *field, enum list_comparison comparison, const char *value,
                         const char *found)
{
    comparing.field = field;
    comparing.comparison = comparison;
    comparing.value = value;
    assert_text(list(compared, 50, 0), found);
}

/* e1's contact is set, and so is the metadata of e1, e2 and e3. */
static void make_different_customers(void)
{
    make_customers();
    store_close(fixture.store);
    fixture_execute(&fixture, "UPDATE customers SET name = '100% Cotton' WHERE external_id = 'e1'");
    fixture_execute(&fixture, "UPDATE customers SET name = '100 COTTON\\' WHERE external_id = 'e2'");
    fixture_execute(&fixture, "UPDATE customers SET contact = 'C_1', metadata = '{\"a\":\"1\",\"b\":\"2\"}' "
                              "WHERE external_id = 'e1'");
    fixture_execute(&fixture, "UPDATE customers SET metadata = '{}' WHERE external_id = 'e2'");
    fixture_execute(&fixture, "UPDATE customers SET metadata = '{\"a\":\"1\"}' WHERE external_id = 'e3'");
    fixture_reopen(&fixture);
}

static void test_parts_of_texts(void **state)
{
    (void)state;
    make_different_customers();
    expect_found("name", LIST_CONTAINS, "cotton", "e2 e1 of 2");
    expect_found("name", LIST_CONTAINS, "0%", "e1 of 1");
    expect_found("name", LIST_CONTAINS, "\\", "e2 of 1");
    expect_found("name", LIST_CONTAINS, "_", "of 0");
    expect_found("name", LIST_CONTAINS, "", "e4 e3 e2 e1 e0 of 5");
    expect_found("name", LIST_NOT_CONTAINS, "cotton", "e4 e3 e0 of 3");
    expect_found("name", LIST_STARTS_WITH, "100 c", "e2 of 1");
    expect_found("name", LIST_STARTS_WITH, "cotton", "of 0");
    expect_found("name", LIST_ENDS_WITH, "cotton", "e1 of 1");
    expect_found("name", LIST_EQUAL_IGNORING_CASE, "acme", "e4 e3 e0 of 3");
    expect_found("name", LIST_EQUAL_IGNORING_CASE, "acm", "of 0");
    expect_found("name", LIST_EQUAL, "acme", "of 0");
    expect_found("tenant_id", LIST_STARTS_WITH, "tenant_", "e4 e3 e2 e1 e0 of 5");
    expect_found("environment_id", LIST_EQUAL, "env_other", "of 0");
}

static void test_what_is_unset_meets_no_comparison(void **state)
{
    (void)state;
    make_different_customers();
    expect_found("contact", LIST_CONTAINS, "", "e1 of 1");
    expect_found("contact", LIST_CONTAINS, "c_", "e1 of 1");
    expect_found("contact", LIST_NOT_CONTAINS, "x", "e1 of 1");
    expect_found("contact", LIST_NOT_CONTAINS, "c", "of 0");
    expect_found("contact", LIST_UNEQUAL, "x", "e1 of 1");
    expect_found("contact", LIST_NOT_ONE_OF, "[\"x\"]", "e1 of 1");
    expect_found("contact", LIST_NOT_ONE_OF, "[\"C_1\",\"x\"]", "of 0");
}

static void test_entries_of_a_map(void **state)
{
    (void)state;
    make_different_customers();
    expect_found("metadata", LIST_HAS_ENTRIES, "{\"a\":\"1\"}", "e3 e1 of 2");
    expect_found("metadata", LIST_HAS_ENTRIES, "{\"b\":\"2\",\"a\":\"1\"}", "e1 of 1");
    expect_found("metadata", LIST_HAS_ENTRIES, "{\"a\":\"2\"}", "of 0");
    expect_found("metadata", LIST_HAS_ENTRIES, "{\"1\":\"a\"}", "of 0");
    expect_found("metadata", LIST_HAS_ENTRIES, "{\"a\":\"\"}", "of 0");
}

static struct text ids_of_two, comparing_id;

static void one_id(struct list_query *query)
{
    newest_first(query);
    list_query_where(query, TEXT("id"), LIST_EQUAL, value_text(comparing_id));
}

static void two_ids(struct list_query *query)
{
    newest_first(query);
    list_query_where(query, TEXT("id"), LIST_ONE_OF, value_text(ids_of_two));
}

/* Rows are told once, however often their id is. */
static void test_ids(void **state)
{
    struct customer first, second;

    (void)state;
    make_customers();
    assert_null(fixture_create(&fixture, "first", &first));
    assert_null(fixture_create(&fixture, "second", &second));
    ids_of_two = arena_format(&fixture.arena, "[\"%.*s\",\"%.*s\",\"%.*s\",\"nobody\",\"\"]",
                              TEXT_FORMAT(first.id), TEXT_FORMAT(second.id), TEXT_FORMAT(first.id));
    assert_text(list(two_ids, 50, 0), "second first of 2");
    assert_text(list(two_ids, 1, 1), "first of 2");
    ids_of_two = TEXT("[]");
    assert_text(list(two_ids, 50, 0), "of 0");
}

static void one_id_among_two(struct list_query *query)
{
    two_ids(query);
    list_query_where(query, TEXT("id"), LIST_EQUAL, value_text(comparing_id));
}

/* By its row, and not by reading all: an id has no index of its own. */
static void test_an_id_leads_to_its_row(void **state)
{
    struct customer first, second;

    (void)state;
    make_customers();
    assert_null(fixture_create(&fixture, "first", &first));
    assert_null(fixture_create(&fixture, "second", &second));
    comparing_id = first.id;
    struct listing listing = {.choose = one_id, .page = {50, 0}};

    assert_null(store_write(fixture.store, &fixture.arena, &fixture.call, run, &listing));
    assert_int_equal(listing.total, 1);
    assert_non_null(strstr(arena_string(&fixture.arena, listing.text), "{row has id sought}"));
    ids_of_two = arena_format(&fixture.arena, "[\"%.*s\"]", TEXT_FORMAT(second.id));
    assert_text(list(one_id_among_two, 50, 0), "of 0");
}

/* ---- the index of what is searched ---- */

static const struct failure *index_and_fail(void *context, struct transaction *transaction)
{
    int64_t count;
    bool is_more;
    const struct failure *failure =
        store_index_searched(fixture.store, transaction, &customer_entity, &count, &is_more);

    (void)context;
    assert_null(failure);
    assert_int_equal(count, CUSTOMERS);
    return failure_new(transaction->arena, FAILURE_VALIDATION, TEXT("after all not"));
}

static const struct failure *index_all(void *context, struct transaction *transaction)
{
    bool is_more;

    return store_index_searched(fixture.store, transaction, &customer_entity, context, &is_more);
}

static void test_what_a_rollback_took_out_of_the_index_is_not_forgotten(void **state)
{
    int64_t count;

    (void)state;
    make_customers();
    assert_non_null(store_write(fixture.store, &fixture.arena, &fixture.call, index_and_fail, NULL));
    assert_true(store_has_unindexed(fixture.store));
    assert_null(store_write(fixture.store, &fixture.arena, &fixture.call, index_all, &count));
    assert_int_equal(count, CUSTOMERS);
    assert_null(store_write(fixture.store, &fixture.arena, &fixture.call, index_all, &count));
    assert_int_equal(count, 0);
    assert_false(store_has_unindexed(fixture.store));
}

/* ---- how many there are ---- */

static void expect_counts(const char *expected)
{
    assert_text(fixture_select(&fixture, "SELECT status, SUM(count) FROM row_counts WHERE count <> 0 "
                                         "GROUP BY status ORDER BY status"),
                expected);
}

static const struct failure *archive_one(struct probe *probe, struct transaction *transaction)
{
    return customer_archive(transaction, probe->customer.id);
}

/* Fails after it has changed something, so that its batch is rolled back and run again. */
static const struct failure *create_and_fail(struct probe *probe, struct transaction *transaction)
{
    const struct failure *failure = probe_create(probe, transaction);

    return failure ? failure : failure_new(transaction->arena, FAILURE_VALIDATION, TEXT("after all not"));
}

static const struct failure *run_together(struct probe *probes, unsigned count)
{
    struct gate gate;

    gate_close(&gate, &fixture);
    for (unsigned i = 0; i < count; i++)
        assert_true(store_submit(fixture.store, &probes[i].command));
    gate_open(&gate);
    for (unsigned i = 0; i < count; i++)
        probe_wait(&probes[i]);
    return NULL;
}

static void test_numbers_follow_what_is_committed(void **state)
{
    enum { COUNT = 4 };
    struct probe probes[COUNT], archiving;

    (void)state;
    expect_counts("");
    make_customers();
    expect_counts("published|5;");
    for (unsigned i = 0; i < COUNT; i++) {
        static const char *const names[COUNT] = {"p0", "p1", "p2", "p3"};

        probe_init(&probes[i], &fixture, i == 2 ? create_and_fail : probe_create, names[i]);
    }
    run_together(probes, COUNT);
    expect_counts("published|8;");
    probe_init(&archiving, &fixture, archive_one, NULL);
    archiving.customer = probes[0].customer;
    run_together(&archiving, 1);
    expect_counts("archived|1;published|7;");
    assert_text(list(published, 1, 0), "p3 of 7");
    for (unsigned i = 0; i < COUNT; i++)
        probe_free(&probes[i]);
    probe_free(&archiving);
}

static void by_contact(struct list_query *query)
{
    list_query_sort(query, TEXT("contact"), false);
}

static void by_contact_backwards(struct list_query *query)
{
    list_query_sort(query, TEXT("contact"), true);
}

static void test_what_is_unset_counts_as_the_largest(void **state)
{
    (void)state;
    make_customers();
    store_close(fixture.store);
    fixture_execute(&fixture, "UPDATE customers SET contact = external_id WHERE external_id IN ('e1', 'e3')");
    fixture_reopen(&fixture);
    assert_text(list(by_contact, 50, 0), "e1 e3 e0 e2 e4 of 5");
    assert_text(list(by_contact_backwards, 50, 0), "e4 e2 e0 e3 e1 of 5");
}

static void test_another_scope_has_nothing(void **state)
{
    struct scope other = fixture.scope;

    (void)state;
    make_customers();
    other.number++;
    fixture.call.scope = &other;
    assert_text(list(newest_first, 50, 0), "of 0");
}

/* ---- plans ---- */

/* What the embedded engine does for the list, a step a line. */
static const char *plan_of(void (*choose)(struct list_query *list))
{
    struct listing listing = {.choose = choose, .page = {50, 0}};
    struct text reason;
    struct connection *connection =
        sqlite_connection_open(text_from_string(fixture.database), SQLITE_READER, &fixture.arena, &reason);
    sqlite3_stmt *statement;
    struct buffer buffer = {0};

    assert_non_null(connection);
    assert_null(store_write(fixture.store, &fixture.arena, &fixture.call, run, &listing));
    const struct query query = {listing.text, &customer_entity, true};
    struct text sql = query_expand(&query, connection, &fixture.arena);

    sql = arena_format(&fixture.arena, "EXPLAIN QUERY PLAN %.*s", TEXT_FORMAT(sql));
    assert_int_equal(
        sqlite3_prepare_v2(sqlite_of(connection)->handle, sql.data, (int)sql.length, &statement, NULL),
        SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW)
        buffer_append_format(&buffer, "%s\n", (const char *)sqlite3_column_text(statement, 3));
    sqlite3_finalize(statement);
    sqlite_connection_close(connection);
    const char *plan = arena_string(&fixture.arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return plan;
}

/* A page of the newest reads as many rows as it has, not the table, and copies none of them: it walks the
 * index that has their order. */
static void test_the_plan_of_the_usual_list(void **state)
{
    const char *plan = plan_of(published);

    (void)state;
    if (!strstr(plan, "USING INDEX customers_by_creation (scope=? AND status=?)") ||
        strstr(plan, "SCAN customers") || strstr(plan, "TEMP B-TREE") || strstr(plan, "MATERIALIZE"))
        fail_msg("%s", plan);
}

static void published_of_two_ids(struct list_query *query)
{
    two_ids(query);
    list_query_where(query, TEXT("status"), LIST_EQUAL, value_text(status_published));
}

/* It walked all that were published, once for each id. */
static void test_the_plan_of_ids_and_a_status(void **state)
{
    (void)state;
    ids_of_two = TEXT("[\"a\",\"b\"]");
    const char *plan = plan_of(published_of_two_ids);

    if (!strstr(plan, "SEARCH customers USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)") ||
        strstr(plan, "customers_by_creation"))
        fail_msg("%s", plan);
}

static void published_of_two_external_ids(struct list_query *query)
{
    list_query_where(query, TEXT("external_id"), LIST_ONE_OF, value_text(TEXT("[\"a\",\"b\"]")));
    list_query_where(query, TEXT("status"), LIST_EQUAL, value_text(status_published));
}

/* It took a second with a million customers. */
static void test_the_plan_of_external_ids_and_a_status(void **state)
{
    (void)state;
    const char *plan = plan_of(published_of_two_external_ids);

    if (!strstr(plan, "SEARCH customers USING INDEX customers_external_id (scope=? AND external_id=?)"))
        fail_msg("%s", plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_the_total_comes_along_whatever_the_page_has),
        FIXTURE_TEST(test_the_total_of_a_status_is_told_beyond_its_end),
        FIXTURE_TEST(test_without_an_order_the_id_decides),
        FIXTURE_TEST(test_sorts_in_their_order),
        FIXTURE_TEST(test_conditions),
        FIXTURE_TEST(test_parts_of_texts),
        FIXTURE_TEST(test_what_is_unset_meets_no_comparison),
        FIXTURE_TEST(test_entries_of_a_map),
        FIXTURE_TEST(test_ids),
        FIXTURE_TEST(test_an_id_leads_to_its_row),
        FIXTURE_TEST(test_what_a_rollback_took_out_of_the_index_is_not_forgotten),
        FIXTURE_TEST(test_numbers_follow_what_is_committed),
        FIXTURE_TEST(test_what_is_unset_counts_as_the_largest),
        FIXTURE_TEST(test_another_scope_has_nothing),
        FIXTURE_TEST(test_the_plan_of_the_usual_list),
        FIXTURE_TEST(test_the_plan_of_ids_and_a_status),
        FIXTURE_TEST(test_the_plan_of_external_ids_and_a_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
