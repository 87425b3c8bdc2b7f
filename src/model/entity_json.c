#include "model/entity_json.h"

#include "base/instant.h"

static void write_instant(struct json_writer *writer, const struct field *field, int64_t instant_us)
{
    struct buffer *buffer = writer->buffer;

    buffer_append_char(buffer, '"');
    if (field->flags & FIELD_WHOLE_SECONDS)
        instant_append_seconds(buffer, instant_us);
    else
        instant_append(buffer, instant_us);
    buffer_append_char(buffer, '"');
}

/* The value alone; commas are the callers' business. */
static void append_value(struct json_writer *writer, const struct field *field, const void *record,
                         const struct scope *scope)
{
    struct buffer *buffer = writer->buffer;
    struct text text;

    switch (field->type) {
    case FIELD_TENANT_ID:
        json_append_string(buffer, scope->tenant_id);
        return;
    case FIELD_ENVIRONMENT_ID:
        json_append_string(buffer, scope->environment_id);
        return;
    case FIELD_BOOLEAN:
        buffer_append(buffer, field_boolean_of(field, record) ? TEXT("true") : TEXT("false"));
        return;
    case FIELD_INTEGER:
        buffer_append_int64(buffer, field_integer_of(field, record));
        return;
    case FIELD_INSTANT:
        if (field_instant_of(field, record) != INSTANT_UNSET) {
            write_instant(writer, field, field_instant_of(field, record));
            return;
        }
        break;
    case FIELD_TEXT:
        text = field_text_of(field, record);
        if (text_is_set(text)) {
            json_append_string(buffer, text);
            return;
        }
        break;
    case FIELD_STRING_MAP:
    case FIELD_STRING_LIST:
    case FIELD_JSON_OBJECT:
        text = field_text_of(field, record);
        if (text_is_set(text)) {
            buffer_append(buffer, text);
            return;
        }
        break;
    case FIELD_JSON_ARRAY:
        break;
    }
    buffer_append(buffer, TEXT("null"));
}

void field_write_json(struct json_writer *writer, const struct field *field, const void *record,
                      const struct scope *scope)
{
    json_value_begin(writer);
    append_value(writer, field, record, scope);
}

static void write_member(struct json_writer *writer, const struct field *field, const void *record,
                         const struct scope *scope)
{
    json_key_raw(writer, field->key);
    field_write_json(writer, field, record, scope);
}

static bool is_left_out(const struct field *field, const void *record)
{
    if (field->flags & FIELD_OMIT_EMPTY)
        return field_empty(field, record);
    if (field->flags & FIELD_OMIT_UNSET)
        return field->type == FIELD_INSTANT ? field_instant_of(field, record) == INSTANT_UNSET
                                            : !text_is_set(field_text_of(field, record));
    return false;
}

void entity_write_members(struct json_writer *writer, const struct entity *entity, const void *record,
                          const struct scope *scope)
{
    for (const struct field *field = entity->fields, *end = field + entity->field_count; field < end; field++)
        if (!(field->flags & FIELD_INTERNAL) && !is_left_out(field, record))
            write_member(writer, field, record, scope);
}

void entity_write_event_members(struct json_writer *writer, const struct entity *entity, const void *record,
                                const struct scope *scope)
{
    for (const struct field *field = entity->fields, *end = field + entity->field_count; field < end; field++)
        if (field->flags & FIELD_EVENT_ALWAYS || (field->flags & FIELD_EVENT && !field_empty(field, record)))
            write_member(writer, field, record, scope);
}
