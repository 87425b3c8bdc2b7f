#include "access/identities.h"

#include "model/auth.h"
#include "json/reader.h"

#include <stdlib.h>

static const struct text suspended = TEXT_LITERAL("suspended");
static const struct text service_account = TEXT_LITERAL("service_account");

/* ---- the whole ---- */

struct identities *identities_new(void)
{
    struct identities *identities = malloc(sizeof *identities);

    if (!identities)
        abort();
    *identities = (struct identities){
        .keys = caller_table_new(),
        .users = caller_table_new(),
        .environments = caller_table_new(),
        .tenants = caller_table_new(),
        .static_keys = caller_table_new(),
        .allowed = caller_table_new(),
    };
    return identities;
}

void identities_free(struct identities *identities)
{
    caller_table_free(identities->keys);
    caller_table_free(identities->users);
    caller_table_free(identities->environments);
    caller_table_free(identities->tenants);
    caller_table_free(identities->static_keys);
    caller_table_free(identities->allowed);
    free(identities);
}

/* ---- one of each ---- */

static enum caller_kind kind_of(struct text user_type)
{
    return text_equal(user_type, service_account) ? CALLER_SERVICE_ACCOUNT : CALLER_PERSON;
}

void identities_put_key(struct identities *identities, const struct active_key *key, struct arena *arena)
{
    uint8_t digest[SHA256_BYTES];
    struct caller caller = {
        .scope = {.number = key->scope, .tenant_id = key->tenant_id, .environment_id = key->environment_id},
        .user_id = key->user_id,
        .key_id = key->id,
        .roles = roles_from_json(key->roles, arena),
        .kind = kind_of(key->user_type),
        .expires_at_us = key->expires_at,
    };

    if (hex_decode(key->value, digest, sizeof digest))
        caller_table_put(identities->keys, (struct text){(const char *)digest, sizeof digest}, &caller);
}

void identities_put_user(struct identities *identities, const struct user_identity *user, struct arena *arena)
{
    const struct caller caller = {
        .scope = {.number = SCOPE_NONE, .tenant_id = user->tenant_id},
        .user_id = user->id,
        .roles = roles_from_json(user->roles, arena),
        .kind = kind_of(user->type),
        .expires_at_us = INSTANT_UNSET,
        .password_set_at_us = user->password_set_at,
        .is_first_password = user->password_set_at == user->password_made_at,
    };

    caller_table_put(identities->users, user->id, &caller);
}

void identities_put_environment(struct identities *identities, const struct environment_identity *environment)
{
    const struct caller caller = {
        .scope = {.number = environment->scope,
                  .tenant_id = environment->tenant_id,
                  .environment_id = environment->environment_id},
    };

    caller_table_put(identities->environments, environment->environment_id, &caller);
}

void identities_put_tenant(struct identities *identities, const struct tenant_identity *tenant)
{
    const struct caller caller = {
        .scope = {.number = SCOPE_NONE, .tenant_id = tenant->id},
        .is_tenant_suspended = text_equal(tenant->internal_status, suspended),
    };

    caller_table_put(identities->tenants, tenant->id, &caller);
}

/* ---- all of them ---- */

static void fill(struct identities *fresh, struct transaction *transaction)
{
    struct record_list keys = active_key_list(transaction), users = user_identity_list(transaction),
                       environments = environment_identity_list(transaction),
                       tenants = tenant_identity_list(transaction);

    for (size_t i = 0; i < keys.count; i++)
        identities_put_key(fresh, &((const struct active_key *)keys.records)[i], transaction->arena);
    for (size_t i = 0; i < users.count; i++)
        identities_put_user(fresh, &((const struct user_identity *)users.records)[i], transaction->arena);
    for (size_t i = 0; i < environments.count; i++)
        identities_put_environment(fresh, &((const struct environment_identity *)environments.records)[i]);
    for (size_t i = 0; i < tenants.count; i++)
        identities_put_tenant(fresh, &((const struct tenant_identity *)tenants.records)[i]);
}

/* New tables take the place of the old ones, so that nobody is let in, or kept out, amid the change. */
void identities_load(struct identities *identities, struct transaction *transaction)
{
    struct identities *fresh = identities_new();

    fill(fresh, transaction);
    if (!transaction->failure) {
        caller_table_swap(identities->tenants, fresh->tenants);
        caller_table_swap(identities->environments, fresh->environments);
        caller_table_swap(identities->users, fresh->users);
        caller_table_swap(identities->keys, fresh->keys);
    }
    identities_free(fresh);
}

static void refresh_key(struct identities *identities, struct transaction *transaction, struct text id)
{
    struct active_key key;

    if (active_key_get(transaction, id, &key))
        identities_put_key(identities, &key, transaction->arena);
    else if (!transaction->failure)
        caller_table_remove_key_id(identities->keys, id);
}

static void refresh_user(struct identities *identities, struct transaction *transaction, struct text id)
{
    struct user_identity user;

    if (user_identity_get(transaction, id, &user))
        identities_put_user(identities, &user, transaction->arena);
    else if (!transaction->failure)
        caller_table_remove(identities->users, id);
}

static void refresh_user_of_auth(struct identities *identities, struct transaction *transaction,
                                 struct text auth_id)
{
    struct user_identity user;

    if (user_identity_of_auth(transaction, auth_id, &user))
        identities_put_user(identities, &user, transaction->arena);
}

static void refresh_environment(struct identities *identities, struct transaction *transaction,
                                struct text id)
{
    struct environment_identity environment;

