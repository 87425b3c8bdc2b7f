/* restore.c: `farthing restore`: a data directory out of a backup, or of a continuous backup as it was at an
 * instant. What the database in its place knows and the backup cannot is carried over (domain/carry_over.h),
 * and that database is put aside, never removed. */
#include "base/file.h"
#include "cli/backup_directory.h"
#include "cli/commands.h"
#include "cli/continuous_backup.h"
#include "cli/database_copy.h"
#include "cli/instance.h"
#include "cli/progress.h"
#include "cli/snapshot.h"
#include "domain/api_keys.h"
#include "domain/carry_over.h"
#include "domain/customers.h"
#include "domain/environments.h"

#include "base/instant.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRETS_BYTES_MAX = 1024 * 1024, MEGABYTE = 1000 * 1000 };

struct restoration {
    struct invocation *invocation;
    struct arena *arena;
    struct data_directory directory;
    struct backup_directory source;
    bool is_continuous; /* the source is a continuous backup */
    int64_t at;         /* the instant of it that is wanted */
    struct backup_manifest manifest;
    struct text new_path; /* of the database, until it has its place */
    struct call call;
    struct store *present, *restored;
    bool is_replacing;
    size_t key_count, customer_count, event_count; /* carried over */
    struct text aside;                             /* where the database is that was there before */
};

static struct text inside(struct restoration *restoration, struct text directory, const char *name)
{
    return text_from_string(arena_string(
        restoration->arena, arena_format(restoration->arena, "%.*s/%s", TEXT_FORMAT(directory), name)));
}

static void remove_unfinished(struct restoration *restoration)
{
    for (const char *const *name = data_directory_restoring_names; *name; name++)
        unlink(inside(restoration, restoration->directory.path, *name).data);
}

/* ---- the copy ---- */

struct copying {
    struct restoration *restoration;
    struct progress progress;
};

static void tell_progress(void *context, int64_t copied)
{
    struct copying *copying = context;
    struct arena *arena = copying->restoration->arena;
    int64_t bytes = copying->restoration->manifest.bytes;
    double done = bytes ? (double)copied / (double)bytes : 0;

    if (progress_is_due(&copying->progress))
        progress_show(&copying->progress,
                      arena_format(arena, "%.1f MB%.*s", (double)copied / MEGABYTE,
                                   TEXT_FORMAT(progress_rest(&copying->progress, done, arena))),
                      done);
}

/* Of the open files. False with errno. */
static bool copy_and_hash(struct restoration *restoration, int from, int to, char sha256[SHA256_HEX_LENGTH])
{
    struct copying copying = {.restoration = restoration};

    progress_start(&copying.progress);
    bool is_copied = database_copy(from, to, tell_progress, &copying, sha256);
    int why = errno;

    progress_end(&copying.progress);
    errno = why;
    return is_copied;
}

static enum exit_code copy_database(struct restoration *restoration)
{
    const char *new_path = restoration->new_path.data;
    char hex[SHA256_HEX_LENGTH];
    struct text reason;
    int from = backup_database_open(restoration->source.database_path, restoration->arena, &reason);

    if (from < 0)
        return complain(EXIT_FAILED, "%.*s; the data directory is as it was", TEXT_FORMAT(reason));
    int to = open(new_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool is_copied = to >= 0 && copy_and_hash(restoration, from, to, hex);
    int why = errno;

    close(from);
    if (to >= 0)
        close(to);
    if (!is_copied)
        return complain(EXIT_FAILED, "cannot copy %s to %s: %s", restoration->source.database_path, new_path,
                        strerror(why));
    if (text_equal((struct text){hex, sizeof hex}, restoration->manifest.sha256))
        return EXIT_DONE;
    return complain(
        EXIT_FAILED,
        "%s is not what was backed up: its SHA-256 is another one than backup.json says; the data "
        "directory is as it was",
        restoration->source.database_path);
}

/* ---- out of a continuous backup ---- */

/* Those of the data directory stay when there are any. */
static bool has_secrets(struct restoration *restoration, struct text *reason)
{
    return access(restoration->directory.secrets_path.data, F_OK) == 0 ||
           backup_has_secrets(&restoration->source, &restoration->manifest, restoration->arena, reason);
}

static enum exit_code rebuild_database(struct restoration *restoration)
{
    const struct rebuilt_files files = {
        .database = restoration->new_path.data,
        .secrets = inside(restoration, restoration->directory.path, RESTORING_SECRETS).data,
        .scratch = inside(restoration, restoration->directory.path, RESTORING_FETCHED).data,
    };
    struct text reason;

