#include "cli/admin_command.h"

#include "base/utf8.h"
#include "cli/printed.h"
#include "json/writer.h"

#include <assert.h>
#include <stdio.h>

enum { COLUMN_GAP = 2, COLUMNS_MAX = 16 };

enum exit_code admin_ask(struct invocation *invocation, const char *method, struct text path,
                         struct text body, struct admin_reply *reply)
{
    struct text reason;

    if (!admin_request(invocation_value(invocation, "data"), method, path, body, &invocation->arena, reply,
                       &reason))
        return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(reason));
    if (reply->status < 300)
        return EXIT_DONE;
    return complain(EXIT_FAILED, "%.*s", TEXT_FORMAT(admin_complaint(reply, &invocation->arena)));
}

/* ---- asking ---- */

static void write_member(struct json_writer *writer, struct invocation *invocation,
                         const struct body_member *member)
{
    const struct text *values;
    unsigned count = invocation_values(invocation, member->flag, &values);

    if (count == 0)
        return;
    json_key(writer, text_from_string(member->name));
    if (member->is_list)
        json_begin_array(writer);
    for (unsigned i = 0; i < count; i++)
        json_string(writer, printed_utf8(values[i], &invocation->arena));
    if (member->is_list)
        json_end_array(writer);
}

struct text admin_body(struct invocation *invocation, const char *first_name, struct text first_value,
                       const struct body_member *members)
{
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    if (first_name) {
        json_key(&writer, text_from_string(first_name));
        json_string(&writer, printed_utf8(first_value, &invocation->arena));
    }
    for (; members && members->flag; members++)
        write_member(&writer, invocation, members);
    json_end_object(&writer);
    struct text body = arena_copy(&invocation->arena, buffer_text(&buffer));

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

/* ---- printing ---- */

struct text admin_member(const struct json_value *object, const char *name)
{
    const struct json_value *value = object ? json_member(object, text_from_string(name)) : NULL;

    return value && value->type == JSON_STRING ? value->text : text_empty;
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

static struct text cell(const struct json_value *item, const struct table_column *column, struct arena *arena)
{
    const struct json_value *value = json_member(item, text_from_string(column->member));
    struct text joined = text_empty;

    if (value && value->type == JSON_ARRAY) {
        const struct json_value *element = json_first(value);

        for (uint32_t i = 0; i < value->count; i++, element = json_next(element))
            joined = arena_format(arena, "%.*s%s%.*s", TEXT_FORMAT(joined), i ? "," : "",
                                  TEXT_FORMAT(element->text));
    } else if (value && value->type == JSON_STRING) {
        joined = value->text;
    }
    if (joined.length == 0 && column->fallback)
        return text_from_string(column->fallback);
    return printed_safe(joined, arena);
}

static void print_cell(struct text text, size_t width, bool is_last)
{
    size_t length = utf8_length(text);
    int padding = is_last || length > width ? 0 : (int)(width - length) + COLUMN_GAP;

    printf("%.*s%*s%s", TEXT_FORMAT(text), padding, "", is_last ? "\n" : "");
}

static size_t width_of(const struct json_value *items, const struct table_column *column, struct arena *arena)
{
    size_t width = utf8_length(text_from_string(column->heading));
    const struct json_value *item = json_first(items);

    for (uint32_t i = 0; i < items->count; i++, item = json_next(item)) {
        size_t length = utf8_length(cell(item, column, arena));

        width = length > width ? length : width;
    }
    return width;
}

static void print_table(const struct json_value *items, const struct table_column *columns,
                        struct arena *arena)
{
    const struct json_value *item = json_first(items);
    size_t widths[COLUMNS_MAX], count = 0;

    for (; columns[count].heading; count++) {
        assert(count < COLUMNS_MAX);
        widths[count] = width_of(items, &columns[count], arena);
    }
    for (size_t i = 0; i < count; i++)
        print_cell(text_from_string(columns[i].heading), widths[i], i + 1 == count);
    for (uint32_t row = 0; row < items->count; row++, item = json_next(item))
        for (size_t i = 0; i < count; i++)
            print_cell(cell(item, &columns[i], arena), widths[i], i + 1 == count);
}

enum exit_code admin_print_list(struct invocation *invocation, const struct admin_reply *reply,
                                const struct table_column *columns)
{
    const struct json_value *items = reply->body ? json_member(reply->body, TEXT("items")) : NULL;

    if (!items || items->type != JSON_ARRAY)
        return complain(EXIT_FAILED, "the server's answer is no list; is it of another version?");
    if (invocation_switch(invocation, "json"))
        admin_print_json(reply);
    else
        print_table(items, columns, &invocation->arena);
    return EXIT_DONE;
}
