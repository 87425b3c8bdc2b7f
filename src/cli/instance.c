#include "cli/instance.h"

#include "base/instant.h"
#include "base/log.h"
#include "cli/admin_host.h"
#include "cli/backup_directory.h"
#include "cli/secrets_file.h"
#include "cli/snapshot.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Each waits half a second (store/data_directory.c). Whoever has a database across a network needs some
 * seconds to connect, and answers on no socket until then. */
enum { LOCK_ATTEMPTS = 1, LOCK_ATTEMPTS_FAR = 20 };

struct making {
    const struct founding *founding; /* NULL: nothing is made */
    struct instance *instance;
    const struct secret_set *secrets; /* NULL: the database is told of none */
    struct belonging belonging;       /* what the directory belonged to before */
    struct text database_name;
    bool is_refused; /* not even tried to commit */
};

/* The one sentence for a directory that is told to use another PostgreSQL database than before. */
static struct text is_another(const struct making *making, struct arena *arena)
{
    return arena_format(arena,
                        "the data directory %.*s belongs to the PostgreSQL database %.*s, and %.*s holds "
                        "another installation; no data moves between them: name a new directory with --data "
                        "for this one, or the database as before with --database",
                        TEXT_FORMAT(making->instance->directory.path), TEXT_FORMAT(making->belonging.name),
                        TEXT_FORMAT(making->database_name));
}

static struct text holds_none(const struct making *making, struct arena *arena)
{
    return arena_format(arena, "%.*s holds no installation; `farthing init` makes one",
                        TEXT_FORMAT(text_is_set(making->instance->place.database)
                                        ? making->database_name
                                        : making->instance->directory.path));
}

static const struct failure *make_or_find(struct making *making, struct transaction *transaction)
{
    struct installation *installation = &making->instance->installation;

    if (making->founding)
        return installation_create(transaction, making->founding, installation);
    return installation_find(transaction, installation) || transaction->failure
               ? transaction->failure
               : failure_new(transaction->arena, FAILURE_NOT_FOUND, holds_none(making, transaction->arena));
}

static const struct failure *check_belonging(const struct making *making,
                                             const struct installation *installation, struct arena *arena)
{
    if (!text_is_set(making->belonging.installation_id) ||
        text_equal(making->belonging.installation_id, installation->opening.tenant.id))
        return NULL;
    return failure_new(arena, FAILURE_VALIDATION, is_another(making, arena));
}

/* Before the secrets: that it is another database altogether says more than that its secrets are others. */
static const struct failure *check_found(void *context, struct transaction *transaction)
{
    struct installation found;

    if (!installation_find(transaction, &found))
        return transaction->failure;
    return check_belonging(context, &found, transaction->arena);
}

/* All at once: an installation without the keys that it is used with would be a half of one, whose first key
 * nobody has seen. */
static const struct failure *make_installation(void *context, struct transaction *transaction)
{
    struct making *making = context;
    const struct failure *failure = make_or_find(making, transaction);

    if (!failure)
        failure = check_belonging(making, &making->instance->installation, transaction->arena);
    if (!failure && making->secrets)
        failure = instance_record_secrets(making->instance, making->secrets, transaction);
    making->is_refused = failure;
    return failure;
}

struct place place_of(const struct settings *settings)
{
    int64_t connections = settings_number(settings, "database-connections");

    return (struct place){
        .data = settings_text(settings, "data"),
        .database = settings_text(settings, "database"),
        .connections = (unsigned)connections,
        .auth_secret = settings_text(settings, "auth-secret"),
        .auth_secret_previous = settings_text(settings, "auth-secret-previous"),
        .encryption_key = settings_text(settings, "encryption-key"),
        .encryption_key_previous = settings_text(settings, "encryption-key-previous"),
        .roles_file = settings_text(settings, "rbac-roles-file"),
    };
}

/* Before a key is made that could not be shown, because the directory cannot be written. */
static bool begin_to_belong(const struct making *making, struct arena *arena, struct text *reason)
{
    return text_is_set(making->belonging.name) ||
           data_directory_belong(&making->instance->directory,
                                 (struct belonging){making->database_name, text_none}, arena, reason);
}

