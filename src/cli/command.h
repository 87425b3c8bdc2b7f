/* command.h: the command line, described once: commands, their flags, and the environment variables that
 * stand in for flags. Only for the cli room. */
#ifndef FARTHING_CLI_COMMAND_H
#define FARTHING_CLI_COMMAND_H

#include "base/arena.h"
#include "base/text.h"

enum {
    COMMAND_FLAGS_MAX = 16,
    COMMAND_FLAG_REPEATS_MAX = 16,
    COMMAND_OPERANDS_MAX = 1,
};

enum exit_code { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* `--name VALUE` or `--name=VALUE`. The environment variable is FARTHING_ and the name in upper case. */
struct flag {
    const char *name;     /* "listen" */
    const char *argument; /* "HOST:PORT" */
    const char *fallback; /* NULL: none */
    const char *help;
    bool may_repeat;
};

struct invocation;

struct command {
    const char *name;    /* "key create" */
    const char *operand; /* "ID": one is required; NULL: none is taken */
    const char *summary;
    const struct flag *flags; /* ended by one without a name */
    enum exit_code (*run)(struct invocation *invocation);
};

/* A command with its values: from the flag, else the environment, else the fallback. */
struct invocation {
    const struct command *command;
    struct arena arena; /* for all that the command needs */
    struct text values[COMMAND_FLAGS_MAX][COMMAND_FLAG_REPEATS_MAX];
    unsigned value_counts[COMMAND_FLAGS_MAX];
    struct text operand;
};

/* The commands of the program, ended by one without a name. */
extern const struct command commands[];

/* The (first) value of a flag; unset when there is none. */
struct text invocation_value(const struct invocation *invocation, const char *flag);
/* All values of a flag that may repeat. */
unsigned invocation_values(const struct invocation *invocation, const char *flag, const struct text **values);
/* A number between `minimum` and `maximum`. False, after saying so on standard error, when it is none. */
bool invocation_number(const struct invocation *invocation, const char *flag, int64_t minimum,
                       int64_t maximum, int64_t *number);

/* Finds the command, reads its flags and runs it. */
enum exit_code command_main(int argument_count, char **arguments);

/* "farthing: <message>" on standard error, one line; returns `code`. */
enum exit_code complain(enum exit_code code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Flags that several commands share. */
#define FLAG_DATA                                                                                            \
    {                                                                                                        \
        "data", "DIR", "./farthing-data", "the data directory", false                                        \
    }

#endif
