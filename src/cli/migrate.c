/* migrate.c: `farthing migrate`: brings the schema up to date without serving, shows or rehearses that, and
 * goes back to the snapshot of before. */
#include "cli/backup_directory.h"
#include "cli/commands.h"
#include "cli/database_copy.h"
#include "cli/instance.h"
#include "cli/snapshot.h"
#include "domain/newer_changes.h"
#include "store/schema.h"

#include "base/file.h"
#include "base/instant.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MEGABYTE = 1000 * 1000 };

struct migrating {
    struct invocation *invocation;
    struct arena *arena;
    struct data_directory directory;
    struct text database; /* what store_open takes */
    bool is_server;       /* PostgreSQL */
    int version;          /* of the schema; more than this program's: of a newer one's */
};

/* ---- forth ---- */

static void show_pending(const struct migrating *migrating)
{
    int last = store_schema_version(migrating->database), count = last - migrating->version;

    printf("schema %d, this program's is %d: %d %s to run\n", migrating->version, last, count,
           count == 1 ? "migration" : "migrations");
    for (int version = migrating->version + 1; version <= last; version++) {
        struct store_migration migration = store_migration(migrating->database, version, migrating->arena);

        printf("  %-24.*s %.*s\n", TEXT_FORMAT(migration.name), TEXT_FORMAT(migration.purpose));
    }
}

static void show_room(const struct migrating *migrating)
{
    int64_t needed, available;

    snapshot_room(&migrating->directory, &needed, &available);
    printf("the snapshot takes %.1f MB, %.1f MB are free\n", (double)needed / MEGABYTE,
           (double)available / MEGABYTE);
}

static enum exit_code run(struct migrating *migrating, bool is_rehearsal)
{
    bool wants_snapshot = !migrating->is_server && !is_rehearsal &&
                          !invocation_switch(migrating->invocation, "without-snapshot");
    struct text reason;

