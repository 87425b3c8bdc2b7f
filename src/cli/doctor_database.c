/* doctor_database.c: the server that uses the data directory, and the database, wherever it is. */
#include "cli/admin_client.h"
#include "cli/doctor.h"
#include "cli/instance.h"
#include "cli/snapshot.h"

enum { MEGABYTE = 1000 * 1000 };

/* ---- the server ---- */

static void check_server(struct doctor *doctor, struct text holder)
{
    struct admin_reply reply;
    struct text reason;

    const struct place place = {.data = doctor->data};

    if (!admin_request(&place, "GET", TEXT("/health/ready"), text_empty, doctor->arena, &reply, &reason))
        doctor_say(doctor, VERDICT_FAIL, "server", reason, text_none); /* which says what to do */
    else if (reply.status != 200)
        doctor_say(doctor, VERDICT_FAIL, "server",
                   arena_format(doctor->arena, "%.*s runs and answers %d: %.*s", TEXT_FORMAT(holder),
                                reply.status, TEXT_FORMAT(reply.text)),
                   TEXT("its log says why"));
    else
        doctor_say(
            doctor, VERDICT_OK, "server",
            arena_format(doctor->arena, "%.*s runs, answers, and can read the database", TEXT_FORMAT(holder)),
            text_none);
}

static void tell_what_is_left_out(struct doctor *doctor)
{
    if (invocation_switch(doctor->invocation, "thorough"))
        doctor_say(doctor, VERDICT_WARN, "database",
                   TEXT("--thorough did not read it: it is in use, and is left to the process that uses it"),
                   TEXT("stop that process first, or look at a copy of the directory"));
}

/* ---- a file ---- */

/* The schema, which a start brings up to date. `what_else` was found besides. */
static void tell_of_schema(struct doctor *doctor, struct text database, int version, const char *what_else)
{
    int current = store_schema_version(database);
    struct text finding =
        version < current
            ? arena_format(doctor->arena, "schema %d; the next start brings it to %d", version, current)
            : arena_format(doctor->arena, "schema %d%s", version, what_else);

    doctor_say(doctor, VERDICT_OK, "database", finding,
               version < current ? TEXT("`farthing migrate --dry-run` rehearses that") : text_none);
}

static void tell_of_snapshots(struct doctor *doctor, const struct data_directory *directory)
{
    size_t count;
    const struct snapshot *snapshots = snapshots_find(directory, doctor->arena, &count);
    int64_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += snapshots[i].manifest.bytes;
    if (count)
        doctor_say(doctor, VERDICT_OK, "snapshots",
                   arena_format(doctor->arena,
                                "%zu from before the schema changed, %.1f MB; the newest is %s", count,
                                (double)bytes / MEGABYTE, snapshots[0].directory.path),
                   TEXT("remove those that nobody will go back to"));
}

static void inspect_file(struct doctor *doctor, struct data_directory *directory)
{
    bool thorough = invocation_switch(doctor->invocation, "thorough");
    struct store_facts facts;
    struct text reason;

    if (!data_directory_lock(directory, doctor->arena, &reason)) {
        doctor_say(doctor, VERDICT_WARN, "database", TEXT("it could not be looked at"), reason);
        return;
    }
    if (embedded_is_lost(directory, doctor->arena, &reason))
        doctor_say(doctor, VERDICT_FAIL, "database", reason, text_none); /* which says what to do */
    else if (store_inspect(directory->database_path, thorough, &facts, doctor->arena, &reason))
        tell_of_schema(doctor, directory->database_path, facts.schema_version,
                       thorough ? ", every page is sound" : "");
    else
        doctor_say(doctor, VERDICT_FAIL, "database", reason,
                   TEXT("keep a copy of the whole directory before anything else"));
    doctor_check_secrets(doctor, directory, directory->database_path);
    data_directory_unlock(directory);
}

