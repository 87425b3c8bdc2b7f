/* The migrated schema against the descriptions of the entities, in both directions; and every query of the
 * program, prepared. */
#include "store_fixture.h"

#include "entity_list.h"
#include "store/migration.h"
#include "store/sqlite/handle.h"
#include "store/sqlite/sqlite.h"
#include "store/transaction.h"

/* From STORE_QUERY. */
extern const struct query *const __start_store_queries[];
extern const struct query *const __stop_store_queries[];

STORE_FIXTURE_OF_FILE()
static unsigned differences;

static void differs(const struct entity *entity, struct text column, const char *what)
{
    print_error("%.*s.%.*s: %s\n", TEXT_FORMAT(entity->table), TEXT_FORMAT(column), what);
    differences++;
}

static struct text column_fact(const struct entity *entity, struct text column, const char *fact)
{
    char sql[256];
    struct text answer;

    snprintf(sql, sizeof sql, "SELECT %s FROM pragma_table_info('%.*s') WHERE name = '%.*s'", fact,
             TEXT_FORMAT(entity->table), TEXT_FORMAT(column));
    answer = fixture_select(&fixture, sql);
    return answer.length ? text_slice(answer, 0, answer.length - 1) : text_none;
}

static const char *expected_type(const struct field *field)
{
    return field_is_text(field) ? "TEXT" : "INTEGER";
}

/* An unset value must have a place to go: what input or the program may leave unset is nullable. */
static bool must_not_be_null(const struct field *field)
{
    if (field->flags & (FIELD_REQUIRED | FIELD_STAMP) || text_equal(field->name, TEXT("id")) ||
        text_equal(field->name, TEXT("status")))
        return true;
    return text_is_set(field->fallback);
}

static bool must_be_nullable(const struct field *field)
{
    return field->flags & FIELD_OMIT_UNSET ||
           (field->flags & FIELD_INPUT && !(field->flags & FIELD_REQUIRED) && !text_is_set(field->fallback));
}

static void compare_column(const struct entity *entity, const struct field *field)
{
    struct text type = column_fact(entity, field->name, "type");
    bool not_null = text_equal(column_fact(entity, field->name, "\"notnull\""), TEXT("1"));

    if (!text_is_set(type)) {
        differs(entity, field->name, "described, but there is no such column");
        return;
    }
    if (!text_equal(type, text_from_string(expected_type(field))))
        differs(entity, field->name, "has another type");
    if (must_not_be_null(field) && !not_null)
        differs(entity, field->name, "must be NOT NULL");
    if (must_be_nullable(field) && not_null)
        differs(entity, field->name, "must be nullable");
}

static void compare_entity(const struct entity *entity)
{
    for (size_t i = 0; i < entity->field_count; i++)
        if (field_is_column(&entity->fields[i]))
            compare_column(entity, &entity->fields[i]);
    bool scoped = text_is_set(column_fact(entity, TEXT("scope"), "type"));

    if (scoped != (entity->scoping == SCOPED_BY_ENVIRONMENT))
        differs(entity, TEXT("scope"), "does not fit how the entity is scoped");
    struct text key = scoped ? TEXT("key") : TEXT("id");

    if (!text_equal(column_fact(entity, key, "pk"), TEXT("1")))
        differs(entity, key, "must be the primary key");
    if (entity->scoping == SCOPED_BY_TENANT && !entity_field(entity, TEXT("tenant_id")))
        differs(entity, TEXT("tenant_id"), "must be described");
}

static void test_every_field_has_its_column(void **state)
{
    (void)state;
    differences = 0;
    for (unsigned i = 0; i < ENTITY_COUNT; i++)
        compare_entity(entities[i]);
    assert_int_equal(differences, 0);
}

static void expect_described(const struct entity *entity)
{
    char sql[256];

    snprintf(sql, sizeof sql, "SELECT name FROM pragma_table_info('%.*s')", TEXT_FORMAT(entity->table));
    struct text columns = fixture_select(&fixture, sql);

    assert_true(columns.length > 0);
    while (columns.length > 0) {
        size_t end = text_find(columns, ';');
        struct text column = text_slice(columns, 0, end);
        const struct field *field = entity_field(entity, column);

        bool is_the_stores = text_equal(column, TEXT("scope")) || text_equal(column, TEXT("key"));

        if (!is_the_stores && (!field || !field_is_column(field)))
            differs(entity, column, "a column, but not described");
        columns = text_from(columns, end + 1);
    }
}

static void test_every_column_is_described(void **state)
{
    (void)state;
    differences = 0;
    for (unsigned i = 0; i < ENTITY_COUNT; i++)
        expect_described(entities[i]);
    assert_int_equal(differences, 0);
}

