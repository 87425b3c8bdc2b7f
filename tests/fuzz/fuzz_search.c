/* Conditions of searches, the `filters` of a body, on arbitrary JSON: what is read is within the limits and
 * fits its field, and whatever is refused says why. */
#include "domain/search.h"
#include "model/customer.h"
#include "json/reader.h"
#include "json/writer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void look_at_elements(struct text array, struct arena *arena)
{
    struct json_error error;
    const struct json_value *elements = json_read(arena, array, &error);

    require(elements && elements->type == JSON_ARRAY && elements->count > 0 &&
            elements->count <= SEARCH_MEMBERS_MAX);
}

static void look_at(const struct search_condition *condition, struct arena *arena)
{
    const struct field *field = entity_field(&customer_entity, condition->field);
    bool is_list = condition->comparison == LIST_ONE_OF || condition->comparison == LIST_NOT_ONE_OF;

    require(field && search_knows(&customer_entity, condition->field));
    require(condition->value.type == (field->type == FIELD_INSTANT ? VALUE_INSTANT : VALUE_TEXT));
    require(condition->value.type == VALUE_TEXT || !is_list);
    if (is_list)
        look_at_elements(condition->value.text, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct arena arena = {0};
    struct json_error error;
    struct failure *failure = NULL;
    struct search search = {0};
    const struct json_value *filters = json_read(&arena, (struct text){(const char *)bytes, length}, &error);

    if (filters && filters->type == JSON_ARRAY) {
        search_read_conditions(&customer_entity, filters, &arena, &search, &failure);
        require(search.condition_count <= filters->count && search.condition_count <= SEARCH_CONDITIONS_MAX);
        require(!failure || (failure->code == FAILURE_VALIDATION && failure->message.length > 0 &&
                             failure->details != NULL));
        for (size_t i = 0; i < search.condition_count; i++)
            look_at(&search.conditions[i], &arena);
    }
    arena_free(&arena);
    return 0;
}
