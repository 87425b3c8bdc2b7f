/* Who follows the write-ahead log has every page that was committed, whatever becomes of the log meanwhile.
 */
#include "store_fixture.h"

#include "store/follower.h"

#include <fcntl.h>

enum { SPOOL_BYTES = 256 * 1024 * 1024, PAGE_BYTES_MAX = 65536 };

/* A copy of the database that knows of it only what the cuts tell. */
struct copy {
    char path[128];
    int fd;
    size_t pages;
};

static struct store_fixture fixture;
static struct follower *follower;
static struct copy copy;

static void read_whole(const char *path, char **bytes, size_t *length)
{
    int fd = open(path, O_RDONLY);
    struct stat status;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    *length = (size_t)status.st_size;
    *bytes = malloc(*length + 1);
    assert_int_equal(read(fd, *bytes, *length), (ssize_t)*length);
    close(fd);
}

static void copy_file(const char *from, const char *to)
{
    char *bytes;
    size_t length;
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    read_whole(from, &bytes, &length);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    close(fd);
    free(bytes);
}

/* Opens the database with the follower. */
static void open_store(void)
{
    struct store_options options = {.connections = STORE_CONNECTIONS_DEFAULT, .follower = follower};
    struct text reason;

    fixture.store = store_open_with(text_from_string(fixture.database), &options, &fixture.arena, &reason);
    assert_non_null(fixture.store);
}

/* With a follower, which goes on from there. */
static void open_followed(enum follow_from from, const struct log_position *position, int64_t spool_bytes)
{
    follower = follower_new(fixture.directory, spool_bytes, from, position);
    open_store();
}

static int set_up(void **state)
{
    (void)state;
    fixture_open(&fixture);
    store_close(fixture.store);
    snprintf(copy.path, sizeof copy.path, "%s.copy", fixture.database);
    copy_file(fixture.database, copy.path);
    copy.fd = open(copy.path, O_RDWR);
    copy.pages = 0;
    open_followed(FOLLOW_FROM_REST, NULL, SPOOL_BYTES);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (fixture.store)
        store_close(fixture.store);
    fixture.store = NULL;
    follower_free(follower);
    close(copy.fd);
    unlink(copy.path);
    fixture_remove(&fixture);
    return 0;
}

static struct follower_cut cut_and_apply(void)
{
    static char bytes[PAGE_BYTES_MAX];
    struct follower_cut cut;
    struct text reason;
    uint32_t number, before = 0;

    assert_int_equal(follower_cut(follower, &cut, &fixture.arena, &reason), FOLLOWER_FOLLOWS);
    for (size_t i = 0; i < cut.page_count; i++, before = number) {
        assert_true(follower_page(follower, i, &number, bytes));
        assert_in_range(number, before + 1, cut.database_pages);
        assert_int_equal(pwrite(copy.fd, bytes, cut.page_bytes, (off_t)(number - 1) * cut.page_bytes),
                         (ssize_t)cut.page_bytes);
    }
    if (cut.page_count > 0)
        assert_int_equal(ftruncate(copy.fd, (off_t)cut.database_pages * cut.page_bytes), 0);
    copy.pages += cut.page_count;
    return cut;
}

static void close_and_compare(void)
{
    char *ours, *theirs;
    size_t our_length, their_length;

    store_close(fixture.store);
    fixture.store = NULL;
    cut_and_apply();
    read_whole(fixture.database, &ours, &our_length);
    read_whole(copy.path, &theirs, &their_length);
    assert_int_equal(our_length, their_length);
    assert_memory_equal(ours, theirs, our_length);
    free(ours);
    free(theirs);
}

static const struct failure *create_many(void *context, struct transaction *transaction)
{
    enum { COUNT = 100, VALUE_BYTES = 2000 };
    const unsigned *number = context;
    struct customer_creation creation = fixture_creation("");
    char *metadata = arena_allocate(transaction->arena, VALUE_BYTES);

    memset(metadata, 'x', VALUE_BYTES);
    memcpy(metadata, "{\"a\":\"", 6);
    memcpy(metadata + VALUE_BYTES - 2, "\"}", 2);
    creation.customer.metadata = (struct text){metadata, VALUE_BYTES};
    for (unsigned i = 0; i < COUNT; i++) {
        creation.customer.external_id = arena_format(transaction->arena, "%u-%u", *number, i);
        assert_null(customer_create(transaction, &creation, ARENA_NEW(transaction->arena, struct customer)));
    }
    return NULL;
}

