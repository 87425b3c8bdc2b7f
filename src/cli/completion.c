#include "cli/completion.h"

#include "cli/flag_help.h"
#include "cli/printed.h"

#include <stdio.h>
#include <string.h>

enum { MEANING_COLUMNS = 70 };

/* What is being typed, and what a shell wants before each word that it could become. */
struct offer {
    struct text lead; /* "--type=", where that is one word with the value */
    struct text typed;
    struct arena *arena;
};

/* A flag of a command, or a setting that it takes. */
struct option {
    const char *name, *argument; /* argument is NULL for a switch */
    const struct setting_choice *choices;
    struct text help;
    bool needs_value; /* the next word, where no = gives it */
};

static void offer_word(const struct offer *offer, struct text word, struct text meaning)
{
    if (text_starts_with(word, offer->typed))
        printf("%.*s%.*s\t%.*s\n", TEXT_FORMAT(offer->lead), TEXT_FORMAT(word),
               TEXT_FORMAT(printed_cut(meaning, MEANING_COLUMNS, offer->arena)));
}

/* ---- commands ---- */

/* The first of two words; unset of a command that is one. */
static struct text group_of(const struct command *command)
{
    struct text name = text_from_string(command->name);
    size_t space = text_find(name, ' ');

    return space < name.length ? text_slice(name, 0, space) : text_none;
}

static bool is_of_group(const struct command *command, struct text group)
{
    return text_is_set(group_of(command)) && text_equal(group_of(command), group);
}

/* The second word of one that is of the group. */
static struct text member_name(const struct command *command)
{
    return text_from(text_from_string(command->name), group_of(command).length + 1);
}

static bool is_first_of_group(const struct command *command, struct text group)
{
    for (const struct command *other = commands; other < command; other++)
        if (is_of_group(other, group))
            return false;
    return true;
}

/* "create, list, revoke" of "key". */
static struct text members_of(struct text group, struct arena *arena)
{
    struct text members = text_empty;

    for (const struct command *command = commands; command->name; command++)
        if (is_of_group(command, group))
            members = arena_format(arena, "%.*s%s%.*s", TEXT_FORMAT(members), members.length ? ", " : "",
                                   TEXT_FORMAT(member_name(command)));
    return members;
}

static void offer_first_words(const struct offer *offer)
{
    for (const struct command *command = commands; command->name; command++) {
        struct text group = group_of(command);

        if (!text_is_set(group))
            offer_word(offer, text_from_string(command->name), text_from_string(command->summary));
        else if (is_first_of_group(command, group))
            offer_word(offer, group, members_of(group, offer->arena));
    }
}

static void offer_second_words(const struct offer *offer, struct text group)
{
    for (const struct command *command = commands; command->name; command++)
        if (is_of_group(command, group))
            offer_word(offer, member_name(command), text_from_string(command->summary));
}

/* `words` are those before the one that is being typed. */
static void offer_commands(const struct offer *offer, int word_count, char **words)
{
    if (word_count == 0)
        offer_first_words(offer);
    else if (word_count == 1)
        offer_second_words(offer, text_from_string(words[0]));
}

/* ---- flags ---- */

static struct option option_of_flag(const struct flag *flag, struct arena *arena)
{
    return (struct option){flag->name, flag->argument, NULL, flag_help(flag, arena), flag->argument != NULL};
}

static struct option option_of_setting(const struct setting *setting, struct arena *arena)
{
    return (struct option){setting->name, setting->argument, setting->choices,
                           setting_flag_help(setting, arena), setting->type != SETTING_BOOLEAN};
}

static bool find_option(const struct command *command, struct text name, struct arena *arena,
                        struct option *option)
{
    int setting = settings_find(name);

    for (const struct flag *flag = command->flags; flag->name; flag++)
        if (text_equal(text_from_string(flag->name), name)) {
            *option = option_of_flag(flag, arena);
            return true;
        }
    if (setting < 0 || !settings_in_scope(setting, command->settings))
        return false;
    *option = option_of_setting(&settings_table[setting], arena);
    return true;
}

static void offer_option(const struct offer *offer, const struct option *option)
{
    offer_word(offer, arena_format(offer->arena, "--%s", option->name), option->help);
}

