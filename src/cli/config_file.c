#include "cli/config_file.h"

#include "base/utf8.h"

struct config_reader config_reader_of(struct text text)
{
    static const struct text byte_order_mark = TEXT_LITERAL("\xef\xbb\xbf");

    if (text_starts_with(text, byte_order_mark))
        text = text_from(text, byte_order_mark.length);
    return (struct config_reader){.rest = text};
}

static struct text next_line(struct config_reader *reader)
{
    size_t end = text_find(reader->rest, '\n');
    struct text line = text_slice(reader->rest, 0, end);

    reader->rest = text_from(reader->rest, end + (end < reader->rest.length));
    reader->line++;
    if (line.length && line.data[line.length - 1] == '\r')
        line.length--;
    return line;
}

static bool has_control_character(struct text line)
{
    for (size_t i = 0; i < line.length; i++) {
        unsigned char byte = (unsigned char)line.data[i];

        if ((byte < ' ' && byte != '\t') || byte == 0x7f)
            return true;
    }
    return false;
}

static const char *read_quoted(struct text text, struct arena *arena, struct text *value)
{
    char *out = arena_allocate(arena, text.length);
    size_t at = 1, length = 0;

    for (; at < text.length && text.data[at] != '"'; at++) {
        if (text.data[at] == '\\' && ++at < text.length && text.data[at] != '"' && text.data[at] != '\\')
            return "a backslash in quotes stands only before \" or another backslash";
        if (at < text.length)
            out[length++] = text.data[at];
    }
    if (at >= text.length)
        return "the closing quote is missing";
    struct text behind = text_trim(text_from(text, at + 1));

    if (behind.length && behind.data[0] != '#')
        return "something stands behind the closing quote";
    *value = (struct text){out, length};
    return NULL;
}

static const char *read_bare(struct text text, struct text *value)
{
    size_t end = 0;

    while (end < text.length &&
           !(text.data[end] == '#' && (end == 0 || text.data[end - 1] == ' ' || text.data[end - 1] == '\t')))
        end++;
    *value = text_trim(text_slice(text, 0, end));
    return value->length ? NULL : "there is no value; leave the line out for the default";
}

/* NULL, or what is wrong with the line, which holds more than white space and a comment. */
static const char *read_entry(struct text line, struct arena *arena, struct config_entry *entry)
{
    size_t equals = text_find(line, '=');

    if (utf8_valid_length(line) < line.length)
        return "this is not UTF-8";
    if (has_control_character(line))
        return "a control character";
    if (line.data[0] == '[' && line.data[line.length - 1] == ']')
        return "there are no sections; every line is NAME = VALUE";
    if (equals == line.length)
        return "this is not NAME = VALUE";
    struct text value = text_trim(text_from(line, equals + 1));

    entry->name = text_trim(text_slice(line, 0, equals));
    if (entry->name.length == 0)
        return "there is no name before the =";
    return value.length && value.data[0] == '"' ? read_quoted(value, arena, &entry->value)
                                                : read_bare(value, &entry->value);
}

enum config_step config_next(struct config_reader *reader, struct arena *arena, struct config_entry *entry,
                             struct text *reason)
{
    while (reader->rest.length > 0) {
        struct text line = text_trim(next_line(reader));

        if (line.length == 0 || line.data[0] == '#')
            continue;
        const char *wrong = read_entry(line, arena, entry);

        entry->line = reader->line;
        if (!wrong)
            return CONFIG_ENTRY;
        *reason = arena_format(arena, "%u: %s", reader->line, wrong);
        return CONFIG_MALFORMED;
    }
    return CONFIG_END;
}