static void write_many(unsigned count)
{
    static unsigned number;
    struct arena arena;

    arena_init(&arena);
    for (unsigned i = 0; i < count; i++, number++) {
        assert_null(store_write(fixture.store, &arena, &fixture.call, create_many, &number));
        arena_reset(&arena);
    }
    arena_free(&arena);
}

/* Enough that the log begins anew several times, with cuts in between and without. */
static void test_cuts_make_the_database(void **state)
{
    (void)state;
    assert_true(follower_is_continuous(follower));
    for (unsigned i = 0; i < 12; i++) {
        write_many(1 + i % 4 * 3);
        if (i % 3 != 1)
            cut_and_apply();
    }
    assert_true(copy.pages > 1000);
    assert_int_equal(follower_waits_since(follower), 0);
    close_and_compare();
}

static void test_without_commits_there_is_nothing(void **state)
{
    (void)state;
    write_many(1);
    struct follower_cut cut = cut_and_apply();

    assert_true(cut.page_count > 0);
    cut = cut_and_apply();
    assert_int_equal(cut.page_count, 0);
    assert_int_equal(follower_waits_since(follower), 0);
    write_many(1);
    assert_true(follower_waits_since(follower) > 0);
    close_and_compare();
}

/* An instant of the cut covers what was acknowledged before it. */
static void test_cut_is_of_an_instant(void **state)
{
    (void)state;
    write_many(1);
    int64_t acknowledged_at = instant_now_us();
    struct follower_cut cut = cut_and_apply();

    assert_true(cut.covers_until >= acknowledged_at);
    assert_true(cut.closed_at >= cut.covers_until);
    assert_true(cut.closed_at <= instant_now_us());
}

/* As a crash leaves them: the database and its log, but nothing that was in memory. */
static void crash(void)
{
    char database[160], log[160], path[128];

    snprintf(database, sizeof database, "%s.crash", fixture.database);
    snprintf(log, sizeof log, "%s.crash-wal", fixture.database);
    fixture_file(&fixture, "-wal", path);
    copy_file(fixture.database, database);
    copy_file(path, log);
    store_close(fixture.store);
    assert_int_equal(rename(log, path), 0);
    assert_int_equal(rename(database, fixture.database), 0);
    follower_free(follower);
}

static void test_goes_on_after_a_crash(void **state)
{
    (void)state;
    write_many(3);
    const struct log_position position = cut_and_apply().position;

    write_many(2); /* not cut, but in the log */
    crash();
    open_followed(FOLLOW_FROM_POSITION, &position, SPOOL_BYTES);
    assert_true(follower_is_continuous(follower));
    assert_true(cut_and_apply().page_count > 0); /* without waiting for another commit */
    write_many(12);
    close_and_compare();
}

static void test_does_not_go_on_in_another_log(void **state)
{
    (void)state;
    write_many(3);
    struct log_position position = cut_and_apply().position;

    position.checksums[1] ^= 1;
    crash();
    open_followed(FOLLOW_FROM_POSITION, &position, SPOOL_BYTES);
    assert_false(follower_is_continuous(follower));
    store_close(fixture.store);
    follower_free(follower);
    position.checksums[1] ^= 1;
    open_followed(FOLLOW_FROM_POSITION, &position, SPOOL_BYTES); /* the log is gone since */
    assert_false(follower_is_continuous(follower));
}

static void expect_lost(const char *words)
{
    struct follower_cut cut;
    struct text reason;

    assert_int_equal(follower_cut(follower, &cut, &fixture.arena, &reason), FOLLOWER_LOST);
    assert_int_equal(cut.page_count, 0);
    assert_non_null(memmem(reason.data, reason.length, words, strlen(words)));
}

/* What cannot be kept is lost, and in nobody's way; then it can begin anew. */
static void test_more_than_is_kept_is_lost(void **state)
{
    enum { LITTLE_BYTES = 1000 * 1000 };

    (void)state;
    store_close(fixture.store);
    follower_free(follower);
    open_followed(FOLLOW_FROM_REST, NULL, LITTLE_BYTES);
    write_many(20);
    expect_lost("more was committed than is kept");
    write_many(20);
    expect_lost("more was committed than is kept");
    store_close(fixture.store);
    copy_file(fixture.database, copy.path);
    follower_free(follower);
    open_followed(FOLLOW_FROM_NOW, NULL, SPOOL_BYTES);
    assert_false(follower_is_continuous(follower));
    follower_begin_anew(follower);
    write_many(3);
    close_and_compare();
}

