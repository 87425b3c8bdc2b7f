/* preset.c: ready rules for other systems' exports of customers. docs/import.md lists them and where the
 * names of the columns come from. */
#include "import/column_map.h"

struct preset_rule {
    struct text field, column;
};

#define RULE(field, column)                                                                                  \
    {                                                                                                        \
        TEXT_LITERAL(field), TEXT_LITERAL(column)                                                            \
    }

/* The dashboard's export of customers, and the card export of its data migrations. A customer need not have a
 * name there, but must have one here. */
static const struct preset_rule stripe[] = {
    RULE("external_id", "id"),
    RULE("name", "Name"),
    RULE("name", "Description"),
    RULE("name", "Email"),
    RULE("email", "Email"),
    RULE("address_line1", "Card Address Line1"),
    RULE("address_line1", "card.address_line1"),
    RULE("address_line2", "Card Address Line2"),
    RULE("address_line2", "card.address_line2"),
    RULE("address_city", "Card Address City"),
    RULE("address_city", "card.address_city"),
    RULE("address_state", "Card Address State"),
    RULE("address_state", "card.address_state"),
    RULE("address_postal_code", "Card Address Zip"),
    RULE("address_postal_code", "card.address_zip"),
    RULE("address_country", "Card Address Country"),
    RULE("address_country", "card.address_country"),
};

/* The names of its API and bulk operations, customer[…] and billing_address[…], and those of its exported
 * tables. */
#define CHARGEBEE_CUSTOMER(field, name) RULE(field, "customer[" name "]"), RULE(field, name)
#define CHARGEBEE_ADDRESS(field, name)                                                                       \
    RULE(field, "billing_address[" name "]"), RULE(field, "billing_address_" name)

static const struct preset_rule chargebee[] = {
    CHARGEBEE_CUSTOMER("external_id", "id"),
    RULE("external_id", "Customer Id"),
    CHARGEBEE_CUSTOMER("name", "company"),
    RULE("name", "customer[first_name]+customer[last_name]"),
    RULE("name", "first_name+last_name"),
    RULE("name", "First Name+Last Name"),
    CHARGEBEE_CUSTOMER("name", "email"),
    CHARGEBEE_CUSTOMER("email", "email"),
    CHARGEBEE_CUSTOMER("contact", "phone"),
    CHARGEBEE_ADDRESS("address_line1", "line1"),
    CHARGEBEE_ADDRESS("address_line2", "line2"),
    CHARGEBEE_ADDRESS("address_city", "city"),
    CHARGEBEE_ADDRESS("address_state", "state"),
    CHARGEBEE_ADDRESS("address_postal_code", "zip"),
    CHARGEBEE_ADDRESS("address_country", "country"),
};

static const struct preset {
    struct text name;
    const struct preset_rule *rules;
    size_t count;
    bool has_metadata_suffix;
} presets[] = {
    {TEXT_LITERAL("stripe"), stripe, sizeof stripe / sizeof stripe[0], true},
    {TEXT_LITERAL("chargebee"), chargebee, sizeof chargebee / sizeof chargebee[0], false},
};

enum { PRESET_COUNT = sizeof presets / sizeof presets[0] };

bool column_map_add_preset(struct column_map *map, struct text name)
{
    for (size_t i = 0; i < PRESET_COUNT; i++) {
        if (!text_equal(presets[i].name, name))
            continue;
        for (size_t j = 0; j < presets[i].count; j++)
            column_map_add_optional(map, presets[i].rules[j].field, presets[i].rules[j].column);
        map->has_metadata_suffix = presets[i].has_metadata_suffix;
        return true;
    }
    return false;
}

struct text column_map_presets(struct arena *arena)
{
    struct text list = text_empty;

    for (size_t i = 0; i < PRESET_COUNT; i++)
        list =
            arena_format(arena, "%.*s%s%.*s", TEXT_FORMAT(list), i ? ", " : "", TEXT_FORMAT(presets[i].name));
    return list;
}