    restoration->source.secrets_path = files.secrets;
    if (continuous_backup_rebuild(&restoration->invocation->settings, restoration->invocation->operand,
                                  restoration->at, &files, &restoration->manifest, restoration->arena,
                                  &reason) &&
        has_secrets(restoration, &reason))
        return EXIT_DONE;
    return complain(EXIT_FAILED, "%.*s; the data directory is as it was", TEXT_FORMAT(reason));
}

/* ---- what is carried over ---- */

struct carrying {
    struct restoration *restoration;
    struct record_list keys, customers, waiting, delivered;
    int64_t after;
    const struct carried *customer;
    struct scope scope;
    bool is_done; /* by the last step */
};

static const struct failure *read_what_is_known(void *context, struct transaction *transaction)
{
    struct carrying *carrying = context;

    carrying->keys = carry_over_revoked_keys(transaction);
    carrying->customers = carry_over_erased_customers(transaction);
    return NULL;
}

/* A backup from before there was such a key has nothing to be revoked. */
static const struct failure *revoke_keys(void *context, struct transaction *transaction)
{
    struct carrying *carrying = context;
    const struct carried *keys = carrying->keys.records;

    carrying->restoration->key_count = 0;
    for (size_t i = 0; i < carrying->keys.count; i++) {
        struct secret *revoked = ARENA_NEW(transaction->arena, struct secret);
        bool is_there = !api_key_revoke(transaction, keys[i].id, revoked) && !transaction->failure;

        carrying->restoration->key_count += is_there && text_equal(revoked->status, status_published);
    }
    return NULL;
}

static const struct failure *find_environment(void *context, struct transaction *transaction)
{
    struct carrying *carrying = context;

    return environment_find(transaction, carrying->customer->environment_id, &carrying->scope);
}

static const struct failure *erase_customer(void *context, struct transaction *transaction)
{
    struct carrying *carrying = context;
    struct customer_erasure erasure = {0};
    const struct failure *failure = customer_erase(transaction, carrying->customer->id, &erasure);

    carrying->is_done = !failure && !erasure.was_erased;
    return failure && failure->code == FAILURE_NOT_FOUND ? NULL : failure;
}

static const struct failure *erase_customers(struct carrying *carrying)
{
    struct restoration *restoration = carrying->restoration;
    const struct carried *customers = carrying->customers.records;
    const struct failure *failure = NULL;

    for (size_t i = 0; i < carrying->customers.count && !failure; i++) {
        struct call call = restoration->call;

        carrying->customer = &customers[i];
        call.scope = &carrying->scope;
        if (store_read(restoration->restored, restoration->arena, &restoration->call, find_environment,
                       carrying))
            continue; /* there was no such environment then */
        failure = store_write(restoration->restored, restoration->arena, &call, erase_customer, carrying);
        restoration->customer_count += carrying->is_done;
    }
    return failure;
}

static const struct failure *read_waiting(void *context, struct transaction *transaction)
{
    struct carrying *carrying = context;

    carrying->waiting = carry_over_waiting_events(transaction, carrying->after);
    return NULL;
}

static const struct failure *read_delivered(void *context, struct transaction *transaction)
{
    struct carrying *carrying = context;

    carrying->delivered = carry_over_delivered_events(transaction, &carrying->waiting);
    return NULL;
}

static const struct failure *take_deliveries(void *context, struct transaction *transaction)
{
    struct carrying *carrying = context;

    return carry_over_deliveries(transaction, &carrying->delivered);
}

static const struct failure *carry_events(struct carrying *carrying)
{
    struct restoration *restoration = carrying->restoration;
    const struct failure *failure = NULL;
    struct arena arena;

    arena_init(&arena);
    do {
        arena_reset(&arena);
        failure = store_read(restoration->restored, &arena, &restoration->call, read_waiting, carrying);
        if (!failure)
            failure = store_read(restoration->present, &arena, &restoration->call, read_delivered, carrying);
        if (!failure && carrying->delivered.count)
            failure =
                store_write(restoration->restored, &arena, &restoration->call, take_deliveries, carrying);
        restoration->event_count += carrying->delivered.count;
        if (!failure && carrying->waiting.count)
            carrying->after =
                ((const struct carried_event *)carrying->waiting.records)[carrying->waiting.count - 1]
                    .sequence;
    } while (!failure && carrying->waiting.count == CARRY_OVER_EVENTS_MAX);
    if (failure)
        failure = failure_copy(failure, restoration->arena);
    arena_free(&arena);
    return failure;
}

static enum exit_code carry_over(struct restoration *restoration)
{
    struct carrying carrying = {.restoration = restoration};
    const struct failure *failure = store_read(restoration->present, restoration->arena, &restoration->call,
                                               read_what_is_known, &carrying);

