#include "cmocka_all.h"

#include "base/instant.h"

#include <stdio.h>
#include <time.h>

struct example {
    const char *text;
    int64_t instant_us;
};

/* Texts that are exactly what instant_append writes. */
static const struct example canonical[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"1970-01-01T00:00:00.000001Z", 1},
    {"1969-12-31T23:59:59.999999Z", -1},
    {"1969-12-31T23:59:59Z", -1000000},
    {"2026-01-01T00:00:00Z", INT64_C(1767225600000000)},
    {"2024-02-29T23:59:59.999Z", INT64_C(1709251199999000)},
    {"2026-01-02T03:04:05.12Z", INT64_C(1767323045120000)},
    {"2026-01-02T03:04:05.123456Z", INT64_C(1767323045123456)},
    {"2026-01-02T03:04:05.1Z", INT64_C(1767323045100000)},
    {"2026-01-02T03:04:05.00001Z", INT64_C(1767323045000010)},
    {"2000-02-29T12:00:00Z", INT64_C(951825600000000)},
    {"2000-03-01T00:00:00Z", INT64_C(951868800000000)},
    {"1900-02-28T23:59:59Z", INT64_C(-2203891201000000)},
    {"1900-03-01T00:00:00Z", INT64_C(-2203891200000000)},
    {"0000-01-01T00:00:00Z", INSTANT_MIN_US},
    {"0000-02-29T00:00:00Z", INT64_C(-62162121600000000)},
    {"9999-12-31T23:59:59.999999Z", INSTANT_MAX_US},
};

/* Other spellings of an instant. */
static const struct example accepted[] = {
    {"1970-01-01T00:00:00+00:00", 0},
    {"1970-01-01T00:00:00-00:00", 0},
    {"1970-01-01T00:00:00.0Z", 0},
    {"1970-01-01T05:30:00+05:30", 0},
    {"1969-12-31T19:00:00-05:00", 0},
    {"1969-12-31T00:01:00-23:59", 0},
    {"1970-01-01T23:59:00+23:59", 0},
    {"2024-02-29T23:59:59.999000000Z", INT64_C(1709251199999000)},
    {"2026-01-02T03:04:05.1234569Z", INT64_C(1767323045123456)},
    {"2026-01-02T03:04:05.123456999999999999999999999Z", INT64_C(1767323045123456)},
    {"1969-12-31T23:59:59.9999999Z", -1},
    {"2024-03-01T00:30:00+01:00", INT64_C(1709249400000000)}, /* the day before is a leap day */
    {"0000-01-01T00:00:00-23:59", INSTANT_MIN_US + INT64_C(86340) * 1000000},
    {"9999-12-31T23:59:59.999999+00:01", INSTANT_MAX_US - INT64_C(60) * 1000000},
};

static const char *const refused[] = {
    "",
    "2026",
    "2026-01-02",
    "2026-01-02T",
    "2026-01-02T03:04Z",
    "2026-01-02T03:04:05",
    "2026-01-02T03:04:05.1",
    "2026-01-02T03:04:05.Z",
    "2026-01-02T03:04:05.+01:00",
    "2026-01-02T03:04:05,1Z",
    "2026-01-02T03:04:05.1.2Z",
    "2026-01-02T03:04:05.-1Z",
    "2026-01-02 03:04:05Z",
    "2026-01-02t03:04:05Z",
    "2026-01-02T03:04:05z",
    "2026-01-02T03:04:05ZZ",
    "2026-01-02T03:04:05Z ",
    " 2026-01-02T03:04:05Z",
    "2026-01-02T03:04:05 Z",
    "2026-01-02T03:04:05Z+00:00",
    "2026-01-02T03:04:05+00",
    "2026-01-02T03:04:05+0000",
    "2026-01-02T03:04:05+00:0",
    "2026-01-02T03:04:05+00:000",
    "2026-01-02T03:04:05+24:00",
    "2026-01-02T03:04:05+23:60",
    "2026-01-02T03:04:05-24:00",
    "2026-01-02T03:04:05+-1:00",
    "2026-01-02T03:04:05\342\210\22201:00", /* the minus sign U+2212 */
    "2026-01-02T24:00:00Z",
    "2026-01-02T23:60:00Z",
    "2026-01-02T23:59:60Z",
    "2016-12-31T23:59:60Z", /* a leap second that was */
    "2026-01-02T3:04:05Z",
    "2026-00-02T03:04:05Z",
    "2026-13-02T03:04:05Z",
    "2026-01-00T03:04:05Z",
    "2026-01-32T03:04:05Z",
    "2026-04-31T00:00:00Z",
    "2026-06-31T00:00:00Z",
    "2026-09-31T00:00:00Z",
    "2026-11-31T00:00:00Z",
    "2025-02-29T00:00:00Z",
    "2024-02-30T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "2100-02-29T00:00:00Z",
    "2200-02-29T00:00:00Z",
    "2026-1-2T03:04:05Z",
    "26-01-02T03:04:05Z",
    "12026-01-02T03:04:05Z",
    "+2026-01-02T03:04:05Z",
    "-001-01-02T03:04:05Z",
    "20260102T030405Z",
    "2026/01/02T03:04:05Z",
    "2026-01-02T03.04.05Z",
    "2026-01-02T03:04:0xZ",
    "2026-01-02T03:04:/5Z",
    "2026-01-02T03:04::5Z",
    "2026-W01-5T03:04:05Z",
    "0000-01-01T00:00:00+00:01", /* before the first year */
    "0000-01-01T00:00:00.999999+23:59",
    "0000-01-01T00:00:59.999999+00:01", /* by a microsecond */
    "9999-12-31T23:59:59-00:01",        /* after the last */
    "9999-12-31T23:59:59.999999-23:59",
    "9999-12-31T23:59:00-00:01", /* by a microsecond */
    "1767225600",
    "now",
};

