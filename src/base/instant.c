/* instant.c: the proleptic Gregorian calendar, without the C library's time functions: those are slow, depend
 * on the process's zone, and every customer sent carries two instants.
 *
 * Days and dates convert by the Euclidean affine functions of C. Neri and L. Schneider, "Euclidean affine
 * functions and their application to calendar algorithms", Software: Practice and Experience 53 (2023): no
 * branch and no loop. The year is taken to begin on March 1, so that the leap day is its last. */
#include "base/instant.h"

#include <assert.h>
#include <time.h>

#define MICROSECONDS_PER_DAY (SECONDS_PER_DAY * MICROSECONDS_PER_SECOND)

enum {
    SECONDS_PER_MINUTE = 60,
    SECONDS_PER_HOUR = 3600,
    SECONDS_PER_DAY = 86400,
    NANOSECONDS_PER_MICROSECOND = 1000,
    FRACTION_DIGITS = 6,
    DAYS_PER_400_YEARS = 146097,
    /* From March 1 of the year -400, before the earliest instant, so that all that follows is unsigned. */
    DAYS_TO_UNIX_EPOCH = 719468 + DAYS_PER_400_YEARS,
    YEARS_SHIFT = 400,
    DAYS_MARCH_TO_DECEMBER = 306,
};

struct date {
    uint32_t year;
    uint32_t month; /* 1 to 12 */
    uint32_t day;   /* 1 to 31 */
};

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    int status = clock_gettime(clock, &now);

    assert(status == 0);
    (void)status;
    return (int64_t)now.tv_sec * MICROSECONDS_PER_SECOND + now.tv_nsec / NANOSECONDS_PER_MICROSECOND;
}

int64_t instant_now_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t monotonic_now_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* `days` since 1970-01-01, not before the year 0. */
static struct date date_from_days(int32_t days)
{
    uint32_t in_centuries = 4 * (uint32_t)(days + DAYS_TO_UNIX_EPOCH) + 3;
    uint32_t century = in_centuries / DAYS_PER_400_YEARS;
    uint32_t day_of_century = in_centuries % DAYS_PER_400_YEARS / 4;

    /* 2939745 = ceiling(2^32 / 1461), 1461 being the days of four years: the quotient by multiplication. */
    uint64_t in_years = UINT64_C(2939745) * (4 * day_of_century + 3);
    uint32_t year_of_century = (uint32_t)(in_years >> 32);
    uint32_t day_of_year = (uint32_t)in_years / 2939745 / 4;

    /* 2141 / 2^16 approximates the 5 months in 153 days; the constant makes March the month 3. */
    uint32_t in_months = 2141 * day_of_year + 197913;
    uint32_t next_year = day_of_year >= DAYS_MARCH_TO_DECEMBER;

    return (struct date){
        .year = 100 * century + year_of_century + next_year - YEARS_SHIFT,
        .month = (in_months >> 16) - (next_year ? 12 : 0),
        .day = (in_months & 0xffff) / 2141 + 1,
    };
}

static int32_t days_from_date(struct date date)
{
    uint32_t previous_year = date.month <= 2;
    uint32_t year = date.year + YEARS_SHIFT - previous_year;
    uint32_t month = date.month + (previous_year ? 12 : 0); /* 3 to 14 */
    uint32_t century = year / 100;
    uint32_t days_of_years = 1461 * year / 4 - century + century / 4;
    uint32_t days_of_months = (979 * month - 2919) / 32;

    return (int32_t)(days_of_years + days_of_months + date.day - 1) - DAYS_TO_UNIX_EPOCH;
}

static char *put_two_digits(char *out, uint32_t value)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
        "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
        "8081828384858687888990919293949596979899";

    memcpy(out, pairs + 2 * (size_t)value, 2);
    return out + 2;
}

static char *put_date(char *out, struct date date)
{
    out = put_two_digits(out, date.year / 100);
    out = put_two_digits(out, date.year % 100);
    *out++ = '-';
    out = put_two_digits(out, date.month);
    *out++ = '-';
    return put_two_digits(out, date.day);
}

static char *put_time(char *out, uint32_t second_of_day)
{
    out = put_two_digits(out, second_of_day / SECONDS_PER_HOUR);
    *out++ = ':';
    out = put_two_digits(out, second_of_day / SECONDS_PER_MINUTE % 60);
    *out++ = ':';
    return put_two_digits(out, second_of_day % 60);
}

/* A fraction that is not zero, without its trailing zeros. */
static char *put_fraction(char *out, uint32_t microsecond)
{
    *out++ = '.';
    out = put_two_digits(out, microsecond / 10000);
    out = put_two_digits(out, microsecond / 100 % 100);
    out = put_two_digits(out, microsecond % 100);
    while (out[-1] == '0')
        out--;
    return out;
}

