#include "api/without_keys.h"

#include <string.h>

enum { KEY_PREFIX_LENGTH = 3, KEY_LENGTH_MIN = 16 };

struct word {
    size_t length;      /* of what it stands for */
    size_t given_bytes; /* that it takes in the text */
    char prefix[KEY_PREFIX_LENGTH];
};

static bool is_word(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
           byte == '_';
}

/* What the text, which is not empty, begins with: *given_bytes of it stand for the byte that is returned.
 * Something behind us may take the escapes out once more than we do, so that one of a % leads on. */
static char first_byte(struct text text, size_t *given_bytes)
{
    char byte = text.data[0];

    *given_bytes = 1;
    while (byte == '%') {
        /* From the byte before the two digits: their % itself, or the last digit of the % that they escape.
         */
        int escaped = text_escaped_byte(text_from(text, *given_bytes - 1));

        if (escaped < 0)
            break;
        byte = (char)escaped;
        *given_bytes += TEXT_ESCAPE_BYTES - 1;
    }
    return byte;
}

static struct word first_word(struct text text)
{
    struct word word = {0};

    while (word.given_bytes < text.length) {
        size_t given_bytes;
        char byte = first_byte(text_from(text, word.given_bytes), &given_bytes);

        if (!is_word(byte))
            break;
        if (word.length < KEY_PREFIX_LENGTH)
            word.prefix[word.length] = byte;
        word.length++;
        word.given_bytes += given_bytes;
    }
    return word;
}

static bool is_key(const struct word *word)
{
    return word->length >= KEY_LENGTH_MIN && (memcmp(word->prefix, "sk_", KEY_PREFIX_LENGTH) == 0 ||
                                              memcmp(word->prefix, "pk_", KEY_PREFIX_LENGTH) == 0);
}

struct text without_keys(struct text text, struct arena *arena)
{
    if (text.length < KEY_LENGTH_MIN ||
        (!memmem(text.data, text.length, "k_", 2) && text_find(text, '%') == text.length))
        return text;
    char *copy = arena_allocate(arena, text.length), *at = copy;

    while (text.length) {
        struct word word = first_word(text);
        bool is_cut = is_key(&word);
        size_t given_bytes = word.given_bytes;

        if (!given_bytes)
            first_byte(text, &given_bytes);
        size_t kept = is_cut ? KEY_PREFIX_LENGTH : given_bytes;

        memcpy(at, is_cut ? word.prefix : text.data, kept);
        at += kept;
        text = text_from(text, given_bytes);
    }
    return (struct text){copy, (size_t)(at - copy)};
}