/* A table is an entity's, or one of the store's own. */
static void test_every_table_is_known(void **state)
{
    static const struct text own[] = {
        TEXT_LITERAL("scopes"),        TEXT_LITERAL("audit_log"),           TEXT_LITERAL("audit_chains"),
        TEXT_LITERAL("system_events"), TEXT_LITERAL("idempotency_records"), TEXT_LITERAL("auths"),
        TEXT_LITERAL("row_counts"),    TEXT_LITERAL("customers_unindexed"),
    };
    struct text tables =
        fixture_select(&fixture, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE "
                                 "'sqlite_%' AND name NOT LIKE '%_search_%'");

    (void)state;
    while (tables.length > 0) {
        size_t end = text_find(tables, ';');
        struct text table = text_slice(tables, 0, end);
        bool known = false;

        for (unsigned i = 0; i < ENTITY_COUNT; i++)
            known = known || text_equal(entities[i]->table, table);
        for (unsigned i = 0; i < sizeof own / sizeof own[0]; i++)
            known = known || text_equal(own[i], table);
        if (!known)
            fail_msg("there is no entity of the table %.*s", TEXT_FORMAT(table));
        tables = text_from(tables, end + 1);
    }
}

/* FIELD_UNIQUE promises a failure that names the field: the last column of a unique index. */
static void test_unique_fields_end_a_unique_index(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ENTITY_COUNT; i++)
        for (size_t j = 0; j < entities[i]->field_count; j++) {
            const struct field *field = &entities[i]->fields[j];
            char sql[512];

            if (!(field->flags & FIELD_UNIQUE))
                continue;
            snprintf(sql, sizeof sql,
                     "SELECT count(*) > 0 FROM pragma_index_list('%.*s') l WHERE l.\"unique\" AND "
                     "(SELECT name FROM pragma_index_info(l.name) ORDER BY seqno DESC LIMIT 1) = '%.*s'",
                     TEXT_FORMAT(entities[i]->table), TEXT_FORMAT(field->name));
            if (!text_equal(fixture_select(&fixture, sql), TEXT("1;")))
                fail_msg("%.*s.%.*s has no unique index that it ends", TEXT_FORMAT(entities[i]->table),
                         TEXT_FORMAT(field->name));
        }
}

static void test_every_query_can_be_prepared(void **state)
{
    unsigned count = 0;
    struct text reason;
    struct connection *connection =
        sqlite_connection_open(text_from_string(fixture.database), SQLITE_READER, &fixture.arena, &reason);

    (void)state;
    assert_non_null(connection);
    for (const struct query *const *query = __start_store_queries; query < __stop_store_queries; query++) {
        struct transaction transaction;

        if (!*query)
            continue;
        transaction_init(&transaction, connection, &fixture.arena, &fixture.call);
        if (!query_statement(&transaction, *query))
            fail_msg("cannot be prepared: %.*s", TEXT_FORMAT((*query)->text));
        count++;
    }
    assert_true(count >= 18); /* that the list is really there */
    sqlite_connection_close(connection);
}

/* How SQLite would run a query, a line a step. */
static struct text plan_of(sqlite3 *handle, const struct query *query)
{
    const struct connection connection = {.engine = &sqlite_engine};
    struct text sql = arena_format(&fixture.arena, "EXPLAIN QUERY PLAN %.*s",
                                   TEXT_FORMAT(query_expand(query, &connection, &fixture.arena)));
    struct buffer plan = {0};
    sqlite3_stmt *statement;

    assert_int_equal(sqlite3_prepare_v2(handle, sql.data, (int)sql.length, &statement, NULL), SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW)
        buffer_append_format(&plan, "%s\n", (const char *)sqlite3_column_text(statement, 3));
    sqlite3_finalize(statement);
    buffer_append_char(&plan, '\0');
    struct text text = arena_copy(&fixture.arena, buffer_text(&plan));

    buffer_free(&plan);
    return text;
}

/* Whether the query has a `{scope = $1 AND id = $2}` or an `{a.id = $1}`. */
static bool looks_up_a_row(const char *text)
{
    for (const char *brace = text; (brace = strchr(brace, '{')); brace++)
        if (strncmp(brace, "{columns}", 9) != 0 && strncmp(brace, "{lock}", 6) != 0 &&
            strncmp(brace, "{elements ", 10) != 0)
            return true;
    return false;
}

/* The planner has no statistics and once took the index on (scope, created_at) for a look-up by id, which
 * read every row of the scope. Tables that grow without bound are never scanned, and an id leads to its key.
 */
static void test_no_query_scans_a_large_table(void **state)
{
    static const char *const scans[] = {"SCAN customers",           "SCAN entity_integration_mappings",
                                        "SCAN audit_log",           "SCAN system_events",
                                        "SCAN idempotency_records", "SCAN customer_aliases",
                                        "SCAN connections",         "SCAN customer_keys"};
    struct text reason;
    struct connection *connection =
        sqlite_connection_open(text_from_string(fixture.database), SQLITE_READER, &fixture.arena, &reason);

    (void)state;
    assert_non_null(connection);
    for (const struct query *const *query = __start_store_queries; query < __stop_store_queries; query++) {
        if (!*query)
            continue;
        const char *text = (*query)->text.data, *plan = plan_of(sqlite_of(connection)->handle, *query).data;

        for (unsigned i = 0; i < sizeof scans / sizeof *scans; i++)
            if (strstr(plan, scans[i]))
                fail_msg("%s\n%s", text, plan);
        if (looks_up_a_row(text) && !strstr(plan, "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"))
            fail_msg("%s\n%s", text, plan);
    }
    sqlite_connection_close(connection);
}

