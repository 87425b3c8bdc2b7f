/* config.c: `farthing config example|check|show`. */
#include "cli/commands.h"
#include "cli/printed.h"
#include "cli/serve_plan.h"
#include "json/writer.h"

#include <stdio.h>

/* ---- example ---- */

static bool stands_in_file(const struct setting *setting)
{
    return !(setting->traits & FLAG_ONLY);
}

/* Whether a value can stand in the file without quotes. */
static bool is_bare(struct text value)
{
    return value.length && value.data[0] != '"' && value.data[0] != '#' &&
           !memmem(value.data, value.length, " #", 2) && text_equal(text_trim(value), value);
}

static void print_value(struct text value)
{
    if (is_bare(value)) {
        printf("%.*s", TEXT_FORMAT(value));
        return;
    }
    putchar('"');
    for (size_t i = 0; i < value.length; i++)
        printf(value.data[i] == '"' || value.data[i] == '\\' ? "\\%c" : "%c", value.data[i]);
    putchar('"');
}

static void print_example(const struct setting *setting, struct arena *arena)
{
    char variable[VARIABLE_NAME_BYTES_MAX];
    bool is_default = setting->fallback != NULL;
    struct text help = setting_help(setting, arena);

    variable_name(setting->name, variable);
    if (setting->type == SETTING_LIST)
        help = arena_format(arena, "%.*s; a line for each", TEXT_FORMAT(help));
    putchar('\n');
    print_paragraph("# ", help);
    printf("# (--%s, %s)\n#%s%s = ", setting->name, variable, is_default ? "" : " ", setting->name);
    print_value(text_from_string(is_default ? setting->fallback : setting->example));
    putchar('\n');
}

enum exit_code command_config_example(struct invocation *invocation)
{
    puts("# Farthing's configuration. It is read from farthing.conf in the data directory, or from the file "
         "that\n"
         "# --config or FARTHING_CONFIG names.\n"
         "#\n"
         "# One `name = value` a line. A value may stand in double quotes, and must when it holds a # behind "
         "a space.\n"
         "# A flag wins over an environment variable, that over this file, that over the default. The "
         "defaults are\n"
         "# shown here; take the # away to change one.");
    for (const struct setting *setting = settings_table; setting->name; setting++)
        if (stands_in_file(setting))
            print_example(setting, &invocation->arena);
    return EXIT_DONE;
}

/* ---- check ---- */

enum exit_code command_config_check(struct invocation *invocation)
{
    const struct settings *settings = &invocation->settings;
    struct serve_plan plan;
    enum exit_code code = serve_plan_make(settings, false, &plan, &invocation->arena);

    if (code != EXIT_DONE)
        return code;
    if (text_is_set(settings->file))
        printf("the settings are valid; %.*s was read\n", TEXT_FORMAT(settings->file));
    else
        puts("the settings are valid; there is no configuration file");
    return EXIT_DONE;
}

/* ---- show ---- */

/* The values of a setting as they may be shown, joined by commas. */
static struct text shown(const struct settings *settings, int index, struct arena *arena)
{
    const struct setting_state *state = &settings->states[index];
    struct text joined = text_empty;

    for (unsigned i = 0; i < state->count; i++)
        joined = arena_format(
            arena, "%.*s%s%.*s", TEXT_FORMAT(joined), i ? ", " : "",
            TEXT_FORMAT(printed_safe(setting_shown(&settings_table[index], state->values[i], arena), arena)));
    return joined;
}

static void print_table(const struct settings *settings, struct arena *arena)
{
    int name_width = (int)sizeof "SETTING", value_width = (int)sizeof "VALUE";

    for (int i = 0; settings_table[i].name; i++) {
        int name = (int)text_from_string(settings_table[i].name).length,
            value = (int)shown(settings, i, arena).length;

        name_width = name > name_width ? name : name_width;
        value_width = value > value_width ? value : value_width;
    }
    printf("%-*s  %-*s  %s\n", name_width, "SETTING", value_width, "VALUE", "ORIGIN");
    for (int i = 0; settings_table[i].name; i++)
        printf("%-*s  %-*.*s  %.*s\n", name_width, settings_table[i].name, value_width,
               TEXT_FORMAT(shown(settings, i, arena)), TEXT_FORMAT(settings_origin(settings, i, arena)));
    puts("# What a server would use that is started here and now; one that runs may have been given others.");
}

static void write_value(struct json_writer *writer, const struct settings *settings, int index,
                        struct arena *arena)
{
    const struct setting_state *state = &settings->states[index];
    const struct setting *setting = &settings_table[index];

    if (setting->type == SETTING_LIST) {
        json_begin_array(writer);
        for (unsigned i = 0; i < state->count; i++)
            json_string(writer, printed_utf8(setting_shown(setting, state->values[i], arena), arena));
        json_end_array(writer);
    } else if (state->count == 0) {
        json_null(writer);
    } else if (setting->type == SETTING_BOOLEAN) {
        json_bool(writer, state->number != 0);
    } else if (setting->type == SETTING_TEXT || setting->type == SETTING_CHOICE) {
        json_string(writer, printed_utf8(setting_shown(setting, state->values[0], arena), arena));
    } else {
        json_int64(writer, state->number);
    }
}

static void write_origin(struct json_writer *writer, const struct settings *settings, int index,
                         struct arena *arena)
{
    static const char *const words[] = {"default", "file", "environment", "flag"};
    const struct setting_state *state = &settings->states[index];

    json_put_string(writer, TEXT("origin"), text_from_string(words[state->origin]));
    if (state->origin == ORIGIN_FILE) {
        json_put_string(writer, TEXT("file"), printed_utf8(settings->file, arena));
        json_put_int64(writer, TEXT("line"), state->line);
    }
    if (state->origin == ORIGIN_ENVIRONMENT) {
        json_put_string(writer, TEXT("variable"), setting_variable(&settings_table[index], arena));
    }
}

static void print_json(const struct settings *settings, struct arena *arena)
{
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    json_key(&writer, TEXT("settings"));
    json_begin_array(&writer);
    for (int i = 0; settings_table[i].name; i++) {
        json_begin_object(&writer);
        json_put_string(&writer, TEXT("name"), text_from_string(settings_table[i].name));
        json_key(&writer, TEXT("value"));
        write_value(&writer, settings, i, arena);
        write_origin(&writer, settings, i, arena);
        json_put_bool(&writer, TEXT("reloads"), settings_table[i].traits & RELOADS);
        json_end_object(&writer);
    }
    json_end_array(&writer);
    json_end_object(&writer);
    buffer_append_char(&buffer, '\n');
    fwrite(buffer.data, 1, buffer.length, stdout);
    buffer_free(&buffer);
}

enum exit_code command_config_show(struct invocation *invocation)
{
    if (invocation_switch(invocation, "json"))
        print_json(&invocation->settings, &invocation->arena);
    else
        print_table(&invocation->settings, &invocation->arena);
    return EXIT_DONE;
}
