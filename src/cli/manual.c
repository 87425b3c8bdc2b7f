/* manual.c: `farthing manual`, the page farthing(1) in the language of man(7), made from the tables of
 * commands and settings. */
#include "cli/commands.h"
#include "cli/flag_help.h"

#include <stdio.h>

/* ---- roff ---- */

/* What is between backquotes in our texts is set in bold. */
static void put_text(struct text text)
{
    bool is_bold = false;

    for (size_t i = 0; i < text.length; i++)
        switch (text.data[i]) {
        case '`':
            is_bold = !is_bold;
            fputs(is_bold ? "\\fB" : "\\fR", stdout);
            break;
        case '\\':
            fputs("\\e", stdout);
            break;
        case '-': /* as it is typed, not a hyphen */
            fputs("\\-", stdout);
            break;
        case '\'':
            fputs("\\(aq", stdout);
            break;
        case '.': /* at the beginning of a line it would be a request */
            fputs("\\&.", stdout);
            break;
        default:
            putchar(text.data[i]);
        }
}

static void put(const char *text)
{
    put_text(text_from_string(text));
}

static void put_section(const char *title)
{
    printf(".SH %s\n", title);
}

/* The two ends of a tagged paragraph's tag. */
static void begin_tag(void)
{
    fputs(".TP\n\\fB", stdout);
}

static void end_tag(const char *argument)
{
    fputs("\\fR", stdout);
    if (argument) {
        fputs(" \\fI", stdout);
        put(argument);
        fputs("\\fR", stdout);
    }
    putchar('\n');
}

static void put_entry(const char *tag, const char *text)
{
    begin_tag();
    put(tag);
    end_tag(NULL);
    put(text);
    putchar('\n');
}

static void put_option(const char *name, const char *argument, struct text help)
{
    begin_tag();
    put("--");
    put(name);
    end_tag(argument);
    put_text(help);
    puts("\\&.");
}

/* ---- sections ---- */

static void put_head(void)
{
    puts(".TH FARTHING 1 \"\" \"Farthing " FARTHING_VERSION "\" \"User Commands\"");
    puts(".ad l"); /* addresses in the text are too long to stretch the lines around them */
    put_section("NAME");
    puts("farthing \\- usage\\-based billing in one small binary");
    put_section("SYNOPSIS");
    puts("\\fBfarthing\\fR \\fICOMMAND\\fR [\\fIFLAGS\\fR] [\\fIOPERAND\\fR]");
    put_section("DESCRIPTION");
    put("Farthing serves an HTTP/JSON API for usage-based billing. What it holds is in a data directory, "
        "with its "
        "database inside, or in a PostgreSQL database. `farthing init` makes it, `farthing serve` serves it; "
        "the other "
        "commands look at it and change it, whether or not a server runs.\n");
}

static void put_command(const struct command *command, struct arena *arena)
{
    begin_tag();
    put("farthing ");
    put(command->name);
    end_tag(command->operand);
    put(command->summary);
    puts("\\&.");
    if (!command->flags[0].name)
        return;
    puts(".RS");
    for (const struct flag *flag = command->flags; flag->name; flag++)
        put_option(flag->name, flag->argument, flag_help(flag, arena));
    puts(".RE");
}

static void put_commands(struct arena *arena)
{
    put_section("COMMANDS");
    put("Beside the flags here, commands take settings as flags; see SETTINGS. What is behind -- is no "
        "flag, whatever it looks like.\n");
    for (const struct command *command = commands; command->name; command++)
        put_command(command, arena);
    put_entry("farthing help [COMMAND]", "List the commands, or the flags of one.");
}

static void put_setting(const struct setting *setting, struct arena *arena)
{
    char variable[VARIABLE_NAME_BYTES_MAX];

    variable_name(setting->name, variable);
    put_option(setting->name, setting->argument, setting_flag_help(setting, arena));
    puts(".br");
    put(variable);
    putchar('\n');
}

/* The commands that take more than what says where the data is, in a list. */
static void put_names_of_larger_scope(void)
{
    const char *separator = "";

    for (const struct command *command = commands; command->name; command++)
        if (command->settings >= SETTINGS_ALL) {
            printf("%s\\fB", separator);
            put(command->name);
            fputs("\\fR", stdout);
            separator = ", ";
        }
}

static void put_settings(struct arena *arena)
{
    put_section("SETTINGS");
    put("A setting is a flag, an environment variable (its name stands below each), or a line `NAME = VALUE` "
        "of the "
        "configuration file without the leading dashes. A flag wins over the environment, that over the "
        "file, that over "
        "the default. A list is separated by commas in the environment. `farthing config example` prints a "
        "file with "
        "all of them.\n");
    puts(".SS Of every command that uses a data directory");
    for (int i = 0; settings_table[i].name; i++)
        if (settings_in_scope(i, SETTINGS_DATA))
            put_setting(&settings_table[i], arena);
    puts(".SS Of commands that read a continuous backup, and of the server");
    for (int i = 0; settings_table[i].name; i++)
        if (settings_in_scope(i, SETTINGS_BACKUP) && !settings_in_scope(i, SETTINGS_DATA))
            put_setting(&settings_table[i], arena);
    puts(".SS Of the server");
    put("Taken by these commands as well as the others: ");
    put_names_of_larger_scope();
    puts("\\&.");
    for (int i = 0; settings_table[i].name; i++)
        if (!settings_in_scope(i, SETTINGS_BACKUP))
            put_setting(&settings_table[i], arena);
}

static void put_tail(void)
{
    put_section("SIGNALS");
    put_entry("SIGTERM, SIGINT",
              "The server finishes what is under way and ends; a second one ends it at once.");
    put_entry("SIGHUP",
              "The server reads certificates, secrets and the settings that may change again, and opens "
              "the access log anew.");
    put_section("FILES");
    put_entry("DIR/farthing.conf", "The configuration, unless `--config` names another file.");
    put_entry("DIR/farthing.db", "The embedded database. No other program may open it while a server runs.");
    put_entry("DIR/secrets", "The keys that sign and encrypt. What they have encrypted is lost with them.");
    put_section("EXIT STATUS");
    put_entry("0", "Done.");
    put_entry("1", "Not done.");
    put_entry("2", "A wrong command line or wrong settings.");
}

enum exit_code command_manual(struct invocation *invocation)
{
    put_head();
    put_commands(&invocation->arena);
    put_settings(&invocation->arena);
    put_tail();
    return EXIT_DONE;
}
