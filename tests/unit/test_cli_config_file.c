/* The configuration file's lines, and the words that are near to a mistyped one. */
#include "cmocka_all.h"

#include "cli/config_file.h"
#include "cli/nearest.h"

#include <stdio.h>

/* What was read: "LINE name=<value>" for each entry, then "! reason" when a line was malformed. */
static const char *read_all(struct text content)
{
    static char said[4096];
    struct config_reader reader = config_reader_of(content);
    struct config_entry entry;
    struct arena arena = {0};
    struct text reason;
    enum config_step step;
    char *end = said;

    *end = '\0';
    while ((step = config_next(&reader, &arena, &entry, &reason)) == CONFIG_ENTRY)
        end +=
            sprintf(end, "%u %.*s=<%.*s>\n", entry.line, TEXT_FORMAT(entry.name), TEXT_FORMAT(entry.value));
    if (step == CONFIG_MALFORMED)
        sprintf(end, "! %.*s", TEXT_FORMAT(reason));
    arena_free(&arena);
    return said;
}

#define EXPECT(content, said) assert_string_equal(read_all(TEXT(content)), said)

static void test_entries(void **state)
{
    (void)state;
    EXPECT("", "");
    EXPECT("\n\n  \t\n# only\n   # comments", "");
    EXPECT("a = 1\nb=2\n\tc\t=\t3 3 \n", "1 a=<1>\n2 b=<2>\n3 c=<3 3>\n");
    EXPECT("a = 1\r\n\r\nb = 2\r\n", "1 a=<1>\n3 b=<2>\n");
    EXPECT("\xef\xbb\xbf"
           "a = 1",
           "1 a=<1>\n");
    EXPECT("a = 1 # why\nb = x#y\nc = \"#\" # z\nd = 1\t#2", "1 a=<1>\n2 b=<x#y>\n3 c=<#>\n4 d=<1>\n");
    EXPECT("a = b = c", "1 a=<b = c>\n");
    EXPECT("a = \"\"\nb = \" x \"\nc = \"q\\\"\\\\\"", "1 a=<>\n2 b=< x >\n3 c=<q\"\\>\n");
    EXPECT("listen = [::1]:80\nlisten = ünï", "1 listen=<[::1]:80>\n2 listen=<ünï>\n");
    EXPECT("a = C:\\x \"y\"", "1 a=<C:\\x \"y\">\n");
}

static void test_malformed_lines(void **state)
{
    (void)state;
    EXPECT("a = 1\nnonsense\nb = 2", "1 a=<1>\n! 2: this is not NAME = VALUE");
    EXPECT("\n[http]", "! 2: there are no sections; every line is NAME = VALUE");
    EXPECT(" = 1", "! 1: there is no name before the =");
    EXPECT("a =", "! 1: there is no value; leave the line out for the default");
    EXPECT("a = # 1", "! 1: there is no value; leave the line out for the default");
    EXPECT("a = \"x", "! 1: the closing quote is missing");
    EXPECT("a = \"", "! 1: the closing quote is missing");
    EXPECT("a = \"x\\", "! 1: the closing quote is missing");
    EXPECT("a = \"x\\\"", "! 1: the closing quote is missing");
    EXPECT("a = \"x\" y", "! 1: something stands behind the closing quote");
    EXPECT("a = \"\\n\"", "! 1: a backslash in quotes stands only before \" or another backslash");
    EXPECT("a = \xff", "! 1: this is not UTF-8");
    EXPECT("a = x\0y", "! 1: a control character");
    EXPECT("a = x\ry", "! 1: a control character");
    EXPECT("a = x\x7f", "! 1: a control character");
}

static struct text suggestion(const char *word, struct arena *arena)
{
    static const char *const known[] = {"listen", "log-level", "log-format", "header-timeout-ms", "ip"};
    struct nearest nearest = nearest_to(text_from_string(word));

    for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++)
        nearest_offer(&nearest, text_from_string(known[i]));
    return nearest_suggestion(&nearest, arena);
}

static void expect_suggestion(const char *word, const char *expected)
{
    struct arena arena = {0};
    struct text text = suggestion(word, &arena);
    char said[128];

    snprintf(said, sizeof said, "%.*s", TEXT_FORMAT(text));
    assert_string_equal(said, expected);
    arena_free(&arena);
}

static void test_suggestions(void **state)
{
    (void)state;
    expect_suggestion("lisen", "; did you mean \"listen\"?");
    expect_suggestion("lsiten", "; did you mean \"listen\"?");
    expect_suggestion("header_timeout_ms", "; did you mean \"header-timeout-ms\"?");
    expect_suggestion("loglevel", "; did you mean \"log-level\"?");
    expect_suggestion("listen", "; did you mean \"listen\"?");
    expect_suggestion("port", "");
    expect_suggestion("", "");
    expect_suggestion("i", "");
    expect_suggestion("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_malformed_lines),
        cmocka_unit_test(test_suggestions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
