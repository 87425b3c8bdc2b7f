#include "access/environment.h"

#include "json/reader.h"

/* ---- choosing ---- */

static const struct failure *refuse(struct arena *arena, struct text message)
{
    return failure_new(arena, FAILURE_PERMISSION_DENIED, message);
}

const struct failure *environment_resolve(const struct identities *identities, struct text header,
                                          bool may_be_absent, struct arena *arena, struct caller *caller)
{
    bool is_bound = caller->scope.environment_id.length > 0;
    struct text wanted = is_bound ? caller->scope.environment_id : header;
    struct caller environment;

    if (caller->scope.number != SCOPE_NONE) /* an API key's: it was looked up when the key was taken in */
        return NULL;
    if (wanted.length == 0)
        return may_be_absent
                   ? NULL
                   : refuse(arena, TEXT("no environment: send its id in the header X-Environment-ID"));
    if (!caller_table_find(identities->environments, wanted, arena, &environment) ||
        !text_equal(environment.scope.tenant_id, caller->scope.tenant_id))
        return refuse(arena, is_bound
                                 ? TEXT("the token names an environment that the tenant does not have")
                                 : TEXT("the header X-Environment-ID names an environment that the tenant "
                                        "does not have"));
    caller->scope = environment.scope;
    return NULL;
}

/* ---- the allow-list ---- */

/* The table's keys: the parts joined by a byte that no id has. */
static struct text allowed_key(struct arena *arena, struct text tenant_id, struct text user_id,
                               struct text environment_id)
{
    return arena_format(arena, "%.*s\n%.*s\n%.*s", TEXT_FORMAT(tenant_id), TEXT_FORMAT(user_id),
                        TEXT_FORMAT(environment_id));
}

static void allow(struct identities *identities, struct text key)
{
    const struct caller nobody = {0};

    caller_table_put(identities->allowed, key, &nobody);
}

static const char *configure_user(struct identities *identities, struct text tenant_id, struct text user_id,
                                  const struct json_value *list, struct arena *arena)
{
    static const char complaint[] = "must have a list of environment ids for each user";

    if (list->type != JSON_ARRAY)
        return complaint;
    allow(identities, allowed_key(arena, tenant_id, user_id, text_empty));
    const struct json_value *element = json_first(list);

    for (uint32_t i = 0; i < list->count; i++, element = json_next(element)) {
        if (element->type != JSON_STRING || element->text.length == 0)
            return complaint;
        allow(identities, allowed_key(arena, tenant_id, user_id, element->text));
    }
    return NULL;
}

static const char *configure_tenant(struct identities *identities, struct text tenant_id,
                                    const struct json_value *users, struct arena *arena)
{
    const char *complaint = NULL;

    if (users->type != JSON_OBJECT)
        return "must have an object from user to environment ids for each tenant";
    const struct json_value *key = json_first(users);

    for (uint32_t i = 0; i < users->count && !complaint; i++, key = json_next(json_next(key)))
        complaint = configure_user(identities, tenant_id, key->text, json_next(key), arena);
    return complaint;
}

const char *environment_configure_allow_list(struct identities *identities, struct text json,
                                             struct arena *arena)
{
    struct json_error error;
    const struct json_value *tenants = json_read(arena, json, &error);
    const char *complaint = NULL;

    if (!tenants || tenants->type != JSON_OBJECT)
        return "must be a JSON object: {\"<tenant id>\": {\"<user id>\": [\"<environment id>\"]}}";
    const struct json_value *key = json_first(tenants);

    for (uint32_t i = 0; i < tenants->count && !complaint; i++, key = json_next(json_next(key)))
        complaint = configure_tenant(identities, key->text, json_next(key), arena);
    identities->has_allow_list = tenants->count > 0;
    return complaint;
}

static bool is_listed(const struct identities *identities, const struct caller *caller,
                      struct text environment_id, struct arena *arena)
{
    struct caller found;

    return caller_table_find(identities->allowed,
                             allowed_key(arena, caller->scope.tenant_id, caller->user_id, environment_id),
                             arena, &found);
}

bool environment_is_allowed(const struct identities *identities, const struct caller *caller,
                            struct text environment_id, struct arena *arena)
{
    if (!identities->has_allow_list || environment_id.length == 0 || caller->kind == CALLER_PORTAL)
        return true;
    return is_listed(identities, caller, environment_id, arena) ||
           !is_listed(identities, caller, text_empty, arena);
}

bool environment_allows(void *allowance, struct text environment_id)
{
    const struct environment_allowance *of = allowance;

    return environment_is_allowed(of->identities, of->caller, environment_id, of->arena);
}
