/* The read lane: snapshots of what was acknowledged. */
#include "store_fixture.h"

#include "store/sqlite/sqlite.h"

static bool reads(struct store_fixture *fixture, struct store_reader *reader, const char *external_id)
{
    struct transaction transaction;
    struct customer customer;
    struct arena arena;

    arena_init(&arena);
    store_reader_begin(reader, &transaction, &arena, &fixture->call);
    bool found = !customer_get_by_external_id(&transaction, text_from_string(external_id), &customer);

    assert_null(transaction.failure);
    arena_free(&arena);
    return found;
}

static void test_reader_sees_what_was_acknowledged(void **state)
{
    struct store_fixture *fixture = *state;
    struct text reason;
    struct store_reader *reader = store_reader_open(fixture->store, &fixture->arena, &reason);

    assert_non_null(reader);
    assert_false(reads(fixture, reader, "acme"));
    assert_null(fixture_create(fixture, "acme", NULL));
    assert_true(reads(fixture, reader, "acme")); /* the batch is not over, but the snapshot was renewed */
    store_reader_end(reader);
    store_reader_end(reader); /* twice is harmless */
    assert_true(reads(fixture, reader, "acme"));
    store_reader_close(reader);
}

/* A transaction that was begun stays on its snapshot. */
static void test_reader_is_isolated_within_a_transaction(void **state)
{
    struct store_fixture *fixture = *state;
    struct transaction transaction;
    struct customer customer;
    struct text reason;
    struct store_reader *reader = store_reader_open(fixture->store, &fixture->arena, &reason);

    store_reader_begin(reader, &transaction, &fixture->arena, &fixture->call);
    assert_non_null(customer_get_by_external_id(&transaction, TEXT("acme"), &customer));
    assert_null(fixture_create(fixture, "acme", NULL));
    assert_non_null(customer_get_by_external_id(&transaction, TEXT("acme"), &customer));
    store_reader_begin(reader, &transaction, &fixture->arena, &fixture->call);
    assert_null(customer_get_by_external_id(&transaction, TEXT("acme"), &customer));
    store_reader_close(reader);
}

static void test_reader_takes_a_new_snapshot_after_an_error_ended_it(void **state)
{
    struct store_fixture *fixture = *state;
    struct transaction transaction;
    struct text reason;
    struct store_reader *reader = store_reader_open(fixture->store, &fixture->arena, &reason);

    store_reader_begin(reader, &transaction, &fixture->arena, &fixture->call);
    assert_true(sqlite_execute(transaction.connection, "ROLLBACK"));
    store_reader_begin(reader, &transaction, &fixture->arena, &fixture->call);
    assert_null(transaction.failure);
    assert_true(sqlite_in_transaction(transaction.connection));
    store_reader_close(reader);
}

static void test_reader_cannot_write(void **state)
{
    struct store_fixture *fixture = *state;
    struct transaction transaction;
    struct text reason;
    struct store_reader *reader = store_reader_open(fixture->store, &fixture->arena, &reason);

    store_reader_begin(reader, &transaction, &fixture->arena, &fixture->call);
    assert_int_equal(transaction_intern_scope(&transaction, TEXT("t"), TEXT("e")), SCOPE_NONE);
    assert_non_null(transaction.failure);
    assert_int_equal(transaction.failure->code, FAILURE_SERVICE_UNAVAILABLE);
    assert_text(failure_detail_value(transaction.failure, "reason"), "read_only");
    store_reader_close(reader);
}

static void test_ended_reader_lets_the_log_be_reset(void **state)
{
    struct store_fixture *fixture = *state;
    struct text reason;
    struct store_reader *reader = store_reader_open(fixture->store, &fixture->arena, &reason);

    assert_false(reads(fixture, reader, "acme"));
    store_reader_end(reader);
    sqlite3 *handle;
    int log_pages = 0, copied_pages = 0;

    /* From outside, as nobody else may: it only works when no reader holds a snapshot. */
    assert_int_equal(sqlite3_open(fixture->database, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, "SELECT 1 FROM customers", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(
        sqlite3_wal_checkpoint_v2(handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, &log_pages, &copied_pages),
        SQLITE_OK);
    sqlite3_close(handle);
    assert_int_equal(fixture_file_bytes(fixture, "-wal"), 0);
    store_reader_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_reader_sees_what_was_acknowledged),
        STORE_TEST(test_reader_is_isolated_within_a_transaction),
        STORE_TEST(test_reader_takes_a_new_snapshot_after_an_error_ended_it),
        STORE_TEST(test_reader_cannot_write),
        STORE_TEST(test_ended_reader_lets_the_log_be_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
