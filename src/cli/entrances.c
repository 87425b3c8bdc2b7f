#include "cli/entrances.h"

#include "base/log.h"
#include "cli/systemd.h"

#include <sys/resource.h>

/* Descriptors that are not for clients: the database, the loops with their listeners, the admin socket, and
 * connections that are being refused. */
enum { DESCRIPTORS_RESERVED = 512 };

/* ---- addresses ---- */

static bool add(struct http_config *config, struct text address, enum http_entrance entrance,
                struct text *reason)
{
    if (http_config_listen(config, address, entrance))
        return true;
    *reason = TEXT("there are too many addresses to listen on");
    return false;
}

/* A socket may be called `http`, `https` or `metrics` in its unit; whatever else it is called says nothing.
 */
static bool add_inherited(const struct systemd_socket *socket, struct http_config *config,
                          struct arena *arena, struct text *reason)
{
    struct text name = text_from_string(socket->name);
    bool is_metrics = text_equal(name, TEXT("metrics"));
    const char *scheme = text_equal(name, TEXT("https"))  ? "https://"
                         : text_equal(name, TEXT("http")) ? "http://"
                                                          : "";

    return add(config, arena_format(arena, "%sfd:%d", scheme, socket->descriptor),
               is_metrics ? HTTP_ENTRANCE_METRICS : HTTP_ENTRANCE_PUBLIC, reason);
}

static bool add_all_inherited(const struct systemd_socket *sockets, unsigned count,
                              struct http_config *config, struct arena *arena, struct text *reason)
{
    if (count == 0) {
        *reason = TEXT("listen: systemd: no socket was passed to this process (LISTEN_FDS, LISTEN_PID)");
        return false;
    }
    for (unsigned i = 0; i < count; i++)
        if (!add_inherited(&sockets[i], config, arena, reason))
            return false;
    return true;
}

/* Sockets that were passed take the place of the default address. */
static bool add_addresses(const struct settings *settings, bool is_start, struct http_config *config,
                          struct arena *arena, struct text *reason)
{
    const struct text *addresses;
    unsigned count = settings_list(settings, "listen", &addresses);
    bool is_default = settings->states[settings_find(TEXT("listen"))].origin == ORIGIN_DEFAULT;
    struct systemd_socket sockets[SYSTEMD_SOCKETS_MAX];
    unsigned socket_count = is_start ? systemd_sockets(sockets) : 0;
    bool uses_sockets = is_default && socket_count > 0;

    if (uses_sockets)
        return add_all_inherited(sockets, socket_count, config, arena, reason);
    for (unsigned i = 0; i < count; i++) {
        bool is_systemd = text_equal(addresses[i], TEXT("systemd"));

        if (is_systemd && !is_start)
            continue;
        if (!(is_systemd ? add_all_inherited(sockets, socket_count, config, arena, reason)
                         : add(config, addresses[i], HTTP_ENTRANCE_PUBLIC, reason)))
            return false;
        uses_sockets |= is_systemd;
    }
    if (socket_count > 0 && !uses_sockets)
        LOG_WARNING("the sockets that were passed are not used; add `systemd` to the addresses",
                    LOG_INTEGER("sockets", socket_count));
    return true;
}

static bool add_metrics_addresses(const struct settings *settings, struct http_config *config,
                                  struct text *reason)
{
    const struct text *addresses;
    unsigned count = settings_list(settings, "metrics-listen", &addresses);

    for (unsigned i = 0; i < count; i++)
        if (!add(config, addresses[i], HTTP_ENTRANCE_METRICS, reason))
            return false;
    return true;
}

/* "0660", whose form the settings have checked. */
static unsigned mode_of(struct text text)
{
    unsigned mode = 0;

    for (size_t i = 0; i < text.length; i++)
        mode = mode * 8 + (unsigned)(text.data[i] - '0');
    return mode;
}

/* ---- who may come in ---- */

static bool add_trusted(const struct settings *settings, struct http_trust *trust, struct text *reason)
{
    const struct text *networks;
    unsigned count = settings_list(settings, "trust-proxy", &networks);

    for (unsigned i = 0; i < count; i++)
        if (!http_trust_add(trust, networks[i])) {
            *reason = TEXT("trust-proxy has too many networks");
            return false;
        }
    trust->header = (enum http_forwarding)settings_choice(settings, "forwarded-header");
    return true;
}

/* How many connections the process has descriptors for, after its limit was raised as far as it may. */
static unsigned descriptors_for_connections(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return DESCRIPTORS_RESERVED;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 && getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return DESCRIPTORS_RESERVED;
    const rlim_t reserved = DESCRIPTORS_RESERVED;
    rlim_t count = limit.rlim_cur > 2 * reserved ? limit.rlim_cur - reserved : limit.rlim_cur / 2;

    return count > INT32_MAX ? INT32_MAX : (unsigned)count;
}

static void set_limits(const struct settings *settings, struct http_config *config)
{
    unsigned wanted = (unsigned)settings_number(settings, "connections-max");
    unsigned of_client = (unsigned)settings_number(settings, "connections-per-client-max");
    unsigned possible = descriptors_for_connections();
    bool is_default = settings->states[settings_find(TEXT("connections-max"))].origin == ORIGIN_DEFAULT;

    config->connections_max = wanted < possible ? wanted : possible;
    if (wanted > possible && !is_default)
        LOG_WARNING("connections-max is lowered to what the limit of open files allows; raise it (ulimit -n, "
                    "LimitNOFILE=)",
                    LOG_INTEGER("connections_max", possible));
    config->connections_per_client_max = of_client ? of_client : (config->connections_max + 1) / 2;
}

bool entrances_configure(const struct settings *settings, bool is_start, struct http_config *config,
                         struct arena *arena, struct text *reason)
{
    config->tls_certificate_path = settings_text(settings, "tls-cert");
    config->tls_key_path = settings_text(settings, "tls-key");
    if (is_start)
        set_limits(settings, config);
    config->unix_socket_mode = mode_of(settings_text(settings, "unix-socket-mode"));
    return add_trusted(settings, &config->trust, reason) &&
           add_addresses(settings, is_start, config, arena, reason) &&
           add_metrics_addresses(settings, config, reason);
}
