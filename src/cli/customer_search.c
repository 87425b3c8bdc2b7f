/* customer_search.c: `farthing customer list|search`: the arguments as the body of a search, and its page as
 * a table. What a condition may say is the server's business (domain/search.h). */
#include "base/utf8.h"
#include "cli/admin_command.h"
#include "cli/commands.h"
#include "cli/printed.h"
#include "domain/search.h"
#include "model/customer.h"

#include <stdio.h>
#include <string.h>

enum {
    CELL_COLUMNS_MAX = 36, /* the length of a UUID, more than that of an id */
    ARGUMENT_LENGTH_SHOWN = 60,
};

/* ---- the fields ---- */

/* What somebody gave, fit to be repeated in a complaint. */
static struct text shown(struct text argument, struct arena *arena)
{
    char *room = arena_allocate(arena, UTF8_SHORT_BYTES(ARGUMENT_LENGTH_SHOWN));

    return printed_safe(utf8_shorten(argument, ARGUMENT_LENGTH_SHOWN, room), arena);
}

/* False, after saying so, when `where` must name another field. */
static bool check_field(struct invocation *invocation, struct text where, struct text field)
{
    struct arena *arena = &invocation->arena;

    if (search_knows(&customer_entity, field))
        return true;
    if (text_equal(field, TEXT("metadata")))
        complain(
            EXIT_USAGE,
            "%.*s: metadata is neither searched nor sorted by here, but has the flag --metadata KEY=VALUE",
            TEXT_FORMAT(where));
    else
        complain(EXIT_USAGE,
                 "%.*s: \"%.*s\" is no field that customers are searched or sorted by, which are %.*s",
                 TEXT_FORMAT(where), TEXT_FORMAT(shown(field, arena)),
                 TEXT_FORMAT(search_field_names(&customer_entity, arena)));
    return false;
}

/* ---- a condition ---- */

/* 'name contains Acme Corp' */
struct condition {
    struct text field, comparison, value; /* the value is all behind the second space */
};

static bool read_condition(struct invocation *invocation, struct text argument, struct condition *condition)
{
    size_t field_end = text_find(argument, ' ');
    struct text behind = text_from(argument, field_end + (field_end < argument.length));
    size_t operator_end = text_find(behind, ' ');

    *condition = (struct condition){.field = text_slice(argument, 0, field_end),
                                    .comparison = text_slice(behind, 0, operator_end),
                                    .value = text_from(behind, operator_end + 1)};
    struct text said = shown(argument, &invocation->arena);

    if (operator_end < behind.length)
        return check_field(invocation, arena_format(&invocation->arena, "'%.*s'", TEXT_FORMAT(said)),
                           condition->field);
    if (search_knows(&customer_entity, condition->field))
        complain(EXIT_USAGE, "'%.*s' is not whole: a condition is 'FIELD OPERATOR VALUE', in quotes",
                 TEXT_FORMAT(said));
    else
        complain(EXIT_USAGE,
                 "'%.*s' is no condition, which is 'FIELD OPERATOR VALUE', in quotes; did you mean "
                 "'name contains %.*s'?",
                 TEXT_FORMAT(said), TEXT_FORMAT(said));
    return false;
}

/* A day is its beginning, in UTC: what is no day stays as it is. */
static struct text instant_of(struct text value, struct arena *arena)
{
    static const size_t day_length = sizeof "2026-01-31" - 1;

    return value.length == day_length ? arena_format(arena, "%.*sT00:00:00Z", TEXT_FORMAT(value)) : value;
}

static void write_elements(struct json_writer *writer, struct text value)
{
    json_begin_array(writer);
    for (bool is_end = false; !is_end;) {
        size_t end = text_find(value, ',');

        json_string(writer, text_trim(text_slice(value, 0, end)));
        is_end = end == value.length;
        value = text_from(value, is_end ? end : end + 1);
    }
    json_end_array(writer);
}

