#include "cli/admin_command.h"

#include "base/utf8.h"
#include "cli/printed.h"
#include "json/writer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { COLUMN_GAP = 2, COLUMNS_MAX = 16, OPERAND_LENGTH_SHOWN = 60 };

/* ---- what is wrong, in the words of the command line ---- */

static bool is_flag(const struct command *command, struct text name)
{
    for (const struct flag *flag = command->flags; flag->name; flag++)
        if (text_equal(text_from_string(flag->name), name))
            return true;
    return false;
}

/* "'created_at after x': value" for `filters[0].value.date`, whatever the list is called that the command's
 * operands become. Unset when it is no such name. */
static struct text spoken_operand(const struct invocation *invocation, struct text name, struct arena *arena)
{
    struct text index_on = text_from(name, text_find(name, '[') + 1);
    struct text rest = text_from(index_on, text_find(index_on, ']') + 1);
    char *room = arena_allocate(arena, UTF8_SHORT_BYTES(OPERAND_LENGTH_SHOWN));
    uint64_t index;

    if (!command_takes_several(invocation->command) || !text_starts_with(rest, TEXT(".")) ||
        !text_to_uint64(text_slice(index_on, 0, text_find(index_on, ']')), &index) ||
        index >= invocation->operand_count)
        return text_none;
    struct text part = text_from(rest, 1);
    struct text operand = utf8_shorten(invocation->operands[index], OPERAND_LENGTH_SHOWN, room);

    return arena_format(arena, "'%.*s': %.*s", TEXT_FORMAT(operand),
                        TEXT_FORMAT(text_slice(part, 0, text_find(part, '.'))));
}

/* "--role" for `roles[0]`, "--user" for `user_id`, "NAME" for the name that is the command's operand. A name
 * that the command line does not have stays as it is. */
static struct text spoken_name(const struct invocation *invocation, struct text name, struct arena *arena)
{
    const struct command *command = invocation->command;
    struct text stem = text_slice(name, 0, text_find(name, '[')),
                operand = spoken_operand(invocation, name, arena);

    if (text_is_set(operand))
        return operand;
    char *dashed = arena_string(arena, stem);

    for (size_t i = 0; i < stem.length; i++)
        dashed[i] = (char)(dashed[i] == '_' ? '-' : dashed[i]);
    struct text word = {dashed, stem.length};

    if (text_ends_with(word, TEXT("-id")))
        word.length -= 3;
    if (!is_flag(command, word) && text_ends_with(word, TEXT("s")))
        word.length--;
    if (is_flag(command, word))
        return arena_format(arena, "--%.*s", TEXT_FORMAT(word));
    bool is_operand =
        command->operand && (text_equal(name, TEXT("name")) || text_equal(name, TEXT("tenant")));

    return is_operand ? text_from_string(command->operand) : name;
}

/* `--email is required for a user; --role is required`: of each field what is wrong with it. */
static struct text fields_complaint(const struct invocation *invocation, const struct json_value *details,
                                    struct arena *arena)
{
    struct text complaint = text_empty;
    const struct json_value *key = json_first(details);

    for (uint32_t i = 0; i < details->count; i++) {
        const struct json_value *value = json_next(key);
        struct text name = spoken_name(invocation, key->text, arena);

        complaint = arena_format(arena, "%.*s%s%.*s %.*s", TEXT_FORMAT(complaint), i ? "; " : "",
                                 TEXT_FORMAT(name), TEXT_FORMAT(value->text));
        key = json_next(value);
    }
    return complaint;
}

/* The message, and what it is about unless it says so itself. */
static struct text complaint_with_values(struct text message, const struct json_value *details,
                                         struct arena *arena)
{
    const struct json_value *key = json_first(details);
    struct text complaint = message;

    for (uint32_t i = 0; i < details->count; i++) {
        const struct json_value *value = json_next(key);

        if (value->type == JSON_STRING && value->text.length > 0 &&
            !memmem(message.data, message.length, value->text.data, value->text.length))
            complaint = arena_format(arena, "%.*s: %.*s", TEXT_FORMAT(complaint), TEXT_FORMAT(value->text));
        key = json_next(value);
    }
    return complaint;
}

static const struct json_value *details_of(const struct admin_reply *reply)
{
    const struct json_value *details = reply->body ? json_member(reply->body, TEXT("details")) : NULL;

    return details && details->type == JSON_OBJECT && details->count > 0 ? details : NULL;
}

