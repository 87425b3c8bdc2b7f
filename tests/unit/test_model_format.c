#include "cmocka_all.h"

#include "base/utf8.h"
#include "model/format.h"

typedef const char *(*format_function)(struct text value);

static void assert_accepts(format_function format, const char *const *values)
{
    for (; *values; values++) {
        const char *rule = format(text_from_string(*values));

        assert_true(utf8_valid(text_from_string(*values)));
        if (rule)
            fail_msg("\"%s\" is refused: %s", *values, rule);
    }
}

static void assert_refuses(format_function format, const char *const *values)
{
    for (; *values; values++) {
        const char *rule = format(text_from_string(*values));

        assert_true(utf8_valid(text_from_string(*values)));
        if (!rule)
            fail_msg("\"%s\" is accepted", *values);
        assert_true(text_starts_with(text_from_string(rule), TEXT("must be ")));
    }
    assert_non_null(format(text_empty));
    assert_non_null(format(text_none));
}

#define LABEL_63 "abcdefghijklmnopqrstuvwxyz-0123456789-abcdefghijklmnopqrstuvwxy"

static void test_email_accepted(void **state)
{
    static const char *const values[] = {
        "a@b.c",
        "name@example.com",
        "NAME@EXAMPLE.COM",
        "first.last+tag@sub.example.co.uk",
        "!#$%&'*+-/=?^_`{|}~@example.com",
        "1@2.3.io",
        "a@1.b",
        "a@b-c.d-e",
        "a@b--c.de",
        "a@xn--bcher-kva.example",
        "a@example.xn--p1ai",
        "a@" LABEL_63 ".com",
        "\"quoted\"@example.com",
        "\"a b\"@example.com",
        "\"a@b\"@example.com",
        "\"a..b\"@example.com",
        "\"<>,;:()[]\"@example.com",
        "\"a\\\"b\"@example.com",
        "\"a\\\\\"@example.com",
        "\"\\ \"@example.com",
        "\"\"@example.com",
        "\"tab\there\"@example.com",
        "j\xc3\xbcrgen@example.com",
        "\xe7\x94\xa8\xe6\x88\xb7@\xe4\xbe\x8b\xe5\xad\x90.\xe5\xb9\xbf\xe5\x91\x8a",
        "\xe0\xa4\xb9\xe0\xa4\xbf\xe0\xa4\xa8\xe0\xa5\x8d\xe0\xa4\xa6\xe0\xa5\x80@\xe0\xa4\x89\xe0\xa4\xa6."
        "\xe0\xa4\xad\xe0\xa4\xbe\xe0\xa4\xb0\xe0\xa4\xa4",
        "a@b\xc3\xbc"
        "cher.de",
        "a@b.\xc3\xa4\xc3\xb6\xc3\xbc",
        "\"\xc3\xbc \xc3\xa4\"@example.com",
        "\xf0\xa0\x80\x80@example.com", /* an ideograph outside the first plane */
        "\xc2\xaa\xc2\xb5\xc2\xba\xc3\x80@example.com",
        NULL,
    };

    (void)state;
    assert_accepts(format_email, values);
}

