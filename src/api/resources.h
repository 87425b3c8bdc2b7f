/* resources.h: what the files of the resources share: their tables, and parsing that is the same in each.
 * Only for the api room. */
#ifndef FARTHING_API_RESOURCES_H
#define FARTHING_API_RESOURCES_H

#include "api/exchange.h"
#include "model/tenancy.h"

extern const struct route_table auth_routes;
extern const struct route_table connection_routes;
extern const struct route_table customer_routes;
extern const struct route_table environment_routes;
extern const struct route_table integration_routes;
extern const struct route_table tenant_routes;
extern const struct route_table role_routes;
extern const struct route_table api_key_routes;
extern const struct route_table user_routes;
extern const struct route_table portal_routes;
extern const struct route_table health_routes;
extern const struct route_table admin_key_routes;
extern const struct route_table admin_import_routes;
extern const struct route_table activity_routes;
extern const struct route_table admin_audit_routes;
extern const struct route_table admin_backup_routes;
extern const struct route_table admin_customer_routes;
extern const struct route_table admin_customer_search_routes;
extern const struct route_table admin_log_routes;
extern const struct route_table admin_outbox_routes;
extern const struct route_table admin_route_routes;
extern const struct route_table admin_secret_routes;
extern const struct route_table admin_tenancy_routes;
extern const struct route_table metrics_routes;

/* A tenant as every reply shows it, and what the API description says of that. */
void tenant_write(struct json_writer *writer, const struct tenant *tenant, struct arena *arena);
extern const struct reply_schema tenant_reply;

/* Checks the query parameter `expand` against the names that a resource has, ended by an unset text
 * (conventions section 18). None of them has anything nested. */
const struct failure *expand_check(struct exchange *exchange, const struct text *allowed);
/* The same of a text; unset: nothing is to be expanded. */
const struct failure *expand_check_text(struct exchange *exchange, struct text expand,
                                        const struct text *allowed);

#endif
