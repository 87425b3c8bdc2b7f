/* check.c: `farthing check`: whether a data directory at rest, or a backup, is sound; a continuous one by
 * restoring it. */
#include "domain/check.h"
#include "cli/backup_directory.h"
#include "cli/commands.h"
#include "cli/continuous_backup.h"
#include "cli/instance.h"
#include "cli/printed.h"
#include "domain/audit_check.h"
#include "domain/audit_trail.h"

#include "base/instant.h"
#include "store/schema.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct checking {
    struct arena *arena; /* of the command */
    size_t wrong_count;  /* checks that have found something */
};

static void say_well(struct text title)
{
    printf("ok    %.*s\n", TEXT_FORMAT(title));
}

static void say_wrong(struct checking *checking, struct text title, const struct text *findings, size_t count,
                      struct text advice)
{
    checking->wrong_count++;
    printf("FAIL  %.*s\n", TEXT_FORMAT(title));
    for (size_t i = 0; i < count; i++)
        printf("      %.*s\n", TEXT_FORMAT(printed_safe(findings[i], checking->arena)));
    printf("      -> %.*s\n", TEXT_FORMAT(advice));
}

/* ---- the audit trail ---- */

static void take_rows(struct audit_check *check, const struct record_list *list)
{
    const struct audit_row *rows = list->records;
    struct buffer scratch = {0};

    for (size_t i = 0; i < list->count; i++) {
        struct audit_link link = {
            .sequence = rows[i].sequence,
            .chain = rows[i].chain,
            .position = rows[i].position,
            .hash = rows[i].hash,
            .occurred_at = rows[i].occurred_at,
        };

        audit_digest(&rows[i], &scratch, link.digest);
        audit_check_row(check, &link);
    }
    buffer_free(&scratch);
}

static void check_trail(struct checking *checking, struct transaction *transaction)
{
    static const struct text title = TEXT_LITERAL("the audit trail"),
                             advice = TEXT_LITERAL("farthing audit verify names each of them"),
                             findings[] = {TEXT_LITERAL("rows were changed, added or removed")};
    struct audit_check *check = audit_check_new();
    struct audit_extent extent;
    struct record_list heads = audit_heads(transaction, &extent), rows;
    const struct audit_chain_row *chains = heads.records;
    struct arena *arena = transaction->arena;
    struct arena slice;
    int64_t before, after = 0;

    for (size_t i = 0; i < heads.count; i++)
        audit_check_head(check, &chains[i]);
    audit_check_since(check, extent.since);
    arena_init(&slice);
    do {
        arena_reset(&slice);
        transaction->arena = &slice;
        before = after;
        rows = audit_rows(transaction, after, extent.last_sequence);
        take_rows(check, &rows);
        if (rows.count)
            after = ((const struct audit_row *)rows.records)[rows.count - 1].sequence;
        /* Damaged pages may lead back to rows that were read. */
    } while (rows.count == AUDIT_SLICE_ROWS_MAX && after > before);
    transaction->arena = arena;
    arena_free(&slice);
    for (size_t i = 0; i < heads.count; i++)
        audit_check_head_again(check, &chains[i]);
    if (audit_check_end(check) > 0 || transaction->failure)
        say_wrong(checking, title, findings, 1, advice);
    else
        say_well(title);
    transaction->failure = NULL;
    audit_check_free(check);
}

/* ---- the database ---- */

static void check_one(struct checking *checking, struct transaction *transaction, const struct check *check)
{
    size_t count;
    const struct text *findings = check_run(transaction, check, &count);

    if (count)
        say_wrong(checking, check->title, findings, count, check->advice);
    else
        say_well(check->title);
}

static void check_all(void *context, struct transaction *transaction)
{
    struct checking *checking = context;
    struct check_totals totals;

    for (size_t i = 0; i < check_count; i++)
        check_one(checking, transaction, &checks[i]);
    check_trail(checking, transaction);
    check_totals(transaction, &totals);
    printf("%lld tenants, %lld environments, %lld customers, %lld events, %lld changes: %s\n",
           (long long)totals.tenants, (long long)totals.environments, (long long)totals.customers,
           (long long)totals.events, (long long)totals.changes,
           checking->wrong_count ? "not all is well" : "all is well");
}

static void check_pages(void *context, struct transaction *transaction)
{
    check_one(context, transaction, &checks[0]);
}

/* Of an earlier schema only what can be told whatever the tables are: the rest of the checks know this one's.
 */
static enum exit_code check_file(struct checking *checking, struct text path, enum store_rest rest,
                                 int64_t schema_version, const char *advice)
{
    int present = store_schema_version(text_none);
    bool is_earlier = schema_version < present;
    struct text reason;

    if (schema_version > present)
        return complain(EXIT_FAILED, "%.*s is of schema %lld, later than this program's %d",
                        TEXT_FORMAT(path), (long long)schema_version, present);
    if (!store_look(path, rest, checking->arena, &reason, is_earlier ? check_pages : check_all, checking))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    if (is_earlier)
        printf("schema %lld, before this program's %d: to have the rest checked, %s\n",
               (long long)schema_version, present, advice);
    return checking->wrong_count ? EXIT_FAILED : EXIT_DONE;
}

