#include "cli/variables.h"

#include "cli/nearest.h"
#include "cli/settings.h"

#include <string.h>
#include <unistd.h>

static const struct text prefix = TEXT_LITERAL("FARTHING_");

/* What `farthing init` and `farthing key create` print, and what Kubernetes sets for a service of our name.
 */
static const struct text expected[] = {
    TEXT_LITERAL("FARTHING_API_KEY"),        TEXT_LITERAL("FARTHING_API_KEY_ID"),
    TEXT_LITERAL("FARTHING_TENANT_ID"),      TEXT_LITERAL("FARTHING_USER_ID"),
    TEXT_LITERAL("FARTHING_ENVIRONMENT_ID"), TEXT_LITERAL("FARTHING_PORT")};
static const struct text expected_beginnings[] = {TEXT_LITERAL("FARTHING_PORT_"),
                                                  TEXT_LITERAL("FARTHING_SERVICE_")};
/* ... and for a service whose name only begins with it: FARTHING_WEB_SERVICE_HOST, FARTHING_WEB_PORT_80_TCP.
 */
static const struct text expected_parts[] = {TEXT_LITERAL("_SERVICE_HOST"), TEXT_LITERAL("_SERVICE_PORT"),
                                             TEXT_LITERAL("_PORT_")};

static bool is_expected(struct text name)
{
    for (unsigned i = 0; i < sizeof expected / sizeof expected[0]; i++)
        if (text_equal(name, expected[i]))
            return true;
    for (unsigned i = 0; i < sizeof expected_beginnings / sizeof expected_beginnings[0]; i++)
        if (text_starts_with(name, expected_beginnings[i]))
            return true;
    for (unsigned i = 0; i < sizeof expected_parts / sizeof expected_parts[0]; i++)
        if (memmem(name.data, name.length, expected_parts[i].data, expected_parts[i].length))
            return true;
    return false;
}

static void offer(struct nearest *nearest, const char *flag, struct arena *arena)
{
    char variable[VARIABLE_NAME_BYTES_MAX];

    variable_name(flag, variable);
    nearest_offer(nearest, arena_copy(arena, text_from_string(variable)));
}

static bool check(struct text name, struct arena *arena, struct text *reason)
{
    struct nearest nearest = nearest_to(name);

    for (const struct setting *setting = settings_table; setting->name; setting++)
        offer(&nearest, setting->name, arena);
    if (nearest.distance == 0)
        return true;
    *reason = arena_format(arena, "the environment variable %.*s is no setting%.*s", TEXT_FORMAT(name),
                           TEXT_FORMAT(nearest_suggestion(&nearest, arena)));
    return false;
}

bool variables_check(struct arena *arena, struct text *reason)
{
    for (char **variable = environ; *variable; variable++) {
        struct text name = text_from_string(*variable);

        name = text_slice(name, 0, text_find(name, '='));
        if (text_starts_with(name, prefix) && !is_expected(name) && !check(name, arena, reason))
            return false;
    }
    return true;
}
