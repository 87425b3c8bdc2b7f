/* The command line: which command, its flags, its operand, and what is said when it is wrong. */
#include "cmocka_all.h"

#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>

/* What the last command that ran was given. */
static struct {
    const char *command; /* NULL: none ran */
    char values[256];    /* `name=value;`, all values of all flags in their order */
    char operand[64];
    char operands[256]; /* `a;b;` */
    int operands_end;
} ran;

static enum exit_code run_probe(struct invocation *invocation)
{
    char *end = ran.values;

    ran.command = invocation->command->name;
    for (const struct flag *flag = invocation->command->flags; flag->name; flag++) {
        const struct text *values;
        unsigned count = invocation_values(invocation, flag->name, &values);

        for (unsigned i = 0; i < count; i++)
            end += sprintf(end, "%s=%.*s;", flag->name, TEXT_FORMAT(values[i]));
        if (!count)
            assert_false(text_is_set(invocation_value(invocation, flag->name)));
    }
    snprintf(ran.operand, sizeof ran.operand, "%.*s", TEXT_FORMAT(invocation->operand));
    for (unsigned i = 0; i < invocation->operand_count; i++)
        ran.operands_end +=
            sprintf(ran.operands + ran.operands_end, "%.*s;", TEXT_FORMAT(invocation->operands[i]));
    return EXIT_DONE;
}

static enum exit_code run_number(struct invocation *invocation)
{
    int64_t number = -1;

    ran.command = invocation->command->name;
    if (!invocation_number(invocation, "count", 2, 10, &number))
        return EXIT_USAGE;
    sprintf(ran.values, "%lld", (long long)number);
    return EXIT_DONE;
}

static enum exit_code run_with_settings(struct invocation *invocation)
{
    ran.command = invocation->command->name;
    sprintf(ran.values, "%.*s %lld %lld", TEXT_FORMAT(invocation_value(invocation, "data")),
            (long long)settings_number(&invocation->settings, "loops"),
            (long long)settings_number(&invocation->settings, "header-timeout-ms"));
    return EXIT_DONE;
}

static enum exit_code run_with_data(struct invocation *invocation)
{
    ran.command = invocation->command->name;
    sprintf(ran.values, "%.*s", TEXT_FORMAT(invocation_value(invocation, "data")));
    return EXIT_DONE;
}

static enum exit_code run_failing(struct invocation *invocation)
{
    ran.command = invocation->command->name;
    return EXIT_FAILED;
}

static const struct flag flags[] = {
    {"data", "DIR", "./farthing-data", "the data directory", false},
    {"log-level", "LEVEL", NULL, "how much is told", false},
    {"role", "ROLE", NULL, "a role", true},
    FLAG_JSON,
    {0},
};
static const struct flag number_flags[] = {{"count", "N", "5", "how many", false}, {0}};
static const struct flag no_flags[] = {{0}};

/* In place of the program's own. */
const struct command commands[] = {
    {"serve", NULL, "Serve", flags, run_probe},
    {"key", NULL, "One word", no_flags, run_probe},
    {"key revoke", "ID", "Revoke", flags, run_probe},
    {"gather", "WORD...", "Gather", flags, run_probe},
    {"count", NULL, "Count", number_flags, run_number},
    {"fail", NULL, "Fail", no_flags, run_failing},
    {"group one", NULL, "Of a group", no_flags, run_probe},
    {"run", NULL, "With settings", no_flags, run_with_settings, SETTINGS_ALL},
    {"look", NULL, "With a data directory", no_flags, run_with_data, SETTINGS_DATA},
    {0},
};

static char *complaint;

/* Runs a command line of at most 31 words; what it says on standard error is in `complaint`. */
static enum exit_code run(const char *const *words)
{
    char *arguments[32];
    int count = 0;
    size_t length;
    FILE *saved = stderr;

    memset(&ran, 0, sizeof ran);
    free(complaint);
    for (; words[count]; count++)
        arguments[count] = strdup(words[count]);
    stderr = open_memstream(&complaint, &length);
    enum exit_code code = command_main(count, arguments);

    fclose(stderr);
    stderr = saved;
    while (count--)
        free(arguments[count]);
    return code;
}

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

static void expect_refused(enum exit_code code, const char *said)
{
    assert_int_equal(code, EXIT_USAGE);
    assert_null(ran.command);
    assert_string_equal(complaint, said);
}

static int clear(void **state)
{
    (void)state;
    unsetenv("FARTHING_DATA");
    unsetenv("FARTHING_LOG_LEVEL");
    unsetenv("FARTHING_ROLE");
    unsetenv("FARTHING_COUNT");
    free(complaint);
    complaint = NULL;
    return 0;
}

static void test_flag_with_space_or_equals_sign(void **state)
{
    (void)state;
    assert_int_equal(RUN("serve", "--data", "here", "--log-level=info"), EXIT_DONE);
    assert_string_equal(ran.values, "data=here;log-level=info;");
    assert_int_equal(RUN("serve", "--data=a=b", "--log-level", "--role"), EXIT_DONE);
    assert_string_equal(ran.values, "data=a=b;log-level=--role;");
    assert_int_equal(RUN("serve", "--data=", "--log-level", ""), EXIT_DONE);
    assert_string_equal(ran.values, "data=;log-level=;");
    assert_string_equal(complaint, "");
}

