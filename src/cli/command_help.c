/* command_help.c: finding a command by its words, and `farthing help`. */
#include "cli/command.h"

#include "cli/commands.h"
#include "cli/flag_help.h"
#include "cli/nearest.h"
#include "cli/printed.h"

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

    if (words[0][0] == '-')
        return complain(EXIT_USAGE,
                        "a command comes first, its flags behind it, not \"%s\"; `farthing help` lists the "
                        "commands",
                        words[0]);
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

static void print_flag(const struct flag *flag, struct arena *arena)
{
    printf("  --%s%s%s\n", flag->name, flag->argument ? " " : "", flag->argument ? flag->argument : "");
    print_paragraph("      ", flag_help(flag, arena));
}

static void print_setting(const struct setting *setting, struct arena *arena)
{
    char variable[VARIABLE_NAME_BYTES_MAX];

    variable_name(setting->name, variable);
    printf("  --%s %s\n", setting->name, setting->argument);
    print_paragraph("      ", setting_flag_help(setting, arena));
    printf("      %s%s\n", variable, setting->type == SETTING_LIST ? ", values separated by commas" : "");
}

/* The settings are those of `serve`; of the others each takes some, or all, to find the same data. */
static bool describes_settings(const struct command *command)
{
    return command->run == command_serve;
}

/* Where the data is matters to every command that takes settings. */
static bool is_described(const struct command *command, int index)
{
    struct text name = text_from_string(settings_table[index].name);

    return settings_in_scope(index, command->settings) &&
           (describes_settings(command) || text_equal(name, TEXT("data")) ||
            text_equal(name, TEXT("database")));
}

/* "--config, --auth-secret": those that the help of the command passes over. */
static struct text other_settings(const struct command *command, struct arena *arena)
{
    struct text names = text_empty;

    for (int i = 0; settings_table[i].name; i++)
        if (settings_in_scope(i, command->settings) && !is_described(command, i))
            names = arena_format(arena, "%.*s%s--%s", TEXT_FORMAT(names), names.length ? ", " : "",
                                 settings_table[i].name);
    return names;
}

static void print_end_of_help(const struct command *command, struct arena *arena)
{
    if (describes_settings(command))
        puts("\nA flag wins over the environment, that over the configuration file, that over the default.\n"
             "`farthing config example` prints a configuration file.");
    else if (command->settings != SETTINGS_NONE && command->settings < SETTINGS_ALL)
        printf("\nAlso %.*s; `farthing help serve` tells of them.\n",
               TEXT_FORMAT(other_settings(command, arena)));
    else if (command->settings >= SETTINGS_ALL)
        puts("\nAlso every other setting of a server, as flags; `farthing help serve` tells of them.");
}

static void print_command_help(const struct command *command)
{
    struct arena arena = {0};
    bool has_flags = command->flags[0].name || command->settings != SETTINGS_NONE;

    printf("farthing %s%s%s%s\n\n%s\n", command->name, has_flags ? " [FLAGS]" : "",
           command->operand ? " " : "", command->operand ? command->operand : "", command->summary);
    if (has_flags)
        puts(command->settings == SETTINGS_NONE
                 ? "\nFlags:"
                 : "\nFlags (settings with the environment variable that stands in "
                   "for each):");
    for (const struct flag *flag = command->flags; flag->name; flag++)
        print_flag(flag, &arena);
    for (int i = 0; settings_table[i].name; i++)
        if (is_described(command, i))
            print_setting(&settings_table[i], &arena);
    print_end_of_help(command, &arena);
    arena_free(&arena);
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
        puts("\n`farthing help COMMAND` lists the flags of a command.\n"
             "Exit status: 0 done, 1 not done, 2 a wrong command line or wrong settings.");
    }
    return EXIT_DONE;
}
