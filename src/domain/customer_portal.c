/* customer_portal.c: what customers do for themselves (10-customers section 12). */
#include "domain/customers.h"
#include "model/entity_json.h"

#include <string.h>

/* What is theirs to say; the rest is the tenant's. */
static bool is_own(struct text name)
{
    static const struct text own[] = {TEXT_LITERAL("name"), TEXT_LITERAL("email"), TEXT_LITERAL("contact"),
                                      TEXT_LITERAL("timezone")};

    for (unsigned i = 0; i < sizeof own / sizeof own[0]; i++)
        if (text_equal(own[i], name))
            return true;
    return text_starts_with(name, TEXT("address_"));
}

const struct failure *customer_read_own_change(const struct json_value *object, struct arena *arena,
                                               struct customer_change *change)
{
    size_t count = customer_entity.field_count;
    struct field *fields = ARENA_ARRAY(arena, struct field, count);
    struct failure *failure = NULL;

    memcpy(fields, customer_entity.fields, count * sizeof *fields);
    for (size_t i = 0; i < count; i++)
        if (!is_own(fields[i].name))
            fields[i].flags &= ~(unsigned)FIELD_INPUT;
    *change = (struct customer_change){0};
    change->given = fields_read_change(fields, count, object, &change->customer, arena, &failure);
    return failure;
}
