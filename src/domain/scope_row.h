/* scope_row.h: a scope as the database has it. Only for the domain. */
#ifndef FARTHING_DOMAIN_SCOPE_ROW_H
#define FARTHING_DOMAIN_SCOPE_ROW_H

#include "model/entity.h"
#include "model/scope.h"

struct scope_row {
    int64_t scope;
    struct text tenant_id;
    struct text environment_id;
};

/* What queries for scopes return: scope, tenant_id, environment_id. */
extern const struct entity scope_row_entity;

struct scope scope_of_row(const struct scope_row *row);

#endif
