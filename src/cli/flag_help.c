#include "cli/flag_help.h"

struct text flag_help(const struct flag *flag, struct arena *arena)
{
    return arena_format(
        arena, "%s%s%s%s%s", flag->help, flag->may_repeat ? "; may be given several times" : "",
        flag->fallback ? " (default " : "", flag->fallback ? flag->fallback : "", flag->fallback ? ")" : "");
}

struct text setting_flag_help(const struct setting *setting, struct arena *arena)
{
    struct text help = setting_help(setting, arena);

    if (setting->type == SETTING_LIST)
        help = arena_format(arena, "%.*s; may be given several times", TEXT_FORMAT(help));
    if (setting->fallback)
        return arena_format(arena, "%.*s (default %s)", TEXT_FORMAT(help), setting->fallback);
    if (setting->example)
        return arena_format(arena, "%.*s (for example %s)", TEXT_FORMAT(help), setting->example);
    return help;
}
