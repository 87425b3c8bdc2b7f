/* tenancy.c: `farthing tenant create|list|suspend|resume`, `environment create|list`, `user create|list`. */
#include "cli/admin_command.h"
#include "cli/commands.h"

#include <stdio.h>

static bool wants_json(const struct invocation *invocation)
{
    return invocation_switch(invocation, "json");
}

/* ---- tenants ---- */

enum exit_code command_tenant_create(struct invocation *invocation)
{
    struct admin_reply reply;
    enum exit_code code = admin_ask(invocation, "POST", TEXT("/admin/tenants"),
                                    admin_body(invocation, "name", invocation->operand, NULL), &reply);

    if (code != EXIT_DONE)
        return code;
    if (wants_json(invocation)) {
        admin_print_json(&reply);
        return EXIT_DONE;
    }
    admin_print_variable("FARTHING_TENANT_ID", admin_member(json_member(reply.body, TEXT("tenant")), "id"));
    admin_print_variable("FARTHING_USER_ID", admin_member(json_member(reply.body, TEXT("user")), "id"));
    admin_print_variable("FARTHING_ENVIRONMENT_ID",
                         admin_member(json_member(reply.body, TEXT("environment")), "id"));
    return EXIT_DONE;
}

enum exit_code command_tenant_list(struct invocation *invocation)
{
    static const struct table_column columns[] = {
        {"ID", "id", NULL},
        {"STATUS", "internal_status", NULL},
        {"CREATED", "created_at", NULL},
        {"NAME", "name", NULL},
        {0},
    };
    struct admin_reply reply;
    enum exit_code code = admin_ask(invocation, "GET", TEXT("/admin/tenants"), text_empty, &reply);

    return code == EXIT_DONE ? admin_print_list(invocation, &reply, columns) : code;
}

static enum exit_code set_status(struct invocation *invocation, struct text path, const char *done)
{
    struct admin_reply reply;
    enum exit_code code = admin_ask(invocation, "POST", path,
                                    admin_body(invocation, "tenant", invocation->operand, NULL), &reply);

    if (code != EXIT_DONE)
        return code;
    if (wants_json(invocation))
        admin_print_json(&reply);
    else
        printf("%s %.*s\n", done, TEXT_FORMAT(admin_member(json_member(reply.body, TEXT("tenant")), "id")));
    return EXIT_DONE;
}

enum exit_code command_tenant_suspend(struct invocation *invocation)
{
    return set_status(invocation, TEXT("/admin/tenants/suspend"), "suspended");
}

enum exit_code command_tenant_resume(struct invocation *invocation)
{
    return set_status(invocation, TEXT("/admin/tenants/resume"), "resumed");
}

/* ---- environments ---- */

enum exit_code command_environment_create(struct invocation *invocation)
{
    static const struct body_member members[] = {{"tenant", "tenant", false}, {"type", "type", false}, {0}};
    struct admin_reply reply;
    enum exit_code code = admin_ask(invocation, "POST", TEXT("/admin/environments"),
                                    admin_body(invocation, "name", invocation->operand, members), &reply);

    if (code != EXIT_DONE)
        return code;
    if (wants_json(invocation))
        admin_print_json(&reply);
    else
        admin_print_variable("FARTHING_ENVIRONMENT_ID",
                             admin_member(json_member(reply.body, TEXT("environment")), "id"));
    return EXIT_DONE;
}

/* A list that may be of one tenant alone. */
static enum exit_code list_of_tenant(struct invocation *invocation, const char *path,
                                     const struct table_column *columns)
{
    struct admin_reply reply;
    struct text target =
        admin_query(&invocation->arena, path, "tenant", invocation_value(invocation, "tenant"));
    enum exit_code code = admin_ask(invocation, "GET", target, text_empty, &reply);

    return code == EXIT_DONE ? admin_print_list(invocation, &reply, columns) : code;
}

enum exit_code command_environment_list(struct invocation *invocation)
{
    static const struct table_column columns[] = {
        {"ID", "id", NULL},
        {"TYPE", "type", NULL},
        {"NAME", "name", NULL},
        {"TENANT", "tenant_id", NULL},
        {"TENANT NAME", "tenant_name", NULL},
        {0},
    };

    return list_of_tenant(invocation, "/admin/environments", columns);
}

/* ---- users ---- */

enum exit_code command_user_create(struct invocation *invocation)
{
    static const struct body_member members[] = {
        {"tenant", "tenant", false}, {"email", "email", false}, {"name", "name", false},
        {"type", "type", false},     {"role", "roles", true},   {0},
    };
    struct admin_reply reply;
    enum exit_code code = admin_ask(invocation, "POST", TEXT("/admin/users"),
                                    admin_body(invocation, NULL, text_none, members), &reply);

    if (code != EXIT_DONE)
        return code;
    if (wants_json(invocation))
        admin_print_json(&reply);
    else
        admin_print_variable("FARTHING_USER_ID", admin_member(json_member(reply.body, TEXT("user")), "id"));
    return EXIT_DONE;
}

enum exit_code command_user_list(struct invocation *invocation)
{
    static const struct table_column columns[] = {
        {"ID", "id", NULL},
        {"TYPE", "type", NULL},
        {"EMAIL", "email", "-"},
        {"ROLES", "roles", NULL},
        {"NAME", "name", "-"},
        {"TENANT", "tenant_id", NULL},
        {0},
    };

    return list_of_tenant(invocation, "/admin/users", columns);
}