static void offer_options(const struct offer *offer, const struct command *command)
{
    struct option option;

    for (const struct flag *flag = command->flags; flag->name; flag++) {
        option = option_of_flag(flag, offer->arena);
        offer_option(offer, &option);
    }
    for (int i = 0; settings_table[i].name; i++)
        if (settings_in_scope(i, command->settings)) {
            option = option_of_setting(&settings_table[i], offer->arena);
            offer_option(offer, &option);
        }
}

/* ---- values ---- */

/* Of "asc|desc", either; of "ID|NAME", which stand for something else, none. */
static void offer_alternatives(const struct offer *offer, const char *alternatives)
{
    if (strpbrk(alternatives, "ABCDEFGHIJKLMNOPQRSTUVWXYZ ") || !strchr(alternatives, '|'))
        return;
    for (struct text rest = text_from_string(alternatives); rest.length > 0;) {
        size_t length = text_find(rest, '|');

        offer_word(offer, text_slice(rest, 0, length), text_empty);
        rest = text_from(rest, length + (length < rest.length));
    }
}

static void offer_values(const struct offer *offer, const struct option *option)
{
    for (const struct setting_choice *choice = option->choices; choice && choice->word; choice++)
        offer_word(offer, text_from_string(choice->word), text_empty);
    if (!option->choices && option->argument)
        offer_alternatives(offer, option->argument);
}

/* `--flag=val`, which is one word. */
static void offer_joined_value(const struct offer *offer, const struct command *command, size_t equals)
{
    struct offer joined = *offer;
    struct option option;

    joined.lead = text_slice(offer->typed, 0, equals + 1);
    joined.typed = text_from(offer->typed, equals + 1);
    if (find_option(command, text_slice(offer->typed, 2, equals - 2), offer->arena, &option))
        offer_values(&joined, &option);
}

/* Whether the word behind these is a flag's value; then *option is that flag. */
static bool awaits_value(const struct command *command, int word_count, char **words, struct arena *arena,
                         struct option *option)
{
    bool awaits = false, is_known = false;

    for (int i = 0; i < word_count; i++) {
        struct text word = text_from_string(words[i]);

        if (text_equal(word, TEXT("=")))
            awaits = is_known;
        else if (awaits || !text_starts_with(word, TEXT("--")))
            awaits = is_known = false;
        else {
            is_known = find_option(command, text_from(word, 2), arena, option);
            awaits = is_known && option->needs_value;
        }
    }
    return awaits;
}

/* `words` are those between the command and the one that is being typed. */
static void offer_arguments(const struct offer *offer, const struct command *command, int word_count,
                            char **words)
{
    size_t equals = text_find(offer->typed, '=');
    struct option option;

    if (awaits_value(command, word_count, words, offer->arena, &option))
        offer_values(offer, &option);
    else if (text_starts_with(offer->typed, TEXT("--")) && equals < offer->typed.length)
        offer_joined_value(offer, command, equals);
    else if (text_starts_with(offer->typed, TEXT("-")) || (!offer->typed.length && !command->operand))
        offer_options(offer, command);
    else if (command->operand)
        offer_alternatives(offer, command->operand);
}

/* ---- the line ---- */

enum exit_code completion_offer(int word_count, char **words)
{
    struct arena arena = {0};
    bool is_help = word_count > 1 && strcmp(words[0], "help") == 0;
    int before = word_count - 1, taken = 0;

    if (word_count == 0)
        return EXIT_DONE;
    struct offer offer = {text_empty, text_from_string(words[before]), &arena};
    const struct command *command = command_find(before, words, &taken);

    if (text_equal(offer.typed, TEXT("=")) && before > 0) { /* bash, behind `--flag=` */
        offer.typed = text_empty;
        before++;
    }
    if (before == 0)
        offer_word(&offer, TEXT("help"), TEXT("List the commands, or the flags of one"));
    if (is_help)
        offer_commands(&offer, before - 1, words + 1);
    else if (command)
        offer_arguments(&offer, command, before - taken, words + taken);
    else
        offer_commands(&offer, before, words);
    arena_free(&arena);
    return EXIT_DONE;
}
