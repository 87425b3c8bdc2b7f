/* serve.c: `farthing serve`. */
#include "base/log.h"
#include "cli/commands.h"
#include "cli/instance.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TIMEOUT_MS_MAX = 24 * 60 * 60 * 1000, LOOPS_MAX = 1024 };

static const char *const log_levels[] = {"debug", "info", "warning", "error"};

static bool configure_log(const struct invocation *invocation)
{
    struct text format = invocation_value(invocation, "log-format"),
                level = invocation_value(invocation, "log-level");
    bool is_json = text_equal(format, TEXT("json"));

    if (!is_json && !text_equal(format, TEXT("logfmt"))) {
        complain(EXIT_USAGE, "--log-format must be logfmt or json, not \"%.*s\"", TEXT_FORMAT(format));
        return false;
    }
    for (unsigned i = 0; i < sizeof log_levels / sizeof log_levels[0]; i++)
        if (text_equal(level, text_from_string(log_levels[i]))) {
            log_configure(is_json ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT, (enum log_level)i);
            return true;
        }
    complain(EXIT_USAGE, "--log-level must be debug, info, warning or error, not \"%.*s\"",
             TEXT_FORMAT(level));
    return false;
}

static bool read_timeout(const struct invocation *invocation, const char *flag, int *timeout_ms)
{
    int64_t number;

    if (!invocation_number(invocation, flag, 1, TIMEOUT_MS_MAX, &number))
        return false;
    *timeout_ms = (int)number;
    return true;
}

/* One place stays free for the admin socket. */
static bool configure_listeners(const struct invocation *invocation, struct http_config *config)
{
    const struct text *addresses;
    unsigned count = invocation_values(invocation, "listen", &addresses);

    if (count >= HTTP_LISTEN_MAX) {
        complain(EXIT_USAGE, "--listen is given too often");
        return false;
    }
    for (unsigned i = 0; i < count; i++)
        http_config_listen(config, addresses[i], HTTP_ENTRANCE_PUBLIC);
    return true;
}

static bool configure_http(const struct invocation *invocation, struct http_config *config)
{
    int64_t loops, body_bytes_max;

    *config = http_config_default();
    if (!configure_listeners(invocation, config) ||
        !invocation_number(invocation, "loops", 0, LOOPS_MAX, &loops) ||
        !invocation_number(invocation, "body-bytes-max", 1, INT32_MAX, &body_bytes_max) ||
        !read_timeout(invocation, "header-timeout-ms", &config->header_timeout_ms) ||
        !read_timeout(invocation, "body-timeout-ms", &config->body_timeout_ms) ||
        !read_timeout(invocation, "idle-timeout-ms", &config->idle_timeout_ms) ||
        !read_timeout(invocation, "write-timeout-ms", &config->write_timeout_ms) ||
        !read_timeout(invocation, "drain-timeout-ms", &config->drain_timeout_ms))
        return false;
    config->loop_count = (unsigned)loops;
    config->body_bytes_max = (size_t)body_bytes_max;
    return true;
}

/* The key of a new installation is shown to a person, never to a log. */
static void tell_of_installation(const struct installation *installation)
{
    if (!installation->is_new)
        return;
    LOG_INFO("data directory initialised", LOG_TEXT("tenant_id", installation->opening.tenant.id),
             LOG_TEXT("environment_id", installation->opening.environment.id));
    if (isatty(STDOUT_FILENO))
        installation_print(installation);
    else
        LOG_INFO("the first API key is only shown on a terminal; `farthing key create` makes another one",
                 LOG_TEXT("secret_id", installation->secret.id));
}

/* SIGTERM and SIGINT are taken by this thread alone, when it asks for them. */
static void block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void tell_of_addresses(const struct http_server *server, const struct http_config *config,
                              const struct instance *instance)
{
    for (unsigned i = 0; i < config->listen_count; i++)
        if (config->listen[i].entrance != HTTP_ENTRANCE_ADMIN)
            LOG_INFO("listening", LOG_TEXT("address", http_server_address(server, i)),
                     LOG_TEXT("data", instance->directory.path), LOG_STRING("version", FARTHING_VERSION));
}

static enum exit_code serve(struct instance *instance, const struct http_config *config,
                            const sigset_t *signals, struct arena *arena)
{
    struct http_handler handler = api_handler(instance->api);
    struct text reason;
    struct http_server *server = http_server_start(config, &handler, arena, &reason);
    int received = 0;

    if (!server)
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    tell_of_addresses(server, config, instance);
    sigwait(signals, &received);
    LOG_INFO("draining", LOG_STRING("signal", strsignal(received)));
    api_set_draining(instance->api);
    http_server_drain(server);
    instance_close(instance);
    http_server_free(server);
    LOG_INFO("stopped");
    return EXIT_DONE;
}

enum exit_code command_serve(struct invocation *invocation)
{
    struct arena *arena = &invocation->arena;
    struct http_config config;
    struct instance instance;
    struct text reason;
    sigset_t signals;

    if (!configure_log(invocation) || !configure_http(invocation, &config))
        return EXIT_USAGE;
    /* Not after an empty directory was initialised and its first key shown to nobody. */
    if (!http_start_is_possible(&config, arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    block_signals(&signals);
    if (!instance_open(&instance, invocation_value(invocation, "data"), TEXT("Farthing"), arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    tell_of_installation(&instance.installation);
    http_config_listen(&config,
                       arena_format(arena, "unix:%.*s", TEXT_FORMAT(instance.directory.admin_socket_path)),
                       HTTP_ENTRANCE_ADMIN);
    enum exit_code code = EXIT_FAILED;

    if (instance_open_api(&instance, arena, &reason))
        code = serve(&instance, &config, &signals, arena);
    else
        complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    instance_close(&instance);
    return code;
}