    if (environment_identity_get(transaction, id, &environment))
        identities_put_environment(identities, &environment);
    else if (!transaction->failure)
        caller_table_remove(identities->environments, id);
}

static void refresh_tenant(struct identities *identities, struct transaction *transaction, struct text id)
{
    struct tenant_identity tenant;

    if (tenant_identity_get(transaction, id, &tenant))
        identities_put_tenant(identities, &tenant);
    else if (!transaction->failure)
        caller_table_remove(identities->tenants, id);
}

void identities_refresh(struct identities *identities, struct transaction *transaction,
                        struct text entity_name, struct text id)
{
    if (text_equal(entity_name, secret_entity.name))
        refresh_key(identities, transaction, id);
    else if (text_equal(entity_name, user_entity.name))
        refresh_user(identities, transaction, id);
    else if (text_equal(entity_name, auth_entity.name))
        refresh_user_of_auth(identities, transaction, id);
    else if (text_equal(entity_name, environment_entity.name))
        refresh_environment(identities, transaction, id);
    else if (text_equal(entity_name, tenant_entity.name))
        refresh_tenant(identities, transaction, id);
    else
        identities_load(identities, transaction);
}

static void apply_key(struct identities *identities, const struct secret *secret)
{
    uint8_t digest[SHA256_BYTES];

    if (!text_equal(secret->status, status_published) && hex_decode(secret->value, digest, sizeof digest))
        caller_table_remove(identities->keys, (struct text){(const char *)digest, sizeof digest});
}

static void apply_user(struct identities *identities, const struct user *user, struct arena *arena)
{
    struct caller caller = {.password_set_at_us = INSTANT_UNSET};

    if (!text_equal(user->status, status_published)) {
        caller_table_remove(identities->users, user->id);
        return;
    }
    caller_table_find(identities->users, user->id, arena, &caller); /* of the password it does not tell */
    const struct user_identity identity = {
        .id = user->id,
        .tenant_id = user->tenant_id,
        .type = user->type,
        .roles = user->roles,
        .password_made_at = caller.is_first_password ? caller.password_set_at_us : INSTANT_UNSET,
        .password_set_at = caller.password_set_at_us,
    };

    identities_put_user(identities, &identity, arena);
}

static void apply_auth(struct identities *identities, const struct auth *auth, struct arena *arena)
{
    struct caller caller;

    if (!caller_table_find(identities->users, auth->user_id, arena, &caller))
        return;
    caller.password_set_at_us = auth->updated_at;
    caller.is_first_password = auth->updated_at == auth->created_at;
    caller_table_put(identities->users, auth->user_id, &caller);
}

static void apply_tenant(struct identities *identities, const struct tenant *tenant)
{
    const struct tenant_identity identity = {.id = tenant->id, .internal_status = tenant->internal_status};

    if (text_equal(tenant->status, status_published))
        identities_put_tenant(identities, &identity);
    else
        caller_table_remove(identities->tenants, tenant->id);
}

void identities_apply(struct identities *identities, const struct entity *entity, const void *record,
                      struct arena *arena)
{
    if (entity == &secret_entity)
        apply_key(identities, record);
    else if (entity == &user_entity)
        apply_user(identities, record, arena);
    else if (entity == &auth_entity)
        apply_auth(identities, record, arena);
    else if (entity == &tenant_entity)
        apply_tenant(identities, record);
}

/* ---- keys of the configuration ---- */

static struct text member_text(const struct json_value *object, struct text name)
{
    const struct json_value *member = json_member(object, name);

    return member && member->type == JSON_STRING ? member->text : text_empty;
}

static const char *configure_key(struct identities *identities, struct text hex,
                                 const struct json_value *value)
{
    uint8_t digest[SHA256_BYTES];

    if (!hex_decode(hex, digest, sizeof digest))
        return "must have the hexadecimal SHA-256 of a key as the name of each member";
    if (value->type != JSON_OBJECT)
        return "must have an object for each key: {\"tenant_id\": …, \"user_id\": …, \"is_active\": true}";
    const struct json_value *is_active = json_member(value, TEXT("is_active"));
    const struct caller caller = {
        .scope = {.number = SCOPE_NONE, .tenant_id = member_text(value, TEXT("tenant_id"))},
        .user_id = member_text(value, TEXT("user_id")),
        .roles = role_bit(role_find(role_super_admin)),
        .kind = CALLER_PERSON,
        .expires_at_us = INSTANT_UNSET,
    };

    if (caller.scope.tenant_id.length == 0)
        return "must have a tenant_id for each key";
    if (is_active && is_active->type == JSON_TRUE)
        caller_table_put(identities->static_keys, (struct text){(const char *)digest, sizeof digest},
                         &caller);
    return NULL;
}

const char *identities_configure_keys(struct identities *identities, struct text json, struct arena *arena)
{
    struct json_error error;
    const struct json_value *object = json_read(arena, json, &error);

    if (!object || object->type != JSON_OBJECT)
        return "must be a JSON object: {\"<hex SHA-256 of a key>\": {\"tenant_id\": …, \"user_id\": …, "
               "\"is_active\": true}}";
    const struct json_value *key = json_first(object);
    const char *complaint = NULL;

    identities->has_static_keys = object->count > 0;
    for (uint32_t i = 0; i < object->count && !complaint; i++, key = json_next(json_next(key)))
        complaint = configure_key(identities, key->text, json_next(key));
    return complaint;
}
