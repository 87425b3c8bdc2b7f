/* customer.c: `farthing customer get`. */
#include "cli/admin_command.h"
#include "cli/commands.h"
#include "cli/printed.h"

#include <stdio.h>

enum { HEADING_COLUMNS = 22 };

struct line {
    const char *heading;
    const char *member;
    const char *of_each; /* of a list of objects: the member of each; NULL: it is none */
};

static const struct line lines[] = {
    {"ID", "id", NULL},
    {"EXTERNAL ID", "external_id", NULL},
    {"FORMER EXTERNAL IDS", "former_external_ids", "external_id"},
    {"NAME", "name", NULL},
    {"STATUS", "status", NULL},
    {"EMAIL", "email", NULL},
    {"CONTACT", "contact", NULL},
    {"ADDRESS LINE 1", "address_line1", NULL},
    {"ADDRESS LINE 2", "address_line2", NULL},
    {"CITY", "address_city", NULL},
    {"STATE", "address_state", NULL},
    {"POSTAL CODE", "address_postal_code", NULL},
    {"COUNTRY", "address_country", NULL},
    {"TIMEZONE", "timezone", NULL},
    {"METADATA", "metadata", NULL},
    {"INTEGRATIONS", "integrations", "provider_type"},
    {"CREATED", "created_at", NULL},
    {"CREATED BY", "created_by", NULL},
    {"UPDATED", "updated_at", NULL},
    {"UPDATED BY", "updated_by", NULL},
    {"TENANT", "tenant_id", NULL},
    {"ENVIRONMENT", "environment_id", NULL},
};

/* "tier=gold, region=eu" */
static struct text members_text(const struct json_value *object, struct arena *arena)
{
    const struct json_value *key = json_first(object);
    struct text joined = text_empty;

    for (uint32_t i = 0; i < object->count; i++) {
        const struct json_value *value = json_next(key);

        joined = arena_format(arena, "%.*s%s%.*s=%.*s", TEXT_FORMAT(joined), i ? ", " : "",
                              TEXT_FORMAT(key->text), TEXT_FORMAT(value->text));
        key = json_next(value);
    }
    return joined;
}

static struct text list_text(const struct json_value *list, const char *of_each, struct arena *arena)
{
    const struct json_value *element = json_first(list);
    struct text joined = text_empty;

    for (uint32_t i = 0; i < list->count; i++, element = json_next(element))
        joined = arena_format(arena, "%.*s%s%.*s", TEXT_FORMAT(joined), i ? ", " : "",
                              TEXT_FORMAT(admin_member(element, of_each)));
    return joined;
}

static struct text line_text(const struct json_value *customer, const struct line *line, struct arena *arena)
{
    const struct json_value *value = json_member(customer, text_from_string(line->member));

    if (value && value->type == JSON_ARRAY && line->of_each)
        return list_text(value, line->of_each, arena);
    if (value && value->type == JSON_OBJECT)
        return members_text(value, arena);
    return value && value->type == JSON_STRING ? value->text : text_empty;
}

static void print_customer(const struct json_value *customer, struct arena *arena)
{
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct text text = printed_safe(line_text(customer, &lines[i], arena), arena);

        printf("%-*s%.*s\n", HEADING_COLUMNS, lines[i].heading, TEXT_FORMAT(text.length ? text : TEXT("-")));
    }
}

enum exit_code command_customer_get(struct invocation *invocation)
{
    struct arena *arena = &invocation->arena;
    struct text path = admin_query(arena, "/admin/customer", "customer", invocation->operand);
    struct admin_reply reply;
    enum exit_code code = admin_ask(invocation, "GET",
                                    arena_format(arena, "%.*s%.*s%.*s", TEXT_FORMAT(path),
                                                 TEXT_FORMAT(admin_flag_query(invocation, "tenant")),
                                                 TEXT_FORMAT(admin_flag_query(invocation, "environment"))),
                                    text_empty, &reply);

    if (code != EXIT_DONE)
        return code;
    if (!reply.body || reply.body->type != JSON_OBJECT)
        return complain(EXIT_FAILED, "the server's answer is no customer; is it of another version?");
    if (invocation_switch(invocation, "json"))
        admin_print_json(&reply);
    else
        print_customer(reply.body, arena);
    return EXIT_DONE;
}
