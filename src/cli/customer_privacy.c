/* customer_privacy.c: `farthing customer export` and `farthing customer erase`: what persons may ask for
 * about themselves. */
#include "cli/admin_command.h"
#include "cli/commands.h"
#include "cli/printed.h"

#include <stdio.h>
#include <unistd.h>

enum { ANSWER_BYTES_MAX = 512 };

/* PATH?customer=…&tenant=…&environment=… */
static struct text path_of(struct invocation *invocation, const char *path, struct text customer)
{
    struct arena *arena = &invocation->arena;

    return arena_format(arena, "%.*s%.*s%.*s", TEXT_FORMAT(admin_query(arena, path, "customer", customer)),
                        TEXT_FORMAT(admin_flag_query(invocation, "tenant")),
                        TEXT_FORMAT(admin_flag_query(invocation, "environment")));
}

enum exit_code command_customer_export(struct invocation *invocation)
{
    struct admin_reply reply;
    enum exit_code code =
        admin_ask(invocation, "GET", path_of(invocation, "/admin/customer/export", invocation->operand),
                  text_empty, &reply);

    if (code == EXIT_DONE)
        admin_print_json(&reply);
    return code;
}

/* ---- erase ---- */

/* Whether the person at the terminal types the id of the customer, who is shown. */
static bool is_confirmed(const struct json_value *customer, struct arena *arena)
{
    char line[ANSWER_BYTES_MAX];
    struct text id = admin_member(customer, "id");

    fprintf(stderr,
            "This forgets %.*s, %.*s (external id %.*s), for good: nothing brings it back.\n"
            "Type the id to go on: ",
            TEXT_FORMAT(id), TEXT_FORMAT(printed_safe(admin_member(customer, "name"), arena)),
            TEXT_FORMAT(printed_safe(admin_member(customer, "external_id"), arena)));
    if (!fgets(line, sizeof line, stdin))
        return false;
    struct text typed = text_from_string(line);

    if (text_ends_with(typed, TEXT("\n")))
        typed.length--;
    return text_equal(text_trim(typed), id);
}

static void print_erasure(const struct json_value *erasure)
{
    struct text id = admin_member(erasure, "id");
    const struct json_value *before = json_member(erasure, TEXT("was_erased_before"));
    int64_t plain = admin_number(erasure, "plain_activity");

    if (before && before->type == JSON_TRUE)
        printf("%.*s was erased before\n", TEXT_FORMAT(id));
    else
        printf("erased %.*s; backups made before keep it (docs/privacy.md)\n", TEXT_FORMAT(id));
    if (plain > 0)
        printf(
            "%lld rows of the audit trail are from before customers had keys, and stay readable until they "
            "are older than audit-retention-days\n",
            (long long)plain);
}

enum exit_code command_customer_erase(struct invocation *invocation)
{
    struct admin_reply reply;
    bool is_asked = !invocation_switch(invocation, "yes");

    if (is_asked && !isatty(STDIN_FILENO))
        return complain(EXIT_USAGE, "erasing cannot be undone: say --yes, or confirm it at a terminal");
    enum exit_code code = admin_ask(
        invocation, "GET", path_of(invocation, "/admin/customer", invocation->operand), text_empty, &reply);

    if (code != EXIT_DONE)
        return code;
    struct text id = admin_member(reply.body, "id");

    if (is_asked && !is_confirmed(reply.body, &invocation->arena))
        return complain(EXIT_FAILED, "that is not the id; nothing was erased");
    code =
        admin_ask(invocation, "POST", path_of(invocation, "/admin/customer/erase", id), text_empty, &reply);
    if (code != EXIT_DONE)
        return code;
    if (invocation_switch(invocation, "json"))
        admin_print_json(&reply);
    else
        print_erasure(reply.body);
    return EXIT_DONE;
}
