#include "cli/commands.h"

#include "store/store.h"

#include <sqlite3.h>
#include <stdio.h>

static const struct flag no_flags[] = {{0}};

static const struct flag init_flags[] = {
    {"tenant", "NAME", "Farthing", "the name of the first tenant", false},
    {"email", "EMAIL", NULL, "the address of its first user, with whom the server's owner logs in", false},
    {"password-stdin", NULL, NULL,
     "that user's password: the line of standard input, or asked for when that is a terminal", false},
    {0},
};

#define FLAG_TENANT(help)                                                                                    \
    {                                                                                                        \
        "tenant", "TENANT", NULL, help, false                                                                \
    }

static const struct flag environment_create_flags[] = {
    FLAG_TENANT("the tenant it is for, by id or name; needed when there are several"),
    {"type", "TYPE", "development", "development or production", false},
    FLAG_JSON,
    {0},
};

static const struct flag user_create_flags[] = {
    FLAG_TENANT("the tenant it belongs to, by id or name; needed when there are several"),
    {"type", "TYPE", "user", "user or service_account", false},
    {"email", "EMAIL", NULL, "the address of a user; a service account has none", false},
    {"name", "NAME", NULL, "the name to show", false},
    {"role", "ROLE", NULL,
     "super_admin (the default), all_reader or all_writer for a user; super_admin, event_ingestor or "
     "event_reader for a service account; or one of the setting rbac-roles-file",
     true},
    FLAG_JSON,
    {0},
};

static const struct flag user_set_password_flags[] = {
    {"email", "EMAIL", NULL, "the address to log in with, for a user that has none or another one", false},
    FLAG_JSON,
    {0},
};

static const struct flag tenant_list_flags[] = {
    FLAG_TENANT("only those of this tenant, by id or name"),
    FLAG_JSON,
    {0},
};

static const struct flag key_create_flags[] = {
    {"name", "NAME", NULL, "what the key is for; it must be given", false},
    {"type", "TYPE", "private_key", "private_key; or publishable_key, which no endpoint accepts yet", false},
    {"role", "ROLE", NULL,
     "super_admin, all_reader, all_writer, event_ingestor, event_reader or one of the setting "
     "rbac-roles-file, instead of the roles of the user; for a service account one that it may have",
     true},
    {"environment", "ENVIRONMENT", NULL,
     "the environment it is for, by id or name; needed when there are several", false},
    FLAG_TENANT("the tenant of the environment, by id or name, when the environment's name is not enough"),
    {"user", "USER", NULL,
     "the user or service account it acts as, by id or e-mail, instead of the tenant's first user; says the "
     "tenant, "
     "too",
     false},
    {"expires-at", "TIME", NULL, "when it stops working, such as 2027-01-31T00:00:00Z", false},
    FLAG_JSON,
    {0},
};

/* Where the customer is. */
#define FLAGS_OF_CUSTOMER                                                                                    \
    FLAG_TENANT("the tenant of the environment, by id or name, when the environment's name is not enough"),  \
    {                                                                                                        \
        "environment", "ENVIRONMENT", NULL,                                                                  \
            "the environment it is in, by id or name; needed for an external id when there are several",     \
            false                                                                                            \
    }

static const struct flag customer_get_flags[] = {
    FLAGS_OF_CUSTOMER,
    FLAG_JSON,
    {0},
};

static const struct flag customer_export_flags[] = {
    FLAGS_OF_CUSTOMER,
    {0},
};

static const struct flag customer_erase_flags[] = {
    FLAGS_OF_CUSTOMER,
    {"yes", NULL, NULL, "do not ask whether it is meant", false},
    FLAG_JSON,
    {0},
};

static const struct flag customer_search_flags[] = {
    FLAG_TENANT("the tenant of the environment, by id or name, when the environment's name is not enough"),
    {"environment", "ENVIRONMENT", NULL,
     "the environment they are in, by id or name; needed when there are several", false},
    {"status", "STATUS", "published", "only those of this status; a customer that was deleted is archived",
     false},
    {"metadata", "KEY=VALUE", NULL, "only those whose metadata has this entry", true},
    {"sort", "FIELD", NULL, "by this field, and where that is equal by the next one", true},
    {"order", "asc|desc", NULL,
     "asc is from the least to the greatest, which is how fields are sorted by; without fields it is the "
     "time "
     "of creation, and desc, the newest first",
     false},
    {"limit", "N", "50", "how many, at most 1000", false},
    {"offset", "N", "0", "how many to leave out before the first", false},
    FLAG_JSON,
    {0},
};

static const struct flag backup_flags[] = {
    {"rate", "MB", NULL,
     "copy at most so many megabytes a second; without it, as fast as it goes beside the rest", false},
    FLAG_JSON,
    {0},
};

