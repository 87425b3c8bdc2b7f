/* init.c: `farthing init`. */
#include "access/password.h"
#include "cli/commands.h"
#include "cli/instance.h"
#include "cli/password_input.h"
#include "domain/auths.h"
#include "domain/tenancy_operator.h"
#include "model/format.h"

/* The first user's e-mail and the hash of their password. EXIT_DONE, or what is wrong has been said. */
static enum exit_code read_owner(struct invocation *invocation, struct founding *founding)
{
    struct text email = invocation_value(invocation, "email"), password;
    char *hash = arena_allocate_zero(&invocation->arena, PASSWORD_HASH_BYTES_MAX);
    const char *rule = text_is_set(email) ? format_email(email) : NULL;

    if (rule)
        return complain(EXIT_USAGE, "--email %s", rule);
    if (text_is_set(email))
        founding->email = email_lower_case(email, &invocation->arena);
    if (!invocation_switch(invocation, "password-stdin"))
        return EXIT_DONE;
    if (!text_is_set(email))
        return complain(EXIT_USAGE, "--password-stdin needs --email, which the user logs in with");
    if (!password_input(&invocation->arena, &password))
        return EXIT_USAGE;
    if (!password_hash(password, hash))
        return complain(EXIT_FAILED, "there is not enough memory to hash a password");
    founding->password_hash = text_from_string(hash);
    return EXIT_DONE;
}

enum exit_code command_init(struct invocation *invocation)
{
    struct place place = place_of(&invocation->settings);
    struct founding founding = {.tenant_name = invocation_value(invocation, "tenant")};
    struct text reason;
    struct instance instance;

    /* Before anything is made, or the next try would find a half of it. */
    const struct failure *failure = tenant_name_check(founding.tenant_name, &invocation->arena);

    if (failure)
        return complain(EXIT_USAGE, "%.*s", TEXT_FORMAT(failure->message));
    enum exit_code code = read_owner(invocation, &founding);

    if (code != EXIT_DONE)
        return code;
    place.begins_anew = true;
    if (!instance_open(&instance, &place, &founding, &invocation->arena, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    if (!instance.installation.is_new && text_is_set(place.database))
        code =
            complain(EXIT_FAILED,
                     "the PostgreSQL database %.*s is initialised already; another server on it only needs "
                     "`farthing serve`, and `farthing key create --name NAME` makes another key",
                     TEXT_FORMAT(store_name(instance.store)));
    else if (!instance.installation.is_new)
        code = complain(EXIT_FAILED,
                        "%.*s is initialised already; `farthing key create --name NAME` makes another key",
                        TEXT_FORMAT(place.data));
    else if (!installation_print(&instance.installation))
        code = complain(
            EXIT_FAILED,
            "the first key could not be printed; `farthing key create --name NAME` makes another one");
    instance_close(&instance);
    return code;
}