/* The rest can wait for the next start. */
static void belong(const struct making *making, struct arena *arena)
{
    const struct belonging belonging = {making->database_name,
                                        making->instance->installation.opening.tenant.id};
    struct text reason;

    if (!data_directory_belong(&making->instance->directory, belonging, arena, &reason))
        LOG_WARNING("the data directory does not know its database by name", LOG_TEXT("reason", reason));
}

bool embedded_is_lost(const struct data_directory *directory, struct arena *arena, struct text *reason)
{
    struct stat status;
    bool is_there = stat(directory->database_path.data, &status) == 0;

    if (access(directory->secrets_path.data, F_OK) != 0 || (is_there ? status.st_size > 0 : errno != ENOENT))
        return false;
    *reason = arena_format(arena,
                           "%.*s holds secrets, but the database %s that they are of is %s: put it back "
                           "(`farthing restore BACKUP`), or begin anew with these secrets (`farthing init`)",
                           TEXT_FORMAT(directory->path), directory->database_path.data,
                           is_there ? "empty" : "gone");
    return true;
}

/* Of an embedded database that holds nothing: to open it would already give it tables. */
static bool is_blank(const struct data_directory *directory, struct arena *arena)
{
    struct store_facts facts;
    struct text trouble;

    return store_inspect(directory->database_path, false, &facts, arena, &trouble) &&
           facts.schema_version == 0;
}

static bool open_store(struct instance *instance, const struct making *making, struct arena *arena,
                       struct text *reason)
{
    const struct place *place = &instance->place;
    bool is_server = text_is_set(place->database);

    /* A database that this directory has used before, and that holds nothing now, was lost: it must not look
     * as if all were well. */
    const struct store_options options = {
        .connections = place->connections,
        .must_exist = place->must_exist || !making->founding || text_is_set(making->belonging.name),
        .follower = instance->archiver ? archiver_follower(instance->archiver) : NULL,
    };

    if (!is_server && !place->begins_anew && embedded_is_lost(&instance->directory, arena, reason))
        return false;
    if (!is_server && !making->founding && is_blank(&instance->directory, arena)) {
        *reason = holds_none(making, arena);
        return false;
    }
    if (!is_server && !snapshot_before_migration(&instance->directory, arena, reason))
        return false;
    instance->store = store_open_with(is_server ? place->database : instance->directory.database_path,
                                      &options, arena, reason);
    if (!instance->store && text_is_set(making->belonging.name))
        *reason =
            arena_format(arena, "%.*s (%.*s belongs to the PostgreSQL database %.*s)", TEXT_FORMAT(*reason),
                         TEXT_FORMAT(instance->directory.path), TEXT_FORMAT(making->belonging.name));
    return instance->store;
}

/* `set`: NULL where the secrets are somebody else's matter. What may fail comes before the transaction. */
static bool make(struct instance *instance, struct making *making, struct secret_set *set,
                 struct arena *arena, struct text *reason)
{
    const struct call call = {.actor_id = text_empty, .request_id = text_empty, .now_us = instant_now_us()};
    bool may_bind = text_is_set(instance->place.database) && !instance->place.must_exist, is_made = false;

    making->database_name = store_name(instance->store);
    making->secrets = set;
    if (text_is_set(making->belonging.installation_id)) {
        const struct failure *failure = store_read(instance->store, arena, &call, check_found, making);

        if (failure) {
            *reason = failure->message;
            return false;
        }
    }
    if ((may_bind && !begin_to_belong(making, arena, reason)) ||
        (set && !instance_make_secrets(instance, set, &is_made, arena, reason)))
        return false;
    const struct failure *failure = store_write(instance->store, arena, &call, make_installation, making);

    if (failure)
        *reason = failure->message;
    else if (may_bind)
        belong(making, arena);
    /* Another server was quicker, and its keys are the right ones. Otherwise they are for the next try, or
     * for this one if it was committed after all. */
    if (failure && is_made && making->is_refused)
        unlink(instance->directory.secrets_path.data);
    return !failure;
}

