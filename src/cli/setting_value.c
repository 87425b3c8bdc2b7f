/* setting_value.c: whether a text can be a setting's value, and what it means. */
#include "cli/settings.h"

static const struct setting_choice booleans[] = {{"true", 1}, {"false", 0}, {"yes", 1}, {"no", 0}, {"on", 1},
                                                 {"off", 0},  {"1", 1},     {"0", 0},   {0}};

/* "debug, info or error": the words, each meaning once. */
static struct text listed(const struct setting_choice *choices, struct arena *arena)
{
    struct text list = text_from_string(choices->word);

    for (const struct setting_choice *choice = choices + 1; choice->word; choice++) {
        bool is_last = true;

        if (choice->value == choice[-1].value)
            continue;
        for (const struct setting_choice *later = choice + 1; later->word; later++)
            is_last &= later->value == choice->value;
        list = arena_format(arena, "%.*s%s%s", TEXT_FORMAT(list), is_last ? " or " : ", ", choice->word);
    }
    return list;
}

struct text setting_help(const struct setting *setting, struct arena *arena)
{
    struct text help = text_from_string(setting->help);

    if (setting->choices)
        help = arena_format(arena, "%.*s: %.*s", TEXT_FORMAT(help),
                            TEXT_FORMAT(listed(setting->choices, arena)));
    if (setting->alias)
        help = arena_format(arena, "%.*s; %s is taken as well", TEXT_FORMAT(help), setting->alias);
    if (setting->traits & RELOADS)
        help = arena_format(arena, "%.*s; SIGHUP has it read again", TEXT_FORMAT(help));
    return help;
}

static struct text read_choice(const struct setting_choice *choices, struct text value, int64_t *number)
{
    const struct setting_choice *given = choices, *shown = choices;

    while (given->word && !text_equal(text_from_string(given->word), value))
        given++;
    if (!given->word)
        return text_none;
    while (shown->value != given->value)
        shown++;
    *number = given->value;
    return text_from_string(shown->word);
}

/* Takes KiB, MiB or GiB off the end; how many times the rest counts. */
static uint64_t take_unit(struct text *value)
{
    static const struct {
        struct text name;
        uint64_t factor;
    } units[] = {{TEXT_LITERAL("KiB"), 1ULL << 10},
                 {TEXT_LITERAL("MiB"), 1ULL << 20},
                 {TEXT_LITERAL("GiB"), 1ULL << 30}};

    for (unsigned i = 0; i < sizeof units / sizeof units[0]; i++)
        if (text_ends_with(*value, units[i].name)) {
            *value = text_trim(text_slice(*value, 0, value->length - units[i].name.length));
            return units[i].factor;
        }
    return 1;
}

static struct text read_number(const struct setting *setting, struct text value, struct arena *arena,
                               int64_t *number)
{
    uint64_t factor = setting->type == SETTING_BYTES ? take_unit(&value) : 1, count;

    if (!text_to_uint64(value, &count) || count > (uint64_t)setting->maximum / factor ||
        (int64_t)(count * factor) < setting->minimum)
        return text_none;
    *number = (int64_t)(count * factor);
    return arena_format(arena, "%lld", (long long)*number);
}

static struct text what_it_must_be(const struct setting *setting, struct text value, struct arena *arena)
{
    switch (setting->type) {
    case SETTING_TEXT:
    case SETTING_LIST:
        if (value.length && setting->check)
            return text_from_string(setting->check(value));
        break;
    case SETTING_NUMBER:
    case SETTING_DURATION_MS:
    case SETTING_BYTES:
        return arena_format(arena, "must be a number%s from %lld to %lld",
                            setting->type == SETTING_BYTES         ? " of bytes"
                            : setting->type == SETTING_DURATION_MS ? " of milliseconds"
                                                                   : "",
                            (long long)setting->minimum, (long long)setting->maximum);
    case SETTING_BOOLEAN:
        return TEXT("must be true or false");
    case SETTING_CHOICE:
        return arena_format(arena, "must be %.*s", TEXT_FORMAT(listed(setting->choices, arena)));
    }
    return TEXT("must not be empty");
}

struct text setting_value_read(const struct setting *setting, struct text value, struct arena *arena,
                               int64_t *number, struct text *complaint)
{
    struct text shown = text_none;

    switch (setting->type) {
    case SETTING_TEXT:
    case SETTING_LIST:
        if (value.length && !(setting->check && setting->check(value)))
            shown = value;
        break;
    case SETTING_NUMBER:
    case SETTING_DURATION_MS:
    case SETTING_BYTES:
        shown = read_number(setting, value, arena, number);
        break;
    case SETTING_BOOLEAN:
        shown = read_choice(booleans, value, number);
        break;
    case SETTING_CHOICE:
        shown = read_choice(setting->choices, value, number);
        break;
    }
    if (!text_is_set(shown))
        *complaint = what_it_must_be(setting, value, arena);
    return shown;
}