/* Where fields are wrong, the message is the only one's name and reason, or says that there are several. */
bool admin_is_about_fields(const struct admin_reply *reply)
{
    const struct json_value *details = details_of(reply);

    return details && text_equal(admin_member(reply->body, "code"), TEXT("validation_error")) &&
           (details->count > 1 ||
            text_starts_with(admin_member(reply->body, "message"), json_first(details)->text));
}

static struct text complaint_of(const struct invocation *invocation, const struct admin_reply *reply,
                                struct arena *arena)
{
    const struct json_value *details = details_of(reply);
    struct text message = admin_member(reply->body, "message");

    if (message.length == 0)
        return TEXT("the server refused");
    if (!details)
        return message;
    return admin_is_about_fields(reply) ? fields_complaint(invocation, details, arena)
                                        : complaint_with_values(message, details, arena);
}

enum exit_code admin_ask(struct invocation *invocation, const char *method, struct text path,
                         struct text body, struct admin_reply *reply)
{
    const struct place place = place_of(&invocation->settings);
    struct text reason;

    if (!text_is_set(body))
        return EXIT_USAGE;
    if (!admin_request(&place, method, path, body, &invocation->arena, reply, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    if (reply->status < 300)
        return EXIT_DONE;
    return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(complaint_of(invocation, reply, &invocation->arena)));
}

enum exit_code admin_session_get(struct invocation *invocation, struct admin_session *session,
                                 struct text path, struct arena *arena, struct admin_reply *reply)
{
    struct text reason;

    if (!admin_session_ask(session, "GET", path, text_empty, arena, reply, &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    if (reply->status < 300)
        return EXIT_DONE;
    return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(complaint_of(invocation, reply, arena)));
}

/* ---- asking ---- */

/* What a terminal of another encoding sends must not be kept as what it was not. */
bool admin_write_text(struct json_writer *writer, const char *name, struct text value)
{
    if (utf8_valid(value)) {
        json_string(writer, value);
        return true;
    }
    complain(EXIT_USAGE, "%s is not UTF-8; is the terminal, or the script, of another encoding?", name);
    return false;
}

/* False, after saying so, when a value cannot be sent. */
static bool write_member(struct json_writer *writer, struct invocation *invocation,
                         const struct body_member *member)
{
    struct text name = arena_format(&invocation->arena, "--%s", member->flag);
    bool is_right = true;
    const struct text *values;
    unsigned count = invocation_values(invocation, member->flag, &values);

    if (count == 0)
        return true;
    json_key(writer, text_from_string(member->name));
    if (member->is_list)
        json_begin_array(writer);
    for (unsigned i = 0; i < count && is_right; i++)
        is_right = admin_write_text(writer, arena_string(&invocation->arena, name), values[i]);
    if (member->is_list && is_right)
        json_end_array(writer);
    return is_right;
}

struct text admin_body(struct invocation *invocation, const char *first_name, struct text first_value,
                       const struct body_member *members)
{
    struct buffer buffer = {0};
    struct json_writer writer;
    bool is_right = true;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    if (first_name) {
        json_key(&writer, text_from_string(first_name));
        is_right = admin_write_text(&writer, invocation->command->operand, first_value);
    }
    for (; members && members->flag && is_right; members++)
        is_right = write_member(&writer, invocation, members);
    if (is_right)
        json_end_object(&writer);
    struct text body = is_right ? arena_copy(&invocation->arena, buffer_text(&buffer)) : text_none;

    buffer_free(&buffer);
    return body;
}

struct text admin_body_of_texts(struct arena *arena, const struct body_text *texts)
{
    struct buffer buffer = {0};
    struct json_writer writer;
    bool is_right = true;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    for (; texts->name && is_right; texts++) {
        if (!text_is_set(texts->value))
            continue;
        json_key(&writer, text_from_string(texts->name));
        is_right = admin_write_text(&writer, texts->spoken, texts->value);
    }
    if (is_right)
        json_end_object(&writer);
    struct text body = is_right ? arena_copy(arena, buffer_text(&buffer)) : text_none;

    buffer_free(&buffer);
    return body;
}

struct text admin_query(struct arena *arena, const char *path, const char *name, struct text value)
{
    struct buffer buffer = {0};

    buffer_append_format(&buffer, "%s", path);
    if (text_is_set(value))
        buffer_append_format(&buffer, "?%s=", name);
    for (size_t i = 0; i < value.length; i++)
        buffer_append_format(&buffer, "%%%02x", (unsigned char)value.data[i]);
    struct text target = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return target;
}

struct text admin_flag_query(struct invocation *invocation, const char *flag)
{
    struct text value = invocation_value(invocation, flag);

