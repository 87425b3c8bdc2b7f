#include "api/key_uses.h"

#include <stdlib.h>

struct key_uses {
    struct arena arena; /* of the texts */
    struct caller_use taken[KEY_USES_BATCH];
    size_t count;
    int64_t taken_at_us; /* the command's instant, by which it is known again */
};

struct key_uses *key_uses_new(void)
{
    struct key_uses *uses = calloc(1, sizeof *uses);

    if (!uses)
        abort();
    arena_init(&uses->arena);
    uses->taken_at_us = INSTANT_UNSET;
    return uses;
}

void key_uses_free(struct key_uses *uses)
{
    if (!uses)
        return;
    arena_free(&uses->arena);
    free(uses);
}

static void take(struct key_uses *uses, const struct identities *identities, int64_t now_us)
{
    if (uses->taken_at_us == now_us)
        return;
    arena_reset(&uses->arena);
    uses->count = caller_table_take_uses(identities->keys, uses->taken, KEY_USES_BATCH, &uses->arena);
    uses->taken_at_us = now_us;
}

size_t key_uses_write(struct key_uses *uses, const struct identities *identities,
                      struct transaction *transaction)
{
    take(uses, identities, transaction->call->now_us);
    struct api_key_use *rows = ARENA_ARRAY(transaction->arena, struct api_key_use, uses->count);

    for (size_t i = 0; i < uses->count; i++)
        rows[i] = (struct api_key_use){
            .id = arena_copy(transaction->arena, uses->taken[i].key_id),
            .scope = uses->taken[i].scope,
            .used_at = uses->taken[i].used_at_us,
        };
    api_key_note_uses(transaction, rows, uses->count);
    return uses->count;
}