    if (!failure)
        failure = store_write(restoration->restored, restoration->arena, &restoration->call, revoke_keys,
                              &carrying);
    if (!failure)
        failure = erase_customers(&carrying);
    if (!failure)
        failure = carry_events(&carrying);
    if (!failure)
        return EXIT_DONE;
    return complain(EXIT_FAILED,
                    "what the database knows could not be carried over: %.*s; the data directory is as "
                    "it was",
                    TEXT_FORMAT(failure->message));
}

/* ---- the databases ---- */

/* Opens the copy, which brings it to the schema of this program, and the database that is there. Without the
 * latter nothing can be carried over, which must be meant. */
static enum exit_code open_both(struct restoration *restoration)
{
    struct text reason;

    restoration->restored = store_open(restoration->new_path, restoration->arena, &reason);
    if (!restoration->restored)
        return complain(EXIT_FAILED, "the backup cannot be used: %.*s; the data directory is as it was",
                        TEXT_FORMAT(reason));
    if (!restoration->is_replacing)
        return EXIT_DONE;
    if (snapshot_before_migration(&restoration->directory, restoration->arena, &reason))
        restoration->present = store_open(restoration->directory.database_path, restoration->arena, &reason);
    if (restoration->present || invocation_switch(restoration->invocation, "forget"))
        return EXIT_DONE;
    return complain(
        EXIT_FAILED,
        "the database that is there cannot be read (%.*s), and so not be asked which keys were "
        "revoked, who was erased and what was delivered since the backup; with --forget it is put "
        "aside all the same",
        TEXT_FORMAT(reason));
}

static void close_both(struct restoration *restoration)
{
    if (restoration->restored)
        store_close(restoration->restored);
    if (restoration->present)
        store_close(restoration->present);
    restoration->restored = restoration->present = NULL;
}

/* ---- into its place ---- */

/* The restored database waits in the directory for the other one, until they change places. */
static bool change_places(struct restoration *restoration)
{
    const char *new_path = restoration->new_path.data;

    if (!restoration->is_replacing)
        return rename(new_path, restoration->directory.database_path.data) == 0;
    restoration->aside =
        database_aside(&restoration->directory, restoration->call.now_us, restoration->arena);
    return mkdir(restoration->aside.data, 0700) == 0 &&
           rename(new_path, inside(restoration, restoration->aside, "farthing.db").data) == 0 &&
           database_change_places(&restoration->directory, restoration->aside, restoration->arena);
}

static bool copy_secrets(struct restoration *restoration)
{
    struct text content;

    if (!restoration->manifest.has_secrets || access(restoration->directory.secrets_path.data, F_OK) == 0)
        return true;
    content = file_content(restoration->source.secrets_path, SECRETS_BYTES_MAX, restoration->arena);
    return text_is_set(content) && file_make(restoration->directory.secrets_path.data, content);
}

/* Files that root has made are the server's. */
static bool leave_to_owner(const struct restoration *restoration)
{
    const char *const paths[] = {restoration->directory.database_path.data,
                                 restoration->directory.secrets_path.data};
    struct stat status;

    if (geteuid() != 0 || stat(restoration->directory.path.data, &status) != 0)
        return true;
    for (unsigned i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (chown(paths[i], status.st_uid, status.st_gid) != 0 && errno != ENOENT)
            return false;
    return true;
}

static enum exit_code give_place(struct restoration *restoration)
{
    bool is_done = copy_secrets(restoration) && change_places(restoration) && leave_to_owner(restoration) &&
                   directory_sync(restoration->directory.path.data);

    if (is_done)
        return EXIT_DONE;
    return complain(
        EXIT_FAILED, "the restored database could not be given its place: %s; it is in %.*s", strerror(errno),
        TEXT_FORMAT(text_is_set(restoration->aside) ? restoration->aside : restoration->new_path));
}

/* ---- the whole ---- */

static void tell(const struct restoration *restoration)
{
    struct buffer instant = {0};

    instant_append(&instant, restoration->manifest.finished_at);
    printf("restored %.*s as it was at %.*s\n", TEXT_FORMAT(restoration->directory.path),
           TEXT_FORMAT(buffer_text(&instant)));
    buffer_free(&instant);
    if (!restoration->is_replacing)
        return;
    printf("carried over: %zu revoked keys, %zu erased customers, %zu deliveries\n", restoration->key_count,
           restoration->customer_count, restoration->event_count);
    printf("the database that was there is in %.*s; remove it when nobody needs it any more\n",
           TEXT_FORMAT(restoration->aside));
}

static enum exit_code restore(struct restoration *restoration)
{
    remove_unfinished(restoration); /* of a restoration that was cut short */
    enum data_directory_state state = data_directory_state(&restoration->directory);

    restoration->is_replacing = access(restoration->directory.database_path.data, F_OK) == 0;
    if (state == DATA_DIRECTORY_FOREIGN || (state == DATA_DIRECTORY_READY && !restoration->is_replacing))
        return complain(EXIT_FAILED,
                        "%.*s is no data directory of an embedded database; name another one with --data",
                        TEXT_FORMAT(restoration->directory.path));
    if (restoration->is_replacing && !invocation_switch(restoration->invocation, "replace"))
        return complain(
            EXIT_FAILED,
            "%.*s holds a database; --replace puts it aside and carries over which keys were revoked, who "
            "was erased and what was delivered",
            TEXT_FORMAT(restoration->directory.path));
    enum exit_code code =
        restoration->is_continuous ? rebuild_database(restoration) : copy_database(restoration);

    if (code == EXIT_DONE)
        code = open_both(restoration);
    if (code == EXIT_DONE && restoration->present)
        code = carry_over(restoration);
    close_both(restoration);
    if (code != EXIT_DONE) {
        remove_unfinished(restoration);
        return code;
    }
    code = give_place(restoration);
    if (code == EXIT_DONE) {
        unlink(inside(restoration, restoration->directory.path, RESTORING_SECRETS).data);
        tell(restoration);
    }
    return code;
}

/* What the source is, and of which instant. */
static enum exit_code find_source(struct restoration *restoration)
{
    struct invocation *invocation = restoration->invocation;
    struct text at = invocation_value(invocation, "at"), reason;

    restoration->at = INT64_MAX;
    if (text_is_set(at) && !instant_parse(at, &restoration->at))
        return complain(EXIT_USAGE, "--at must be an instant such as 2027-01-02T03:04:05Z, not '%.*s'",
                        TEXT_FORMAT(at));
    if (text_is_set(at) && restoration->at > restoration->call.now_us)
        return complain(EXIT_USAGE, "--at %.*s is still to come", TEXT_FORMAT(at));
    if (!continuous_backup_is(&invocation->settings, invocation->operand, &restoration->is_continuous,
                              restoration->arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    if (!restoration->is_continuous && text_is_set(at) && access(restoration->source.path, F_OK) == 0)
        return complain(EXIT_USAGE, "--at is for a continuous backup; %.*s holds none",
                        TEXT_FORMAT(invocation->operand));
    if (restoration->is_continuous ||
        (backup_manifest_read(&restoration->source, &restoration->manifest, restoration->arena, &reason) &&
         has_secrets(restoration, &reason)))
        return EXIT_DONE;
    return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
}

enum exit_code command_restore(struct invocation *invocation)
{
    const struct place place = place_of(&invocation->settings);
    struct restoration restoration = {
        .invocation = invocation,
        .arena = &invocation->arena,
        .directory = data_directory_at(&invocation->arena, place.data),
        .source = backup_directory_at(&invocation->arena, invocation->operand),
        .call = {.actor_id = text_empty, .request_id = TEXT("restore"), .now_us = instant_now_us()},
    };
    struct text reason;

    if (text_is_set(place.database))
        return complain(EXIT_USAGE, "a backup of an embedded database cannot be put into PostgreSQL");
    enum exit_code code = find_source(&restoration);

    if (code != EXIT_DONE)
        return code;
    if (!backup_is_left_alone(&restoration.directory, &invocation->arena, &reason) ||
        !data_directory_lock(&restoration.directory, &invocation->arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    restoration.new_path = inside(&restoration, restoration.directory.path, RESTORING_DATABASE);
    code = restore(&restoration);

    data_directory_unlock(&restoration.directory);
    return code;
}
