/* The write lane: a change into its row, with the audit row and the event that follow from it. */
#include "store_fixture.h"

#include "base/hash.h"
#include "domain/records.h"
#include "store/engine.h"

static void test_insert_writes_row_audit_and_event(void **state)
{
    struct store_fixture *fixture = *state;
    struct customer customer;

    assert_null(fixture_create(fixture, "acme", &customer));
    assert_text(fixture_select(fixture,
                               "SELECT scope, external_id, name, email, contact, timezone, metadata, "
                               "status, created_at, updated_at FROM customers"),
                "1|acme|Acme||-|UTC|-|published|1767323045123456|1767323045123456;");
    assert_text(fixture_select(fixture, "SELECT id = entity_id FROM customers, audit_log WHERE entity_type = "
                                        "'customer'"),
                "1;");
    assert_text(
        fixture_select(
            fixture,
            "SELECT a.scope, action, actor_id = u.id, request_id, occurred_at, opened(entity_id, changes) "
            "FROM audit_log a, users u WHERE entity_type = 'customer'"),
        "1|created|1|request|1767323045123456|{\"after\":{\"external_id\":\"acme\",\"name\":\"Acme\","
        "\"timezone\":\"UTC\",\"status\":\"published\"}};");
    assert_text(fixture_select(fixture, "SELECT e.scope, event_name, e.entity_type, e.entity_id = c.id, "
                                        "e.id LIKE 'sys_event\\___________________________' ESCAPE '\\', "
                                        "json_extract(opened(e.id, payload), '$.event_type'), "
                                        "json_extract(opened(e.id, payload), '$.customer.external_id'), "
                                        "json_extract(opened(e.id, payload), '$.customer.id') = c.id "
                                        "FROM system_events e, customers c"),
                "1|customer.created|customer|1|1|customer.created|acme|1;");
}

struct updating {
    struct text id;
    const char *city;     /* NULL: leave it */
    const char *metadata; /* the same */
    bool touch;           /* stamp it as updated */
};

static const struct failure *run_update(void *context, struct transaction *transaction)
{
    const struct updating *updating = context;
    struct customer *before = ARENA_NEW(transaction->arena, struct customer);
    struct customer *after = ARENA_NEW(transaction->arena, struct customer);
    const struct failure *failure = customer_get(transaction, updating->id, before);

    if (failure)
        return failure;
    *after = *before;
    if (updating->city)
        after->address_city = text_from_string(updating->city);
    if (updating->metadata)
        after->metadata = text_from_string(updating->metadata);
    if (updating->touch)
        RECORD_STAMP_UPDATED(after, transaction->call);
    transaction_update(transaction, transaction->call->scope, &customer_entity, before, after);
    return NULL;
}

/* ---- updates ---- */

enum { CHANGED_TEXTS = 8 };

struct change {
    const struct customer *before;
    unsigned columns; /* bit set of the texts that change */
    const char *value;
};

static const struct failure *run_change(void *context, struct transaction *transaction)
{
    const struct change *change = context;
    struct customer *after = ARENA_NEW(transaction->arena, struct customer);

    *after = *change->before;
    struct text *const texts[CHANGED_TEXTS] = {
        &after->name,         &after->email,         &after->address_line1,       &after->address_line2,
        &after->address_city, &after->address_state, &after->address_postal_code, &after->address_country};

    for (unsigned i = 0; i < CHANGED_TEXTS; i++)
        if (change->columns & 1U << i)
            *texts[i] = text_from_string(change->value);
    transaction_update(transaction, transaction->call->scope, &customer_entity, change->before, after);
    return NULL;
}

/* Statements for updates are made as they are needed, and only so many are kept. */
static void test_more_sets_of_columns_than_statements_are_kept(void **state)
{
    struct store_fixture *fixture = *state;
    struct customer customer;

    assert_null(fixture_create(fixture, "acme", &customer));
    for (unsigned round = 0; round < 2; round++)
        for (unsigned columns = 1; columns <= 4 * CONNECTION_VARYING_MAX - 1; columns++) {
            struct change change = {&customer, columns, round ? "b" : "a"};

            assert_null(store_write(fixture->store, &fixture->arena, &fixture->call, run_change, &change));
        }
    assert_text(fixture_select(fixture, "SELECT name, email, address_line1, address_line2, address_city, "
                                        "address_state, address_postal_code, address_country FROM customers"),
                "b|b|b|b|b|b|b|b;");
}

static void test_an_update_of_a_row_that_is_gone_fails(void **state)
{
    struct store_fixture *fixture = *state;
    struct customer customer;

    assert_null(fixture_create(fixture, "acme", &customer));
    customer.id = TEXT("cust_01KDVDNA000000000000000000");
    struct change change = {&customer, 1, "b"};
    const struct failure *failure =
        store_write(fixture->store, &fixture->arena, &fixture->call, run_change, &change);

    assert_non_null(failure);
    assert_int_equal(failure->code, FAILURE_VERSION_CONFLICT);
    assert_text(fixture_select(fixture, "SELECT name FROM customers"), "Acme;");
    assert_text(fixture_select(fixture, "SELECT count(*) FROM audit_log WHERE action LIKE '%update%'"), "0;");
}

