/* customer.c: `farthing customer get`. */
#include "cli/admin_command.h"
#include "cli/commands.h"
#include "cli/printed.h"

#include <stdio.h>

enum { HEADING_COLUMNS = 22 };

struct line {
    const char *heading;
    const char *member;
    const char *of_each;    /* of a list of objects: the member of each; NULL: it is none */
    const char *with_value; /* and the one that is its value; NULL: it has none */
};

static const struct line lines[] = {
    {"ID", "id", NULL, NULL},
    {"EXTERNAL ID", "external_id", NULL, NULL},
    {"FORMER EXTERNAL IDS", "former_external_ids", "external_id", NULL},
    {"NAME", "name", NULL, NULL},
    {"STATUS", "status", NULL, NULL},
    {"EMAIL", "email", NULL, NULL},
    {"CONTACT", "contact", NULL, NULL},
    {"ADDRESS LINE 1", "address_line1", NULL, NULL},
    {"ADDRESS LINE 2", "address_line2", NULL, NULL},
    {"CITY", "address_city", NULL, NULL},
    {"STATE", "address_state", NULL, NULL},
    {"POSTAL CODE", "address_postal_code", NULL, NULL},
    {"COUNTRY", "address_country", NULL, NULL},
    {"TIMEZONE", "timezone", NULL, NULL},
    {"METADATA", "metadata", NULL, NULL},
    {"INTEGRATIONS", "integrations", "provider_type", "provider_entity_id"},
    {"CREATED", "created_at", NULL, NULL},
    {"CREATED BY", "created_by", NULL, NULL},
    {"UPDATED", "updated_at", NULL, NULL},
    {"UPDATED BY", "updated_by", NULL, NULL},
    {"TENANT", "tenant_id", NULL, NULL},
    {"ENVIRONMENT", "environment_id", NULL, NULL},
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

/* "stripe=cus_42, paddle=ctm_7", or without values "cust-1, cust-2". */
static struct text list_text(const struct json_value *list, const struct line *line, struct arena *arena)
{
    const struct json_value *element = json_first(list);
    struct text joined = text_empty;

    for (uint32_t i = 0; i < list->count; i++, element = json_next(element)) {
        joined = arena_format(arena, "%.*s%s%.*s", TEXT_FORMAT(joined), i ? ", " : "",
                              TEXT_FORMAT(admin_member(element, line->of_each)));
        if (line->with_value)
            joined = arena_format(arena, "%.*s=%.*s", TEXT_FORMAT(joined),
                                  TEXT_FORMAT(admin_member(element, line->with_value)));
    }
    return joined;
}

static struct text line_text(const struct json_value *customer, const struct line *line, struct arena *arena)
{
    const struct json_value *value = json_member(customer, text_from_string(line->member));

    if (value && value->type == JSON_ARRAY && line->of_each)
        return list_text(value, line, arena);
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
