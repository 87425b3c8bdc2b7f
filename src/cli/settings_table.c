/* The settings. A new one is one line here. */
#include "cli/settings.h"

#include "api/api.h"
#include "base/log.h"
#include "http/http.h"
#include "store/store.h"

enum {
    LOOPS_MAX = 1024,
    RETENTION_DAYS_MAX = 100 * 366,
    RATE_LIMIT_MAX = 1000 * 1000,
    TENANT_LIMIT_MAX = 1000 * 1000,
    FAILURES_MAX = 10 * 1000,
    IDEMPOTENCY_HOURS_MAX = 24 * 366,
    BACKUP_HOURS_MAX = 24 * 366,
    BACKUP_RATE_MAX = 100 * 1000,
};

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)

/* The macros give the columns names; what stands behind them is `.traits = RELOADS` and the like. */
#define TEXT_SETTING(setting_name, word, standard, text, ...)                                                \
    {                                                                                                        \
        .name = (setting_name), .type = SETTING_TEXT, .argument = (word), .fallback = (standard),            \
        .help = (text), __VA_ARGS__                                                                          \
    }
#define LIST_SETTING(setting_name, word, standard, text, ...)                                                \
    {                                                                                                        \
        .name = (setting_name), .type = SETTING_LIST, .argument = (word), .fallback = (standard),            \
        .help = (text), __VA_ARGS__                                                                          \
    }
#define NUMBER_SETTING(setting_name, standard, low, high, text, ...)                                         \
    {                                                                                                        \
        .name = (setting_name), .type = SETTING_NUMBER, .argument = "N", .fallback = (standard),             \
        .minimum = (low), .maximum = (high), .help = (text), __VA_ARGS__                                     \
    }
#define DURATION_SETTING(setting_name, standard, text, ...)                                                  \
    {                                                                                                        \
        .name = (setting_name), .type = SETTING_DURATION_MS, .argument = "MS", .fallback = (standard),       \
        .minimum = 1, .maximum = DAY_MS, .help = (text), __VA_ARGS__                                         \
    }
#define BYTES_SETTING(setting_name, standard, low, high, text, ...)                                          \
    {                                                                                                        \
        .name = (setting_name), .type = SETTING_BYTES, .argument = "BYTES", .fallback = (standard),          \
        .minimum = (low), .maximum = (high), .help = (text), __VA_ARGS__                                     \
    }
#define BOOLEAN_SETTING(setting_name, standard, text, ...)                                                   \
    {                                                                                                        \
        .name = (setting_name), .type = SETTING_BOOLEAN, .argument = "true|false", .fallback = (standard),   \
        .help = (text), __VA_ARGS__                                                                          \
    }
#define CHOICE_SETTING(setting_name, word, standard, words, text, ...)                                       \
    {                                                                                                        \
        .name = (setting_name), .type = SETTING_CHOICE, .argument = (word), .fallback = (standard),          \
        .choices = (words), .help = (text), __VA_ARGS__                                                      \
    }

static const struct setting_choice log_formats[] = {
    {"logfmt", LOG_FORMAT_LOGFMT}, {"json", LOG_FORMAT_JSON}, {0}};
static const struct setting_choice log_levels[] = {
    {"debug", LOG_LEVEL_DEBUG},  {"info", LOG_LEVEL_INFO},   {"warning", LOG_LEVEL_WARNING},
    {"warn", LOG_LEVEL_WARNING}, {"error", LOG_LEVEL_ERROR}, {0}};

static const struct setting_choice sign_ups[] = {
    {"auto", API_SIGN_UP_AUTO}, {"open", API_SIGN_UP_OPEN}, {"closed", API_SIGN_UP_CLOSED}, {0}};

static const struct setting_choice forwarded_headers[] = {
    {"x-forwarded-for", HTTP_X_FORWARDED_FOR}, {"forwarded", HTTP_FORWARDED}, {0}};

