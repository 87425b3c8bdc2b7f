/* Opening: files and directories that are not what is expected are refused for what they are, and left alone.
 */
#include "store_fixture.h"

#include "faulty_disk.h"
#include "store/data_directory.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

/* A test that may leave the disk faulty. */
#define FAULTY_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, repair_and_tear_down)

static int repair_and_tear_down(void **state)
{
    faulty_disk_repair();
    return fixture_tear_down(state);
}

/* Runs `check` in a child; it must return 0. */
static void in_child(struct store_fixture *fixture, int (*check)(struct store_fixture *fixture))
{
    int status;

    fflush(NULL);
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(check(fixture));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

enum { NOBODY = 65534 };

static int open_as_nobody(struct store_fixture *fixture, const char *expected)
{
    struct text reason;

    if (geteuid() == 0 && (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0))
        return 1;
    if (fixture_try_open(fixture, &reason))
        return 2;
    if (memmem(reason.data, reason.length, expected, strlen(expected)))
        return 0;
    fprintf(stderr, "%.*s\n", TEXT_FORMAT(reason));
    return 3;
}

static int open_read_only_file(struct store_fixture *fixture)
{
    return open_as_nobody(fixture, "/farthing.db cannot be read and written: Permission denied (mode 0444");
}

static int open_in_read_only_directory(struct store_fixture *fixture)
{
    return open_as_nobody(fixture, "cannot be written: Permission denied (mode 0555");
}

static void test_read_only_file(void **state)
{
    struct store_fixture *fixture = *state;

    store_close(fixture->store);
    fixture->store = NULL;
    assert_int_equal(chmod(fixture->directory, 0777), 0);
    assert_int_equal(chmod(fixture->database, 0444), 0);
    in_child(fixture, open_read_only_file);
    /* SQLite would have made them as closed as the database, and they would have stayed so. */
    assert_int_equal(fixture_file_bytes(fixture, "-wal"), -1);
    assert_int_equal(fixture_file_bytes(fixture, "-shm"), -1);
}

static int inspect_read_only_file(struct store_fixture *fixture)
{
    struct text reason = text_empty;
    struct store_facts facts;

    if (geteuid() == 0 && (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0))
        return 1;
    if (store_inspect(text_from_string(fixture->database), false, &facts, &fixture->arena, &reason))
        return 2;
    return memmem(reason.data, reason.length, "(mode 0444", 10) ? 0 : 3;
}

static void test_looking_at_a_read_only_file_leaves_nothing(void **state)
{
    struct store_fixture *fixture = *state;

    store_close(fixture->store);
    fixture->store = NULL;
    assert_int_equal(chmod(fixture->directory, 0777), 0);
    assert_int_equal(chmod(fixture->database, 0444), 0);
    in_child(fixture, inspect_read_only_file);
    assert_int_equal(fixture_file_bytes(fixture, "-wal"), -1);
    assert_int_equal(fixture_file_bytes(fixture, "-shm"), -1);
}

static int open_with_a_closed_log(struct store_fixture *fixture)
{
    return open_as_nobody(fixture,
                          "/farthing.db-wal cannot be read and written: Permission denied (mode 0400");
}

static int open_with_a_closed_index(struct store_fixture *fixture)
{
    return open_as_nobody(fixture,
                          "/farthing.db-shm cannot be read and written: Permission denied (mode 0400");
}

static void make_closed(const struct store_fixture *fixture, const char *suffix)
{
    char path[128];

    fixture_file(fixture, suffix, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0400);

    assert_true(fd >= 0);
    close(fd);
}

static void test_closed_log_and_index_are_named(void **state)
{
    struct store_fixture *fixture = *state;

    store_close(fixture->store);
    fixture->store = NULL;
    assert_int_equal(chmod(fixture->directory, 0777), 0);
    assert_int_equal(chmod(fixture->database, 0666), 0);
    make_closed(fixture, "-shm");
    in_child(fixture, open_with_a_closed_index);
    make_closed(fixture, "-wal");
    in_child(fixture, open_with_a_closed_log);
}

static void test_read_only_directory(void **state)
{
    struct store_fixture *fixture = *state;

    store_close(fixture->store);
    fixture->store = NULL;
    assert_int_equal(chmod(fixture->database, 0666), 0);
    assert_int_equal(chmod(fixture->directory, 0555), 0);
    in_child(fixture, open_in_read_only_directory);
    assert_int_equal(chmod(fixture->directory, 0700), 0);
}

/* ---- files that are not what is expected ---- */

static void expect_refused(struct store_fixture *fixture, const char *expected)
{
    struct text reason;

    fixture->store = fixture_try_open(fixture, &reason);
    assert_null(fixture->store);
    if (!memmem(reason.data, reason.length, expected, strlen(expected)))
        fail_msg("the reason is \"%.*s\"", TEXT_FORMAT(reason));
}

static void test_database_of_a_newer_version(void **state)
{
    struct store_fixture *fixture = *state;
    char sql[64];

    store_close(fixture->store);
    snprintf(sql, sizeof sql, "PRAGMA user_version=%d", store_schema_version(text_none) + 1);
    fixture_execute(fixture, sql);
    expect_refused(fixture, "run a newer Farthing");
}

static void test_database_of_a_negative_version(void **state)
{
    struct store_fixture *fixture = *state;

    store_close(fixture->store);
    fixture_execute(fixture, "PRAGMA user_version=-5");
    expect_refused(fixture, "is not a database of Farthing");
}

static void test_database_of_another_program(void **state)
{
    struct store_fixture *fixture = *state;

    store_close(fixture->store);
    unlink(fixture->database);
    fixture_execute(fixture, "CREATE TABLE notes (text TEXT)");
    long long bytes = fixture_file_bytes(fixture, "");

    expect_refused(fixture, "is not a database of Farthing");
    assert_int_equal(fixture_file_bytes(fixture, ""), bytes);
    assert_text(fixture_select(fixture, "PRAGMA journal_mode"), "delete;");
}

static void write_file(const struct store_fixture *fixture, const char *content, size_t length)
{
    int fd = open(fixture->database, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, length), length);
    close(fd);
}

