#include "cmocka_all.h"

#include "base/timezone.h"

/* These need the system's tz database (Debian: tzdata), as the server does. */
static void test_known(void **state)
{
    static const char *const names[] = {
        "UTC",           "GMT",           "EST",
        "Asia/Kolkata",  "Europe/Berlin", "America/Argentina/ComodRivadavia",
        "Etc/GMT+5",     "Etc/GMT-14",    "America/Port-au-Prince",
        "Asia/Calcutta", "Etc/UTC",       "America/Argentina/Buenos_Aires",
    };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!timezone_known(text_from_string(names[i])))
            fail_msg("%s is not known", names[i]);
}

static void test_unknown(void **state)
{
    static const char *const names[] = {
        "",
        "utc",
        "Utc",
        "Local",
        "local",
        "LOCAL",
        "+05:30",
        "Mars/Base",
        "europe/berlin",
        "Europe/berlin",
        "EUROPE/BERLIN",
        "Europe",  /* a directory */
        "Europe/", /* the same */
        "Europe/Berlin/",
        "/Europe/Berlin",
        "//Europe/Berlin",
        "Europe//Berlin",
        "Europe/Berlin ",
        " Europe/Berlin",
        "Europe/Berlin\n",
        "Europe\\Berlin",
        "./Europe/Berlin",
        "Europe/./Berlin",
        "Europe/../Europe/Berlin",
        "../zoneinfo/UTC",
        "../../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "/",
        "Europe/Berlin/x",
        /* Files in the database's folder that are no zone, or no zone of their own. */
        "zone.tab",
        "zone1970.tab",
        "iso3166.tab",
        "tzdata.zi",
        "leapseconds",
        "localtime",
        "posixrules",
        "Factory",
        "posix/Europe/Berlin",
        "right/Europe/Berlin",
        "posix",
        "right",
        /* Just past the limit of a name. */
        "Europe/Berlinxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "EST5EDT4,M3.2.0,M11.1.0",
        "\xef\xbc\xb5\xef\xbc\xb4\xef\xbc\xa3",
    };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (timezone_known(text_from_string(names[i])))
            fail_msg("\"%s\" is known", names[i]);
    assert_false(timezone_known(text_none));
    assert_false(timezone_known(TEXT("UTC\0")));
    assert_false(timezone_known(TEXT("Europe/Berlin\0x")));
}

/* The longest name that is looked up at all leaves the path terminated. */
static void test_length_limit(void **state)
{
    char name[10 * TIMEZONE_NAME_MAX];

    (void)state;
    memset(name, 'A', sizeof name);
    assert_false(timezone_known((struct text){name, TIMEZONE_NAME_MAX}));
    assert_false(timezone_known((struct text){name, TIMEZONE_NAME_MAX + 1}));
    assert_false(timezone_known((struct text){name, sizeof name}));
}

/* A name ends at its length, not where its bytes happen to go on. */
static void test_name_is_not_terminated(void **state)
{
    (void)state;
    assert_true(timezone_known(text_slice(TEXT("Europe/BerlinXYZ"), 0, 13)));
    assert_true(timezone_known(text_slice(TEXT("UTCX"), 0, 3)));
    assert_false(timezone_known(text_slice(TEXT("Europe/Berlin"), 0, 12)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_length_limit),
        cmocka_unit_test(test_name_is_not_terminated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
