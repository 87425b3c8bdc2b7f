#include "cmocka_all.h"

#include "base/buffer.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/utf8.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 4096 /* PIPE_BUF */ };

/* What the log wrote to standard error, and how write(2) is to behave. */
static struct {
    pthread_mutex_t mutex;
    struct buffer written;
    int calls;
    int interruptions; /* calls that still fail with EINTR */
    size_t at_most;    /* bytes a call takes; 0: all */
    int error;         /* the errno of every call; 0: success */
    bool is_full;      /* nobody reads: poll says that nothing can be written */
} capture = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static ssize_t captured_write(const void *bytes, size_t length)
{
    capture.calls++;
    if (capture.interruptions > 0 || capture.error) {
        errno = capture.interruptions-- > 0 ? EINTR : capture.error;
        return -1;
    }
    if (capture.at_most && length > capture.at_most)
        length = capture.at_most;
    buffer_append_bytes(&capture.written, bytes, length);
    return (ssize_t)length;
}

/* Takes the place of the C library's function in this program; its names are not ours.
 * NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
ssize_t write(int file, const void *bytes, size_t length)
{
    if (file != STDERR_FILENO)
        return syscall(SYS_write, file, bytes, length);
    pthread_mutex_lock(&capture.mutex);
    ssize_t result = captured_write(bytes, length);

    pthread_mutex_unlock(&capture.mutex);
    return result;
}

/* The same for poll(2), which the log asks about standard error alone.
 * NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int poll(struct pollfd *files, nfds_t count, int timeout_ms)
{
    assert_int_equal(count, 1);
    assert_int_equal(timeout_ms, 0);
    files[0].revents = capture.is_full ? 0 : POLLOUT;
    return !capture.is_full;
}

static int reset(void **state)
{
    (void)state;
    buffer_free(&capture.written);
    capture.calls = capture.interruptions = capture.error = 0;
    capture.at_most = 0;
    capture.is_full = false;
    log_configure(LOG_FORMAT_LOGFMT, LOG_LEVEL_DEBUG);
    return 0;
}

/* The one line that was written, without its time, which is checked, and its end. */
static struct text line_without_time(const char *before, const char *after)
{
    struct text line = buffer_text(&capture.written);
    int64_t instant_us;

    assert_true(text_starts_with(line, text_from_string(before)));
    line = text_from(line, strlen(before));
    size_t end = text_find(line, 'Z') + 1;

    assert_int_equal(end, INSTANT_TEXT_MAX); /* six digits, also when the last of them are zeros */

    assert_true(instant_parse(text_slice(line, 0, end), &instant_us));
    assert_true(instant_now_us() - instant_us < 60 * MICROSECONDS_PER_SECOND);
    line = text_from(line, end);
    assert_true(text_starts_with(line, text_from_string(after)));
    line = text_from(line, strlen(after));
    assert_int_equal(text_find(line, '\n'), line.length - 1);
    return text_slice(line, 0, line.length - 1);
}

static struct text logfmt_line(void)
{
    return line_without_time("time=", " ");
}

static struct text json_line(void)
{
    return line_without_time("{\"time\":\"", "\",");
}

static void test_logfmt(void **state)
{
    (void)state;
    LOG_INFO("listening", LOG_STRING("address", "127.0.0.1:8080"), LOG_INTEGER("loops", 2),
             LOG_INTEGER("least", INT64_MIN));
    assert_text(logfmt_line(), "level=info message=\"listening\" address=127.0.0.1:8080 loops=2 "
                               "least=-9223372036854775808");
    assert_int_equal(capture.calls, 1);
}

static void test_json(void **state)
{
    (void)state;
    log_configure(LOG_FORMAT_JSON, LOG_LEVEL_DEBUG);
    LOG_ERROR("cannot \"open\"", LOG_STRING("path", "/tmp/a b"), LOG_INTEGER("errno", -13),
              LOG_TEXT("none", text_none), LOG_TEXT("empty", text_empty));
    assert_text(json_line(), "\"level\":\"error\",\"message\":\"cannot \\\"open\\\"\",\"path\":\"/tmp/a b\","
                             "\"errno\":-13,\"none\":null,\"empty\":\"\"}");
    assert_int_equal(capture.calls, 1);
}

static void test_no_fields(void **state)
{
    (void)state;
    log_write(LOG_LEVEL_WARNING, "draining", NULL, 0);
    assert_text(logfmt_line(), "level=warning message=\"draining\"");
}

static void test_levels(void **state)
{
    static const struct log_field none[1];

    (void)state;
    log_configure(LOG_FORMAT_LOGFMT, LOG_LEVEL_WARNING);
    log_write(LOG_LEVEL_DEBUG, "a", none, 0);
    log_write(LOG_LEVEL_INFO, "b", none, 0);
    assert_int_equal(capture.calls, 0);
    log_write(LOG_LEVEL_WARNING, "c", none, 0);
    log_write(LOG_LEVEL_ERROR, "d", none, 0);
    assert_int_equal(capture.calls, 2);
}

