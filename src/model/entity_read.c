/* entity_read.c: JSON into a record, with all declarative rules. */
#include "model/entity_json.h"

#include "base/instant.h"
#include "base/utf8.h"
#include "model/kept_json.h"

#include <assert.h>

struct reading {
    struct arena *arena;
    struct failure **failure;
};

void failure_add_field(struct failure **failure, struct arena *arena, struct text path, struct text reason)
{
    if (!*failure)
        *failure = failure_new(arena, FAILURE_VALIDATION,
                               arena_format(arena, "%.*s %.*s", TEXT_FORMAT(path), TEXT_FORMAT(reason)));
    else if (!failure_names(*failure, path)) /* of each, what is said first counts */
        (*failure)->message = TEXT("several fields are not valid; details names each");
    failure_add(*failure, arena, path, reason);
}

static void refuse(const struct reading *reading, struct text path, const char *reason)
{
    failure_add_field(reading->failure, reading->arena, path, text_from_string(reason));
}

/* `phrase` says to a person what is expected, `type` is its JSON type. */
static void refuse_type(const struct reading *reading, struct text path, const char *phrase,
                        enum json_type type, const struct json_value *value)
{
    struct arena *arena = reading->arena;
    struct text reason = arena_format(arena, "must be %s, not %s", phrase, json_type_name(value->type));

    failure_add_field(reading->failure, arena, path, reason);
    /* conventions section 7.3; failure_add keeps the first of each. */
    failure_add(*reading->failure, arena, TEXT("field"), path);
    failure_add(*reading->failure, arena, TEXT("expected"), text_from_string(json_type_name(type)));
}

static bool value_is_allowed(const struct field *field, struct text value)
{
    if (!field->values)
        return true;
    for (const struct text *allowed = field->values; allowed->data; allowed++)
        if (text_equal(*allowed, value))
            return true;
    return false;
}

/* "must be one of a, b" */
static struct text allowed_values_reason(const struct reading *reading, const struct field *field)
{
    struct text names = text_empty;

    for (const struct text *allowed = field->values; allowed->data; allowed++)
        names = arena_list_add(reading->arena, names, *allowed);
    return arena_format(reading->arena, "must be one of %.*s", TEXT_FORMAT(names));
}

static void read_text(const struct reading *reading, const struct field *field,
                      const struct json_value *value, void *record)
{
    if (value->type != JSON_STRING) {
        refuse_type(reading, field->name, "a string", JSON_STRING, value);
        return;
    }
    struct text text = value->text;

    if (text.length == 0) {
        if (field->flags & FIELD_REQUIRED)
            refuse(reading, field->name, "must not be empty");
        return;
    }
    /* A text has at most as many code points as bytes: count only when it could be too long. */
    if (field->length_max && text.length > field->length_max && utf8_length(text) > field->length_max) {
        struct text reason =
            arena_format(reading->arena, "must be at most %zu characters long", field->length_max);

        failure_add_field(reading->failure, reading->arena, field->name, reason);
        return;
    }
    const char *reason = field->check ? field->check(text) : NULL;

    if (reason)
        refuse(reading, field->name, reason);
    else if (!value_is_allowed(field, text))
        failure_add_field(reading->failure, reading->arena, field->name,
                          allowed_values_reason(reading, field));
    else
        *field_text(field, record) = text;
}

static struct text member_path(const struct reading *reading, struct text parent, struct text key)
{
    return arena_format(reading->arena, "%.*s.%.*s", TEXT_FORMAT(parent), TEXT_FORMAT(key));
}

/* Checks one member of a string map; its reason when it breaks a rule. */
static bool map_member_is_valid(const struct reading *reading, const struct field *field,
                                const struct json_value *key, const struct json_value *value)
{
    struct text path = member_path(reading, field->name, key->text);

    /* A key that is too long must not come back in a reply: it is looked at first. */
    if (key->text.length == 0)
        refuse(reading, path, "has an empty key");
    else if (utf8_length(key->text) > METADATA_KEY_LENGTH_MAX)
        refuse(reading, field->name, "has a key of more than 255 characters");
    else if (value->type != JSON_STRING && value->type != JSON_NULL)
        refuse_type(reading, path, "a string", JSON_STRING, value);
    else if (value->type == JSON_STRING && value->text.length > METADATA_VALUE_BYTES_MAX)
        refuse(reading, path, "must be at most 16384 bytes long");
    else
        return true;
    return false;
}

