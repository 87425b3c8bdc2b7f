/* customer_mappings.c: 10-customers section 4.5. */
#include "domain/customers.h"
#include "domain/integration_mapping.h"
#include "model/entity_json.h"

static const struct text list_name = TEXT_LITERAL("integration_entity_mapping");

/* entity_type and entity_id follow from the customer; what a client says of them is not looked at. The
 * aliases are what the published SDKs send. */
static const struct field element_fields[] = {
    {FIELD(struct integration_mapping, provider_type, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED,
     .length_max = 50, .values = provider_names, .alias = TEXT_LITERAL("provider")},
    {FIELD(struct integration_mapping, provider_entity_id, FIELD_TEXT), .flags = FIELD_INPUT | FIELD_REQUIRED,
     .length_max = 255, .alias = TEXT_LITERAL("id")},
    {FIELD(struct integration_mapping, metadata, FIELD_JSON_OBJECT), .flags = FIELD_INPUT},
};

const struct object_shape customer_mapping_shape = {TEXT_LITERAL("IntegrationEntityMapping"),
                                                    ENTITY_FIELDS(element_fields)};

enum { ELEMENTS_MAX = 16 }; /* one for each provider */

static const struct failure *refuse(struct arena *arena, struct text path, struct text reason)
{
    struct failure *failure = NULL;

    failure_add_field(&failure, arena, path, reason);
    return failure;
}

static const struct failure *check_provider(const struct customer_mappings *before, struct text path,
                                            struct text provider_type, struct arena *arena)
{
    struct text where = arena_format(arena, "%.*s.provider_type", TEXT_FORMAT(path));

    if (!provider_find(provider_type)->is_linkable)
        return refuse(arena, where, TEXT("must be a provider that customers can be mapped to"));
    for (size_t i = 0; i < before->count; i++)
        if (text_equal(before->mappings[i].provider_type, provider_type))
            return refuse(arena, where,
                          arena_format(arena, "is that of %.*s[%zu] as well; a provider can be given once",
                                       TEXT_FORMAT(list_name), i));
    return NULL;
}

/* Adds one element to those before it. */
static const struct failure *read_element(const struct json_value *element, struct arena *arena,
                                          struct customer_mappings *mappings)
{
    struct integration_mapping *mapping = &mappings->mappings[mappings->count];
    struct text path = arena_format(arena, "%.*s[%zu]", TEXT_FORMAT(list_name), mappings->count);
    struct failure *inner = NULL, *failure = NULL;

    if (element->type != JSON_OBJECT)
        return refuse(arena, path,
                      arena_format(arena, "must be an object, not %s", json_type_name(element->type)));
    fields_read_json(element_fields, sizeof element_fields / sizeof element_fields[0], element, mapping,
                     arena, &inner);
    if (inner) {
        failure_add_inner(&failure, arena, path, inner);
        return failure;
    }
    const struct failure *problem = check_provider(mappings, path, mapping->provider_type, arena);

    mapping->entity_type = TEXT("customer");
    mappings->count++;
    return problem;
}

const struct failure *customer_mappings_read(const struct json_value *elements, struct arena *arena,
                                             struct customer_mappings *mappings)
{
    const struct failure *failure = NULL;

    *mappings = (struct customer_mappings){0};
    if (!elements || elements->count == 0)
        return NULL;
    if (elements->count > ELEMENTS_MAX)
        return refuse(arena, list_name, TEXT("must have at most one element for each provider"));
    mappings->mappings = ARENA_ARRAY(arena, struct integration_mapping, elements->count);
    const struct json_value *element = json_first(elements);

    for (uint32_t i = 0; i < elements->count && !failure; i++, element = json_next(element))
        failure = read_element(element, arena, mappings);
    return failure;
}

static struct integration_mapping of_customer(const struct customer_mappings *mappings, size_t index,
                                              struct text customer_id)
{
    struct integration_mapping given = mappings->mappings[index];

    given.entity_id = customer_id;
    return given;
}

const struct failure *customer_mappings_check(struct transaction *transaction, struct text customer_id,
                                              const struct customer_mappings *mappings)
{
    const struct failure *failure = NULL;

    for (size_t i = 0; i < mappings->count && !failure; i++) {
        const struct integration_mapping given = of_customer(mappings, i, customer_id);

        failure = integration_mapping_check(transaction, &given);
    }
    return failure;
}

const struct failure *customer_mappings_apply(struct transaction *transaction, struct text customer_id,
                                              const struct customer_mappings *mappings)
{
    const struct failure *failure = customer_mappings_check(transaction, customer_id, mappings);

    for (size_t i = 0; i < mappings->count && !failure; i++) {
        const struct integration_mapping given = of_customer(mappings, i, customer_id);
        struct integration_mapping written;

        failure = integration_mapping_put(transaction, &given, &written);
    }
    return failure;
}

bool customer_mappings_differ(struct transaction *transaction, struct text customer_id,
                              const struct customer_mappings *mappings)
{
    for (size_t i = 0; i < mappings->count; i++) {
        const struct integration_mapping wanted = of_customer(mappings, i, customer_id);
        struct integration_mapping found;

        if (!integration_mapping_find(transaction, &wanted, &found) ||
            !text_equal(found.provider_entity_id, wanted.provider_entity_id))
            return true;
    }
    return false;
}

const struct failure *customer_integrations_written(struct transaction *transaction, struct text customer_id,
                                                    struct record_list *integrations)
{
    const struct failure *failure = transaction_apply(transaction);

    if (!failure)
        *integrations = customer_integrations(transaction, customer_id);
    return failure;
}
