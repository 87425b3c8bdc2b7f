/* A database whose files are taken away under the store: writes are refused, reads go on, and what stands in
 * the files' place is another's. */
#include "store_fixture.h"

#include <fcntl.h>

/* The customer is there, through the reader. */
static bool can_read(struct store_fixture *fixture, struct store_reader *reader, const char *external_id)
{
    struct transaction transaction;
    struct customer customer;

    store_reader_begin(reader, &transaction, &fixture->arena, &fixture->call);
    const struct failure *failure =
        customer_get_by_external_id(&transaction, text_from_string(external_id), &customer);

    store_reader_end(reader);
    return !failure && !transaction.failure;
}

static void remove_file(struct store_fixture *fixture, const char *suffix)
{
    char path[128];

    fixture_file(fixture, suffix, path);
    assert_int_equal(unlink(path), 0);
}

static void write_file(struct store_fixture *fixture, const char *suffix, const char *content)
{
    char path[128];

    fixture_file(fixture, suffix, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
}

static void expect_file(struct store_fixture *fixture, const char *suffix, const char *content)
{
    char path[128], actual[64] = "";

    fixture_file(fixture, suffix, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(read(fd, actual, sizeof actual - 1), strlen(content));
    assert_string_equal(actual, content);
    close(fd);
}

static void test_removed_database_refuses_writes(void **state)
{
    struct store_fixture *fixture = *state;
    struct text reason;
    struct store_reader *reader = store_reader_open(fixture->store, &fixture->arena, &reason);

    assert_non_null(reader);
    assert_null(fixture_create(fixture, "before", NULL));
    remove_file(fixture, "");
    remove_file(fixture, "-wal");
    remove_file(fixture, "-shm");
    fixture_wait_for_state(fixture, STORE_DATABASE_REMOVED); /* although nothing is written */
    fixture_expect_unavailable(fixture_create(fixture, "after", NULL), "database_removed");
    assert_true(can_read(fixture, reader, "before"));
    assert_false(can_read(fixture, reader, "after"));
    store_reader_close(reader);
    store_close(fixture->store);
    fixture->store = NULL;
    assert_int_equal(fixture_file_bytes(fixture, ""), -1);
}

/* A writer that never rests looks, too. */
static void test_removal_is_noticed_under_load(void **state)
{
    enum { CREATES_MAX = 1000 * 1000 };
    struct store_fixture *fixture = *state;
    const struct failure *failure = NULL;
    char name[32];

    remove_file(fixture, "");
    int64_t removed_us = monotonic_now_us();

    for (unsigned i = 0; i < CREATES_MAX && !failure; i++) {
        snprintf(name, sizeof name, "customer-%u", i);
        failure = fixture_create(fixture, name, NULL);
    }
    fixture_expect_unavailable(failure, "database_removed");
    assert_in_range(monotonic_now_us() - removed_us, 0, 10 * STORE_FILES_CHECK_MS * 1000);
}

/* The end of the store would remove the log and its index by their names. */
static void test_database_in_place_of_the_removed_one_is_left_alone(void **state)
{
    struct store_fixture *fixture = *state;

    assert_null(fixture_create(fixture, "before", NULL));
    remove_file(fixture, "");
    remove_file(fixture, "-wal");
    remove_file(fixture, "-shm");
    write_file(fixture, "", "another database");
    write_file(fixture, "-wal", "another log");
    write_file(fixture, "-shm", "another index");
    store_close(fixture->store); /* at once: before it was noticed */
    fixture->store = NULL;
    expect_file(fixture, "", "another database");
    expect_file(fixture, "-wal", "another log");
    expect_file(fixture, "-shm", "another index");
}

static void test_moved_database_can_be_put_back(void **state)
{
    struct store_fixture *fixture = *state;
    char away[128];

    snprintf(away, sizeof away, "%s-away", fixture->directory);
    assert_null(fixture_create(fixture, "before", NULL));
    assert_int_equal(rename(fixture->directory, away), 0);
    fixture_wait_for_state(fixture, STORE_DATABASE_REMOVED);
    fixture_expect_unavailable(fixture_create(fixture, "after", NULL), "database_removed");
    store_close(fixture->store);
    assert_int_equal(rename(away, fixture->directory), 0);
    fixture_reopen(fixture);
    assert_text(fixture_select(fixture, "SELECT external_id FROM customers"), "before;");
    assert_text(fixture_select(fixture, "PRAGMA integrity_check"), "ok;");
}

/* What was acknowledged is in the log alone, which is still open: it is copied back. */
static void test_log_without_a_name_is_copied_back(void **state)
{
    struct store_fixture *fixture = *state;

    assert_null(fixture_create(fixture, "before", NULL));
    remove_file(fixture, "-wal");
    fixture_wait_for_state(fixture, STORE_DATABASE_REMOVED);
    fixture_expect_unavailable(fixture_create(fixture, "after", NULL), "database_removed");
    store_close(fixture->store);
    fixture_reopen(fixture);
    assert_text(fixture_select(fixture, "SELECT external_id FROM customers"), "before;");
    assert_int_equal(store_state(fixture->store), STORE_WELL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_removed_database_refuses_writes),
        STORE_TEST(test_removal_is_noticed_under_load),
        STORE_TEST(test_database_in_place_of_the_removed_one_is_left_alone),
        STORE_TEST(test_moved_database_can_be_put_back),
        STORE_TEST(test_log_without_a_name_is_copied_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
