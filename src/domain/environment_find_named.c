/* environment_find_named.c: the environment that an operator's command names as a person would. */
#include "domain/scope_row.h"
#include "domain/tenancy.h"

STORE_QUERY(scopes_named, &scope_row_entity,
            "SELECT {columns} FROM scopes WHERE environment_id IN "
            "(SELECT e.id FROM environments AS e JOIN tenants AS t ON t.id = e.tenant_id "
            "WHERE $1 IN ('', e.id, e.name) AND $2 IN ('', t.id, t.name)) "
            "ORDER BY scope LIMIT 2");

const struct failure *environment_find_named(struct transaction *transaction, struct text tenant,
                                             struct text environment, struct scope *scope)
{
    struct text environment_name = text_is_set(environment) ? environment : text_empty,
                tenant_name = text_is_set(tenant) ? tenant : text_empty;

    if (environment_name.length == 0 && tenant_name.length == 0)
        return environment_find(transaction, text_empty, scope);
    struct record_list rows = query_records(transaction, &scopes_named,
                                            VALUES(value_text(environment_name), value_text(tenant_name)));

    if (rows.count == 1) {
        *scope = scope_of_row(rows.records);
        return NULL;
    }
    if (rows.count == 0)
        return failure_new(transaction->arena, FAILURE_NOT_FOUND,
                           arena_format(transaction->arena, "there is no environment \"%.*s\"%s%.*s%s",
                                        TEXT_FORMAT(environment_name),
                                        tenant_name.length ? " of tenant \"" : "", TEXT_FORMAT(tenant_name),
                                        tenant_name.length ? "\"" : ""));
    return failure_new(transaction->arena, FAILURE_VALIDATION,
                       TEXT("several environments match; name one by its id with --environment"));
}