static void test_update_writes_only_changed_columns(void **state)
{
    struct store_fixture *fixture = *state;
    struct customer customer;
    struct call later = fixture->call;

    assert_null(fixture_create(fixture, "acme", &customer));
    /* Whatever else is in the row by now must survive an update that does not know of it. */
    store_close(fixture->store);
    fixture_execute(fixture, "CREATE TABLE assigned (name TEXT);"
                             "CREATE TRIGGER name_assigned AFTER UPDATE OF name ON customers BEGIN "
                             "INSERT INTO assigned VALUES ('name'); END;"
                             "CREATE TRIGGER city_assigned AFTER UPDATE OF address_city ON customers BEGIN "
                             "INSERT INTO assigned VALUES ('address_city'); END;"
                             "CREATE TRIGGER metadata_assigned AFTER UPDATE OF metadata ON customers BEGIN "
                             "INSERT INTO assigned VALUES ('metadata'); END;");
    fixture_reopen(fixture);
    later.now_us++;
    struct updating updating = {.id = customer.id, .city = "Pune", .metadata = "{}", .touch = true};

    assert_null(store_write(fixture->store, &fixture->arena, &later, run_update, &updating));
    assert_text(fixture_select(fixture, "SELECT name FROM assigned ORDER BY name"), "address_city;metadata;");
    assert_text(
        fixture_select(fixture, "SELECT address_city, metadata, updated_at - created_at FROM customers"),
        "Pune|{}|1;");
    assert_text(
        fixture_select(
            fixture,
            "SELECT action, opened(entity_id, changes) FROM audit_log WHERE entity_type = 'customer' "
            "AND action <> 'created'"),
        "updated|{\"before\":{\"address_city\":\"\",\"metadata\":null},\"after\":{\"address_city\":\"Pune\","
        "\"metadata\":{}}};");
    assert_text(
        fixture_select(fixture,
                       "SELECT event_name, json_extract(opened(e.id, payload), '$.customer.address_city') "
                       "FROM system_events e ORDER BY sequence"),
        "customer.created|-;customer.updated|Pune;");
}

static void test_update_that_changes_nothing_writes_nothing(void **state)
{
    struct store_fixture *fixture = *state;
    struct customer customer;

    assert_null(fixture_create(fixture, "acme", &customer));
    struct text audit = fixture_select(fixture, "SELECT count(*) FROM audit_log");
    struct updating updating = {.id = customer.id, .city = ""};

    assert_null(store_write(fixture->store, &fixture->arena, &fixture->call, run_update, &updating));
    assert_true(text_equal(fixture_select(fixture, "SELECT count(*) FROM audit_log"), audit));
    assert_text(fixture_select(fixture, "SELECT count(*) FROM system_events"), "1;");
}

static const struct failure *run_archive(void *context, struct transaction *transaction)
{
    return customer_archive(transaction, *(struct text *)context);
}

static void test_archive_frees_the_unique_value(void **state)
{
    struct store_fixture *fixture = *state;
    struct customer customer;

    assert_null(fixture_create(fixture, "acme", &customer));
    assert_null(store_write(fixture->store, &fixture->arena, &fixture->call, run_archive, &customer.id));
    assert_text(fixture_select(
                    fixture,
                    "SELECT action, opened(entity_id, changes) FROM audit_log WHERE entity_type = 'customer' "
                    "ORDER BY sequence DESC LIMIT 1"),
                "archived|{\"before\":{\"status\":\"published\"},\"after\":{\"status\":\"archived\"}};");
    assert_text(fixture_select(fixture, "SELECT event_name FROM system_events ORDER BY sequence"),
                "customer.created;customer.deleted;");
    assert_null(fixture_create(fixture, "acme", NULL));
    const struct failure *failure =
        store_write(fixture->store, &fixture->arena, &fixture->call, run_archive, &customer.id);

    assert_non_null(failure);
    assert_int_equal(failure->code, FAILURE_NOT_FOUND);
}

static void test_taken_value_names_its_field_and_leaves_nothing(void **state)
{
    struct store_fixture *fixture = *state;

    assert_null(fixture_create(fixture, "acme", NULL));
    struct text counts = fixture_select(fixture, "SELECT (SELECT count(*) FROM audit_log), (SELECT count(*) "
                                                 "FROM system_events), (SELECT count(*) FROM customers)");
    const struct failure *failure = fixture_create(fixture, "acme", NULL);

    assert_non_null(failure);
    assert_int_equal(failure->code, FAILURE_ALREADY_EXISTS);
    assert_text(failure_detail_value(failure, "external_id"), "acme");
    assert_text(failure->message, "there is already a customer with this external_id");
    assert_true(
        text_equal(fixture_select(fixture, "SELECT (SELECT count(*) FROM audit_log), (SELECT count(*) "
                                           "FROM system_events), (SELECT count(*) FROM customers)"),
                   counts));
}

static void test_secret_values_are_not_in_the_audit(void **state)
{
    struct store_fixture *fixture = *state;
    struct text value = fixture->installation.secret.value;

    assert_int_equal(value.length, SHA256_HEX_LENGTH);
    char sql[256];

    snprintf(sql, sizeof sql, "SELECT count(*) FROM audit_log WHERE instr(changes, '%.*s')",
             TEXT_FORMAT(value));
    assert_text(fixture_select(fixture, sql), "0;");
    snprintf(sql, sizeof sql, "SELECT count(*) FROM audit_log WHERE instr(changes, '%.*s')",
             TEXT_FORMAT(fixture->installation.plain_key));
    assert_text(fixture_select(fixture, sql), "0;");
    assert_text(fixture_select(fixture, "SELECT json_extract(changes, '$.after.value') FROM audit_log WHERE "
                                        "entity_type = 'secret'"),
                "(secret);");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_insert_writes_row_audit_and_event),
        STORE_TEST(test_more_sets_of_columns_than_statements_are_kept),
        STORE_TEST(test_an_update_of_a_row_that_is_gone_fails),
        STORE_TEST(test_update_writes_only_changed_columns),
        STORE_TEST(test_update_that_changes_nothing_writes_nothing),
        STORE_TEST(test_archive_frees_the_unique_value),
        STORE_TEST(test_taken_value_names_its_field_and_leaves_nothing),
        STORE_TEST(test_secret_values_are_not_in_the_audit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
