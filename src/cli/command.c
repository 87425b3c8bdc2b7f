#include "cli/command.h"

#include "cli/completion.h"
#include "cli/nearest.h"
#include "cli/printed.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is told may hold names from anywhere, and what somebody typed. */
__attribute__((format(printf, 1, 0))) static void say(const char *format, va_list arguments)
{
    struct arena arena;
    char *message;

    arena_init(&arena);
    if (vasprintf(&message, format, arguments) < 0)
        abort();
    fprintf(stderr, "farthing: %.*s\n", TEXT_FORMAT(printed_safe(text_from_string(message), &arena)));
    free(message);
    arena_free(&arena);
}

enum exit_code complain(enum exit_code code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    return code;
}

void remark(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

bool print_out(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    complain(EXIT_FAILED, "standard output cannot be written: %s", strerror(errno));
    return false;
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

    if (flag_index(invocation->command, text_from_string(flag)) < 0)
        return settings_text(&invocation->settings, flag);
    return invocation_values(invocation, flag, &values) ? values[0] : text_none;
}

bool invocation_switch(const struct invocation *invocation, const char *flag)
{
    return text_is_set(invocation_value(invocation, flag));
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

static void fill_in_defaults(struct invocation *invocation)
{
    for (int i = 0; invocation->command->flags[i].name; i++) {
        const char *fallback = invocation->command->flags[i].fallback;

        assert(i < COMMAND_FLAGS_MAX);
        if (fallback && !invocation->value_counts[i])
            invocation->values[i][invocation->value_counts[i]++] = text_from_string(fallback);
    }
}

/* ---- reading ---- */

static bool refuse_flag(struct invocation *invocation, struct text name)
{
    const struct command *command = invocation->command;
    struct nearest nearest = nearest_to(name);

    for (const struct flag *flag = command->flags; flag->name; flag++)
        nearest_offer(&nearest, text_from_string(flag->name));
    for (int i = 0; settings_table[i].name; i++)
        if (settings_in_scope(i, command->settings))
            nearest_offer(&nearest, text_from_string(settings_table[i].name));
    if (text_is_set(nearest.best))
        complain(EXIT_USAGE, "%s has no flag --%.*s; did you mean --%.*s?", command->name, TEXT_FORMAT(name),
                 TEXT_FORMAT(nearest.best));
    else
        complain(EXIT_USAGE, "%s has no flag --%.*s; `farthing help %s` lists its flags", command->name,
                 TEXT_FORMAT(name), command->name);
    return false;
}

static bool set_flag(struct invocation *invocation, int flag, struct text value)
{
    const struct flag *description = &invocation->command->flags[flag];
    unsigned maximum = description->may_repeat ? COMMAND_FLAG_REPEATS_MAX : 1;

    if (invocation->value_counts[flag] == maximum) {
        complain(EXIT_USAGE, "--%s is given too often", description->name);
        return false;
    }
    invocation->values[flag][invocation->value_counts[flag]++] = value;
    return true;
}

static bool set_setting(struct invocation *invocation, int setting, struct text value)
{
    struct text reason;

    if (settings_set_flag(&invocation->settings, setting, value, &reason))
        return true;
    complain(EXIT_USAGE, "%.*s", TEXT_FORMAT(reason));
    return false;
}

/* Reads one `--name value`; *index moves to its last argument. */
static bool read_flag(struct invocation *invocation, int argument_count, char **arguments, int *index)
{
    const struct command *command = invocation->command;
    struct text argument = text_from(text_from_string(arguments[*index]), 2);
    size_t equals = text_find(argument, '=');
    struct text name = text_slice(argument, 0, equals), value = TEXT("true");
    int flag = flag_index(command, name), setting = flag < 0 ? settings_find(name) : -1;
    bool has_value = equals < argument.length;

    if (flag < 0 && (setting < 0 || !settings_in_scope(setting, command->settings)))
        return refuse_flag(invocation, name);
    bool is_switch = flag >= 0 && !command->flags[flag].argument,
         needs_value = !is_switch && !(setting >= 0 && settings_table[setting].type == SETTING_BOOLEAN);

    if (is_switch && has_value) {
        complain(EXIT_USAGE, "--%.*s takes no value", TEXT_FORMAT(name));
        return false;
    }
    if (needs_value && !has_value && *index + 1 == argument_count) {
        complain(EXIT_USAGE, "--%.*s needs a value", TEXT_FORMAT(name));
        return false;
    }
    if (has_value)
        value = text_from(argument, equals + 1);
    else if (needs_value)
        value = text_from_string(arguments[++*index]);
    return flag >= 0 ? set_flag(invocation, flag, value) : set_setting(invocation, setting, value);
}

bool command_takes_several(const struct command *command)
{
    return command->operand && text_ends_with(text_from_string(command->operand), TEXT("..."));
}

static bool read_operand(struct invocation *invocation, const char *argument)
{
    const struct command *command = invocation->command;
    unsigned count_max = command_takes_several(command) ? COMMAND_OPERANDS_MAX : command->operand != NULL;

    if (invocation->operand_count == count_max && count_max > 1) {
        complain(EXIT_USAGE, "%s takes at most %u of %s, and \"%s\" is one more; see `farthing help %s`",
                 command->name, count_max, command->operand, argument, command->name);
        return false;
    }
    if (invocation->operand_count == count_max) {
        complain(EXIT_USAGE, "%s does not take \"%s\"; see `farthing help %s`", command->name, argument,
                 command->name);
        return false;
    }
    invocation->operands[invocation->operand_count++] = text_from_string(argument);
    invocation->operand = invocation->operands[0];
    return true;
}

static bool read_arguments(struct invocation *invocation, int argument_count, char **arguments)
{
    struct text reason;
    bool has_flags = true; /* until `--`, behind which all are operands */

    for (int i = 0; i < argument_count; i++) {
        bool is_flag = has_flags && strncmp(arguments[i], "--", 2) == 0;

        if (is_flag && strcmp(arguments[i], "--") == 0)
            has_flags = false;
        else if (is_flag ? !read_flag(invocation, argument_count, arguments, &i)
                         : !read_operand(invocation, arguments[i]))
            return false;
    }
    const char *operand = invocation->command->operand;

    if (operand && operand[0] != '[' && !text_is_set(invocation->operand)) {
        complain(EXIT_USAGE, "%s needs %s; see `farthing help %s`", invocation->command->name,
                 invocation->command->operand, invocation->command->name);
        return false;
    }
    fill_in_defaults(invocation);
    if (invocation->command->settings == SETTINGS_LATER)
        return true;
    if (settings_load(&invocation->settings, invocation->command->settings, &reason))
        return true;
    complain(EXIT_USAGE, "%.*s", TEXT_FORMAT(reason));
    return false;
}

static bool asks_for_help(int argument_count, char **arguments)
{
    for (int i = 0; i < argument_count && strcmp(arguments[i], "--") != 0; i++)
        if (strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0)
            return true;
    return false;
}

/* ---- running ---- */

/* A file opened in place of a closed standard stream would be written to by the next message. */
static void open_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDONLY) != fd)
            abort();
}

