#include "cli/backup_directory.h"

#include "base/file.h"
#include "base/instant.h"
#include "cli/admin_command.h"
#include "cli/database_copy.h"
#include "cli/secrets_file.h"
#include "json/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FORMAT = 1, MANIFEST_BYTES_MAX = 64 * 1024 };

struct backup_directory backup_directory_at(struct arena *arena, struct text path)
{
    return (struct backup_directory){
        .path = arena_string(arena, path),
        .database_path = arena_string(arena, arena_format(arena, "%.*s/farthing.db", TEXT_FORMAT(path))),
        .secrets_path = arena_string(arena, arena_format(arena, "%.*s/secrets", TEXT_FORMAT(path))),
        .manifest_path = arena_string(arena, arena_format(arena, "%.*s/backup.json", TEXT_FORMAT(path))),
    };
}

struct text backup_manifest_json(const struct backup_manifest *manifest, struct arena *arena)
{
    struct buffer buffer = {0}, instant = {0};
    struct json_writer writer;

    instant_append(&instant, manifest->finished_at);
    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    json_put_int64(&writer, TEXT("format"), FORMAT);
    json_put_string(&writer, TEXT("version"), manifest->version);
    json_put_int64(&writer, TEXT("schema_version"), manifest->schema_version);
    json_put_string(&writer, TEXT("finished_at"), buffer_text(&instant));
    json_put_int64(&writer, TEXT("finished_at_us"), manifest->finished_at);
    json_put_int64(&writer, TEXT("bytes"), manifest->bytes);
    json_put_string(&writer, TEXT("sha256"), manifest->sha256);
    json_put_bool(&writer, TEXT("has_secrets"), manifest->has_secrets);
    json_end_object(&writer);
    buffer_append_char(&buffer, '\n');
    struct text json = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    buffer_free(&instant);
    return json;
}

bool backup_manifest_read(const struct backup_directory *directory, struct backup_manifest *manifest,
                          struct arena *arena, struct text *reason)
{
    struct text content = file_content(directory->manifest_path, MANIFEST_BYTES_MAX, arena);
    struct json_error error;
    const struct json_value *json = text_is_set(content) ? json_read(arena, content, &error) : NULL;

    if (!text_is_set(content) && errno == ENOENT && access(directory->path, F_OK) != 0)
        *reason = arena_format(arena, "there is no %s", directory->path);
    else if (!text_is_set(content) && errno == ENOENT)
        *reason =
            arena_format(arena, "%s holds no backup, or one that was not finished: there is no backup.json",
                         directory->path);
    else if (!text_is_set(content))
        *reason = arena_format(arena, "cannot read %s: %s", directory->manifest_path, strerror(errno));
    else if (!json || json->type != JSON_OBJECT || admin_number(json, "format") < 1)
        *reason = arena_format(arena, "%s is not what `farthing backup` writes", directory->manifest_path);
    else if (admin_number(json, "format") > FORMAT)
        *reason = arena_format(arena, "%s is of a later version, %.*s", directory->path,
                               TEXT_FORMAT(admin_member(json, "version")));
    else {
        const struct json_value *has_secrets = json_member(json, TEXT("has_secrets"));

        *manifest = (struct backup_manifest){
            .version = admin_member(json, "version"),
            .schema_version = admin_number(json, "schema_version"),
            .finished_at = admin_number(json, "finished_at_us"),
            .bytes = admin_number(json, "bytes"),
            .sha256 = admin_member(json, "sha256"),
            .has_secrets = has_secrets && has_secrets->type == JSON_TRUE,
        };
        return true;
    }
    return false;
}

int backup_database_open(const char *database_path, struct arena *arena, struct text *reason)
{
    struct stat status;
    int fd = open(database_path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        return fd;
    *reason = fd >= 0 ? arena_format(arena, "%s is no regular file", database_path)
                      : arena_format(arena, "cannot read %s: %s", database_path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

bool backup_is_unchanged(const char *database_path, const struct backup_manifest *manifest,
                         struct arena *arena, struct text *reason)
{
    char sha256[SHA256_HEX_LENGTH];
    int fd = backup_database_open(database_path, arena, reason);

    if (fd < 0)
        return false;
    bool is_read = database_copy(fd, -1, NULL, NULL, sha256);
    int why = errno;

    close(fd);
    if (is_read && text_equal((struct text){sha256, sizeof sha256}, manifest->sha256))
        return true;
    *reason = is_read ? arena_format(arena,
                                     "%s is not what was backed up: its SHA-256 is another one than "
                                     "backup.json says",
                                     database_path)
                      : arena_format(arena, "cannot read %s: %s", database_path, strerror(why));
    return false;
}

/* A key in the file stands beside its id, which follows from it: what was changed is found. */
static bool are_secrets_whole(const struct backup_directory *directory, struct arena *arena,
                              struct text *reason)
{
    const struct data_directory files = {.secrets_path = text_from_string(directory->secrets_path)};
    struct secret_set *set = ARENA_NEW(arena, struct secret_set);
    unsigned key_count = 0;
    bool is_there, is_read = secrets_file_read(&files, set, &is_there, arena, reason);

    for (unsigned i = 0; i < SECRET_PURPOSES; i++)
        key_count += set->rings[i].count;
    OPENSSL_cleanse(set, sizeof *set);
    if (is_read && key_count == 0)
        *reason = arena_format(arena, "%s is empty; put it back from a copy", directory->secrets_path);
    return is_read && key_count > 0;
}

bool backup_has_secrets(const struct backup_directory *directory, const struct backup_manifest *manifest,
                        struct arena *arena, struct text *reason)
{
    if (!manifest->has_secrets)
        return true;
    if (access(directory->secrets_path, R_OK) == 0)
        return are_secrets_whole(directory, arena, reason);
    *reason =
        arena_format(arena,
                     "%s is missing or cannot be read (%s): without it connections cannot be read and tokens "
                     "are worth nothing; put it back from a copy",
                     directory->secrets_path, strerror(errno));
    return false;
}

struct text restoring_reason(const struct data_directory *directory, struct arena *arena)
{
    struct text holder;

    if (data_directory_is_in_use(directory, arena, &holder))
        return arena_format(arena, "%.*s is being restored by %.*s; wait until that is done",
                            TEXT_FORMAT(directory->path), TEXT_FORMAT(holder));
    return arena_format(arena,
                        "a restoration into %.*s was interrupted; `farthing restore` once more completes it",
                        TEXT_FORMAT(directory->path));
}

/* A backup that was used as a data directory would be none any more. */
bool backup_is_left_alone(const struct data_directory *directory, struct arena *arena, struct text *reason)
{
    if (access(backup_directory_at(arena, directory->path).manifest_path, F_OK) != 0)
        return true;
    *reason = arena_format(
        arena, "%.*s is a backup; `farthing restore %.*s --data DIRECTORY` makes a data directory out of it",
        TEXT_FORMAT(directory->path), TEXT_FORMAT(directory->path));
    return false;
}
