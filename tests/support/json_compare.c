/* jansson and our reader both call their types json_type and JSON_STRING: jansson's are renamed here. For the
 * same reason this file must not include our writer, and programs that link both libraries must hide ours
 * (see tests/fuzz/meson.build). */
#define json_type   jansson_type
#define JSON_NULL   JANSSON_NULL
#define JSON_FALSE  JANSSON_FALSE
#define JSON_TRUE   JANSSON_TRUE
#define JSON_STRING JANSSON_STRING
#define JSON_ARRAY  JANSSON_ARRAY
#define JSON_OBJECT JANSSON_OBJECT
#include <jansson.h>
#undef json_type
#undef JSON_NULL
#undef JSON_FALSE
#undef JSON_TRUE
#undef JSON_STRING
#undef JSON_ARRAY
#undef JSON_OBJECT

#include "support/json_compare.h"

#include "base/utf8.h"
#include "support/json_rewrite.h"
#include "json/reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prints why, and the document in a form that a C string literal takes. */
static enum json_verdict disagree(struct text document, const char *why)
{
    fprintf(stderr, "JSON reader: %s; document of %zu bytes: \"", why, document.length);
    for (size_t i = 0; i < document.length; i++) {
        unsigned char byte = (unsigned char)document.data[i];

        if (byte < 0x20 || byte >= 0x7F || byte == '"' || byte == '\\')
            fprintf(stderr, "\\%03o", byte);
        else
            fputc(byte, stderr);
    }
    fputs("\"\n", stderr);
    return JSON_DISAGREE;
}

static bool same_value(struct arena *arena, const struct json_value *ours, const json_t *theirs);

static bool same_number(struct arena *arena, const struct json_value *ours, const json_t *theirs)
{
    const char *digits = arena_string(arena, ours->text);

    if (ours->type != JSON_NUMBER)
        return false;
    errno = 0;
    if (json_is_integer(theirs))
        return strtoll(digits, NULL, 10) == json_integer_value(theirs) && errno == 0;
    return strtod(digits, NULL) == json_real_value(theirs);
}

static bool same_array(struct arena *arena, const struct json_value *ours, const json_t *theirs)
{
    const struct json_value *element = json_first(ours);

    if (ours->count != json_array_size(theirs))
        return false;
    for (uint32_t i = 0; i < ours->count; i++, element = json_next(element))
        if (!same_value(arena, element, json_array_get(theirs, i)))
            return false;
    return true;
}

/* Both hold the same keys when each of ours is among theirs and each of theirs, at its last place, is the
 * value that we would find. */
static bool same_object(struct arena *arena, const struct json_value *ours, json_t *theirs)
{
    const struct json_value *key = json_first(ours);

    for (uint32_t i = 0; i < ours->count; i++, key = json_next(json_next(key)))
        if (key->type != JSON_STRING || !json_object_getn(theirs, key->text.data, key->text.length))
            return false;
    for (void *member = json_object_iter(theirs); member; member = json_object_iter_next(theirs, member)) {
        struct text name = {json_object_iter_key(member), json_object_iter_key_len(member)};
        const struct json_value *value = json_member(ours, name);

        if (!value || !same_value(arena, value, json_object_iter_value(member)))
            return false;
    }
    return true;
}

static bool same_value(struct arena *arena, const struct json_value *ours, const json_t *theirs)
{
    switch (json_typeof(theirs)) {
    case JANSSON_NULL:
        return ours->type == JSON_NULL;
    case JANSSON_FALSE:
        return ours->type == JSON_FALSE;
    case JANSSON_TRUE:
        return ours->type == JSON_TRUE;
    case JSON_INTEGER:
    case JSON_REAL:
        return same_number(arena, ours, theirs);
    case JANSSON_STRING:
        return ours->type == JSON_STRING &&
               text_equal(ours->text, (struct text){json_string_value(theirs), json_string_length(theirs)});
    case JANSSON_ARRAY:
        return ours->type == JSON_ARRAY && same_array(arena, ours, theirs);
    case JANSSON_OBJECT:
        /* jansson's iterators take an object that is not const, though they leave it alone. */
        return ours->type == JSON_OBJECT && same_object(arena, ours, (json_t *)(uintptr_t)theirs);
    }
    return false;
}

