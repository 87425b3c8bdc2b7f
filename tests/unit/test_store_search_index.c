/* The index of searches of the embedded database: whatever has happened to rows and segments, a list gives
 * what a list that the test keeps itself gives. */
#include "store_fixture.h"

#include "base/case_fold.h"
#include "base/utf8.h"
#include "store/list_query.h"
#include "store/row_key.h"
#include "store/sqlite/handle.h"
#include "store/sqlite/search/search.h"
#include "store/transaction.h"

enum { SCOPES = 3, ROWS_MAX = 24000, FIELDS = 3, CONDITIONS_MAX = 2 };

static struct store_fixture fixture;
static struct connection *writer, *reader;

/* ---- numbers at random ---- */

static uint64_t random_state;

static uint64_t random_number(void)
{
    uint64_t number = random_state += UINT64_C(0x9E3779B97F4A7C15);

    number = (number ^ number >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    number = (number ^ number >> 27) * UINT64_C(0x94D049BB133111EB);
    return number ^ number >> 31;
}

static uint64_t below(uint64_t limit)
{
    return random_number() % limit;
}

static bool happens(unsigned percent)
{
    return below(100) < percent;
}

/* ---- the database, past the store ---- */

static void open_connections(void)
{
    struct text database = text_from_string(fixture.database), reason;

    writer = sqlite_connection_open(database, SQLITE_WRITER, &fixture.arena, &reason);
    reader = sqlite_connection_open(database, SQLITE_READER, &fixture.arena, &reason);
    if (!writer || !reader)
        fail_msg("%.*s", TEXT_FORMAT(reason));
}

static void close_connections(void)
{
    sqlite_connection_close(reader);
    sqlite_connection_close(writer);
    reader = writer = NULL;
}

static void run_sql(const char *sql)
{
    if (!sqlite_execute(writer, sql))
        fail_msg("%s: %s", sql, sqlite3_errmsg(sqlite_of(writer)->handle));
}

static int64_t number_of(const char *sql)
{
    sqlite3_stmt *statement;

    assert_int_equal(sqlite3_prepare_v2(sqlite_of(writer)->handle, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);

    sqlite3_finalize(statement);
    return number;
}

/* ---- the rows, as the test knows them ---- */

struct row {
    char id[32];
    int64_t key, scope, created_at;
    struct text status;
    struct text texts[FIELDS], folded[FIELDS];
    bool is_there;
};

static const char *const field_names[FIELDS] = {"external_id", "name", "email"};
static struct row rows[ROWS_MAX];
static size_t row_count;

static int open_index(void **state)
{
    (void)state;
    fixture_open(&fixture);
    store_close(fixture.store);
    fixture.store = NULL;
    for (unsigned scope = 2; scope <= SCOPES; scope++)
        fixture_execute(&fixture,
                        arena_string(&fixture.arena, arena_format(&fixture.arena,
                                                                  "INSERT INTO scopes SELECT %u, tenant_id, "
                                                                  "'env_%u' FROM scopes WHERE scope = 1",
                                                                  scope, scope)));
    open_connections();
    row_count = 0;
    random_state = 1;
    return 0;
}

static int close_index(void **state)
{
    (void)state;
    close_connections();
    fixture_close(&fixture);
    return 0;
}

#define INDEX_TEST(name) cmocka_unit_test_setup_teardown(name, open_index, close_index)

/* Few words, so that many rows share them; letters whose cases are of different lengths, and the last code
 * point. */
static struct text random_text(unsigned words_max)
{
    static const char *const words[] = {
        "acme",
        "Acme",
        "AG",
        "a",
        "b",
        "ab",
        "aa",
        "aaa",
        "straße",
        "STRASSE",
        "é",
        "É",
        "日本",
        "日",
        "\xF0\x90\x90\x80", /* U+10400 */
        "\xF0\x90\x90\xA8",
        "ſ",
        "\xE2\x84\xAA", /* U+10428, U+212A */
        "_",
        "%",
        "'\\",
        " ",
        "\xF4\x8F\xBF\xBF",
        "İ",
        "ΣΑΣ",
        "σας",
        "x1",
    };
    struct buffer buffer = {0};

    for (uint64_t count = 1 + below(words_max); count > 0; count--)
        buffer_append(&buffer, text_from_string(words[below(sizeof words / sizeof words[0])]));
    struct text text = arena_copy(&fixture.arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return text;
}

/* One and the same thing again and again, so that its terms are at many positions. */
static struct text long_text(void)
{
    struct buffer buffer = {0};
    struct text part = random_text(2);

    while (utf8_length(buffer_text(&buffer)) < 40 + below(200))
        buffer_append(&buffer, happens(95) ? part : random_text(1));
    struct text text = arena_copy(&fixture.arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return text;
}

static void set_text(struct row *row, unsigned field, struct text text)
{
    row->texts[field] = text;
    row->folded[field] = case_fold(&fixture.arena, text);
}

static void random_field(struct row *row, unsigned field)
{
    static unsigned number;
    struct text text = random_text(2);

    switch (field) {
    case 0: /* one of its own */
        set_text(row, field, arena_format(&fixture.arena, "%.*s-%u", TEXT_FORMAT(text), number++));
        return;
    case 1:
        set_text(row, field, happens(2) ? long_text() : random_text(4));
        return;
    default:
        set_text(row, field, happens(30) ? text_empty : random_text(3));
    }
}

static struct text random_status(void)
{
    return happens(85) ? status_published : happens(80) ? status_archived : status_deleted;
}

/* Many of the same instant. */
static int64_t random_instant(void)
{
    return FIXTURE_NOW_US + (int64_t)(happens(50) ? below(8) : below(1000000)) * 1000;
}

static void random_fields(struct row *row)
{
    row->scope = happens(75) ? 1 : 2 + (int64_t)below(SCOPES - 1);
    row->created_at = random_instant();
    row->status = random_status();
    for (unsigned field = 0; field < FIELDS; field++)
        random_field(row, field);
}

static void bind_text(sqlite3_stmt *statement, int number, struct text text)
{
    sqlite3_bind_text(statement, number, text.data, (int)text.length, SQLITE_STATIC);
}

/* Runs SQL with the row's key, scope, id, status, created_at and texts. How many rows it changed. */
static int run_on_row(const char *sql, const struct row *row)
{
    sqlite3 *handle = sqlite_of(writer)->handle;
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v2(handle, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(handle));
    sqlite3_bind_int64(statement, 1, row->key);
    sqlite3_bind_int64(statement, 2, row->scope);
    bind_text(statement, 3, text_from_string(row->id));
    bind_text(statement, 4, row->status);
    sqlite3_bind_int64(statement, 5, row->created_at);
    for (unsigned field = 0; field < FIELDS; field++)
        bind_text(statement, 6 + (int)field, row->texts[field]);
    if (sqlite3_step(statement) != SQLITE_DONE)
        fail_msg("%s: %s", sql, sqlite3_errmsg(handle));
    sqlite3_finalize(statement);
    return sqlite3_changes(handle);
}

static bool insert(struct row *row)
{
    row->is_there =
        run_on_row("INSERT OR IGNORE INTO customers (key, scope, id, status, created_at, updated_at, "
                   "external_id, name, email, created_by, updated_by) "
                   "VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8, '', '')",
                   row) > 0;
    return row->is_there;
}

static void create_row(void)
{
    struct row *row = &rows[row_count];

    assert_true(row_count < ROWS_MAX);
    random_fields(row);
    snprintf(row->id, sizeof row->id, happens(70) ? "cust_0%09llX%016llX" : "c%llX-%llX",
             (unsigned long long)(random_number() >> 30), (unsigned long long)random_number());
    row->key = row_key(text_from_string(row->id));
    if (insert(row)) /* else its key is taken */
        row_count++;
}

static void create_rows(size_t count)
{
    assert_true(sqlite_begin_write(writer));
    while (count-- > 0)
        create_row();
    assert_true(sqlite_commit(writer));
}

static void write_row(const struct row *row)
{
    run_on_row("UPDATE customers SET status = ?4, created_at = ?5, external_id = ?6, name = ?7, email = ?8 "
               "WHERE key = ?1 AND scope = ?2 AND id = ?3",
               row);
}

static void remove_row(struct row *row)
{
    run_on_row("DELETE FROM customers WHERE key = ?1", row);
    row->is_there = false;
}

static void update_row(struct row *row)
{
    unsigned what = (unsigned)below(10);

    if (what < 7)
        random_field(row, what % FIELDS);
    if (what == 7 || what == 8)
        row->status = random_status();
    if (what == 9)
        row->created_at = random_instant();
    write_row(row);
}

static void change_row(void)
{
    struct row *row = &rows[below(row_count)];

    if (!row->is_there) { /* one of the same id, which is another one */
        int64_t scope = row->scope;

        random_fields(row);
        row->scope = scope;
        insert(row);
    } else if (happens(80)) {
        update_row(row);
    } else {
        remove_row(row);
    }
}

static void change_rows(size_t count)
{
    assert_true(sqlite_begin_write(writer));
    while (count-- > 0)
        change_row();
    assert_true(sqlite_commit(writer));
}

/* ---- the index ---- */

/* What has happened to segments, so that a test of it all is one. */
static struct {
    bool is_building, is_building_for_long, is_dropped, is_void, has_many;
} seen;

static void look_at_segments(void)
{
    seen.is_building |= number_of("SELECT COUNT(*) FROM customers_search_segments WHERE state = 1") > 0;
    seen.is_building_for_long |=
        number_of("SELECT COUNT(*) FROM customers_search_segments WHERE state = 1 AND steps > 1") > 0;
    seen.is_dropped |= number_of("SELECT COUNT(*) FROM customers_search_segments WHERE state = 2") > 0;
    seen.is_void |= number_of("SELECT COUNT(*) FROM customers_search_void") > 0;
    seen.has_many |= number_of("SELECT COUNT(*) FROM customers_search_segments WHERE state = 0") > 3;
}

/* A step of it, in the transaction that is open. Whether there may be more. */
static bool step_index(bool is_alone)
{
    int64_t count;
    bool is_more;

    if (!sqlite_index_searched(writer, &customer_entity, is_alone, &count, &is_more))
        fail_msg("%s", sqlite3_errmsg(sqlite_of(writer)->handle));
    assert_true(count > 0 || !is_more);
    return is_more;
}

static bool index_once(bool is_alone)
{
    assert_true(sqlite_begin_write(writer));
    bool is_more = step_index(is_alone);

    assert_true(sqlite_commit(writer));
    look_at_segments();
    return is_more;
}

static void index_and_roll_back(void)
{
    assert_true(sqlite_begin_write(writer));
    step_index(happens(50));
    sqlite_rollback(writer);
}

static void index_all(void)
{
    enum { STEPS_MAX = 10000 };
    unsigned steps = 0;

    while (index_once(true))
        assert_true(++steps < STEPS_MAX);
    assert_int_equal(number_of("SELECT COUNT(*) FROM customers_unindexed"), 0);
    assert_int_equal(number_of("SELECT COUNT(*) FROM customers_search_segments WHERE state <> 0"), 0);
}

/* Until a segment is being made that has taken at least so many steps. */
static void index_until_merging(int64_t steps)
{
    char sql[128];

    snprintf(sql, sizeof sql,
             "SELECT COUNT(*) FROM customers_search_segments WHERE state = 1 AND steps >= %lld",
             (long long)steps);
    while (number_of(sql) == 0)
        if (!index_once(false))
            fail_msg("no segment takes %lld steps", (long long)steps);
}

static void expect_no_findings(struct connection *connection)
{
    struct buffer findings = {0};

    assert_true(sqlite_verify_index(connection, &customer_entity, 10, &findings));
    if (findings.length > 0)
        fail_msg("%.*s", (int)findings.length, findings.data);
    buffer_free(&findings);
}

/* ---- lists ---- */

struct condition {
    unsigned field;
    enum list_comparison comparison;
    struct text folded;
};

struct question {
    struct condition conditions[CONDITIONS_MAX];
    unsigned condition_count;
    int64_t scope;
    struct text status; /* unset: any */
    bool is_descending;
    struct page page;
};

static bool has_text(struct text text, const struct condition *condition)
{
    struct text sought = condition->folded;

    switch (condition->comparison) {
    case LIST_CONTAINS:
        return memmem(text.data, text.length, sought.data, sought.length) != NULL;
    case LIST_STARTS_WITH:
        return text_starts_with(text, sought);
    case LIST_ENDS_WITH:
        return text_ends_with(text, sought);
    default:
        return text_equal(text, sought);
    }
}

static bool matches(const struct row *row, const struct question *question)
{
    if (!row->is_there || row->scope != question->scope ||
        (text_is_set(question->status) && !text_equal(row->status, question->status)))
        return false;
    for (unsigned i = 0; i < question->condition_count; i++)
        if (!has_text(row->folded[question->conditions[i].field], &question->conditions[i]))
            return false;
    return true;
}

static int by_creation(const void *a, const void *b)
{
    const struct row *one = *(const struct row *const *)a, *other = *(const struct row *const *)b;

    if (one->created_at != other->created_at)
        return one->created_at < other->created_at ? -1 : 1;
    return strcmp(one->id, other->id);
}

static int by_creation_backwards(const void *a, const void *b)
{
    return by_creation(b, a);
}

/* What is expected of it. */
static const struct row *found[ROWS_MAX];
static size_t found_count;

static void find(const struct row *from, const struct question *question)
{
    found_count = 0;
    for (size_t i = 0; i < row_count; i++)
        if (matches(&from[i], question))
            found[found_count++] = &from[i];
    if (found_count > 0)
        qsort(found, found_count, sizeof(const struct row *),
              question->is_descending ? by_creation_backwards : by_creation);
}

static void tell(const struct question *question)
{
    print_error("scope %lld, status \"%.*s\", %s, limit %lld, offset %lld\n", (long long)question->scope,
                TEXT_FORMAT(question->status), question->is_descending ? "descending" : "ascending",
                (long long)question->page.limit, (long long)question->page.offset);
    for (unsigned i = 0; i < question->condition_count; i++)
        print_error("%s, comparison %d: \"%.*s\"\n", field_names[question->conditions[i].field],
                    question->conditions[i].comparison, TEXT_FORMAT(question->conditions[i].folded));
}

static void begin_list(struct list_query *list, struct transaction *transaction,
                       const struct question *question)
{
    list_query_begin(list, transaction, &customer_entity);
    if (text_is_set(question->status))
        list_query_where(list, TEXT("status"), LIST_EQUAL, value_text(question->status));
    for (unsigned i = 0; i < question->condition_count; i++)
        list_query_where(list, text_from_string(field_names[question->conditions[i].field]),
                         question->conditions[i].comparison, value_text(question->conditions[i].folded));
    list_query_sort(list, TEXT("created_at"), question->is_descending);
}

static void compare(const struct record_list *list, int64_t total, const struct question *question)
{
    size_t offset = (size_t)question->page.offset, count = 0;
    const struct customer *customers = list->records;

    if (offset < found_count)
        count = found_count - offset < (size_t)question->page.limit ? found_count - offset
                                                                    : (size_t)question->page.limit;
    if ((size_t)total != found_count || list->count != count) {
        tell(question);
        fail_msg("%zu rows of %lld, expected %zu of %zu", list->count, (long long)total, count, found_count);
    }
    for (size_t i = 0; i < count; i++)
        if (!text_equal(customers[i].id, text_from_string(found[offset + i]->id))) {
            tell(question);
            fail_msg("row %zu is %.*s, expected %s", i, TEXT_FORMAT(customers[i].id), found[offset + i]->id);
        }
}

/* Asks the database, and expects what is to be found in `from`. */
static void ask_of(struct connection *connection, const struct row *from, struct question *question)
{
    struct scope scope = fixture.scope;
    struct call call = fixture.call;
    struct transaction transaction;
    struct list_query query;
    struct arena arena;
    int64_t total;

    find(from, question);
    if (question->page.offset < 0) /* somewhere in it */
        question->page.offset = (int64_t)below(found_count + 3);
    arena_init(&arena);
    scope.number = question->scope;
    call.scope = &scope;
    transaction_init(&transaction, connection, &arena, &call);
    begin_list(&query, &transaction, question);
    struct record_list list = list_query_run(&query, &question->page, &total);

    if (transaction.failure)
        fail_msg("%.*s", TEXT_FORMAT(transaction.failure->message));
    compare(&list, total, question);
    arena_free(&arena);
}

static void ask(struct connection *connection, struct question *question)
{
    ask_of(connection, rows, question);
}

/* A part of a text, by code points. */
static struct text random_part(struct text text, enum list_comparison comparison)
{
    size_t count = utf8_length(text), start = count ? below(count) : 0;
    size_t length = count ? 1 + below(happens(70) ? 5 : count) : 0, at = 0, skipped = 0;

    if (comparison == LIST_STARTS_WITH)
        start = 0;
    if (comparison == LIST_ENDS_WITH)
        length = count;
    if (comparison == LIST_EQUAL_IGNORING_CASE)
        return text;
    for (; skipped < start; skipped++)
        utf8_next(text, &at);
    size_t end = at;

    for (; skipped < count && skipped < start + length; skipped++)
        utf8_next(text, &end);
    return text_slice(text, at, end - at);
}

static struct condition random_condition(void)
{
    static const enum list_comparison comparisons[] = {LIST_CONTAINS, LIST_CONTAINS, LIST_STARTS_WITH,
                                                       LIST_ENDS_WITH, LIST_EQUAL_IGNORING_CASE};
    struct condition condition = {.field = (unsigned)below(FIELDS), .comparison = comparisons[below(5)]};
    const struct row *row = &rows[below(row_count)];
    struct text text = happens(10) ? case_fold(&fixture.arena, random_text(2)) : row->folded[condition.field];

    condition.folded = random_part(text, condition.comparison);
    if (happens(10)) /* elsewhere, perhaps */
        condition.comparison = comparisons[below(5)];
    return condition;
}

static struct question random_question(void)
{
    struct question question = {
        .scope = happens(80) ? 1 : 2 + (int64_t)below(SCOPES - 1),
        .status = happens(20)   ? text_none
                  : happens(75) ? status_published
                  : happens(50) ? status_archived
                                : status_deleted,
        .is_descending = happens(50),
        .page = {.limit = happens(10) ? 100000 : 1 + (int64_t)below(50),
                 .offset = happens(30)   ? 0
                           : happens(60) ? -1
                                         : 490 + (int64_t)below(2000)},
    };

    if (happens(85))
        question.conditions[question.condition_count++] = random_condition();
    if (question.condition_count && happens(30))
        question.conditions[question.condition_count++] = random_condition();
    return question;
}

static void ask_at_random(struct connection *connection, const struct row *from, unsigned count)
{
    while (count-- > 0) {
        struct question question = random_question();

        ask_of(connection, from, &question);
    }
}

/* All that must hold, on one of the connections. */
static void expect_right(unsigned count)
{
    struct connection *connection = happens(50) ? reader : writer;

    assert_true(sqlite_begin_read(connection));
    expect_no_findings(connection);
    ask_at_random(connection, rows, count);
    sqlite_rollback(connection);
}

/* ---- at random ---- */

static void index_at_random(void)
{
    for (uint64_t count = below(8); count > 0; count--)
        if (happens(15))
            index_and_roll_back();
        else
            index_once(happens(60));
    if (happens(10))
        index_all();
}

/* Changes and steps of the index in one transaction, of which a part is rolled back. */
static void fail_at_random(void)
{
    static struct row before[ROWS_MAX];
    size_t count_before = row_count;

    memcpy(before, rows, row_count * sizeof rows[0]);
    assert_true(sqlite_begin_write(writer));
    if (happens(50))
        step_index(happens(50));
    assert_true(sqlite_savepoint(writer));
    for (uint64_t count = below(50); count > 0; count--)
        change_row();
    if (happens(50))
        step_index(happens(50));
    assert_true(sqlite_rollback_to(writer));
    memcpy(rows, before, count_before * sizeof rows[0]);
    if (happens(50))
        step_index(happens(50));
    assert_true(sqlite_commit(writer));
}

static void run_at_random(uint64_t seed, unsigned rounds)
{
    random_state = seed;
    create_rows(2500 + below(1000));
    expect_right(20);
    for (unsigned round = 0; round < rounds; round++) {
        if (happens(40))
            create_rows(below(400));
        if (happens(70))
            change_rows(happens(10) ? 800 : below(200));
        if (happens(20))
            fail_at_random();
        if (happens(10)) {
            close_connections();
            open_connections();
        }
        index_at_random();
        expect_right(15);
    }
    index_all();
    expect_right(100);
}

static void test_lists_are_right_whatever_happens(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    run_at_random(1, 25);
    run_at_random(2, 25);
    assert_true(seen.is_building && seen.is_building_for_long && seen.is_dropped && seen.is_void &&
                seen.has_many);
}

static void test_each_step_keeps_lists_right(void **state)
{
    (void)state;
    create_rows(3200);
    do
        expect_right(4);
    while (index_once(happens(50)));
    change_rows(700);
    do
        expect_right(4);
    while (index_once(true));
    assert_int_equal(number_of("SELECT COUNT(*) FROM customers_unindexed"), 0);
}

/* A reader's snapshot has the segments of then. */
static void test_a_snapshot_stays_what_it_was(void **state)
{
    static struct row before[ROWS_MAX];

    (void)state;
    create_rows(4000);
    index_until_merging(1);
    change_rows(100);
    memcpy(before, rows, row_count * sizeof rows[0]);
    assert_true(sqlite_begin_read(reader));
    ask_at_random(reader, before, 5);
    for (unsigned i = 0; i < 5; i++) {
        change_rows(600);
        index_all();
        ask_at_random(reader, before, 10);
    }
    expect_no_findings(reader);
    sqlite_rollback(reader);
    expect_right(20);
}

/* ---- merges that do not come to their end ---- */

static void test_a_merge_that_is_rolled_back_is_begun_again(void **state)
{
    (void)state;
    create_rows(2600);
    for (unsigned round = 0; round < 6; round++) {
        while (index_once(true)) {
            look_at_segments();
            if (happens(30))
                index_and_roll_back();
            expect_right(1);
        }
        expect_right(10);
        change_rows(900);
    }
    index_all();
    expect_right(20);
}

/* The step that begins it, one on the way, and the one that ends it. */
static void test_each_step_of_a_merge_may_be_rolled_back(void **state)
{
    (void)state;
    for (unsigned kept = 0; kept < 4; kept++) {
        create_rows(2100);
        while (number_of("SELECT COUNT(*) FROM customers_unindexed") > 0)
            index_once(true);
        for (unsigned i = 0; i < kept; i++)
            index_once(false);
        index_and_roll_back();
        index_and_roll_back();
        expect_right(5);
        change_rows(20);
        index_once(false);
        expect_right(5);
        index_all();
        expect_right(10);
    }
}

static void test_a_store_that_was_closed_while_it_merged(void **state)
{
    (void)state;
    create_rows(4000);
    index_until_merging(2);
    change_rows(50);
    close_connections();
    open_connections();
    expect_right(10);
    index_once(false);
    expect_right(10);
    index_all();
    expect_right(20);
}

/* ---- in the store ---- */

static const struct failure *index_in_store(struct probe *probe, struct transaction *transaction)
{
    int64_t *count = probe->context;
    bool is_more;

    return store_index_searched(fixture.store, transaction, &customer_entity, count, &is_more);
}

static const struct failure *create_and_fail(struct probe *probe, struct transaction *transaction)
{
    const struct failure *failure = probe_create(probe, transaction);

    return failure ? failure : failure_new(transaction->arena, FAILURE_VALIDATION, TEXT("after all not"));
}

/* A step in a batch with a command that fails or does not. What the step counted. */
static int64_t index_in_batch(bool fails)
{
    struct probe indexing, other;
    struct gate gate;
    int64_t count = -1;

    probe_init(&indexing, &fixture, index_in_store, NULL);
    probe_init(&other, &fixture, create_and_fail, "never there");
    indexing.context = &count;
    gate_close(&gate, &fixture);
    assert_true(store_submit(fixture.store, &indexing.command));
    if (fails)
        assert_true(store_submit(fixture.store, &other.command));
    gate_open(&gate);
    probe_wait(&indexing);
    assert_null(indexing.command.failure);
    if (fails) {
        probe_wait(&other);
        assert_non_null(other.command.failure);
    }
    probe_free(&indexing);
    probe_free(&other);
    return count;
}

static void test_a_batch_that_fails_and_is_run_again(void **state)
{
    (void)state;
    create_rows(2600);
    close_connections();
    fixture_reopen(&fixture);
    for (unsigned i = 0; index_in_batch(i % 3 == 1); i++)
        assert_true(i < 10000);
    assert_false(store_has_unindexed(fixture.store));
    store_close(fixture.store);
    fixture.store = NULL;
    open_connections();
    assert_int_equal(number_of("SELECT COUNT(*) FROM customers_unindexed"), 0);
    expect_right(20);
}

/* ---- rows that were changed and changed back ---- */

/* Of each ten rows the `which`th, as the status says; then they are taken in. */
static void set_statuses(size_t which, struct text status)
{
    assert_true(sqlite_begin_write(writer));
    for (size_t i = which; i < row_count; i += 10) {
        rows[i].status = status;
        write_row(&rows[i]);
    }
    assert_true(sqlite_commit(writer));
    index_all();
}

/* A published row, of each ten the `which`th, is changed: in what is found by, in when it was created, in its
 * status, or it is removed; not taken in. */
static void change_each_tenth(size_t which)
{
    assert_true(sqlite_begin_write(writer));
    for (size_t i = which; i < row_count; i += 10) {
        struct row *row = &rows[i];

        if (i / 10 % 4 == 0)
            set_text(row, 1, TEXT("changed"));
        if (i / 10 % 4 == 1)
            row->created_at += 1;
        if (i / 10 % 4 == 2)
            row->status = status_archived;
        if (i / 10 % 4 == 3)
            remove_row(row);
        else
            write_row(row);
    }
    assert_true(sqlite_commit(writer));
}

/* Lists from far offsets, and searches that find more rows than are noted, and fewer. */
static void ask_for_many_and_few(void)
{
    static const struct condition conditions[] = {{1, LIST_CONTAINS, TEXT_LITERAL("a")},
                                                  {1, LIST_CONTAINS, TEXT_LITERAL("common")},
                                                  {1, LIST_CONTAINS, TEXT_LITERAL("rare")},
                                                  {1, LIST_CONTAINS, TEXT_LITERAL("changed")}};
    const struct text statuses[] = {status_published, status_archived, text_none};

    for (unsigned i = 0; i < 2 * 3 * 5 * 3; i++) {
        struct question question = {.scope = 1 + i / 45, .status = statuses[i % 3]};

        question.is_descending = happens(50);
        question.condition_count = i / 3 % 5 > 0;
        if (question.condition_count)
            question.conditions[0] = conditions[i / 3 % 5 - 1];
        question.page.limit = 1 + (int64_t)below(100);
        question.page.offset = i / 15 % 3 == 0 ? 0 : i / 15 % 3 == 1 ? -1 : 1000 + (int64_t)below(4000);
        ask(reader, &question);
    }
}

static void create_published_rows(size_t count, int64_t scope)
{
    size_t end = row_count + count;

    assert_true(sqlite_begin_write(writer));
    while (row_count < end) {
        struct row *row = &rows[row_count];

        random_fields(row);
        row->scope = scope;
        row->status = status_published;
        set_text(row, 1, row_count % 97 < 11 ? TEXT("rare") : TEXT("common"));
        snprintf(row->id, sizeof row->id, "cust_01KDVDNA00%016zX", row_count);
        row->key = row_key(text_from_string(row->id));
        if (insert(row))
            row_count++;
    }
    assert_true(sqlite_commit(writer));
    index_all();
}

/* Void in the one that they were in first, which has more documents than there are bits in a part of the void
 * ones, and not a whole number of bytes of them; and not void in another. */
static void test_rows_that_two_segments_have_in_one_place(void **state)
{
    (void)state;
    create_published_rows(3, 1);
    create_published_rows(5000, 1);
    create_published_rows(100, 2);
    set_statuses(3, status_archived);
    set_statuses(3, status_published);
    int64_t void_count = number_of("SELECT SUM(void) FROM customers_search_segments");

    assert_true(void_count >= 500);
    assert_int_equal(number_of("SELECT SUM(documents) FROM customers_search_segments"),
                     (int64_t)row_count + void_count);
    assert_int_equal(number_of("SELECT COUNT(*) FROM customers_search_segments WHERE documents > 4096 AND "
                               "documents % 8 <> 0"),
                     1);
    assert_true(number_of("SELECT COUNT(*) FROM customers_search_void WHERE part = 1") > 0);
    ask_for_many_and_few();
    change_each_tenth(3); /* not void in the small segments */
    ask_for_many_and_few();
    change_each_tenth(4); /* not void in the large one */
    ask_for_many_and_few();
    index_all();
    ask_for_many_and_few();
    expect_right(5);
}

/* ---- damage ---- */

static void test_an_index_that_is_damaged_is_made_anew(void **state)
{
    static const char *const damages[] = {
        "UPDATE customers_search_postings SET data = zeroblob(100)",
        "UPDATE customers_search_postings SET data = zeroblob(0)",
        "UPDATE customers_search_postings SET data = zeroblob(5000)",
        "UPDATE customers_search_postings SET data = substr(data, 1, length(data) - 1)",
        "DELETE FROM customers_search_postings",
        "UPDATE customers_search_documents SET data = zeroblob(15)",
        "UPDATE customers_search_documents SET data = zeroblob(5000)",
        "UPDATE customers_search_void SET bits = zeroblob(1)",
    };

    (void)state;
    create_rows(1500);
    for (unsigned i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        index_all();
        change_rows(20);
        index_all();
        expect_right(5);
        run_sql(damages[i]);
        ask_at_random(writer, rows, 10);
        ask_at_random(reader, rows, 10);
        change_rows(700);
        ask_at_random(reader, rows, 5);
        index_once(true);
        expect_right(10);
    }
    index_all();
    expect_right(20);
}

/* After any damage nobody can say what is found, but nothing ends or fails. */
static void expect_answers(void)
{
    for (unsigned i = 0; i < 20; i++) {
        struct question question = random_question();
        struct scope scope = fixture.scope;
        struct call call = fixture.call;
        struct transaction transaction;
        struct list_query query;
        struct arena arena;
        int64_t total;

        arena_init(&arena);
        scope.number = question.scope;
        call.scope = &scope;
        transaction_init(&transaction, writer, &arena, &call);
        begin_list(&query, &transaction, &question);
        question.page.offset = (int64_t)below(1500);
        list_query_run(&query, &question.page, &total);
        assert_null(transaction.failure);
        arena_free(&arena);
    }
    struct buffer findings = {0};

    assert_true(sqlite_verify_index(writer, &customer_entity, 10, &findings));
    buffer_free(&findings);
}

static void damage(const char *sql)
{
    sqlite3_stmt *statement;

    assert_int_equal(sqlite3_prepare_v2(sqlite_of(writer)->handle, sql, -1, &statement, NULL), SQLITE_OK);
    sqlite3_bind_int64(statement, 1, (int64_t)below(1000));
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
    sqlite3_finalize(statement);
}

static void test_any_damage_is_survived(void **state)
{
    static const char *const damages[] = {
        ("UPDATE customers_search_postings SET data = CAST(substr(data, 1, ?1) || randomblob(4) || "
         "substr(data, ?1 + 5) AS BLOB) WHERE block % 7 = ?1 % 7"),
        "UPDATE customers_search_postings SET data = randomblob(length(data)) WHERE block % 5 = ?1 % 5",
        "UPDATE customers_search_documents SET data = randomblob(length(data)) WHERE block % 3 = ?1 % 3",
        "UPDATE customers_search_documents SET block = block + 1000 + ?1 % 3",
        "UPDATE customers_search_documents SET created_at = random() % 1000 + ?1, key = random()",
        "UPDATE customers_search_void SET bits = randomblob(length(bits)) WHERE part >= ?1 * 0",
        "UPDATE customers_search_segments SET documents = documents + ?1 % 9 - 4",
        "UPDATE customers_search_segments SET blocks = blocks + ?1 % 9 - 4",
        "UPDATE customers_search_segments SET void = ?1 % 300",
        "UPDATE customers_search_postings SET term = random(), document = ?1 WHERE block % 2 = 0",
    };
    enum { COUNT = sizeof damages / sizeof damages[0] };

    (void)state;
    create_rows(1200);
    for (unsigned i = 0; i < 3 * COUNT; i++) {
        index_all();
        change_rows(10);
        index_all();
        damage(damages[i % COUNT]);
        expect_answers();
        change_rows(happens(50) ? 600 : 20);
        for (unsigned steps = 0; steps < 10; steps++)
            index_once(true);
        /* Begun anew, so that the next damage is to a whole one. */
        run_sql("UPDATE customers_search_segments SET state = 2");
        run_sql("INSERT OR REPLACE INTO customers_unindexed SELECT key, 1, scope, created_at, status "
                "FROM customers");
    }
    index_all();
    expect_right(10);
}

static void test_more_is_wrong_than_may_be_told(void **state)
{
    struct buffer findings = {0};

    (void)state;
    create_rows(100);
    index_all();
    run_sql("UPDATE customers_search_documents SET data = randomblob(length(data))");
    assert_true(sqlite_verify_index(writer, &customer_entity, 3, &findings));
    assert_true(findings.length > 0);
    buffer_free(&findings);
}

/* What cannot be removed is a failure, and not work that was done. */
static void test_a_failure_to_remove_what_was_merged_is_told(void **state)
{
    int64_t count;
    bool is_more;

    (void)state;
    create_rows(300);
    index_all();
    create_rows(300);
    run_sql("CREATE TRIGGER refuse BEFORE DELETE ON customers_search_postings BEGIN "
            "SELECT RAISE(ABORT, 'refused'); END");
    assert_true(sqlite_begin_write(writer));
    assert_false(sqlite_index_searched(writer, &customer_entity, true, &count, &is_more));
    sqlite_rollback(writer);
    run_sql("DROP TRIGGER refuse");
    index_all();
    expect_right(10);
}

/* ---- more than the index is asked for ---- */

static void test_many_rows_of_one_instant_and_many_noted_ones(void **state)
{
    enum { COUNT = 20500 };

    (void)state;
    assert_true(sqlite_begin_write(writer));
    while (row_count < COUNT) {
        struct row *row = &rows[row_count];

        random_fields(row);
        row->scope = 1;
        row->status = status_published;
        row->created_at = FIXTURE_NOW_US + (row_count % 100 == 0);
        snprintf(row->id, sizeof row->id, "cust_01KDVDNA00%016zX", row_count);
        row->key = row_key(text_from_string(row->id));
        if (insert(row))
            row_count++;
    }
    assert_true(sqlite_commit(writer));
    expect_right(5); /* too many are noted */
    index_all();
    for (unsigned i = 0; i < 12; i++) {
        struct question question = random_question();

        question.scope = 1;
        question.status = status_published;
        question.condition_count = i % 2;
        question.page.limit = 20;
        question.page.offset = i < 6 ? 1100 : COUNT - 10 * (int64_t)i;
        question.conditions[0] = (struct condition){1, LIST_CONTAINS, TEXT("a")};
        ask(reader, &question);
    }
}

/* Else each search of an environment whose customers are archived would read all of them. */
static void test_rows_of_another_status_are_not_read(void **state)
{
    const struct scope one = {.number = 1}, other = {.number = 2};

    (void)state;
    create_rows(100);
    run_sql("DELETE FROM customers WHERE scope <> 1");
    run_sql("UPDATE customers SET status = 'archived'");
    assert_true(number_of("SELECT COUNT(*) FROM customers") > 0);
    assert_true(sqlite_reads_whole(reader, &customer_entity, &one, TEXT("archived")));
    assert_true(sqlite_reads_whole(reader, &customer_entity, &one, (struct text){0}));
    assert_false(sqlite_reads_whole(reader, &customer_entity, &one, status_published));
    assert_false(sqlite_reads_whole(reader, &customer_entity, &other, TEXT("archived")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        INDEX_TEST(test_lists_are_right_whatever_happens),
        INDEX_TEST(test_each_step_keeps_lists_right),
        INDEX_TEST(test_a_snapshot_stays_what_it_was),
        INDEX_TEST(test_a_merge_that_is_rolled_back_is_begun_again),
        INDEX_TEST(test_each_step_of_a_merge_may_be_rolled_back),
        INDEX_TEST(test_a_store_that_was_closed_while_it_merged),
        INDEX_TEST(test_a_batch_that_fails_and_is_run_again),
        INDEX_TEST(test_rows_that_two_segments_have_in_one_place),
        INDEX_TEST(test_an_index_that_is_damaged_is_made_anew),
        INDEX_TEST(test_any_damage_is_survived),
        INDEX_TEST(test_more_is_wrong_than_may_be_told),
        INDEX_TEST(test_a_failure_to_remove_what_was_merged_is_told),
        INDEX_TEST(test_many_rows_of_one_instant_and_many_noted_ones),
        INDEX_TEST(test_rows_of_another_status_are_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
