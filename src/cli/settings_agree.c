/* settings_agree.c: whether settings that have to do with each other go together. */
#include "cli/settings.h"

#include <assert.h>

/* What stands at its default asks for nothing. */
static bool is_given(const struct settings *settings, int index)
{
    const struct setting_state *state = &settings->states[index];
    const char *fallback = settings_table[index].fallback;

    return state->count > 0 && !(fallback && text_equal(state->values[0], text_from_string(fallback)));
}

/* "tls-cert (flag)" */
static struct text with_origin(const struct settings *settings, int index)
{
    return arena_format(settings->arena, "%s (%.*s)", settings_table[index].name,
                        TEXT_FORMAT(settings_origin(settings, index, settings->arena)));
}

static int index_of_other(const char *name)
{
    int index = settings_find(text_from_string(name));

    assert(index >= 0);
    return index;
}

/* Whether the setting goes with those that its row names. */
static bool agrees(const struct settings *settings, int index, struct text *reason)
{
    const struct setting *setting = &settings_table[index];

    if (setting->needs && is_given(settings, index) && !is_given(settings, index_of_other(setting->needs))) {
        *reason = arena_format(settings->arena, "%.*s needs %s as well",
                               TEXT_FORMAT(with_origin(settings, index)), setting->needs);
        return false;
    }
    if (setting->at_most) {
        int other = index_of_other(setting->at_most);

        if (settings->states[index].number <= settings->states[other].number)
            return true;
        *reason =
            arena_format(settings->arena, "%.*s is more than %.*s", TEXT_FORMAT(with_origin(settings, index)),
                         TEXT_FORMAT(with_origin(settings, other)));
        return false;
    }
    return true;
}

bool settings_agree(const struct settings *settings, struct text *reason)
{
    for (int i = 0; settings_table[i].name; i++)
        if (!agrees(settings, i, reason))
            return false;
    return true;
}
