/* backup.c: `farthing backup`: a copy of everything, beside a running server or without one. */
#include "base/file.h"
#include "cli/admin_command.h"
#include "cli/backup_directory.h"
#include "cli/commands.h"
#include "cli/interruption.h"
#include "cli/progress.h"

#include "base/buffer.h"
#include "base/instant.h"
#include "store/data_directory.h"
#include "store/store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { POLL_MS = 100, SECRETS_BYTES_MAX = 1024 * 1024, RATE_MAX = 100000 };

#define MEGABYTE INT64_C(1000000)

struct backup_run {
    struct invocation *invocation;
    struct arena *arena;
    struct place place;
    struct backup_directory directory;
    struct admin_session session;
    struct progress progress;
    const volatile int *interruptions;
    bool is_cancelled;
};

/* ---- the directory ---- */

/* Whoever runs the server writes the copy into it, also when root asks for it. */
static bool leave_to_owner(const struct backup_run *run)
{
    struct stat status;

    return geteuid() != 0 || stat(arena_string(run->arena, run->place.data), &status) != 0 ||
           chown(run->directory.path, status.st_uid, status.st_gid) == 0;
}

static bool is_inside(const char *path, struct text directory, struct arena *arena)
{
    char inner[PATH_MAX], outer[PATH_MAX];

    if (!realpath(path, inner) || !realpath(arena_string(arena, directory), outer))
        return false;
    struct text prefix = arena_format(arena, "%s/", outer);

    return strcmp(inner, outer) == 0 || text_starts_with(text_from_string(inner), prefix);
}

static enum exit_code make_directory(struct backup_run *run)
{
    struct text destination = run->invocation->operand;
    char whole[PATH_MAX];

    if (text_starts_with(destination, TEXT("s3://")))
        return complain(EXIT_USAGE,
                        "a backup is a directory, not %.*s: a server writes there by itself, all the "
                        "time, with `farthing serve --backup-to`",
                        TEXT_FORMAT(destination));
    if (mkdir(arena_string(run->arena, destination), 0700) != 0)
        return complain(EXIT_FAILED,
                        errno == EEXIST ? "%.*s is there already; a backup is a directory of its own%s"
                                        : "cannot make %.*s: %s",
                        TEXT_FORMAT(destination), errno == EEXIST ? "" : strerror(errno));
    if (!realpath(arena_string(run->arena, destination), whole))
        return complain(EXIT_FAILED, "cannot find %.*s: %s", TEXT_FORMAT(destination), strerror(errno));
    run->directory = backup_directory_at(run->arena, arena_copy(run->arena, text_from_string(whole)));
    if (is_inside(whole, run->place.data, run->arena)) {
        rmdir(whole);
        return complain(EXIT_USAGE,
                        "a backup does not belong into the data directory: name a directory elsewhere, "
                        "better on another disk");
    }
    if (leave_to_owner(run))
        return EXIT_DONE;
    rmdir(whole);
    return complain(EXIT_FAILED, "cannot leave %s to the server's user: %s", whole, strerror(errno));
}

/* A backup that has failed leaves nothing. */
static void remove_directory(const struct backup_run *run)
{
    unlink(run->directory.manifest_path);
    unlink(run->directory.secrets_path);
    unlink(run->directory.database_path);
    rmdir(run->directory.path);
}

/* ---- the database ---- */

static enum exit_code ask(struct backup_run *run, const char *method, struct text path, struct text body,
                          struct admin_reply *reply)
{
    struct text reason;

    if (!admin_session_ask(&run->session, method, path, body, run->arena, reply, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    if (reply->status < 300 && reply->body && reply->body->type == JSON_OBJECT)
        return EXIT_DONE;
    return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(admin_complaint(reply, run->arena)));
}

static void show(struct backup_run *run, const struct json_value *state)
{
    double copied = (double)admin_number(state, "bytes_copied"),
           total = (double)admin_number(state, "bytes_total");
    double done = total > 0 ? copied / total : 0;

    if (progress_is_due(&run->progress))
        progress_show(&run->progress,
                      arena_format(run->arena, "%.1f of %.1f MB%.*s", copied / (double)MEGABYTE,
                                   total / (double)MEGABYTE,
                                   TEXT_FORMAT(progress_rest(&run->progress, done, run->arena))),
                      done);
}

/* Whether it is this backup, and not another one that was begun since. */
static bool is_ours(const struct backup_run *run, const struct json_value *state)
{
    return text_equal(admin_member(state, "path"), text_from_string(run->directory.database_path));
}

static struct text order(const struct backup_run *run)
{
    const struct body_text texts[] = {{"path", text_from_string(run->directory.database_path), "the path"},
                                      {0}};

