/* environment_find_named.c: the environment that an operator's command names as a person would. */
#include "domain/scope_row.h"
#include "domain/tenancy.h"
#include "domain/tenancy_operator.h"

enum { ENVIRONMENTS_SHOWN = 10 /* of a list in a message */ };

STORE_QUERY(scopes_named, &scope_row_entity,
            "SELECT {columns} FROM scopes WHERE environment_id IN "
            "(SELECT e.id FROM environments AS e JOIN tenants AS t ON t.id = e.tenant_id "
            "WHERE $1 IN ('', e.id, e.name) AND $2 IN ('', t.id, t.name)) "
            "ORDER BY scope LIMIT 2");

/* A name or an id; empty: any. */
struct wanted {
    struct text tenant, environment;
};

static bool is_called(struct text wanted, struct text id, struct text name)
{
    return wanted.length == 0 || text_equal(wanted, id) || text_equal(wanted, name);
}

/* "env_1 (Sandbox of Acme), env_2 (Production of Acme)": empty when there is none. */
static struct text list_environments(struct transaction *transaction, const struct wanted *wanted)
{
    struct record_list rows = environment_list(transaction, text_empty);
    const struct environment_listing *listings = rows.records;
    struct text list = text_empty;
    size_t found = 0;

    for (size_t i = 0; i < rows.count && found <= ENVIRONMENTS_SHOWN; i++) {
        const struct environment_listing *listing = &listings[i];

        if (!is_called(wanted->environment, listing->id, listing->name) ||
            !is_called(wanted->tenant, listing->tenant_id, listing->tenant_name))
            continue;
        if (found++ == ENVIRONMENTS_SHOWN)
            return arena_format(transaction->arena, "%.*s and more", TEXT_FORMAT(list));
        list = arena_format(transaction->arena, "%.*s%s%.*s (%.*s of %.*s)", TEXT_FORMAT(list),
                            list.length ? ", " : "", TEXT_FORMAT(listing->id), TEXT_FORMAT(listing->name),
                            TEXT_FORMAT(listing->tenant_name));
    }
    return list;
}

static const struct failure *several(struct transaction *transaction, const struct wanted *wanted)
{
    bool is_named = wanted->environment.length > 0 || wanted->tenant.length > 0;
    struct text list = list_environments(transaction, wanted);

    return failure_new(
        transaction->arena, FAILURE_VALIDATION,
        arena_format(transaction->arena,
                     "%s: %.*s; name one by its id with --environment, or by names with "
                     "--environment and --tenant",
                     is_named ? "several environments match" : "there are several environments",
                     TEXT_FORMAT(list)));
}

static const struct failure *none(struct transaction *transaction, const struct wanted *wanted)
{
    struct arena *arena = transaction->arena;
    struct wanted others = {.tenant = wanted->tenant, .environment = text_empty};
    struct text list = list_environments(transaction, &others), what;

    if (wanted->tenant.length > 0 && list.length == 0) {
        others.tenant = text_empty;
        list = list_environments(transaction, &others);
        what = arena_format(arena, "there is no tenant \"%.*s\" with an environment",
                            TEXT_FORMAT(wanted->tenant));
    } else if (wanted->tenant.length > 0) {
        what = arena_format(arena, "there is no environment \"%.*s\" of tenant \"%.*s\"",
                            TEXT_FORMAT(wanted->environment), TEXT_FORMAT(wanted->tenant));
    } else {
        what = arena_format(arena, "there is no environment \"%.*s\"", TEXT_FORMAT(wanted->environment));
    }
    return failure_new(arena, FAILURE_NOT_FOUND,
                       arena_format(arena, "%.*s; there are %.*s", TEXT_FORMAT(what), TEXT_FORMAT(list)));
}

const struct failure *environment_find_named(struct transaction *transaction, struct text tenant,
                                             struct text environment, struct scope *scope)
{
    struct wanted wanted = {.tenant = text_is_set(tenant) ? tenant : text_empty,
                            .environment = text_is_set(environment) ? environment : text_empty};
    struct record_list rows = query_records(
        transaction, &scopes_named, VALUES(value_text(wanted.environment), value_text(wanted.tenant)));

    if (rows.count == 1) {
        *scope = scope_of_row(rows.records);
        return NULL;
    }
    if (rows.count > 1)
        return several(transaction, &wanted);
    if (wanted.environment.length == 0 && wanted.tenant.length == 0)
        return environment_find(transaction, text_empty, scope); /* which says so */
    return none(transaction, &wanted);
}