static void test_email_refused(void **state)
{
    static const char *const values[] = {
        "a@localhost",
        "a@1.2",
        "Bob <a@b.co>",
        "<a@b.co>",
        "x@localhost",
        "a",
        "@",
        "a@",
        "@b.co",
        "a@b",
        "a@.co",
        "a@b.",
        "a@b.co.",
        "a@b..co",
        "a@.b.co",
        "a@.",
        "a@..",
        "a@@b.co",
        "a@b@c.co",
        "a@b.co@",
        ".a@b.co",
        "a.@b.co",
        "a..b@c.co",
        ".@b.co",
        "a b@c.co",
        " a@b.co",
        "a@b.co ",
        "a@b.co\n",
        "a@b.co\r\nBcc: c@d.co",
        "a\t@b.co",
        "a@ b.co",
        "a@b .co",
        "a,b@c.co",
        "a@b.co,c@d.co",
        "a@b.co;c@d.co",
        "a@b.co c@d.co",
        "mailto:a@b.co",
        "a(comment)@b.co",
        "a@b.co(comment)",
        "a@b.co>",
        "a\\@b.co",
        "a[1]@b.co",
        "a\x7f@b.co",
        "a@[127.0.0.1]",
        "a@[IPv6:::1]",
        "a@127.0.0.1",
        "a@b_c.co",
        "a@b.c_o",
        "a@b!.co",
        "a@-b.co",
        "a@b-.co",
        "a@b.-co",
        "a@b.co-",
        "a@-.co",
        "a@b.-",
        "a@b.1co",
        "a@b.co1",
        "a@b.9",
        "a@b/c.co",
        "a@b:25.co",
        "a@b%c.co",
        "a@" LABEL_63 "z.com",
        "a@b." LABEL_63 "z",
        "\"a@b.co",
        "\"a\\\"@b.co",
        "\"a\\",
        "\"",
        "\"\"",
        "\"a\"b\"@c.co",
        "\"a\"b@c.co",
        "a\"b\"@c.co",
        "\"a\".\"b\"@c.co",
        "\"a\" @c.co",
        "\"a\nb\"@c.co",
        "\"a\\\nb\"@c.co",
        "\"\x7f\"@c.co",
        "\"\\\xc3\xbc\"@c.co",
        "\"Bob\" <a@b.co>",
        "a\xc2\xa0"
        "b@c.co",             /* no-break space */
        "a\xe2\x80\x8b@c.co", /* zero-width space */
        "\xe2\x80\xae"
        "a@c.co", /* right-to-left override */
        "\xef\xbb\xbf"
        "a@c.co",         /* byte order mark */
        "a\xc2\x85@c.co", /* next line, a control */
        "a\xef\xbc\xa0"
        "b.co", /* fullwidth @ in its place */
        "a@b\xef\xbc\x8e"
        "co", /* fullwidth full stop */
        "a@b\xe3\x80\x82"
        "co",                     /* ideographic full stop */
        "a@b.c\xe2\x80\xa6",      /* ellipsis */
        "a@\xe2\x98\x83.net",     /* snowman */
        "\xf0\x9f\x98\x80@c.co",  /* emoji */
        "a@c.\xee\x80\x80",       /* private use */
        "a\xf3\xa0\x81\x81@c.co", /* tag letter, invisible */
        "\"\xe2\x80\xae\"@c.co",
        "a\xc3\x97@c.co", /* multiplication sign */
        NULL,
    };

    (void)state;
    assert_refuses(format_email, values);
    assert_non_null(format_email(TEXT("a\0@b.co")));
    assert_non_null(format_email(TEXT("a@b\0.co")));
    assert_non_null(format_email(TEXT("a@b.co\0")));
    assert_non_null(format_email(TEXT("\"\0\"@b.co")));
}

/* The length of an e-mail address is the field's rule: the format holds at any length. */
static void test_long_email(void **state)
{
    static char value[4000];

    (void)state;
    memset(value, 'a', sizeof value);
    memcpy(value + sizeof value - 12, "@example.com", 12);
    assert_null(format_email((struct text){value, sizeof value}));
    value[sizeof value - 12] = 'a';
    assert_non_null(format_email((struct text){value, sizeof value}));
}

/* Every pair of bytes, against the list as ISO publishes it. */
static void test_country(void **state)
{
    static const char codes[] =
        "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN "
        "BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ "
        "DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL "
        "GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM "
        "JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME "
        "MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP "
        "NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD "
        "SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO "
        "TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW "
        "XK ";
    int accepted = 0;

    (void)state;
    for (int first = 0; first < 256; first++)
        for (int second = 0; second < 256; second++) {
            char pair[4] = {(char)first, (char)second, ' ', '\0'};
            const char *listed = strstr(codes, pair);
            bool expected = first && second && listed && (listed - codes) % 3 == 0;

            if ((format_country((struct text){pair, 2}) == NULL) != expected)
                fail_msg("%c%c is %s", first, second, expected ? "refused" : "accepted");
            accepted += expected;
        }
    assert_int_equal(accepted, 249 + 1);
}

