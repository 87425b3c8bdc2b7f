/* Segments of a continuous backup, what they are called, and how far a stream is. */
#include "cmocka_all.h"

#include "archive/layout.h"
#include "archive/segment.h"
#include "archive/stream_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define STREAM "01M8KJE0R2TJ1VTHN9BMKHGDZA"

enum { PAGE_BYTES = 4096, PAGES = 40 };

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* ---- segments ---- */

static uint32_t number_of(size_t index)
{
    return (uint32_t)(1 + 3 * index);
}

static bool give_page(void *context, size_t index, uint32_t *number, void *bytes)
{
    (void)context;
    *number = number_of(index);
    memset(bytes, (int)(index + 1), PAGE_BYTES);
    return true;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): as all such functions. */
static bool give_nothing(void *context, size_t index, uint32_t *number, void *bytes)
{
    (void)context;
    (void)index;
    (void)number;
    (void)bytes;
    errno = EIO;
    return false;
}

struct told {
    struct segment segment;
    size_t count;
    size_t other_count; /* of these, the ones that are not as they were written */
};

static bool begin(void *context, const struct segment *segment, struct text *reason)
{
    (void)reason;
    ((struct told *)context)->segment = *segment;
    return true;
}

static bool take_page(void *context, uint32_t number, const void *bytes, struct text *reason)
{
    struct told *told = context;
    const uint8_t *octets = bytes;

    (void)reason;
    told->count++;
    told->other_count += number != number_of(told->count - 1) || octets[0] != told->count ||
                         octets[PAGE_BYTES - 1] != told->count;
    return true;
}

static const struct segment example = {.page_bytes = PAGE_BYTES,
                                       .database_pages = 3 * PAGES,
                                       .page_count = PAGES,
                                       .number = 17,
                                       .closed_at = INT64_C(1795953188123456)};

static void assert_example(const struct segment *segment)
{
    assert_int_equal(segment->page_bytes, example.page_bytes);
    assert_int_equal(segment->database_pages, example.database_pages);
    assert_int_equal(segment->page_count, example.page_count);
    assert_int_equal(segment->number, example.number);
    assert_true(segment->closed_at == example.closed_at);
}

static int written(const struct segment *segment)
{
    int fd = memfd_create("segment", MFD_CLOEXEC);
    struct text reason;

    assert_true(fd >= 0);
    assert_true(segment_write(fd, segment, give_page, NULL, &arena, &reason));
    return fd;
}

static bool read_again(int fd, struct told *told, struct text *reason)
{
    const struct segment_visitor visitor = {told, begin, take_page};

    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    *told = (struct told){.count = 0};
    return segment_read(fd, &visitor, &arena, reason);
}

static void test_segment_comes_back_as_it_was(void **state)
{
    struct told told;
    struct text reason;
    int fd = written(&example);

    (void)state;
    assert_true(read_again(fd, &told, &reason));
    assert_int_equal(told.count, PAGES);
    assert_int_equal(told.other_count, 0);
    assert_example(&told.segment);
    close(fd);
}

