#include "model/kept_json.h"

#include "model/entity_json.h"

enum { EXPONENT_MAX = 1000 * 1000 * 1000 };

static size_t digits_at(struct text number, size_t at)
{
    size_t end = at;

    while (end < number.length && number.data[end] >= '0' && number.data[end] <= '9')
        end++;
    return end - at;
}

/* Of "e-20" and the like; 0 of nothing. */
static int64_t exponent_of(struct text part)
{
    bool is_signed = part.length > 1 && (part.data[1] == '-' || part.data[1] == '+');
    int64_t exponent = 0;

    for (size_t i = 1 + is_signed; i < part.length && exponent < EXPONENT_MAX; i++)
        exponent = exponent * 10 + (part.data[i] - '0');
    exponent = exponent > EXPONENT_MAX ? EXPONENT_MAX : exponent;
    return is_signed && part.data[1] == '-' ? -exponent : exponent;
}

size_t kept_json_number_bytes(struct text number)
{
    size_t at = number.length > 0 && number.data[0] == '-', sign = at;
    int64_t whole = (int64_t)digits_at(number, at), places = 0;

    at += (size_t)whole;
    if (at < number.length && number.data[at] == '.') {
        places = (int64_t)digits_at(number, at + 1);
        at += 1 + (size_t)places;
    }
    int64_t exponent = exponent_of(text_from(number, at));

    whole = whole + exponent > 1 ? whole + exponent : 1;
    places = places > exponent ? places - exponent : 0;
    return sign + (size_t)whole + (places > 0) + (size_t)places;
}

const char *kept_json_reason(const struct json_value *value, size_t bytes)
{
    if (bytes > METADATA_BYTES_MAX)
        return "must be at most 65536 bytes long in all";
    for (const struct json_value *part = value; part < value + value->next; part++) {
        if (part->type != JSON_NUMBER)
            continue;
        size_t number_bytes = kept_json_number_bytes(part->text);

        if (number_bytes > KEPT_JSON_DIGITS_MAX)
            return "has a number of more than 1000 digits, its exponent written out";
        if (number_bytes > part->text.length)
            bytes += number_bytes - part->text.length;
    }
    return bytes > METADATA_BYTES_MAX
               ? "must be at most 65536 bytes long in all, its numbers without exponents"
               : NULL;
}
