#include "base/base64.h"

#include <openssl/evp.h>

struct text base64_encode(struct arena *arena, const uint8_t *bytes, size_t length)
{
    uint8_t *text = arena_allocate(arena, 4 * (length / 3 + 1) + 1);

    return (struct text){(const char *)text, (size_t)EVP_EncodeBlock(text, bytes, (int)length)};
}

bool base64_decode(struct arena *arena, struct text text, size_t length_max, uint8_t **bytes, size_t *length)
{
    if (text.length == 0 || text.length % 4 != 0 || text.length > length_max)
        return false;
    *bytes = arena_allocate(arena, text.length / 4 * 3);
    int decoded = EVP_DecodeBlock(*bytes, (const uint8_t *)text.data, (int)text.length);
    int padding = (text.data[text.length - 1] == '=') + (text.data[text.length - 2] == '=');

    *length = (size_t)(decoded - padding);
    return decoded > padding && text_equal(base64_encode(arena, *bytes, *length), text);
}