/* What a command does to the books stands on its line; only settings have variables. */
static void test_flags_have_no_variables(void **state)
{
    (void)state;
    setenv("FARTHING_ROLE", "reader", 1);
    assert_int_equal(RUN("serve"), EXIT_DONE);
    assert_string_equal(ran.values, "data=./farthing-data;");
    unsetenv("FARTHING_ROLE");
}

static void test_repeated_flags(void **state)
{
    const char *words[2 + COMMAND_FLAG_REPEATS_MAX + 1] = {"serve"};

    (void)state;
    assert_int_equal(RUN("serve", "--role", "a", "--data=d", "--role=b"), EXIT_DONE);
    assert_string_equal(ran.values, "data=d;role=a;role=b;");
    expect_refused(RUN("serve", "--data", "a", "--data=b"), "farthing: --data is given too often\n");
    for (unsigned i = 0; i < COMMAND_FLAG_REPEATS_MAX; i++)
        words[1 + i] = "--role=r";
    assert_int_equal(run(words), EXIT_DONE);
    words[1 + COMMAND_FLAG_REPEATS_MAX] = "--role=r";
    expect_refused(run(words), "farthing: --role is given too often\n");
}

static void test_unknown_flags(void **state)
{
    (void)state;
    expect_refused(RUN("serve", "--port", "1"),
                   "farthing: serve has no flag --port; `farthing help serve` lists its flags\n");
    expect_refused(RUN("serve", "--dat=x"), "farthing: serve has no flag --dat; did you mean --data?\n");
    expect_refused(RUN("serve", "--=x"),
                   "farthing: serve has no flag --; `farthing help serve` lists its flags\n");
    expect_refused(RUN("serve", "--Data=x"), "farthing: serve has no flag --Data; did you mean --data?\n");
    expect_refused(RUN("serve", "-d", "x"),
                   "farthing: serve does not take \"-d\"; see `farthing help serve`\n");
}

static void test_flag_without_its_value(void **state)
{
    (void)state;
    expect_refused(RUN("serve", "--data"), "farthing: --data needs a value\n");
}

static void test_switches(void **state)
{
    (void)state;
    assert_int_equal(RUN("key", "revoke", "--json", "secret_1"), EXIT_DONE);
    assert_string_equal(ran.operand, "secret_1");
    assert_string_equal(ran.values, "data=./farthing-data;json=true;");
    expect_refused(RUN("serve", "--json=true"), "farthing: --json takes no value\n");
    expect_refused(RUN("serve", "--json", "--json"), "farthing: --json is given too often\n");
}

static void test_settings(void **state)
{
    (void)state;
    assert_int_equal(RUN("run", "--data=d", "--loops", "3"), EXIT_DONE);
    assert_string_equal(ran.values, "d 3 10000");
    setenv("FARTHING_LOOPS", "5", 1);
    assert_int_equal(RUN("run"), EXIT_DONE);
    assert_string_equal(ran.values, "./farthing-data 5 10000");
    expect_refused(RUN("run", "--loops", "x"),
                   "farthing: --loops must be a number from 0 to 1024, not \"x\"\n");
    setenv("FARTHING_LOOPS", "-1", 1);
    expect_refused(RUN("run"), "farthing: FARTHING_LOOPS must be a number from 0 to 1024, not \"-1\"\n");
    expect_refused(RUN("run", "--loops=1", "--loops=1"), "farthing: --loops is given too often\n");
    expect_refused(RUN("run", "--data", ""), "farthing: --data must not be empty\n");
    assert_int_equal(RUN("look", "--data=d"), EXIT_DONE); /* which does not read FARTHING_LOOPS */
    assert_string_equal(ran.values, "d");
    expect_refused(RUN("look", "--loops=1"),
                   "farthing: look has no flag --loops; `farthing help look` lists its flags\n");
    unsetenv("FARTHING_LOOPS");
}

static void test_operands(void **state)
{
    (void)state;
    assert_int_equal(RUN("key", "revoke", "secret_1"), EXIT_DONE);
    assert_string_equal(ran.command, "key revoke");
    assert_string_equal(ran.operand, "secret_1");
    assert_int_equal(RUN("key", "revoke", "--data", "d", "secret_1", "--role=r"), EXIT_DONE);
    assert_string_equal(ran.operand, "secret_1");
    assert_string_equal(ran.values, "data=d;role=r;");
    expect_refused(RUN("key", "revoke"), "farthing: key revoke needs ID; see `farthing help key revoke`\n");
    expect_refused(RUN("key", "revoke", "a", "b"),
                   "farthing: key revoke does not take \"b\"; see `farthing help key revoke`\n");
    expect_refused(RUN("serve", "now"), "farthing: serve does not take \"now\"; see `farthing help serve`\n");
}

