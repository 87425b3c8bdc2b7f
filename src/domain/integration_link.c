/* integration_link.c: 10-customers sections 13.2 to 13.4. */
#include "base/buffer.h"
#include "base/instant.h"
#include "domain/connections.h"
#include "domain/customers.h"
#include "domain/integration_mapping.h"
#include "domain/records.h"
#include "model/entity_json.h"

STORE_QUERY(published_mappings, &integration_mapping_entity,
            "SELECT {columns} FROM entity_integration_mappings WHERE scope = $1 AND entity_type = $2 AND "
            "entity_id = $3 AND status = 'published' ORDER BY created_at DESC, id DESC");

/* ---- reading ---- */

#define NAMING_FIELDS                                                                                        \
    {FIELD(struct integration_mapping, entity_type, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED,      \
     .values = integration_entity_types},                                                                    \
        {FIELD(struct integration_mapping, entity_id, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED,    \
         .length_max = 255},                                                                                 \
    {                                                                                                        \
        FIELD(struct integration_mapping, provider_type, FIELD_TEXT),                                        \
            .flags = FIELD_INPUT | FIELD_REQUIRED, .length_max = 50, .values = provider_names                \
    }

const struct field integration_link_fields[] = {
    NAMING_FIELDS,
    {FIELD(struct integration_mapping, provider_entity_id, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED,
     .length_max = 255},
    {FIELD(struct integration_mapping, metadata, FIELD_JSON_OBJECT), .flags = FIELD_INPUT},
};
const size_t integration_link_field_count =
    sizeof integration_link_fields / sizeof integration_link_fields[0];

const struct field integration_delink_fields[] = {NAMING_FIELDS};
const size_t integration_delink_field_count =
    sizeof integration_delink_fields / sizeof integration_delink_fields[0];

const struct failure *integration_link_read(const struct json_value *object, struct arena *arena,
                                            struct integration_mapping *link)
{
    struct failure *failure = NULL;

    *link = (struct integration_mapping){0};
    fields_read_json(integration_link_fields, integration_link_field_count, object, link, arena, &failure);
    if (!failure && !provider_find(link->provider_type)->is_linkable)
        failure_add_field(&failure, arena, TEXT("provider_type"),
                          arena_format(arena, "must be one that entities can be linked to, which %.*s is not",
                                       TEXT_FORMAT(link->provider_type)));
    return failure;
}

const struct failure *integration_delink_read(const struct json_value *object, struct arena *arena,
                                              struct integration_mapping *link)
{
    struct failure *failure = NULL;

    *link = (struct integration_mapping){0};
    fields_read_json(integration_delink_fields, integration_delink_field_count, object, link, arena,
                     &failure);
    return failure;
}

/* ---- linking ---- */

static const struct failure *check_connected(struct transaction *transaction, struct text provider_type)
{
    struct arena *arena = transaction->arena;
    struct text id;

    if (connection_find_published(transaction, provider_type, &id))
        return NULL;
    return failure_add(
        failure_new(
            arena, FAILURE_INVALID_OPERATION,
            arena_format(arena,
                         "the environment has no connection to %.*s; make one with POST /v1/connections",
                         TEXT_FORMAT(provider_type))),
        arena, TEXT("provider_type"), provider_type);
}

static const struct failure *name_entity(struct transaction *transaction, struct failure *failure,
                                         const struct integration_mapping *link)
{
    failure_add(failure, transaction->arena, TEXT("entity_type"), link->entity_type);
    return failure_add(failure, transaction->arena, TEXT("entity_id"), link->entity_id);
}

/* Customers are all that there is yet of what can be linked. */
static const struct failure *check_entity(struct transaction *transaction,
                                          const struct integration_mapping *link)
{
    struct arena *arena = transaction->arena;
    struct customer customer;

    if (text_equal(link->entity_type, TEXT("customer")) &&
        !customer_get_published(transaction, link->entity_id, &customer))
        return NULL;
    return name_entity(
        transaction,
        failure_new(arena, FAILURE_NOT_FOUND,
                    arena_format(arena, "there is no such %.*s", TEXT_FORMAT(link->entity_type))),
        link);
}

/* The given metadata, and by which way and when the link was made. */
static struct text stamped_metadata(struct transaction *transaction, struct text metadata)
{
    static const struct text via = TEXT_LITERAL("linked_via"), at = TEXT_LITERAL("linked_at");
    struct json_error error;
    const struct json_value *object =
        json_read(transaction->arena, text_is_set(metadata) ? metadata : TEXT("{}"), &error);
    const struct json_value *key = json_first(object);
    struct buffer buffer = {0}, instant = {0};
    struct json_writer writer;

    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    for (uint32_t i = 0; i < object->count; i++, key = json_next(json_next(key)))
        if (!text_equal(key->text, via) && !text_equal(key->text, at)) {
            json_key(&writer, key->text);
            json_copy(&writer, json_next(key));
        }
    json_put_string(&writer, via, TEXT("integrations_mapping_link_api"));
    json_key(&writer, at);
    instant_append_seconds(&instant, transaction->call->now_us);
    json_string(&writer, buffer_text(&instant));
    json_end_object(&writer);
    struct text stamped = arena_copy(transaction->arena, buffer_text(&buffer));

    buffer_free(&instant);
    buffer_free(&buffer);
    return stamped;
}

const struct failure *integration_link(struct transaction *transaction,
                                       const struct integration_mapping *link,
                                       struct integration_mapping *linked)
{
    struct integration_mapping given = *link;
    const struct failure *failure = check_connected(transaction, link->provider_type);

    if (!failure)
        failure = check_entity(transaction, link);
    if (failure)
        return failure;
    given.metadata = stamped_metadata(transaction, link->metadata);
    return integration_mapping_put(transaction, &given, linked);
}

const struct failure *integration_delink(struct transaction *transaction,
                                         const struct integration_mapping *link)
{
    struct integration_mapping found;

    if (integration_mapping_find(transaction, link, &found))
        return integration_mapping_archive(transaction, found.id);
    struct failure *failure = failure_new(transaction->arena, FAILURE_NOT_FOUND,
                                          TEXT("the entity has no mapping to this provider"));

    name_entity(transaction, failure, link);
    return failure_add(failure, transaction->arena, TEXT("provider_type"), link->provider_type);
}

void integration_entity_check(struct text entity_type, struct arena *arena, struct failure **failure)
{
    const struct field *field = &integration_delink_fields[0];

    if (!text_is_set(entity_type)) {
        failure_add_field(failure, arena, field->name, TEXT("is required"));
        return;
    }
    for (const struct text *known = field->values; known->data; known++)
        if (text_equal(*known, entity_type))
            return;
    failure_add_field(failure, arena, field->name,
                      TEXT("must be what can be mapped, such as customer, plan or invoice"));
}

struct record_list integration_mappings(struct transaction *transaction, struct text entity_type,
                                        struct text entity_id)
{
    return query_records(transaction, &published_mappings,
                         VALUES(value_integer(transaction->call->scope->number), value_text(entity_type),
                                value_text(entity_id)));
}
