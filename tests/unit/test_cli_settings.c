/* Settings of every type: what they take from where, which of them wins, and what is said when they are
 * wrong. */
#include "cmocka_all.h"

#include "cli/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct setting_choice colours[] = {{"red", 7}, {"green", 9}, {"verdant", 9}, {"blue", 2}, {0}};

static const char *rule_open(struct text value)
{
    return text_equal(value, TEXT("open")) ? NULL : "must be open";
}

/* In place of the program's own. */
const struct setting settings_table[] = {
    {.name = "config", .type = SETTING_TEXT, .argument = "FILE", .help = "the file", .traits = FLAG_ONLY},
    {.name = "data", .type = SETTING_TEXT, .argument = "DIR", .fallback = "./data", .help = "data"},
    {.name = "count", .type = SETTING_NUMBER, .fallback = "5", .minimum = 2, .maximum = 10, .help = "n"},
    {.name = "wait-ms",
     .type = SETTING_DURATION_MS,
     .fallback = "50",
     .minimum = 1,
     .maximum = 99,
     .help = "ms"},
    {.name = "size",
     .type = SETTING_BYTES,
     .fallback = "1024",
     .minimum = 1,
     .maximum = 1 << 30,
     .help = "b"},
    {.name = "strict", .type = SETTING_BOOLEAN, .fallback = "false", .help = "?"},
    {.name = "colour", .type = SETTING_CHOICE, .fallback = "red", .choices = colours, .help = "c"},
    {.name = "peer", .type = SETTING_LIST, .help = "peers"},
    {.name = "token", .type = SETTING_TEXT, .help = "a secret", .traits = SECRET},
    {.name = "door", .type = SETTING_LIST, .help = "d", .check = rule_open},
    {.name = "lock", .type = SETTING_TEXT, .help = "l", .needs = "lock-key"},
    {.name = "lock-key", .type = SETTING_TEXT, .help = "l", .needs = "lock"},
    {0},
};

static const char *const variables[] = {
    "FARTHING_CONFIG", "FARTHING_DATA",   "FARTHING_COUNT", "FARTHING_WAIT_MS", "FARTHING_SIZE",
    "FARTHING_STRICT", "FARTHING_COLOUR", "FARTHING_PEER",  "FARTHING_TOKEN",   "FARTHING_LOCK"};

static struct arena arena;
static struct settings settings;
static struct text reason;

static int begin(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof variables / sizeof variables[0]; i++)
        unsetenv(variables[i]);
    arena_reset(&arena);
    settings_init(&settings, &arena);
    return 0;
}

static void expect_text(struct text text, const char *expected)
{
    assert_string_equal(arena_string(&arena, text), expected);
}

static bool set(const char *name, const char *value)
{
    return settings_set_flag(&settings, settings_find(text_from_string(name)), text_from_string(value),
                             &reason);
}

static void expect_file_refused(const char *content, const char *said)
{
    begin(NULL);
    assert_false(settings_read_file(&settings, TEXT("f.conf"), text_from_string(content), &reason));
    expect_text(reason, said);
}

static void expect_origin(const char *name, const char *origin)
{
    expect_text(settings_origin(&settings, settings_find(text_from_string(name)), &arena), origin);
}

static void test_defaults(void **state)
{
    const struct text *values;

    (void)state;
    assert_true(settings_load(&settings, SETTINGS_ALL, &reason));
    expect_text(settings_text(&settings, "data"), "./data");
    assert_int_equal(settings_number(&settings, "count"), 5);
    assert_int_equal(settings_number(&settings, "wait-ms"), 50);
    assert_int_equal(settings_number(&settings, "size"), 1024);
    assert_false(settings_boolean(&settings, "strict"));
    assert_int_equal(settings_choice(&settings, "colour"), 7);
    assert_int_equal(settings_list(&settings, "peer", &values), 0);
    assert_false(text_is_set(settings_text(&settings, "token")));
    expect_origin("count", "default");
}

