#include "cli/import.h"

#include "domain/customers.h"
#include "model/customer.h"

#include <string.h>

const struct flag import_flags[] = {
    {"environment", "NAME|ID", NULL, "the environment it is for; needed when there are several", false},
    {"tenant", "NAME|ID", NULL, "the tenant of the environment, when its name alone is not enough", false},
    {"format", "FORMAT", NULL, "csv or jsonl; else the name of the file tells, and csv it is", false},
    {"map", "FIELD=COLUMN,...", NULL, "which column goes into which field", true},
    {"preset", "NAME", NULL, "ready maps for the exports of other systems: stripe, chargebee", false},
    {"unmapped", "WHERE", "ignore", "what becomes of other columns: ignore, or metadata", false},
    {"update", NULL, NULL, "change customers that are there already where the file differs", false},
    {"quiet-events", NULL, NULL, "announce nothing: no events to be delivered (the audit trail stays)",
     false},
    {"dry-run", NULL, NULL, "say what would be done and do nothing", false},
    {"rejects", "FILE", NULL, "where refused rows go; else FILE.rejected.csv or .jsonl", false},
    {"retry-seconds", "N", "60", "how long a server that has gone is waited for", false},
    FLAG_JSON,
    {0},
};

enum { RETRY_SECONDS_MAX = 24 * 60 * 60 };

/* The names that a column may have: what a client may give of a customer, as far as it is text. */
static const struct text *field_names(struct arena *arena)
{
    struct text *names = ARENA_ARRAY(arena, struct text, customer_entity.field_count + 1);
    size_t count = 0;

    for (size_t i = 0; i < customer_entity.field_count; i++)
        if (customer_entity.fields[i].flags & FIELD_INPUT && customer_entity.fields[i].type == FIELD_TEXT)
            names[count++] = customer_entity.fields[i].name;
    return names;
}

/* The members of a JSON object that creates a customer. */
static const struct text *member_names(struct arena *arena)
{
    size_t count = 0, max = customer_entity.field_count + customer_creation_option_count;
    struct text *names = ARENA_ARRAY(arena, struct text, max + 1);

    for (size_t i = 0; i < customer_entity.field_count; i++)
        if (customer_entity.fields[i].flags & FIELD_INPUT)
            names[count++] = customer_entity.fields[i].name;
    for (size_t i = 0; i < customer_creation_option_count; i++)
        names[count++] = customer_creation_options[i].name;
    return names;
}

static bool ends_with_any(struct text name, const char *const *ends)
{
    for (; *ends; ends++)
        if (text_ends_with(name, text_from_string(*ends)))
            return true;
    return false;
}

/* `customers.jsonl`, `customers.ndjson.gz` and so on are JSON Lines; anything else is CSV. */
static bool is_json_name(struct text name)
{
    static const char *const packed[] = {".gz", ".zst", NULL};
    static const char *const json[] = {".jsonl", ".ndjson", ".json", NULL};

    if (ends_with_any(name, packed)) {
        while (name.data[name.length - 1] != '.')
            name.length--;
        name.length--;
    }
    return ends_with_any(name, json);
}

static bool read_format(const struct invocation *invocation, struct import_options *options)
{
    struct text format = invocation_value(invocation, "format");

    options->is_json = text_is_set(format) ? text_equal(format, TEXT("jsonl")) : is_json_name(options->file);
    if (!text_is_set(format) || options->is_json || text_equal(format, TEXT("csv")))
        return true;
    complain(EXIT_USAGE, "--format must be csv or jsonl, not \"%.*s\"", TEXT_FORMAT(format));
    return false;
}

static bool read_rules(const struct invocation *invocation, struct import_options *options)
{
    struct text preset = invocation_value(invocation, "preset"), reason;
    const struct text *rules;
    unsigned count = invocation_values(invocation, "map", &rules);

    for (unsigned i = 0; i < count; i++)
        if (!column_map_add(&options->map, rules[i], &reason)) {
            complain(EXIT_USAGE, "%.*s", TEXT_FORMAT(reason));
            return false;
        }
    if (text_is_set(preset) && !column_map_add_preset(&options->map, preset)) {
        complain(EXIT_USAGE, "there is no preset \"%.*s\"; there are %.*s", TEXT_FORMAT(preset),
                 TEXT_FORMAT(column_map_presets(options->map.arena)));
        return false;
    }
    options->has_rules = count > 0 || text_is_set(preset);
    return true;
}

static bool read_unmapped(const struct invocation *invocation, struct import_options *options)
{
    struct text unmapped = invocation_value(invocation, "unmapped");

    options->map.keeps_unmapped = text_equal(unmapped, TEXT("metadata"));
    if (!options->map.keeps_unmapped && !text_equal(unmapped, TEXT("ignore"))) {
        complain(EXIT_USAGE, "--unmapped must be ignore or metadata, not \"%.*s\"", TEXT_FORMAT(unmapped));
        return false;
    }
    if (options->map.keeps_unmapped && options->is_json) {
        complain(EXIT_USAGE, "--unmapped metadata is for CSV; JSON Lines have their metadata in an object");
        return false;
    }
    return true;
}

static void append_query(struct buffer *query, const char *name, struct text value)
{
    if (!text_is_set(value) || value.length == 0)
        return;
    buffer_append_format(query, "%c%s=", query->length ? '&' : '?', name);
    for (size_t i = 0; i < value.length; i++)
        buffer_append_format(query, "%%%02X", (unsigned char)value.data[i]);
}

static void make_query(const struct invocation *invocation, struct import_options *options)
{
    struct buffer query = {0};

    append_query(&query, "tenant", invocation_value(invocation, "tenant"));
    append_query(&query, "environment", invocation_value(invocation, "environment"));
    append_query(&query, "update", invocation_switch(invocation, "update") ? TEXT("true") : text_none);
    append_query(&query, "quiet_events",
                 invocation_switch(invocation, "quiet-events") ? TEXT("true") : text_none);
    options->query = arena_copy(options->map.arena, buffer_text(&query));
    buffer_free(&query);
}

bool import_options_read(struct invocation *invocation, struct import_options *options)
{
    struct arena *arena = &invocation->arena;
    bool is_input = text_equal(invocation->operand, TEXT("-"));

    *options = (struct import_options){
        .file = invocation->operand,
        .name = is_input ? TEXT("standard input") : invocation->operand,
        .rejects = invocation_value(invocation, "rejects"),
        .is_check = invocation_switch(invocation, "dry-run"),
        .has_json_summary = invocation_switch(invocation, "json"),
    };
    column_map_init(&options->map, field_names(arena), arena);
    options->members = member_names(arena);
    if (!read_format(invocation, options) || !read_rules(invocation, options) ||
        !read_unmapped(invocation, options) ||
        !invocation_number(invocation, "retry-seconds", 0, RETRY_SECONDS_MAX, &options->retry_seconds))
        return false;
    if (!text_is_set(options->rejects))
        options->rejects = arena_format(arena, "%.*s.rejected.%s",
                                        TEXT_FORMAT(is_input ? TEXT("import") : invocation->operand),
                                        options->is_json ? "jsonl" : "csv");
    make_query(invocation, options);
    return true;
}
