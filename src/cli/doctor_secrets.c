/* doctor_secrets.c: whether the secrets are there, and the ones that the server or the database knows. */
#include "cli/admin_client.h"
#include "cli/doctor.h"
#include "json/reader.h"

#include <openssl/crypto.h>
#include <string.h>

static void say(struct doctor *doctor, enum verdict verdict, struct text finding, struct text advice)
{
    doctor_say(doctor, verdict, "secrets", finding, advice);
}

/* ---- a server that runs ---- */

static struct text member(const struct json_value *object, const char *name)
{
    const struct json_value *value = json_member(object, text_from_string(name));

    return value && value->type == JSON_STRING ? value->text : text_empty;
}

/* Whether the server's present keys that are from its file are the ones that are in the file now. */
static bool are_served(const struct json_value *items, const struct secret_set *set)
{
    const struct json_value *item = json_first(items);
    bool are_served = true;

    for (uint32_t i = 0; i < items->count; i++, item = json_next(item)) {
        enum secret_purpose purpose;

        if (text_equal(member(item, "state"), TEXT("present")) &&
            text_equal(member(item, "source"), TEXT("file")) &&
            secret_purpose_find(member(item, "purpose"), &purpose))
            are_served &= set->rings[purpose].count > 0 &&
                          text_equal(member(item, "id"),
                                     (struct text){set->rings[purpose].keys[0].id, SECRET_ID_LENGTH});
    }
    return are_served;
}

/* It has compared its secrets with the database's when it started. */
static void compare_with_server(struct doctor *doctor, const struct secret_set *set)
{
    const struct place place = {.data = doctor->data};
    struct admin_reply reply;
    struct text reason;
    const struct json_value *items =
        admin_request(&place, "GET", TEXT("/admin/secrets"), text_empty, doctor->arena, &reply, &reason) &&
                reply.status == 200
            ? json_member(reply.body, TEXT("items"))
            : NULL;

    if (!items || items->type != JSON_ARRAY)
        say(doctor, VERDICT_WARN, TEXT("the running server does not tell of its keys"),
            TEXT("its log says why"));
    else if (!are_served(items, set))
        say(doctor, VERDICT_WARN, TEXT("the running server uses other keys than the file has now"),
            TEXT("SIGHUP has the server read the file; else put back the one that it was"));
    else
        say(doctor, VERDICT_OK, TEXT("those that the running server uses"), text_none);
}

/* ---- the database ---- */

static void compare_with_database(struct doctor *doctor, const struct data_directory *directory,
                                  struct text database, const struct secret_set *set)
{
    const struct store_options options = {.connections = STORE_CONNECTIONS_MIN, .must_exist = true};
    struct text reason;
    struct store *store = store_open_with(database, &options, doctor->arena, &reason);

    if (!store) {
        say(doctor, VERDICT_WARN, TEXT("the database could not be asked for them"), reason);
        return;
    }
    if (secrets_fit(store, directory, set, doctor->arena, &reason))
        say(doctor, VERDICT_OK, TEXT("those that the database was used with"), text_none);
    else
        say(doctor, VERDICT_FAIL, reason, text_none); /* which says what to do */
    struct text lacking = secrets_lacking(store, set, doctor->arena);

    if (text_is_set(lacking))
        say(doctor, VERDICT_WARN, lacking, text_none);
    store_close(store);
}

/* ---- all together ---- */

/* What is in the database of an older version is left alone: to look at it would bring it to this one. */
static void check(struct doctor *doctor, const struct data_directory *directory, struct text database,
                  struct secret_set *set)
{
    const struct place place = place_of(doctor->settings);
    struct text reason;
    struct store_facts facts;

    if (!secret_set_of_place(directory, &place, set, doctor->arena, &reason))
        say(doctor, VERDICT_FAIL, reason, text_none); /* which says what to do */
    else if (doctor->is_in_use)
        compare_with_server(doctor, set);
    else if (!store_inspect(database, false, &facts, doctor->arena, &reason) ||
             facts.schema_version < store_schema_version(database))
        say(doctor, VERDICT_OK, TEXT("they were not compared with the database's"), text_none);
    else
        compare_with_database(doctor, directory, database, set);
}

void doctor_check_secrets(struct doctor *doctor, const struct data_directory *directory, struct text database)
{
    struct secret_set *set = ARENA_NEW(doctor->arena, struct secret_set);

    check(doctor, directory, database, set);
    OPENSSL_cleanse(set, sizeof *set);
}