static void check_file(struct doctor *doctor, struct data_directory *directory, bool is_open)
{
    tell_of_snapshots(doctor, directory);
    if (doctor->is_in_use) {
        doctor_check_secrets(doctor, directory, directory->database_path);
        tell_what_is_left_out(doctor);
    } else if (is_open) {
        inspect_file(doctor, directory);
    } else {
        doctor_say(doctor, VERDICT_WARN, "database", TEXT("it was not looked at"),
                   TEXT("set the permissions right first"));
    }
}

/* ---- PostgreSQL ---- */

/* "15.14" of "15.14 (Debian 15.14-0+deb12u1)". */
static struct text short_version(struct text version)
{
    return text_slice(version, 0, text_find(version, ' '));
}

/* What the server is, as far as it could be asked. */
static void tell_of_server(struct doctor *doctor, const struct store_facts *facts)
{
    if (text_is_set(facts->library_version))
        doctor_say(doctor, VERDICT_OK, "libraries",
                   arena_format(doctor->arena, "libpq %.*s", TEXT_FORMAT(facts->library_version)), text_none);
    if (text_is_set(facts->name))
        doctor_say(doctor, VERDICT_OK, "database",
                   arena_format(doctor->arena, "%.*s answers: PostgreSQL %.*s, encoding %.*s, role %.*s",
                                TEXT_FORMAT(facts->name), TEXT_FORMAT(short_version(facts->server_version)),
                                TEXT_FORMAT(facts->encoding), TEXT_FORMAT(facts->role)),
                   text_none);
}

/* Whether it is the database that the directory belongs to. */
static void check_belonging(struct doctor *doctor, const struct data_directory *directory,
                            const struct store_facts *facts)
{
    struct belonging before = data_directory_belongs_to(directory, doctor->arena);

    if (text_is_set(before.installation_id) && !text_equal(before.installation_id, facts->installation_id))
        doctor_say(doctor, VERDICT_FAIL, "database",
                   arena_format(doctor->arena, "the data directory belongs to %.*s, which is another one",
                                TEXT_FORMAT(before.name)),
                   TEXT("no data moves between them: name a new directory with --data, or the database as "
                        "before"));
}

static void check_elsewhere(struct doctor *doctor, const struct data_directory *directory)
{
    struct text url = settings_text(doctor->settings, "database"), reason;
    struct store_facts facts;
    bool is_right = store_inspect(url, false, &facts, doctor->arena, &reason);

    tell_of_server(doctor, &facts);
    if (!is_right)
        doctor_say(doctor, VERDICT_FAIL, "database", reason, text_none); /* which says what to do */
    else if (facts.schema_version == 0)
        doctor_say(doctor, VERDICT_WARN, "database", TEXT("it holds nothing of Farthing's"),
                   TEXT("`farthing init` makes the tables, a tenant and a key"));
    else
        tell_of_schema(doctor, url, facts.schema_version, "");
    if (is_right)
        check_belonging(doctor, directory, &facts);
    /* A new directory for a database that others use needs their secrets before its first start. */
    if (doctor->has_database || (is_right && facts.schema_version > 0))
        doctor_check_secrets(doctor, directory, url);
}

void doctor_check_database(struct doctor *doctor, struct data_directory *directory, bool is_open)
{
    const struct place place = {.data = doctor->data,
                                .database = settings_text(doctor->settings, "database")};
    struct text holder = text_none, reason;

    doctor->is_in_use = doctor->has_database && data_directory_is_in_use(directory, doctor->arena, &holder);
    if (doctor->is_in_use)
        check_server(doctor, holder);
    if (doctor->has_database && !place_agrees(&place, directory, doctor->arena, &reason))
        doctor_say(doctor, doctor->is_in_use ? VERDICT_WARN : VERDICT_FAIL, "database",
                   TEXT("it was not looked at"), reason);
    else if (doctor->is_elsewhere)
        check_elsewhere(doctor, directory);
    else if (doctor->has_database)
        check_file(doctor, directory, is_open);
}