/* The value as everything that it can be: the server takes what the field and the operator go with. */
static void write_value(struct json_writer *writer, struct text value, struct arena *arena)
{
    json_begin_object(writer);
    json_put_string(writer, TEXT("string"), value);
    json_put_string(writer, TEXT("number"), value);
    json_put_string(writer, TEXT("date"), instant_of(value, arena));
    json_key(writer, TEXT("array"));
    write_elements(writer, value);
    json_end_object(writer);
}

static bool write_condition(struct json_writer *writer, struct invocation *invocation, struct text argument)
{
    struct condition condition;

    if (!utf8_valid(argument))
        return admin_write_text(writer, invocation->command->operand, argument);
    if (!read_condition(invocation, argument, &condition))
        return false;
    json_begin_object(writer);
    json_put_string(writer, TEXT("field"), condition.field);
    json_put_string(writer, TEXT("operator"), condition.comparison);
    json_key(writer, TEXT("value"));
    write_value(writer, condition.value, &invocation->arena);
    json_end_object(writer);
    return true;
}

/* ---- the body ---- */

static bool write_conditions(struct json_writer *writer, struct invocation *invocation)
{
    bool is_right = true;

    json_key(writer, TEXT("filters"));
    json_begin_array(writer);
    for (unsigned i = 0; i < invocation->operand_count && is_right; i++)
        is_right = write_condition(writer, invocation, invocation->operands[i]);
    if (is_right)
        json_end_array(writer);
    return is_right;
}

static bool write_status(struct json_writer *writer, struct invocation *invocation)
{
    struct text status = invocation_value(invocation, "status"), names = text_empty;

    json_key(writer, TEXT("status"));
    for (const struct text *name = entity_statuses; name->data; name++) {
        if (text_equal(*name, status)) {
            json_string(writer, status);
            return true;
        }
        names = arena_format(&invocation->arena, "%.*s%s%.*s", TEXT_FORMAT(names), names.length ? ", " : "",
                             TEXT_FORMAT(*name));
    }
    complain(EXIT_USAGE, "--status must be one of %.*s, not \"%.*s\"", TEXT_FORMAT(names),
             TEXT_FORMAT(shown(status, &invocation->arena)));
    return false;
}

/* The field to sort by. Somebody who is used to `-name`, `name:desc` or `name desc` is told of --order. */
static bool check_sort(struct invocation *invocation, struct text sort)
{
    struct text name = text_starts_with(sort, TEXT("-")) ? text_from(sort, 1) : sort;
    size_t end = 0;

    while (end < name.length && name.data[end] != ':' && name.data[end] != ' ')
        end++;
    name.length = end;
    if (name.length == sort.length || !search_knows(&customer_entity, name))
        return check_field(invocation, TEXT("--sort"), sort);
    complain(EXIT_USAGE,
             "--sort takes the name of a field alone, \"%.*s\"; --order asc|desc is its direction",
             TEXT_FORMAT(name));
    return false;
}

/* `order` is that of the fields that are sorted by, which begin with A unless it says, and else of the time
 * of creation. */
static bool write_order(struct json_writer *writer, struct invocation *invocation)
{
    struct text order = invocation_value(invocation, "order");
    const struct text *sorts;
    unsigned count = invocation_values(invocation, "sort", &sorts);
    bool is_right = true;

    if (text_is_set(order)) {
        json_key(writer, TEXT("order"));
        is_right = admin_write_text(writer, "--order", order);
    }
    json_key(writer, TEXT("sort"));
    json_begin_array(writer);
    for (unsigned i = 0; i < count && is_right; i++) {
        is_right = check_sort(invocation, sorts[i]);
        if (!is_right)
            break;
        json_begin_object(writer);
        json_put_string(writer, TEXT("field"), sorts[i]);
        json_put_string(writer, TEXT("direction"), text_is_set(order) ? order : TEXT("asc"));
        json_end_object(writer);
    }
    if (is_right)
        json_end_array(writer);
    return is_right;
}

