#include "cli/instance.h"

#include "base/instant.h"
#include "base/log.h"
#include "cli/admin_host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct making {
    struct text tenant_name;
    struct installation *installation;
};

static const struct failure *make_installation(void *context, struct transaction *transaction)
{
    struct making *making = context;

    return installation_create(transaction, making->tenant_name, making->installation);
}

struct place place_of(const struct settings *settings)
{
    int64_t connections = settings_number(settings, "database-connections");

    return (struct place){
        .data = settings_text(settings, "data"),
        .database = settings_text(settings, "database"),
        .connections = (unsigned)connections,
    };
}

/* What is remembered of it; unset for the embedded database, which lies there to be seen. */
static struct text belongs_to(const struct instance *instance, const struct place *place)
{
    return text_is_set(place->database) ? store_name(instance->store) : text_none;
}

static bool open_store(struct instance *instance, const struct place *place, struct text tenant_name,
                       struct arena *arena, struct text *reason)
{
    struct making making = {tenant_name, &instance->installation};
    const struct call call = {.actor_id = text_empty, .request_id = text_empty, .now_us = instant_now_us()};

    /* A database that this directory has used before, and that holds nothing now, was lost: it must not look
     * as if all were well. */
    const struct store_options options = {
        .connections = place->connections,
        .must_exist =
            place->must_exist || text_is_set(data_directory_belongs_to(&instance->directory, arena))};

    instance->store =
        store_open_with(text_is_set(place->database) ? place->database : instance->directory.database_path,
                        &options, arena, reason);
    if (!instance->store ||
        !data_directory_belong(&instance->directory, belongs_to(instance, place), arena, reason))
        return false;
    const struct failure *failure = store_write(instance->store, arena, &call, make_installation, &making);

    if (failure)
        *reason = failure->message;
    return !failure;
}

static bool may_be_used(const struct data_directory *directory, struct arena *arena, struct text *reason)
{
    switch (data_directory_state(directory)) {
    case DATA_DIRECTORY_EMPTY:
    case DATA_DIRECTORY_READY:
        return true;
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

static bool lock_directory(struct data_directory *directory, struct arena *arena, struct text *reason)
{
    if (data_directory_lock(directory, arena, reason))
        return true;
    name_the_command(directory, arena, reason);
    return false;
}

/* A directory of a server on PostgreSQL has no database of its own, and must not be given one by a command
 * that was not told of the other. */
static bool is_told_of_database(const struct data_directory *directory, const struct place *place,
                                struct arena *arena, struct text *reason)
{
    struct text name = data_directory_belongs_to(directory, arena);

    if (text_is_set(place->database) || !text_is_set(name))
        return true;
    *reason = arena_format(
        arena,
        "the data directory %.*s belongs to the PostgreSQL database %.*s; name it with --database, "
        "FARTHING_DATABASE or in farthing.conf",
        TEXT_FORMAT(directory->path), TEXT_FORMAT(name));
    return false;
}

/* Whether the database has anything of ours; before a directory is made for it. */
static bool is_there(struct text database, struct arena *arena, struct text *reason)
{
    int version = 0;

    if (!store_inspect(database, false, &version, arena, reason))
        return false;
    if (version == 0)
        *reason = TEXT(
            "the PostgreSQL database holds nothing of Farthing's; `farthing init` makes a tenant and a key");
    return version > 0;
}

bool instance_open(struct instance *instance, const struct place *place, struct text tenant_name,
                   struct arena *arena, struct text *reason)
{
    *instance = (struct instance){.directory = data_directory_at(arena, place->data)};
    if (!may_be_used(&instance->directory, arena, reason) ||
        !is_told_of_database(&instance->directory, place, arena, reason))
        return false;
    if (place->must_exist && text_is_set(place->database) &&
        data_directory_state(&instance->directory) == DATA_DIRECTORY_EMPTY &&
        !is_there(place->database, arena, reason))
        return false;
    if (text_is_set(place->database) && access(instance->directory.database_path.data, F_OK) == 0)
        LOG_WARNING("the data directory also holds an embedded database, which is not used now",
                    LOG_TEXT("file", instance->directory.database_path));
    umask(077); /* the database, its log and the socket are for this user alone */
    if (lock_directory(&instance->directory, arena, reason) &&
        open_store(instance, place, tenant_name, arena, reason))
        return true;
    instance_close(instance);
    return false;
}

bool instance_open_api(struct instance *instance, struct arena *arena, struct text *reason)
{
    instance->api = api_open(instance->store, arena, reason);
    return instance->api != NULL;
}

void instance_close(struct instance *instance)
{
    if (instance->api)
        api_stop_keeping_house(instance->api);
    if (instance->store)
        store_close(instance->store);
    if (instance->api)
        api_close(instance->api);
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