static const struct flag restore_flags[] = {
    {"at", "INSTANT", NULL,
     "of a continuous backup (backup-to): as it was then, such as 2027-01-02T03:04:05Z; without it, the "
     "newest there is",
     false},
    {"replace", NULL, NULL, "put aside the database that is there, and carry over what only it knows", false},
    {"forget", NULL, NULL, "... also when it cannot be read, so that nothing can be carried over", false},
    {0},
};

static const struct flag migrate_flags[] = {
    {"dry-run", NULL, NULL, "do all the work and roll it back: what it would be, and how long it takes",
     false},
    {"without-snapshot", NULL, NULL, "do not copy the embedded database before its schema changes", false},
    {"rollback", NULL, NULL, "put back the snapshot that was made before the schema last changed", false},
    {"lose-writes", NULL, NULL, "... also when something was written since, which is put aside then", false},
    {0},
};

static const struct flag copy_flags[] = {
    {"from", "URL|DIRECTORY", NULL,
     "what is copied: postgres://USER@HOST/DATABASE, a data directory that no server uses, or a backup",
     false},
    {"to", "URL|DIRECTORY", NULL, "where it goes: an empty database, or a directory that is new or empty",
     false},
    {"dry-run", NULL, NULL, "say what would be copied and change nothing", false},
    {"verify", NULL, NULL, "copy nothing: compare two databases, the second a copy of the first", false},
    {"bulk", NULL, NULL,
     "copy what is there now, of a PostgreSQL database whose servers go on or of a backup; the same command "
     "without it "
     "catches up, which is the only pause",
     false},
    {"pause-max", "SECONDS", NULL,
     "give up when the pause takes longer, so that the server can be started again", false},
    FLAG_JSON,
    {0},
};

static const struct flag json_flags[] = {FLAG_JSON, {0}};

static const struct flag audit_verify_flags[] = {
    {"expect", "FILE", NULL,
     "what --json has printed earlier: no row that was there then may be missing or changed", false},
    FLAG_JSON,
    {0},
};

static const struct flag outbox_list_flags[] = {
    {"limit", "N", "50", "how many, at most 1000", false},
    FLAG_TENANT("only those of this tenant, by id or name"),
    {"environment", "ENVIRONMENT", NULL, "only those of this environment, by id or name", false},
    FLAG_JSON,
    {0},
};

static const struct flag outbox_follow_flags[] = {
    {"after", "SEQUENCE", NULL,
     "begin behind this one, such as the last one seen; 0 is the beginning; without it, with what comes next",
     false},
    FLAG_TENANT("only those of this tenant, by id or name"),
    {"environment", "ENVIRONMENT", NULL, "only those of this environment, by id or name", false},
    {0},
};

static const struct flag secret_rotate_flags[] = {
    {"grace-hours", "N", NULL,
     "how long the keys before the new one are still honoured; 0 ends all of them at once: the tokens that "
     "they "
     "have signed, or the kept replies that they have encrypted, never the secrets of connections. Without "
     "it those "
     "that sign are honoured for 720 hours, which is as long as a token lasts, and those that encrypt "
     "without end",
     false},
    FLAG_JSON,
    {0},
};

static const struct flag doctor_flags[] = {
    FLAG_JSON,
    {"thorough", NULL, NULL, "read the whole database as well, which takes its time; not while a server runs",
     false},
    {0},
};