/* The map without the members that a later one of the same name replaces, as compact JSON; null becomes "".
 */
static struct text compact_string_map(struct arena *arena, const struct json_value *object, unsigned *count,
                                      size_t *content_bytes)
{
    struct buffer buffer = {0};
    struct json_writer writer;
    const struct json_value *key = json_first(object);

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    for (uint32_t i = 0; i < object->count; i++) {
        const struct json_value *value = json_next(key);

        if (json_member(object, key->text) == value) {
            json_put_string(&writer, key->text, value->type == JSON_STRING ? value->text : text_empty);
            *content_bytes += key->text.length + (value->type == JSON_STRING ? value->text.length : 0);
            ++*count;
        }
        key = json_next(value);
    }
    json_end_object(&writer);
    struct text compact = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return compact;
}

/* More members than this are refused unread, duplicates included: it bounds the search for duplicates. */
enum { MAP_MEMBERS_READ_MAX = 4 * METADATA_KEYS_MAX };

static void read_string_map(const struct reading *reading, const struct field *field,
                            const struct json_value *value, void *record)
{
    bool valid = true;
    unsigned count = 0;
    size_t content_bytes = 0;

    if (value->type != JSON_OBJECT) {
        refuse_type(reading, field->name, "an object of strings", JSON_OBJECT, value);
        return;
    }
    if (value->count > MAP_MEMBERS_READ_MAX) {
        refuse(reading, field->name, "must have at most 256 keys");
        return;
    }
    const struct json_value *key = json_first(value);

    for (uint32_t i = 0; i < value->count; i++) {
        valid = map_member_is_valid(reading, field, key, json_next(key)) && valid;
        key = json_next(json_next(key));
    }
    if (!valid)
        return;
    struct text map = compact_string_map(reading->arena, value, &count, &content_bytes);

    if (count > METADATA_KEYS_MAX)
        refuse(reading, field->name, "must have at most 256 keys");
    else if (content_bytes > METADATA_BYTES_MAX)
        refuse(reading, field->name, "must be at most 65536 bytes long in all");
    else
        *field_text(field, record) = map;
}

/* Whether the members of a free-form object have names that metadata may have. */
static bool object_keys_are_valid(const struct reading *reading, const struct field *field,
                                  const struct json_value *object)
{
    const struct json_value *key = json_first(object);

    for (uint32_t i = 0; i < object->count; i++, key = json_next(json_next(key)))
        if (key->text.length == 0 || utf8_length(key->text) > METADATA_KEY_LENGTH_MAX) {
            refuse(reading, field->name, "has a key that is empty or of more than 255 characters");
            return false;
        }
    return true;
}

static void read_object(const struct reading *reading, const struct field *field,
                        const struct json_value *value, void *record)
{
    struct buffer buffer = {0};
    struct json_writer writer;

    if (value->type != JSON_OBJECT) {
        refuse_type(reading, field->name, "an object", JSON_OBJECT, value);
        return;
    }
    if (value->count > METADATA_KEYS_MAX) {
        refuse(reading, field->name, "must have at most 256 keys");
        return;
    }
    if (!object_keys_are_valid(reading, field, value))
        return;
    json_writer_init(&writer, &buffer);
    json_copy(&writer, value);
    const char *reason = kept_json_reason(value, buffer.length);

    if (reason)
        refuse(reading, field->name, reason);
    else
        *field_text(field, record) = arena_copy(reading->arena, buffer_text(&buffer));
    buffer_free(&buffer);
}

static bool element_is_valid(const struct field *field, const struct json_value *element)
{
    return element->type == JSON_STRING && value_is_allowed(field, element->text);
}

/* Only the first bad element of a list is reported: their number has no bound. */
static void refuse_element(const struct reading *reading, const struct field *field, uint32_t index,
                           const struct json_value *element)
{
    struct text path = arena_format(reading->arena, "%.*s[%u]", TEXT_FORMAT(field->name), index);

    if (element->type != JSON_STRING)
        refuse_type(reading, path, "a string", JSON_STRING, element);
    else
        failure_add_field(reading->failure, reading->arena, path, allowed_values_reason(reading, field));
}

