/* secret.c: `farthing secret list|rotate|accept`. */
#include "cli/admin_command.h"
#include "cli/commands.h"
#include "cli/instance.h"
#include "json/writer.h"

#include <stdio.h>

enum { GRACE_HOURS_MAX = 10 * 365 * 24 };

enum exit_code command_secret_list(struct invocation *invocation)
{
    static const struct table_column columns[] = {
        {"ID", "id", NULL},
        {"PURPOSE", "purpose", NULL},
        {"STATE", "state", NULL},
        {"SOURCE", "source", NULL},
        {"MADE", "created_at", "unknown"},
        {"HONOURED UNTIL", "honoured_until", "-"},
        {"CONNECTIONS", "connections", "-"},
        {0},
    };
    struct admin_reply reply;
    enum exit_code code = admin_ask(invocation, "GET", TEXT("/admin/secrets"), text_empty, &reply);

    return code == EXIT_DONE ? admin_print_list(invocation, &reply, columns) : code;
}

static struct text body_of(struct invocation *invocation, bool has_grace, int64_t grace_hours)
{
    return has_grace ? arena_format(&invocation->arena, "{\"grace_hours\":%lld}", (long long)grace_hours)
                     : TEXT("{}");
}

/* A grace is for what callers send again; connections are not lost by any. */
static void tell_of_older_keys(bool has_grace)
{
    puts("a running server encrypts the secrets of connections with it anew, and logs when none is under an "
         "older key; until then, as `farthing secret list` shows, those must stay in the file");
    if (has_grace)
        puts("--grace-hours only ends the replies kept for an Idempotency-Key, which an older key has "
             "encrypted");
}

enum exit_code command_secret_rotate(struct invocation *invocation)
{
    bool has_grace = text_is_set(invocation_value(invocation, "grace-hours"));
    struct text purpose = invocation->operand;
    int64_t grace_hours = 0;
    struct admin_reply reply;

    if (!text_equal(purpose, TEXT("signing")) && !text_equal(purpose, TEXT("encryption")))
        return complain(EXIT_USAGE, "there is no secret \"%.*s\"; there are signing and encryption",
                        TEXT_FORMAT(purpose));
    if (has_grace && !invocation_number(invocation, "grace-hours", 0, GRACE_HOURS_MAX, &grace_hours))
        return EXIT_USAGE;
    enum exit_code code =
        admin_ask(invocation, "POST",
                  arena_format(&invocation->arena, "/admin/secrets/%.*s/rotate", TEXT_FORMAT(purpose)),
                  body_of(invocation, has_grace, grace_hours), &reply);

    if (code != EXIT_DONE)
        return code;
    if (invocation_switch(invocation, "json"))
        admin_print_json(&reply);
    else
        printf("the %.*s key is %.*s from now on\n", TEXT_FORMAT(purpose),
               TEXT_FORMAT(admin_member(reply.body, "id")));
    if (!invocation_switch(invocation, "json") && text_equal(purpose, TEXT("encryption")))
        tell_of_older_keys(has_grace);
    return EXIT_DONE;
}

/* Not while a server runs, which would go on with what it has. */
enum exit_code command_secret_accept(struct invocation *invocation)
{
    struct place place = place_of(&invocation->settings);
    struct instance instance;
    struct text reason;
    struct data_directory directory = data_directory_at(&invocation->arena, place.data);

    if (data_directory_state(&directory) == DATA_DIRECTORY_EMPTY && !text_is_set(place.database) &&
        !embedded_is_lost(&directory, &invocation->arena, &reason))
        return complain(EXIT_FAILED, "there is no database in %.*s; `farthing init` makes one",
                        TEXT_FORMAT(place.data));
    place.accepts_secrets = true;
    if (!instance_open(&instance, &place, NULL, &invocation->arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    puts("the database takes the secrets that are here for its own from now on");
    instance_close(&instance);
    return EXIT_DONE;
}
