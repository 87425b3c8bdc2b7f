#include "cli/printed.h"

#include "base/buffer.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

struct text printed_utf8(struct text text, struct arena *arena)
{
    struct buffer clean = {0};
    size_t length = utf8_valid_length(text);

    if (length == text.length)
        return text;
    for (; length < text.length; length = utf8_valid_length(text)) {
        buffer_append(&clean, text_slice(text, 0, length));
        buffer_append(&clean, TEXT("\xef\xbf\xbd"));
        text = text_from(text, length + 1);
    }
    buffer_append(&clean, text);
    struct text result = arena_copy(arena, buffer_text(&clean));

    buffer_free(&clean);
    return result;
}

struct text printed_safe(struct text text, struct arena *arena)
{
    text = printed_utf8(text, arena);
    char *copy = arena_string(arena, text);
    size_t length = 0;

    for (size_t at = 0; at < text.length;) {
        size_t start = at;
        uint32_t code_point = utf8_next(text, &at);

        if (code_point < ' ' || (code_point >= 0x7f && code_point < 0xa0))
            copy[length++] = '?';
        else
            for (size_t i = start; i < at; i++)
                copy[length++] = text.data[i];
    }
    return (struct text){copy, length};
}

/* How much of the text goes on a line of `columns`: up to a space, or all of a word that is longer. */
static size_t line_length(struct text text, size_t columns)
{
    size_t end = 0;

    while (end < text.length) {
        size_t word_end = end + text_find(text_from(text, end + (end > 0)), ' ') + (end > 0);

        if (end > 0 && utf8_length(text_slice(text, 0, word_end)) > columns)
            break;
        end = word_end;
    }
    return end;
}

void print_paragraph(const char *indent, struct text text)
{
    size_t columns = PRINTED_COLUMNS - strlen(indent);

    while (text.length > 0) {
        size_t length = line_length(text, columns);

        printf("%s%.*s\n", indent, TEXT_FORMAT(text_slice(text, 0, length)));
        text = text_from(text, length + (length < text.length));
    }
}
