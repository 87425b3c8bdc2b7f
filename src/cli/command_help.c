/* command_help.c: finding a command by its words, and `farthing help`. */
#include "cli/command.h"

#include "cli/nearest.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES_MAX = 64, WORDS_MAX = 2 };

const struct command *command_find(int word_count, char **words, int *taken)
{
    char name[NAME_BYTES_MAX];

    for (int count = word_count < WORDS_MAX ? word_count : WORDS_MAX; count > 0; count--) {
        size_t length = (size_t)snprintf(name, sizeof name, count == 2 ? "%s %s" : "%s", words[0],
                                         count == 2 ? words[1] : "");

        for (const struct command *command = commands; command->name && length < sizeof name; command++)
            if (strcmp(command->name, name) == 0) {
                *taken = count;
                return command;
            }
    }
    return NULL;
}

static bool is_in_group(const struct command *command, const char *group)
{
    size_t length = strlen(group);

    return strncmp(command->name, group, length) == 0 && command->name[length] == ' ';
}

/* Whether commands begin with this word, and need a second one. */
static bool is_group(const char *word)
{
    for (const struct command *command = commands; command->name; command++)
        if (is_in_group(command, word))
            return true;
    return false;
}

enum exit_code command_unknown(int word_count, char **words)
{
    struct arena arena = {0};
    bool in_group = is_group(words[0]);
    struct text word = text_from_string(in_group && word_count > 1 ? words[1] : words[0]);
    struct nearest nearest = nearest_to(word);

    for (const struct command *command = commands; command->name; command++) {
        struct text name = text_from_string(command->name);
        size_t space = text_find(name, ' ');

        if (!in_group)
            nearest_offer(&nearest, text_slice(name, 0, space));
        else if (is_in_group(command, words[0]))
            nearest_offer(&nearest, text_from(name, space + 1));
    }
    if (!in_group)
        nearest_offer(&nearest, TEXT("help"));
    struct text suggestion = nearest_suggestion(&nearest, &arena);

    if (in_group && word_count == 1)
        complain(EXIT_USAGE, "%s what? `farthing help %s` lists the commands", words[0], words[0]);
    else
        complain(EXIT_USAGE, "there is no command \"%s%s%.*s\"%.*s%s`farthing help%s%s` lists them",
                 in_group ? words[0] : "", in_group ? " " : "", TEXT_FORMAT(word), TEXT_FORMAT(suggestion),
                 suggestion.length ? " " : "; ", in_group ? " " : "", in_group ? words[0] : "");
    arena_free(&arena);
    return EXIT_USAGE;
}

/* ---- help ---- */

static void print_flag(const struct flag *flag)
{
    char variable[VARIABLE_NAME_BYTES_MAX];

    printf("  --%s%s%s\n      %s%s", flag->name, flag->argument ? " " : "",
           flag->argument ? flag->argument : "", flag->help,
           flag->may_repeat ? "; may be given several times" : "");
    if (flag->fallback)
        printf(" (default %s)", flag->fallback);
    variable_name(flag->name, variable);
    printf(flag->argument ? "\n      %s\n" : "\n", variable);
}

static void print_choices(const struct setting_choice *choice)
{
    for (const char *comma = ": "; choice->word; choice++, comma = ", ")
        printf("%s%s", comma, choice->word);
}

static void print_setting(const struct setting *setting)
{
    char variable[VARIABLE_NAME_BYTES_MAX];

    printf("  --%s %s\n      %s", setting->name, setting->argument, setting->help);
    if (setting->choices)
        print_choices(setting->choices);
    if (setting->type == SETTING_LIST)
        fputs("; may be given several times", stdout);
    if (setting->fallback)
        printf(" (default %s)", setting->fallback);
    else if (setting->example)
        printf(" (for example %s)", setting->example);
    variable_name(setting->name, variable);
    printf("\n      %s%s%s\n", variable, setting->type == SETTING_LIST ? ", values separated by commas" : "",
           setting->traits & RELOADS ? "; SIGHUP reads it again" : "");
}

static void print_command_help(const struct command *command)
{
    bool has_flags = command->flags[0].name || command->settings != SETTINGS_NONE;

    printf("farthing %s%s%s%s\n\n%s\n", command->name, has_flags ? " [FLAGS]" : "",
           command->operand ? " " : "", command->operand ? command->operand : "", command->summary);
    if (has_flags)
        puts("\nFlags (each with the environment variable that stands in for it):");
    for (const struct flag *flag = command->flags; flag->name; flag++)
        print_flag(flag);
    for (int i = 0; settings_table[i].name; i++)
        if (settings_in_scope(i, command->settings))
            print_setting(&settings_table[i]);
    if (command->settings >= SETTINGS_ALL)
        puts("\nA flag wins over the environment, that over the configuration file, that over the default.\n"
             "`farthing config example` prints a configuration file.");
}

/* Lists the commands of a group; all of them without one. */
static void print_commands(const char *group)
{
    for (const struct command *command = commands; command->name; command++)
        if (!group || is_in_group(command, group))
            printf("  %-20s %s\n", command->name, command->summary);
}

enum exit_code command_help(int word_count, char **words)
{
    int taken = 0;
    const struct command *command = word_count ? command_find(word_count, words, &taken) : NULL;

    if (command)
        print_command_help(command);
    else if (word_count == 1 && is_group(words[0]))
        print_commands(words[0]);
    else if (word_count > 0)
        return command_unknown(word_count, words);
    else {
        puts("Farthing: usage-based billing in one small binary.\n\nCommands:");
        print_commands(NULL);
        puts("\n`farthing help COMMAND` lists the flags of a command.");
    }
    return EXIT_DONE;
}