#define BARE "SELECT sequence, occurred_at FROM audit_log WHERE scope = $13 AND "

/* Each search of the audit trail is served by the index that was made for it, in its order. */
static void test_searches_of_the_audit_trail_go_by_their_index(void **state)
{
    static const struct {
        const char *query, *plan; /* a part of each */
    } expected[] = {
        {" AND entity_id = $4 AND occ",
         "INDEX audit_log_by_entity (scope=? AND entity_id=? AND occurred_at>? AND occurred_at<?)"},
        {" AND actor_id = $5 AND occ",
         "INDEX audit_log_by_actor (scope=? AND actor_id=? AND occurred_at>? AND occurred_at<?)"},
        {" AND action = $6 AND action <>",
         "INDEX audit_log_by_action (scope=? AND action=? AND occurred_at>? AND occurred_at<?)"},
        {" AND entity_type = $3 AND occ",
         "INDEX audit_log_by_entity_type (scope=? AND entity_type=? AND occurred_at>? AND occurred_at<?)"},
        {"scope = $13 AND occ", "INDEX audit_log_by_time (scope=? AND occurred_at>? AND occurred_at<?)"},
        {"tenant_id = $14 AND ",
         "INDEX audit_log_by_tenant (tenant_id=? AND occurred_at>? AND occurred_at<?)"},
        /* Where the index has found what is wanted, no row is looked at to count it. */
        {BARE "entity_id = $4 AND occ", "COVERING INDEX audit_log_by_entity (scope=? AND entity_id=?"},
        {BARE "actor_id = $5 AND occ", "COVERING INDEX audit_log_by_actor (scope=? AND actor_id=?"},
        {BARE "action = $6 AND action <>", "COVERING INDEX audit_log_by_action (scope=? AND action=?"},
        {BARE "entity_type = $3 AND occ",
         "COVERING INDEX audit_log_by_entity_type (scope=? AND entity_type=?"},
        {BARE "occ", "COVERING INDEX audit_log_by_time (scope=? AND occurred_at>?"},
    };
    unsigned found[sizeof expected / sizeof *expected] = {0};
    sqlite3 *handle;

    (void)state;
    assert_int_equal(sqlite3_open_v2(fixture.database, &handle, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    for (const struct query *const *query = __start_store_queries; query < __stop_store_queries; query++) {
        if (!*query || !strstr((*query)->text.data, "FROM audit_log"))
            continue;
        const char *text = (*query)->text.data, *plan = plan_of(handle, *query).data;

        for (unsigned i = 0; i < sizeof expected / sizeof *expected; i++) {
            if (!strstr(text, expected[i].query))
                continue;
            found[i]++;
            if (!strstr(plan, expected[i].plan))
                fail_msg("%s\n%s", text, plan);
        }
        /* What is counted is not sorted; the page is. */
        const char *page = strstr(plan, "MATERIALIZE p"), *sorted = strstr(plan, "TEMP B-TREE");

        if (strstr(text, "AS seen") && (!page || (sorted && sorted < page)))
            fail_msg("%s\n%s", text, plan);
    }
    for (unsigned i = 0; i < sizeof expected / sizeof *expected; i++)
        if (!found[i])
            fail_msg("there is no query with %s", expected[i].query);
    sqlite3_close(handle);
}

static void test_version_is_the_number_of_migrations(void **state)
{
    (void)state;
    char expected[16];

    snprintf(expected, sizeof expected, "%d;", sqlite_migration_count);
    assert_text(fixture_select(&fixture, "PRAGMA user_version"), expected);
    assert_int_equal(store_schema_version(text_from_string(fixture.database)), sqlite_migration_count);
    snprintf(expected, sizeof expected, "%d;", SQLITE_APPLICATION_ID);
    assert_text(fixture_select(&fixture, "PRAGMA application_id"), expected);
    assert_text(fixture_select(&fixture, "PRAGMA journal_mode"), "wal;");
}

static void test_opening_again_changes_nothing(void **state)
{
    (void)state;
    struct text before = fixture_select(&fixture, "SELECT sql FROM sqlite_schema ORDER BY name");

    store_close(fixture.store);
    fixture_reopen(&fixture);
    assert_true(text_equal(fixture_select(&fixture, "SELECT sql FROM sqlite_schema ORDER BY name"), before));
    assert_text(fixture_select(&fixture, "SELECT count(*) FROM tenants"), "1;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field_has_its_column),
        cmocka_unit_test(test_every_column_is_described),
        cmocka_unit_test(test_every_table_is_known),
        cmocka_unit_test(test_unique_fields_end_a_unique_index),
        cmocka_unit_test(test_every_query_can_be_prepared),
        cmocka_unit_test(test_no_query_scans_a_large_table),
        cmocka_unit_test(test_searches_of_the_audit_trail_go_by_their_index),
        cmocka_unit_test(test_version_is_the_number_of_migrations),
        cmocka_unit_test(test_opening_again_changes_nothing),
    };

    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
