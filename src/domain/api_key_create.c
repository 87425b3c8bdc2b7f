/* api_key_create.c: conventions sections 3.2 and 22.4. */
#include "base/hash.h"
#include "base/ulid.h"
#include "domain/api_keys.h"
#include "domain/records.h"
#include "model/entity_json.h"

#include <string.h>

enum { PREFIX_LENGTH = 3, DISPLAY_HEAD_LENGTH = 5, DISPLAY_TAIL_LENGTH = 2 };

const struct failure *api_key_read_creation(const struct json_value *object, int64_t now_us,
                                            struct arena *arena, struct secret *creation)
{
    struct failure *failure = NULL;

    *creation = (struct secret){0};
    fields_read_json(secret_entity.fields, secret_entity.field_count, object, creation, arena, &failure);
    if (!failure && creation->expires_at != INSTANT_UNSET && creation->expires_at <= now_us)
        failure_add_field(&failure, arena, TEXT("expires_at"), TEXT("must lie in the future"));
    return failure;
}

static struct text make_key(struct arena *arena, struct text type)
{
    char *key = arena_allocate(arena, API_KEY_LENGTH);

    memcpy(key, text_equal(type, secret_type_private) ? "sk_" : "pk_", PREFIX_LENGTH);
    ulid_random_text(key + PREFIX_LENGTH, API_KEY_LENGTH - PREFIX_LENGTH);
    return (struct text){key, API_KEY_LENGTH};
}

static struct text hash_of(struct arena *arena, struct text key)
{
    uint8_t digest[SHA256_BYTES];
    char *hex = arena_allocate(arena, SHA256_HEX_LENGTH);

    sha256(key, digest);
    hex_encode(digest, sizeof digest, hex);
    return (struct text){hex, SHA256_HEX_LENGTH};
}

static struct text display_of(struct arena *arena, struct text key)
{
    return arena_format(arena, "%.*s***%.*s", DISPLAY_HEAD_LENGTH, key.data, DISPLAY_TAIL_LENGTH,
                        key.data + key.length - DISPLAY_TAIL_LENGTH);
}

const struct failure *api_key_create(struct transaction *transaction, const struct scope *scope,
                                     const struct user *user, const struct secret *creation,
                                     struct secret *created, struct text *plain_key)
{
    const struct call *call = transaction->call;

    *plain_key = make_key(transaction->arena, creation->type);
    *created = *creation;
    created->id = ulid_make_id(transaction->arena, secret_entity.id_prefix, call->now_us);
    created->provider = TEXT("flexprice");
    created->value = hash_of(transaction->arena, *plain_key);
    created->display_id = display_of(transaction->arena, *plain_key);
    if (!text_is_set(creation->roles))
        created->roles = user->roles;
    created->user_type = user->type;
    created->user_id = user->id;
    created->last_used_at = INSTANT_UNSET;
    RECORD_STAMP_CREATED(created, call);
    transaction_insert(transaction, scope, &secret_entity, created);
    return NULL;
}
