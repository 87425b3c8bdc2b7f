/* command.h: the command line, described once: commands, their flags, and the settings they take. Only for
 * the cli room. */
#ifndef FARTHING_CLI_COMMAND_H
#define FARTHING_CLI_COMMAND_H

#include "base/arena.h"
#include "base/text.h"
#include "cli/settings.h"

enum {
    COMMAND_FLAGS_MAX = 16,
    COMMAND_FLAG_REPEATS_MAX = 16,
    COMMAND_OPERANDS_MAX = 16,
};

enum exit_code { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* `--name VALUE` or `--name=VALUE`, of one command. Unlike a setting it has no environment variable: what a
 * command does to the books should stand on its line. */
struct flag {
    const char *name;     /* "listen" */
    const char *argument; /* "HOST:PORT"; NULL: a switch, which takes no value */
    const char *fallback; /* NULL: none */
    const char *help;
    bool may_repeat;
};

struct invocation;

struct command {
    const char *name;    /* "key create" */
    const char *operand; /* "ID": one is required; "[ID]": one is taken; "ID...": one or more; NULL: none */
    const char *summary;
    const struct flag *flags; /* ended by one without a name */
    enum exit_code (*run)(struct invocation *invocation);
    enum settings_scope settings; /* which settings it takes besides */
};

/* A command with its values: from the flag, else (a setting) the environment or the configuration file, else
 * the fallback. */
struct invocation {
    const struct command *command;
    struct arena arena; /* for all that the command needs */
    struct text values[COMMAND_FLAGS_MAX][COMMAND_FLAG_REPEATS_MAX];
    unsigned value_counts[COMMAND_FLAGS_MAX];
    struct text operand;                        /* the first one */
    struct text operands[COMMAND_OPERANDS_MAX]; /* that one and the others */
    unsigned operand_count;
    struct settings settings;
};

/* The commands of the program, ended by one without a name. */
extern const struct command commands[];

/* The (first) value of a flag, or the value of a setting that is a text; unset when there is none. */
struct text invocation_value(const struct invocation *invocation, const char *flag);
/* All values of a flag that may repeat. */
unsigned invocation_values(const struct invocation *invocation, const char *flag, const struct text **values);
/* Whether a switch is given. */
bool invocation_switch(const struct invocation *invocation, const char *flag);
/* A number between `minimum` and `maximum`. False, after saying so on standard error, when it is none. */
bool invocation_number(const struct invocation *invocation, const char *flag, int64_t minimum,
                       int64_t maximum, int64_t *number);

/* Whether a command takes several operands. */
bool command_takes_several(const struct command *command);

/* Finds the command, reads its flags and runs it. */
enum exit_code command_main(int argument_count, char **arguments);

/* "farthing: <message>" on standard error, one line, in which nothing is a command of the terminal's; returns
 * `code`. */
enum exit_code complain(enum exit_code code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same of what ends nothing. */
void remark(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Sends off what was printed. False, after saying so, when it cannot be written. A command that ends with
 * EXIT_DONE need not call it: command_main does. */
bool print_out(void);

/* Prints what `farthing help WORDS` tells. EXIT_USAGE, after saying so, when no command is named so. */
enum exit_code command_help(int word_count, char **words);
/* The command that the first one or two words name, *taken tells how many; NULL: none. */
const struct command *command_find(int word_count, char **words, int *taken);
/* Complains that there is no such command, with what it was probably meant to be. */
enum exit_code command_unknown(int word_count, char **words);

/* Flags that several commands share. */
#define FLAG_JSON                                                                                            \
    {                                                                                                        \
        "json", NULL, NULL, "print one JSON document instead of text for people", false                      \
    }

#endif