/* Of a closed set each value is kept once, however often it is given. */
static bool is_repeated(const struct field *field, struct text value, uint64_t *seen)
{
    uint64_t bit = 1;

    for (const struct text *known = field->values; known && known->data && bit; known++, bit <<= 1)
        if (text_equal(*known, value)) {
            bool is_seen = *seen & bit;

            *seen |= bit;
            return is_seen;
        }
    return false;
}

static void read_string_list(const struct reading *reading, const struct field *field,
                             const struct json_value *value, void *record)
{
    struct buffer buffer = {0};
    struct json_writer writer;

    if (value->type != JSON_ARRAY) {
        refuse_type(reading, field->name, "an array of strings", JSON_ARRAY, value);
        return;
    }
    json_writer_init(&writer, &buffer);
    json_begin_array(&writer);
    const struct json_value *element = json_first(value);

    uint32_t i = 0;
    uint64_t seen = 0;

    for (; i < value->count && element_is_valid(field, element); i++, element = json_next(element))
        if (!is_repeated(field, element->text, &seen))
            json_string(&writer, element->text);
    json_end_array(&writer);
    if (i == value->count)
        *field_text(field, record) = arena_copy(reading->arena, buffer_text(&buffer));
    else
        refuse_element(reading, field, i, element);
    buffer_free(&buffer);
}

static void read_instant(const struct reading *reading, const struct field *field,
                         const struct json_value *value, void *record)
{
    int64_t *instant_us = (int64_t *)((char *)record + field->offset);

    if (value->type != JSON_STRING)
        refuse_type(reading, field->name, "an RFC 3339 timestamp", JSON_STRING, value);
    else if (!instant_parse(value->text, instant_us))
        refuse(reading, field->name, "must be an RFC 3339 timestamp such as 2026-01-02T03:04:05Z");
}

static void read_boolean(const struct reading *reading, const struct field *field,
                         const struct json_value *value, void *record)
{
    if (value->type != JSON_TRUE && value->type != JSON_FALSE)
        refuse_type(reading, field->name, "a boolean", JSON_TRUE, value);
    else
        *(bool *)((char *)record + field->offset) = value->type == JSON_TRUE;
}

static void read_integer(const struct reading *reading, const struct field *field,
                         const struct json_value *value, void *record)
{
    if (value->type != JSON_NUMBER)
        refuse_type(reading, field->name, "an integer", JSON_NUMBER, value);
    else if (!text_to_int64(value->text, (int64_t *)((char *)record + field->offset)))
        refuse(reading, field->name, FIELD_INTEGER_RULE);
}

static void read_array(const struct reading *reading, const struct field *field,
                       const struct json_value *value, void *record)
{
    if (value->type != JSON_ARRAY)
        refuse_type(reading, field->name, "an array", JSON_ARRAY, value);
    else
        *(const struct json_value **)((char *)record + field->offset) = value;
}

static void read_value(const struct reading *reading, const struct field *field,
                       const struct json_value *value, void *record)
{
    switch (field->type) {
    case FIELD_TEXT:
        read_text(reading, field, value, record);
        break;
    case FIELD_STRING_MAP:
        read_string_map(reading, field, value, record);
        break;
    case FIELD_STRING_LIST:
        read_string_list(reading, field, value, record);
        break;
    case FIELD_INSTANT:
        read_instant(reading, field, value, record);
        break;
    case FIELD_BOOLEAN:
        read_boolean(reading, field, value, record);
        break;
    case FIELD_JSON_ARRAY:
        read_array(reading, field, value, record);
        break;
    case FIELD_INTEGER:
        read_integer(reading, field, value, record);
        break;
    case FIELD_JSON_OBJECT:
        read_object(reading, field, value, record);
        break;
    case FIELD_TENANT_ID:
    case FIELD_ENVIRONMENT_ID:
        __builtin_unreachable();
    }
}

static void set_fallback(const struct field *field, void *record)
{
    if (field_is_text(field))
        *field_text(field, record) = field->fallback;
    else if (field->type == FIELD_INSTANT)
        *(int64_t *)((char *)record + field->offset) = INSTANT_UNSET;
}

/* A bit for each length that the name of an input field has: most members that are none's are told by that.
 */
static uint64_t lengths_of(const struct field *fields, size_t field_count)
{
    uint64_t lengths = 0;

    for (size_t i = 0; i < field_count; i++)
        if (fields[i].flags & FIELD_INPUT) {
            assert(fields[i].name.length < 64);
            lengths |= UINT64_C(1) << fields[i].name.length;
        }
    return lengths;
}