/* What begins like a flag is an operand behind `--`, also a second one of those. */
static void test_the_end_of_flags(void **state)
{
    (void)state;
    assert_int_equal(RUN("key", "revoke", "--data", "d", "--", "--help"), EXIT_DONE);
    assert_string_equal(ran.operand, "--help");
    assert_string_equal(ran.values, "data=d;");
    assert_int_equal(RUN("key", "revoke", "--", "--"), EXIT_DONE);
    assert_string_equal(ran.operand, "--");
    assert_int_equal(RUN("serve", "--"), EXIT_DONE);
    expect_refused(RUN("key", "revoke", "--"),
                   "farthing: key revoke needs ID; see `farthing help key revoke`\n");
}

static void test_several_operands(void **state)
{
    (void)state;
    assert_int_equal(RUN("gather", "a"), EXIT_DONE);
    assert_string_equal(ran.operands, "a;");
    assert_int_equal(RUN("gather", "a", "--role", "r", "", "b c"), EXIT_DONE);
    assert_string_equal(ran.operands, "a;;b c;");
    assert_string_equal(ran.operand, "a");
    assert_int_equal(
        RUN("gather", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"),
        EXIT_DONE);
    assert_string_equal(ran.operands, "1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;");
    expect_refused(
        RUN("gather", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
            "17"),
        "farthing: gather takes at most 16 of WORD..., and \"17\" is one more; see `farthing help gather`\n");
    expect_refused(RUN("gather"), "farthing: gather needs WORD...; see `farthing help gather`\n");
}

static void test_commands(void **state)
{
    char *none[1] = {NULL};

    (void)state;
    assert_int_equal(command_main(0, none), EXIT_USAGE);
    assert_int_equal(RUN("key"), EXIT_DONE); /* the longest name that fits */
    assert_string_equal(ran.command, "key");
    assert_int_equal(RUN("fail"), EXIT_FAILED);
    expect_refused(RUN("sing"), "farthing: there is no command \"sing\"; `farthing help` lists them\n");
    expect_refused(RUN("--data", "d", "serve"),
                   "farthing: a command comes first, its flags behind it, not \"--data\"; "
                   "`farthing help` lists the commands\n");
    expect_refused(RUN("key", "revoke", "--log", "x"),
                   "farthing: key revoke has no flag --log; did you mean --log-level?\n");
    expect_refused(RUN("group"), "farthing: group what? `farthing help group` lists the commands\n");
    expect_refused(RUN("group", "noe"), "farthing: there is no command \"group noe\"; did you mean \"one\"? "
                                        "`farthing help group` lists them\n");
    expect_refused(RUN("sevre"), "farthing: there is no command \"sevre\"; did you mean \"serve\"? "
                                 "`farthing help` lists them\n");
    expect_refused(RUN("help", "sing"),
                   "farthing: there is no command \"sing\"; `farthing help` lists them\n");
    expect_refused(RUN("group one"
                       "                                                                             "),
                   "farthing: there is no command \"group one"
                   "                                                                             \"; "
                   "`farthing help` lists them\n");
}

static void test_help_runs_nothing(void **state)
{
    static const char *const lines[][4] = {
        {"help"}, {"help", "serve"},   {"help", "key", "revoke"}, {"help", "group"},          {"--help"},
        {"-h"},   {"serve", "--help"}, {"serve", "-h"},           {"key", "revoke", "--help"}};

    (void)state;
    for (unsigned i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_int_equal(run(lines[i]), EXIT_DONE);
        assert_null(ran.command);
        assert_string_equal(complaint, "");
    }
}

static void test_numbers(void **state)
{
    (void)state;
    assert_int_equal(RUN("count"), EXIT_DONE);
    assert_string_equal(ran.values, "5");
    assert_int_equal(RUN("count", "--count=2"), EXIT_DONE);
    assert_int_equal(RUN("count", "--count=10"), EXIT_DONE);
    assert_string_equal(ran.values, "10");
    for (const char *const *wrong =
             (const char *const[]){"", "1", "11", "-3", "+3", "3x", " 3", "0x3", "9999999999999",
                                   "18446744073709551618", "three", NULL};
         *wrong; wrong++) {
        char expected[128];

        assert_int_equal(RUN("count", "--count", *wrong), EXIT_USAGE);
        snprintf(expected, sizeof expected, "farthing: --count must be a number from 2 to 10, not \"%s\"\n",
                 *wrong);
        assert_string_equal(complaint, expected);
    }
}

#define CLI_TEST(name) cmocka_unit_test_setup_teardown(name, clear, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLI_TEST(test_flag_with_space_or_equals_sign),
        CLI_TEST(test_flags_have_no_variables),
        CLI_TEST(test_repeated_flags),
        CLI_TEST(test_unknown_flags),
        CLI_TEST(test_flag_without_its_value),
        CLI_TEST(test_switches),
        CLI_TEST(test_settings),
        CLI_TEST(test_operands),
        CLI_TEST(test_the_end_of_flags),
        CLI_TEST(test_several_operands),
        CLI_TEST(test_commands),
        CLI_TEST(test_help_runs_nothing),
        CLI_TEST(test_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