    if (wants_snapshot && !snapshot_before_migration(&migrating->directory, migrating->arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    int64_t began_us = monotonic_now_us();

    if (!store_migrate(migrating->database, is_rehearsal, migrating->arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    double seconds = (double)(monotonic_now_us() - began_us) / (double)MICROSECONDS_PER_SECOND;

    if (is_rehearsal)
        printf("rehearsed in %.2f s and rolled back: nothing has changed\n", seconds);
    else
        printf("schema %d in %.2f s\n", store_schema_version(migrating->database), seconds);
    return EXIT_DONE;
}

static enum exit_code go_forth(struct migrating *migrating)
{
    bool is_rehearsal = invocation_switch(migrating->invocation, "dry-run");

    if (migrating->version >= store_schema_version(migrating->database)) {
        printf("schema %d: there is nothing to do\n", migrating->version);
        return EXIT_DONE;
    }
    show_pending(migrating);
    if (!migrating->is_server)
        show_room(migrating);
    return run(migrating, is_rehearsal);
}

/* ---- back: what would be lost ---- */

struct comparing {
    struct migrating *migrating;
    const struct snapshot *snapshot;
    int64_t sequence; /* the snapshot's trail ends with it */
    struct record_list changes;
    bool has_failed;
};

static void look_at_snapshot(void *context, struct transaction *transaction)
{
    struct comparing *comparing = context;

    comparing->sequence = newer_changes_end(transaction);
    comparing->has_failed |= transaction->failure != NULL;
}

static void look_at_present(void *context, struct transaction *transaction)
{
    struct comparing *comparing = context;

    comparing->changes =
        newer_changes_of(transaction, comparing->sequence, comparing->snapshot->manifest.finished_at);
    comparing->has_failed |= transaction->failure != NULL;
}

static bool compare(struct comparing *comparing)
{
    struct migrating *migrating = comparing->migrating;
    struct text reason;

    return store_settle(migrating->database, migrating->arena, &reason) &&
           store_look(text_from_string(comparing->snapshot->directory.database_path), STORE_REST_WHOLE,
                      migrating->arena, &reason, look_at_snapshot, comparing) &&
           store_look(migrating->database, STORE_REST_WHOLE, migrating->arena, &reason, look_at_present,
                      comparing) &&
           !comparing->has_failed;
}

static struct text instant_text(int64_t instant_us, struct arena *arena)
{
    struct buffer buffer = {0};

    instant_append_seconds(&buffer, instant_us);
    struct text text = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return text;
}

/* "12 customer created, 1 secret archived"; *count is all of them. */
static struct text in_words(const struct record_list *list, int64_t *count, struct arena *arena)
{
    const struct newer_changes *changes = list->records;
    struct text words = text_empty;

    *count = 0;
    for (size_t i = 0; i < list->count; i++) {
        *count += changes[i].count;
        words =
            arena_list_add(arena, words,
                           arena_format(arena, "%lld %.*s %.*s", (long long)changes[i].count,
                                        TEXT_FORMAT(changes[i].entity_type), TEXT_FORMAT(changes[i].action)));
    }
    return words;
}

/* Whether it may be gone back: nothing that was acknowledged since would be lost, or that is meant. */
static enum exit_code check_losses(struct comparing *comparing)
{
    struct arena *arena = comparing->migrating->arena;
    bool may_lose = invocation_switch(comparing->migrating->invocation, "lose-writes");
    int64_t count;

    if (!compare(comparing)) {
        if (may_lose)
            return EXIT_DONE;
        return complain(
            EXIT_FAILED,
            "the database that is there cannot be asked what was written since the snapshot; with "
            "--lose-writes it is put aside all the same");
    }
    struct text words = in_words(&comparing->changes, &count, arena);

    if (count == 0)
        return EXIT_DONE;
    const struct newer_changes *first = comparing->changes.records;

    if (!may_lose)
        return complain(
            EXIT_FAILED,
            "%lld changes were acknowledged since the snapshot, the first of them at %.*s (%.*s), and would "
            "be gone; --lose-writes goes back all the same, and puts aside the database that has them",
            (long long)count, TEXT_FORMAT(instant_text(first->since, arena)), TEXT_FORMAT(words));
    printf("not in the snapshot: %lld changes since %.*s: %.*s\n", (long long)count,
           TEXT_FORMAT(instant_text(first->since, arena)), TEXT_FORMAT(words));
    return EXIT_DONE;
}

/* ---- back ---- */

/* The newest one of an earlier schema; NULL: there is none. */
static const struct snapshot *choose(const struct migrating *migrating)
{
    size_t count;
    const struct snapshot *snapshots = snapshots_find(&migrating->directory, migrating->arena, &count);

    for (size_t i = 0; i < count; i++)
        if (snapshots[i].manifest.schema_version < migrating->version)
            return &snapshots[i];
    return NULL;
}

/* The directory of the snapshot becomes that of what is put aside, so that whatever happens in between, each
 * of the two databases has a name that says what it is. */
static enum exit_code give_place(struct migrating *migrating, const struct snapshot *snapshot)
{
    struct arena *arena = migrating->arena;
    struct text aside = database_aside(&migrating->directory, instant_now_us(), arena);
    const struct backup_directory directory = backup_directory_at(arena, aside);

    if (rename(snapshot->directory.path, directory.path) != 0 ||
        !database_change_places(&migrating->directory, aside, arena))
        return complain(EXIT_FAILED, "the snapshot could not be given its place: %s; run this again",
                        strerror(errno));
    unlink(directory.manifest_path); /* what they tell of is not in there any more */
    unlink(directory.secrets_path);
    directory_sync(directory.path);
    printf(
        "%.*s is as it was at %.*s, with schema %lld; what was there since is in %s, remove it when nobody "
        "needs it any more\n",
        TEXT_FORMAT(migrating->directory.path),
        TEXT_FORMAT(instant_text(snapshot->manifest.finished_at, arena)),
        (long long)snapshot->manifest.schema_version, directory.path);
    if (snapshot->manifest.schema_version < store_schema_version(migrating->database))
        printf("now install the Farthing of before: this one would change the schema again\n");
    return EXIT_DONE;
}

static enum exit_code go_back(struct migrating *migrating)
{
    struct comparing comparing = {.migrating = migrating};
    struct text reason;

    if (migrating->is_server)
        return complain(
            EXIT_USAGE,
            "the data is in a PostgreSQL database, of which there is no snapshot here: stop every "
            "server, put back the dump or the host's snapshot of before the upgrade, and start the "
            "Farthing of before");
    comparing.snapshot = choose(migrating);
    if (!comparing.snapshot)
        return complain(EXIT_FAILED, "%.*s has no snapshot of a schema before %d to go back to",
                        TEXT_FORMAT(migrating->directory.path), migrating->version);
    if (!backup_is_unchanged(comparing.snapshot->directory.database_path, &comparing.snapshot->manifest,
                             migrating->arena, &reason))
        return complain(EXIT_FAILED, "%.*s; nothing has changed", TEXT_FORMAT(reason));
    enum exit_code code = check_losses(&comparing);

    if (code == EXIT_DONE)
        code = give_place(migrating, comparing.snapshot);
    return code;
}

/* ---- the whole ---- */

static enum exit_code check_flags(const struct invocation *invocation)
{
    bool goes_back = invocation_switch(invocation, "rollback");

    if (goes_back &&
        (invocation_switch(invocation, "dry-run") || invocation_switch(invocation, "without-snapshot")))
        return complain(EXIT_USAGE, "--rollback goes with --lose-writes alone");
    if (!goes_back && invocation_switch(invocation, "lose-writes"))
        return complain(EXIT_USAGE, "--lose-writes goes with --rollback");
    return EXIT_DONE;
}

/* What the database is now. One that cannot be read, or is of a newer program, can still be gone back from.
 */
static enum exit_code look(struct migrating *migrating)
{
    struct store_facts facts;
    struct text reason;
    bool goes_back = invocation_switch(migrating->invocation, "rollback"),
         is_right = store_inspect(migrating->database, false, &facts, migrating->arena, &reason);

    migrating->version = facts.schema_version;
    if (!is_right && goes_back && !migrating->is_server) {
        if (migrating->version == 0)
            migrating->version = store_schema_version(migrating->database) + 1;
        return EXIT_DONE;
    }
    if (!is_right)
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    if (migrating->version > 0)
        return EXIT_DONE;
    return complain(EXIT_FAILED, "%.*s holds nothing of Farthing's; `farthing init` makes a database",
                    TEXT_FORMAT(migrating->is_server ? facts.name : migrating->directory.path));
}

static enum exit_code migrate(struct migrating *migrating)
{
    enum exit_code code = look(migrating);

    if (code != EXIT_DONE)
        return code;
    return invocation_switch(migrating->invocation, "rollback") ? go_back(migrating) : go_forth(migrating);
}

enum exit_code command_migrate(struct invocation *invocation)
{
    const struct place place = place_of(&invocation->settings);
    struct migrating migrating = {
        .invocation = invocation,
        .arena = &invocation->arena,
        .directory = data_directory_at(&invocation->arena, place.data),
        .is_server = text_is_set(place.database),
    };
    enum exit_code code = check_flags(invocation);
    struct text reason;

    migrating.database = migrating.is_server ? place.database : migrating.directory.database_path;
    if (code != EXIT_DONE)
        return code;
    if (!place_agrees(&place, &migrating.directory, &invocation->arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    if (migrating.is_server)
        return migrate(&migrating);
    if (access(migrating.directory.database_path.data, F_OK) != 0)
        return complain(EXIT_FAILED, "there is no database in %.*s; `farthing init` makes one",
                        TEXT_FORMAT(place.data));
    if (!backup_is_left_alone(&migrating.directory, &invocation->arena, &reason) ||
        !data_directory_lock(&migrating.directory, &invocation->arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    code = migrate(&migrating);
    data_directory_unlock(&migrating.directory);
    return code;
}