static void find_member(const struct field *fields, size_t field_count, const struct json_value *key,
                        const struct json_value **values)
{
    for (size_t i = 0; i < field_count; i++)
        if (fields[i].flags & FIELD_INPUT && text_equal(key->text, fields[i].name)) {
            values[i] = json_next(key);
            return;
        }
}

const struct json_value **fields_find(const struct field *fields, size_t field_count,
                                      const struct json_value *object, struct arena *arena)
{
    const struct json_value **values = ARENA_ARRAY(arena, const struct json_value *, field_count);
    const struct json_value *key = json_first(object);
    uint64_t lengths = lengths_of(fields, field_count);

    if (object->type != JSON_OBJECT)
        return values;
    for (uint32_t i = 0; i < object->count; i++, key = json_next(json_next(key)))
        if (key->text.length < 64 && lengths >> key->text.length & 1)
            find_member(fields, field_count, key, values);
    return values;
}

/* Null counts as absent, so that the older name then counts; few fields have one. */
static const struct json_value *given_value(const struct field *field, const struct json_value *value,
                                            const struct json_value *object)
{
    if (text_is_set(field->alias) && (!value || value->type == JSON_NULL))
        return json_member(object, field->alias);
    return value;
}

void fields_read_json(const struct field *fields, size_t field_count, const struct json_value *object,
                      void *record, struct arena *arena, struct failure **failure)
{
    struct reading reading = {arena, failure};
    const struct json_value **values = fields_find(fields, field_count, object, arena);

    for (const struct field *field = fields, *end = fields + field_count; field < end; field++) {
        if (!(field->flags & FIELD_INPUT))
            continue;
        const struct json_value *value = given_value(field, values[field - fields], object);

        set_fallback(field, record);
        if (value && value->type != JSON_NULL)
            read_value(&reading, field, value, record);
        else if (field->flags & FIELD_REQUIRED)
            refuse(&reading, field->name, "is required");
    }
}

static bool is_emptied(const struct field *field, const struct json_value *value)
{
    return field->type == FIELD_TEXT && value->type == JSON_STRING && value->text.length == 0;
}

uint64_t fields_read_change(const struct field *fields, size_t field_count, const struct json_value *object,
                            void *record, struct arena *arena, struct failure **failure)
{
    struct reading reading = {arena, failure};
    const struct json_value **values = fields_find(fields, field_count, object, arena);
    uint64_t given = 0;

    assert(field_count <= 64);
    for (size_t i = 0; i < field_count; i++) {
        const struct field *field = &fields[i];
        const struct json_value *value = values[i];

        if (!value || value->type == JSON_NULL)
            continue;
        given |= UINT64_C(1) << i;
        if (field_is_text(field))
            *field_text(field, record) = text_empty;
        if (is_emptied(field, value) && field->fallback.length > 0)
            refuse(&reading, field->name, "must not be empty");
        else
            read_value(&reading, field, value, record);
    }
    return given;
}

void failure_add_inner(struct failure **failure, struct arena *arena, struct text parent,
                       const struct failure *inner)
{
    for (const struct failure_detail *detail = inner->details; detail; detail = detail->next) {
        if (text_equal(detail->name, TEXT("field")))
            failure_add(*failure, arena, detail->name,
                        arena_format(arena, "%.*s.%.*s", TEXT_FORMAT(parent), TEXT_FORMAT(detail->value)));
        else if (text_equal(detail->name, TEXT("expected")))
            failure_add(*failure, arena, detail->name, detail->value);
        else
            failure_add_field(
                failure, arena,
                arena_format(arena, "%.*s.%.*s", TEXT_FORMAT(parent), TEXT_FORMAT(detail->name)),
                detail->value);
    }
}

bool fields_read_member(const struct field *fields, size_t field_count, const struct json_value *object,
                        struct text name, void *record, struct arena *arena, struct failure **failure)
{
    const struct reading reading = {arena, failure};
    const struct json_value *member = json_member(object, name);
    struct failure *inner = NULL;

    if (!member || member->type == JSON_NULL)
        return false;
    if (member->type != JSON_OBJECT) {
        refuse_type(&reading, name, "an object", JSON_OBJECT, member);
        return true;
    }
    fields_read_json(fields, field_count, member, record, arena, &inner);
    if (inner)
        failure_add_inner(failure, arena, name, inner);
    return true;
}
