#include "cli/command.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENVIRONMENT_NAME_MAX = 64, WORDS_MAX = 2 };

enum exit_code complain(enum exit_code code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("farthing: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return code;
}

/* ---- values ---- */

static int flag_index(const struct command *command, struct text name)
{
    for (int i = 0; command->flags[i].name; i++) {
        assert(i < COMMAND_FLAGS_MAX);
        if (text_equal(text_from_string(command->flags[i].name), name))
            return i;
    }
    return -1;
}

unsigned invocation_values(const struct invocation *invocation, const char *flag, const struct text **values)
{
    int index = flag_index(invocation->command, text_from_string(flag));

    assert(index >= 0);
    *values = invocation->values[index];
    return invocation->value_counts[index];
}

struct text invocation_value(const struct invocation *invocation, const char *flag)
{
    const struct text *values;

    return invocation_values(invocation, flag, &values) ? values[0] : text_none;
}

bool invocation_number(const struct invocation *invocation, const char *flag, int64_t minimum,
                       int64_t maximum, int64_t *number)
{
    struct text text = invocation_value(invocation, flag);
    uint64_t value;

    if (text_to_uint64(text, &value) && value <= (uint64_t)maximum && (int64_t)value >= minimum) {
        *number = (int64_t)value;
        return true;
    }
    complain(EXIT_USAGE, "--%s must be a number from %lld to %lld, not \"%.*s\"", flag, (long long)minimum,
             (long long)maximum, TEXT_FORMAT(text));
    return false;
}

/* FARTHING_LISTEN for "listen". */
static void environment_name(const char *flag, char name[ENVIRONMENT_NAME_MAX])
{
    size_t length = (size_t)snprintf(name, ENVIRONMENT_NAME_MAX, "FARTHING_%s", flag);

    assert(length < ENVIRONMENT_NAME_MAX);
    for (char *at = name; *at; at++)
        *at = *at == '-' ? '_' : *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;
}

static void fill_in_defaults(struct invocation *invocation)
{
    for (int i = 0; invocation->command->flags[i].name; i++) {
        const struct flag *flag = &invocation->command->flags[i];
        char name[ENVIRONMENT_NAME_MAX];

        assert(i < COMMAND_FLAGS_MAX);
        if (invocation->value_counts[i])
            continue;
        environment_name(flag->name, name);
        const char *value = getenv(name);

        if (!value || !*value)
            value = flag->fallback;
        if (value)
            invocation->values[i][invocation->value_counts[i]++] = text_from_string(value);
    }
}

/* ---- help ---- */

static void print_command_help(const struct command *command)
{
    char name[ENVIRONMENT_NAME_MAX];

    printf("farthing %s%s%s%s\n\n%s\n", command->name, command->flags[0].name ? " [FLAGS]" : "",
           command->operand ? " " : "", command->operand ? command->operand : "", command->summary);
    if (command->flags[0].name)
        puts("\nFlags (each with the environment variable that stands in for it):");
    for (const struct flag *flag = command->flags; flag->name; flag++) {
        environment_name(flag->name, name);
        printf("  --%s %s\n      %s%s%s%s%s\n      %s\n", flag->name, flag->argument, flag->help,
               flag->may_repeat ? "; may be given several times" : "", flag->fallback ? " (default " : "",
               flag->fallback ? flag->fallback : "", flag->fallback ? ")" : "", name);
    }
}

/* Lists the commands that begin with the word `group`; all of them without one. False when there is none. */
static bool print_commands(const char *group)
{
    size_t length = group ? strlen(group) : 0;
    bool found = false;

    for (const struct command *command = commands; command->name; command++) {
        if (group && (strncmp(command->name, group, length) != 0 || command->name[length] != ' '))
            continue;
        printf("  %-12s %s\n", command->name, command->summary);
        found = true;
    }
    return found;
}

/* Whether commands begin with this word, and need a second one. */
static bool is_group(const char *word)
{
    size_t length = strlen(word);

    for (const struct command *command = commands; command->name; command++)
        if (strncmp(command->name, word, length) == 0 && command->name[length] == ' ')
            return true;
    return false;
}

static void print_help(void)
{
    puts("Farthing: usage-based billing in one small binary.\n\nCommands:");
    print_commands(NULL);
    puts("\n`farthing help COMMAND` lists the flags of a command.");
}

/* ---- finding and reading ---- */

/* The command that the first one or two arguments name; *taken tells how many. */
static const struct command *find_command(int argument_count, char **arguments, int *taken)
{
    char name[ENVIRONMENT_NAME_MAX];

    for (int words = argument_count < WORDS_MAX ? argument_count : WORDS_MAX; words > 0; words--) {
        snprintf(name, sizeof name, words == 2 ? "%s %s" : "%s", arguments[0],
                 words == 2 ? arguments[1] : "");
        for (const struct command *command = commands; command->name; command++)
            if (strcmp(command->name, name) == 0) {
                *taken = words;
                return command;
            }
    }
    return NULL;
}

static enum exit_code help_on(int argument_count, char **arguments)
{
    int taken;
    const struct command *command = argument_count ? find_command(argument_count, arguments, &taken) : NULL;

    if (command)
        print_command_help(command);
    else if (argument_count == 0)
        print_help();
    else if (!print_commands(arguments[0]))
        return complain(EXIT_USAGE, "there is no command \"%s\"; `farthing help` lists them", arguments[0]);
    return EXIT_DONE;
}

/* Reads one `--name value`; *index moves to its last argument. */
static bool read_flag(struct invocation *invocation, int argument_count, char **arguments, int *index)
{
    struct text argument = text_from(text_from_string(arguments[*index]), 2);
    size_t equals = text_find(argument, '=');
    struct text name = text_slice(argument, 0, equals);
    const char *command = invocation->command->name;
    int flag = flag_index(invocation->command, name);

    if (flag < 0) {
        complain(EXIT_USAGE, "%s has no flag --%.*s; `farthing help %s` lists its flags", command,
                 TEXT_FORMAT(name), command);
        return false;
    }
    unsigned maximum = invocation->command->flags[flag].may_repeat ? COMMAND_FLAG_REPEATS_MAX : 1;

    if (equals == argument.length && *index + 1 == argument_count) {
        complain(EXIT_USAGE, "--%.*s needs a value", TEXT_FORMAT(name));
        return false;
    }
    if (invocation->value_counts[flag] == maximum) {
        complain(EXIT_USAGE, "--%.*s is given too often", TEXT_FORMAT(name));
        return false;
    }
    invocation->values[flag][invocation->value_counts[flag]++] =
        equals < argument.length ? text_from(argument, equals + 1) : text_from_string(arguments[++*index]);
    return true;
}

static bool read_operand(struct invocation *invocation, const char *argument)
{
    if (!invocation->command->operand || text_is_set(invocation->operand)) {
        complain(EXIT_USAGE, "%s does not take \"%s\"; see `farthing help %s`", invocation->command->name,
                 argument, invocation->command->name);
        return false;
    }
    invocation->operand = text_from_string(argument);
    return true;
}

static bool read_arguments(struct invocation *invocation, int argument_count, char **arguments)
{
    for (int i = 0; i < argument_count; i++) {
        bool is_flag = strncmp(arguments[i], "--", 2) == 0;

        if (is_flag ? !read_flag(invocation, argument_count, arguments, &i)
                    : !read_operand(invocation, arguments[i]))
            return false;
    }
    if (invocation->command->operand && !text_is_set(invocation->operand)) {
        complain(EXIT_USAGE, "%s needs %s; see `farthing help %s`", invocation->command->name,
                 invocation->command->operand, invocation->command->name);
        return false;
    }
    fill_in_defaults(invocation);
    return true;
}

static bool asks_for_help(int argument_count, char **arguments)
{
    for (int i = 0; i < argument_count; i++)
        if (strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0)
            return true;
    return false;
}

enum exit_code command_main(int argument_count, char **arguments)
{
    int taken = 0;

    if (argument_count == 0)
        return complain(EXIT_USAGE, "which command? `farthing help` lists them");
    if (strcmp(arguments[0], "help") == 0)
        return help_on(argument_count - 1, arguments + 1);
    if (strcmp(arguments[0], "--version") == 0)
        arguments[0] += 2;
    const struct command *command = find_command(argument_count, arguments, &taken);

    if (asks_for_help(argument_count, arguments))
        return help_on(command ? taken : 0, arguments);
    if (!command)
        return complain(EXIT_USAGE, "there is no command \"%s\"; `farthing help%s%s` lists them",
                        arguments[0], is_group(arguments[0]) ? " " : "",
                        is_group(arguments[0]) ? arguments[0] : "");
    struct invocation *invocation = calloc(1, sizeof *invocation);

    if (!invocation)
        abort();
    invocation->command = command;
    enum exit_code code = EXIT_USAGE;

    if (read_arguments(invocation, argument_count - taken, arguments + taken))
        code = command->run(invocation);
    arena_free(&invocation->arena);
    free(invocation);
    return code;
}