static bool may_be_used(const struct data_directory *directory, struct arena *arena, struct text *reason)
{
    if (!backup_is_left_alone(directory, arena, reason))
        return false;
    switch (data_directory_state(directory)) {
    case DATA_DIRECTORY_EMPTY:
    case DATA_DIRECTORY_READY:
        return true;
    case DATA_DIRECTORY_RESTORING:
        *reason = restoring_reason(directory, arena);
        return false;
    case DATA_DIRECTORY_CLOSED:
        *reason = arena_format(arena, "cannot look into the data directory %.*s: %s; run as its owner",
                               TEXT_FORMAT(directory->path), strerror(errno));
        return false;
    case DATA_DIRECTORY_FOREIGN:
        *reason = arena_format(
            arena, "%.*s is not a data directory of Farthing and is not empty; name another one with --data",
            TEXT_FORMAT(directory->path));
        return false;
    }
    return false;
}

/* A command that takes long answers on a socket of its own, and ends by itself. */
static void name_the_command(const struct data_directory *directory, struct arena *arena, struct text *reason)
{
    int fd = admin_connect(directory->command_socket_path);
    struct text holder;

    if (fd < 0)
        return;
    close(fd);
    if (data_directory_is_in_use(directory, arena, &holder))
        *reason =
            arena_format(arena,
                         "the data directory %.*s is in use by a command such as `farthing import` (%.*s); "
                         "wait until it is done, or name another directory with --data",
                         TEXT_FORMAT(directory->path), TEXT_FORMAT(holder));
}

static bool is_answered(struct text socket_path)
{
    int fd = admin_connect(socket_path);

    return fd >= 0 && close(fd) == 0;
}

static bool lock_directory(struct data_directory *directory, unsigned attempts, struct arena *arena,
                           struct text *reason)
{
    for (unsigned attempt = 0; attempt < attempts; attempt++) {
        if (data_directory_lock(directory, arena, reason))
            return true;
        if (is_answered(directory->admin_socket_path) || is_answered(directory->command_socket_path))
            break; /* it will go on for longer; a command can ask there */
    }
    name_the_command(directory, arena, reason);
    return false;
}

bool place_agrees(const struct place *place, const struct data_directory *directory, struct arena *arena,
                  struct text *reason)
{
    struct text name = data_directory_belongs_to(directory, arena).name;
    bool holds_file = access(directory->database_path.data, F_OK) == 0;

    if (text_is_set(place->database) == text_is_set(name))
        return true;
    if (text_is_set(name))
        *reason = arena_format(
            arena,
            "the data directory %.*s belongs to the PostgreSQL database %.*s; name it with --database, "
            "FARTHING_DATABASE or in farthing.conf",
            TEXT_FORMAT(directory->path), TEXT_FORMAT(name));
    else if (holds_file)
        *reason = arena_format(
            arena,
            "the data directory %.*s holds an embedded database, whose data would not move to PostgreSQL "
            "with it: name a new directory with --data for PostgreSQL, or leave --database, "
            "FARTHING_DATABASE or its line in farthing.conf away to go on with the embedded one",
            TEXT_FORMAT(directory->path));
    return !text_is_set(name) && !holds_file;
}

/* Whether a PostgreSQL database can be used; asked before a directory is made for it. */
static bool is_usable(const struct place *place, struct arena *arena, struct text *reason)
{
    struct store_facts facts;

    if (!store_inspect(place->database, false, &facts, arena, reason))
        return false;
    if (!place->must_exist || facts.schema_version > 0)
        return true;
    *reason = arena_format(arena,
                           "the PostgreSQL database %.*s holds nothing of Farthing's; `farthing init` makes "
                           "a tenant and a key in it",
                           TEXT_FORMAT(facts.name));
    return false;
}

/* When the directory is locked, so that nobody goes on with the database meanwhile. */
static bool open_archiver(struct instance *instance, const struct place *place, struct arena *arena,
                          struct text *reason)
{
    const struct data_directory *directory = &instance->directory;

    if (!place->backup)
        return true;
    struct archiver_options options = *place->backup;

    options.data_directory = directory->path;
    options.database_path = directory->database_path;
    options.secrets_path = directory->secrets_path;
    instance->archiver = archiver_new(&options, arena, reason);
    return instance->archiver;
}