static void test_which_wins(void **state)
{
    const struct text *values;

    (void)state;
    assert_true(set("count", "3"));
    assert_true(set("peer", "a"));
    assert_true(set("peer", "b,c"));
    setenv("FARTHING_COUNT", "4", 1);
    setenv("FARTHING_WAIT_MS", "7", 1);
    setenv("FARTHING_PEER", "d", 1);
    setenv("FARTHING_TOKEN", "", 1); /* as good as unset */
    assert_true(settings_load(&settings, SETTINGS_ALL, &reason));
    assert_true(settings_read_file(&settings, TEXT("f.conf"),
                                   TEXT("peer = e\npeer = f\ntoken = t\ncount = 9\n"), &reason));
    assert_int_equal(settings_number(&settings, "count"), 3);
    assert_int_equal(settings_number(&settings, "wait-ms"), 7);
    assert_int_equal(settings_list(&settings, "peer", &values), 2);
    expect_text(values[1], "b,c");
    settings.file = TEXT("f.conf");
    expect_origin("count", "flag");
    expect_origin("wait-ms", "environment FARTHING_WAIT_MS");
    expect_origin("token", "file f.conf:3");
    expect_origin("colour", "default");
}

static void test_lists(void **state)
{
    const struct text *values;

    (void)state;
    setenv("FARTHING_PEER", "a, b ,c", 1);
    assert_true(settings_load(&settings, SETTINGS_ALL, &reason));
    assert_int_equal(settings_list(&settings, "peer", &values), 3);
    expect_text(values[1], "b");
    begin(NULL);
    setenv("FARTHING_PEER", "a,,b", 1);
    assert_false(settings_load(&settings, SETTINGS_ALL, &reason));
    expect_text(reason, "FARTHING_PEER must not be empty");
    begin(NULL);
    assert_true(settings_read_file(&settings, TEXT("f.conf"), TEXT("peer = x\n\npeer = y, z\n"), &reason));
    assert_int_equal(settings_list(&settings, "peer", &values), 2);
    expect_text(values[1], "y, z");
    begin(NULL);
    for (unsigned i = 0; i < SETTING_VALUES_MAX; i++)
        assert_true(set("peer", "p"));
    assert_false(set("peer", "p"));
    expect_text(reason, "--peer is given too often");
}

static void test_values(void **state)
{
    (void)state;
    assert_true(set("size", "10MiB"));
    assert_int_equal(settings_number(&settings, "size"), 10485760);
    expect_text(settings.states[settings_find(TEXT("size"))].values[0], "10485760");
    begin(NULL);
    assert_true(set("size", "1 GiB"));
    assert_int_equal(settings_number(&settings, "size"), 1 << 30);
    for (const char *const *yes = (const char *const[]){"true", "yes", "on", "1", NULL}; *yes; yes++) {
        begin(NULL);
        assert_true(set("strict", *yes));
        assert_true(settings_boolean(&settings, "strict"));
        expect_text(settings.states[settings_find(TEXT("strict"))].values[0], "true");
    }
    begin(NULL);
    assert_true(set("colour", "verdant"));
    assert_int_equal(settings_choice(&settings, "colour"), 9);
    expect_text(settings.states[settings_find(TEXT("colour"))].values[0], "green");
}