/* clang-format off */
const struct setting settings_table[] = {
    TEXT_SETTING("config", "FILE", NULL, "the configuration file; without it the server reads farthing.conf in the data directory, if there is one", .traits = FLAG_ONLY, .example = "/etc/farthing/farthing.conf"),
    TEXT_SETTING("data", "DIR", "./farthing-data", "the data directory"),
    TEXT_SETTING("database", "URL", NULL, "a PostgreSQL database instead of the embedded one in the data directory: postgres://USER:PASSWORD@HOST:PORT/DATABASE, with whatever PostgreSQL's client library takes; the password may be in PGPASSWORD, a password file or a service file", .traits = SECRET, .check = setting_rule_database, .show = setting_show_database, .example = "postgres://farthing@db.example.com/farthing?sslmode=verify-full"),
    NUMBER_SETTING("database-connections", "8", STORE_CONNECTIONS_MIN, STORE_CONNECTIONS_MAX, "connections to a PostgreSQL database, half of them for reads, besides one that hears of changes", .needs = "database"),
    TEXT_SETTING("auth-secret", "SECRET", NULL, "what signs tokens, instead of the signing key in the data directory's file `secrets`; 32 to 256 bytes", .traits = SECRET, .check = setting_rule_secret, .alias = "FLEXPRICE_AUTH_SECRET", .example = "a-random-text-of-at-least-32-bytes"),
    TEXT_SETTING("auth-secret-previous", "SECRET", NULL, "the one before it: tokens that it has signed stay valid", .traits = SECRET, .check = setting_rule_secret, .needs = "auth-secret", .example = "another-random-text-of-32-bytes-or-more"),
    TEXT_SETTING("encryption-key", "SECRET", NULL, "what encrypts other services' secrets in the database, instead of the encryption key in the data directory's file `secrets`; 32 to 256 bytes", .traits = SECRET, .check = setting_rule_secret, .alias = "FLEXPRICE_SECRETS_ENCRYPTION_KEY", .example = "a-random-text-of-at-least-32-bytes"),
    TEXT_SETTING("encryption-key-previous", "SECRET", NULL, "the one before it: what it has encrypted stays readable", .traits = SECRET, .check = setting_rule_secret, .needs = "encryption-key", .example = "another-random-text-of-32-bytes-or-more"),
    LIST_SETTING("listen", "ADDRESS", "127.0.0.1:8080", "where to listen: HOST:PORT, [IPV6]:PORT, unix:PATH or fd:NUMBER, with http:// or https:// before it or without, or systemd for the sockets it passes (which take the place of the default); port 0 lets the system choose", .check = setting_rule_listen),
    TEXT_SETTING("unix-socket-mode", "MODE", "0660", "the permissions of the Unix sockets to listen on", .check = setting_rule_mode),
    TEXT_SETTING("tls-cert", "FILE", NULL, "the TLS certificate with its chain (PEM); TCP addresses without http:// then speak HTTPS", .traits = RELOADS, .needs = "tls-key", .example = "/etc/farthing/tls.crt"),
    TEXT_SETTING("tls-key", "FILE", NULL, "the certificate's private key (PEM, without passphrase)", .traits = RELOADS, .needs = "tls-cert", .example = "/etc/farthing/tls.key"),
    NUMBER_SETTING("connections-max", "65536", 1, INT32_MAX, "connections at a time, as far as the limit of open files allows; more are told 503"),
    NUMBER_SETTING("connections-per-client-max", "0", 0, INT32_MAX, "of them, those of one address (of one /64 for IPv6) that is no trusted proxy; more are told 429; 0 is half of all"),
    LIST_SETTING("trust-proxy", "NETWORK", NULL, "proxies that are believed when they say whom a request is from: an address, ADDRESS/BITS, loopback or unix", .check = setting_rule_network, .example = "10.0.0.0/8"),
    CHOICE_SETTING("forwarded-header", "NAME", "x-forwarded-for", forwarded_headers, "where trusted proxies say it", .needs = "trust-proxy"),
    NUMBER_SETTING("loops", "0", 0, LOOPS_MAX, "event loops; 0 is one for each processor"),
    BYTES_SETTING("body-bytes-max", "10485760", 1, INT32_MAX, "the largest request body", .at_most = "buffered-bytes-max"),
    BYTES_SETTING("buffered-bytes-max", "67108864", 1048576, INT64_MAX, "memory for requests and replies under way, all together"),
    TEXT_SETTING("allowed-origins", "LIST", "*", "whose pages browsers may let call the API: * for all, or origins such as https://app.example.com joined by commas", .check = setting_rule_origins),
    BOOLEAN_SETTING("rbac-enforce-reads", "true", "whether reads need a role that grants them; false lets every caller read"),
    TEXT_SETTING("rbac-roles-file", "FILE", NULL, "roles beside those that every server has (JSON, as GET /v1/rbac/roles shows them, with the user_types that may have each); read when the server starts, and the same on each server of a database", .alias = "FLEXPRICE_RBAC_ROLES_CONFIG_PATH", .example = "/etc/farthing/roles.json"),
    TEXT_SETTING("static-keys", "JSON", NULL, "API keys that need no database: {\"<hex SHA-256 of the key>\": {\"tenant_id\": ..., \"user_id\": ..., \"is_active\": true}}", .traits = SECRET, .check = setting_rule_json_object, .example = "{}"),
    TEXT_SETTING("environment-allow-list", "JSON", NULL, "environments that users are limited to: {\"<tenant id>\": {\"<user id>\": [\"<environment id>\"]}}", .check = setting_rule_json_object, .example = "{}"),
    TEXT_SETTING("portal-url", "URL", "http://localhost:3000", "where the customer portal is: the beginning of the links that are made for customers", .check = setting_rule_url),
    NUMBER_SETTING("portal-token-hours", "1", 1, API_PORTAL_TOKEN_HOURS_MAX, "how long such a link is good for"),
    BOOLEAN_SETTING("portal-token-in-fragment", "false", "whether such a link has its token behind # rather than behind ?, so that no log of a proxy has it; the portal must look for it there"),
    TEXT_SETTING("chat-verify-key", "HEX", NULL, "the key, in hexadecimal digits, with which users prove to a support chat who they are", .traits = SECRET, .check = setting_rule_hex_key, .example = "00112233445566778899aabbccddeeff"),
    NUMBER_SETTING("users-per-tenant-max", "10", 1, TENANT_LIMIT_MAX, "users that a tenant may have, service accounts included"),
    NUMBER_SETTING("development-environments-max", "1000000", 0, TENANT_LIMIT_MAX, "environments of type development that a tenant may have"),
    NUMBER_SETTING("production-environments-max", "1000000", 0, TENANT_LIMIT_MAX, "environments of type production that a tenant may have"),
    NUMBER_SETTING("rate-limit-per-key", "0", 0, RATE_LIMIT_MAX, "requests a second with one API key; 0 is no limit"),
    NUMBER_SETTING("rate-limit-per-key-burst", "0", 0, RATE_LIMIT_MAX, "how many of them may come at once; 0 is as many as a second has", .needs = "rate-limit-per-key"),
    NUMBER_SETTING("rate-limit-per-address", "0", 0, RATE_LIMIT_MAX, "requests a second from one client address; 0 is no limit"),
    NUMBER_SETTING("rate-limit-per-address-burst", "0", 0, RATE_LIMIT_MAX, "how many of them may come at once; 0 is as many as a second has", .needs = "rate-limit-per-address"),
    NUMBER_SETTING("audit-retention-days", "0", 0, RETENTION_DAYS_MAX, "how long rows of the audit trail are kept; 0 is for ever"),
    CHOICE_SETTING("signup", "WHEN", "auto", sign_ups, "whether people may sign up and so open a tenant; auto is until somebody has a password"),
    TEXT_SETTING("default-tenant-name", "NAME", "Farthing", "what a tenant is called that somebody opens without a name", .check = setting_rule_tenant_name, .alias = "FLEXPRICE_ONBOARDING_DEFAULT_TENANT_NAME"),
    TEXT_SETTING("billing-tenant-id", "ID", NULL, "the tenant that bills the others: each of them becomes a customer of it, with the tenant's id as the external_id", .needs = "billing-environment-id", .alias = "FLEXPRICE_BILLING_TENANT_ID", .example = "tenant_01JE00000000000000000000A0"),
    TEXT_SETTING("billing-environment-id", "ID", NULL, "that tenant's environment in which they are", .needs = "billing-tenant-id", .alias = "FLEXPRICE_BILLING_ENVIRONMENT_ID", .example = "env_01JE00000000000000000000A0"),
    NUMBER_SETTING("login-failures-per-address", "20", 0, FAILURES_MAX, "how many attempts to log in from one client address may fail, and how many to sign up may be made, before the next one must wait; 0 is no limit"),
    NUMBER_SETTING("login-failures-per-email", "10", 0, FAILURES_MAX, "how many attempts to log in with one e-mail may fail before the next one must wait; 0 is no limit"),
    DURATION_SETTING("login-failure-memory-ms", "60000", "how long it takes until one of them is forgotten"),
    NUMBER_SETTING("key-failures-per-address", "200", 0, FAILURES_MAX, "how many requests with a wrong key or token from one client address are told so, before they are told to wait; 0 is no limit"),
    DURATION_SETTING("key-failure-memory-ms", "1000", "how long it takes until one of them is forgotten"),
    NUMBER_SETTING("idempotency-retention-hours", "24", 1, IDEMPOTENCY_HOURS_MAX, "how long the reply to a request with an Idempotency-Key is kept, for whoever sends it again"),
    DURATION_SETTING("header-timeout-ms", "10000", "how long a request's headers may take"),
    DURATION_SETTING("body-timeout-ms", "60000", "how long a request's body may take"),
    DURATION_SETTING("idle-timeout-ms", "120000", "how long a connection may wait for its next request"),
    DURATION_SETTING("write-timeout-ms", "60000", "how long a client may take to read a reply"),
    DURATION_SETTING("drain-timeout-ms", "30000", "how long requests may take to finish after SIGTERM"),
    TEXT_SETTING("backup-to", "PLACE", NULL, "where everything that is committed to the embedded database is copied within a moment, so that it can be restored as it was at any second: a directory, or s3://BUCKET/PREFIX of a service that speaks Amazon's S3 protocol", .check = setting_rule_backup_place, .example = "/mnt/backups/farthing"),
    DURATION_SETTING("backup-interval-ms", "500", "how much may be lost with the machine: what was committed is copied this often, when there is something", .needs = "backup-to"),
    NUMBER_SETTING("backup-base-hours", "24", 1, BACKUP_HOURS_MAX, "how often the whole database is copied there, from which a restoration begins", .needs = "backup-to"),
    NUMBER_SETTING("backup-base-rate", "50", 1, BACKUP_RATE_MAX, "how many megabytes a second are copied for that", .needs = "backup-to"),
    NUMBER_SETTING("backup-retention-days", "7", 1, RETENTION_DAYS_MAX, "how far back one can go at least; what is older is removed there", .needs = "backup-to"),
    BYTES_SETTING("backup-kept-bytes", "1073741824", 1048576, INT64_MAX, "how much is kept in the data directory while the place cannot be reached; beyond it the backup begins anew", .needs = "backup-to"),
    TEXT_SETTING("backup-s3-endpoint", "URL", NULL, "the service of an s3:// place, when it is not Amazon's", .check = setting_rule_url, .example = "https://s3.example.com"),
    TEXT_SETTING("backup-s3-region", "REGION", NULL, "its region, which Amazon's must have", .alias = "AWS_REGION", .example = "eu-central-1"),
    TEXT_SETTING("backup-s3-access-key-id", "ID", NULL, "who we are to it", .alias = "AWS_ACCESS_KEY_ID", .example = "AKIAIOSFODNN7EXAMPLE"),
    TEXT_SETTING("backup-s3-secret-access-key", "SECRET", NULL, "the secret that goes with it", .traits = SECRET, .alias = "AWS_SECRET_ACCESS_KEY", .example = "the-secret-that-the-service-has-given"),
    TEXT_SETTING("backup-s3-ca-file", "FILE", NULL, "certificates (PEM) that are trusted for it instead of the system's", .example = "/etc/farthing/ca.pem"),
    CHOICE_SETTING("log-format", "FORMAT", "logfmt", log_formats, "how a line of the log is written"),
    CHOICE_SETTING("log-level", "LEVEL", "info", log_levels, "the least that is logged; `farthing log level` changes it while the server runs", .traits = RELOADS),
    TEXT_SETTING("access-log", "DESTINATION", "off", "where a line for each request goes: off, stdout or a file, which SIGHUP opens again; in the log's format"),
    LIST_SETTING("metrics-listen", "ADDRESS", NULL, "where GET /metrics is served without a token, and the API is not; an address as for listen", .check = setting_rule_listen, .example = "127.0.0.1:9464"),
    TEXT_SETTING("metrics-token", "TOKEN", NULL, "has GET /metrics answer beside the API, to whoever sends this as a bearer token; at least 16 characters", .traits = SECRET, .check = setting_rule_token, .example = "a-long-random-text"),
    {0},
};
/* clang-format on */