const struct command commands[] = {
    {"init", NULL, "Make a new database with a tenant, an environment and a first API key", init_flags,
     command_init, SETTINGS_DATA},
    {"serve", NULL,
     "Serve the API; an empty database is initialised first, with a first API key on a terminal", no_flags,
     command_serve, SETTINGS_ALL},
    {"tenant create", "NAME", "Make a tenant with a first user and an environment", json_flags,
     command_tenant_create, SETTINGS_DATA},
    {"tenant list", NULL, "List the tenants", json_flags, command_tenant_list, SETTINGS_DATA},
    {"tenant suspend", "TENANT", "Refuse every write with the tenant's keys, at once; reads go on",
     json_flags, command_tenant_suspend, SETTINGS_DATA},
    {"tenant resume", "TENANT",
     "Let a suspended tenant write again; it is active then, whatever it was before", json_flags,
     command_tenant_resume, SETTINGS_DATA},
    {"environment create", "NAME", "Make an environment", environment_create_flags,
     command_environment_create, SETTINGS_DATA},
    {"environment list", NULL, "List the environments", tenant_list_flags, command_environment_list,
     SETTINGS_DATA},
    {"user create", NULL, "Make a user, who has no password yet and acts through keys, or a service account",
     user_create_flags, command_user_create, SETTINGS_DATA},
    {"user set-password", "USER",
     "Let a user, by id or e-mail, log in with a password: asked for, or the line of standard input",
     user_set_password_flags, command_user_set_password, SETTINGS_DATA},
    {"user list", NULL, "List the users", tenant_list_flags, command_user_list, SETTINGS_DATA},
    {"key create", NULL, "Make an API key and print it, once", key_create_flags, command_key_create,
     SETTINGS_DATA},
    {"key list", NULL, "List the API keys", json_flags, command_key_list, SETTINGS_DATA},
    {"key revoke", "ID", "Make an API key stop working, at once", json_flags, command_key_revoke,
     SETTINGS_DATA},
    {"customer get", "ID|EXTERNAL_ID",
     "Show a customer, by its id or an external id that it has or had before", customer_get_flags,
     command_customer_get, SETTINGS_DATA},
    {"customer list", NULL, "List customers, the newest first", customer_search_flags,
     command_customer_search, SETTINGS_DATA},
    {"customer search", "'FIELD OPERATOR VALUE'...",
     "Find customers by conditions that all hold, such as 'name contains acme' 'created_at after 2026-01-31'",
     customer_search_flags, command_customer_search, SETTINGS_DATA},
    {"customer export", "ID|EXTERNAL_ID", "Print all that is held of a customer, as JSON",
     customer_export_flags, command_customer_export, SETTINGS_DATA},
    {"customer erase", "ID|EXTERNAL_ID", "Forget a customer for good: the person goes, money and proof stay",
     customer_erase_flags, command_customer_erase, SETTINGS_DATA},
    {"backup", "DIRECTORY", "Copy everything into a new directory, while the server goes on", backup_flags,
     command_backup, SETTINGS_DATA},
    {"check", "[BACKUP]", "Say whether a data directory that is not in use, or a backup, is sound", no_flags,
     command_check, SETTINGS_BACKUP},
    {"restore", "BACKUP", "Make a data directory out of a backup, or put one back into it", restore_flags,
     command_restore, SETTINGS_BACKUP},
    {"migrate", NULL,
     "Bring the database of an earlier version up to date, as a start does, or go back to the snapshot of "
     "before",
     migrate_flags, command_migrate, SETTINGS_DATA},
    {"copy", NULL, "Copy a whole database into another one, of the other engine or of the same", copy_flags,
     command_copy, SETTINGS_NONE},
    {"audit verify", NULL, "Check that no row of the audit trail was changed, added or removed",
     audit_verify_flags, command_audit_verify, SETTINGS_DATA},
    {"outbox list", NULL, "List the newest events that were written to be delivered", outbox_list_flags,
     command_outbox_list, SETTINGS_DATA},
    {"outbox follow", NULL, "Print each event as it is written, a JSON line each", outbox_follow_flags,
     command_outbox_follow, SETTINGS_DATA},
    {"secret list", NULL, "List the keys that sign and encrypt, by their ids", json_flags,
     command_secret_list, SETTINGS_DATA},
    {"secret rotate", "signing|encryption", "Make a new key that signs or encrypts", secret_rotate_flags,
     command_secret_rotate, SETTINGS_DATA},
    {"secret accept", NULL,
     "Have the database take the secrets that are here for its own, after others were lost or changed",
     no_flags, command_secret_accept, SETTINGS_DATA},
    {"log level", "[LEVEL]", "Print the least that the running server logs, or change it", no_flags,
     command_log_level, SETTINGS_DATA},
    {"import customers", "FILE", "Create customers from a file, CSV or JSON Lines; - is standard input",
     import_flags, command_import_customers, SETTINGS_DATA},
    {"config example", NULL, "Print a configuration file with every setting and its default", no_flags,
     command_config_example, SETTINGS_NONE},
    {"config check", NULL, "Say whether `serve` would take these settings", no_flags, command_config_check,
     SETTINGS_ALL},
    {"config show", NULL,
     "Print every setting as a server that is started here would have it, and where it is from", json_flags,
     command_config_show, SETTINGS_ALL},
    {"doctor", NULL, "Look at everything a server needs and say what to do", doctor_flags, command_doctor,
     SETTINGS_LATER},
    {"completion", "bash|zsh|fish", "Print what makes a shell complete the commands and their flags",
     no_flags, command_completion, SETTINGS_NONE},
    {"manual", NULL, "Print the manual page, farthing(1)", no_flags, command_manual, SETTINGS_NONE},
    {"version", NULL, "Print the version", no_flags, command_version, SETTINGS_NONE},
    {0},
};

enum exit_code command_version(struct invocation *invocation)
{
    (void)invocation;
    printf("farthing %s (schema %d, SQLite %s)\n", FARTHING_VERSION, store_schema_version(text_none),
           sqlite3_libversion());
    return EXIT_DONE;
}
