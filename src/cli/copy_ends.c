/* copy_ends.c: where a copy comes from and where it goes. */
#include "base/file.h"
#include "cli/backup_directory.h"
#include "cli/copy.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SECRETS_BYTES_MAX = 1024 * 1024, WAIT_STEP_MS = 20 };

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static void take_url(struct copy_end *end, struct text name)
{
    end->is_url = true;
    end->database = name;
}

static enum exit_code lock(struct copy_end *end, struct arena *arena)
{
    struct text reason;

    if (data_directory_lock(&end->directory, arena, &reason))
        return EXIT_DONE;
    return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
}

/* ---- the source ---- */

static enum exit_code take_backup(struct copy_end *end, const struct backup_directory *backup,
                                  struct arena *arena)
{
    struct backup_manifest manifest;
    struct text reason;

    if (!backup_manifest_read(backup, &manifest, arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    end->is_backup = true;
    return EXIT_DONE;
}

enum exit_code copy_source_open(struct copy_end *end, struct text name, struct arena *arena)
{
    const struct backup_directory backup = backup_directory_at(arena, name);

    *end = (struct copy_end){.directory = data_directory_at(arena, name)};
    if (store_is_url(name)) {
        take_url(end, name);
        return EXIT_DONE;
    }
    end->database = end->directory.database_path;
    if (is_there(backup.manifest_path))
        return take_backup(end, &backup, arena);
    struct belonging belonging = data_directory_belongs_to(&end->directory, arena);

    if (text_is_set(belonging.name))
        return complain(EXIT_FAILED,
                        "the data of %.*s is in the PostgreSQL database %.*s; name that by its URL, "
                        "postgres://USER@HOST/DATABASE",
                        TEXT_FORMAT(name), TEXT_FORMAT(belonging.name));
    if (!is_there(end->database.data))
        return complain(EXIT_FAILED, "%.*s holds no database", TEXT_FORMAT(name));
    return EXIT_DONE;
}

static void wait_for_server(const struct copy_end *end, struct arena *arena)
{
    const struct timespec pause = {.tv_nsec = WAIT_STEP_MS * INT64_C(1000000)};
    struct text holder;

    if (!data_directory_is_in_use(&end->directory, arena, &holder))
        return;
    fprintf(stderr, "ready to catch up: stop the server on %.*s now (%.*s)\n",
            TEXT_FORMAT(end->directory.path), TEXT_FORMAT(holder));
    while (data_directory_is_in_use(&end->directory, arena, &holder))
        nanosleep(&pause, NULL);
}

enum exit_code copy_source_hold(struct copy_end *end, bool waits, struct arena *arena)
{
    if (end->is_url || end->is_backup)
        return EXIT_DONE;
    if (waits)
        wait_for_server(end, arena);
    return lock(end, arena);
}

/* ---- the target ---- */

static enum exit_code check_directory(const struct copy_end *end, struct arena *arena)
{
    struct belonging belonging = data_directory_belongs_to(&end->directory, arena);

    switch (data_directory_state(&end->directory)) {
    case DATA_DIRECTORY_EMPTY:
        return EXIT_DONE;
    case DATA_DIRECTORY_READY:
        if (!text_is_set(belonging.name))
            return EXIT_DONE;
        return complain(EXIT_FAILED,
                        "the data directory %.*s belongs to the PostgreSQL database %.*s; name another",
                        TEXT_FORMAT(end->directory.path), TEXT_FORMAT(belonging.name));
    case DATA_DIRECTORY_RESTORING:
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(restoring_reason(&end->directory, arena)));
    case DATA_DIRECTORY_CLOSED:
        return complain(EXIT_FAILED, "cannot look into %.*s: %s", TEXT_FORMAT(end->directory.path),
                        strerror(errno));
    case DATA_DIRECTORY_FOREIGN:
        break;
    }
    return complain(EXIT_FAILED, "%.*s is no data directory and is not empty; name another one",
                    TEXT_FORMAT(end->directory.path));
}

enum exit_code copy_target_open(struct copy_end *end, struct text name, bool is_written, struct arena *arena)
{
    *end = (struct copy_end){.directory = data_directory_at(arena, name)};
    if (store_is_url(name)) {
        take_url(end, name);
        return EXIT_DONE;
    }
    end->database = end->directory.database_path;
    enum exit_code code = check_directory(end, arena);

    if (code != EXIT_DONE || (!is_written && !is_there(end->database.data)))
        return code;
    umask(077); /* what is made is for this user alone */
    return lock(end, arena);
}

void copy_end_close(struct copy_end *end)
{
    if (text_is_set(end->directory.path))
        data_directory_unlock(&end->directory);
}

bool copy_ends_are_one(const struct copy_end *from, const struct copy_end *to)
{
    char one[PATH_MAX], other[PATH_MAX];

    return !from->is_url && !to->is_url && realpath(from->directory.path.data, one) &&
           realpath(to->directory.path.data, other) && strcmp(one, other) == 0;
}

bool copy_end_has_database(const struct copy_end *end)
{
    return end->is_url || is_there(end->database.data);
}

/* ---- what goes with it ---- */

static enum exit_code bring(const struct copy_end *from, const struct copy_end *to, struct text content,
                            struct arena *arena)
{
    const char *path = to->directory.secrets_path.data;
    struct text present = file_content(path, SECRETS_BYTES_MAX, arena);

    if (text_is_set(present) && text_equal(present, content))
        return EXIT_DONE;
    if (text_is_set(present) && is_there(to->database.data))
        return EXIT_DONE; /* what else is there is looked at first */
    if (text_is_set(present))
        return complain(EXIT_FAILED,
                        "%s holds other secrets than those of %.*s, which belong to the data; remove it",
                        path, TEXT_FORMAT(from->directory.path));
    if (file_make(path, content) && directory_sync(to->directory.path.data))
        return EXIT_DONE;
    return complain(EXIT_FAILED, "cannot make %s: %s", path, strerror(errno));
}

enum exit_code copy_secrets(const struct copy_end *from, const struct copy_end *to,
                            enum copy_secrets *secrets, struct arena *arena)
{
    *secrets = COPY_SECRETS_TO_BRING;
    if (from->is_url)
        return EXIT_DONE;
    struct text content = file_content(from->directory.secrets_path.data, SECRETS_BYTES_MAX, arena);

    if (!text_is_set(content) && errno != ENOENT)
        return complain(EXIT_FAILED, "cannot read %s: %s", from->directory.secrets_path.data,
                        strerror(errno));
    if (!text_is_set(content))
        *secrets = COPY_SECRETS_NONE;
    if (!text_is_set(content) || to->is_url)
        return EXIT_DONE;
    *secrets = COPY_SECRETS_THERE;
    return bring(from, to, content, arena);
}

bool copy_leave_to_owner(const struct copy_end *to)
{
    const char *const paths[] = {to->directory.database_path.data, to->directory.secrets_path.data};
    struct stat status;

    if (to->is_url || geteuid() != 0 || stat(to->directory.path.data, &status) != 0)
        return true;
    for (unsigned i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (chown(paths[i], status.st_uid, status.st_gid) != 0 && errno != ENOENT)
            return false;
    return true;
}
