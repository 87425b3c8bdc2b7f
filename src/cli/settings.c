#include "cli/settings.h"

#include "base/file.h"
#include "cli/config_file.h"
#include "cli/nearest.h"
#include "cli/variables.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char file_in_data_directory[] = "farthing.conf";

void settings_init(struct settings *settings, struct arena *arena)
{
    *settings = (struct settings){.arena = arena};
}

int settings_find(struct text name)
{
    for (int i = 0; settings_table[i].name; i++) {
        assert(i < SETTINGS_MAX);
        if (text_equal(text_from_string(settings_table[i].name), name))
            return i;
    }
    return -1;
}

bool settings_in_scope(int index, enum settings_scope scope)
{
    struct text name = text_from_string(settings_table[index].name);

    static const struct text of_data[] = {
        TEXT_LITERAL("data"),           TEXT_LITERAL("config"),
        TEXT_LITERAL("database"),       TEXT_LITERAL("rbac-roles-file"),
        TEXT_LITERAL("auth-secret"),    TEXT_LITERAL("auth-secret-previous"),
        TEXT_LITERAL("encryption-key"), TEXT_LITERAL("encryption-key-previous")};
    bool is_of_data = false, is_of_backup = text_starts_with(name, TEXT("backup-s3-"));

    for (unsigned i = 0; i < sizeof of_data / sizeof of_data[0]; i++)
        is_of_data |= text_equal(name, of_data[i]);
    return scope >= SETTINGS_ALL || (scope >= SETTINGS_DATA && is_of_data) ||
           (scope >= SETTINGS_BACKUP && is_of_backup);
}

void variable_name(const char *flag, char name[VARIABLE_NAME_BYTES_MAX])
{
    size_t length = (size_t)snprintf(name, VARIABLE_NAME_BYTES_MAX, "FARTHING_%s", flag);

    assert(length < VARIABLE_NAME_BYTES_MAX);
    for (char *at = name; *at; at++)
        *at = *at == '-' ? '_' : *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;
}

static bool is_set(const char *variable)
{
    return text_from_string(getenv(variable)).length > 0;
}

struct text setting_variable(const struct setting *setting, struct arena *arena)
{
    char name[VARIABLE_NAME_BYTES_MAX];

    variable_name(setting->name, name);
    if (setting->alias && !is_set(name) && is_set(setting->alias))
        return text_from_string(setting->alias);
    return text_from_string(arena_string(arena, text_from_string(name)));
}

/* ---- giving values ---- */

/* Checks a value and adds it, unless the setting is given by something stronger already. `where` names the
 * value's place in a complaint: "--listen", "FARTHING_LISTEN", "farthing.conf:12: listen". */
static bool give(struct settings *settings, int index, enum setting_origin origin, unsigned line,
                 struct text value, struct text where, struct text *reason)
{
    const struct setting *setting = &settings_table[index];
    struct setting_state *state = &settings->states[index];
    struct text complaint;
    int64_t number = 0;
    struct text shown = setting_value_read(setting, value, settings->arena, &number, &complaint);
    bool is_stronger = state->count == 0 || state->origin == origin;

    if (!text_is_set(shown)) {
        *reason = arena_format(settings->arena,
                               value.length == 0 || setting->traits & SECRET ? "%.*s %.*s"
                                                                             : "%.*s %.*s, not \"%.*s\"",
                               TEXT_FORMAT(where), TEXT_FORMAT(complaint), TEXT_FORMAT(value));
        return false;
    }
    if (!is_stronger)
        return true;
    if (state->count == (setting->type == SETTING_LIST ? SETTING_VALUES_MAX : 1)) {
        *reason = arena_format(settings->arena, "%.*s is given too often", TEXT_FORMAT(where));
        return false;
    }
    state->values[state->count++] = shown;
    state->number = number;
    state->origin = origin;
    state->line = line;
    return true;
}

bool settings_set_flag(struct settings *settings, int index, struct text value, struct text *reason)
{
    return give(settings, index, ORIGIN_FLAG, 0, value,
                arena_format(settings->arena, "--%s", settings_table[index].name), reason);
}