static bool write_entry(struct json_writer *writer, struct invocation *invocation, struct text entry)
{
    size_t equals = text_find(entry, '=');

    if (equals == 0 || equals == entry.length) {
        complain(EXIT_USAGE, "--metadata must be KEY=VALUE, not \"%.*s\"",
                 TEXT_FORMAT(shown(entry, &invocation->arena)));
        return false;
    }
    if (!utf8_valid(entry))
        return admin_write_text(writer, "--metadata", entry);
    json_put_string(writer, text_slice(entry, 0, equals), text_from(entry, equals + 1));
    return true;
}

static bool write_metadata(struct json_writer *writer, struct invocation *invocation)
{
    const struct text *entries;
    unsigned count = invocation_values(invocation, "metadata", &entries);
    bool is_right = true;

    json_key(writer, TEXT("metadata"));
    json_begin_object(writer);
    for (unsigned i = 0; i < count && is_right; i++)
        is_right = write_entry(writer, invocation, entries[i]);
    if (is_right)
        json_end_object(writer);
    return is_right;
}

static bool write_number(struct json_writer *writer, struct invocation *invocation, const char *flag,
                         int64_t minimum, int64_t maximum)
{
    int64_t number;

    if (!invocation_number(invocation, flag, minimum, maximum, &number))
        return false;
    json_put_int64(writer, text_from_string(flag), number);
    return true;
}

/* The body of POST /v1/customers/search; unset, after saying so, when an argument cannot be sent. */
static struct text search_body(struct invocation *invocation)
{
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    bool is_right = write_number(&writer, invocation, "limit", 1, PAGE_LIMIT_MAX) &&
                    write_number(&writer, invocation, "offset", 0, INT64_MAX - PAGE_LIMIT_MAX) &&
                    write_status(&writer, invocation) && write_order(&writer, invocation) &&
                    write_metadata(&writer, invocation) && write_conditions(&writer, invocation);

    if (is_right)
        json_end_object(&writer);
    struct text body = is_right ? arena_copy(&invocation->arena, buffer_text(&buffer)) : text_none;

    buffer_free(&buffer);
    return body;
}

/* ---- the page ---- */

static void print_page(struct invocation *invocation, const struct json_value *items,
                       const struct json_value *pagination)
{
    static const struct table_column columns[] = {
        {"ID", "id", NULL},
        {"EXTERNAL ID", "external_id", "-"},
        {"NAME", "name", NULL},
        {"EMAIL", "email", "-"},
        {"STATUS", "status", NULL},
        {"CREATED", "created_at", NULL},
        {0},
    };
    long long total = admin_number(pagination, "total"), next = admin_number(pagination, "offset");
    long long before = next - admin_number(pagination, "limit"), last = before + items->count;

    if (items->count == 0 && total == 0) {
        printf("no %.*s customer matches\n", TEXT_FORMAT(invocation_value(invocation, "status")));
        return;
    }
    if (items->count == 0) {
        printf("showing none of %lld: --offset %lld is behind the last one\n", total, before);
        return;
    }
    admin_print_table(items, columns, CELL_COLUMNS_MAX, &invocation->arena);
    printf("showing %lld-%lld of %lld", before + 1, last, total);
    if (last < total)
        printf("; --offset %lld goes on", last);
    putchar('\n');
}

enum exit_code command_customer_search(struct invocation *invocation)
{
    struct arena *arena = &invocation->arena;
    struct text path = arena_format(arena, "/admin/customers/search?%.*s%.*s",
                                    TEXT_FORMAT(admin_flag_query(invocation, "tenant")),
                                    TEXT_FORMAT(admin_flag_query(invocation, "environment")));
    struct admin_reply reply = {0};

    enum exit_code code = admin_ask(invocation, "POST", path, search_body(invocation), &reply);

    /* What a condition may say is the server's business, and still the command line is wrong. */
    if (code == EXIT_FAILED && admin_is_about_fields(&reply))
        return EXIT_USAGE;
    if (code != EXIT_DONE)
        return code;
    const struct json_value *items = admin_items(&reply);

    if (!items)
        return EXIT_FAILED;
    if (invocation_switch(invocation, "json"))
        admin_print_json(&reply);
    else
        print_page(invocation, items, json_member(reply.body, TEXT("pagination")));
    return EXIT_DONE;
}
