#include "cli/reload.h"

#include "base/log.h"

#include <stdlib.h>

static void tell_what_needs_a_restart(const struct settings *started, const struct settings *now)
{
    for (int i = 0; settings_table[i].name; i++)
        if (!(settings_table[i].traits & RELOADS) && settings_differ(started, now, i))
            LOG_WARNING("a changed setting needs a restart", LOG_STRING("setting", settings_table[i].name));
}

static bool reload_certificate(const struct reload *reload, const struct settings *now, struct arena *arena)
{
    struct text certificate = settings_text(now, "tls-cert"), key = settings_text(now, "tls-key"), reason;
    bool had_one = text_is_set(settings_text(reload->started, "tls-cert"));

    if (had_one != text_is_set(certificate)) {
        LOG_WARNING("a changed setting needs a restart", LOG_STRING("setting", "tls-cert"));
        return true;
    }
    if (!had_one || http_server_reload_tls(reload->server, certificate, key, arena, &reason))
        return true;
    LOG_ERROR("the TLS certificate stays as it was", LOG_TEXT("reason", reason));
    return false;
}

static void reload_secrets(const struct reload *reload, struct arena *arena)
{
    struct text reason;

    if (!instance_reload_secrets(reload->instance, arena, &reason))
        LOG_ERROR("the secrets stay as they were", LOG_TEXT("reason", reason));
}

static void tell_what_was_read(const struct settings *now)
{
    if (text_is_set(now->file))
        LOG_INFO("reloaded", LOG_TEXT("file", now->file));
    else
        LOG_INFO("reloaded");
}

void reload(const struct reload *reload)
{
    struct settings *now = malloc(sizeof *now);
    struct arena arena;
    struct text reason;

    if (!now)
        abort();
    if (reload->access_log)
        log_sink_reopen(reload->access_log);
    arena_init(&arena);
    reload_secrets(reload, &arena);
    if (!settings_load_again(reload->started, now, &arena, &reason)) {
        LOG_ERROR("the configuration stays as it was", LOG_TEXT("reason", reason));
    } else {
        tell_what_needs_a_restart(reload->started, now);
        log_set_level((enum log_level)settings_choice(now, "log-level"));
        if (reload_certificate(reload, now, &arena))
            tell_what_was_read(now);
    }
    arena_free(&arena);
    free(now);
}