/* A value, how logfmt shows it, and the inside of its JSON string (which is also logfmt's when quoted). */
static const struct {
    struct text value;
    const char *logfmt;
    const char *json;
} values[] = {
    {TEXT_LITERAL("plain"), "plain", "plain"},
    {TEXT_LITERAL(""), "\"\"", ""},
    {TEXT_LITERAL("a b"), "\"a b\"", "a b"},
    {TEXT_LITERAL("a=b"), "\"a=b\"", "a=b"},
    {TEXT_LITERAL("say \"hi\""), "\"say \\\"hi\\\"\"", "say \\\"hi\\\""},
    {TEXT_LITERAL("C:\\x"), "\"C:\\\\x\"", "C:\\\\x"},
    {TEXT_LITERAL("a\nlevel=error"), "\"a\\nlevel=error\"", "a\\nlevel=error"},
    {TEXT_LITERAL("\b\t\n\f\r"), "\"\\b\\t\\n\\f\\r\"", "\\b\\t\\n\\f\\r"},
    {TEXT_LITERAL("\0\1\x1b[31m"), "\"\\u0000\\u0001\\u001b[31m\"", "\\u0000\\u0001\\u001b[31m"},
    {TEXT_LITERAL("\x7f"), "\"\\u007f\"", "\\u007f"},
    {TEXT_LITERAL("\xc2\x9b"
                  "31m\xc2\x80"),
     "\"\\u009b31m\\u0080\"", "\\u009b31m\\u0080"},
    {TEXT_LITERAL("\xc2\xa0"), "\"\xc2\xa0\"", "\xc2\xa0"},
    {TEXT_LITERAL("Z\xc3\xbcrich"), "\"Z\xc3\xbcrich\"", "Z\xc3\xbcrich"},
    {TEXT_LITERAL("\xf0\x9f\x92\xb6"), "\"\xf0\x9f\x92\xb6\"", "\xf0\x9f\x92\xb6"},
    /* Not UTF-8: a stray tail, a cut character, an overlong form, a surrogate, beyond the last, a bad lead.
     */
    {TEXT_LITERAL("a\x80z"), "\"a\xef\xbf\xbdz\"", "a\xef\xbf\xbdz"},
    {TEXT_LITERAL("a\xe2\x82"), "\"a\xef\xbf\xbd\xef\xbf\xbd\"", "a\xef\xbf\xbd\xef\xbf\xbd"},
    {TEXT_LITERAL("\xc3"), "\"\xef\xbf\xbd\"", "\xef\xbf\xbd"},
    {TEXT_LITERAL("\xc3\""), "\"\xef\xbf\xbd\\\"\"", "\xef\xbf\xbd\\\""},
    {TEXT_LITERAL("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\"", "\xef\xbf\xbd\xef\xbf\xbd"},
    {TEXT_LITERAL("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"",
     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {TEXT_LITERAL("\xf4\x90\x80\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"",
     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {TEXT_LITERAL("\xff"), "\"\xef\xbf\xbd\"", "\xef\xbf\xbd"},
};

static void test_values_in_logfmt(void **state)
{
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char expected[200];

        reset(state);
        LOG_INFO("m", LOG_TEXT("value", values[i].value), LOG_INTEGER("n", 1));
        snprintf(expected, sizeof expected, "level=info message=\"m\" value=%s n=1", values[i].logfmt);
        assert_text(logfmt_line(), expected);
    }
    reset(state);
    LOG_INFO("m", LOG_TEXT("unset", text_none), LOG_INTEGER("n", 1));
    assert_text(logfmt_line(), "level=info message=\"m\" unset= n=1");
}

static void test_values_in_json(void **state)
{
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char expected[200];

        reset(state);
        log_configure(LOG_FORMAT_JSON, LOG_LEVEL_INFO);
        LOG_INFO("m", LOG_TEXT("value", values[i].value), LOG_INTEGER("n", 1));
        snprintf(expected, sizeof expected, "\"level\":\"info\",\"message\":\"m\",\"value\":\"%s\",\"n\":1}",
                 values[i].json);
        assert_text(json_line(), expected);
    }
}

/* Whatever the bytes, a line stays one line of UTF-8 without control characters. */
static void test_random_bytes_stay_one_line(void **state)
{
    uint64_t number = 1;

    for (int round = 0; round < 2000; round++) {
        char bytes[64];

        for (size_t i = 0; i < sizeof bytes; i++) {
            number = number * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            bytes[i] = (char)(number >> 56);
        }
        reset(state);
        log_configure(round % 2 ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
        LOG_INFO("m", LOG_TEXT("value", ((struct text){bytes, sizeof bytes})));
        struct text line = buffer_text(&capture.written);

        assert_true(utf8_valid(line));
        for (size_t i = 0; i + 1 < line.length; i++)
            assert_true((unsigned char)line.data[i] >= 0x20 && line.data[i] != 0x7f);
    }
}

/* At every length around the limit the line fits, ends well, and says whether it is whole. */
static void test_long_values_are_cut(void **state)
{
    static char value[5000];
    static const char letters[] = "x\"\xc3"; /* bare in logfmt, two bytes when escaped, two in UTF-8 */

    for (size_t letter = 0; letter < 3; letter++)
        for (size_t length = 3800 / (letter ? 2 : 1); length < 4200; length++)
            for (int json = 0; json < 2; json++) {
                reset(state);
                log_configure(json ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
                memset(value, letters[letter], sizeof value);
                for (size_t i = 1; letter == 2 && i < sizeof value; i += 2)
                    value[i] = '\xbc';
                LOG_INFO("m", LOG_TEXT("value", ((struct text){value, length & ~(size_t)1})),
                         LOG_INTEGER("last", 123456789));
                struct text line = json ? json_line() : logfmt_line();
                bool whole =
                    text_ends_with(line, json ? TEXT(",\"last\":123456789}") : TEXT(" last=123456789"));
                bool cut =
                    text_ends_with(line, json ? TEXT(",\"truncated\":true}") : TEXT(" truncated=true"));

                assert_true(whole != cut);
                assert_true(capture.written.length <= LINE_BYTES_MAX);
                assert_true(whole || capture.written.length > LINE_BYTES_MAX - 64);
                assert_true(utf8_valid(line));
                assert_int_equal(capture.calls, 1);
            }
}

/* A field whose value has no room at all leaves no name behind, quoted or not. */
static void test_fields_at_the_limit(void **state)
{
    static char value[5000];

    memset(value, 'x', sizeof value);
    for (size_t length = 3950; length < 4100; length++)
        for (int json = 0; json < 2; json++) {
            reset(state);
            log_configure(json ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
            LOG_INFO("m", LOG_TEXT("value", ((struct text){value, length})), LOG_STRING("last", "a b"),
                     LOG_TEXT("unset", text_none));
            struct text line = json ? json_line() : logfmt_line();

            assert_false(text_ends_with(line, json ? TEXT("\"last\":,\"truncated\":true}")
                                                   : TEXT("last= truncated=true")));
            assert_true(capture.written.length <= LINE_BYTES_MAX);
            assert_true(
                text_ends_with(line, json ? TEXT(",\"truncated\":true}") : TEXT(" truncated=true")) ||
                text_ends_with(line, json ? TEXT("\"a b\",\"unset\":null}") : TEXT("\"a b\" unset=")));
        }
}

static void test_cut_value_is_closed(void **state)
{
    static char value[10000];

    (void)state;
    memset(value, '"', sizeof value);
    log_configure(LOG_FORMAT_JSON, LOG_LEVEL_INFO);
    LOG_INFO("m", LOG_TEXT("value", ((struct text){value, sizeof value})), LOG_INTEGER("lost", 1));
    struct text line = json_line();

    assert_true(text_ends_with(line, TEXT("\\\"\\\"\",\"truncated\":true}")));
    /* In the value each quote has its backslash; beside it there are those of four names and three values. */
    size_t quotes = 0, backslashes = 0;

    for (size_t i = 0; i < line.length; i++) {
        quotes += line.data[i] == '"';
        backslashes += line.data[i] == '\\';
    }
    assert_int_equal(quotes - backslashes, 2 * (4 + 3));
}

static void test_many_fields_are_cut_between_fields(void **state)
{
    static struct log_field fields[1000];

    (void)state;
    for (size_t i = 0; i < 1000; i++)
        fields[i] = LOG_INTEGER("number", 1234567890123);
    log_write(LOG_LEVEL_INFO, "m", fields, 1000);
    struct text line = logfmt_line();

    assert_true(text_ends_with(line, TEXT(" number=1234567890123 truncated=true")));
}

static void test_long_message_is_cut(void **state)
{
    static char message[10000];

    (void)state;
    memset(message, 'm', sizeof message - 1);
    LOG_INFO(message, LOG_INTEGER("lost", 1));
    assert_true(text_ends_with(logfmt_line(), TEXT("mmm\" truncated=true")));
}

static void test_interruptions_and_short_writes(void **state)
{
    (void)state;
    capture.interruptions = 3;
    capture.at_most = 7;
    LOG_INFO("listening", LOG_INTEGER("loops", 2));
    assert_text(logfmt_line(), "level=info message=\"listening\" loops=2");
    assert_true(capture.calls > 6);
}

static void test_errors_are_given_up(void **state)
{
    (void)state;
    capture.error = EAGAIN;
    errno = ENOENT;
    LOG_INFO("listening", LOG_INTEGER("loops", 2));
    assert_int_equal(capture.calls, 1);
    assert_int_equal(errno, ENOENT); /* the caller's, untouched */
}

/* A pipe that nobody reads: nothing waits, nothing is written, and the loss is told as soon as it can be. */
static void test_lines_that_nobody_reads(void **state)
{
    int64_t dropped = log_lines_dropped();

    capture.is_full = true;
    for (int i = 0; i < 3; i++)
        LOG_INFO("lost", LOG_INTEGER("number", i));
    assert_int_equal(capture.calls, 0);
    assert_int_equal(log_lines_dropped() - dropped, 3);
    capture.is_full = false;
    LOG_INFO("heard");
    struct text written = buffer_text(&capture.written);
    size_t end = text_find(written, '\n') + 1;
    struct text first = text_slice(written, 0, end), second = text_from(written, end);

    assert_true(text_ends_with(
        first, TEXT("level=warning message=\"log lines were dropped, because nobody read them\" lines=3\n")));
    assert_true(text_ends_with(second, TEXT("level=info message=\"heard\"\n")));
    buffer_clear(&capture.written);
    LOG_INFO("heard again"); /* and the loss is told once */
    assert_text(logfmt_line(), "level=info message=\"heard again\"");
    assert_int_equal(log_lines_dropped() - dropped, 3);
    (void)state;
}

static void test_level_changes(void **state)
{
    enum log_level level = LOG_LEVEL_DEBUG;

    log_set_level(LOG_LEVEL_ERROR);
    LOG_WARNING("left out");
    assert_int_equal(capture.calls, 0);
    assert_int_equal(log_get_level(), LOG_LEVEL_ERROR);
    log_set_level(LOG_LEVEL_DEBUG);
    LOG_DEBUG("heard");
    assert_text(logfmt_line(), "level=debug message=\"heard\"");
    for (int i = LOG_LEVEL_DEBUG; i <= LOG_LEVEL_ERROR; i++) {
        assert_true(log_level_find(log_level_name((enum log_level)i), &level));
        assert_int_equal(level, i);
    }
    assert_false(log_level_find(TEXT("warn"), &level));
    assert_false(log_level_find(TEXT(""), &level));
    (void)state;
}

enum { THREADS = 4, LINES_PER_THREAD = 500 };

static void *write_lines(void *argument)
{
    for (int i = 0; i < LINES_PER_THREAD; i++)
        LOG_INFO("line", LOG_STRING("who", argument), LOG_INTEGER("number", i));
    return NULL;
}

static void test_threads(void **state)
{
    static char names[] = "abcd";
    pthread_t threads[THREADS];
    int lines = 0;

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &names[i]), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    struct text rest = buffer_text(&capture.written);

    while (rest.length > 0) {
        size_t end = text_find(rest, '\n');

        assert_true(text_starts_with(rest, TEXT("time=")));
        assert_true(end < rest.length && end < 120);
        rest = text_from(rest, end + 1);
        lines++;
    }
    assert_int_equal(lines, THREADS * LINES_PER_THREAD);
    assert_int_equal(capture.calls, THREADS * LINES_PER_THREAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_logfmt, reset, reset),
        cmocka_unit_test_setup_teardown(test_json, reset, reset),
        cmocka_unit_test_setup_teardown(test_no_fields, reset, reset),
        cmocka_unit_test_setup_teardown(test_levels, reset, reset),
        cmocka_unit_test_setup_teardown(test_values_in_logfmt, reset, reset),
        cmocka_unit_test_setup_teardown(test_values_in_json, reset, reset),
        cmocka_unit_test_setup_teardown(test_random_bytes_stay_one_line, reset, reset),
        cmocka_unit_test_setup_teardown(test_long_values_are_cut, reset, reset),
        cmocka_unit_test_setup_teardown(test_fields_at_the_limit, reset, reset),
        cmocka_unit_test_setup_teardown(test_cut_value_is_closed, reset, reset),
        cmocka_unit_test_setup_teardown(test_many_fields_are_cut_between_fields, reset, reset),
        cmocka_unit_test_setup_teardown(test_long_message_is_cut, reset, reset),
        cmocka_unit_test_setup_teardown(test_interruptions_and_short_writes, reset, reset),
        cmocka_unit_test_setup_teardown(test_errors_are_given_up, reset, reset),
        cmocka_unit_test_setup_teardown(test_lines_that_nobody_reads, reset, reset),
        cmocka_unit_test_setup_teardown(test_level_changes, reset, reset),
        cmocka_unit_test_setup_teardown(test_threads, reset, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