    return admin_body_of_texts(run->arena, texts);
}

/* How it is getting on; after an interruption it is to end, for which is waited, too: what is in the
 * directory is ours to remove only then. */
static enum exit_code look(struct backup_run *run, struct admin_reply *reply)
{
    if (!*run->interruptions || run->is_cancelled)
        return ask(run, "GET", TEXT("/admin/backup"), text_empty, reply);
    run->is_cancelled = true;
    return ask(run, "POST", TEXT("/admin/backup/cancel"), order(run), reply);
}

/* Waits for its end, which is in *reply. */
static enum exit_code wait_for_copy(struct backup_run *run, struct admin_reply *reply)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * INT64_C(1000000)};

    for (;;) {
        struct text state = admin_member(reply->body, "state");

        if (!is_ours(run, reply->body))
            return complain(EXIT_FAILED, "the server has forgotten this backup; was it started anew?");
        if (text_equal(state, TEXT("done")))
            return EXIT_DONE;
        if (!text_equal(state, TEXT("running")) && run->is_cancelled)
            return complain(EXIT_FAILED, "interrupted; nothing is left of this backup");
        if (!text_equal(state, TEXT("running")))
            return complain(EXIT_FAILED, "the server could not make the copy: %.*s",
                            TEXT_FORMAT(admin_member(reply->body, "reason")));
        show(run, reply->body);
        nanosleep(&pause, NULL);
        enum exit_code code = look(run, reply);

        if (code != EXIT_DONE)
            return code;
    }
}

/* Megabytes a second, as --rate has them, into bytes; 0: no limit. */
static enum exit_code read_rate(struct invocation *invocation, int64_t *bytes_per_second)
{
    int64_t megabytes = 0;

    *bytes_per_second = 0;
    if (!text_is_set(invocation_value(invocation, "rate")))
        return EXIT_DONE;
    if (!invocation_number(invocation, "rate", 1, RATE_MAX, &megabytes))
        return EXIT_USAGE;
    *bytes_per_second = megabytes * MEGABYTE;
    return EXIT_DONE;
}

static enum exit_code copy_database(struct backup_run *run, struct admin_reply *reply)
{
    int64_t bytes_per_second;
    enum exit_code code = read_rate(run->invocation, &bytes_per_second);

    if (code != EXIT_DONE)
        return code;
    code = ask(run, "POST",
               arena_format(run->arena, "/admin/backup?bytes_per_second=%lld", (long long)bytes_per_second),
               order(run), reply);
    if (code != EXIT_DONE)
        return code;
    progress_start(&run->progress);
    code = wait_for_copy(run, reply);
    progress_end(&run->progress);
    return code;
}

/* ---- what goes with it ---- */

/* The secrets, without which connections cannot be read and tokens are worth nothing, unless settings give
 * them. */
static enum exit_code copy_secrets(struct backup_run *run, bool *has_secrets)
{
    const struct data_directory source = data_directory_at(run->arena, run->place.data);
    struct text content = file_content(source.secrets_path.data, SECRETS_BYTES_MAX, run->arena);

    *has_secrets = text_is_set(content);
    if (!*has_secrets)
        return errno == ENOENT
                   ? EXIT_DONE
                   : complain(EXIT_FAILED, "cannot read %s: %s", source.secrets_path.data, strerror(errno));
    if (file_make(run->directory.secrets_path, content))
        return EXIT_DONE;
    return complain(EXIT_FAILED, "cannot make %s: %s", run->directory.secrets_path, strerror(errno));
}

static enum exit_code write_manifest(struct backup_run *run, const struct json_value *state, bool has_secrets,
                                     struct text *json)
{
    const struct backup_manifest manifest = {
        .version = TEXT(FARTHING_VERSION),
        .schema_version = store_schema_version(text_none),
        .finished_at = admin_number(state, "finished_at_us"),
        .bytes = admin_number(state, "bytes_total"),
        .sha256 = admin_member(state, "sha256"),
        .has_secrets = has_secrets,
    };

    *json = backup_manifest_json(&manifest, run->arena);
    if (file_make(run->directory.manifest_path, *json) && directory_sync(run->directory.path))
        return EXIT_DONE;
    return complain(EXIT_FAILED, "cannot make %s: %s", run->directory.manifest_path, strerror(errno));
}

static enum exit_code back_up(struct backup_run *run)
{
    struct admin_reply reply;
    struct text json;
    bool has_secrets = false;
    enum exit_code code = copy_database(run, &reply);

    if (code == EXIT_DONE)
        code = copy_secrets(run, &has_secrets);
    if (code == EXIT_DONE)
        code = write_manifest(run, reply.body, has_secrets, &json);
    if (code != EXIT_DONE)
        return code;
    if (invocation_switch(run->invocation, "json"))
        printf("%.*s", TEXT_FORMAT(json));
    else
        printf("%.1f MB in %s%s\n", (double)admin_number(reply.body, "bytes_total") / MEGABYTE,
               run->directory.path,
               has_secrets ? ", with the secrets: keep it as safe as the data directory" : "");
    return EXIT_DONE;
}

enum exit_code command_backup(struct invocation *invocation)
{
    struct backup_run run = {
        .invocation = invocation, .arena = &invocation->arena, .place = place_of(&invocation->settings)};
    struct text reason;

    run.place.must_exist = true;
    if (!admin_session_open(&run.session, &run.place, run.arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    run.interruptions = interruption_catch();
    enum exit_code code = make_directory(&run);

    if (code == EXIT_DONE) {
        code = back_up(&run);
        if (code != EXIT_DONE)
            remove_directory(&run);
    }
    admin_session_close(&run.session);
    return code;
}
