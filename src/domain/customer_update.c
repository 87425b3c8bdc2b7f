/* customer_update.c: 10-customers section 6. */
#include "domain/customers.h"
#include "domain/records.h"
#include "domain/tax_metadata.h"
#include "model/entity_json.h"
#include "store/customer_key.h"

#include <assert.h>

static const struct text old_external_ids = TEXT_LITERAL("old_external_ids");

const struct field customer_change_options[] = {
    {FIELD(struct customer_change, integration_entity_mapping, FIELD_JSON_ARRAY), .flags = FIELD_INPUT,
     .shape = &customer_mapping_shape},
};
const size_t customer_change_option_count =
    sizeof customer_change_options / sizeof customer_change_options[0];

const struct failure *customer_read_change(const struct json_value *object, struct arena *arena,
                                           struct customer_change *change)
{
    struct failure *failure = NULL;

    *change = (struct customer_change){0};
    change->given = fields_read_change(customer_entity.fields, customer_entity.field_count, object,
                                       &change->customer, arena, &failure);
    fields_read_json(customer_change_options, customer_change_option_count, object, change, arena, &failure);
    if (failure)
        return failure;
    const struct failure *refusal =
        customer_mappings_read(change->integration_entity_mapping, arena, &change->mappings);

    return refusal ? refusal : tax_metadata_check(change->customer.metadata, arena);
}

/* ---- metadata ---- */

static const struct json_value *read_map(struct text map, struct arena *arena)
{
    struct json_error error;
    const struct json_value *object = json_read(arena, text_is_set(map) ? map : TEXT("{}"), &error);

    assert(object); /* it was read and written again before */
    return object;
}

/* Whether two maps have the same members, in whatever order. An unset one is not as good as {}. */
static bool maps_equal(struct text a, struct text b, struct arena *arena)
{
    if (text_equal(a, b) || !text_is_set(a) || !text_is_set(b))
        return text_equal(a, b) && text_is_set(a) == text_is_set(b);
    const struct json_value *left = read_map(a, arena), *right = read_map(b, arena);
    const struct json_value *key = json_first(left);

    if (left->count != right->count)
        return false;
    for (uint32_t i = 0; i < left->count; i++) {
        const struct json_value *value = json_next(key), *other = json_member(right, key->text);

        if (!other || !text_equal(value->text, other->text))
            return false;
        key = json_next(value);
    }
    return true;
}

/* The list of superseded ids that the request's metadata has, else the stored one. */
static struct text superseded_ids(const struct customer *before, const struct customer *after,
                                  struct arena *arena)
{
    const struct json_value *list = json_member(read_map(after->metadata, arena), old_external_ids);

    if (!list)
        list = json_member(read_map(before->metadata, arena), old_external_ids);
    return list ? list->text : text_empty;
}

/* What there is no room for is left out at the front: customer_aliases has all of it. */
static struct text shortened(struct text list, size_t bytes_max)
{
    while (list.length > bytes_max) {
        size_t comma = text_find(list, ',');

        list = comma < list.length ? text_from(list, comma + 1) : text_empty;
    }
    return list;
}

/* What of the limits of metadata (conventions section 13) its other members leave. */
struct room {
    unsigned keys;
    size_t value_bytes;
};

static struct room room_beside(const struct json_value *map)
{
    const struct json_value *key = json_first(map);
    size_t used_bytes = old_external_ids.length;
    unsigned keys = 0;

    for (uint32_t i = 0; i < map->count; i++) {
        const struct json_value *value = json_next(key);

        if (!text_equal(key->text, old_external_ids)) {
            used_bytes += key->text.length + value->text.length;
            keys++;
        }
        key = json_next(value);
    }
    size_t left = used_bytes < METADATA_BYTES_MAX ? METADATA_BYTES_MAX - used_bytes : 0;

    return (struct room){keys < METADATA_KEYS_MAX ? METADATA_KEYS_MAX - keys : 0,
                         left < METADATA_VALUE_BYTES_MAX ? left : METADATA_VALUE_BYTES_MAX};
}

/* The map with that list, or, when it is empty, without one. */
static struct text with_list(const struct json_value *map, struct text list, struct arena *arena)
{
    const struct json_value *key = json_first(map);
    struct buffer buffer = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    for (uint32_t i = 0; i < map->count; i++) {
        const struct json_value *value = json_next(key);

        if (!text_equal(key->text, old_external_ids)) {
            json_put_string(&writer, key->text, value->text);
        }
        key = json_next(value);
    }
    if (list.length) {
        json_put_string(&writer, old_external_ids, list);
    }
    json_end_object(&writer);
    struct text metadata = arena_copy(arena, buffer_text(&buffer));

    buffer_free(&buffer);
    return metadata;
}

/* Section 6.3: the previous external_id goes to the end of the list, as far as a client could send the
 * metadata back. */
static struct text with_former_id(const struct customer *before, const struct customer *after,
                                  struct arena *arena)
{
    const struct json_value *map = read_map(after->metadata, arena);
    const struct room room = room_beside(map);
    struct text list = superseded_ids(before, after, arena);

    list = arena_format(arena, "%.*s%s%.*s", TEXT_FORMAT(list), list.length ? "," : "",
                        TEXT_FORMAT(before->external_id));
    return with_list(map, shortened(list, room.keys ? room.value_bytes : 0), arena);
}

/* ---- the change ---- */

bool customer_change_apply(const struct customer_change *change, const struct customer *before,
                           struct arena *arena, struct customer *after)
{
    bool differs = false;

    *after = *before;
    for (size_t i = 0; i < customer_entity.field_count; i++) {
        const struct field *field = &customer_entity.fields[i];

        if (!(change->given >> i & 1))
            continue;
        assert(field_is_text(field)); /* all that a client gives of a customer */
        struct text value = field_text_of(field, &change->customer), old = field_text_of(field, before);
        bool is_same = field->type == FIELD_STRING_MAP ? maps_equal(old, value, arena)
                                                       : field_equal(field, before, &change->customer);

        if (is_same)
            continue;
        *field_text(field, after) = value;
        differs = true;
    }
    if (!text_equal(before->external_id, after->external_id))
        after->metadata = with_former_id(before, after, arena);
    return differs;
}

const struct failure *customer_update(struct transaction *transaction, struct text id,
                                      const struct customer_change *change, struct customer *updated)
{
    struct customer *before = ARENA_NEW(transaction->arena, struct customer);
    struct customer *after = ARENA_NEW(transaction->arena, struct customer);

    customer_key_ahead(transaction, transaction->call->scope, id);
    const struct failure *failure = customer_get_published(transaction, id, before);

    if (!failure)
        failure = customer_mappings_apply(transaction, id, &change->mappings);
    if (failure)
        return failure;
    customer_change_apply(change, before, transaction->arena, after);
    RECORD_STAMP_UPDATED(after, transaction->call);
    transaction_update(transaction, transaction->call->scope, &customer_entity, before, after);
    if (!text_equal(before->external_id, after->external_id))
        customer_alias_add(transaction, before, after);
    *updated = *after;
    return NULL;
}
