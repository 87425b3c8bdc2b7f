#include "cli/serve_plan.h"

#include "api/api.h"
#include "cli/continuous_backup.h"
#include "cli/entrances.h"
#include "cli/own_files.h"
#include "cli/roles_file.h"

struct http_config http_config_of(const struct settings *settings)
{
    struct http_config config = http_config_default();

    config.loop_count = (unsigned)settings_number(settings, "loops");
    config.body_bytes_max = (size_t)settings_number(settings, "body-bytes-max");
    config.buffered_bytes_max = (size_t)settings_number(settings, "buffered-bytes-max");
    config.header_timeout_ms = (int)settings_number(settings, "header-timeout-ms");
    config.body_timeout_ms = (int)settings_number(settings, "body-timeout-ms");
    config.idle_timeout_ms = (int)settings_number(settings, "idle-timeout-ms");
    config.write_timeout_ms = (int)settings_number(settings, "write-timeout-ms");
    config.drain_timeout_ms = (int)settings_number(settings, "drain-timeout-ms");
    return config;
}

/* What only the api can tell of a setting. False with a reason. */
static bool check_json_setting(const struct settings *settings, const char *name,
                               const char *(*check)(struct text, struct arena *), struct arena *arena,
                               struct text *reason)
{
    struct text value = settings_text(settings, name);
    const char *complaint = text_is_set(value) ? check(value, arena) : NULL;

    if (complaint)
        *reason = arena_format(arena, "the setting %s %s", name, complaint);
    return !complaint;
}

/* Its lines would end a database, or the secrets. */
static bool spares_own_files(const struct settings *settings, struct arena *arena, struct text *reason)
{
    const struct data_directory directory = data_directory_at(arena, settings_text(settings, "data"));
    struct text log = settings_text(settings, "access-log");

    if (text_equal(log, TEXT("off")) || text_equal(log, TEXT("stdout")) ||
        !own_file_is(&directory, log, arena))
        return true;
    *reason = arena_format(arena, "access-log names %.*s, a file of the data directory: name one of its own",
                           TEXT_FORMAT(log));
    return false;
}

static bool holds(const struct settings *settings, bool is_start, struct serve_plan *plan,
                  struct arena *arena, struct text *reason)
{
    return entrances_configure(settings, is_start, &plan->http, arena, reason) &&
           spares_own_files(settings, arena, reason) &&
           check_json_setting(settings, "static-keys", api_check_static_keys, arena, reason) &&
           check_json_setting(settings, "environment-allow-list", api_check_environment_allow_list, arena,
                              reason) &&
           roles_file_use(settings_text(settings, "rbac-roles-file"), arena, reason) &&
           continuous_backup_configure(settings, &plan->backup, &plan->is_backed_up, arena, reason);
}

enum exit_code serve_plan_make(const struct settings *settings, bool is_start, struct serve_plan *plan,
                               struct arena *arena)
{
    struct text reason;

    *plan = (struct serve_plan){.http = http_config_of(settings)};
    if (!holds(settings, is_start, plan, arena, &reason))
        return complain(EXIT_USAGE, "%.*s", TEXT_FORMAT(reason));
    if (!http_config_is_possible(&plan->http, arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    return EXIT_DONE;
}
