/* setting_shown.c: what of a secret may be shown. */
#include "cli/settings.h"

#include <string.h>

#define HIDDEN "***"

struct text setting_shown(const struct setting *setting, struct text value, struct arena *arena)
{
    if (!(setting->traits & SECRET))
        return value;
    return setting->show ? setting->show(value, arena) : TEXT(HIDDEN);
}

/* Where the last of these bytes is; text.length when there is none. */
static size_t find_last(struct text text, char byte)
{
    for (size_t i = text.length; i > 0; i--)
        if (text.data[i - 1] == byte)
            return i - 1;
    return text.length;
}

/* USER:PASSWORD@: to the last @ of all, because in a password that is not percent-encoded, as it ought to be,
 * there may be anything; rather too much is hidden than too little. */
static struct text hide_user_password(struct text url, struct arena *arena)
{
    size_t start = text_find(url, '/') + 2, at = find_last(url, '@');

    if (at == url.length || start > at)
        return url;
    size_t colon = start + text_find(text_slice(url, start, at - start), ':');

    if (colon == at)
        return url;
    return arena_format(arena, "%.*s:" HIDDEN "%.*s", TEXT_FORMAT(text_slice(url, 0, colon)),
                        TEXT_FORMAT(text_from(url, at)));
}

static bool mentions(struct text text, struct text word)
{
    for (size_t i = 0; i + word.length <= text.length; i++)
        if (text_equal_ignoring_case(text_slice(text, i, word.length), word))
            return true;
    return false;
}

/* Percent escapes decoded, as far as they are right. */
static struct text decode(struct text text, struct arena *arena)
{
    char *out = arena_allocate(arena, text.length);
    size_t length = 0;

    while (text.length > 0) {
        int byte = text.data[0] == '%' ? text_escaped_byte(text) : -1;

        out[length++] = byte < 0 ? text.data[0] : (char)byte;
        text = text_from(text, byte < 0 ? 1 : TEXT_ESCAPE_BYTES);
    }
    return (struct text){out, length};
}

/* password=, sslpassword=, oauth_client_secret=, scram_client_key=; options= when it sets what has such a
 * name or is an extension's (`-c NAME.NAME=`), because who knows; what mentions a password where none
 * belongs; and what is written so that it cannot be read as it stands. */
static bool is_secret_parameter(struct text name, struct text value, struct arena *arena)
{
    static const struct text words[] = {TEXT_LITERAL("password"), TEXT_LITERAL("secret")};
    static const struct text option_words[] = {TEXT_LITERAL("pass"), TEXT_LITERAL("key"),
                                               TEXT_LITERAL("token"), TEXT_LITERAL("auth"),
                                               TEXT_LITERAL(".")};
    bool is_secret = text_find(name, '%') < name.length || mentions(name, TEXT("scram_"));

    value = decode(value, arena);
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
        is_secret = is_secret || mentions(name, words[i]) || mentions(value, words[i]);
    for (unsigned i = 0; i < sizeof option_words / sizeof *option_words; i++)
        is_secret = is_secret ||
                    (text_equal_ignoring_case(name, TEXT("options")) && mentions(value, option_words[i]));
    return is_secret;
}

struct text setting_show_database(struct text url, struct arena *arena)
{
    url = hide_user_password(url, arena);
    size_t question = text_find(url, '?');
    struct text shown = text_slice(url, 0, question), rest = text_from(url, question);

    while (rest.length > 0) { /* each begins with its ? or & */
        size_t length = 1 + text_find(text_from(rest, 1), '&');
        struct text parameter = text_slice(rest, 0, length);
        size_t equals = text_find(parameter, '=');

        if (equals < length && is_secret_parameter(text_slice(parameter, 1, equals - 1),
                                                   text_from(parameter, equals + 1), arena))
            shown = arena_format(arena, "%.*s%.*s=" HIDDEN, TEXT_FORMAT(shown),
                                 TEXT_FORMAT(text_slice(parameter, 0, equals)));
        else
            shown = arena_format(arena, "%.*s%.*s", TEXT_FORMAT(shown), TEXT_FORMAT(parameter));
        rest = text_from(rest, length);
    }
    return shown;
}