static void append(struct buffer *buffer, int64_t instant_us, bool with_fraction)
{
    assert(instant_us >= INSTANT_MIN_US && instant_us <= INSTANT_MAX_US);
    buffer_reserve(buffer, INSTANT_TEXT_MAX);

    /* Counted from the first instant, so that the divisions are unsigned and round down. */
    uint64_t since_minimum_us = (uint64_t)(instant_us - INSTANT_MIN_US);
    int32_t first_day = (int32_t)(INSTANT_MIN_US / MICROSECONDS_PER_DAY);
    int32_t days = first_day + (int32_t)(since_minimum_us / MICROSECONDS_PER_DAY);
    uint64_t of_day_us = since_minimum_us % MICROSECONDS_PER_DAY;
    uint32_t second_of_day = (uint32_t)(of_day_us / MICROSECONDS_PER_SECOND);
    uint32_t microsecond = (uint32_t)(of_day_us % MICROSECONDS_PER_SECOND);

    char *out = put_date(buffer->data + buffer->length, date_from_days(days));
    *out++ = 'T';
    out = put_time(out, second_of_day);
    if (with_fraction && microsecond != 0)
        out = put_fraction(out, microsecond);
    *out++ = 'Z';
    buffer->length = (size_t)(out - buffer->data);
}

void instant_append(struct buffer *buffer, int64_t instant_us)
{
    append(buffer, instant_us, true);
}

void instant_append_seconds(struct buffer *buffer, int64_t instant_us)
{
    append(buffer, instant_us, false);
}

/* What is left to read; each take_ function consumes what it accepts. */
static bool take_char(struct text *rest, char expected)
{
    if (rest->length == 0 || rest->data[0] != expected)
        return false;
    *rest = text_from(*rest, 1);
    return true;
}

/* Exactly `digits` digits with a value of at most `maximum`. */
static bool take_number(struct text *rest, size_t digits, uint32_t maximum, uint32_t *value)
{
    uint32_t result = 0;

    if (rest->length < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        uint32_t digit = (uint32_t)(unsigned char)rest->data[i] - '0';

        if (digit > 9)
            return false;
        result = 10 * result + digit;
    }
    *rest = text_from(*rest, digits);
    *value = result;
    return result <= maximum;
}

static uint32_t days_of_month(uint32_t year, uint32_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool take_date(struct text *rest, struct date *date)
{
    return take_number(rest, 4, 9999, &date->year) && take_char(rest, '-') &&
           take_number(rest, 2, 12, &date->month) && date->month >= 1 && take_char(rest, '-') &&
           take_number(rest, 2, 31, &date->day) && date->day >= 1 &&
           date->day <= days_of_month(date->year, date->month);
}

static bool take_time(struct text *rest, uint32_t *second_of_day)
{
    uint32_t hour, minute, second;

    if (!take_number(rest, 2, 23, &hour) || !take_char(rest, ':') || !take_number(rest, 2, 59, &minute) ||
        !take_char(rest, ':') || !take_number(rest, 2, 59, &second))
        return false;
    *second_of_day = hour * SECONDS_PER_HOUR + minute * SECONDS_PER_MINUTE + second;
    return true;
}

/* The dot and at least one digit, when there is a dot. */
static bool take_fraction(struct text *rest, uint32_t *microsecond)
{
    uint32_t digit;
    int count = 0;

    *microsecond = 0;
    if (!take_char(rest, '.'))
        return true;
    if (!take_number(rest, 1, 9, &digit))
        return false;
    do
        if (count < FRACTION_DIGITS) {
            *microsecond = 10 * *microsecond + digit;
            count++;
        }
    while (take_number(rest, 1, 9, &digit));
    for (; count < FRACTION_DIGITS; count++)
        *microsecond *= 10;
    return true;
}

static bool take_offset(struct text *rest, int32_t *offset_seconds)
{
    uint32_t hour, minute;

    *offset_seconds = 0;
    if (take_char(rest, 'Z'))
        return true;
    bool negative = take_char(rest, '-');

    if (!negative && !take_char(rest, '+'))
        return false;
    if (!take_number(rest, 2, 23, &hour) || !take_char(rest, ':') || !take_number(rest, 2, 59, &minute))
        return false;
    *offset_seconds = (int32_t)(hour * SECONDS_PER_HOUR + minute * SECONDS_PER_MINUTE);
    if (negative)
        *offset_seconds = -*offset_seconds;
    return true;
}

bool instant_parse(struct text text, int64_t *instant_us)
{
    struct date date;
    uint32_t second_of_day, microsecond;
    int32_t offset_seconds;

    if (!take_date(&text, &date) || !take_char(&text, 'T') || !take_time(&text, &second_of_day) ||
        !take_fraction(&text, &microsecond) || !take_offset(&text, &offset_seconds) || text.length != 0)
        return false;
    int64_t seconds = (int64_t)days_from_date(date) * SECONDS_PER_DAY + second_of_day - offset_seconds;
    int64_t result = seconds * MICROSECONDS_PER_SECOND + microsecond;

    if (result < INSTANT_MIN_US || result > INSTANT_MAX_US)
        return false;
    *instant_us = result;
    return true;
}
