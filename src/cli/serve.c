/* serve.c: `farthing serve`. */
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/instance.h"
#include "cli/reload.h"
#include "cli/serve_plan.h"
#include "cli/systemd.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    /* Larger allocations are pages of their own, which go back to the system when they are freed. */
    LARGE_ALLOCATION_BYTES = 512 * 1024,
    US_PER_MS = 1000,
};

static void configure_log(const struct settings *settings)
{
    log_configure((enum log_format)settings_choice(settings, "log-format"),
                  (enum log_level)settings_choice(settings, "log-level"));
}

/* Left alone, the allocator learns from one freed body of ten megabytes to keep the next twenty for itself.
 */
static void configure_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, LARGE_ALLOCATION_BYTES);
    mallopt(M_TRIM_THRESHOLD, 2 * LARGE_ALLOCATION_BYTES);
}

static void configure_rate_limits(const struct settings *settings, struct api_config *config)
{
    config->rate_limit_per_key = (unsigned)settings_number(settings, "rate-limit-per-key");
    config->rate_limit_per_key_burst = (unsigned)settings_number(settings, "rate-limit-per-key-burst");
    config->rate_limit_per_address = (unsigned)settings_number(settings, "rate-limit-per-address");
    config->rate_limit_per_address_burst =
        (unsigned)settings_number(settings, "rate-limit-per-address-burst");
    config->login_failures_per_address = (unsigned)settings_number(settings, "login-failures-per-address");
    config->login_failures_per_email = (unsigned)settings_number(settings, "login-failures-per-email");
    config->login_failure_memory_us = settings_number(settings, "login-failure-memory-ms") * US_PER_MS;
    config->key_failures_per_address = (unsigned)settings_number(settings, "key-failures-per-address");
    config->key_failure_memory_us = settings_number(settings, "key-failure-memory-ms") * US_PER_MS;
}

static void configure_limits(const struct settings *settings, struct tenant_limits *limits)
{
    limits->users = settings_number(settings, "users-per-tenant-max");
    limits->development_environments = settings_number(settings, "development-environments-max");
    limits->production_environments = settings_number(settings, "production-environments-max");
}

static void configure_people(const struct settings *settings, struct api_config *config)
{
    struct text chat_key = settings_text(settings, "chat-verify-key");

    config->chat_key_length = chat_key.length / 2;
    if (chat_key.length > 0)
        hex_decode(chat_key, config->chat_key, config->chat_key_length);
    config->portal_url = settings_text(settings, "portal-url");
    config->portal_token_hours = settings_number(settings, "portal-token-hours");
    config->is_portal_token_in_fragment = settings_boolean(settings, "portal-token-in-fragment");
}

/* Opens the access log, if there is to be one. After the signals were blocked, because it has a thread. False
 * with a reason. */
static bool configure_api(const struct settings *settings, struct arena *arena, struct api_config *config,
                          struct text *reason)
{
    struct text access_log = settings_text(settings, "access-log");

    *config = api_config_default();
    config->allowed_origins = settings_text(settings, "allowed-origins");
    config->idempotency_retention_hours = (unsigned)settings_number(settings, "idempotency-retention-hours");
    config->enforces_reads = settings_boolean(settings, "rbac-enforce-reads");
    config->static_keys = settings_text(settings, "static-keys");
    config->environment_allow_list = settings_text(settings, "environment-allow-list");
    configure_limits(settings, &config->limits);
    configure_people(settings, config);
    config->sign_up = (enum api_sign_up)settings_choice(settings, "signup");
    config->default_tenant_name = settings_text(settings, "default-tenant-name");
    configure_rate_limits(settings, config);
    config->audit_retention_days = (unsigned)settings_number(settings, "audit-retention-days");
    config->metrics_token = settings_text(settings, "metrics-token");
    if (text_equal(access_log, TEXT("off")))
        return true;
    config->access_log = log_sink_open(access_log, arena, reason);
    return config->access_log != NULL;
}

/* Whoever is to bill the tenants must be there: otherwise all would look well, and nobody be billed. */
static enum exit_code configure_billing(const struct settings *settings, struct api *api, struct arena *arena)
{
    struct text tenant_id = settings_text(settings, "billing-tenant-id"),
                environment_id = settings_text(settings, "billing-environment-id");
    const struct failure *failure =
        text_is_set(tenant_id) ? api_bill_tenants(api, tenant_id, environment_id, arena) : NULL;

    if (!failure)
        return EXIT_DONE;
    if (failure->code != FAILURE_NOT_FOUND)
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(failure->message));
    return complain(EXIT_USAGE,
                    "the setting billing-environment-id: the tenant %.*s has no environment %.*s; `farthing "
                    "environment list` shows which there are",
                    TEXT_FORMAT(tenant_id), TEXT_FORMAT(environment_id));
}

/* A first key is shown to a person, never to a log: without a terminal there is none, rather than one that
 * nobody has and that goes on being valid. */
static struct founding founding_here(void)
{
    return (struct founding){.tenant_name = TEXT("Farthing"), .is_without_key = !isatty(STDOUT_FILENO)};
}

static void tell_of_installation(const struct installation *installation)
{
    if (!installation->is_new)
        return;
    LOG_INFO("database initialised", LOG_TEXT("tenant_id", installation->opening.tenant.id),
             LOG_TEXT("environment_id", installation->opening.environment.id));
    if (text_is_set(installation->plain_key))
        installation_print(installation);
    else
        LOG_INFO(
            "there is no API key yet; `farthing key create --name NAME` makes and shows one, also while the "
            "server runs");
}

