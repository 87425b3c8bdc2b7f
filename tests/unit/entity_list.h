/* entity_list.h: every entity of the program that has a table. */
#ifndef FARTHING_TESTS_ENTITY_LIST_H
#define FARTHING_TESTS_ENTITY_LIST_H

#include "model/auth.h"
#include "model/connection.h"
#include "model/customer.h"
#include "model/customer_alias.h"
#include "model/idempotency_record.h"
#include "model/integration_mapping.h"
#include "model/secret.h"
#include "model/tenancy.h"
#include "store/customer_key.h"

static const struct entity *const entities[] = {
    &tenant_entity,         &environment_entity,   &user_entity,
    &secret_entity,         &customer_entity,      &integration_mapping_entity,
    &auth_entity,           &server_secret_entity, &idempotency_record_entity,
    &customer_alias_entity, &connection_entity,    &customer_key_entity,
};
enum { ENTITY_COUNT = sizeof entities / sizeof entities[0] };

#endif
