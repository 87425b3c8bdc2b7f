/* Names of objects, and the directory as a destination; buckets are in tests/api/test_destination.py. */
#include "cmocka_all.h"

#include "archive/destination.h"
#include "base/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 512, LARGE_BYTES = 600 * 1024 };

static char folder[64], place[PATH_BYTES], local[PATH_BYTES], fetched[PATH_BYTES];
static struct arena arena;
static struct destination_failure failure;
static atomic_bool stop;

/* ---- the calls that change the disk, counted, and one of them failing ---- */

static unsigned calls, failing_call; /* 0: none */
static struct buffer trace;          /* a letter for each that was made */

static bool call_fails(char letter)
{
    if (++calls == failing_call) {
        errno = EIO;
        return true;
    }
    buffer_append_char(&trace, letter);
    return false;
}

#define WRAP(type, name, letter, parameters, ...)                                                            \
    type __real_##name parameters;                                                                           \
    type __wrap_##name parameters;                                                                           \
    type __wrap_##name parameters                                                                            \
    {                                                                                                        \
        return call_fails(letter) ? -1 : __real_##name(__VA_ARGS__);                                         \
    }

WRAP(ssize_t, write, 'w', (int fd, const void *bytes, size_t length), fd, bytes, length)
WRAP(int, fsync, 's', (int fd), fd)
WRAP(int, mkdirat, 'd', (int fd, const char *path, mode_t mode), fd, path, mode)
WRAP(int, renameat, 'r', (int from_fd, const char *from, int to_fd, const char *to), from_fd, from, to_fd, to)