static void test_file_that_is_no_database(void **state)
{
    struct store_fixture *fixture = *state;
    static char content[8192];

    store_close(fixture->store);
    memset(content, 'x', sizeof content);
    write_file(fixture, content, sizeof content);
    expect_refused(fixture, "is not a database of Farthing");
    assert_int_equal(fixture_file_bytes(fixture, ""), sizeof content);
}

static void test_directory_in_place_of_the_file(void **state)
{
    struct store_fixture *fixture = *state;

    store_close(fixture->store);
    unlink(fixture->database);
    assert_int_equal(mkdir(fixture->database, 0700), 0);
    expect_refused(fixture, "cannot open the database");
    rmdir(fixture->database);
}

static void test_unreadable_file_is_not_called_foreign(void **state)
{
    struct store_fixture *fixture = *state;

    store_close(fixture->store);
    atomic_store(&fault_of_reads, SQLITE_IOERR_READ);
    expect_refused(fixture, "disk I/O error");
}

static void test_empty_file_becomes_a_database(void **state)
{
    struct store_fixture *fixture = *state;

    store_close(fixture->store);
    write_file(fixture, "", 0);
    fixture_reopen(fixture);
    assert_text(fixture_select(fixture, "SELECT count(*) FROM customers"), "0;");
}

static void copy_file(const char *from, const char *to)
{
    static char bytes[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t length;

    assert_true(in >= 0 && out >= 0);
    while ((length = read(in, bytes, sizeof bytes)) > 0)
        assert_int_equal(write(out, bytes, (size_t)length), length);
    close(in);
    close(out);
}

/* What a kill leaves: a log that was not copied back. */
static void test_log_of_a_killed_process_is_used(void **state)
{
    struct store_fixture *fixture = *state, crashed;
    char from[128], to[128];

    assert_null(fixture_create(fixture, "acme", NULL));
    fixture_directory(&crashed);
    fixture_file(fixture, "", from);
    fixture_file(&crashed, "", to);
    copy_file(from, to);
    fixture_file(fixture, "-wal", from);
    fixture_file(&crashed, "-wal", to);
    copy_file(from, to);
    assert_true(fixture_file_bytes(&crashed, "-wal") > 0);
    fixture_reopen(&crashed);
    assert_text(fixture_select(&crashed, "SELECT external_id FROM customers"), "acme;");
    fixture_close(&crashed);
}

/* ---- the lock ---- */

static void test_directory_in_use(void **state)
{
    struct store_fixture *fixture = *state;
    struct data_directory directory =
        data_directory_at(&fixture->arena, text_from_string(fixture->directory));
    struct text reason;
    char expected[64], ready;
    int channel[2];

    assert_int_equal(pipe(channel), 0);
    store_close(fixture->store);
    fixture->store = NULL;
    pid_t child = fork();

    if (child == 0) {
        bool locked = data_directory_lock(&directory, &fixture->arena, &reason);

        if (write(channel[1], locked ? "y" : "n", 1) == 1)
            pause();
        _exit(0);
    }
    assert_int_equal(read(channel[0], &ready, 1), 1);
    assert_int_equal(ready, 'y');
    assert_false(data_directory_lock(&directory, &fixture->arena, &reason));
    snprintf(expected, sizeof expected, "is in use by process %ld;", (long)child);
    assert_non_null(memmem(reason.data, reason.length, expected, strlen(expected)));
    kill(child, SIGKILL); /* the system drops the lock, however the holder ends */
    waitpid(child, NULL, 0);
    assert_true(data_directory_lock(&directory, &fixture->arena, &reason));
    data_directory_unlock(&directory);
    close(channel[0]);
    close(channel[1]);
    char lock[128];

    snprintf(lock, sizeof lock, "%s/lock", fixture->directory);
    unlink(lock);
}

static void test_state_of_a_directory(void **state)
{
    struct store_fixture *fixture = *state;
    struct data_directory directory =
        data_directory_at(&fixture->arena, text_from_string(fixture->directory));
    char other[128], half[128];

    assert_int_equal(data_directory_state(&directory), DATA_DIRECTORY_READY);
    store_close(fixture->store);
    fixture->store = NULL;
    unlink(fixture->database);
    assert_int_equal(data_directory_state(&directory), DATA_DIRECTORY_EMPTY);
    snprintf(half, sizeof half, "%s/" RESTORING_DATABASE, fixture->directory);
    close(open(half, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(data_directory_state(&directory), DATA_DIRECTORY_RESTORING);
    snprintf(other, sizeof other, "%s/notes.txt", fixture->directory);
    close(open(other, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(data_directory_state(&directory), DATA_DIRECTORY_FOREIGN);
    unlink(half);
    unlink(other);
    directory = data_directory_at(&fixture->arena, TEXT("/tmp/farthing-test-that-is-not-there"));
    assert_int_equal(data_directory_state(&directory), DATA_DIRECTORY_EMPTY);
}

/* Between its writes SQLite offers the processor (sqlite/file_writes.c): they are not the library's own. */
static void test_writes_are_interposed(void **state)
{
    sqlite3_vfs *files = sqlite3_vfs_find("unix");
    sqlite3_syscall_ptr by_name = files->xGetSystemCall(files, "pwrite"),
                        by_long_name = files->xGetSystemCall(files, "pwrite64");

    (void)state;
    assert_non_null(by_name);
    assert_true(by_name == by_long_name);
    assert_true(by_name != (sqlite3_syscall_ptr)pwrite);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULTY_TEST(test_read_only_file),
        FAULTY_TEST(test_looking_at_a_read_only_file_leaves_nothing),
        FAULTY_TEST(test_closed_log_and_index_are_named),
        FAULTY_TEST(test_read_only_directory),
        FAULTY_TEST(test_database_of_a_newer_version),
        FAULTY_TEST(test_database_of_a_negative_version),
        FAULTY_TEST(test_database_of_another_program),
        FAULTY_TEST(test_file_that_is_no_database),
        FAULTY_TEST(test_directory_in_place_of_the_file),
        FAULTY_TEST(test_unreadable_file_is_not_called_foreign),
        FAULTY_TEST(test_empty_file_becomes_a_database),
        FAULTY_TEST(test_log_of_a_killed_process_is_used),
        FAULTY_TEST(test_directory_in_use),
        FAULTY_TEST(test_state_of_a_directory),
        FAULTY_TEST(test_writes_are_interposed),
    };

    faulty_disk_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