static void test_country_refused(void **state)
{
    static const char *const values[] = {"us",        "Us",  "uS",  "UK", "EU",  "USA", "U",
                                         "XX",        "AN",  "SU",  "YU", "TP",  "ZZ",  "AA",
                                         "D\xc3\x89", " DE", "DE ", "D",  "276", NULL};

    (void)state;
    assert_refuses(format_country, values);
}

static void test_timezone(void **state)
{
    static const char *const right[] = {"Asia/Kolkata", "Europe/Berlin", "UTC", "GMT", "EST", NULL};
    static const char *const wrong[] = {"utc", "Local", "+05:30", "Mars/Base", "../UTC", NULL};

    (void)state;
    assert_accepts(format_timezone, right);
    assert_refuses(format_timezone, wrong);
}

static void test_gstin(void **state)
{
    static const char *const right[] = {"29QWERT1234P1Z5",
                                        "29qwert1234p1z5",
                                        "00AAAAA0000AAZA",
                                        "99ZZZZZ9999Z9Z9",
                                        "29QwErT1234pbzc",
                                        "29QWERT1234P0Z0",
                                        NULL};
    static const char *const wrong[] = {"29QWERT1234P1Z",
                                        "29QWERT1234P1Z55",
                                        "2XQWERT1234P1Z5",
                                        "29QWER11234P1Z5",
                                        "29QWERTX234P1Z5",
                                        "29QWERT12345 1Z5",
                                        "29QWERT123411Z5",
                                        "29QWERT1234P1Y5",
                                        "29QWERT1234P125",
                                        "29QWERT1234P-Z5",
                                        "29QWERT1234P1Z-",
                                        " 9QWERT1234P1Z5",
                                        "29QWERT1234P1Z5 ",
                                        "29QWE\xc3\x89"
                                        "1234P1Z5",
                                        "29-QWERT1234P1Z",
                                        NULL};

    (void)state;
    assert_accepts(format_gstin, right);
    assert_refuses(format_gstin, wrong);
}

static void test_pan(void **state)
{
    static const char *const right[] = {"ZXCVB1234P", "qwert1234p", "QWERT1234P", "aaaaa0000a", NULL};
    static const char *const wrong[] = {"ZXCVB1234",
                                        "ZXCVB1234PP",
                                        "ZXCV11234P",
                                        "ZXCVBA234P",
                                        "ZXCVB12345",
                                        "ZXCVB 234P",
                                        "ZXCVB1234P ",
                                        "ZXCVB1234[",
                                        "ZXCVB1234@",
                                        "ZXCVB1234`",
                                        "ZXCVB/234P",
                                        "ZXCVB:234P",
                                        "ZXC\xc3\x89"
                                        "1234P",
                                        NULL};

    (void)state;
    assert_accepts(format_pan, right);
    assert_refuses(format_pan, wrong);
}

static void test_hsn_sac(void **state)
{
    static const char *const right[] = {"0000", "9983", "998314", "99831400", NULL};
    static const char *const wrong[] = {"1",    "123",  "12345", "1234567", "123456789", "12a4",
                                        "-123", "12.4", " 1234", "1234 ",   "+1234567",  "\xd9\xa1\xd9\xa2",
                                        NULL};

    (void)state;
    assert_accepts(format_hsn_sac, right);
    assert_refuses(format_hsn_sac, wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_email_accepted),  cmocka_unit_test(test_email_refused),
        cmocka_unit_test(test_long_email),      cmocka_unit_test(test_country),
        cmocka_unit_test(test_country_refused), cmocka_unit_test(test_timezone),
        cmocka_unit_test(test_gstin),           cmocka_unit_test(test_pan),
        cmocka_unit_test(test_hsn_sac),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
