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

/* Texts outside ASCII are written in octal: unlike a hexadecimal escape, an octal one ends after three
 * digits. */

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
        ("a@" LABEL_63 ".com"),
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
        "j\303\274rgen@example.com",
        "\347\224\250\346\210\267@\344\276\213\345\255\220.\345\271\277\345\221\212",
        "\340\244\225\340\245\215@\340\244\211.\340\244\255\340\244\276",
        "a@b\303\274cher.de",
        "a@b.\303\244\303\266\303\274",
        "\"\303\274 \303\244\"@example.com",
        "\360\240\200\200@example.com", /* an ideograph outside the first plane */
        "\302\252\302\265\302\272\303\200@example.com",
        NULL,
    };

    (void)state;
    assert_accepts(format_email, values);
}

static const char *const refused_emails[] = {
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
    "a\177@b.co",
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
    ("a@" LABEL_63 "z.com"),
    ("a@b." LABEL_63 "z"),
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
    "\"\177\"@c.co",
    "\"\\\303\274\"@c.co",
    "\"Bob\" <a@b.co>",
    "a\302\240b@c.co",        /* no-break space */
    "a\342\200\213@c.co",     /* zero-width space */
    "\342\200\256a@c.co",     /* right-to-left override */
    "\357\273\277a@c.co",     /* byte order mark */
    "a\302\205@c.co",         /* next line, a control */
    "a\357\274\240b.co",      /* fullwidth @ in its place */
    "a@b\357\274\216co",      /* fullwidth full stop */
    "a@b\343\200\202co",      /* ideographic full stop */
    "a@b.c\342\200\246",      /* ellipsis */
    "a@\342\230\203.net",     /* snowman */
    "\360\237\230\200@c.co",  /* emoji */
    "a@c.\356\200\200",       /* private use */
    "a\363\240\201\201@c.co", /* tag letter, invisible */
    "\"\342\200\256\"@c.co",
    "a\303\227@c.co", /* multiplication sign */
    NULL,
};

static void test_email_refused(void **state)
{

    (void)state;
    assert_refuses(format_email, refused_emails);
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
                                         "D\303\211", " DE", "DE ", "D",  "276", NULL};

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
    static const char *const wrong[] = {
        "29QWERT1234P1Z",   "29QWERT1234P1Z55",      "2XQWERT1234P1Z5", "29QWER11234P1Z5",
        "29QWERTX234P1Z5",  "29QWERT12345 1Z5",      "29QWERT123411Z5", "29QWERT1234P1Y5",
        "29QWERT1234P125",  "29QWERT1234P-Z5",       "29QWERT1234P1Z-", " 9QWERT1234P1Z5",
        "29QWERT1234P1Z5 ", "29QWE\303\2111234P1Z5", "29-QWERT1234P1Z", NULL};

    (void)state;
    assert_accepts(format_gstin, right);
    assert_refuses(format_gstin, wrong);
}

static void test_pan(void **state)
{
    static const char *const right[] = {"ZXCVB1234P", "qwert1234p", "QWERT1234P", "aaaaa0000a", NULL};
    static const char *const wrong[] = {"ZXCVB1234",        "ZXCVB1234PP", "ZXCV11234P",  "ZXCVBA234P",
                                        "ZXCVB12345",       "ZXCVB 234P",  "ZXCVB1234P ", "ZXCVB1234[",
                                        "ZXCVB1234@",       "ZXCVB1234`",  "ZXCVB/234P",  "ZXCVB:234P",
                                        "ZXC\303\2111234P", NULL};

    (void)state;
    assert_accepts(format_pan, right);
    assert_refuses(format_pan, wrong);
}

static void test_hsn_sac(void **state)
{
    static const char *const right[] = {"0000", "9983", "998314", "99831400", NULL};
    static const char *const wrong[] = {"1",    "123",  "12345", "1234567", "123456789", "12a4",
                                        "-123", "12.4", " 1234", "1234 ",   "+1234567",  "\331\241\331\242",
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