/* ---- the directory of a test ---- */

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/farthing-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(place, sizeof place, "%s/place", folder);
    snprintf(local, sizeof local, "%s/local", folder);
    snprintf(fetched, sizeof fetched, "%s/fetched", folder);
    failing_call = 0;
    atomic_store(&stop, false);
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static int remove_folder(void **state)
{
    enum { DESCRIPTORS = 8 };

    (void)state;
    arena_free(&arena);
    buffer_free(&trace);
    trace = (struct buffer){0};
    return nftw(folder, remove_one, DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}

static struct destination *open_place(bool is_read_only)
{
    struct text reason = text_none;
    struct destination *destination = destination_open(
        &(struct destination_options){
            .location = text_from_string(place), .is_read_only = is_read_only, .stop = &stop},
        &arena, &reason);

    if (!destination)
        fail_msg("%.*s", TEXT_FORMAT(reason));
    return destination;
}

static const char *below(const char *name)
{
    return arena_format(&arena, "%s/%s", place, name).data;
}

static void write_file(const char *path, const char *content)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void expect_file(const char *path, const char *content)
{
    char found[64] = "";
    FILE *file = fopen(path, "re");

    assert_non_null(file);
    found[fread(found, 1, sizeof found - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(found, content);
}

static bool put(struct destination *destination, const char *name, const char *content)
{
    write_file(local, content);
    return destination_put(destination, text_from_string(name), local, &failure);
}

static bool get(struct destination *destination, const char *name)
{
    return destination_get(destination, text_from_string(name), fetched, &failure);
}

static bool drop(struct destination *destination, const char *name)
{
    return destination_remove(destination, text_from_string(name), &failure);
}

static bool note_object(void *context, struct text name, uint64_t bytes)
{
    buffer_append_format(context, "%.*s=%llu ", TEXT_FORMAT(name), (unsigned long long)bytes);
    return true;
}

static void expect_list(struct destination *destination, const char *prefix, const char *expected)
{
    struct buffer found = {0};

    if (!destination_list(destination, text_from_string(prefix), note_object, &found, &failure))
        fail_msg("%s", failure.reason);
    assert_text(buffer_text(&found), expected);
    buffer_free(&found);
}

static void expect_failure(bool is_done, enum destination_problem problem, const char *reason)
{
    assert_false(is_done);
    assert_int_equal(failure.problem, problem);
    assert_string_equal(failure.reason, reason);
}

/* Whether .unfinished/ holds anything; if not, it is removed. */
static bool has_unfinished(void)
{
    return rmdir(below(".unfinished")) != 0 && errno == ENOTEMPTY;
}

/* ---- names ---- */

static void test_names(void **state)
{
    static const char *const names[] = {"a", "a/b", "Z_9-.x", "segments/0001.z", "a/b/c/d", "a..b", "-"};
    static const char *const others[] = {"",     "/",    "a/",  "/a",   "a//b", ".",      "..",       ".a",
                                         "a/.b", "a/..", "a b", "a\nb", "a\\b", "a/../b", "\xc3\xa4", "a%b"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_true(destination_is_name(text_from_string(names[i])));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (destination_is_name(text_from_string(others[i])))
            fail_msg("\"%s\" is a name", others[i]);
    char *parts = arena_allocate_zero(&arena, DESTINATION_NAME_BYTES_MAX + 2);

    for (size_t i = 0; i <= DESTINATION_NAME_BYTES_MAX; i++)
        parts[i] = i % 100 == 99 ? '/' : 'x';
    assert_true(destination_is_name((struct text){parts, DESTINATION_NAME_BYTES_MAX}));
    assert_false(destination_is_name((struct text){parts, DESTINATION_NAME_BYTES_MAX + 1}));
}

/* ---- what it does ---- */

static void test_objects_come_back_as_they_went(void **state)
{
    struct destination *destination = open_place(false);
    struct stat status;

    (void)state;
    assert_text(destination_place(destination), place);
    assert_int_equal(stat(place, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_true(put(destination, "a/b/one", "1"));
    assert_true(put(destination, "two", ""));
    assert_true(put(destination, "a/b/one", "another"));
    expect_file(below("a/b/one"), "another");
    assert_int_equal(stat(below("a/b/one"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_false(has_unfinished()); /* which removes it */
    assert_true(put(destination, "two", "more"));
    assert_true(put(destination, "two", ""));
    assert_true(get(destination, "a/b/one"));
    expect_file(fetched, "another");
    assert_true(get(destination, "two"));
    expect_file(fetched, "");
    assert_true(drop(destination, "a/b/one"));
    assert_true(drop(destination, "a/b/one"));
    assert_true(drop(destination, "not/there"));
    expect_list(destination, "", "two=0 ");
    destination_close(destination);
}

static void test_more_than_a_block(void **state)
{
    struct destination *destination = open_place(false);
    char *content = arena_allocate_zero(&arena, LARGE_BYTES + 1);

    (void)state;
    for (size_t i = 0; i < LARGE_BYTES; i++)
        content[i] = (char)('a' + i % 23);
    assert_true(put(destination, "large", content));
    assert_true(get(destination, "large"));
    FILE *file = fopen(fetched, "re");
    char *found = arena_allocate_zero(&arena, LARGE_BYTES + 1);

    assert_non_null(file);
    assert_int_equal(fread(found, 1, LARGE_BYTES + 1, file), LARGE_BYTES);
    fclose(file);
    assert_memory_equal(found, content, LARGE_BYTES);
    destination_close(destination);
}

static void test_lists_are_in_the_order_of_whole_names(void **state)
{
    struct destination *destination = open_place(false);
    static const char *const names[] = {"b", "a/b", "a0", "a-b", "a/b0", "a.b", "a/c/d", "a_", "A"};

    (void)state;
    expect_list(destination, "", "");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_true(put(destination, names[i], "x"));
    expect_list(destination, "", "A=1 a-b=1 a.b=1 a/b=1 a/b0=1 a/c/d=1 a0=1 a_=1 b=1 ");
    expect_list(destination, "a", "a-b=1 a.b=1 a/b=1 a/b0=1 a/c/d=1 a0=1 a_=1 ");
    expect_list(destination, "a/", "a/b=1 a/b0=1 a/c/d=1 ");
    expect_list(destination, "a/b", "a/b=1 a/b0=1 ");
    expect_list(destination, "a/c/", "a/c/d=1 ");
    expect_list(destination, "c/d", "");
    write_file(below(".hidden"), "x");
    write_file(below("of somebody else"), "x");
    assert_int_equal(mkfifo(below("pipe"), 0600), 0);
    assert_int_equal(symlink("nowhere", below("link")), 0);
    expect_list(destination, "", "A=1 a-b=1 a.b=1 a/b=1 a/b0=1 a/c/d=1 a0=1 a_=1 b=1 ");
    destination_close(destination);
}

struct removal {
    struct destination *destination;
    unsigned left;
};

static bool remove_object(void *context, struct text name, uint64_t bytes)
{
    struct removal *removal = context;

    (void)bytes;
    assert_true(destination_remove(removal->destination, name, &failure));
    return --removal->left > 0;
}

static void test_a_visitor_may_remove_and_end_the_list(void **state)
{
    struct removal removal = {.destination = open_place(false), .left = 2};

    (void)state;
    for (const char *name = "abcd"; *name; name++)
        assert_true(put(removal.destination, (const char[]){'x', '/', *name, '\0'}, ""));
    assert_true(destination_list(removal.destination, text_empty, remove_object, &removal, &failure));
    expect_list(removal.destination, "", "x/c=0 x/d=0 ");
    destination_close(removal.destination);
}

/* ---- how it fails ---- */

static void test_what_is_not_there(void **state)
{
    struct destination *destination = open_place(false);

    (void)state;
    assert_true(put(destination, "a/b", "x"));
    static const char *const names[] = {"b", "a/b/c", "c/d"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        expect_failure(
            get(destination, names[i]), DESTINATION_NO_OBJECT,
            arena_format(&arena, "cannot fetch %s from %s: there is no such object", names[i], place).data);
    expect_failure(get(destination, "a"), DESTINATION_NO_OBJECT,
                   arena_format(&arena, "cannot fetch a from %s: it is no plain file", place).data);
    assert_int_equal(access(fetched, F_OK), -1);
    expect_failure(
        destination_put(destination, TEXT("b"), fetched, &failure), DESTINATION_REFUSED,
        arena_format(&arena, "cannot store b in %s: %s: No such file or directory", place, fetched).data);
    expect_failure(destination_put(destination, TEXT("b"), folder, &failure), DESTINATION_REFUSED,
                   arena_format(&arena, "cannot store b in %s: %s is no plain file", place, folder).data);
    destination_close(destination);
}

static void test_names_and_prefixes_that_are_none(void **state)
{
    struct destination *destination = open_place(false);
    struct buffer found = {0};

    (void)state;
    expect_failure(put(destination, "../a", "x"), DESTINATION_REFUSED,
                   arena_format(&arena, "cannot store ../a in %s: that is no name of an object", place).data);
    expect_failure(get(destination, ".a"), DESTINATION_REFUSED,
                   arena_format(&arena, "cannot fetch .a from %s: that is no name of an object", place).data);
    expect_failure(
        drop(destination, "a/"), DESTINATION_REFUSED,
        arena_format(&arena, "cannot remove a/ from %s: that is no name of an object", place).data);
    expect_failure(
        destination_list(destination, TEXT("../"), note_object, &found, &failure), DESTINATION_REFUSED,
        arena_format(&arena, "cannot list ../* of %s: that is no beginning of an object's name", place).data);
    assert_int_equal(found.length, 0);
    destination_close(destination);
}

static void test_an_object_in_the_way(void **state)
{
    struct destination *destination = open_place(false);

    (void)state;
    assert_true(put(destination, "a", "x"));
    assert_true(put(destination, "b/c", "x"));
    expect_failure(
        put(destination, "a/b", "y"), DESTINATION_REFUSED,
        arena_format(&arena, "cannot store a/b in %s: making its directory: Not a directory", place).data);
    expect_failure(
        put(destination, "b", "y"), DESTINATION_REFUSED,
        arena_format(&arena, "cannot store b in %s: giving it its name: Is a directory", place).data);
    expect_list(destination, "", "a=1 b/c=1 ");
    assert_false(has_unfinished());
    destination_close(destination);
}

static void test_what_is_stored_is_on_the_disk_before_it_has_its_name(void **state)
{
    struct destination *destination = open_place(false);

    (void)state;
    assert_true(put(destination, "first", "x"));
    buffer_clear(&trace);
    assert_true(put(destination, "a/b/c", "x"));
    /* The bytes; each directory that is made, with what it is in; the name, with what it is in. */
    assert_text(buffer_text(&trace), "wsdsdsrs");
    destination_close(destination);
}

/* Each call in turn, until none fails. */
static void test_each_call_that_fails(void **state)
{
    unsigned failures = 0;

    (void)state;
    for (bool is_stored = false; !is_stored; failures++) {
        struct destination *destination = open_place(false);

        write_file(local, "new");
        buffer_clear(&trace);
        calls = 0;
        failing_call = failures + 1;
        is_stored = destination_put(destination, TEXT("a/b"), local, &failure);
        failing_call = 0;
        assert_true(is_stored || failure.problem == DESTINATION_TRANSIENT);
        assert_true(is_stored || strstr(failure.reason, ": Input/output error"));
        /* It has its name when nothing failed, or only what confirms the name. */
        assert_int_equal(access(below("a/b"), F_OK) == 0, text_find(buffer_text(&trace), 'r') < trace.length);
        assert_false(has_unfinished());
        destination_close(destination);
        unlink(below("a/b"));
    }
    assert_true(failures > 7);
}

static void test_a_failure_leaves_what_was_there(void **state)
{
    struct destination *destination = open_place(false);

    (void)state;
    assert_true(put(destination, "a", "before"));
    calls = 0;
    failing_call = 1;
    write_file(local, "new");
    expect_failure(destination_put(destination, TEXT("a"), local, &failure), DESTINATION_TRANSIENT,
                   arena_format(&arena, "cannot store a in %s: writing: Input/output error", place).data);
    expect_file(below("a"), "before");
    calls = 0;
    expect_failure(get(destination, "a"), DESTINATION_TRANSIENT,
                   arena_format(&arena, "cannot fetch a from %s: writing: Input/output error", place).data);
    assert_int_equal(access(fetched, F_OK), -1);
    destination_close(destination);
}

static void test_what_others_left_unfinished(void **state)
{
    struct destination *destination = open_place(false);

    (void)state;
    assert_int_equal(mkdir(below(".unfinished"), 0700), 0);
    write_file(below(".unfinished/abandoned"), "x");
    write_file(below(".unfinished/growing"), "x");
    int growing = open(below(".unfinished/growing"), O_RDONLY | O_CLOEXEC);

    assert_int_equal(flock(growing, LOCK_EX), 0);
    assert_true(put(destination, "a", "x"));
    assert_int_equal(access(below(".unfinished/abandoned"), F_OK), -1);
    assert_int_equal(access(below(".unfinished/growing"), F_OK), 0);
    close(growing);
    destination_close(destination);
}

static void test_what_is_opened_for_reading(void **state)
{
    struct destination *destination = open_place(false);

    (void)state;
    assert_true(put(destination, "a", "x"));
    destination_close(destination);
    destination = open_place(true);
    expect_failure(put(destination, "b", "x"), DESTINATION_REFUSED,
                   arena_format(&arena, "cannot store b in %s: it was opened for reading", place).data);
    expect_failure(drop(destination, "a"), DESTINATION_REFUSED,
                   arena_format(&arena, "cannot remove a from %s: it was opened for reading", place).data);
    assert_true(get(destination, "a"));
    expect_list(destination, "", "a=1 ");
    destination_close(destination);
}

static void test_directories_that_cannot_be_used(void **state)
{
    struct destination_options options = {.location = text_from_string(place), .is_read_only = true};
    struct text reason = text_none;

    (void)state;
    assert_null(destination_open(&options, &arena, &reason));
    assert_text(reason,
                arena_format(&arena, "cannot use the directory %s: No such file or directory", place).data);
    assert_int_equal(access(place, F_OK), -1);
    options = (struct destination_options){.location = text_from_string(below("deeper"))};
    assert_null(destination_open(&options, &arena, &reason));
    assert_true(text_ends_with(reason, TEXT("No such file or directory")));
    write_file(local, "x");
    options.location = text_from_string(local);
    assert_null(destination_open(&options, &arena, &reason));
    assert_true(text_ends_with(reason, TEXT("Not a directory")));
    options.location = text_empty;
    assert_null(destination_open(&options, &arena, &reason));
    destination_close(NULL);
}

static void test_once_stopped(void **state)
{
    struct destination *destination = open_place(false);
    struct buffer found = {0};

    (void)state;
    assert_true(put(destination, "a", "x"));
    atomic_store(&stop, true);
    expect_failure(put(destination, "b", "x"), DESTINATION_STOPPED,
                   arena_format(&arena, "cannot store b in %s: stopped", place).data);
    expect_failure(get(destination, "a"), DESTINATION_STOPPED,
                   arena_format(&arena, "cannot fetch a from %s: stopped", place).data);
    expect_failure(destination_list(destination, text_empty, note_object, &found, &failure),
                   DESTINATION_STOPPED,
                   arena_format(&arena, "cannot list the objects of %s: stopped", place).data);
    expect_failure(drop(destination, "a"), DESTINATION_STOPPED,
                   arena_format(&arena, "cannot remove a from %s: stopped", place).data);
    expect_file(below("a"), "x");
    destination_close(destination);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_names),
        TEST(test_objects_come_back_as_they_went),
        TEST(test_more_than_a_block),
        TEST(test_lists_are_in_the_order_of_whole_names),
        TEST(test_a_visitor_may_remove_and_end_the_list),
        TEST(test_what_is_not_there),
        TEST(test_names_and_prefixes_that_are_none),
        TEST(test_an_object_in_the_way),
        TEST(test_what_is_stored_is_on_the_disk_before_it_has_its_name),
        TEST(test_each_call_that_fails),
        TEST(test_a_failure_leaves_what_was_there),
        TEST(test_what_others_left_unfinished),
        TEST(test_what_is_opened_for_reading),
        TEST(test_directories_that_cannot_be_used),
        TEST(test_once_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