/* Whether it may have been a data directory that was meant; a backup that was not finished looks the same. */
static bool may_be_data(const struct backup_directory *directory)
{
    return access(directory->manifest_path, F_OK) != 0 && access(directory->database_path, F_OK) == 0;
}

/* What `farthing restore` would refuse is not sound, whatever the rest of it is. */
static enum exit_code check_backup(struct checking *checking, struct text path)
{
    const struct backup_directory directory = backup_directory_at(checking->arena, path);
    struct backup_manifest manifest;
    struct text reason;

    if (!backup_manifest_read(&directory, &manifest, checking->arena, &reason) ||
        !backup_has_secrets(&directory, &manifest, checking->arena, &reason) ||
        !backup_is_unchanged(directory.database_path, &manifest, checking->arena, &reason))
        return complain(EXIT_FAILED, "%.*s%s", TEXT_FORMAT(reason),
                        may_be_data(&directory) ? "; if it is a data directory, name it with --data" : "");
    say_well(TEXT("its SHA-256"));
    return check_file(checking, text_from_string(directory.database_path), STORE_REST_WHOLE,
                      manifest.schema_version,
                      "restore it into a directory of its own, which brings it up to date, and check that");
}

/* It is ours alone, and may be brought to the schema of this program. */
static enum exit_code check_rebuilt(struct checking *checking, const char *path)
{
    struct text database = text_from_string(path), reason;

    if (!store_migrate(database, false, checking->arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    return check_file(checking, database, STORE_REST_WHOLE, store_schema_version(text_none), "");
}

/* Restores it, into a directory that is removed again. */
static enum exit_code check_continuous(struct checking *checking, const struct settings *settings,
                                       struct text place)
{
    const char *temporary = getenv("TMPDIR");
    char *path =
        arena_string(checking->arena, arena_format(checking->arena, "%s/farthing-check-XXXXXX",
                                                   temporary && *temporary ? temporary : "/var/tmp"));
    enum exit_code code = EXIT_FAILED;
    struct backup_manifest manifest;
    struct text reason;

    if (!mkdtemp(path))
        return complain(EXIT_FAILED, "cannot make %s: %s", path, strerror(errno));
    const struct rebuilt_files files = {
        .database = arena_string(checking->arena, arena_format(checking->arena, "%s/farthing.db", path)),
        .secrets = arena_string(checking->arena, arena_format(checking->arena, "%s/secrets", path)),
        .scratch = arena_string(checking->arena, arena_format(checking->arena, "%s/fetched", path)),
    };

    const struct backup_directory rebuilt = backup_directory_at(checking->arena, text_from_string(path));

    if (continuous_backup_rebuild(settings, place, INT64_MAX, &files, &manifest, checking->arena, &reason) &&
        backup_has_secrets(&rebuilt, &manifest, checking->arena, &reason)) {
        struct buffer instant = {0};

        instant_append(&instant, manifest.finished_at);
        printf("restored as it was at %.*s\n", TEXT_FORMAT(buffer_text(&instant)));
        buffer_free(&instant);
        code = check_rebuilt(checking, files.database);
    } else {
        complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    }
    unlink(files.database);
    unlink(files.secrets);
    rmdir(path);
    return code;
}

static enum exit_code check_at_rest(struct checking *checking, const struct data_directory *directory)
{
    struct store_facts facts;
    struct text reason;

    if (!store_inspect(directory->database_path, false, &facts, checking->arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    if (facts.schema_version == 0)
        return complain(EXIT_FAILED, "%.*s holds nothing of Farthing's", TEXT_FORMAT(directory->path));
    return check_file(checking, directory->database_path, STORE_REST_LOG, facts.schema_version,
                      "bring it up to date (farthing migrate)");
}

static enum exit_code check_data(struct checking *checking, const struct place *place)
{
    struct data_directory directory = data_directory_at(checking->arena, place->data);
    struct text reason, holder;

    if (text_is_set(place->database))
        return complain(EXIT_USAGE,
                        "the data is in a PostgreSQL database; farthing audit verify checks its trail, "
                        "and pg_amcheck the rest");
    /* Opening what is no regular file could wait for ever. */
    if (access(directory.database_path.data, F_OK) != 0 ||
        data_directory_state(&directory) != DATA_DIRECTORY_READY)
        return complain(EXIT_FAILED, "%.*s holds no database", TEXT_FORMAT(directory.path));
    if (data_directory_is_in_use(&directory, checking->arena, &holder))
        return complain(EXIT_FAILED,
                        "%.*s is in use by %.*s: make a backup (farthing backup DIRECTORY) and check that",
                        TEXT_FORMAT(directory.path), TEXT_FORMAT(holder));
    if (!data_directory_lock(&directory, checking->arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    enum exit_code code = check_at_rest(checking, &directory);

    data_directory_unlock(&directory);
    return code;
}

enum exit_code command_check(struct invocation *invocation)
{
    struct checking checking = {.arena = &invocation->arena};
    const struct place place = place_of(&invocation->settings);

    struct text reason;
    bool is_continuous;

    if (!text_is_set(invocation->operand))
        return check_data(&checking, &place);
    if (!continuous_backup_is(&invocation->settings, invocation->operand, &is_continuous, checking.arena,
                              &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    return is_continuous ? check_continuous(&checking, &invocation->settings, invocation->operand)
                         : check_backup(&checking, invocation->operand);
}
