/* user_password.c: `farthing user set-password`. */
#include "cli/admin_command.h"
#include "cli/commands.h"
#include "cli/password_input.h"

#include <stdio.h>

enum exit_code command_user_set_password(struct invocation *invocation)
{
    struct admin_reply reply;
    struct text password;

    if (!password_input(&invocation->arena, &password))
        return EXIT_USAGE;
    const struct body_text texts[] = {
        {"user", invocation->operand, "USER"},
        {"email", invocation_value(invocation, "email"), "--email"},
        {"password", password, "the password"},
        {0},
    };
    enum exit_code code = admin_ask(invocation, "POST", TEXT("/admin/users/password"),
                                    admin_body_of_texts(&invocation->arena, texts), &reply);

    if (code != EXIT_DONE)
        return code;
    const struct json_value *user = json_member(reply.body, TEXT("user"));

    if (invocation_switch(invocation, "json"))
        admin_print_json(&reply);
    else
        printf("%.*s logs in with this password and %.*s; tokens of before are not valid any more, its API "
               "keys are\n",
               TEXT_FORMAT(admin_member(user, "id")), TEXT_FORMAT(admin_member(user, "email")));
    return EXIT_DONE;
}