static bool read_variable(struct settings *settings, int index, struct text *reason)
{
    struct text where = setting_variable(&settings_table[index], settings->arena),
                rest = text_from_string(getenv(where.data));

    if (rest.length == 0) /* as good as unset: that is how many tools leave a variable out */
        return true;
    if (settings_table[index].type != SETTING_LIST)
        return give(settings, index, ORIGIN_ENVIRONMENT, 0, rest, where, reason);
    for (bool goes_on = true; goes_on;) {
        size_t comma = text_find(rest, ',');

        goes_on = comma < rest.length;
        if (!give(settings, index, ORIGIN_ENVIRONMENT, 0, text_trim(text_slice(rest, 0, comma)), where,
                  reason))
            return false;
        rest = text_from(rest, comma + 1);
    }
    return true;
}

/* ---- the file ---- */

static bool refuse_name(const struct settings *settings, struct text path, const struct config_entry *entry,
                        struct text *reason)
{
    struct nearest nearest = nearest_to(entry->name);

    for (const struct setting *setting = settings_table; setting->name; setting++)
        if (!(setting->traits & FLAG_ONLY))
            nearest_offer(&nearest, text_from_string(setting->name));
    *reason =
        arena_format(settings->arena, "%.*s:%u: unknown setting \"%.*s\"%.*s", TEXT_FORMAT(path), entry->line,
                     TEXT_FORMAT(entry->name), TEXT_FORMAT(nearest_suggestion(&nearest, settings->arena)));
    return false;
}

static bool read_entry(struct settings *settings, struct text path, const struct config_entry *entry,
                       struct text *reason)
{
    int index = settings_find(entry->name);
    struct text where = arena_format(settings->arena, "%.*s:%u: %.*s", TEXT_FORMAT(path), entry->line,
                                     TEXT_FORMAT(entry->name));

    if (index < 0)
        return refuse_name(settings, path, entry, reason);
    struct setting_state *state = &settings->states[index];

    if (settings_table[index].traits & FLAG_ONLY) {
        *reason = arena_format(settings->arena, "%.*s cannot be set in a file", TEXT_FORMAT(where));
        return false;
    }
    if (state->file_line && settings_table[index].type != SETTING_LIST) {
        *reason = arena_format(settings->arena, "%.*s is set in line %u already", TEXT_FORMAT(where),
                               state->file_line);
        return false;
    }
    if (!state->file_line)
        state->file_line = entry->line;
    return give(settings, index, ORIGIN_FILE, state->file_line, entry->value, where, reason);
}

bool settings_read_file(struct settings *settings, struct text path, struct text content, struct text *reason)
{
    struct config_reader reader = config_reader_of(content);
    struct config_entry entry;
    enum config_step step;

    while ((step = config_next(&reader, settings->arena, &entry, reason)) == CONFIG_ENTRY)
        if (!read_entry(settings, path, &entry, reason))
            return false;
    if (step == CONFIG_MALFORMED)
        *reason = arena_format(settings->arena, "%.*s:%.*s", TEXT_FORMAT(path), TEXT_FORMAT(*reason));
    return step == CONFIG_END;
}

/* The file that is to be read; unset: none. */
static struct text file_to_read(const struct settings *settings, enum settings_scope scope)
{
    struct text named = settings_text(settings, "config"), data = settings_text(settings, "data");

    if (text_is_set(named) || scope == SETTINGS_NONE || scope == SETTINGS_LATER)
        return named;
    if (!text_is_set(data))
        data = text_from_string(settings_table[settings_find(TEXT("data"))].fallback);
    char *path = arena_string(
        settings->arena, arena_format(settings->arena, "%.*s/%s", TEXT_FORMAT(data), file_in_data_directory));

    return access(path, F_OK) == 0 ? text_from_string(path) : text_none;
}

/* A file that was found in one data directory cannot send the server to another. */
static bool file_agrees(const struct settings *settings, struct text data_before, struct text *reason)
{
    const struct setting_state *state = &settings->states[settings_find(TEXT("data"))];

    if (!state->file_line || text_is_set(settings_text(settings, "config")))
        return true;
    struct text data = settings_text(settings, "data");

    if (text_equal(data, data_before))
        return true;
    *reason = arena_format(
        settings->arena,
        "%.*s:%u: data is \"%.*s\", but the file lies in \"%.*s\"; name the file with --config",
        TEXT_FORMAT(settings->file), state->file_line, TEXT_FORMAT(data), TEXT_FORMAT(data_before));
    return false;
}