static bool open_database(struct instance *instance, const struct founding *founding, struct secret_set *set,
                          struct arena *arena, struct text *reason)
{
    bool must_exist = instance->place.must_exist;
    bool is_read =
        secret_set_of_place(&instance->directory, &instance->place, set, arena, &instance->secrets_reason);
    struct making making = {
        .founding = founding,
        .instance = instance,
        .belonging = data_directory_belongs_to(&instance->directory, arena),
    };

    if (!is_read && !must_exist) {
        *reason = instance->secrets_reason;
        return false;
    }
    if (!open_store(instance, &making, arena, reason) ||
        !make(instance, &making, must_exist ? NULL : set, arena, reason))
        return false;
    if (!must_exist || (is_read && instance_find_secrets(instance, set, arena, &instance->secrets_reason)))
        instance_use_secrets(instance, set, arena);
    return true;
}

/* What is wrong with the secrets must not be found after a database was made; and commands that need none can
 * do their work without. */
static bool open_with_secrets(struct instance *instance, const struct founding *founding, struct arena *arena,
                              struct text *reason)
{
    struct secret_set *set = ARENA_NEW(arena, struct secret_set);
    bool is_open = open_database(instance, founding, set, arena, reason);

    OPENSSL_cleanse(set, sizeof *set);
    return is_open;
}

bool instance_open(struct instance *instance, const struct place *place, const struct founding *founding,
                   struct arena *arena, struct text *reason)
{
    *instance = (struct instance){.directory = data_directory_at(arena, place->data), .place = *place};
    if (!may_be_used(&instance->directory, arena, reason) ||
        !place_agrees(place, &instance->directory, arena, reason))
        return false;
    if (text_is_set(place->database) && data_directory_state(&instance->directory) == DATA_DIRECTORY_EMPTY &&
        !is_usable(place, arena, reason))
        return false;
    if (text_is_set(place->database) && access(instance->directory.database_path.data, F_OK) == 0)
        LOG_WARNING("the data directory also holds an embedded database, which is not used now",
                    LOG_TEXT("file", instance->directory.database_path));
    umask(077); /* the database, its log and the socket are for this user alone */
    if (lock_directory(&instance->directory, text_is_set(place->database) ? LOCK_ATTEMPTS_FAR : LOCK_ATTEMPTS,
                       arena, reason) &&
        open_archiver(instance, place, arena, reason) &&
        open_with_secrets(instance, founding, arena, reason)) {
        if (instance->archiver)
            archiver_start(instance->archiver, instance->store, instance->installation.opening.tenant.id);
        return true;
    }
    instance_close(instance);
    return false;
}

static bool keep_secrets(void *context, const struct secret_set *set, struct arena *arena,
                         struct text *reason)
{
    const struct instance *instance = context;

    return secrets_file_write(&instance->directory, set, arena, reason);
}

bool instance_open_api(struct instance *instance, struct arena *arena, struct text *reason)
{
    instance->api = api_open(instance->store, arena, reason);
    if (instance->api)
        api_use_secrets(instance->api, &(struct api_secrets){instance->secrets, keep_secrets, instance});
    return instance->api != NULL;
}

void instance_close(struct instance *instance)
{
    if (instance->api)
        api_end_work(instance->api);
    if (instance->archiver)
        archiver_leave_store(instance->archiver);
    if (instance->store)
        store_close(instance->store);
    if (instance->archiver)
        archiver_finish(instance->archiver);
    if (instance->api)
        api_close(instance->api);
    secrets_free(instance->secrets);
    data_directory_unlock(&instance->directory);
    *instance = (struct instance){.directory = {.directory_fd = -1, .lock_fd = -1}};
}

bool installation_print(const struct installation *installation)
{
    printf("FARTHING_TENANT_ID=%.*s\nFARTHING_ENVIRONMENT_ID=%.*s\nFARTHING_API_KEY=%.*s\n",
           TEXT_FORMAT(installation->opening.tenant.id), TEXT_FORMAT(installation->opening.environment.id),
           TEXT_FORMAT(installation->plain_key));
    return fflush(stdout) == 0;
}
