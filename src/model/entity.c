#include "model/entity.h"

#include <assert.h>

const struct text status_published = TEXT_LITERAL("published");
const struct text status_archived = TEXT_LITERAL("archived");
const struct text status_deleted = TEXT_LITERAL("deleted");
const struct text entity_statuses[] = {
    TEXT_LITERAL("published"),
    TEXT_LITERAL("archived"),
    TEXT_LITERAL("deleted"),
    {NULL, 0},
};

bool field_is_text(const struct field *field)
{
    return field->type == FIELD_TEXT || field->type == FIELD_STRING_MAP || field->type == FIELD_STRING_LIST ||
           field->type == FIELD_JSON_OBJECT;
}

const struct field *entity_field(const struct entity *entity, struct text name)
{
    for (size_t i = 0; i < entity->field_count; i++)
        if (text_equal(entity->fields[i].name, name))
            return &entity->fields[i];
    return NULL;
}

struct text entity_id(const struct entity *entity, const void *record)
{
    return field_text_of(&entity->fields[0], record);
}

bool field_equal(const struct field *field, const void *a, const void *b)
{
    switch (field->type) {
    case FIELD_INSTANT:
        return field_instant_of(field, a) == field_instant_of(field, b);
    case FIELD_INTEGER:
        return field_integer_of(field, a) == field_integer_of(field, b);
    case FIELD_BOOLEAN:
        return field_boolean_of(field, a) == field_boolean_of(field, b);
    case FIELD_TENANT_ID:
    case FIELD_ENVIRONMENT_ID:
    case FIELD_JSON_ARRAY:
        return true;
    default: {
        struct text one = field_text_of(field, a), other = field_text_of(field, b);

        return text_is_set(one) == text_is_set(other) && text_equal(one, other);
    }
    }
}

bool field_empty(const struct field *field, const void *record)
{
    switch (field->type) {
    case FIELD_INSTANT:
        return field_instant_of(field, record) == INSTANT_UNSET;
    case FIELD_TEXT:
        return field_text_of(field, record).length == 0;
    case FIELD_STRING_MAP:
    case FIELD_STRING_LIST:
    case FIELD_JSON_OBJECT:
        return field_text_of(field, record).length <= sizeof "{}" - 1;
    default:
        return false;
    }
}

void entity_forget(const struct entity *entity, void *record, struct text placeholder)
{
    for (size_t i = 0; i < entity->field_count; i++) {
        const struct field *field = &entity->fields[i];

        if (!(field->flags & FIELD_PERSONAL))
            continue;
        assert(field_is_text(field));
        *field_text(field, record) = field->flags & FIELD_REQUIRED ? placeholder : field->fallback;
    }
}

bool entity_is_searched(const struct entity *entity)
{
    for (size_t i = 0; i < entity->field_count; i++)
        if (entity->fields[i].flags & FIELD_SEARCHED)
            return true;
    return false;
}