static uint64_t random_state = UINT64_C(0x9e3779b97f4a7c15);

/* Xorshift: the same numbers in every run, so that a failure can be repeated. */
static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static int64_t random_instant(void)
{
    return INSTANT_MIN_US + (int64_t)(next_random() % (uint64_t)(INSTANT_MAX_US - INSTANT_MIN_US + 1));
}

static void test_canonical_texts(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer);
    for (size_t i = 0; i < sizeof canonical / sizeof canonical[0]; i++) {
        int64_t instant_us = 42;

        buffer_clear(&buffer);
        instant_append(&buffer, canonical[i].instant_us);
        assert_text(buffer_text(&buffer), canonical[i].text);
        assert_true(instant_parse(text_from_string(canonical[i].text), &instant_us));
        assert_true(instant_us == canonical[i].instant_us);
    }
    buffer_free(&buffer);
}

static void test_other_spellings(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        int64_t instant_us = 42;

        if (!instant_parse(text_from_string(accepted[i].text), &instant_us) ||
            instant_us != accepted[i].instant_us)
            fail_msg("%s is read as %lld", accepted[i].text, (long long)instant_us);
    }
}

static void test_refusals(void **state)
{
    int64_t instant_us = 42;

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (instant_parse(text_from_string(refused[i]), &instant_us))
            fail_msg("\"%s\" is accepted", refused[i]);
    assert_false(instant_parse(text_none, &instant_us));
    assert_false(instant_parse(TEXT("2026-01-02T03:04:05Z\0"), &instant_us));
    assert_false(instant_parse(TEXT("2026-01-02T03:04:05\0Z"), &instant_us));
    assert_true(instant_us == 42);
}

/* A text is refused at every length short of its own, whatever lies behind its end. */
static void test_prefixes_are_refused(void **state)
{
    static const struct text whole = TEXT_LITERAL("2026-01-02T03:04:05.123456+05:30");
    int64_t instant_us;

    (void)state;
    assert_true(instant_parse(whole, &instant_us));
    for (size_t length = 0; length < whole.length; length++)
        assert_false(instant_parse(text_slice(whole, 0, length), &instant_us));
}

static void test_seconds_are_cut(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer);
    instant_append_seconds(&buffer, INT64_C(1767323045999999));
    assert_text(buffer_text(&buffer), "2026-01-02T03:04:05Z");
    buffer_clear(&buffer);
    instant_append_seconds(&buffer, -1); /* cut towards the past, before the epoch too */
    assert_text(buffer_text(&buffer), "1969-12-31T23:59:59Z");
    buffer_free(&buffer);
}

static void test_append_adds_to_what_is_there(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer);
    buffer_append(&buffer, TEXT("at "));
    instant_append(&buffer, 0);
    buffer_append(&buffer, TEXT("!"));
    assert_text(buffer_text(&buffer), "at 1970-01-01T00:00:00Z!");
    buffer_free(&buffer);
}