static void test_what_cannot_be_kept_is_lost(void **state)
{
    (void)state;
    store_close(fixture.store);
    follower_free(follower);
    follower = follower_new("/proc/self", SPOOL_BYTES, FOLLOW_FROM_NOW, NULL);
    open_store();
    write_many(20);
    expect_lost("cannot be kept for the backup");
    write_many(1);
}

/* Which pages were changed is all that is taken, while the log begins anew again and again; they are read
 * from the file, and what the log holds at that time comes from the log. */
static void test_numbers_first_and_pages_at_the_end(void **state)
{
    struct follower_cut cut;
    struct text reason;
    char *bytes;
    size_t length;

    (void)state;
    store_close(fixture.store);
    follower_free(follower);
    follower = follower_new(fixture.directory, SPOOL_BYTES, FOLLOW_FROM_REST, NULL);
    follower_take_numbers(follower);
    open_store();
    write_many(30);
    assert_int_equal(follower_cut(follower, &cut, &fixture.arena, &reason), FOLLOWER_FOLLOWS);
    assert_true(cut.page_count > 500);
    follower_take_again(follower, true);
    write_many(1);
    read_whole(fixture.database, &bytes, &length);
    for (size_t i = 0; i < cut.page_count; i++) {
        off_t offset = (off_t)(follower_page_number(follower, i) - 1) * cut.page_bytes;

        assert_true(i == 0 || follower_page_number(follower, i - 1) < follower_page_number(follower, i));
        if ((size_t)offset < length) /* else it is in the log */
            assert_int_equal(pwrite(copy.fd, bytes + offset, cut.page_bytes, offset),
                             (ssize_t)cut.page_bytes);
    }
    free(bytes);
    write_many(12);
    close_and_compare();
}

/* However much is committed: a number is little. */
static void test_numbers_need_no_room(void **state)
{
    enum { LITTLE_BYTES = 100 * 1000 };
    struct follower_cut cut;
    struct text reason;

    (void)state;
    store_close(fixture.store);
    follower_free(follower);
    follower = follower_new("/proc/self", LITTLE_BYTES, FOLLOW_FROM_REST, NULL);
    follower_take_numbers(follower);
    open_store();
    write_many(20);
    assert_int_equal(follower_cut(follower, &cut, &fixture.arena, &reason), FOLLOWER_FOLLOWS);
    assert_true(cut.page_count > 500);
    follower_take_again(follower, true);
    write_many(1);
    expect_lost("cannot be kept for the backup");
}

/* bug: when the writer met a copy before its thread had begun, it let it in twice, and one follower was left
 * behind, which the address sanitizer tells. Whoever is first: each copy is the database. */
static void test_copies_one_after_the_other(void **state)
{
    enum { COPIES = 8, POLL_US = 1000 };
    static const char *const suffixes[] = {"", "-wal", "-shm"};

    (void)state;
    for (unsigned i = 0; i < COPIES; i++) {
        struct text path = arena_format(&fixture.arena, "%s.backup-%u", fixture.database, i), reason;
        struct store_backup told = {.state = STORE_BACKUP_RUNNING};
        struct store_facts facts;

        write_many(1);
        assert_true(store_backup_begin(fixture.store, path, 0, &fixture.arena, &reason));
        while (told.state == STORE_BACKUP_RUNNING && usleep(POLL_US) == 0)
            store_backup_tell(fixture.store, &told, &fixture.arena);
        assert_int_equal(told.state, STORE_BACKUP_DONE);
        assert_true(store_inspect(path, true, &facts, &fixture.arena, &reason));
        for (size_t j = 0; j < sizeof suffixes / sizeof *suffixes; j++)
            unlink(arena_string(&fixture.arena,
                                arena_format(&fixture.arena, "%.*s%s", TEXT_FORMAT(path), suffixes[j])));
    }
}

#define FOLLOWER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLLOWER_TEST(test_cuts_make_the_database),
        FOLLOWER_TEST(test_without_commits_there_is_nothing),
        FOLLOWER_TEST(test_cut_is_of_an_instant),
        FOLLOWER_TEST(test_goes_on_after_a_crash),
        FOLLOWER_TEST(test_does_not_go_on_in_another_log),
        FOLLOWER_TEST(test_more_than_is_kept_is_lost),
        FOLLOWER_TEST(test_what_cannot_be_kept_is_lost),
        FOLLOWER_TEST(test_numbers_first_and_pages_at_the_end),
        FOLLOWER_TEST(test_numbers_need_no_room),
        FOLLOWER_TEST(test_copies_one_after_the_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
