/* user_update.c: conventions section 22.5: what is changed of a user. */
#include "domain/api_keys.h"
#include "domain/records.h"
#include "domain/users.h"
#include "model/entity_json.h"
#include "model/string_map.h"

STORE_QUERY(user_by_id_any, &user_entity,
            "SELECT {columns} FROM users WHERE id = $1 AND tenant_id = $2 {lock}");

bool user_lock(struct transaction *transaction, struct text id, struct user *user)
{
    return query_record(transaction, &user_by_id_any,
                        VALUES(value_text(id), value_text(transaction->call->scope->tenant_id)), user);
}

const struct failure *user_not_found(struct transaction *transaction, struct text id)
{
    return failure_add(
        failure_new(transaction->arena, FAILURE_NOT_FOUND, TEXT("the tenant has no such user")),
        transaction->arena, TEXT("user_id"), id);
}

static bool is_published(const struct user *user)
{
    return text_equal(user->status, status_published);
}

static const struct failure *refuse(struct transaction *transaction, enum failure_code code, const char *why,
                                    struct text id)
{
    return failure_add(failure_new(transaction->arena, code, text_from_string(why)), transaction->arena,
                       TEXT("user_id"), id);
}

static void update(struct transaction *transaction, const struct user *before, struct user *after)
{
    RECORD_STAMP_UPDATED(after, transaction->call);
    transaction_update(transaction, NULL, &user_entity, before, after);
}

/* ---- oneself ---- */

const struct failure *user_get_self(struct transaction *transaction, struct user *user)
{
    struct text id = transaction->call->actor_id;

    return user_find(transaction, transaction->call->scope->tenant_id, id, user);
}

const struct field user_change_fields[] = {
    {FIELD(struct user_change, name, FIELD_TEXT), .flags = FIELD_INPUT, .length_max = 255},
    {FIELD(struct user_change, metadata, FIELD_STRING_MAP), .flags = FIELD_INPUT},
};
const size_t user_change_field_count = sizeof user_change_fields / sizeof user_change_fields[0];

const struct failure *user_read_change(const struct json_value *object, struct arena *arena,
                                       struct user_change *change)
{
    struct failure *failure = NULL;

    *change = (struct user_change){0};
    fields_read_json(user_change_fields, user_change_field_count, object, change, arena, &failure);
    return failure;
}

/* Both were within the limits; together they may not be. */
static const struct failure *merge_metadata(struct text metadata, struct arena *arena, struct user *user)
{
    struct failure *failure = NULL;

    user->metadata = string_map_merge(user->metadata, metadata, arena);
    const char *reason = string_map_rule(user->metadata, arena);

    if (reason)
        failure_add_field(&failure, arena, TEXT("metadata"), text_from_string(reason));
    return failure;
}

const struct failure *user_update_self(struct transaction *transaction, const struct user_change *change,
                                       struct user *updated)
{
    struct text id = transaction->call->actor_id;
    struct user *before = ARENA_NEW(transaction->arena, struct user),
                *after = ARENA_NEW(transaction->arena, struct user);
    const struct failure *failure = NULL;

    if (!user_lock(transaction, id, before) || !is_published(before))
        return user_not_found(transaction, id);
    *after = *before;
    if (change->name.length > 0)
        after->name = change->name;
    if (text_is_set(change->metadata))
        failure = merge_metadata(change->metadata, transaction->arena, after);
    if (failure)
        return failure;
    update(transaction, before, after);
    *updated = *after;
    return NULL;
}

/* ---- service accounts ---- */

const struct failure *service_account_read_change(const struct json_value *object, struct arena *arena,
                                                  struct user *change)
{
    static const struct field name = {FIELD(struct user, name, FIELD_TEXT),
                                      .flags = FIELD_INPUT | FIELD_REQUIRED, .length_max = 255};
    struct failure *failure = NULL;

    *change = (struct user){0};
    fields_read_json(&name, 1, object, change, arena, &failure);
    return failure;
}

const struct failure *service_account_update(struct transaction *transaction, struct text id,
                                             struct text name, struct user *updated)
{
    struct user *before = ARENA_NEW(transaction->arena, struct user),
                *after = ARENA_NEW(transaction->arena, struct user);

    if (!user_lock(transaction, id, before) || !user_is_service_account(before))
        return refuse(transaction, FAILURE_NOT_FOUND, "the tenant has no such service account", id);
    if (!is_published(before))
        return refuse(transaction, FAILURE_INVALID_OPERATION, "the service account is archived", id);
    *after = *before;
    after->name = name;
    update(transaction, before, after);
    *updated = *after;
    return NULL;
}

const struct failure *service_account_archive(struct transaction *transaction, struct text id)
{
    struct user *before = ARENA_NEW(transaction->arena, struct user),
                *after = ARENA_NEW(transaction->arena, struct user);

    if (!user_lock(transaction, id, before) || !is_published(before))
        return user_not_found(transaction, id);
    if (!user_is_service_account(before))
        return refuse(transaction, FAILURE_INVALID_OPERATION, "only a service account can be archived", id);
    const struct failure *failure = user_keys_check(transaction, before);

    if (failure)
        return failure;
    *after = *before;
    after->status = status_archived;
    update(transaction, before, after);
    return NULL;
}

/* ---- roles ---- */

static const struct failure *check_role_change(struct transaction *transaction, const struct user *user)
{
    if (text_equal(user->id, transaction->call->actor_id))
        return refuse(transaction, FAILURE_PERMISSION_DENIED, "nobody may change their own roles", user->id);
    if (user_is_service_account(user))
        return refuse(transaction, FAILURE_INVALID_OPERATION,
                      "the roles of a service account cannot be changed", user->id);
    if (!is_published(user))
        return refuse(transaction, FAILURE_INVALID_OPERATION, "the user is archived", user->id);
    return user_keys_check(transaction, user);
}

const struct failure *user_set_roles(struct transaction *transaction, struct text id, struct text roles,
                                     struct user *updated)
{
    struct user *before = ARENA_NEW(transaction->arena, struct user),
                *after = ARENA_NEW(transaction->arena, struct user);

    if (!user_lock(transaction, id, before))
        return user_not_found(transaction, id);
    const struct failure *failure = check_role_change(transaction, before);

    if (failure)
        return failure;
    *after = *before;
    after->roles = roles;
    update(transaction, before, after);
    *updated = *after;
    return NULL;
}
