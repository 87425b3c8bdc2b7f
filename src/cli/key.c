/* key.c: `farthing key create|list|revoke`. */
#include "cli/admin_command.h"
#include "cli/commands.h"

#include <stdio.h>

static const struct body_member creation_members[] = {
    {"name", "name", false},     {"type", "type", false},
    {"tenant", "tenant", false}, {"environment", "environment", false},
    {"user", "user", false},     {"expires-at", "expires_at", false},
    {"role", "roles", true},     {0},
};

enum exit_code command_key_create(struct invocation *invocation)
{
    struct admin_reply reply;

    if (!text_is_set(invocation_value(invocation, "name")))
        return complain(EXIT_USAGE, "key create needs --name; see `farthing help key create`");
    enum exit_code code = admin_ask(invocation, "POST", TEXT("/admin/keys"),
                                    admin_body(invocation, NULL, text_none, creation_members), &reply);

    if (code != EXIT_DONE)
        return code;
    struct text id = admin_member(json_member(reply.body, TEXT("secret")), "id");

    if (invocation_switch(invocation, "json")) {
        admin_print_json(&reply);
    } else {
        admin_print_variable("FARTHING_API_KEY", admin_member(reply.body, "api_key"));
        admin_print_variable("FARTHING_API_KEY_ID", id);
    }
    if (fflush(stdout) != 0)
        return complain(EXIT_FAILED, "the key could not be printed; revoke %.*s and make another one",
                        TEXT_FORMAT(id));
    return EXIT_DONE;
}

enum exit_code command_key_list(struct invocation *invocation)
{
    static const struct table_column columns[] = {
        {"ID", "id", NULL},
        {"KEY", "display_id", NULL},
        {"TYPE", "type", NULL},
        {"USER", "user_name", NULL},
        {"TENANT", "tenant_name", "-"},
        {"ENVIRONMENT", "environment_name", "-"},
        {"EXPIRES", "expires_at", "never"},
        {"ROLES", "roles", NULL},
        {"NAME", "name", NULL},
        {0},
    };
    struct admin_reply reply;
    enum exit_code code = admin_ask(invocation, "GET", TEXT("/admin/keys"), text_empty, &reply);

    return code == EXIT_DONE ? admin_print_list(invocation, &reply, columns) : code;
}

/* "secret_" and letters, so that it can stand in a path. */
static bool is_id(struct text id)
{
    if (!text_starts_with(id, TEXT("secret_")))
        return false;
    for (size_t i = 0; i < id.length; i++) {
        char byte = id.data[i];

        if (!(byte == '_' || (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
              (byte >= 'a' && byte <= 'z')))
            return false;
    }
    return id.length > 0;
}

enum exit_code command_key_revoke(struct invocation *invocation)
{
    struct admin_reply reply;
    struct text id = invocation->operand;

    if (text_starts_with(id, TEXT("sk_"))) /* not said again: it is a secret */
        return complain(EXIT_USAGE, "that is a key; give its id, which `farthing key list` shows");
    if (!is_id(id))
        return complain(EXIT_USAGE, "\"%.*s\" is not the id of a key; `farthing key list` shows them",
                        TEXT_FORMAT(id));
    enum exit_code code =
        admin_ask(invocation, "DELETE", arena_format(&invocation->arena, "/admin/keys/%.*s", TEXT_FORMAT(id)),
                  text_empty, &reply);

    if (code == EXIT_DONE)
        printf(invocation_switch(invocation, "json") ? "{\"id\":\"%.*s\",\"status\":\"deleted\"}\n"
                                                     : "revoked %.*s\n",
               TEXT_FORMAT(id));
    return code;
}