/* Whatever byte is another one, or missing. */
static void test_damage_is_found(void **state)
{
    struct told told;
    struct text reason;
    int fd = written(&example);
    off_t length = lseek(fd, 0, SEEK_END);

    (void)state;
    for (off_t at = 0; at < length; at++) {
        char byte, other;

        assert_int_equal(pread(fd, &byte, 1, at), 1);
        other = (char)(byte ^ 1 << at % 8);
        assert_int_equal(pwrite(fd, &other, 1, at), 1);
        reason = text_none;
        if (read_again(fd, &told, &reason)) /* a bit of the frame's head that says nothing */
            assert_int_equal(told.other_count, 0);
        else
            assert_true(reason.length > 0);
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    for (off_t shorter = 0; shorter < length; shorter += 7) {
        int part = memfd_create("part", MFD_CLOEXEC);
        off_t from = 0;

        assert_int_equal(sendfile(part, fd, &from, (size_t)shorter), shorter);
        assert_false(read_again(part, &told, &reason));
        close(part);
    }
    close(fd);
}

static void test_head_that_cannot_be_is_refused(void **state)
{
    static const struct {
        struct segment segment;
        const char *complaint;
    } rows[] = {
        {{.page_bytes = 100, .database_pages = 1}, "its pages have an impossible size"},
        {{.page_bytes = 131072, .database_pages = 1}, "its pages have an impossible size"},
        {{.page_bytes = 5000, .database_pages = 1}, "its pages have an impossible size"},
        {{.page_bytes = 4096, .database_pages = 1, .number = -1}, "its head contradicts itself"},
        {{.page_bytes = 4096, .database_pages = 0, .page_count = 1}, "its head contradicts itself"},
        {{.page_bytes = 4096, .database_pages = 3, .page_count = 2}, "its pages are not in order"},
    };
    struct told told;
    struct text reason;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int fd = memfd_create("segment", MFD_CLOEXEC);

        /* Pages of another size than is said do not come to be read. */
        assert_true(segment_write(fd, &rows[i].segment, give_page, NULL, &arena, &reason));
        assert_false(read_again(fd, &told, &reason));
        assert_text(reason, rows[i].complaint);
        close(fd);
    }
}

static void test_page_that_cannot_be_had_is_told(void **state)
{
    int fd = memfd_create("segment", MFD_CLOEXEC);
    struct text reason;

    (void)state;
    assert_false(segment_write(fd, &example, give_nothing, NULL, &arena, &reason));
    assert_text(reason, "a segment of the backup cannot be written: Input/output error");
    close(fd);
}

/* ---- names ---- */

static void test_names_say_where_an_object_belongs(void **state)
{
    const struct placed placed = {TEXT_LITERAL(STREAM), 12345, INT64_C(1795953188123456)};
    const struct base base = {.placed = placed, .first_segment = 12340};
    struct placed read;
    struct base read_base;
    struct text stream;

    (void)state;
    struct text name = segment_name(&placed, &arena);

    assert_text(name, "segment/" STREAM "/000001/0000012345-1795953188123456");
    assert_true(read_segment_name(name, &read));
    assert_true(text_equal(read.stream, placed.stream));
    assert_int_equal(read.number, placed.number);
    assert_int_equal(read.instant, placed.instant);
    name = base_name(&base, ".json", &arena);
    assert_text(name, "base/" STREAM "/0000012340-0000012345-1795953188123456.json");
    assert_true(read_base_name(name, ".json", &read_base));
    assert_int_equal(read_base.first_segment, 12340);
    assert_int_equal(read_base.placed.number, 12345);
    assert_false(read_base_name(name, ".zst", &read_base));
    assert_true(read_stream_name(stream_name(placed.stream, &arena), &stream));
    assert_true(text_equal(stream, placed.stream));
}

static void test_other_names_are_not_read(void **state)
{
    static const struct text names[] = {
        TEXT_LITERAL(""),
        TEXT_LITERAL("segment/" STREAM "/000001/0000012345-179595318812345"),
        TEXT_LITERAL("segment/" STREAM "/000001/0000012345-1795953188123456.tmp"),
        TEXT_LITERAL("segment/" STREAM "/000002/0000012345-1795953188123456"),
        TEXT_LITERAL("segment/" STREAM "/000001/-000012345-1795953188123456"),
        TEXT_LITERAL("segment/" STREAM "X/000001/0000012345-1795953188123456"),
        TEXT_LITERAL("segment/short/000001/0000012345-1795953188123456"),
        TEXT_LITERAL("base/" STREAM "/0000012345-1795953188123456.json"),
        TEXT_LITERAL("stream/" STREAM "/more"),
    };
    struct placed placed;
    struct base base;
    struct text stream;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_false(read_segment_name(names[i], &placed) || read_base_name(names[i], ".json", &base) ||
                     read_stream_name(names[i], &stream));
}

