#include "cli/printed.h"

#include "base/buffer.h"
#include "base/utf8.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

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

/* Where the text's first `columns` end, with all that joins the last one; *taken is how many they are. */
static size_t columns_end(struct text text, size_t columns, size_t *taken)
{
    locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t before = locale ? uselocale(locale) : (locale_t)0;
    size_t end = 0;

    *taken = 0;
    for (size_t at = 0; at < text.length; end = at) {
        wchar_t character = (wchar_t)utf8_next(text, &at);
        int width = locale ? wcwidth(character) : 1;
        size_t after = *taken + (width < 0 ? 1 : (size_t)width); /* one that it does not know takes one */

        if (after > columns)
            break;
        *taken = after;
    }
    if (locale) {
        uselocale(before);
        freelocale(locale);
    }
    return end;
}

size_t printed_columns(struct text text)
{
    size_t taken;

    columns_end(text, SIZE_MAX, &taken);
    return taken;
}

struct text printed_cut(struct text text, size_t columns, struct arena *arena)
{
    size_t taken;

    if (columns_end(text, columns, &taken) == text.length)
        return text;
    struct text beginning = text_slice(text, 0, columns_end(text, columns - 1, &taken));

    return arena_format(arena, "%.*s\xe2\x80\xa6", TEXT_FORMAT(beginning));
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