static enum exit_code run(const struct command *command, int argument_count, char **arguments)
{
    struct invocation *invocation = calloc(1, sizeof *invocation);
    enum exit_code code = EXIT_USAGE;

    if (!invocation)
        abort();
    invocation->command = command;
    settings_init(&invocation->settings, &invocation->arena);
    if (read_arguments(invocation, argument_count, arguments))
        code = command->run(invocation);
    arena_free(&invocation->arena);
    free(invocation);
    return code;
}

static enum exit_code find_and_run(int argument_count, char **arguments)
{
    int taken = 0;

    if (argument_count == 0)
        return complain(EXIT_USAGE, "which command? `farthing help` lists them");
    if (strcmp(arguments[0], COMPLETION_COMMAND) == 0)
        return completion_offer(argument_count - 1, arguments + 1);
    if (strcmp(arguments[0], "help") == 0 && !asks_for_help(argument_count, arguments))
        return command_help(argument_count - 1, arguments + 1);
    if (strcmp(arguments[0], "--version") == 0)
        arguments[0] += 2;
    const struct command *command = command_find(argument_count, arguments, &taken);

    if (asks_for_help(argument_count, arguments))
        return command_help(command ? taken : arguments[0][0] != '-' && strcmp(arguments[0], "help") != 0,
                            arguments);
    if (!command)
        return command_unknown(argument_count, arguments);
    return run(command, argument_count - taken, arguments + taken);
}

enum exit_code command_main(int argument_count, char **arguments)
{
    open_standard_streams();
    enum exit_code code = find_and_run(argument_count, arguments);

    /* What was printed may be the only copy of something: it counts as done when it is out. */
    return code != EXIT_DONE || print_out() ? code : EXIT_FAILED;
}