static int naive_days_of_month(int year, int month)
{
    if (month == 2)
        return year % 400 == 0 || (year % 4 == 0 && year % 100 != 0) ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/* Every day of the ten thousand years, counted one by one. */
static void test_every_day(void **state)
{
    struct buffer buffer;
    int64_t instant_us = INSTANT_MIN_US, parsed_us;
    char expected[INSTANT_TEXT_MAX + 1];

    (void)state;
    buffer_init(&buffer);
    for (int year = 0; year <= 9999; year++)
        for (int month = 1; month <= 12; month++) {
            snprintf(expected, sizeof expected, "%04d-%02d-xxT00:00:00Z", year % 10000, month);
            for (int day = 1; day <= naive_days_of_month(year, month); day++) {
                expected[8] = (char)('0' + day / 10);
                expected[9] = (char)('0' + day % 10);
                buffer_clear(&buffer);
                instant_append(&buffer, instant_us);
                if (!text_equal(buffer_text(&buffer), text_from_string(expected)) ||
                    !instant_parse(buffer_text(&buffer), &parsed_us) || parsed_us != instant_us)
                    fail_msg("%s is written %.*s", expected, TEXT_FORMAT(buffer_text(&buffer)));
                instant_us += INT64_C(86400) * MICROSECONDS_PER_SECOND;
            }
        }
    assert_true(instant_us == INSTANT_MAX_US + 1);
    buffer_free(&buffer);
}

static void test_random_round_trips(void **state)
{
    struct buffer buffer;
    int64_t parsed_us;

    (void)state;
    buffer_init(&buffer);
    for (int i = 0; i < 200000; i++) {
        int64_t instant_us = random_instant();

        buffer_clear(&buffer);
        instant_append(&buffer, instant_us);
        assert_true(instant_parse(buffer_text(&buffer), &parsed_us));
        assert_true(parsed_us == instant_us);
    }
    buffer_free(&buffer);
}

/* The C library is slow, but another opinion. */
static void test_against_the_c_library(void **state)
{
    struct buffer buffer;
    char expected[INSTANT_TEXT_MAX + 1];

    (void)state;
    buffer_init(&buffer);
    for (int i = 0; i < 50000; i++) {
        int64_t instant_us = random_instant();
        int64_t microsecond = (instant_us % 1000000 + 1000000) % 1000000;
        time_t seconds = (time_t)((instant_us - microsecond) / 1000000);
        struct tm tm;

        gmtime_r(&seconds, &tm);
        snprintf(expected, sizeof expected, "%04u-%02u-%02uT%02u:%02u:%02uZ",
                 (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
                 (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
                 (unsigned)tm.tm_sec % 100);
        buffer_clear(&buffer);
        instant_append_seconds(&buffer, instant_us);
        assert_text(buffer_text(&buffer), expected);
    }
    buffer_free(&buffer);
}

/* Any single byte put in the place of another either is refused or gives an instant that reads back. */
static void test_mutations(void **state)
{
    static const char whole[] = "2024-02-29T23:59:59.000001+05:30";
    struct buffer buffer;
    int64_t instant_us, again_us;

    (void)state;
    buffer_init(&buffer);
    for (size_t i = 0; i < sizeof whole - 1; i++)
        for (int byte = 0; byte < 256; byte++) {
            char mutated[sizeof whole];

            memcpy(mutated, whole, sizeof whole);
            mutated[i] = (char)byte;
            if (!instant_parse((struct text){mutated, sizeof whole - 1}, &instant_us))
                continue;
            assert_true((byte >= '0' && byte <= '9') || byte == '-' || byte == '+' || byte == whole[i]);
            buffer_clear(&buffer);
            instant_append(&buffer, instant_us);
            assert_true(instant_parse(buffer_text(&buffer), &again_us));
            assert_true(instant_us == again_us);
        }
    buffer_free(&buffer);
}

static void test_clocks(void **state)
{
    int64_t before_us = (int64_t)time(NULL) * MICROSECONDS_PER_SECOND;
    int64_t now_us = instant_now_us();
    int64_t first_us = monotonic_now_us();

    (void)state;
    /* time() may lag behind the fine clock by a tick, never a second. */
    assert_true(now_us >= before_us && now_us < before_us + 60 * MICROSECONDS_PER_SECOND);
    for (int i = 0; i < 1000; i++) {
        int64_t next_us = monotonic_now_us();

        assert_true(next_us >= first_us);
        first_us = next_us;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical_texts),
        cmocka_unit_test(test_other_spellings),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_prefixes_are_refused),
        cmocka_unit_test(test_seconds_are_cut),
        cmocka_unit_test(test_append_adds_to_what_is_there),
        cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_random_round_trips),
        cmocka_unit_test(test_against_the_c_library),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_clocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