static void test_what_is_known_of_a_base_comes_back(void **state)
{
    const struct base base = {.version = TEXT_LITERAL("1.2.3"),
                              .sha256 = TEXT_LITERAL("abc"),
                              .schema_version = 8,
                              .bytes = INT64_C(1) << 40,
                              .has_secrets = true};
    struct base read = {.first_segment = 3};
    struct text reason;

    (void)state;
    assert_true(read_base_json(base_json(&base, &arena), &read, &arena, &reason));
    assert_text(read.version, "1.2.3");
    assert_text(read.sha256, "abc");
    assert_int_equal(read.schema_version, 8);
    assert_true(read.bytes == INT64_C(1) << 40 && read.has_secrets && read.first_segment == 3);
    assert_false(read_base_json(TEXT("{}"), &read, &arena, &reason));
    assert_false(read_base_json(TEXT("[1]"), &read, &arena, &reason));
    assert_false(read_base_json(TEXT("{\"format\":2,\"version\":\"9\"}"), &read, &arena, &reason));
    assert_text(reason, "it is of a later version, 9");
}

/* ---- how far a stream is ---- */

static void test_state_is_remembered(void **state)
{
    char directory[] = "/tmp/farthing-test-XXXXXX", path[64], database[64], log[64];
    struct stream_state kept = {.place = TEXT("/mnt/a \"place\""),
                                .stream = TEXT(STREAM),
                                .next_segment = 9,
                                .last_base_at = 1795953188123456,
                                .follows = FOLLOW_FROM_POSITION,
                                .position = {{0xffffffff, 2}, {3, 0xfffffffe}, 5}};

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/state", directory);
    snprintf(database, sizeof database, "%s/db", directory);
    snprintf(log, sizeof log, "%s/db-wal", directory);
    assert_false(text_is_set(stream_state_read(path, kept.place, database, &arena).stream));
    assert_true(stream_state_write(path, &kept));
    struct stream_state read = stream_state_read(path, kept.place, database, &arena);

    assert_text(read.stream, STREAM);
    assert_int_equal(read.next_segment, 9);
    assert_int_equal(read.follows, FOLLOW_FROM_POSITION);
    assert_memory_equal(&read.position, &kept.position, sizeof kept.position);
    /* Elsewhere it knows nothing. */
    assert_false(text_is_set(stream_state_read(path, TEXT("/mnt/b"), database, &arena).stream));

    /* At rest, it holds as long as the database is as it was. */
    close(open(database, O_CREAT | O_WRONLY, 0600));
    assert_true(stream_state_rest(&kept, database));
    assert_true(stream_state_write(path, &kept));
    assert_int_equal(stream_state_read(path, kept.place, database, &arena).follows, FOLLOW_FROM_REST);
    int fd = open(log, O_CREAT | O_WRONLY, 0600);

    assert_int_equal(write(fd, "log", 3), 3);
    close(fd);
    assert_int_equal(stream_state_read(path, kept.place, database, &arena).follows, FOLLOW_FROM_NOW);
    unlink(log);
    fd = open(database, O_WRONLY);
    assert_int_equal(write(fd, "more", 4), 4);
    close(fd);
    assert_int_equal(stream_state_read(path, kept.place, database, &arena).follows, FOLLOW_FROM_NOW);

    /* What it is not is nothing. */
    fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, "{\"format\":1}", 12), 12);
    close(fd);
    assert_false(text_is_set(stream_state_read(path, kept.place, database, &arena).stream));
    unlink(path);
    unlink(database);
    assert_int_equal(rmdir(directory), 0);
}

#define ARCHIVE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARCHIVE_TEST(test_segment_comes_back_as_it_was),
        ARCHIVE_TEST(test_damage_is_found),
        ARCHIVE_TEST(test_head_that_cannot_be_is_refused),
        ARCHIVE_TEST(test_page_that_cannot_be_had_is_told),
        ARCHIVE_TEST(test_names_say_where_an_object_belongs),
        ARCHIVE_TEST(test_other_names_are_not_read),
        ARCHIVE_TEST(test_what_is_known_of_a_base_comes_back),
        ARCHIVE_TEST(test_state_is_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
