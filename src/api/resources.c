#include "api/resources.h"

const struct route_table *const route_tables[] = {
    &auth_routes,
    &customer_routes,
    &environment_routes,
    &tenant_routes,
    &role_routes,
    &api_key_routes,
    &user_routes,
    &portal_routes,
    &health_routes,
    &admin_key_routes,
    &admin_import_routes,
    &admin_log_routes,
    &admin_tenancy_routes,
    &admin_secret_routes,
    &admin_route_routes,
    &metrics_routes,
    &activity_routes,
    &admin_audit_routes,
    &admin_backup_routes,
    &admin_customer_search_routes,
    &admin_outbox_routes,
    &admin_customer_routes,
    &connection_routes,
    &integration_routes,
    NULL,
};

static bool is_allowed(struct text name, const struct text *allowed)
{
    for (; allowed->data; allowed++)
        if (text_equal(*allowed, name))
            return true;
    return false;
}

static struct text trim_spaces(struct text text)
{
    while (text.length && text.data[0] == ' ')
        text = text_from(text, 1);
    while (text.length && text.data[text.length - 1] == ' ')
        text.length--;
    return text;
}

/* The part of an entry that is not known, or an unset text: a root, or what is asked for inside one. */
static struct text unknown_part(struct text entry, const struct text *allowed)
{
    size_t dot = text_find(entry, '.');
    struct text root = text_slice(entry, 0, dot);

    if (!is_allowed(root, allowed))
        return root;
    return dot < entry.length ? text_from(entry, dot + 1) : text_none;
}

const struct failure *expand_check(struct exchange *exchange, const struct text *allowed)
{
    struct text expand;
    const struct failure *failure = exchange_query(exchange, TEXT("expand"), &expand);

    return failure ? failure : expand_check_text(exchange, expand, allowed);
}

/* What is there to choose from is told as well: a typing error is seen at once. */
static const struct failure *cannot_expand(struct exchange *exchange, struct text unknown,
                                           const struct text *allowed)
{
    struct arena *arena = exchange->arena;
    struct text names = text_empty;

    for (const struct text *name = allowed; name->data; name++)
        names = arena_list_add(arena, names, *name);
    struct text message = names.length ? arena_format(arena, "expand may name %.*s", TEXT_FORMAT(names))
                                       : TEXT("expand: nothing can be expanded here");

    return failure_add(failure_new(arena, FAILURE_VALIDATION, message), arena, TEXT("field"), unknown);
}

const struct failure *expand_check_text(struct exchange *exchange, struct text expand,
                                        const struct text *allowed)
{
    struct text rest = expand;

    while (text_is_set(rest)) {
        size_t end = text_find(rest, ',');
        struct text unknown = unknown_part(trim_spaces(text_slice(rest, 0, end)), allowed);

        if (text_is_set(unknown))
            return cannot_expand(exchange, unknown, allowed);
        rest = end == rest.length ? text_none : text_from(rest, end + 1);
    }
    return NULL;
}

struct actor exchange_actor(const struct exchange *exchange)
{
    return (struct actor){exchange->caller.roles, caller_is_super_admin(&exchange->caller)};
}

struct environment_allowance exchange_allowance(const struct exchange *exchange)
{
    return (struct environment_allowance){exchange->loop->api->identities, &exchange->caller,
                                          exchange->arena};
}