/* ---- signals ---- */

/* They are taken by the threads that ask for them alone. */
static void block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error like any other of the disk's */
}

/* Reloads at each SIGHUP, until a signal says that it is over. */
static int wait_for_end(const sigset_t *signals, const struct reload *reloads)
{
    int received = 0;

    for (;;) {
        sigwait(signals, &received);
        if (received != SIGHUP)
            return received;
        systemd_notify_reloading();
        reload(reloads);
        systemd_notify("READY=1");
    }
}

struct drain {
    struct http_server *server;
    const sigset_t *signals;
    pthread_t hurry;
    atomic_bool is_over;
};

/* While the server drains: a second signal cuts what is left. After a third one nobody wants to wait for the
 * database's end either; what was acknowledged is on the disk. */
static void *hurry_main(void *argument)
{
    struct drain *drain = argument;
    int received = 0;

    for (unsigned count = 0; !atomic_load(&drain->is_over);) {
        sigwait(drain->signals, &received);
        if (received == SIGHUP) /* also how end_serving wakes this thread */
            continue;
        if (++count > 1)
            _exit(EXIT_FAILED);
        LOG_WARNING("stopping at once", LOG_STRING("signal", strsignal(received)));
        http_server_cut(drain->server);
    }
    return NULL;
}

static void end_serving(struct instance *instance, struct drain *drain)
{
    bool may_hurry = pthread_create(&drain->hurry, NULL, hurry_main, drain) == 0;

    api_set_draining(instance->api);
    http_server_drain(drain->server);
    instance_close(instance);
    if (may_hurry) {
        atomic_store(&drain->is_over, true);
        pthread_kill(drain->hurry, SIGHUP);
        pthread_join(drain->hurry, NULL);
    }
    http_server_free(drain->server);
}

/* ---- serving ---- */

static const char *entrance_name(enum http_entrance entrance)
{
    switch (entrance) {
    case HTTP_ENTRANCE_PUBLIC:
        break;
    case HTTP_ENTRANCE_ADMIN:
        return "admin";
    case HTTP_ENTRANCE_METRICS:
        return "metrics";
    }
    return "api";
}

static void tell_of_addresses(const struct http_server *server, const struct http_config *config,
                              const struct instance *instance)
{
    for (unsigned i = 0; i < config->listen_count; i++)
        if (config->listen[i].entrance != HTTP_ENTRANCE_ADMIN)
            LOG_INFO("listening", LOG_TEXT("address", http_server_address(server, i)),
                     LOG_STRING("scheme", http_server_is_tls(server, i) ? "https" : "http"),
                     LOG_STRING("entrance", entrance_name(config->listen[i].entrance)),
                     LOG_TEXT("data", instance->directory.path),
                     LOG_TEXT("database", store_name(instance->store)),
                     LOG_STRING("version", FARTHING_VERSION));
}

static enum exit_code serve(struct instance *instance, const struct http_config *config,
                            struct reload *reloads, const sigset_t *signals, struct arena *arena)
{
    struct http_handler handler = api_handler(instance->api);
    struct text reason;
    struct drain drain = {.signals = signals};

    drain.server = http_server_start(config, &handler, arena, &reason);
    if (!drain.server)
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    reloads->server = drain.server;
    tell_of_addresses(drain.server, config, instance);
    LOG_INFO("ready");
    systemd_notify("READY=1");
    int received = wait_for_end(signals, reloads);

    systemd_notify("STOPPING=1");
    LOG_INFO("draining", LOG_STRING("signal", strsignal(received)));
    end_serving(instance, &drain);
    LOG_INFO("stopped");
    return EXIT_DONE;
}

enum exit_code command_serve(struct invocation *invocation)
{
    struct arena *arena = &invocation->arena;
    struct serve_plan plan;
    struct api_config api_config = {0};
    struct place place = place_of(&invocation->settings);
    const struct founding founding = founding_here();
    struct instance instance;
    struct text reason;
    sigset_t signals;

    block_signals(&signals); /* first of all: a SIGHUP from the start on means to read the settings again */
    memory_reserve();
    configure_memory();
    configure_log(&invocation->settings);
    /* Not after an empty directory was initialised and its first key shown to nobody. */
    enum exit_code code = serve_plan_make(&invocation->settings, true, &plan, arena);

    if (code != EXIT_DONE)
        return code;
    if (plan.is_backed_up)
        place.backup = &plan.backup;
    if (!http_start_is_possible(&plan.http, arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    if (!instance_open(&instance, &place, &founding, arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    tell_of_installation(&instance.installation);
    http_config_listen(&plan.http,
                       arena_format(arena, "unix:%.*s", TEXT_FORMAT(instance.directory.admin_socket_path)),
                       HTTP_ENTRANCE_ADMIN);
    code = EXIT_FAILED;
    if (configure_api(&invocation->settings, arena, &api_config, &reason) &&
        instance_open_api(&instance, arena, &reason)) {
        api_configure(instance.api, &api_config);
        code = configure_billing(&invocation->settings, instance.api, arena);
        if (code == EXIT_DONE) {
            api_keep_house(instance.api);
            code = serve(&instance, &plan.http,
                         &(struct reload){&invocation->settings, NULL, api_config.access_log, &instance},
                         &signals, arena);
        }
    } else {
        complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    }
    instance_close(&instance);
    if (api_config.access_log)
        log_sink_close(api_config.access_log);
    return code;
}