/* Checks one value's part of the tape: that its parts add up to `next`, its texts are where they must be. */
static bool tape_is_sound(const struct json_value *value, struct text source)
{
    bool is_container = value->type == JSON_ARRAY || value->type == JSON_OBJECT;
    bool is_object = value->type == JSON_OBJECT;
    const struct json_value *part = json_first(value);

    if (value->type == JSON_STRING)
        return value->next == 1 && value->count == 0 && utf8_valid(value->text) &&
               text_find(value->text, '\0') == value->text.length;
    if (value->text.data < source.data || value->text.length == 0 ||
        value->text.data + value->text.length > source.data + source.length)
        return false;
    if (!is_container)
        return value->next == 1 && value->count == 0;
    for (uint32_t i = 0; i < value->count * (is_object ? 2 : 1); i++, part = json_next(part)) {
        if (part >= value + value->next || !tape_is_sound(part, source))
            return false;
        if (is_object && i % 2 == 0 && part->type != JSON_STRING)
            return false;
    }
    return part == value + value->next && value->text.data[0] == (is_object ? '{' : '[') &&
           value->text.data[value->text.length - 1] == (is_object ? '}' : ']');
}

static bool rewrites_the_same(struct arena *arena, const struct json_value *root)
{
    struct buffer written;
    struct json_error error;

    buffer_init(&written);
    json_rewrite(&written, root);
    const struct json_value *again = json_read(arena, buffer_text(&written), &error);
    bool same = again && json_same(root, again);

    buffer_free(&written);
    return same;
}

/* True when `error` is the first one: without it and what follows the source is whole, or ends too early. */
static bool error_is_the_first(struct arena *arena, struct text source, const struct json_error *error)
{
    struct json_error earlier;

    if (error->offset > source.length || !error->reason)
        return false;
    if (json_read(arena, text_slice(source, 0, error->offset), &earlier))
        return true;
    return earlier.offset == error->offset && strcmp(earlier.reason, "unexpected end") == 0;
}

/* A number that jansson cannot hold as an integer is tried as a double; what is beyond that stays refused. */
static json_t *read_with_jansson(struct text document, json_error_t *error)
{
    json_t *root = json_loadb(document.data, document.length, JSON_DECODE_ANY, error);

    if (!root && json_error_code(error) == json_error_numeric_overflow)
        root = json_loadb(document.data, document.length, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, error);
    return root;
}

static enum json_verdict compare_accepted(struct arena *arena, struct text document,
                                          const struct json_value *ours)
{
    json_error_t error;
    json_t *theirs = read_with_jansson(document, &error);
    enum json_verdict verdict = JSON_BOTH_ACCEPT;

    if (!tape_is_sound(ours, document))
        verdict = disagree(document, "the tape is not well formed");
    else if (!rewrites_the_same(arena, ours))
        verdict = disagree(document, "reads differently once written again");
    else if (!theirs && json_error_code(&error) == json_error_numeric_overflow)
        verdict = JSON_KNOWN_DIFFERENCE;
    else if (!theirs)
        verdict = disagree(document, "we accept what jansson refuses");
    else if (!same_value(arena, ours, theirs))
        verdict = disagree(document, "we see another value than jansson");
    json_decref(theirs);
    return verdict;
}

/* A refusal that jansson need not share. */
static bool refusal_is_ours_alone(struct text document, const struct json_error *error)
{
    bool is_zero_byte = error->offset < document.length && document.data[error->offset] == '\0';

    return is_zero_byte || strcmp(error->reason, "nested too deeply") == 0;
}

static enum json_verdict compare_refused(struct arena *arena, struct text document,
                                         const struct json_error *our_error)
{
    json_error_t error;
    json_t *theirs = read_with_jansson(document, &error);
    enum json_verdict verdict = JSON_BOTH_REFUSE;

    if (!error_is_the_first(arena, document, our_error))
        verdict = disagree(document, "the refusal is not of the first error");
    else if (theirs && refusal_is_ours_alone(document, our_error))
        verdict = JSON_KNOWN_DIFFERENCE;
    else if (theirs)
        verdict = disagree(document, our_error->reason);
    json_decref(theirs);
    return verdict;
}

enum json_verdict json_compare(struct text document)
{
    struct arena arena;
    struct json_error error;

    arena_init(&arena);
    const struct json_value *ours = json_read(&arena, document, &error);
    enum json_verdict verdict =
        ours ? compare_accepted(&arena, document, ours) : compare_refused(&arena, document, &error);

    arena_free(&arena);
    return verdict;
}
