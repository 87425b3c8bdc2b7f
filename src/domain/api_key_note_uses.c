/* api_key_note_uses.c: conventions section 3.2, last_used_at. */
#include "domain/api_keys.h"

/* The part of a key that a use changes. */
struct use_row {
    struct text id;
    int64_t last_used_at;
};
static const struct field use_fields[] = {
    {FIELD(struct use_row, id, FIELD_TEXT)},
    {FIELD(struct use_row, last_used_at, FIELD_INSTANT)},
};
static const struct entity use_entity = {
    .name = TEXT_LITERAL("secret"),
    .label = TEXT_LITERAL("API key"),
    .table = TEXT_LITERAL("secrets"),
    .scoping = SCOPED_BY_ENVIRONMENT,
    .has_no_trail = true,
    ENTITY_FIELDS(use_fields),
    .struct_size = sizeof(struct use_row),
};

STORE_QUERY(use_of_key, &use_entity, "SELECT {columns} FROM secrets WHERE {scope = $1 AND id = $2} {lock}");

static void note(struct transaction *transaction, const struct api_key_use *use)
{
    struct use_row *before = ARENA_NEW(transaction->arena, struct use_row),
                   *after = ARENA_NEW(transaction->arena, struct use_row);
    struct scope *scope = ARENA_NEW(transaction->arena, struct scope);

    if (!query_record(transaction, &use_of_key, VALUES(value_integer(use->scope), value_text(use->id)),
                      before) ||
        (before->last_used_at != INSTANT_UNSET && before->last_used_at >= use->used_at))
        return;
    *after = (struct use_row){before->id, use->used_at};
    scope->number = use->scope;
    transaction_update(transaction, scope, &use_entity, before, after);
}

void api_key_note_uses(struct transaction *transaction, const struct api_key_use *uses, size_t count)
{
    for (size_t i = 0; i < count; i++)
        note(transaction, &uses[i]);
}
