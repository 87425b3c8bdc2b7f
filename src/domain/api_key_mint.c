/* api_key_mint.c: conventions section 22.4. */
#include "domain/api_keys.h"
#include "domain/users.h"
#include "model/entity_json.h"

const struct field api_key_minting_fields[] = {
    {FIELD(struct api_key_minting, service_account_id, FIELD_TEXT), .flags = FIELD_INPUT},
};
const size_t api_key_minting_field_count = sizeof api_key_minting_fields / sizeof api_key_minting_fields[0];

/* Apart from those above, because it changes nothing: clients are not told of it. */
static const struct field roles_field = {FIELD(struct api_key_minting, roles, FIELD_STRING_LIST),
                                         .flags = FIELD_INPUT};

const struct failure *api_key_read_minting(const struct json_value *object, int64_t now_us,
                                           struct arena *arena, struct api_key_minting *minting)
{
    struct failure *failure = NULL;

    *minting = (struct api_key_minting){0};
    fields_read_json(api_key_minting_fields, api_key_minting_field_count, object, minting, arena, &failure);
    fields_read_json(&roles_field, 1, object, minting, arena, &failure);
    return failure ? failure : api_key_read_creation(object, now_us, arena, &minting->secret);
}

static const struct failure *refuse(struct transaction *transaction, enum failure_code code, const char *why,
                                    struct text service_account_id)
{
    return failure_add(failure_new(transaction->arena, code, text_from_string(why)), transaction->arena,
                       TEXT("service_account_id"), service_account_id);
}

static const struct failure *find_service_account(struct transaction *transaction, const struct actor *actor,
                                                  struct text id, struct user *owner)
{
    if (!actor->is_super_admin)
        return failure_new(
            transaction->arena, FAILURE_PERMISSION_DENIED,
            TEXT("only a user with the role super_admin may make a key for a service account"));
    if (!user_lock(transaction, id, owner))
        return refuse(transaction, FAILURE_NOT_FOUND, "the tenant has no such service account", id);
    if (!user_is_service_account(owner))
        return refuse(transaction, FAILURE_VALIDATION, "service_account_id names a user of type user", id);
    if (!text_equal(owner->status, status_published))
        return refuse(transaction, FAILURE_INVALID_OPERATION, "the service account is archived", id);
    return NULL;
}

static const struct failure *find_owner(struct transaction *transaction, const struct actor *actor,
                                        const struct api_key_minting *minting, struct user *owner)
{
    struct text actor_id = transaction->call->actor_id;

    if (minting->service_account_id.length > 0)
        return find_service_account(transaction, actor, minting->service_account_id, owner);
    if (user_lock(transaction, actor_id, owner) && text_equal(owner->status, status_published))
        return NULL;
    return user_not_found(transaction, actor_id);
}

static bool names(const struct json_value *list, struct text id)
{
    const struct json_value *element = json_first(list);

    for (uint32_t i = 0; i < list->count; i++, element = json_next(element))
        if (text_equal(element->text, id))
            return true;
    return false;
}

static bool names_all_of(const struct json_value *list, const struct json_value *others)
{
    const struct json_value *element = json_first(others);

    for (uint32_t i = 0; i < others->count; i++, element = json_next(element))
        if (!names(list, element->text))
            return false;
    return true;
}

static const struct failure *check_roles(const struct api_key_minting *minting, const struct user *owner,
                                         struct arena *arena)
{
    struct failure *failure = NULL;
    struct json_error error;

    if (minting->roles.length == 0 || text_equal(minting->roles, TEXT("[]")))
        return NULL;
    const struct json_value *asked = json_read(arena, minting->roles, &error),
                            *owned = json_read(arena, owner->roles, &error);

    if (!names_all_of(asked, owned) || !names_all_of(owned, asked))
        failure_add_field(
            &failure, arena, TEXT("roles"),
            TEXT("cannot be chosen: the key has the roles of its user; the operator narrows one "
                 "with `farthing key create --role`"));
    return failure;
}

const struct failure *api_key_mint(struct transaction *transaction, const struct actor *actor,
                                   const struct api_key_minting *minting, struct secret *created,
                                   struct text *plain_key)
{
    struct user owner = {0};
    const struct failure *failure = find_owner(transaction, actor, minting, &owner);

    if (!failure)
        failure = check_roles(minting, &owner, transaction->arena);
    if (failure)
        return failure;
    if (!roles_cover(actor->roles, roles_from_json(owner.roles, transaction->arena)))
        return failure_new(transaction->arena, FAILURE_PERMISSION_DENIED,
                           TEXT("the new key would have more roles than the caller has"));
    return api_key_create(transaction, transaction->call->scope, &owner, &minting->secret, created,
                          plain_key);
}