    if (!text_is_set(value))
        return text_empty;
    struct text query = admin_query(&invocation->arena, "", flag, value);

    return arena_format(&invocation->arena, "&%.*s", TEXT_FORMAT(text_from(query, 1)));
}

/* ---- printing ---- */

struct text admin_member(const struct json_value *object, const char *name)
{
    const struct json_value *value = object ? json_member(object, text_from_string(name)) : NULL;

    return value && value->type == JSON_STRING ? value->text : text_empty;
}

int64_t admin_number_of(const struct json_value *value)
{
    int64_t number;

    return value && value->type == JSON_NUMBER && text_to_int64(value->text, &number) ? number : 0;
}

int64_t admin_number(const struct json_value *object, const char *name)
{
    return admin_number_of(object ? json_member(object, text_from_string(name)) : NULL);
}

void admin_print_variable(const char *name, struct text value)
{
    printf("%s=%.*s\n", name, TEXT_FORMAT(value));
}

void admin_print_json(const struct admin_reply *reply)
{
    fwrite(reply->text.data, 1, reply->text.length, stdout);
    putchar('\n');
}

/* What a table is made of. */
struct table {
    const struct json_value *items;
    const struct table_column *columns;
    size_t cell_columns_max;
    struct arena *arena;
};

static struct text cell(const struct table *table, const struct json_value *item,
                        const struct table_column *column)
{
    struct arena *arena = table->arena;

    const struct json_value *value = json_member(item, text_from_string(column->member));
    struct text joined = text_empty;

    if (value && value->type == JSON_ARRAY) {
        const struct json_value *element = json_first(value);

        for (uint32_t i = 0; i < value->count; i++, element = json_next(element))
            joined = arena_format(arena, "%.*s%s%.*s", TEXT_FORMAT(joined), i ? "," : "",
                                  TEXT_FORMAT(element->text));
    } else if (value && (value->type == JSON_STRING || value->type == JSON_NUMBER)) {
        joined = value->text;
    }
    if (joined.length == 0 && column->fallback)
        return text_from_string(column->fallback);
    return printed_cut(printed_safe(joined, arena), table->cell_columns_max, arena);
}

static void print_cell(struct text text, size_t width, bool is_last)
{
    size_t columns = printed_columns(text);
    int padding = is_last || columns > width ? 0 : (int)(width - columns) + COLUMN_GAP;

    printf("%.*s%*s%s", TEXT_FORMAT(text), padding, "", is_last ? "\n" : "");
}

static size_t width_of(const struct table *table, const struct table_column *column)
{
    size_t width = printed_columns(text_from_string(column->heading));
    const struct json_value *item = json_first(table->items);

    for (uint32_t i = 0; i < table->items->count; i++, item = json_next(item)) {
        size_t columns = printed_columns(cell(table, item, column));

        width = columns > width ? columns : width;
    }
    return width;
}

void admin_print_table(const struct json_value *items, const struct table_column *columns,
                       size_t cell_columns_max, struct arena *arena)
{
    const struct table table = {items, columns, cell_columns_max, arena};
    const struct json_value *item = json_first(items);
    size_t widths[COLUMNS_MAX], count = 0;

    for (; columns[count].heading; count++) {
        assert(count < COLUMNS_MAX);
        widths[count] = width_of(&table, &columns[count]);
    }
    for (size_t i = 0; i < count; i++)
        print_cell(text_from_string(columns[i].heading), widths[i], i + 1 == count);
    for (uint32_t row = 0; row < items->count; row++, item = json_next(item))
        for (size_t i = 0; i < count; i++)
            print_cell(cell(&table, item, &columns[i]), widths[i], i + 1 == count);
}

const struct json_value *admin_items(const struct admin_reply *reply)
{
    const struct json_value *items = reply->body ? json_member(reply->body, TEXT("items")) : NULL;

    if (items && items->type == JSON_ARRAY)
        return items;
    complain(EXIT_FAILED, "the server's answer is no list; is it of another version?");
    return NULL;
}

enum exit_code admin_print_list(struct invocation *invocation, const struct admin_reply *reply,
                                const struct table_column *columns)
{
    const struct json_value *items = admin_items(reply);

    if (!items)
        return EXIT_FAILED;
    if (invocation_switch(invocation, "json"))
        admin_print_json(reply);
    else
        admin_print_table(items, columns, SIZE_MAX, &invocation->arena);
    return EXIT_DONE;
}
