/* environment_update.c: conventions section 22.2. */
#include "domain/environments.h"
#include "domain/records.h"
#include "model/entity_json.h"

const struct field environment_change_fields[] = {
    {FIELD(struct environment_change, name, FIELD_TEXT), .flags = FIELD_INPUT, .length_max = 50},
    {FIELD(struct environment_change, type, FIELD_TEXT), .flags = FIELD_INPUT, .length_max = 20},
};
const size_t environment_change_field_count =
    sizeof environment_change_fields / sizeof environment_change_fields[0];

const struct failure *environment_read_change(const struct json_value *object, struct arena *arena,
                                              struct environment_change *change)
{
    struct failure *failure = NULL;

    *change = (struct environment_change){0};
    fields_read_json(environment_change_fields, environment_change_field_count, object, change, arena,
                     &failure);
    return failure;
}

static const struct failure *type_is_fixed(struct arena *arena, const struct environment *environment)
{
    struct failure *failure = NULL;

    failure_add_field(&failure, arena, TEXT("type"),
                      arena_format(arena, "cannot be changed: the environment is one of type %.*s",
                                   TEXT_FORMAT(environment->type)));
    return failure;
}

const struct failure *environment_update(struct transaction *transaction, struct text id,
                                         const struct environment_change *change, struct environment *updated)
{
    struct environment *before = ARENA_NEW(transaction->arena, struct environment),
                       *after = ARENA_NEW(transaction->arena, struct environment);
    const struct failure *failure = environment_get(transaction, id, before);

    if (!failure && change->type.length > 0 && !text_equal(change->type, before->type))
        failure = type_is_fixed(transaction->arena, before);
    if (failure)
        return failure;
    *after = *before;
    if (change->name.length > 0)
        after->name = change->name;
    RECORD_STAMP_UPDATED(after, transaction->call);
    transaction_update(transaction, NULL, &environment_entity, before, after);
    *updated = *after;
    return NULL;
}