static bool load_file(struct settings *settings, enum settings_scope scope, struct text *reason)
{
    struct text path = file_to_read(settings, scope), data = settings_text(settings, "data");

    if (!text_is_set(path))
        return true;
    struct text content =
        file_content(arena_string(settings->arena, path), CONFIG_FILE_BYTES_MAX, settings->arena);

    if (!text_is_set(content)) {
        *reason = arena_format(settings->arena, "cannot read the configuration file %.*s: %s",
                               TEXT_FORMAT(path), strerror(errno));
        return false;
    }
    settings->file = path;
    if (!text_is_set(data))
        data = text_from_string(settings_table[settings_find(TEXT("data"))].fallback);
    return settings_read_file(settings, path, content, reason) && file_agrees(settings, data, reason);
}

/* ---- all together ---- */

static void fill_in_defaults(struct settings *settings)
{
    for (int i = 0; settings_table[i].name; i++) {
        struct text fallback = text_from_string(settings_table[i].fallback), complaint;

        if (settings->states[i].count == 0 && text_is_set(fallback)) {
            bool is_valid = give(settings, i, ORIGIN_DEFAULT, 0, fallback, fallback, &complaint);

            assert(is_valid);
        }
    }
}

bool settings_load(struct settings *settings, enum settings_scope scope, struct text *reason)
{
    for (int i = 0; settings_table[i].name; i++)
        if (settings_in_scope(i, scope) && !read_variable(settings, i, reason))
            return false;
    if (scope >= SETTINGS_ALL && !variables_check(settings->arena, reason))
        return false;
    if (scope != SETTINGS_NONE && !load_file(settings, scope, reason))
        return false;
    fill_in_defaults(settings);
    return settings_agree(settings, reason);
}

bool settings_load_again(const struct settings *settings, struct settings *fresh, struct arena *arena,
                         struct text *reason)
{
    settings_init(fresh, arena);
    for (int i = 0; settings_table[i].name; i++) {
        const struct setting_state *state = &settings->states[i];

        if (state->count == 0 || state->origin != ORIGIN_FLAG)
            continue;
        fresh->states[i] = *state;
        fresh->states[i].file_line = 0;
    }
    return settings_load(fresh, SETTINGS_ALL, reason);
}

bool settings_differ(const struct settings *one, const struct settings *other, int index)
{
    const struct setting_state *a = &one->states[index], *b = &other->states[index];

    for (unsigned i = 0; i < a->count && i < b->count; i++)
        if (!text_equal(a->values[i], b->values[i]))
            return true;
    return a->count != b->count;
}

/* ---- asking ---- */

static const struct setting_state *state_of(const struct settings *settings, const char *name, unsigned types)
{
    int index = settings_find(text_from_string(name));

    assert(index >= 0 && (types & 1u << settings_table[index].type));
    (void)types;
    return &settings->states[index];
}

struct text settings_text(const struct settings *settings, const char *name)
{
    const struct setting_state *state = state_of(settings, name, 1u << SETTING_TEXT);

    return state->count ? state->values[0] : text_none;
}

int64_t settings_number(const struct settings *settings, const char *name)
{
    return state_of(settings, name, 1u << SETTING_NUMBER | 1u << SETTING_DURATION_MS | 1u << SETTING_BYTES)
        ->number;
}

bool settings_boolean(const struct settings *settings, const char *name)
{
    return state_of(settings, name, 1u << SETTING_BOOLEAN)->number != 0;
}

int settings_choice(const struct settings *settings, const char *name)
{
    return (int)state_of(settings, name, 1u << SETTING_CHOICE)->number;
}

unsigned settings_list(const struct settings *settings, const char *name, const struct text **values)
{
    const struct setting_state *state = state_of(settings, name, 1u << SETTING_LIST);

    *values = state->values;
    return state->count;
}

struct text settings_origin(const struct settings *settings, int index, struct arena *arena)
{
    const struct setting_state *state = &settings->states[index];

    switch (state->origin) {
    case ORIGIN_DEFAULT:
        break;
    case ORIGIN_FILE:
        return arena_format(arena, "file %.*s:%u", TEXT_FORMAT(settings->file), state->line);
    case ORIGIN_ENVIRONMENT:
        return arena_format(arena, "environment %.*s",
                            TEXT_FORMAT(setting_variable(&settings_table[index], arena)));
    case ORIGIN_FLAG:
        return TEXT("flag");
    }
    return TEXT("default");
}
