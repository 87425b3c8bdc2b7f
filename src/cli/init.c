/* init.c: `farthing init`. */
#include "cli/commands.h"
#include "cli/instance.h"
#include "domain/tenancy_operator.h"

enum exit_code command_init(struct invocation *invocation)
{
    const struct place place = place_of(&invocation->settings);
    struct text reason;
    struct instance instance;
    enum exit_code code = EXIT_DONE;

    /* Before anything is made, or the next try would find a half of it. */
    const struct failure *failure =
        tenant_name_check(invocation_value(invocation, "tenant"), &invocation->arena);

    if (failure)
        return complain(EXIT_USAGE, "%.*s", TEXT_FORMAT(failure->message));
    if (!instance_open(&instance, &place, invocation_value(invocation, "tenant"), &invocation->arena,
                       &reason))
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