static void test_wrong_values(void **state)
{
    static const struct {
        const char *name, *value, *said;
    } cases[] = {
        {"count", "1", "--count must be a number from 2 to 10, not \"1\""},
        {"count", "11", "--count must be a number from 2 to 10, not \"11\""},
        {"count", "-3", "--count must be a number from 2 to 10, not \"-3\""},
        {"count", "18446744073709551618",
         "--count must be a number from 2 to 10, not \"18446744073709551618\""},
        {"count", "3KiB", "--count must be a number from 2 to 10, not \"3KiB\""},
        {"count", "", "--count must be a number from 2 to 10"},
        {"wait-ms", "5s", "--wait-ms must be a number of milliseconds from 1 to 99, not \"5s\""},
        {"size", "0", "--size must be a number of bytes from 1 to 1073741824, not \"0\""},
        {"size", "2GiB", "--size must be a number of bytes from 1 to 1073741824, not \"2GiB\""},
        {"size", "99999999999GiB",
         "--size must be a number of bytes from 1 to 1073741824, not \"99999999999GiB\""},
        {"size", "KiB", "--size must be a number of bytes from 1 to 1073741824, not \"KiB\""},
        {"strict", "TRUE", "--strict must be true or false, not \"TRUE\""},
        {"colour", "Red", "--colour must be red, green or blue, not \"Red\""},
        {"data", "", "--data must not be empty"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_false(set(cases[i].name, cases[i].value));
        expect_text(reason, cases[i].said);
    }
    assert_true(set("data", "a"));
    assert_false(set("data", "b"));
    expect_text(reason, "--data is given too often");
}

static void test_rules(void **state)
{
    static const char *const addresses[] = {
        "127.0.0.1:80",          ":80",     "[::1]:0",       "name:65535", "unix:/a/b", "fd:3",
        "https://127.0.0.1:443", "systemd", "http://unix:x", NULL};
    static const char *const no_addresses[] = {
        "nonsense", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "a:65536", "a:-1", "::1:80",
        "unix:",    "fd:x",      "https://",   "[]",          ":",       NULL};

    (void)state;
    for (const char *const *address = addresses; *address; address++)
        assert_null(setting_rule_listen(text_from_string(*address)));
    for (const char *const *address = no_addresses; *address; address++)
        assert_non_null(setting_rule_listen(text_from_string(*address)));
    assert_null(setting_rule_network(TEXT("10.0.0.0/8")));
    assert_null(setting_rule_network(TEXT("::1")));
    assert_null(setting_rule_network(TEXT("loopback")));
    assert_non_null(setting_rule_network(TEXT("10.0.0.0/33")));
    assert_null(setting_rule_mode(TEXT("0660")));
    assert_null(setting_rule_mode(TEXT("600")));
    assert_non_null(setting_rule_mode(TEXT("0888")));
    assert_non_null(setting_rule_mode(TEXT("4755")));
    assert_non_null(setting_rule_mode(TEXT("00660")));
    assert_null(setting_rule_token(TEXT("0123456789abcdef")));
    assert_non_null(setting_rule_token(TEXT("0123456789abcde")));
    assert_false(set("door", "closed"));
    expect_text(reason, "--door must be open, not \"closed\"");
    assert_false(set("door", ""));
    expect_text(reason, "--door must not be empty");
    assert_true(set("door", "open"));
}

static void test_wrong_files(void **state)
{
    (void)state;
    expect_file_refused("\ncuont = 3", "f.conf:2: unknown setting \"cuont\"; did you mean \"count\"?");
    expect_file_refused("banana = 3", "f.conf:1: unknown setting \"banana\"");
    expect_file_refused("Count = 3", "f.conf:1: unknown setting \"Count\"; did you mean \"count\"?");
    expect_file_refused("count = 3\n\ncount = 3", "f.conf:3: count is set in line 1 already");
    expect_file_refused("count = 1", "f.conf:1: count must be a number from 2 to 10, not \"1\"");
    expect_file_refused("config = x", "f.conf:1: config cannot be set in a file");
    expect_file_refused("count 3", "f.conf:1: this is not NAME = VALUE");
    expect_file_refused("token = \"\"", "f.conf:1: token must not be empty");
}

/* A value that another wins over is checked all the same: the day it counts is too late. */
static void test_overruled_values_are_checked(void **state)
{
    (void)state;
    assert_true(set("count", "3"));
    setenv("FARTHING_COUNT", "x", 1);
    assert_false(settings_load(&settings, SETTINGS_ALL, &reason));
    expect_text(reason, "FARTHING_COUNT must be a number from 2 to 10, not \"x\"");
    begin(NULL);
    assert_true(set("count", "3"));
    assert_false(settings_read_file(&settings, TEXT("f.conf"), TEXT("count = x"), &reason));
    begin(NULL);
    assert_true(set("count", "3"));
    assert_false(settings_read_file(&settings, TEXT("f.conf"), TEXT("count = 3\ncount = 4"), &reason));
    expect_text(reason, "f.conf:2: count is set in line 1 already");
}

static void test_settings_that_need_another(void **state)
{
    (void)state;
    assert_true(set("lock", "l"));
    assert_false(settings_load(&settings, SETTINGS_ALL, &reason));
    expect_text(reason, "lock (flag) needs lock-key as well");
    begin(NULL);
    assert_true(set("lock", "l"));
    assert_true(set("lock-key", "k"));
    assert_true(settings_load(&settings, SETTINGS_ALL, &reason));
}

static char directory[] = "/tmp/farthing-settings-XXXXXX", path[64];

static void write_file(const char *content)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

static void expect_unreadable(const char *file, const char *why)
{
    char said[256];

    begin(NULL);
    assert_true(set("config", file));
    assert_false(settings_load(&settings, SETTINGS_ALL, &reason));
    snprintf(said, sizeof said, "cannot read the configuration file %s: %s", file, why);
    expect_text(reason, said);
}

static void test_which_file_is_read(void **state)
{
    char said[256];

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/farthing.conf", directory);
    write_file("count = 9\n");
    assert_true(set("data", directory));
    assert_true(settings_load(&settings, SETTINGS_ALL, &reason));
    expect_text(settings.file, path);
    assert_int_equal(settings_number(&settings, "count"), 9);

    begin(NULL);
    write_file("\ndata = elsewhere\n");
    setenv("FARTHING_DATA", directory, 1);
    assert_true(settings_load(&settings, SETTINGS_ALL, &reason)); /* FARTHING_DATA wins */
    begin(NULL);
    assert_true(set("config", path));
    assert_true(settings_load(&settings, SETTINGS_DATA, &reason));
    expect_text(settings_text(&settings, "data"), "elsewhere");
    snprintf(said, sizeof said, "file %s:2", path);
    expect_origin("data", said);

    unlink(path);
    expect_unreadable(path, "No such file or directory");
    expect_unreadable(directory, "Is a directory");
    rmdir(directory);
}

/* What a running server does when it is told to read its configuration again. */
static void test_loading_again(void **state)
{
    static struct settings fresh;

    (void)state;
    strcpy(directory + strlen(directory) - 6, "XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/farthing.conf", directory);
    write_file("wait-ms = 6\ncount = 9\npeer = a\n");
    assert_true(set("data", directory));
    assert_true(set("wait-ms", "7"));
    assert_true(settings_load(&settings, SETTINGS_ALL, &reason));
    write_file("wait-ms = 8\ncount = 8\npeer = a\n");
    assert_true(settings_load_again(&settings, &fresh, &arena, &reason));
    assert_int_equal(settings_number(&fresh, "wait-ms"), 7);
    assert_int_equal(settings_number(&fresh, "count"), 8);
    assert_true(settings_differ(&settings, &fresh, settings_find(TEXT("count"))));
    assert_false(settings_differ(&settings, &fresh, settings_find(TEXT("wait-ms"))));
    assert_false(settings_differ(&settings, &fresh, settings_find(TEXT("peer"))));
    write_file("wait-ms = 8\npeer = b\n");
    assert_true(settings_load_again(&settings, &fresh, &arena, &reason));
    assert_int_equal(settings_number(&fresh, "count"), 5);
    assert_true(settings_differ(&settings, &fresh, settings_find(TEXT("peer"))));
    write_file("nonsense\n");
    assert_false(settings_load_again(&settings, &fresh, &arena, &reason));
    assert_int_equal(settings_number(&settings, "count"), 9);
    unlink(path);
    rmdir(directory);
}

/* The default directory's file cannot send the server to another directory. */
static void test_a_file_that_contradicts_its_place(void **state)
{
    char before[256];

    (void)state;
    assert_non_null(getcwd(before, sizeof before));
    strcpy(directory + strlen(directory) - 6, "XXXXXX");
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    assert_int_equal(mkdir("data", 0700), 0);
    strcpy(path, "data/farthing.conf");
    write_file("data = ./data\n");
    assert_true(settings_load(&settings, SETTINGS_ALL, &reason));
    begin(NULL);
    write_file("count = 3\ndata = elsewhere\n");
    assert_false(settings_load(&settings, SETTINGS_ALL, &reason));
    expect_text(
        reason,
        "./data/farthing.conf:2: data is \"elsewhere\", but the file lies in \"./data\"; name the file "
        "with --config");
    unlink(path);
    rmdir("data");
    assert_int_equal(chdir(before), 0);
    rmdir(directory);
}

static void test_a_secret_is_not_repeated(void **state)
{
    (void)state;
    assert_true(set("token", "hush"));
    assert_false(set("token", ""));
    expect_text(reason, "--token must not be empty");
}

static const char *shown_url(const char *url)
{
    static const struct setting database = {.traits = SECRET, .show = setting_show_database};

    return arena_string(&arena, setting_shown(&database, text_from_string(url), &arena));
}

static void test_a_url_is_shown_without_its_passwords(void **state)
{
    (void)state;
    assert_string_equal(shown_url("postgres://"), "postgres://");
    assert_string_equal(shown_url("postgres://h/d?sslmode=require"), "postgres://h/d?sslmode=require");
    assert_string_equal(shown_url("postgres://u@h:1,i:2/d"), "postgres://u@h:1,i:2/d");
    assert_string_equal(shown_url("postgresql://u:hush@h:1/d?a=b"), "postgresql://u:***@h:1/d?a=b");
    assert_string_equal(shown_url("postgres://u:@h"), "postgres://u:***@h");
    assert_string_equal(shown_url("postgres://u:hu@sh/hu?sh@h/d"), "postgres://u:***@h/d");
    assert_string_equal(shown_url("postgres://h/d?password=hush&user=u"),
                        "postgres://h/d?password=***&user=u");
    assert_string_equal(shown_url("postgres://h?sslpassword=hush&"), "postgres://h?sslpassword=***&");
    assert_string_equal(shown_url("postgres://h/d?p%61ssword=hush"), "postgres://h/d?p%61ssword=***");
    assert_string_equal(shown_url("postgres://h/d?passfile=/f&x"), "postgres://h/d?passfile=/f&x");
    assert_string_equal(shown_url("postgres://h/d?oauth_client_secret=hush&PASSWORD=hush"),
                        "postgres://h/d?oauth_client_secret=***&PASSWORD=***");
    assert_string_equal(shown_url("postgres://h/d?scram_client_key=hush"),
                        "postgres://h/d?scram_client_key=***");
    assert_string_equal(shown_url("postgres://h/d?sslmode=require?password=hush"),
                        "postgres://h/d?sslmode=***");
}

static void test_a_url_is_shown_without_a_password_inside_its_options(void **state)
{
    static const char *const hidden[] = {
        "-c%20password%3Dhush", "password=hush",   "-c%20app.%70assword%3Dhush",          "--app.shh=hush",
        "-capp%2Eshh%3Dhush",   "-c%20token=hush", "-csearch_path%3Da%20-cx.pass%3Dhush",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        char url[128];

        snprintf(url, sizeof url, "postgres://h/d?options=%s&a=b", hidden[i]);
        assert_string_equal(shown_url(url), "postgres://h/d?options=***&a=b");
    }
    assert_string_equal(shown_url("postgres://h/d?options=-csearch_path%3Dbilling"),
                        "postgres://h/d?options=-csearch_path%3Dbilling");
}

static void test_a_secret_is_not_shown(void **state)
{
    (void)state;
    assert_string_equal(arena_string(&arena, setting_shown(&settings_table[settings_find(TEXT("token"))],
                                                           TEXT("hush"), &arena)),
                        "***");
}

#define SETTINGS_TEST(name) cmocka_unit_test_setup(name, begin)

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SETTINGS_TEST(test_defaults),
        SETTINGS_TEST(test_which_wins),
        SETTINGS_TEST(test_lists),
        SETTINGS_TEST(test_values),
        SETTINGS_TEST(test_wrong_values),
        SETTINGS_TEST(test_rules),
        SETTINGS_TEST(test_wrong_files),
        SETTINGS_TEST(test_overruled_values_are_checked),
        SETTINGS_TEST(test_settings_that_need_another),
        SETTINGS_TEST(test_which_file_is_read),
        SETTINGS_TEST(test_loading_again),
        SETTINGS_TEST(test_a_file_that_contradicts_its_place),
        SETTINGS_TEST(test_a_secret_is_not_repeated),
        SETTINGS_TEST(test_a_url_is_shown_without_its_passwords),
        SETTINGS_TEST(test_a_url_is_shown_without_a_password_inside_its_options),
        SETTINGS_TEST(test_a_secret_is_not_shown),
    };

    return cmocka_run_group_tests(tests, NULL, end);
}
